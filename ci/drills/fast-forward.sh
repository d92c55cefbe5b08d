#!/usr/bin/env bash
# Versions were driven up with the online key: nobody could publish after that, and hosts that believed it would take
# nothing older. Both recover.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"

drill_begin --unencrypted
good=$(find "$WORK/acme/public/metadata" -name '*.snapshot.json' -printf '%f\n' | sort -n | tail -n 1 | cut -d . -f 1)
steal keys/ci/online.pem
python3 "$CI_DIR/lib/forge.py" "$WORK/acme/public" "$WORK/thief/keys/ci/online.pem" 18446744073709551615

say "the host believes it: the key was good"
host update
pack hello 2.0
expect_code 1 vendor add "images/hello_2.0_$(systemd_architecture).raw"

procedure "Versions were driven up" GOOD="$good"

say "the host that was deceived finds its way back, and the vendor publishes again"
host update
vendor add "images/hello_2.0_$(systemd_architecture).raw"
host update
expect 2.0 runs hello
new_host late
sysext-fetch --root "$WORK/late" install hello ahoy
