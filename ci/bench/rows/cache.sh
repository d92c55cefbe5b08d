# shellcheck shell=bash
# What is answered from what is cached, and the boot guard: 1,000 images in the store, 100 extensions in ten versions.

names_hundred() { printf 'tool%03d ' $(seq 100); }

prepare_cache() { once cache make_cache; }

make_cache() {
    local version names
    read -ra names <<<"$(names_hundred)"
    catalog thousand "${names[@]}"
    new_host thousand thousand
    mkdir -p "$WORK/hosts/thousand/etc/sysext-fetch"
    echo 'keep = 1000' >"$WORK/hosts/thousand/etc/sysext-fetch/sysext-fetch.toml"
    for version in 1.{0..9}; do
        small_images "$WORK/images-thousand/$version" "$version" "${names[@]}"
        publisher thousand sync "$WORK/images-thousand/$version"
        if [[ $version == 1.0 ]]; then
            host thousand install "${names[@]}"
        else
            host thousand update
        fi
    done
    local stored
    stored=$(find "$WORK/hosts/thousand/var/lib/sysext-fetch/store" -name '*.raw' | wc -l)
    [[ $stored == 1000 ]] || die "$stored images are in the store, wanted 1,000"
}

row_cache() {
    local root=$WORK/hosts/thousand
    measure "status" 20 sysext-fetch --root "$root" status
    measure "why tool050" 20 sysext-fetch --root "$root" why tool050
    measure "check --offline" 20 sysext-fetch --root "$root" check --offline
    measure "boot guard, 100 extensions" 20 sysext-fetch --root "$root" boot
}
