#!/usr/bin/env bash
# A host without our client: the real systemd-sysupdate lists, installs and updates from our catalog, with verification on,
# and refuses other bytes and another signature; 262 also a list that is too old. What importctl starts takes the same files.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"

# openpgp_key NAME: a key in a home of its own; its public half is in WORK/NAME.gpg.
openpgp_key() {
    mkdir -m 0700 "$WORK/home-$1"
    # Old enough for signatures of the past.
    gpg --homedir "$WORK/home-$1" --faked-system-time 20260101T000000 --batch --quiet --passphrase '' --quick-generate-key "$1@example.org" ed25519 sign never
    gpg --homedir "$WORK/home-$1" --export >"$WORK/$1.gpg"
}

outside() {
    release_binaries "$BIN"
    need_or_skip "systemd-sysupdate" gpg
    local version
    for version in 1.0 2.0 3.0 4.0 5.0; do
        small_program "$WORK/$version/hello" "$version" || skip "systemd-sysupdate" "needs a C compiler"
    done
    if [[ $VERSION == 262 ]]; then
        need_or_skip "systemd-sysupdate 262" faketime
        cp "$(dpkg -L libfaketime | grep '/libfaketime\.so\.1$')" "$WORK/libfaketime.so"
    fi
    openpgp_key vendor
    openpgp_key stranger
    mkdir "$WORK/acme"
    serve_folder "$WORK/acme"
    vendor_init "$WORK/acme" acme "$URL/public" hello
    sed -i "s|^openpgp = \"\"|openpgp = \"cmd:gpg --homedir $WORK/home-vendor --batch --detach-sign\"|" \
        "$WORK/acme/sysext-publish.toml"
    vendor_publish "$WORK/acme" "$WORK/1.0/hello" 1.0
}

# days_ago DAYS COMMAND…: the command, with a clock of that day.
days_ago() {
    (
        export "LD_PRELOAD=$WORK/libfaketime.so" "FAKETIME=-${1}d"
        shift
        "$@"
    )
}

# pull FILE NAME: what systemd-importd starts for `importctl pull-raw --class=sysext --verify=signature`; the rest of it is D-Bus.
pull() {
    rm -rf /var/lib/extensions.pulled
    mkdir /var/lib/extensions.pulled
    /usr/lib/systemd/systemd-pull raw --class=sysext --verify=signature --image-root=/var/lib/extensions.pulled \
        "$URL/public/images/$1" "$2"
}

# asked FILE: whether it was fetched, by the server's own record.
asked() { grep -q "\"GET /public/images/$1 HTTP/1.1\" 200" "$WORK/http.log"; }

sysupdate() { /usr/lib/systemd/systemd-sysupdate -C hello "$@"; }

inside() {
    [[ -x /usr/lib/systemd/systemd-sysupdate ]] || skip "systemd-sysupdate" "this systemd has none"
    local public=$WORK/acme/public
    say "1.0 is listed, installed and merged"
    mkdir -p /var/lib/extensions.d /var/lib/extensions
    (cd "$WORK/acme" && sysext-publish export sysupdate --output /etc)
    cp "$WORK/vendor.gpg" /etc/systemd/import-pubring.gpg
    [[ $(sysupdate list --no-pager) == *1.0* ]] || fail "it lists $(sysupdate list)"
    sysupdate update
    systemd-sysext merge
    expect "hello 1.0" /usr/bin/hello

    say "2.0 is found and updated to, a withdrawn 3.0 is not"
    vendor_publish "$WORK/acme" "$WORK/2.0/hello" 2.0
    sysupdate check-new
    vendor_publish "$WORK/acme" "$WORK/3.0/hello" 3.0
    (cd "$WORK/acme" && sysext-publish withdraw hello 3.0 --reason "eats disks")
    sysupdate update
    systemd-sysext refresh
    expect "hello 2.0" /usr/bin/hello
    ! sysupdate check-new || fail "there is something newer"

    say "the daily renewal needs no OpenPGP key, and signs nothing anew"
    cp "$public/images/SHA256SUMS.gpg" "$WORK/signature"
    mv "$WORK/home-vendor" "$WORK/home-away"
    (cd "$WORK/acme" && sysext-publish renew)
    cmp "$WORK/signature" "$public/images/SHA256SUMS.gpg"
    mv "$WORK/home-away" "$WORK/home-vendor"

    say "other bytes are refused"
    vendor_publish "$WORK/acme" "$WORK/4.0/hello" 4.0
    cp "$public"/images/hello_4.0_*.raw "$WORK/good"
    printf X | dd of="$(echo "$public"/images/hello_4.0_*.raw)" bs=1 seek=2000 conv=notrunc status=none
    ! sysupdate update || fail "other bytes were installed"
    systemd-sysext refresh
    expect "hello 2.0" /usr/bin/hello
    cp "$WORK/good" "$(echo "$public"/images/hello_4.0_*.raw)"

    say "another signature is refused"
    cp "$WORK/stranger.gpg" /etc/systemd/import-pubring.gpg
    ! sysupdate update || fail "a stranger's signature is good"
    expect "hello 2.0" /usr/bin/hello
    cp "$WORK/vendor.gpg" /etc/systemd/import-pubring.gpg
    sysupdate vacuum || true
    sysupdate update
    systemd-sysext refresh
    expect "hello 4.0" /usr/bin/hello

    local signature=SHA256SUMS.gpg other=SHA256SUMS.sha256.asc
    [[ $VERSION != 262 ]] || signature=SHA256SUMS.sha256.asc other=SHA256SUMS.gpg
    say "the signature that it read is $signature"
    asked "$signature" || fail "nobody asked for $signature"
    ! asked "$other" || fail "it read $other, too"

    say "what importctl starts checks the same list"
    local image
    image=$(basename "$(echo "$public"/images/hello_4.0_*.raw)")
    pull "$image" pulled
    cmp "$public/images/$image" /var/lib/extensions.pulled/pulled.raw
    cp "$WORK/stranger.gpg" /etc/systemd/import-pubring.gpg
    ! pull "$image" pulled || fail "a stranger's signature is good for importctl"
    cp "$WORK/vendor.gpg" /etc/systemd/import-pubring.gpg
    printf X | dd of="$public/images/$image" bs=1 seek=2000 conv=notrunc status=none
    ! pull "$image" pulled || fail "other bytes are good for importctl"
    cp "$WORK/good" "$public/images/$image"

    [[ $VERSION != 262 ]] || overdue
}

# 260 and later look at how old the list is.
overdue() {
    say "a list is refused once the first index has expired, until that is signed again"
    sed -i 's/^index = .*/index = "30d"/' "$WORK/acme/sysext-publish.toml"
    days_ago 40 vendor_publish "$WORK/acme" "$WORK/5.0/hello" 5.0
    local said
    ! said=$(sysupdate update 2>&1) || fail "a list that has expired 10 days ago is good"
    [[ $said == *[Bb]est*[Bb]efore* || $said == *BEST-BEFORE* ]] || fail "it is refused for another reason: $said"
    expect "hello 4.0" /usr/bin/hello
    (cd "$WORK/acme" && sysext-publish renew --release)
    sysupdate update
    systemd-sysext refresh
    expect "hello 5.0" /usr/bin/hello
}

e2e_main "$@"
