# shellcheck shell=bash
# Images as vendors make them, with the tools that vendors use: each bad one in a folder that is named after its fault, each
# good one in a folder that is named after its tool. Sourced after common.sh, program.sh, repart.sh and vendor.sh; $WORK is an empty folder.
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

# gpt: a disk image with dm-verity, signed with a key of this run; 1 where it can not be made.
gpt() {
    IMAGE=$FOLDER/tool_1_$ARCHITECTURE.raw
    [[ -n ${REPART_TREE-} ]] || return 1
    repart_image "$REPART_TREE" "$(basename "$FOLDER")/tree" "$(basename "$FOLDER")/$(basename "$IMAGE")"
}

# another_machine: the ARCHITECTURE of a machine that this one is not.
another_machine() { [[ $ARCHITECTURE == arm64 ]] && echo x86-64 || echo arm64; }
