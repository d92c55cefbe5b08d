# shellcheck shell=bash
# A web server, catalogs, hosts and the peers' settings, for the rows of ci/bench/client. Sourced after common.sh, in the
# sandbox.
#
# - $WORK/www is served at $URL; each request is a line of $WORK/access.log: method, status, bytes sent, path.
# - A catalog is the vendor's folder $WORK/vendors/NAME and what is published of it in $WORK/www/NAME.
# - A host is a folder in $WORK/hosts, for --root: nothing is merged, in no row, by no peer.

URL=http://127.0.0.1:$(cat "$WORK/port")

scene_web() {
    mkdir -p "$WORK"/{www,nginx,vendors,hosts}
    cat >"$WORK/nginx.conf" <<NGINX
user root;
worker_processes 1;
daemon off;
pid $WORK/nginx/pid;
error_log $WORK/nginx/error.log;
events {}
http {
    # One line when the last byte is sent.
    log_format bench '\$request_method \$status \$bytes_sent \$request_uri';
    access_log $WORK/access.log bench;
    sendfile on;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    client_body_temp_path $WORK/nginx; proxy_temp_path $WORK/nginx; fastcgi_temp_path $WORK/nginx;
    uwsgi_temp_path $WORK/nginx; scgi_temp_path $WORK/nginx;
    server { listen 127.0.0.1:${URL##*:}; root $WORK/www; }
}
NGINX
    nginx -c "$WORK/nginx.conf" </dev/null 2>>"$WORK/nginx/error.log" &
    local server=$!
    for _ in $(seq 100); do
        # Another program may have the port by now.
        kill -0 "$server" 2>/dev/null || break
        ! curl --silent --output /dev/null "$URL" || return 0
        sleep 0.05
    done
    die "no web server within 5 seconds: $(tail -n 3 "$WORK/nginx/error.log")"
}

# once NAME COMMAND…: makes what a kept $WORK has already.
once() {
    mkdir -p "$WORK/prepared"
    if [[ ! -e $WORK/prepared/$1 ]]; then
        "${@:2}"
        touch "$WORK/prepared/$1"
    fi
}

# measure WHO TIMES COMMAND…: runs it and notes what it cost, under $ROW. TIMES is 1 for whatever takes long.
measure() {
    local who=$1 times=$2
    shift 2
    # What was written before is not on its way to the disk meanwhile.
    sync
    FIGURES=$WORK/figures ACCESS_LOG=$WORK/access.log python3 "$CI_DIR/bench/lib/measure.py" "$ROW" "$who" "$times" "$@"
}

# note_figure WHO NAME VALUE: a figure that is not of a run, such as a size.
note_figure() {
    printf '{"row": "%s", "who": "%s", "%s": %s}\n' "$ROW" "$1" "$2" "$3" >>"$WORK/figures"
}

# catalog NAME EXTENSION…: an empty one, without transports, with lists that the peers' systemd-sysupdate believes.
catalog() {
    local name=$1 extension extensions=()
    for extension in "${@:2}"; do
        extensions+=(--extension "$extension")
    done
    openpgp_key
    mkdir -p "$WORK/vendors/$name" "$WORK/www/$name"
    publisher "$name" init "$WORK/www/$name" --id "$name" --url "$URL/$name" "${extensions[@]}" --unencrypted
    sed -i "s|^openpgp = \"\"|openpgp = \"cmd:gpg --homedir $WORK/gnupg --batch --detach-sign\"|" \
        "$WORK/vendors/$name/sysext-publish.toml"
    transports "$name" ""
}

# transports NAME LIST: what is made of images from now on, such as '"zstd", "patch"'.
transports() {
    sed -i "s/^transports = \[[^]]*\]/transports = [$2]/" "$WORK/vendors/$1/sysext-publish.toml"
}

# publisher NAME ARGUMENT…: the publisher in the folder of that vendor.
publisher() {
    (cd "$WORK/vendors/$1" && sysext-publish --quiet "${@:2}") >/dev/null
}

openpgp_key() {
    if [[ ! -d $WORK/gnupg ]]; then
        mkdir -m 0700 "$WORK/gnupg"
        gpg --homedir "$WORK/gnupg" --batch --quiet --passphrase '' --quick-generate-key bench@example.org ed25519 sign never
        gpg --homedir "$WORK/gnupg" --export >"$WORK/bench.gpg"
    fi
}

# trust_lists: systemd-sysupdate believes lists of SHA256SUMS that are signed with that key.
trust_lists() {
    cp "$WORK/bench.gpg" /etc/systemd/import-pubring.gpg
}

# small_images DIR VERSION NAME…: an image of each, of a few kilobytes.
small_images() {
    local directory=$1 version=$2 name tree=$WORK/small-tree
    mkdir -p "$directory"
    for name in "${@:3}"; do
        rm -rf "$tree"
        mkdir -p "$tree/usr/share/$name"
        printf '%s %s\n' "$name" "$version" >"$tree/usr/share/$name/data"
        sysext-publish --quiet pack "$tree" --name "$name" --version "$version" -o "$directory/${name}_${version}_noarch.raw" >/dev/null
    done
}

# host NAME ARGUMENT…: the client on that host.
host() { sysext-fetch --root "$WORK/hosts/$1" --quiet "${@:2}" >/dev/null; }

# new_host NAME CATALOG…: one that trusts these catalogs.
new_host() {
    local catalog
    mkdir -p "$WORK/hosts/$1/etc"
    cp /etc/os-release "$WORK/hosts/$1/etc/os-release"
    for catalog in "${@:2}"; do
        host "$1" catalog add "$URL/$catalog#sha256=$(sha256sum <"$WORK/www/$catalog/metadata/1.root.json" | cut -d ' ' -f 1)"
    done
}

# same_host NEW OLD: a copy of a host.
same_host() {
    rm -rf "$WORK/hosts/$1"
    cp -a --reflink=auto "$WORK/hosts/$2" "$WORK/hosts/$1"
}

# transfer NAME VERIFY CATALOG [PATTERN]: a component of systemd-sysupdate, whose files are below $WORK/sysupdate.
transfer() {
    local name=$1 verify=$2 catalog=$3 pattern=${4:-$1_@v_noarch.raw}
    mkdir -p "/etc/sysupdate.$name.d" "$WORK/sysupdate/images"
    cat >"/etc/sysupdate.$name.d/$name.transfer" <<TRANSFER
[Transfer]
Verify=$verify
[Source]
Type=url-file
Path=$URL/$catalog
MatchPattern=$pattern
[Target]
Type=regular-file
Path=$WORK/sysupdate/images
MatchPattern=${pattern%.xz}
CurrentSymlink=$WORK/sysupdate/$name.raw
InstancesMax=2
Mode=0644
TRANSFER
}
