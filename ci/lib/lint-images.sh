# shellcheck shell=bash
# Images as vendors make them, with the tools that vendors use: each bad one in a folder that is named after its fault, each
# good one in a folder that is named after its tool. Sourced after common.sh, program.sh and vendor.sh; $WORK is an empty folder.
#
# - Every image is tool of version 1, with a static program that prints its name, for this machine's architecture.
# - IMAGE is the file that was made last.

ARCHITECTURE=$(systemd_architecture)
RELEASE=usr/lib/extension-release.d/extension-release.tool
SQUASHFS=(-quiet -no-progress -noappend -all-root -noI -noD -noF -noX)

# begin NAME: a folder $WORK/NAME with the tree of a good image in `tree`; it is the current one for what follows.
begin() {
    FOLDER=$WORK/$1 TREE=$WORK/$1/tree
    mkdir -p "$TREE/usr/lib/extension-release.d" "$TREE/usr/bin"
    chmod 0755 "$TREE" "$TREE"/usr{,/lib,/bin,/lib/extension-release.d}
    install -m 0755 "$WORK/program/tool" "$TREE/usr/bin/tool"
    release "ID=_any" "ARCHITECTURE=$ARCHITECTURE"
}

# release LINE…: what the extension-release says.
release() { printf '%s\n' "$@" >"$TREE/$RELEASE"; }

# put PATH [MODE]: a file of the tree, with stdin as its content.
put() {
    install -d -m 0755 "$TREE/$(dirname "$1")"
    cat >"$TREE/$1"
    chmod "${2:-0644}" "$TREE/$1"
}

# squashfs [OPTION…], erofs [OPTION…], ext4: make the image of the tree.
squashfs() {
    IMAGE=$FOLDER/tool_1_$ARCHITECTURE.raw
    mksquashfs "$TREE" "$IMAGE" "${SQUASHFS[@]}" "$@" >/dev/null
}
erofs() {
    IMAGE=$FOLDER/tool_1_$ARCHITECTURE.raw
    mkfs.erofs --quiet --all-root "$@" "$IMAGE" "$TREE" >/dev/null
}
ext4() {
    IMAGE=$FOLDER/tool_1_$ARCHITECTURE.raw
    truncate -s 8M "$IMAGE"
    fakeroot mkfs.ext4 -q -d "$TREE" "$IMAGE"
    # Empty, and on every such file system.
    debugfs -w -R 'rmdir lost+found' "$IMAGE" 2>/dev/null
}

# gpt: a disk image with dm-verity by the systemd-repart of Debian 13, signed with a key of this run; 1 where it can not run.
gpt() {
    IMAGE=$FOLDER/tool_1_$ARCHITECTURE.raw
    [[ -n ${REPART_TREE-} ]] || return 1
    [[ -e $WORK/verity.key ]] || openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=vendor -days 30 \
        -keyout "$WORK/verity.key" -out "$WORK/verity.crt" 2>/dev/null
    # Nothing is written into the tree: what it needs to write lies in memory.
    # shellcheck disable=SC2016  # the arguments of the inner shell
    as_root unshare --mount --propagation private bash -euc '
        mount -t tmpfs none "$1/tmp" && mount -t tmpfs none "$1/var/tmp" && mount -t tmpfs none "$1/mnt"
        mkdir "$1/mnt/work"
        mount --bind "$2" "$1/mnt/work"
        mount --rbind /dev "$1/dev"
        mount -t proc none "$1/proc"
        chroot "$1" systemd-repart --make-ddi=sysext --offline=yes --private-key=/mnt/work/verity.key \
            --certificate=/mnt/work/verity.crt --copy-source="/mnt/work/$3/tree" "/mnt/work/$3/$4"
    ' repart "$REPART_TREE" "$WORK" "$(basename "$FOLDER")" "$(basename "$IMAGE")" >"$WORK/repart.log" 2>&1 ||
        die "systemd-repart: $(cat "$WORK/repart.log")"
    as_root chown "$(id -u)" "$IMAGE"
}

# another_machine: the ARCHITECTURE of a machine that this one is not.
another_machine() { [[ $ARCHITECTURE == arm64 ]] && echo x86-64 || echo arm64; }
