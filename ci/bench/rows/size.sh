# shellcheck shell=bash
# How large the program is as it is shipped.

row_size() {
    [[ $1 == 1 ]] || return 0
    note_figure "sysext-fetch, dynamic" size "$(stat -c %s "$WORK/bin/sysext-fetch")"
    note_figure "sysext-fetch, static" size "$(stat -c %s "$WORK/bin/sysext-fetch-static")"
}
