#!/usr/bin/env bash
# "k3s in ten minutes", with a small program in the place of k3s.

# shellcheck source=ci/lib/walkthrough.sh
source "$(dirname "$0")/../lib/walkthrough.sh"

need python3 || skip walk-k3s "needs python3"
mkdir -p "$WORK/vendor/public"
serve_folder "$WORK/vendor/public"
for version in 1.31.5 1.31.6 1.32.1; do
    small_program "$WORK/vendor/$version/k3s" "$version" || skip walk-k3s "needs a C compiler"
done
walk "k3s in ten minutes" "$WORK/vendor" "https://sysext.example.org=$URL"

follow "The catalog"
FINGERPRINT=$(vendor_fingerprint "$WORK/vendor")
follow "A host" "FINGERPRINT=$FINGERPRINT"
expect 1.31.5+k3s1 runs k3s
follow "The next versions"
expect 1.31.5+k3s1 runs k3s
sysext-fetch update
expect 1.31.6+k3s1 runs k3s
follow "Hosts follow"
expect 1.32.1+k3s1 runs k3s
say "the walk-through is true"
