#!/usr/bin/env bash
# Extensions that are not ours: a link of somebody else under our name is left alone and said, and a broken image of
# somebody else, which stops every merge, costs nothing of ours and is no reason to give an image up.

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
        small_program "$WORK/$version/hello" "$version" || skip "foreign extensions" "needs a C compiler"
    done
    mkdir -p "$WORK/acme/public"
    serve_folder "$WORK/acme/public"
    vendor_init "$WORK/acme" acme "$URL" hello
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0
}

inside() {
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL"

    say "somebody else's link has our name"
    ln -s /var/lib/elsewhere/hello.raw /etc/extensions/hello.raw
    expect_code 5 sysext-fetch install hello
    expect /var/lib/elsewhere/hello.raw readlink /etc/extensions/hello.raw
    rm /etc/extensions/hello.raw

    say "it is gone, and ours is linked and merged"
    expect_code 0 sysext-fetch update
    expect "hello 1.0" /usr/bin/hello

    say "somebody else's broken image stops every merge: ours is put back"
    vendor_publish "$WORK/acme" "$WORK/2.0/hello" 2.0
    local link
    link=$(readlink /etc/extensions/hello.raw)
    mkdir -p /var/lib/extensions
    head -c 5000 "$link" >/var/lib/extensions/broken.raw
    expect_code 5 sysext-fetch update
    expect "$link" readlink /etc/extensions/hello.raw

    say "it is gone, and the update goes through: the image was never at fault"
    rm /var/lib/extensions/broken.raw
    expect_code 0 sysext-fetch update
    expect "hello 2.0" /usr/bin/hello
}

e2e_main "$@"
