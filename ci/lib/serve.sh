# shellcheck shell=bash
# Starts web servers of our own for a script, after common.sh.
#
# - A server takes FOLDER URL-FILE and more, and writes its URL into that file once it listens.
# - $WORK is there; whoever sources this ends what stands in SERVERS.

# The web servers to end with the script.
SERVERS=()

# serve_with PROGRAM FOLDER [MORE…]: serves a folder until the script ends; prints nothing, sets URL.
serve_with() {
    local url_file
    url_file=$(mktemp -u "$WORK/url.XXXXXX")
    python3 "$1" "$2" "$url_file" "${@:3}" </dev/null &
    SERVERS+=("$!")
    for _ in $(seq 100); do
        [[ ! -e $url_file ]] || break
        sleep 0.05
    done
    [[ -e $url_file ]] || die "no web server within 5 seconds"
    # shellcheck disable=SC2034  # for the scripts that source this
    URL=$(cat "$url_file")
}
