#!/usr/bin/env bash
# The key of an extension is stolen: hosts that have its index refuse it at the next refresh, other extensions go on.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"

drill_begin --unencrypted
steal keys/ci/hello.pem keys/ci/online.pem

say "the thief, who has the online key too for a moment, publishes an image"
pack hello 6.6
thief add "$WORK/acme/images/hello_6.6_$(systemd_architecture).raw"
rm "$WORK/acme/images/hello_6.6_$(systemd_architecture).raw"
host update
expect 6.6 runs hello

say "revoked, before there is anything new: hosts refuse the index that they have"
cd "$WORK/acme"
sysext-publish key generate --unencrypted keys/ci/hello-1b.pem
sysext-publish key replace --for hello --key file:keys/ci/hello-1b.pem --revoke
release ahoy 2.0
expect_code 3 host update
expect 2.0 runs ahoy
expect 6.6 runs hello
thief renew
expect_code 6 thief add --anew "$WORK/acme/images/hello_1.0_$(systemd_architecture).raw"

procedure "The key of an extension is stolen"

say "what the vendor vouches for is there again, and nothing of the thief"
pack hello 7.0
vendor add "images/hello_7.0_$(systemd_architecture).raw"
host update
expect 7.0 runs hello
host versions hello
host versions hello | grep -q ' 1\.0 ' || fail "1.0 is gone"
if host versions hello | grep -q ' 6\.6 '; then fail "6.6 is still offered"; fi
