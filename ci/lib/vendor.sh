# shellcheck shell=bash
# What vendors and hosts type, in one place: the quickstart shows it, the end-to-end scripts build on it. Sourced
# after common.sh; sysext-publish and sysext-fetch are in the path.
#
# - A vendor is a folder: sysext-publish.toml, keys/, and public/, which a web server serves.
# - `run` stands before each command: it runs it, and a script that wants to show its commands defines its own.

declare -F run >/dev/null || run() { "$@"; }

# vendor_init DIR ID URL EXTENSION…: keys, the first root, an empty catalog.
vendor_init() {
    local directory=$1 id=$2 url=$3 extension extensions=()
    shift 3
    for extension in "$@"; do
        extensions+=(--extension "$extension")
    done
    mkdir -p "$directory/public"
    (cd "$directory" && run sysext-publish init public --id "$id" --url "$url" "${extensions[@]}" \
        --profile manual --unencrypted)
}

# vendor_publish DIR PROGRAM VERSION: packs the program, an extension of the same name, and adds it to the catalog.
vendor_publish() {
    local name
    name=$(basename "$2")
    (
        cd "$1" || exit
        run sysext-publish pack "$2" --name "$name" --version "$3" -o "${name}_$3_$(systemd_architecture).raw"
        run sysext-publish add "${name}_$3_$(systemd_architecture).raw"
    )
}

# vendor_fingerprint DIR: sha256 of the root's bytes, which the vendor prints where users believe it.
vendor_fingerprint() { sha256sum <"$1/public/metadata/1.root.json" | cut -d ' ' -f 1; }

# The architecture as systemd and file names of images spell it.
systemd_architecture() {
    case $(uname -m) in
        x86_64) echo x86-64 ;;
        aarch64) echo arm64 ;;
        ppc64le) echo ppc64-le ;;
        *) uname -m ;;
    esac
}

# host_add FINGERPRINT URL [OPTION…]: trusts a catalog; OPTIONs go before the command, as --root DIR does.
host_add() { run sysext-fetch "${@:3}" catalog add "$2#sha256=$1"; }
