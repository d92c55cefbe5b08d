# shellcheck shell=bash
# The release binaries, as they would be shipped. Sourced after common.sh.

# release_binaries DIR: builds both and copies them into DIR. SYSEXT_BINARIES names a folder that has them already, such as
# the one of a package.
release_binaries() {
    local package
    if [[ -n ${SYSEXT_BINARIES-} ]]; then
        install -m 0755 -D -t "$1" "$SYSEXT_BINARIES/sysext-fetch" "$SYSEXT_BINARIES/sysext-publish"
        return
    fi
    have cargo || die "cargo is missing: install a Rust toolchain, 1.95 or newer"
    need cc=gcc || exit 1
    mkdir -p "$1"
    # One by one: built together, cargo would unify their features and the client would be able to sign.
    for package in sysext-fetch sysext-publish; do
        (cd "$REPO" && cargo build --quiet --locked --release -p "$package" </dev/null) || die "$package does not build"
        install -m 0755 "$TARGET_DIR/release/$package" "$1/$package.new"
        mv "$1/$package.new" "$1/$package"
    done
}
