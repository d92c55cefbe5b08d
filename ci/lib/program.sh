# shellcheck shell=bash
# A small static program in any number of versions, for extensions that can be run. Sourced after common.sh.

# small_program FILE VERSION: a program that prints its own name and that version; with an argument it stays.
small_program() {
    local file=$1 version=$2 name source compile
    name=$(basename "$file")
    need cc=gcc || return 1
    mkdir -p "$(dirname "$file")"
    source=$(mktemp -d)
    cat >"$source/program.c" <<'C'
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    puts(NAME " " VERSION);
    return argc > 1 ? pause() : 0;
}
C
    # Static: one binary for every host, so that the extension may say ID=_any.
    compile=(cc -static -Os -s "-DNAME=\"$name\"" "-DVERSION=\"$version\"" -o "$file" "$source/program.c")
    if ! "${compile[@]}" 2>"$source/log"; then
        apt_install libc6-dev || true
        if ! "${compile[@]}"; then
            rm -rf "$source"
            printf 'missing: a static C library (Debian package libc6-dev)\n' >&2
            return 1
        fi
    fi
    rm -rf "$source"
}
