# shellcheck shell=bash
# Updates from one release of a program to the next, for the pairs of ci/bench/pairs.
#
# - The peers get the whole image compressed, or the parts of it that the old one does not have. All of them have the old
#   image, and end with the new one on the disk, synced.
# - zstd --patch-from and zchunk are no updaters: they show what other kinds of differences would cost.

# each_pair FUNCTION ARGUMENT…: calls it with CATALOG NAME OLD NEW before the arguments.
each_pair() {
    local name old new version
    while read -r name old new <&3; do
        version=$(basename "${new##*_}" .raw)
        "$1" "pair-$name-${version//./-}" "$name" "$old" "$new" "${@:2}"
    done 3<"$WORK/pairs"
}

# Minutes each: a run that was ended goes on behind the last one.
prepare_releases() { each_pair once_pair; }

once_pair() { once "$1" make_pair "$@"; }

make_pair() {
    local catalog=$1 name=$2 old=$3 new=$4 peers=$WORK/www/peers-$1
    note "$name: $(basename "$old") and $(basename "$new")"
    rm -rf "$WORK/vendors/$catalog" "$WORK/www/$catalog" "$peers" "$WORK/hosts/$catalog"
    catalog "$catalog" "$name"
    publisher "$catalog" add "$old"
    new_host "$catalog" "$catalog"
    host "$catalog" install "$name"
    transports "$catalog" '"zstd", "patch"'
    publisher "$catalog" add "$new"

    mkdir -p "$peers"
    ln -f "$new" "$peers/new.raw" 2>/dev/null || cp "$new" "$peers/new.raw"
    xz --threads=0 --stdout "$new" >"$peers/$(basename "$new").xz"
    (cd "$peers" && sha256sum "$(basename "$new").xz" >SHA256SUMS)
    gpg --homedir "$WORK/gnupg" --batch --quiet --yes --detach-sign --output "$peers/SHA256SUMS.gpg" "$peers/SHA256SUMS"
    # Level 19, as everywhere.
    cp "$WORK/www/$catalog/images"/*.zst "$peers/new.raw.zst"
    zstd -9 --long=27 --quiet --force --patch-from="$old" "$new" -o "$peers/patch.zst"
    (cd "$peers" && zsyncmake -u new.raw -o new.raw.zsync new.raw)
    casync make --store="$peers/default.castr" "$peers/new.caibx" "$new" >/dev/null
    zck --output "$peers/new.zck" "$new"
    zck --output "$WORK/vendors/$catalog/old.zck" "$old"
}

row_releases() {
    trust_lists
    each_pair measure_pair
}

measure_pair() {
    local catalog=$1 name=$2 old=$3 new=$4 url=$URL/peers-$1 here=$WORK/download what from to
    from=${old##*_} to=${new##*_}
    what="$name ${from%.raw} to ${to%.raw}"
    rm -rf "$here" "$WORK/sysupdate" "$WORK"/hosts/now
    mkdir "$here"

    same_host now "$catalog"
    measure "$what: sysext-fetch" 1 sysext-fetch --root "$WORK/hosts/now" update

    transfer "$name" yes "peers-$catalog" "${name}_@v.raw.xz"
    cp "$old" "$WORK/sysupdate/images/"
    ln -s "images/$(basename "$old")" "$WORK/sysupdate/$name.raw"
    measure "$what: systemd-sysupdate, .xz" 1 /usr/lib/systemd/systemd-sysupdate -C "$name" update
    cmp "$WORK/sysupdate/images/$(basename "$new")" "$new"

    # shellcheck disable=SC2016  # the inner shell's own
    measure "$what: curl, zstd -19" 1 bash -c 'set -e; cd $1; curl -fsSO $2/new.raw.zst; zstd -dq new.raw.zst -o whole; openssl dgst -sha256 whole;
        sync whole' - "$here" "$url"
    # shellcheck disable=SC2016
    measure "$what: zsync" 1 bash -c 'set -e; cd $1; zsync -q -i $3 -o zsynced $2/new.raw.zsync; sync zsynced' - "$here" "$url" "$old"
    cmp "$here/zsynced" "$new"
    # shellcheck disable=SC2016
    measure "$what: casync" 1 bash -c 'set -e; cd $1; casync extract --seed=$3 $2/new.caibx casynced; sync casynced' - "$here" "$url" "$old"
    cmp "$here/casynced" "$new"
    # shellcheck disable=SC2016
    measure "$what: zchunk" 1 bash -c 'set -e; cd $1; zckdl -s $3 $2/new.zck; unzck new.zck; sync new' \
        - "$here" "$url" "$WORK/vendors/$catalog/old.zck"
    # shellcheck disable=SC2016
    measure "$what: curl, zstd --patch-from" 1 bash -c 'set -e; cd $1; curl -fsSO $2/patch.zst; zstd -dq --long=27 --patch-from=$3 patch.zst -o patched;
        openssl dgst -sha256 patched; sync patched' - "$here" "$url" "$old"
    cmp "$here/patched" "$new"
}
