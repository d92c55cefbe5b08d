#!/usr/bin/env bash
# Updates as small as the change: a host that has the version before fetches the patch alone and has the vendor's bytes, a
# patch that is of no use costs nothing but its own download, and the hash tree of a disk image never crosses the network.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/repart.sh
source "$CI_DIR/lib/repart.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"

# content VERSION: puts the tree of an extension into WORK/VERSION/tree: a program, and data of which all but a line is the
# same in each version, and none at the same place.
content() {
    local tree=$WORK/$1/tree
    mkdir -p "$tree/usr/bin" "$tree/usr/share/hello"
    install -m 0755 "$WORK/$1/hello" "$tree/usr/bin/hello"
    { echo "data of hello $1, which is longer than that of ${1%%.*}" && cat "$WORK/data"; } >"$tree/usr/share/hello/data"
}

outside() {
    release_binaries "$BIN"
    need openssl || exit 1
    openssl rand 4000000 >"$WORK/data"
    local version
    for version in 1.0 10.0 100.0 1000.0; do
        small_program "$WORK/$version/hello" "$version" || skip "patches" "needs a C compiler"
        content "$version"
    done
    serve_folder "$WORK"
    vendor_init "$WORK/acme" acme "$URL/acme/public" hello
    publish 1.0
    TOOLS=$(repart_tree) || TOOLS=
    [[ -z $TOOLS ]] || disks
}

publish() {
    (
        cd "$WORK/acme"
        sysext-publish pack "$WORK/$1/tree" --name hello --version "$1" -o "$(image "$1")"
        sysext-publish add "$(image "$1")"
    )
}

# image VERSION: the file name of the image.
image() { echo "hello_$1_$(systemd_architecture).raw"; }

# disks: a second vendor has disk images with dm-verity of the same content, and publishes the first.
disks() {
    local version release=usr/lib/extension-release.d/extension-release.hello
    vendor_init "$WORK/globex" globex "$URL/globex/public" hello
    for version in 1.0 10.0; do
        mkdir -p "$WORK/$version/tree/${release%/*}"
        printf '%s\n' ID=_any "ARCHITECTURE=$(systemd_architecture)" >"$WORK/$version/tree/$release"
        repart_image "$TOOLS" "$version/tree" "globex/$(image "$version")"
    done
    (cd "$WORK/globex" && sysext-publish add "$(image 1.0)")
}

# fetched SINCE IMAGE: what was asked for of an image since that line of the server's log, each thing once: "" for itself,
# .zst, .patch. That a file is also asked for by the name that stock TUF clients know says nothing new.
fetched() {
    tail -n "+$(($1 + 1))" "$WORK/http.log" | sed -n 's|.*"GET /[a-z]*/public/images/\([^ ]*\) .*|\1|p' |
        sed -e 's/^[0-9a-f]\{64\}\.//' -e "s/^$2//" -e 's/\.from-[0-9a-f]*\.relink-lzma$/.patch/' | sort -u | paste -sd ' '
}

# updated VERSION WANTED: an update brings the version with the vendor's bytes, and that was asked for.
updated() {
    local since asked image
    image=$(image "$1")
    since=$(wc -l <"$WORK/http.log")
    sysext-fetch update
    expect "hello $1" /usr/bin/hello
    cmp "$(readlink -f /etc/extensions/hello.raw)" "$WORK/acme/public/images/$image" || fail "$image has other bytes"
    asked=$(fetched "$since" "$image")
    [[ $asked == "$2" ]] || fail "asked for was '$asked', wanted '$2'"
}

inside() {
    host_add "$(vendor_fingerprint "$WORK/acme")" "$URL/acme/public"
    sysext-fetch install hello
    expect "hello 1.0" /usr/bin/hello

    say "the patch alone is fetched"
    publish 10.0
    updated 10.0 .patch
    local patch=("$WORK"/acme/public/images/hello_10.0_*.relink-lzma)
    [[ $(stat -c %s "${patch[0]}") -lt 40000 ]] || fail "the patch has $(stat -c %s "${patch[0]}") bytes"

    say "patches with other bytes: the whole image comes"
    publish 100.0
    for patch in "$WORK"/acme/public/images/hello_100.0_*.relink-lzma; do
        head -c "$(stat -c %s "$patch")" /dev/zero >"$patch.lie"
        mv "$patch.lie" "$patch"
    done
    updated 100.0 ".patch .zst"

    say "patches that are not there: the same"
    publish 1000.0
    rm "$WORK"/acme/public/images/hello_1000.0_*.relink-lzma
    updated 1000.0 ".patch .zst"

    [[ -d $WORK/globex ]] || return 0
    say "the hash tree of a disk image is computed here"
    local root=$WORK/root public=$WORK/globex/public since images
    mkdir -p "$root/etc"
    cp /etc/os-release "$root/etc/os-release"
    host_add "$(vendor_fingerprint "$WORK/globex")" "$URL/globex/public" --root "$root"
    sysext-fetch --root "$root" install hello
    (cd "$WORK/globex" && sysext-publish add "$(image 10.0)")
    since=$(wc -l <"$WORK/http.log")
    sysext-fetch --root "$root" update
    local image
    image=$(image 10.0)
    [[ $(fetched "$since" "$image") == .patch ]] || fail "asked for was '$(fetched "$since" "$image")', wanted .patch"
    images=("$root"/var/lib/sysext-fetch/store/*/"$image")
    cmp "${images[0]}" "$public/images/$image" || fail "the disk image has other bytes"
    patch=("$public"/images/*.relink-lzma)
    # 1,000 blocks of 4 KiB have digests of 32 bytes.
    [[ $(stat -c %s "${patch[0]}") -lt 20000 ]] || fail "the patch has $(stat -c %s "${patch[0]}") bytes: is the tree in it?"
}

e2e_main "$@"
