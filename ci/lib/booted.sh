# shellcheck shell=bash
# A booted container with systemd as PID 1, in which the package of sysext-fetch is installed. Sourced after e2e.sh.
#
# - Everything below is root's and runs in a mount namespace of its own: overlays over the Debian tree, a cgroup2 of its
#   own, loop nodes of its own. Nothing of it is left when the script ends.
# - A root is a folder of $WORK/roots with its own /etc and /usr; all share $WORK/var, as snapshots of a host do.
# - A script defines `outside` (what needs no root: vendors, a server), `story` (as root: roots and their phases) and
#   `phase_NAME` for each phase, and ends with `booted_main`.
# - A phase of the story runs inside, as a unit of the booted system, with $WORK and the scripts under the same paths;
#   then the system powers off.

# booted_setup TREE: once, before the rest.
booted_setup() {
    TREE=$1
    mkdir -p "$WORK/roots" "$WORK/var"
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # The container's udev removes loop nodes when it shuts down: not this machine's.
    mkdir "$WORK/nodes"
    mount -t tmpfs tmpfs "$WORK/nodes"
    mknod -m 0600 "$WORK/nodes/loop-control" c 10 237
    for number in 0 1 2 3 4 5 6 7; do
        mknod -m 0660 "$WORK/nodes/loop$number" b 7 "$number"
    done
}

# booted_root NAME VERSION_ID [LIKE]: a root of that release; its /etc is a copy of that of the root LIKE, as that of a
# new snapshot is.
booted_root() {
    local release=$2 like=${3-} folder=$WORK/roots/$1
    mkdir -p "$folder/upper" "$folder/work" "$folder/root"
    if [[ -n $like ]]; then
        cp -a "$WORK/roots/$like/upper/." "$folder/upper/"
    fi
    mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
    # sid names no version.
    sed -i '/^VERSION_ID=/d' "$folder/root/usr/lib/os-release"
    printf 'VERSION_ID="%s"\n' "$release" >>"$folder/root/usr/lib/os-release"
    : >"$folder/root/etc/machine-id"
    cat >"$folder/root/etc/systemd/system/story.service" <<UNIT
[Unit]
After=multi-user.target systemd-sysext.service
[Service]
Type=oneshot
TimeoutStartSec=120
ExecStart=/bin/bash -c 'E2E_PHASE=\$\$(cat $WORK/phase) WORK=$WORK URL=$URL bash $CI_DIR/e2e/$(basename "$0") >$WORK/out 2>&1; echo \$\$? >$WORK/rc'
ExecStopPost=/bin/systemctl poweroff --no-block
UNIT
    mkdir -p "$folder/root/etc/systemd/system/multi-user.target.wants"
    ln -sf ../story.service "$folder/root/etc/systemd/system/multi-user.target.wants/story.service"
}

# booted_install NAME DEB: installs the package into a root that does not run.
booted_install() {
    cp "$2" "$WORK/roots/$1/root/var/cache/sysext-fetch.deb"
    chroot "$WORK/roots/$1/root" dpkg --install /var/cache/sysext-fetch.deb >"$WORK/dpkg.log" 2>&1 ||
        fail "dpkg could not install the package: $(cat "$WORK/dpkg.log")"
}

# booted_phase NAME PHASE: boots a root, lets a phase of the story run in it, and waits for its power to go.
booted_phase() {
    local root=$WORK/roots/$1/root phase=$2 number binds=()
    for number in 0 1 2 3 4 5 6 7; do
        binds+=(--bind="$WORK/nodes/loop$number:/dev/loop$number")
    done
    printf '%s\n' "$phase" >"$WORK/phase"
    rm -f "$WORK/rc" "$WORK/out"
    timeout --kill-after=10 180 systemd-nspawn --quiet --boot --register=no --keep-unit --directory="$root" \
        --bind="$WORK/nodes/loop-control:/dev/loop-control" "${binds[@]}" --console=pipe --link-journal=no \
        --bind="$WORK/var:/var/lib/sysext-fetch" --bind="$WORK:$WORK" --bind-ro="$CI_DIR:$CI_DIR" \
        >"$WORK/console" 2>&1 </dev/null || true
    cat "$WORK/out" >&2 || true
    [[ $(cat "$WORK/rc" 2>/dev/null) == 0 ]] || fail "the phase $phase failed; the console said: $(tail -n 20 "$WORK/console")"
}

# booted_main VERSION [PACKAGE…]: the script's whole run, or the part of it that this process is there for. The packages
# are in the tree besides.
booted_main() {
    local version=$1 suite found
    if [[ -n ${E2E_PHASE-} ]]; then
        "phase_$E2E_PHASE"
        return
    elif [[ -n ${E2E_INSIDE-} ]]; then
        story
        return
    fi
    case $version in
        252) skip "a booted host with systemd 252" "the container is one of 257 or 262" ;;
        257) suite=trixie ;;
        262) suite=sid ;;
        *) die "usage: $0 252|257|262" ;;
    esac
    shift
    can_be_root || skip "a booted host" "needs root or sudo without a password"
    need_or_skip "a booted host" systemd-nspawn=systemd-container dpkg-deb=dpkg
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/sysext-e2e.XXXXXX")
    chmod 0755 "$WORK"
    BIN=$WORK/bin
    export WORK BIN PATH=$BIN:$PATH
    trap finish EXIT
    trap 'exit 143' TERM INT HUP
    mkdir "$BIN"
    "$CI_DIR/trees" "$suite" "$@" >"$WORK/tree" || skip "a booted host with systemd $version" "no tree of Debian $suite can be made"
    found=$(chroot "$(cat "$WORK/tree")" systemd-sysext --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    [[ $found -ge $version ]] || skip "a booted host with systemd $version" "Debian $suite has systemd $found"
    outside
    printf '%s\n' "${SERVERS[0]}" >"$WORK/server"
    as_root env "BOOTED_IN=${BOOTED_IN-}" "WORK=$WORK" "BIN=$BIN" "URL=$URL" "PATH=$PATH" E2E_INSIDE=1 \
        unshare --mount --propagation private --fork --kill-child=SIGKILL bash "$CI_DIR/e2e/$(basename "$0")"
    say "$(basename "$0") $version: as it should be"
}
