# shellcheck shell=bash
# What every script under ci/ shares: words, the cache folder, root rights, Debian packages.
#
# - Sourced, never run. Sets -euo pipefail for the script that sources it.
# - Everything kept between runs lies in the cache folder, outside the repository.
# - A missing thing is installed when that is possible and named when it is not; nothing is
#   installed behind the back of a user who can not become root.
# - Exit code 77 means "this machine can not run it": the reason is the last line on stderr.

set -euo pipefail

CI_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
REPO=$(dirname "$CI_DIR")
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sysext-catalog-ci
TARGET_DIR=${CARGO_TARGET_DIR:-$REPO/target}
# shellcheck disable=SC2034  # for the scripts that source this
readonly CI_DIR REPO CACHE TARGET_DIR
readonly SKIPPED=77
# Debian keeps administrators' tools out of an ordinary user's path.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# A heading on stderr, so that the output of the tools below it can be told apart.
step() { printf '\n==> %s\n' "$*" >&2; }

note() { printf '    %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Ends the script with the code that ci/test counts as skipped. Usage: skip NAME REASON
skip() {
    printf 'skipped: %s: %s\n' "$1" "$2" >&2
    exit "$SKIPPED"
}

have() { command -v "$1" >/dev/null 2>&1; }

# Root rights, now or without being asked for a password.
can_be_root() { [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null; }

as_root() {
    if [[ $EUID -eq 0 ]]; then
        "$@"
    else
        sudo -n -- "$@"
    fi
}

# Kills its command after SECONDS, ten seconds later for good. Usage: within SECONDS CMD…
within() { timeout --kill-after=10 "$@"; }

# Installs Debian packages. Succeeds only if all of them are installed afterwards.
apt_install() {
    have apt-get && can_be_root || return 1
    mkdir -p "$CACHE"
    (
        # Two runs at once would otherwise fight over the lists, whose lock apt does not wait for.
        flock 9
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -yq -o DPkg::Lock::Timeout=120)
        local install=("${apt[@]}" install --no-install-recommends "$@")
        # The lists may be old or absent: fetch them only when the first try shows it.
        as_root timeout -k 10 900 "${install[@]}" && exit 0
        as_root timeout -k 10 300 "${apt[@]}" update
        as_root timeout -k 10 900 "${install[@]}"
    ) 9>"$CACHE/apt.lock" >>"$CACHE/apt.log" 2>&1
}

# Makes sure that commands exist. Usage: need COMMAND[=PACKAGE]…
# Returns 1 after naming what is missing and could not be installed.
need() {
    local want command package missing=()
    for want in "$@"; do
        command=${want%%=*} package=${want#*=}
        have "$command" || missing+=("$package")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0
    note "installing ${missing[*]}"
    apt_install "${missing[@]}" || true
    hash -r
    for want in "$@"; do
        command=${want%%=*} package=${want#*=}
        have "$command" && continue
        printf 'missing: the command %s (Debian package %s); install it as root and run this again\n' \
            "$command" "$package" >&2
        return 1
    done
}

# The same, but a missing command makes the script skip itself. Usage: need_or_skip NAME COMMAND[=PACKAGE]…
need_or_skip() {
    local name=$1
    shift
    need "$@" || skip "$name" "needs $*"
}
