# shellcheck shell=bash
# The frame of a walk-through: the commands of publisher/WALKTHROUGHS.md, run as they stand there.
#
#   source "$(dirname "$0")/../lib/walkthrough.sh"
#   walk "One binary from GitHub Actions" FOLDER [FROM=TO…]     then: follow HEADING [VARIABLE=VALUE…]
#
# - $WORK is a temporary folder; $BIN holds the release binaries and is first in the path. There `sysext-fetch` works on the
#   root $WORK/host, as the text leaves --root out; the program itself is in $PROGRAMS.
# - FROM=TO replaces a text that can not be true here, such as the URL of a web server. One that is nowhere is an error.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"

WORK=$(mktemp -d "${TMPDIR:-/tmp}/sysext-walk.XXXXXX")
trap finish EXIT
trap 'exit 143' TERM INT HUP
BIN=$WORK/bin PROGRAMS=$WORK/programs
mkdir -p "$BIN" "$WORK/host/etc"
cp /etc/os-release "$WORK/host/etc/os-release"
release_binaries "$PROGRAMS"
cp "$PROGRAMS/sysext-publish" "$BIN/"
printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$PROGRAMS/sysext-fetch" "$WORK/host" >"$BIN/sysext-fetch"
chmod +x "$BIN/sysext-fetch"
PATH=$BIN:$PATH
export SYSEXT_PUBLISH_PASSPHRASE=walk XDG_STATE_HOME=$WORK/state

WALK='' WALK_FOLDER='' WALK_REPLACE=()
walk() { WALK=$1 WALK_FOLDER=$2 WALK_REPLACE=("${@:3}"); }

# The commands below a heading of the walk-through.
blocks() {
    awk -v walk="## $WALK" -v heading="### $1" '
        /^## / { here = $0 == walk; found = 0 }
        /^### / { found = $0 == heading }
        here && found && /^```sh$/ { inside = 1; next }
        inside && /^```$/ { inside = 0 }
        inside
    ' "$REPO/publisher/WALKTHROUGHS.md"
}

# follow HEADING [VARIABLE=VALUE…]: runs them in the folder, one after the other, until one fails.
follow() {
    local heading=$1 commands pair
    shift
    commands=$(blocks "$heading")
    [[ -n $commands ]] || fail "publisher/WALKTHROUGHS.md has nothing to run below \"$WALK\", \"$heading\""
    for pair in "${WALK_REPLACE[@]}"; do
        grep -Fq -- "${pair%%=*}" "$REPO/publisher/WALKTHROUGHS.md" || fail "${pair%%=*} is not in the text"
        commands=${commands//"${pair%%=*}"/"${pair#*=}"}
    done
    say "$WALK: $heading"
    (cd "$WALK_FOLDER" && env "$@" bash -euxo pipefail -c "$commands") || fail "\"$heading\" ended with $?"
}

# runs NAME: the version of an extension that the host links.
runs() {
    sysext-fetch --json status | python3 -c '
import json, sys
extensions = json.load(sys.stdin)["extensions"]
print(*(entry["linked"] for entry in extensions if entry["name"] == sys.argv[1]))' "$1"
}
