# shellcheck shell=bash
# An image of 500 MB for the first time: as it is, and compressed. It holds real programs, so it compresses as they do.
#
# - systemd-sysupdate 257 can unpack xz, gzip and bzip2; xz is what its users publish. It verifies the list with gpg.
# - curl alone knows neither what it should have got nor from whom.

# A time that does not matter is made short: level 9 instead of 19, and an xz of less.
prepare_full() { once full make_full; }

make_full() {
    local tree=$WORK/big-tree old new name images=$WORK/images-big
    mkdir -p "$tree/usr/share/big" "$images"
    while read -r _ old new; do
        cat "$old" "$new"
    done <"$WORK/pairs" >"$WORK/programs"
    cat "$WORK/programs" "$WORK/programs" | head -c 500000000 >"$tree/usr/share/big/data" || [[ $? == 141 ]]
    rm "$WORK/programs"
    catalog big bigraw bigzstd
    for name in bigraw bigzstd; do
        sysext-publish --quiet pack "$tree" --name "$name" --version 1.0 -o "$images/${name}_1.0_noarch.raw" >/dev/null
    done
    rm -rf "$tree"
    publisher big add "$images/bigraw_1.0_noarch.raw"
    transports big '"zstd"'
    publisher big add --zstd-level 9 "$images/bigzstd_1.0_noarch.raw"
    xz --threads=0 -2 --stdout "$images/bigzstd_1.0_noarch.raw" >"$WORK/www/big/images/bigzstd_1.0_noarch.raw.xz"
    mkdir -p "$WORK/www/big-xz"
    mv "$WORK/www/big/images/bigzstd_1.0_noarch.raw.xz" "$WORK/www/big-xz/"
    (cd "$WORK/www/big-xz" && sha256sum ./*.xz | sed 's|\./||' >SHA256SUMS)
    gpg --homedir "$WORK/gnupg" --batch --quiet --yes --detach-sign --output "$WORK/www/big-xz/SHA256SUMS.gpg" "$WORK/www/big-xz/SHA256SUMS"
    rm -rf "$images"
    for name in bigraw bigzstd; do
        new_host "$name" big
        # What it wants is written down; nothing is fetched yet.
        mkdir -p "$WORK/hosts/$name/etc/sysext-fetch/extensions.d"
        echo 'catalog = "big"' >"$WORK/hosts/$name/etc/sysext-fetch/extensions.d/$name.toml"
    done
}

# fresh: nothing of a run before is there.
fresh() {
    rm -rf "$WORK/download" "$WORK/sysupdate"
    mkdir "$WORK/download"
}

row_full() {
    local raw=$URL/big/images/bigraw_1.0_noarch.raw zstd
    zstd=$URL/big/images/$(basename "$(find "$WORK/www/big/images" -name 'bigzstd_*.zst')")
    trust_lists
    fresh
    # shellcheck disable=SC2016  # the inner shell's own
    measure "as it is: curl -o, fsync" 1 bash -c 'set -e; cd $1; curl -fsS -o image $2; sync image' - "$WORK/download" "$raw"
    measure "as it is: openssl dgst of it, alone" 1 openssl dgst -sha256 "$WORK/download/image"
    fresh
    # shellcheck disable=SC2016
    measure "as it is: curl -o, openssl dgst, fsync" 1 bash -c 'set -e; cd $1; curl -fsS -o image $2; openssl dgst -sha256 image; sync image' \
        - "$WORK/download" "$raw"
    fresh
    same_host now bigraw
    measure "as it is: sysext-fetch" 1 sysext-fetch --root "$WORK/hosts/now" update
    [[ -L $WORK/hosts/now/etc/extensions/bigraw.raw ]] || die "it was not installed"
    rm -rf "$WORK/hosts/now"
    transfer bigraw yes big/images
    measure "as it is: systemd-sysupdate" 1 /usr/lib/systemd/systemd-sysupdate -C bigraw update
    [[ -L $WORK/sysupdate/bigraw.raw ]] || die "systemd-sysupdate did not install it"

    fresh
    # shellcheck disable=SC2016
    measure "compressed: curl, zstd -d, openssl dgst, fsync" 1 bash -c 'set -e; cd $1; curl -fsS -o image.zst $2; zstd -dq image.zst -o image;
        openssl dgst -sha256 image; sync image' - "$WORK/download" "$zstd"
    fresh
    same_host now bigzstd
    measure "compressed: sysext-fetch, zstd" 1 sysext-fetch --root "$WORK/hosts/now" update
    [[ -L $WORK/hosts/now/etc/extensions/bigzstd.raw ]] || die "it was not installed"
    rm -rf "$WORK/hosts/now"
    transfer bigzstd yes big-xz bigzstd_@v_noarch.raw.xz
    measure "compressed: systemd-sysupdate, xz" 1 /usr/lib/systemd/systemd-sysupdate -C bigzstd update
    [[ -L $WORK/sysupdate/bigzstd.raw ]] || die "systemd-sysupdate did not install it"
    fresh
}
