# shellcheck shell=bash
# The frame of a drill: a vendor, a web server, a host in a folder, and a procedure of publisher/RECOVERY.md, or of the page
# that PROCEDURES names, run as it stands there.
#
#   source "$(dirname "$0")/../lib/drill.sh"
#   … set up, break something …
#   procedure "The online key is stolen" [VARIABLE=VALUE…]
#   … assert …
#
# - $WORK is a temporary folder with acme/ (the vendor; its public/ is served at $URL), images/ and host/.
# - `host` runs the client on that host, `vendor` the publisher in the vendor's folder, `thief` in a copy of it.
# - `later DAYS COMMAND…` runs a command so many days from now.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/pages.sh
source "$CI_DIR/lib/pages.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"

WORK=$(mktemp -d "${TMPDIR:-/tmp}/sysext-drill.XXXXXX")
trap finish EXIT
trap 'exit 143' TERM INT HUP
BIN=$WORK/bin
mkdir "$BIN"
release_binaries "$BIN"
PATH=$BIN:$PATH
export SYSEXT_PUBLISH_PASSPHRASE=drill XDG_STATE_HOME=$WORK/state

# drill_begin [init OPTION…]: a catalog of hello and ahoy, each with an image of version 1.0, and a host that runs both.
drill_begin() {
    local name
    mkdir -p "$WORK/acme/public" "$WORK/acme/images"
    serve_folder "$WORK/acme/public"
    vendor init public --id acme --url "$URL" --extension ahoy "$@"
    vendor extension add hello --own-key --unencrypted
    for name in hello ahoy; do
        release "$name" 1.0
    done
    FINGERPRINT=$(vendor_fingerprint "$WORK/acme")
    new_host host
    host install hello ahoy
}

# release NAME VERSION: packs and publishes a version.
release() {
    pack "$1" "$2"
    vendor add "images/$1_$2_$(systemd_architecture).raw"
}

# pack NAME VERSION: makes an image in images/.
pack() {
    small_program "$WORK/programs/$2/$1" "$2" || skip drill "needs a C compiler"
    vendor pack "$WORK/programs/$2/$1" --name "$1" --version "$2" \
        -o "images/$1_$2_$(systemd_architecture).raw"
}

vendor() { (cd "$WORK/acme" && sysext-publish "$@"); }

# thief KEY…: takes a copy of the vendor's folder with these keys only; the location is the vendor's.
steal() {
    local key
    rm -rf "$WORK/thief"
    mkdir -p "$WORK/thief/keys/ci" "$WORK/thief/keys/offline"
    cp "$WORK/acme/sysext-publish.toml" "$WORK/acme/root.json" "$WORK/thief/"
    sed -i "s|^location = .*|location = \"$WORK/acme/public\"|" "$WORK/thief/sysext-publish.toml"
    for key in "$@"; do
        cp "$WORK/acme/$key" "$WORK/thief/$key"
    done
}
thief() { (cd "$WORK/thief" && XDG_STATE_HOME=$WORK/thief/state sysext-publish "$@"); }

# new_host NAME: a host that trusts the catalog by the fingerprint that was printed first.
new_host() {
    mkdir -p "$WORK/$1/etc"
    cp /etc/os-release "$WORK/$1/etc/os-release"
    sysext-fetch --root "$WORK/$1" catalog add "$URL#sha256=$FINGERPRINT"
}

host() { sysext-fetch --root "$WORK/host" "$@"; }

# runs NAME: the version of an extension that the host links.
runs() {
    host --json status | python3 -c '
import json, sys
extensions = json.load(sys.stdin)["extensions"]
print(*(entry["linked"] for entry in extensions if entry["name"] == sys.argv[1]))' "$1"
}

# later DAYS COMMAND…: at a later time. Functions of this file may be given.
later() {
    local days=$1
    shift
    (
        local library
        library=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
        export LD_PRELOAD=$library FAKETIME=+${days}d DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_RESET=1
        "$@"
    )
}

PROCEDURES=${PROCEDURES:-publisher/RECOVERY.md}

# procedure HEADING [VARIABLE=VALUE…]: runs them in the vendor's folder, one after the other, until one fails.
procedure() {
    local heading=$1 commands
    shift
    commands=$(commands_below "$REPO/$PROCEDURES" "$heading")
    [[ -n $commands ]] || fail "$PROCEDURES has no procedure \"$heading\""
    say "procedure: $heading"
    (cd "$WORK/acme" && env "$@" bash -euxc "$commands") || fail "the procedure \"$heading\" ended with $?"
}
