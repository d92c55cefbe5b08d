#!/usr/bin/env bash
# The online key is stolen: what it allowed ends, and nothing that it signed is believed any more.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"

drill_begin --unencrypted
steal keys/ci/online.pem

say "with the online key alone, freshness is renewed and nothing else is signed"
thief renew
pack hello 6.6
expect_code 2 thief add "$WORK/acme/images/hello_6.6_$(systemd_architecture).raw"
expect_code 6 thief renew --release
host update

procedure "The online key is stolen"

say "the thief signs nothing any more that anybody takes"
expect_code 6 thief renew
cp "$WORK/acme/public/metadata/timestamp.json" "$WORK/good.json"
python3 "$CI_DIR/lib/forge.py" "$WORK/acme/public" "$WORK/thief/keys/ci/online.pem" 900
expect_code 3 host update
expect_code 4 vendor verify
cp "$WORK/good.json" "$WORK/acme/public/metadata/timestamp.json"

say "the vendor goes on, and so do old and new hosts"
release hello 2.0
host update
expect 2.0 runs hello
new_host late
sysext-fetch --root "$WORK/late" install hello ahoy
