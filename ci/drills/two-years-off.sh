#!/usr/bin/env bash
# A host was off for two years: it walks through twenty new roots, with other keys than it knew, in one update.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"
need_or_skip "two years off" faketime

drill_begin --unencrypted
for round in $(seq 1 20); do
    day=$((round * 36))
    case $((round % 5)) in
        0) office=online ;;
        3) office=release ;;
        *) office='' ;;
    esac
    if [[ -n $office ]]; then
        vendor key generate --unencrypted "keys/ci/$office-$round.pem"
        later "$day" vendor --quiet key replace --for "$office" --key "file:keys/ci/$office-$round.pem"
    else
        later "$day" vendor --quiet renew --root
    fi
done
later 725 vendor --quiet renew --release
pack hello 2.0
later 726 vendor add "images/hello_2.0_$(systemd_architecture).raw"
later 727 vendor --quiet renew
[[ -e $WORK/acme/public/metadata/21.root.json ]] || fail "there are not twenty new roots"

say "730 days later"
before=$(grep -c root.json "$WORK/http.log" || true)
later 730 host update
expect 2.0 later 730 runs hello
walked=$(($(grep -c root.json "$WORK/http.log") - before))
[[ $walked -eq 21 ]] || fail "it asked for $walked roots, wanted 20 and one that is not there"
