#!/usr/bin/env bash
# The main path on a host that boots: the package installed, systemd 257 or 262 as PID 1, two catalogs, the timer's service, a
# unit out of an extension, two releases of the OS that take turns, rollback, gc, and a damaged store that is repaired.

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
packages=()
if [[ ${BOOTED_IN-} == qemu ]]; then
    # shellcheck source=ci/lib/booted-qemu.sh
    source "$CI_DIR/lib/booted-qemu.sh"
    packages=(linux-image-amd64 initramfs-tools udev iproute2)
fi

# publish_hello VERSION RELEASE: an image of hello that is for one release of the OS alone, with a unit.
publish_hello() {
    local file
    file=hello_$1_debian-$2_$(systemd_architecture).raw
    (
        cd "$WORK/acme" || exit
        sysext-publish pack "$WORK/$1/hello" --name hello --version "$1" --os-id debian --os-version "$2" \
            --unit "$WORK/hello.service" -o "$file"
        sysext-publish add "$file"
    ) >&2
}

outside() {
    release_binaries "$BIN"
    local version
    for version in 1.0 2.0; do
        small_program "$WORK/$version/hello" "$version" || skip "a booted host" "needs a C compiler"
    done
    small_program "$WORK/0.9/ahoy" 0.9
    cat >"$WORK/hello.service" <<'UNIT'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/hello
UNIT
    mkdir "$WORK/www"
    ln -s ../acme/public "$WORK/www/acme"
    ln -s ../globex/public "$WORK/www/globex"
    serve_folder "$WORK/www"
    vendor_init "$WORK/acme" acme "$URL/acme" hello >&2
    vendor_init "$WORK/globex" globex "$URL/globex" ahoy >&2
    for version in 13 14; do
        publish_hello 1.0 "$version"
    done
    vendor_publish "$WORK/globex" "$WORK/0.9/ahoy" 0.9 >&2
}

# As root, in a mount namespace of its own.
story() {
    local package server
    booted_setup "$(cat "$WORK/tree")"
    say "the package is built and installed"
    package=$("$CI_DIR/packaging/build-deb" "$BIN/sysext-fetch" "$WORK" 2>/dev/null)
    booted_root first 13
    booted_install first "$package"
    booted_phase first install
    say "the vendor publishes 2.0 for both releases"
    publish_hello 2.0 13
    publish_hello 2.0 14
    booted_phase first update
    say "another release of the OS boots, with a copy of /etc, and no server"
    booted_root second 14 first
    server=$(cat "$WORK/server")
    kill -STOP "$server"
    booted_phase second other
    say "the first one boots again"
    booted_phase first back
    kill -CONT "$server"
    booted_phase first finish
}

phase_install() {
    say "booted: $(systemd-sysext --version | head -n 1)"
    systemctl is-enabled sysext-fetch-boot.service >&2 || fail "the boot guard is not enabled"
    ! systemctl is-enabled --quiet sysext-fetch-update.timer || fail "the timer is on, and nobody asked for it"
    systemctl enable --now sysext-fetch-update.timer systemd-sysext.service
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL/acme"
    host_add "$(vendor_fingerprint "$WORK/globex")" "$URL/globex"
    sysext-fetch install hello ahoy
    expect "hello 1.0" hello
    expect "ahoy 0.9" ahoy
    say "a unit out of the extension starts"
    systemctl start hello.service
    [[ $(journalctl -u hello.service -o cat) == *"hello 1.0"* ]] || fail "the unit said: $(journalctl -u hello.service)"
    # The store is shared, so the second root is given its images while there is a network.
    mkdir -p /run/second/usr/lib
    cp -a /etc /run/second/etc
    sed 's/^VERSION_ID=.*/VERSION_ID="14"/' /usr/lib/os-release >/run/second/usr/lib/os-release
    sysext-fetch prepare --root /run/second
}

