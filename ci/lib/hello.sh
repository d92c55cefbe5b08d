# shellcheck shell=bash
# A small static program in any number of versions, for extensions that can be run. Sourced after common.sh.

# hello_program FILE VERSION: /usr/bin/hello says which version it is.
hello_program() {
    local file=$1 version=$2 source
    need cc=gcc || return 1
    mkdir -p "$(dirname "$file")"
    source=$(mktemp --suffix=.c)
    cat >"$source" <<'C'
#include <stdio.h>
int main(void) {
    puts("hello " VERSION);
    return 0;
}
C
    # Static: one binary for every host, so the extension may say ID=_any.
    if ! cc -static -Os -s "-DVERSION=\"$version\"" -o "$file" "$source" 2>"$source.log"; then
        apt_install libc6-dev || true
        cc -static -Os -s "-DVERSION=\"$version\"" -o "$file" "$source" || {
            rm -f "$source" "$source.log"
            printf 'missing: a static C library (Debian package libc6-dev)\n' >&2
            return 1
        }
    fi
    rm -f "$source" "$source.log"
}
