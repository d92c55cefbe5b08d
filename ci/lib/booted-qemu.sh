# shellcheck shell=bash
# The same host as in booted.sh, in QEMU with a kernel of its own: sourced after it, in its place for what differs.
#
# - The folders of a root and of the script reach the machine over 9p; the root is what the kernel mounts first.
# - The machine's own 127.0.0.1 has no server: a socket of systemd passes connections on to this machine.

booted_setup() {
    TREE=$1
    mkdir -p "$WORK/roots" "$WORK/var"
    printf '%s\n' 9p 9pnet_virtio >"$WORK/modules"
    KERNEL=$(find "$TREE/boot" -name 'vmlinuz-*')
    # An initial RAM disk that can mount 9p: the tree's own can not, and nothing may write into the tree.
    mkdir -p "$WORK/initrd"/{upper,work,root}
    mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$WORK/initrd/upper,workdir=$WORK/initrd/work" "$WORK/initrd/root"
    cat "$WORK/modules" >>"$WORK/initrd/root/etc/initramfs-tools/modules"
    chroot "$WORK/initrd/root" mkinitramfs -o /initrd "${KERNEL##*/vmlinuz-}" >"$WORK/mkinitramfs.log" 2>&1 ||
        fail "no initial RAM disk: $(tail -n 3 "$WORK/mkinitramfs.log")"
    mv "$WORK/initrd/root/initrd" "$WORK/initrd.img"
    umount "$WORK/initrd/root"
}

# unit ROOT NAME: from standard input, started with the system.
unit() {
    local directory=$1/etc/systemd/system
    cat >"$directory/$2"
    mkdir -p "$directory/$3.wants"
    ln -sf "../$2" "$directory/$3.wants/$2"
}

booted_phase() {
    # A machine that is virtual itself may offer KVM and break in it, so only who asks for it gets it.
    local root=$WORK/roots/$1/root port=${URL##*:} accelerator=${SYSEXT_QEMU_ACCEL:-tcg,thread=multi}
    printf '%s\n' "$2" >"$WORK/phase"
    rm -f "$WORK/rc" "$WORK/out"
    mkdir -p "$root/$WORK" "$root/$CI_DIR" "$root/var/lib/sysext-fetch"
    : >"$root/etc/fstab"
    local tag path options=trans=virtio,version=9p2000.L,msize=262144,cache=none
    for tag in work:"$WORK" ci:"$CI_DIR" var:/var/lib/sysext-fetch; do
        path=${tag#*:}
        printf '%s %s 9p %s 0 0\n' "${tag%%:*}" "$path" "$options" >>"$root/etc/fstab"
    done
    unit "$root" catalog.socket sockets.target <<UNIT
[Socket]
ListenStream=127.0.0.1:$port
UNIT
    cat >"$root/etc/systemd/system/catalog.service" <<UNIT
[Service]
ExecStart=/usr/lib/systemd/systemd-socket-proxyd 10.0.2.2:$port
UNIT
    unit "$root" network.service multi-user.target <<'UNIT'
[Unit]
Before=story.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for i in /sys/class/net/e*; do n=$${i##*/}; ip link set $$n up; ip address add 10.0.2.15/24 dev $$n; done'
UNIT
    local shares=()
    for tag in root:"$root" work:"$WORK" ci:"$CI_DIR" var:"$WORK/var"; do
        path=${tag#*:} tag=${tag%%:*}
        shares+=(-virtfs "local,path=$path,mount_tag=$tag,security_model=passthrough,id=$tag,multidevs=remap")
    done
    timeout --kill-after=10 280 qemu-system-x86_64 -machine q35 -accel "$accelerator" -cpu max -smp 2 -m 1024 \
        -nodefaults -no-reboot -display none -serial "file:$WORK/console" \
        -kernel "$KERNEL" -initrd "$WORK/initrd.img" \
        -append "root=root rootfstype=9p rootflags=${options/cache=none/cache=loose} rw console=ttyS0 quiet panic=1 systemd.show_status=no" \
        -netdev user,id=net -device virtio-net-pci,netdev=net -device virtio-rng-pci "${shares[@]}" </dev/null || true
    cat "$WORK/out" >&2 || true
    [[ $(cat "$WORK/rc" 2>/dev/null) == 0 ]] || fail "the phase $2 failed; the console said: $(tail -n 30 "$WORK/console")"
}
