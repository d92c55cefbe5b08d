#!/usr/bin/env bash
# In step with transactional-update: the plugin of the package is called as tukit calls it, over btrfs snapshots with an
# /etc of their own that is merged three ways at boot. Rolled back, blocked, without a network, and gc over all snapshots.
# What another program has on that disk shares its blocks with the store.

# shellcheck source=ci/lib/e2e.sh
source "$(dirname "$0")/../lib/e2e.sh"
# shellcheck source=ci/lib/program.sh
source "$CI_DIR/lib/program.sh"
# shellcheck source=ci/lib/release.sh
source "$CI_DIR/lib/release.sh"
# shellcheck source=ci/lib/vendor.sh
source "$CI_DIR/lib/vendor.sh"
# shellcheck source=ci/lib/tukit.sh
source "$CI_DIR/lib/tukit.sh"

# publish NAME VERSION [RELEASE]: for one release of the OS, or for any.
publish() {
    local file for=(--os-id debian --os-version "${3-}")
    [[ -n ${3-} ]] || for=(--os-id _any)
    file=$1_$2_$(systemd_architecture).raw
    (
        cd "$WORK/acme" || exit
        sysext-publish pack "$WORK/$2/$1" --name "$1" --version "$2" "${for[@]}" -o "$file"
        sysext-publish add "$file"
    ) >&2
}

# links N: what snapshot N has linked.
links() { find "$SNAPSHOTS/$1/snapshot/etc/extensions" -type l -printf '%l\n' 2>/dev/null | sed 's|.*/||; s#_\(debian\|x86-64\|arm64\).*##' | sort | tr '\n' ' '; }
# silent_server: takes connections where the catalog was, and says nothing.
silent_server() {
    exec python3 -c '
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    time.sleep(60)' "${URL##*:}"
}
# first_extent FILE: where its first bytes are on the disk, and whether others have them too.
first_extent() { filefrag -v "$1" | awk '$1 == "0:" { sub(/\.+$/, "", $4); print $4, /shared/ ? "shared" : "alone"; exit }'; }
stored() { find "$WORK/top/@/var/lib/sysext-fetch/store" -name '*.raw' | wc -l; }

