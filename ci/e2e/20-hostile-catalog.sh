#!/usr/bin/env bash
# A web server that lies, goes backwards, or goes away: each time the right exit code, the merged extension still
# runs, its link is the same, and the other catalog goes on. The honest catalog is accepted again afterwards.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"

outside() {
    release_binaries "$BIN"
    local version
    for version in 1.0 2.0; do
        small_program "$WORK/$version/hello" "$version" || skip "hostile catalog" "needs a C compiler"
        small_program "$WORK/$version/ahoy" "$version"
    done
    mkdir "$WORK/www"
    ln -s ../acme/public "$WORK/www/acme"
    ln -s ../globex/public "$WORK/www/globex"
    serve_folder "$WORK/www"
    vendor_init "$WORK/acme" acme "$URL/acme" hello
    vendor_init "$WORK/globex" globex "$URL/globex" ahoy
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0
    cp -a "$WORK/acme/public" "$WORK/old"
    vendor_publish "$WORK/globex" "$WORK/1.0/ahoy" 1.0
}

# serve_state DIR: what the web server has for the first vendor from now on.
serve_state() {
    rm -rf "$WORK/acme/public"
    cp -a "$1" "$WORK/acme/public"
}

# refused CODE WHAT: an update ends with CODE, and this host is as it was.
refused() {
    say "$2"
    local link
    link=$(readlink /etc/extensions/hello.raw)
    expect_code "$1" sysext-fetch update
    [[ $(readlink /etc/extensions/hello.raw) == "$link" ]] || fail "the link changed"
    expect "hello $RUNNING" /usr/bin/hello
}

inside() {
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL/acme"
    host_add "$(vendor_fingerprint "$WORK/globex")" "$URL/globex"
    sysext-fetch install hello ahoy
    RUNNING=1.0
    expect "hello 1.0" /usr/bin/hello

    vendor_publish "$WORK/acme" "$WORK/2.0/hello" 2.0
    cp -a "$WORK/acme/public" "$WORK/honest"

    local file
    for file in "$WORK"/acme/public/images/*hello_2.0*; do
        # The same length, other bytes: only the digest can tell.
        head -c "$(stat -c %s "$file")" /dev/zero | tr '\0' x >"$file.lie"
        mv "$file.lie" "$file"
    done
    refused 3 "the new image has other bytes"
    if grep -rq xxxxxxxxxxxxxxxx /var/lib/sysext-fetch/store; then
        fail "the wrong bytes are in the store"
    fi

    serve_state "$WORK/honest"
    sed -i 's/"sig":"../"sig":"00/' "$WORK/acme/public/metadata/timestamp.json"
    refused 3 "the timestamp's signature is wrong"

    serve_state "$WORK/honest"
    printf '{"signed":' >"$WORK/acme/public/metadata/timestamp.json"
    refused 3 "the timestamp is cut off"

    say "the other vendor publishes meanwhile, and the host takes it"
    vendor_publish "$WORK/globex" "$WORK/2.0/ahoy" 2.0
    expect_code 3 sysext-fetch update
    expect "ahoy 2.0" /usr/bin/ahoy
    expect "hello 1.0" /usr/bin/hello

    serve_state "$WORK/honest"
    say "honest again, the update goes through"
    expect_code 0 sysext-fetch update
    RUNNING=2.0
    expect "hello 2.0" /usr/bin/hello

    serve_state "$WORK/old"
    refused 3 "the catalog is replayed from before 2.0"

    mv "$WORK/acme/public" "$WORK/acme/gone"
    refused 4 "the catalog is not there"
    mv "$WORK/acme/gone" "$WORK/acme/public"

    serve_state "$WORK/honest"
    say "and honest again"
    expect_code 0 sysext-fetch update
    expect "hello 2.0" /usr/bin/hello
    expect_code 0 sysext-fetch verify
}

e2e_main "$@"
