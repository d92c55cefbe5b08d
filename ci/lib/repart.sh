# shellcheck shell=bash
# Disk images with dm-verity, by the systemd-repart of Debian 13. Sourced after common.sh; $WORK is a folder of the script.

# repart_tree: prints the path of the tree whose tools are used.
repart_tree() { "$CI_DIR/trees" trixie systemd-repart erofs-utils libcryptsetup12; }

# repart_image REPART-TREE FOLDER IMAGE: a signed disk image of an extension's tree; both lie below $WORK, and are named from
# there. The key is one of this run.
repart_image() {
    [[ -e $WORK/verity.key ]] || openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=vendor -days 30 \
        -keyout "$WORK/verity.key" -out "$WORK/verity.crt" 2>/dev/null
    # Nothing is written into the tools' tree: what they need to write lies in memory.
    # shellcheck disable=SC2016  # the arguments of the inner shell
    as_root unshare --mount --propagation private bash -euc '
        mount -t tmpfs none "$1/tmp" && mount -t tmpfs none "$1/var/tmp" && mount -t tmpfs none "$1/mnt"
        mkdir "$1/mnt/work"
        mount --bind "$2" "$1/mnt/work"
        mount --rbind /dev "$1/dev"
        mount -t proc none "$1/proc"
        chroot "$1" systemd-repart --make-ddi=sysext --offline=yes --private-key=/mnt/work/verity.key \
            --certificate=/mnt/work/verity.crt --copy-source="/mnt/work/$3" "/mnt/work/$4"
    ' repart "$1" "$WORK" "$2" "$3" >"$WORK/repart.log" 2>&1 || die "systemd-repart: $(cat "$WORK/repart.log")"
    as_root chown "$(id -u)" "$WORK/$3"
}
