#!/usr/bin/env bash
# Hosts without a package manager: the tarball's static program, brought by Ignition to one host and by Combustion to
# another; each boots for the first time, and has its extension then and after the next boot.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"
# shellcheck source=ci/lib/booted.sh
source "$CI_DIR/lib/booted.sh"

# Where Debian's package has it: it is made for initial RAM disks.
readonly IGNITION=/usr/lib/dracut/modules.d/30ignition/ignition

outside() {
    local tarball name
    release_binaries "$BIN"
    tarball=$("$CI_DIR/packaging/build-tarball" "$WORK")
    name=$(basename "$tarball" .tar.gz)
    tar -x -f "$tarball" -C "$WORK"
    mv "$WORK/$name" "$WORK/release"
    small_program "$WORK/1.0/hello" 1.0 || skip "a first boot" "needs a C compiler"
    mkdir "$WORK/www"
    ln -s ../acme/public "$WORK/www/acme"
    ln -s ../release/sysext-fetch "$WORK/www/sysext-fetch"
    serve_folder "$WORK/www"
    # Not on the path of commands, so it is not asked for as one.
    [[ -x $IGNITION && -x /usr/sbin/setfiles ]] || apt_install ignition policycoreutils || true
    vendor_init "$WORK/acme" acme "$URL/acme" hello >&2
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0 >&2
}

render() {
    "$WORK/release/first-boot/render" "$1" "$URL/sysext-fetch" "$(sha256sum <"$WORK/release/sysext-fetch" | cut -d ' ' -f 1)" \
        "$URL/acme#sha256=$(vendor_fingerprint "$WORK/acme")" hello
}

# As root, in a mount namespace of its own.
story() {
    booted_setup "$(cat "$WORK/tree")"
    say "Combustion: its script runs in the root, before the first boot"
    booted_root combustion 13
    mount --bind /dev "$WORK/roots/combustion/root/dev"
    mount --bind /proc "$WORK/roots/combustion/root/proc"
    render combustion >"$WORK/script"
    cp "$WORK/script" "$WORK/roots/combustion/root/script"
    chroot "$WORK/roots/combustion/root" bash /script || fail "the script"
    umount "$WORK/roots/combustion/root/dev" "$WORK/roots/combustion/root/proc"
    booted_phase combustion first
    booted_phase combustion again

    if [[ -x $IGNITION ]]; then
        say "Ignition: the real one takes the configuration"
        rm -rf "${WORK:?}/var"/*
        booted_root ignition 13
        # What it enables are presets, which systemd follows at the first boot alone.
        echo uninitialized >"$WORK/roots/ignition/root/etc/machine-id"
        # It is built for hosts with SELinux, and labels what it writes.
        mkdir -p "$WORK/roots/ignition/root/etc/selinux/minimum/contexts/files"
        echo SELINUXTYPE=minimum >"$WORK/roots/ignition/root/etc/selinux/config"
        echo '/.* system_u:object_r:unlabeled_t:s0' >"$WORK/roots/ignition/root/etc/selinux/minimum/contexts/files/file_contexts"
        render ignition >"$WORK/config.ign"
        local stage
        for stage in fetch files; do
            IGNITION_CONFIG_FILE=$WORK/config.ign "$IGNITION" --platform=file --stage="$stage" \
                --root="$WORK/roots/ignition/root" --config-cache="$WORK/ignition.json" --log-to-stdout >"$WORK/ignition.log" 2>&1 ||
                fail "ignition, stage $stage: $(tail -n 5 "$WORK/ignition.log")"
        done
        booted_phase ignition first
        booted_phase ignition again
    else
        say "skipped: Ignition: this machine has no package of it"
    fi
}

phase_first() {
    [[ $(systemctl is-active sysext-fetch-first-boot.service) == active ]] ||
        fail "$(journalctl -b -u sysext-fetch-first-boot.service -o cat)"
    expect "hello 1.0" hello
    systemctl is-enabled sysext-fetch-boot.service sysext-fetch-update.timer systemd-sysext.service >&2
}

phase_again() {
    expect "hello 1.0" hello
    [[ $(systemctl show -P ConditionResult sysext-fetch-first-boot.service) == no ]] || fail "it installs anew at each boot"
}

booted_main "${1-}"