inside() {
    say "a system of release 12 with two extensions"
    snapshots_make
    printf 'refresh = "never"\n' | install -D -m 0644 /dev/stdin "$WORK/root/etc/sysext-fetch/sysext-fetch.toml"
    host sysext-fetch catalog add "$URL/acme/public#sha256=$(vendor_fingerprint "$WORK/acme")"
    host sysext-fetch install hello steady
    expect "hello_1.0 steady_1.0 " links 1

    say "an image that another program has on the same disk is taken over without a download, and takes no room"
    local theirs=$WORK/root/var/lib/sysext-store/borrowed-1.0.x86-64.raw ours
    install -D -m 0644 "$WORK"/acme/borrowed_1.0_*.raw "$theirs"
    ln -s "${theirs#"$WORK/root"}" "$WORK/root/etc/extensions/borrowed-1.0.x86-64.raw"
    sync -f "$theirs"
    [[ $(first_extent "$theirs") == *" alone" ]] || fail "its blocks are shared with nobody yet: $(first_extent "$theirs")"
    host sysext-fetch import borrowed
    ours=$(find "$WORK/top/@/var/lib/sysext-fetch/store" -name 'borrowed_1.0*.raw')
    cmp "$theirs" "$ours" || fail "other bytes are in the store"
    [[ $(first_extent "$ours") == *" shared" ]] || fail "its blocks are written once more: $(first_extent "$ours")"
    expect "$(first_extent "$theirs")" first_extent "$ours"
    rm "$theirs"
    host sysext-fetch verify
    host sysext-fetch remove borrowed
    host sysext-fetch --offline gc --keep 0
    expect "hello_1.0 steady_1.0 " links 1

    say "an update to release 13: the new snapshot gets what fits it, the running one keeps what it has"
    transaction_open 2
    printf 'ID=debian\nVERSION_ID=13\n' >"$SNAPSHOTS/2/snapshot/etc/os-release"
    expect_code 0 transaction_close 2
    expect "hello_2.0 steady_1.0 " links 2
    expect "hello_1.0 steady_1.0 " links 1
    absent "$SNAPSHOTS/2/snapshot/var/lib"

    say "meanwhile the admin installs what only release 12 can merge"
    host sysext-fetch install legacy
    expect "hello_1.0 legacy_1.0 steady_1.0 " links 1

    say "the timer updates the running system; the other snapshot is not touched behind its back"
    publish steady 2.0
    expect_code 0 host sysext-fetch update --automatic
    expect "hello_1.0 legacy_1.0 steady_2.0 " links 1
    expect "hello_2.0 steady_1.0 " links 2

    say "it boots: the merge of /etc brings the links of legacy and steady along, the boot guard leaves it out"
    boot_into 2
    expect "hello_2.0 legacy_1.0 steady_2.0 " links 2
    expect_code 0 host sysext-fetch boot
    expect "hello_2.0 steady_2.0 " links 2
    host sysext-fetch why legacy | grep -F 'VERSION_ID' || fail "why does not name the field"

    say "a server that never answers: an update of the OS that changes nothing for extensions goes on, soon"
    kill "$(cat "$WORK/server.pid")"
    silent_server </dev/null >/dev/null 2>&1 &
    local silent=$!
    # shellcheck disable=SC2064 # now, while the name is known
    trap "kill $silent" EXIT
    transaction_open 3
    local began=$SECONDS
    expect_code 0 transaction_close 3
    [[ $((SECONDS - began)) -le 10 ]] || fail "it took $((SECONDS - began)) seconds"
    expect "hello_2.0 steady_2.0 " links 3
    kill "$silent"
    trap - EXIT

    say "no server at all, and release 14, which nothing fits: hello is left out, steady fits any"
    transaction_open 4
    printf 'ID=debian\nVERSION_ID=14\n' >"$SNAPSHOTS/4/snapshot/etc/os-release"
    expect_code 0 transaction_close 4
    expect "steady_2.0 " links 4
    snapshot_delete 4

    say "unless hello says that the update must not go on without it"
    host sysext-fetch --offline set hello on-incompatible=block || fail "it can not be set"
    transaction_open 4
    printf 'ID=debian\nVERSION_ID=14\n' >"$SNAPSHOTS/4/snapshot/etc/os-release"
    expect_code 1 transaction_close 4
    absent "$SNAPSHOTS/4"
    expect "hello_2.0 steady_2.0 " links 2

    say "back to release 12: its links are what they were, and its images are there"
    host sysext-fetch --offline gc --keep 0
    boot_into 1
    expect_code 0 host sysext-fetch boot
    expect "hello_1.0 legacy_1.0 steady_2.0 " links 1

    say "with its snapshots an image goes"
    expect 4 stored
    snapshot_delete 2
    snapshot_delete 3
    host sysext-fetch --offline gc --keep 0
    expect 3 stored
}

[[ ${1-} != 252 ]] || skip 60-tukit "no systemd takes part: 257 stands for both"
if [[ -z ${E2E_INSIDE-} ]]; then
    can_be_root || skip 60-tukit "needs root rights"
    need mkfs.btrfs=btrfs-progs unshare=util-linux findmnt=util-linux filefrag=e2fsprogs || skip 60-tukit "needs btrfs-progs"
    as_root modprobe btrfs 2>/dev/null || true
    grep -qw btrfs /proc/filesystems || skip 60-tukit "this kernel has no btrfs"
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/sysext-e2e.XXXXXX")
    BIN=$WORK/bin
    trap finish EXIT
    trap 'exit 143' TERM INT HUP
    mkdir "$BIN" "$WORK/package"
    export PATH=$BIN:$PATH WORK BIN
    release_binaries "$BIN"
    for program in 1.0/hello 2.0/hello 1.0/steady 2.0/steady 1.0/legacy 1.0/borrowed; do
        small_program "$WORK/$program" "${program%/*}" || skip 60-tukit "needs a C compiler"
    done
    "$CI_DIR/packaging/install-tree" "$BIN/sysext-fetch" "$WORK/package"
    serve_folder "$WORK"
    printf '%s\n' "${SERVERS[-1]}" >"$WORK/server.pid"
    vendor_init "$WORK/acme" acme "$URL/acme/public" hello steady legacy borrowed
    publish hello 1.0 12
    publish hello 2.0 13
    publish steady 1.0
    publish legacy 1.0 12
    publish borrowed 1.0
    export URL
    as_root env "PATH=$PATH" E2E_INSIDE=1 "WORK=$WORK" "BIN=$BIN" "URL=$URL" unshare --mount --propagation private bash "$0"
    say "60-tukit: as it should be"
else
    inside
fi
