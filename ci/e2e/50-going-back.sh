#!/usr/bin/env bash
# What an admin does with a version he does not want: an update that waits for the next boot, merged at once by hand;
# back to what was there before, and no update undoes it; the images that nobody needs any more are deleted.

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
    for version in 1.0 2.0 3.0; do
        small_program "$WORK/$version/hello" "$version" || skip "going back" "needs a C compiler"
    done
    serve_folder "$WORK"
    vendor_init "$WORK/acme" acme "$URL/acme/public" hello
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0
}

images() { find /var/lib/sysext-fetch/store -name '*.raw' -printf '%f\n' | sort | tr '\n' ' '; }

inside() {
    say "1.0 is installed and runs"
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL/acme/public"
    sysext-fetch install hello
    expect "hello 1.0" /usr/bin/hello

    say "the timer links 2.0 for the next boot, and what runs goes on"
    vendor_publish "$WORK/acme" "$WORK/2.0/hello" 2.0
    expect_code 0 sysext-fetch update --automatic
    expect "hello 1.0" /usr/bin/hello
    [[ $(readlink /etc/extensions/hello.raw) == */hello_2.0_* ]] || fail "2.0 is not linked"

    say "whoever does not wait for the boot types update"
    expect "What waited for the next boot is merged now." sysext-fetch update
    expect "hello 2.0" /usr/bin/hello
    expect "Nothing to do." sysext-fetch update

    say "back to 1.0, which no update undoes"
    expect_code 0 sysext-fetch rollback
    expect "hello 1.0" /usr/bin/hello
    expect "Nothing to do." sysext-fetch update
    sysext-fetch history

    say "3.0 is newer than what was left behind"
    vendor_publish "$WORK/acme" "$WORK/3.0/hello" 3.0
    expect_code 0 sysext-fetch update
    expect "hello 3.0" /usr/bin/hello

    say "a boot finds everything in order, and repairs what is not"
    systemd-sysext unmerge
    expect "" sysext-fetch boot
    truncate --size=100 "$(readlink /etc/extensions/hello.raw)"
    expect_code 0 sysext-fetch boot
    systemd-sysext merge
    expect "hello 1.0" /usr/bin/hello

    say "what nobody needs goes"
    [[ $(images) == *hello_1.0_*hello_3.0_* ]] || fail "the store has $(images)"
    expect_code 0 sysext-fetch gc --keep 0
    [[ $(images) == hello_1.0_*.raw\  ]] || fail "the store has $(images)"
    sysext-fetch remove hello
    absent /usr/bin/hello
}

e2e_main "$@"
