# shellcheck shell=bash
# The test-only example programs of sysext-formats, which oracles are compared with. Sourced after common.sh.

# example NAME [ARGUMENT…]: builds it once, then runs it with the caller's stdin and stdout.
example() {
    (cd "$REPO" && within 900 cargo build --quiet --locked -p sysext-formats --example "$1" </dev/null >&2)
    within 300 "$TARGET_DIR/debug/examples/$1" "${@:2}"
}
