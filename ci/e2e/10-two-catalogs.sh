#!/usr/bin/env bash
# The main path: two vendors, two catalogs over http, one host with a real systemd-sysext. Install, run, update,
# run, remove; nothing is left merged, and an update with nothing new costs two requests a catalog.

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
        small_program "$WORK/$version/hello" "$version" || skip "two catalogs" "needs a C compiler"
    done
    small_program "$WORK/0.9/ahoy" 0.9
    # Only what is public is served.
    mkdir "$WORK/www"
    ln -s ../acme/public "$WORK/www/acme"
    ln -s ../globex/public "$WORK/www/globex"
    serve_folder "$WORK/www"
    vendor_init "$WORK/acme" acme "$URL/acme" hello
    vendor_init "$WORK/globex" globex "$URL/globex" ahoy
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0
    vendor_publish "$WORK/globex" "$WORK/0.9/ahoy" 0.9
}

# The web server's log has one such line for each request, and another for each error.
requests() { grep -c '"[A-Z]* /' "$WORK/http.log"; }

inside() {
    say "the host trusts both catalogs"
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL/acme"
    host_add "$(vendor_fingerprint "$WORK/globex")" "$URL/globex"

    say "a catalog with another fingerprint is refused, and changes nothing"
    expect_code 3 sysext-fetch catalog add "$URL/acme#sha256=$(printf '%064d' 0)" --id other
    absent /etc/sysext-fetch/catalogs.d/other.toml

    say "installing merges both extensions"
    absent /usr/bin/hello /usr/bin/ahoy
    sysext-fetch install hello ahoy
    expect "hello 1.0" /usr/bin/hello
    expect "ahoy 0.9" /usr/bin/ahoy
    [[ -L /etc/extensions/hello.raw && -L /etc/extensions/ahoy.raw ]] || fail "the links are not in /etc/extensions"
    [[ $(readlink /etc/extensions/hello.raw) == /var/lib/sysext-fetch/store/* ]] || fail "the link leaves the store"

    say "nothing new: two requests a catalog, and nothing changes"
    local before after
    before=$(requests)
    sysext-fetch update
    after=$(requests)
    [[ $((after - before)) -eq 4 ]] || fail "an update with nothing new made $((after - before)) requests, wanted 4"
    expect_code 0 sysext-fetch check --exit-code

    say "the vendor publishes 2.0"
    vendor_publish "$WORK/acme" "$WORK/2.0/hello" 2.0
    expect "hello 1.0" /usr/bin/hello
    expect_code 0 sysext-fetch update
    expect "hello 2.0" /usr/bin/hello
    expect "ahoy 0.9" /usr/bin/ahoy
    sysext-fetch status
    sysext-fetch why hello

    say "the store is what the catalogs signed"
    expect_code 0 sysext-fetch verify

    say "removed one by one, nothing is left merged or linked"
    sysext-fetch remove hello
    absent /usr/bin/hello /etc/extensions/hello.raw
    expect "ahoy 0.9" /usr/bin/ahoy
    sysext-fetch remove ahoy
    absent /usr/bin/ahoy /etc/extensions/ahoy.raw
    [[ $(systemd-sysext status --json=short) != *ahoy* ]] || fail "ahoy is still merged"
}

e2e_main "$@"
