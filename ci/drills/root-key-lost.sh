#!/usr/bin/env bash
# One of three root keys is lost, two must sign: the two others put a new one in its place, each at their own machine.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"

drill_begin --profile team
lost=$(vendor key show keys/offline/root-2.pub | head -n 1)
rm "$WORK/acme/keys/offline/root-2.pem"

procedure "A root key is lost" LOST="$lost"

say "nothing changes for hosts, and the new key signs"
host update
rm "$WORK/acme/keys/offline/root-1.pem"
vendor renew --root
release hello 2.0
host update
expect 2.0 runs hello
new_host late
sysext-fetch --root "$WORK/late" install hello ahoy
