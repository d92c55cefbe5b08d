# shellcheck shell=bash
# A host of transactional-update without openSUSE: btrfs snapshots as MicroOS lays them out, and the calls that tukit
# makes of its plugins. Sourced after e2e.sh, in a mount namespace of its own, as root.
#
#   snapshots_make           a disk with snapshot 1, which is the running system from then on
#   host COMMAND…            runs something in the running system
#   transaction_open NEW     the new snapshot N of the running system, with the stages before finalize-pre
#   transaction_close NEW    finalize-pre and what follows; answers with the plugin's exit code, and discards where it is not 0
#   boot_into N              /etc is merged three ways, then that snapshot is the running system
#
# - What tukit does was seen with tukit 6.1.3: a plugin runs outside of the snapshot with the live /var, in a mount
#   namespace where the snapshot is bound beneath /tmp, through /bin/sh, with a path of its own and / as the folder.
# - /usr is this machine's, with what the package brings laid over it.

snapshots_make() {
    local top=$WORK/top
    truncate --size 512M "$WORK/disk"
    mkfs.btrfs --quiet "$WORK/disk" >&2
    mkdir -p "$top" "$WORK/root"
    mount -o loop "$WORK/disk" "$top"
    SNAPSHOTS=$top/@/.snapshots
    btrfs -q subvolume create "$top/@"
    btrfs -q subvolume create "$top/@/var"
    btrfs -q subvolume create "$SNAPSHOTS"
    mkdir -p "$SNAPSHOTS/1" "$top/@/var/lib"
    btrfs -q subvolume create "$SNAPSHOTS/1/snapshot"
    # As since transactional-update 5: a subvolume of its own.
    btrfs -q subvolume create "$SNAPSHOTS/1/snapshot/etc"
    local new=$SNAPSHOTS/1/snapshot
    mkdir -p "$new"/{usr,var/{cache,log,spool,tmp},proc,dev,run,tmp,.snapshots}
    local link
    for link in bin lib lib64 sbin; do
        ln -s "usr/$link" "$new/$link"
    done
    printf 'ID=debian\nVERSION_ID=12\n' >"$new/etc/os-release"
    cp /etc/ld.so.cache "$new/etc/"
    system_mount 1
}

# system_mount N: snapshot N is what runs.
system_mount() {
    local device
    device=$(findmnt -n -o SOURCE "$WORK/top" | sed 's/\[.*//')
    RUNNING=$1
    mount -o "subvol=@/.snapshots/$1/snapshot" "$device" "$WORK/root"
    mount -o subvol=@/var "$device" "$WORK/root/var"
    mount -o subvol=@/.snapshots "$device" "$WORK/root/.snapshots"
    mount -t overlay -o "lowerdir=$WORK/package/usr:/usr" overlay "$WORK/root/usr"
    mount -t proc proc "$WORK/root/proc"
    mount -t tmpfs tmpfs "$WORK/root/run"
    mount -t tmpfs tmpfs "$WORK/root/tmp"
    mount --bind /dev "$WORK/root/dev"
}

host() { chroot "$WORK/root" "$@"; }

# plugin_call STAGE ARGS…: as tukit does.
plugin_call() {
    host env PATH=/usr/bin:/usr/sbin:/bin:/sbin /bin/sh -c "cd / && /usr/lib/tukit/plugins/sysext-fetch $*"
}

# in_transaction N COMMAND…: in a mount namespace where snapshot N is bound at $BOUND.
BOUND=/tmp/transactional-update-x1y2z3
in_transaction() {
    local number=$1
    shift
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount bash -c '
        mkdir -p "$1/root$2"
        mount --bind "$1/root/.snapshots/$3/snapshot" "$1/root$2"
        shift 3
        "$@"' - "$WORK" "$BOUND" "$number" "$@"
}

export -f host plugin_call
transaction_open() {
    local new=$1 stage
    plugin_call init-pre
    mkdir "$SNAPSHOTS/$new"
    btrfs -q subvolume snapshot "$SNAPSHOTS/$RUNNING/snapshot" "$SNAPSHOTS/$new/snapshot"
    # A snapshot does not hold the subvolumes in it.
    rmdir "$SNAPSHOTS/$new/snapshot/etc"
    btrfs -q subvolume snapshot "$SNAPSHOTS/$RUNNING/snapshot/etc" "$SNAPSHOTS/$new/snapshot/etc"
    # What the three-way merge compares with.
    btrfs -q subvolume snapshot -r "$SNAPSHOTS/$RUNNING/snapshot/etc" "$SNAPSHOTS/$new/etc-before"
    in_transaction "$new" plugin_call init-post "$BOUND" "$new"
    for stage in execute-pre execute-post callExt-pre callExt-post keep-pre; do
        in_transaction "$new" plugin_call "$stage" "$BOUND" "$new"
    done
    plugin_call keep-post "$new"
    plugin_call resume-pre "$new"
    in_transaction "$new" plugin_call resume-post "$BOUND" "$new"
}

transaction_close() {
    local new=$1 status=0
    in_transaction "$new" plugin_call finalize-pre "$BOUND" "$new" || status=$?
    if [[ $status -eq 0 ]]; then
        plugin_call finalize-post "$new"
    else
        snapshot_delete "$new"
        plugin_call finalize-post "$new" discarded
    fi
    return "$status"
}

snapshot_delete() {
    local subvolume
    for subvolume in snapshot/etc snapshot etc-before; do
        [[ ! -d $SNAPSHOTS/$1/$subvolume ]] || btrfs -q subvolume delete "$SNAPSHOTS/$1/$subvolume"
    done
    rmdir "$SNAPSHOTS/$1"
}

boot_into() {
    local new=$SNAPSHOTS/$1
    [[ ! -d $new/etc-before ]] || etc_merge "$new/etc-before" "$WORK/root/etc" "$new/snapshot/etc"
    umount -R "$WORK/root"
    system_mount "$1"
}

# etc_merge BEFORE RUNNING NEW: what the new snapshot changed stays; of the rest what the running system changed since.
etc_merge() {
    local before=$1 running=$2 new=$3 path
    while IFS= read -r path; do
        same "$before/$path" "$new/$path" || continue
        same "$before/$path" "$running/$path" && continue
        rm -f "${new:?}/$path"
        if [[ -e $running/$path || -L $running/$path ]]; then
            mkdir -p "$(dirname "$new/$path")"
            cp --no-dereference --preserve "$running/$path" "$new/$path"
        fi
    done < <(cd "$before" && find . ! -type d && cd "$running" && find . ! -type d)
}

# same A B: both absent, the same link, or the same bytes.
same() {
    if [[ -L $1 || -L $2 ]]; then
        [[ -L $1 && -L $2 && $(readlink "$1") == "$(readlink "$2")" ]]
    elif [[ -e $1 && -e $2 ]]; then
        cmp -s "$1" "$2"
    else
        [[ ! -e $1 && ! -e $2 ]]
    fi
}
