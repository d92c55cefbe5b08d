#!/usr/bin/env bash
# A host that others supplied so far: the real systemd-sysupdate installed one extension, another is linked as sysextmgr
# links it. Both are taken over while they run; what was fetched already is not fetched again.

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
        small_program "$WORK/$version/hello" "$version" || skip "import" "needs a C compiler"
        small_program "$WORK/$version/ahoy" "$version"
    done
    serve_folder "$WORK"
    vendor_init "$WORK/acme" acme "$URL/acme/public" hello ahoy
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0
    vendor_publish "$WORK/acme" "$WORK/2.0/ahoy" 2.0
    # sysextmgr has the version in the name of the extension.
    sysext-publish pack "$WORK/1.0/ahoy" --name ahoy-1.0.x86-64 --version 1.0 \
        -o "$WORK/ahoy-1.0.x86-64_1.0_$(systemd_architecture).raw"
}

inside() {
    local transfer=/etc/sysupdate.d/10-hello.transfer image asked
    [[ $(systemd-sysext --version) != "systemd 252"* ]] || transfer=${transfer%.transfer}.conf
    say "systemd-sysupdate installs hello, sysextmgr has installed ahoy"
    mkdir -p /etc/sysupdate.d /var/lib/extensions.d /var/lib/extensions /var/lib/sysext-store /etc/extensions
    cat >"$transfer" <<TRANSFER
[Transfer]
Verify=no
[Source]
Type=regular-file
Path=$WORK/acme
MatchPattern=hello_@v_%a.raw
[Target]
Type=regular-file
Path=/var/lib/extensions.d
MatchPattern=hello_@v_%a.raw
CurrentSymlink=/var/lib/extensions/hello.raw
TRANSFER
    if [[ -x /usr/lib/systemd/systemd-sysupdate ]]; then
        /usr/lib/systemd/systemd-sysupdate --verify=no update
    else
        note "no systemd-sysupdate here: linked as it would be"
        cp "$WORK"/acme/hello_1.0_*.raw /var/lib/extensions.d
        image=$(basename /var/lib/extensions.d/hello_1.0_*.raw)
        ln -s "../extensions.d/$image" /var/lib/extensions/hello.raw
    fi
    [[ -L /var/lib/extensions/hello.raw ]] || fail "systemd-sysupdate has linked nothing"
    image=ahoy-1.0.x86-64.raw
    cp "$WORK"/ahoy-1.0.x86-64_1.0_*.raw "/var/lib/sysext-store/$image"
    ln -s "/var/lib/sysext-store/$image" "/etc/extensions/$image"
    systemd-sysext merge
    expect "hello 1.0" /usr/bin/hello
    expect "ahoy 1.0" /usr/bin/ahoy

    say "both are taken over"
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL/acme/public"
    sysext-fetch import --dry-run
    expect "hello 1.0" /usr/bin/hello
    asked=$(wc -l <"$WORK/http.log")
    sysext-fetch import
    expect "hello 1.0" /usr/bin/hello
    expect "ahoy 2.0" /usr/bin/ahoy
    ! tail -n "+$((asked + 1))" "$WORK/http.log" | grep 'GET /.*/images/hello' || fail "hello was fetched again"
    absent /var/lib/extensions/hello.raw "/etc/extensions/$image"
    [[ -e /var/lib/sysext-store/$image ]] || fail "a file of sysextmgr is gone"
    expect_code 0 sysext-fetch verify
    expect "Nothing to do." sysext-fetch update
}

e2e_main "$@"
