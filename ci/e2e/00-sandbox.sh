#!/usr/bin/env bash
# The sandbox itself: a squashfs made by mksquashfs merges, its program runs, unmerging takes it away. What
# the other scripts build on, without any program of this project.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"

outside() {
    need_or_skip "the sandbox's own test" mksquashfs=squashfs-tools
    local tree=$WORK/tree version
    for version in 1.0 2.0; do
        small_program "$tree/usr/bin/hello" "$version" || skip "the sandbox's own test" "needs a C compiler"
        mkdir -p "$tree/usr/lib/extension-release.d"
        echo ID=_any >"$tree/usr/lib/extension-release.d/extension-release.hello"
        mksquashfs "$tree" "$WORK/hello-$version.raw" -all-root -no-progress -quiet >&2
    done
}

inside() {
    say "nothing is merged at first"
    absent /usr/bin/hello /run/systemd/system

    say "an image behind a link merges"
    ln -s "$WORK/hello-1.0.raw" /etc/extensions/hello.raw
    systemd-sysext refresh
    expect "hello 1.0" /usr/bin/hello
    losetup --noheadings --output BACK-FILE | grep -q hello-1.0.raw || fail "no loop device has the image"

    say "the link changes, and with it the program"
    ln -sfn "$WORK/hello-2.0.raw" /etc/extensions/hello.raw
    systemd-sysext refresh
    expect "hello 2.0" /usr/bin/hello

    say "an extension for another system is left out, and does not fail the merge"
    mkdir -p /run/extensions/other/usr/lib/extension-release.d
    printf 'ID=other\n' >/run/extensions/other/usr/lib/extension-release.d/extension-release.other
    systemd-sysext refresh
    expect "hello 2.0" /usr/bin/hello
    absent /usr/lib/extension-release.d/extension-release.other

    say "unmerged, it is gone; what is merged at the end goes with the sandbox"
    systemd-sysext unmerge
    absent /usr/bin/hello
    systemd-sysext refresh
    expect "hello 2.0" /usr/bin/hello
}

e2e_main "$@"
