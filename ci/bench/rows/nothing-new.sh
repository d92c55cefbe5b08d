# shellcheck shell=bash
# Nothing is new for 50 extensions: what a host asks every day.

names_fifty() { printf 'ext%02d ' $(seq 50); }

# Each extension of its own vendor, too: that is what 50 components of systemd-sysupdate can do as well.
prepare_nothing_new() { once nothing-new make_nothing_new; }

make_nothing_new() {
    local name names
    read -ra names <<<"$(names_fifty)"
    catalog fifty "${names[@]}"
    small_images "$WORK/images-fifty" 1.0 "${names[@]}"
    publisher fifty sync "$WORK/images-fifty"
    new_host fifty fifty
    host fifty install "${names[@]}"
    local catalogs=()
    for name in "${names[@]}"; do
        catalog "own-$name" "$name"
        publisher "own-$name" add "$WORK/images-fifty/${name}_1.0_noarch.raw"
        catalogs+=("own-$name")
    done
    new_host many-vendors "${catalogs[@]}"
    host many-vendors install "${names[@]}"
}

# sysupdate_fifty yes|no: as an admin does it who has 50 version streams.
sysupdate_fifty() {
    local name names
    read -ra names <<<"$(names_fifty)"
    for name in "${names[@]}"; do
        transfer "$name" "$1" fifty/images
        ln -sfn "images/${name}_1.0_noarch.raw" "$WORK/sysupdate/$name.raw"
    done
    cp "$WORK/images-fifty"/*.raw "$WORK/sysupdate/images/"
}

row_nothing_new() {
    # shellcheck disable=SC2016  # the inner shell's own
    local each='set -e; for name in $1; do /usr/lib/systemd/systemd-sysupdate -C $name update; done'
    # shellcheck disable=SC2016
    local script='set -e; cd $3; for name in $1; do rm -f SHA256SUMS*; curl -fsS --remote-name-all $2/SHA256SUMS $2/SHA256SUMS.gpg;
        gpgv --quiet --keyring $4 SHA256SUMS.gpg SHA256SUMS; grep -q "  ${name}_1.0_noarch.raw$" SHA256SUMS; done'
    measure "sysext-fetch, one catalog" 1 sysext-fetch --root "$WORK/hosts/fifty" update
    measure "sysext-fetch, 50 catalogs" 1 sysext-fetch --root "$WORK/hosts/many-vendors" update
    trust_lists
    sysupdate_fifty yes
    measure "systemd-sysupdate, 50 components" 1 bash -c "$each" - "$(names_fifty)"
    sysupdate_fifty no
    measure "systemd-sysupdate, 50 components, Verify=no" 1 bash -c "$each" - "$(names_fifty)"
    mkdir -p "$WORK/script"
    measure "a script, 50 times curl and gpgv" 1 bash -c "$script" - "$(names_fifty)" "$URL/fifty/images" "$WORK/script" "$WORK/bench.gpg"
}
