#!/usr/bin/env bash
# Every key of a catalog is replaced: hosts that know the first root follow, and the old keys open nothing.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"

drill_begin --profile ci
steal keys/ci/release.pem keys/ci/online.pem keys/offline/root-1.pem keys/offline/root-2.pem

procedure "Every key is replaced"
rm "$WORK/acme/keys/ci/release.pem" "$WORK/acme/keys/ci/online.pem" "$WORK"/acme/keys/offline/root-[12].pem

say "the vendor needs none of the old keys, and they sign nothing"
vendor renew
vendor renew --release
vendor renew --root
release ahoy 2.0
for words in "renew" "renew --release" "renew --root"; do
    # shellcheck disable=SC2086  # words
    expect_code 6 thief $words
done

say "a host that knows the first root, and one that begins with it"
host update
expect 2.0 runs ahoy
new_host late
sysext-fetch --root "$WORK/late" install hello ahoy
