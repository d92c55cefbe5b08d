# shellcheck shell=bash
# Programs from crates.io that checks run. Sourced after common.sh.
#
# - Installed with their own lock files at one version, into the target directory, and first in the path from then on.

# cargo_tool_or_skip PART CRATE VERSION
cargo_tool_or_skip() {
    local part=$1 crate=$2 version=$3 root=$TARGET_DIR/tools/$2-$3
    export PATH=$root/bin:$PATH
    [[ ! -x $root/bin/$crate ]] || return 0
    note "installing $crate $version from crates.io"
    mkdir -p "$root"
    # Its own target directory: a tool's dependencies are none of the workspace's.
    within 1800 cargo install --quiet --locked --root "$root" --target-dir "$root/build" --version "=$version" "$crate" \
        >"$root/log" 2>&1 </dev/null || {
        tail -n 5 "$root/log" >&2
        skip "$part" "$crate $version can not be installed from crates.io"
    }
    rm -rf "$root/build"
}