# notified: the real systemd-sysupdate installs something, and says so to us; since 260.
notified() {
    local version
    version=$(systemd-sysext --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    [[ $version -ge 260 ]] || return 0
    say "systemd-sysupdate has updated something, and says so"
    mkdir -p /run/source /run/target /run/sysupdate.d
    echo new >/run/source/thing_2.txt
    cat >/run/sysupdate.d/10-thing.transfer <<'TRANSFER'
[Transfer]
Verify=no
[Source]
Type=regular-file
Path=/run/source
MatchPattern=thing_@v.txt
[Target]
Type=regular-file
Path=/run/target
MatchPattern=thing_@v.txt
TRANSFER
    /usr/lib/systemd/systemd-sysupdate --verify=no update || fail "systemd-sysupdate"
    [[ -e /run/target/thing_2.txt ]] || fail "systemd-sysupdate installed nothing"
    for _ in $(seq 50); do
        ! journalctl -b -o cat | grep -q 'no other root is going to boot next' || return 0
        sleep 0.1
    done
    fail "nobody was told: $(systemctl status sysext-fetch-notify.socket)"
}

phase_update() {
    guarded
    expect "hello 1.0" hello
    say "the timer's service links 2.0 for the next boot"
    systemctl start sysext-fetch-update.service
    expect "hello 1.0" hello
    [[ $(readlink /etc/extensions/hello.raw) == */hello_2.0_* ]] || fail "2.0 is not linked: $(journalctl -u sysext-fetch-update.service -o cat)"
    say "with apply = live it asks PID 1 to merge, from a namespace of its own"
    printf 'apply = "live"\n' >/etc/sysext-fetch/sysext-fetch.toml
    sysext-fetch rollback
    expect "hello 1.0" hello
    systemd-run --unit long-hello /usr/bin/hello stay
    sysext-fetch unskip hello
    expect "hello 2.0" hello
    [[ $(sysext-fetch status) == *"long-hello.service still runs 1.0: systemctl restart long-hello.service"* ]] ||
        fail "it does not say what runs the old image: $(sysext-fetch status)"
    rm /etc/sysext-fetch/sysext-fetch.toml
    sysext-fetch --quiet health || fail "the health check failed"
}

phase_other() {
    guarded
    expect "hello 1.0" hello
    [[ $(readlink /etc/extensions/hello.raw) == *debian-14* ]] || fail "the link is $(readlink /etc/extensions/hello.raw)"
    expect "ahoy 0.9" ahoy
    journalctl -b -u sysext-fetch-boot.service -o cat >&2
}

phase_back() {
    guarded
    expect "hello 2.0" hello
    expect "ahoy 0.9" ahoy
    [[ $(readlink /etc/extensions/hello.raw) == *debian-13* ]] || fail "the link is $(readlink /etc/extensions/hello.raw)"
}

phase_finish() {
    local image
    guarded
    notified
    say "rollback"
    sysext-fetch rollback hello
    expect "hello 1.0" hello
    say "gc leaves what either root needs"
    sysext-fetch gc --keep 0
    systemctl start sysext-fetch-gc.service
    expect "hello 1.0" hello
    find /var/lib/sysext-fetch/store -name '*debian-14*' | grep -q . || fail "the image of the other root is gone"
    say "a damaged image is repaired"
    image=$(readlink /etc/extensions/ahoy.raw)
    printf X | dd of="$image" bs=1 seek=2000 conv=notrunc status=none
    expect_code 3 sysext-fetch verify
    expect_code 0 sysext-fetch verify --repair
    expect_code 0 sysext-fetch verify
    expect "ahoy 0.9" ahoy
}

# The guard ran before systemd merged, without a cycle in the order of units.
guarded() {
    local guard merge
    [[ $(systemctl show -P Result sysext-fetch-boot.service) == success ]] || fail "the boot guard failed: $(systemctl status sysext-fetch-boot.service)"
    guard=$(systemctl show -P ActiveEnterTimestampMonotonic sysext-fetch-boot.service)
    merge=$(systemctl show -P ExecMainStartTimestampMonotonic systemd-sysext.service)
    [[ $guard -gt 0 && $guard -le $merge ]] || fail "the guard was ready at $guard, systemd-sysext started at $merge"
    ! journalctl -b -o cat | grep -i 'ordering cycle' || fail "units wait for each other"
    [[ -z $(systemctl list-units --failed --plain --no-legend) ]] || fail "$(systemctl list-units --failed --plain --no-legend)"
}

booted_main "${1-}" "${packages[@]}"
