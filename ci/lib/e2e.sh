# shellcheck shell=bash
# The frame of an end-to-end script: what runs on the machine, what runs in the sandbox, how both assert.
#
#   source "$(dirname "$0")/../lib/e2e.sh"
#   # $VERSION is the argument.
#   outside() { … }      # as the user who started it: programs, catalogs, servers; $WORK is an empty folder
#   inside() { … }       # as root in ci/lib/sysext-sandbox; the same $WORK under the same path
#   e2e_main "$@"        # the argument: 252, 257 or 262
#
# - $BIN holds the release binaries sysext-fetch and sysext-publish and is first in the path, in and out.
# - Servers started by `serve_folder` end with the script; $WORK is removed unless E2E_KEEP is set.
# - An assertion that fails says what it wanted, what it got, and ends the script.

# shellcheck source=ci/lib/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=ci/lib/serve.sh
source "$CI_DIR/lib/serve.sh"

# say TEXT: what happens next, as the story is read.
say() { printf -- '--- %s\n' "$*" >&2; }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# expect WANTED COMMAND…: succeeds and prints exactly that.
expect() {
    local wanted=$1 got status=0
    shift
    got=$("$@") || status=$?
    [[ $status -eq 0 ]] || fail "\`$*\` ended with $status, wanted success; it printed: $got"
    [[ $got == "$wanted" ]] || fail "\`$*\` printed '$got', wanted '$wanted'"
}

# expect_code CODE COMMAND…: ends with that exit code.
expect_code() {
    local wanted=$1 got=0
    shift
    "$@" || got=$?
    [[ $got -eq $wanted ]] || fail "\`$*\` ended with $got, wanted $wanted"
}

# absent PATH…: nothing has this name, not even a dangling link.
absent() {
    local path
    for path in "$@"; do
        [[ ! -e $path && ! -L $path ]] || fail "$path is there, and should not be"
    done
}

# serve_folder DIR [TOKEN]: serves it over http until the script ends; prints nothing, sets URL. Whoever has the token may
# put files there.
serve_folder() {
    need python3 || skip "http server" "needs python3"
    serve_with "$CI_DIR/lib/http-server" "$1" ${2:+"$2"} 2>>"$WORK/http.log"
}

finish() {
    local server
    for server in "${SERVERS[@]}"; do
        kill "$server" 2>/dev/null || true
    done
    if [[ -n ${E2E_KEEP-} ]]; then
        note "kept: $WORK"
    else
        rm -rf --one-file-system "$WORK" 2>/dev/null || as_root rm -rf --one-file-system "$WORK"
    fi
}

e2e_main() {
    if [[ -n ${E2E_INSIDE-} ]]; then
        export PATH=$BIN:$PATH
        inside
        return
    fi
    local version=${1-}
    [[ $version == 252 || $version == 257 || $version == 262 ]] || die "usage: $0 252|257|262"
    VERSION=$version
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/sysext-e2e.XXXXXX")
    BIN=$WORK/bin
    trap finish EXIT
    trap 'exit 143' TERM INT HUP
    mkdir "$BIN"
    export PATH=$BIN:$PATH
    outside
    local passed=()
    [[ -z ${URL-} ]] || passed+=(--env "URL=$URL")
    "$CI_DIR/lib/sysext-sandbox" --ro "$CI_DIR" --rw "$WORK" --env E2E_INSIDE=1 --env "VERSION=$VERSION" --env "WORK=$WORK" \
        --env "BIN=$BIN" "${passed[@]}" "$version" -- bash "$CI_DIR/e2e/$(basename "$0")"
    say "$(basename "$0") $version: as it should be"
}
