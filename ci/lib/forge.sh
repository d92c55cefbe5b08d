# shellcheck shell=bash
# A forge without a forge: a bare repository, Pages, and a folder of downloads. Sourced after walkthrough.sh.
#
#   forge_begin OWNER/NAME PAGES-BRANCH [TOKEN]
#
# - $REMOTE is the repository, $CLONE a clone of it with a build.sh; $PAGES_URL shows what `pages` has taken from the branch,
#   $WEB_URL the folder $WORLD/web.
# - $YAML is a Python that reads YAML.

# shellcheck disable=SC2034  # the variables are for the scripts that source this
forge_begin() {
    local token=${3-}
    need python3 git=git || skip forge "needs python3 and git"
    python_env_or_skip forge yaml 'ruamel.yaml==0.19.*'
    YAML=$PYTHON
    REPOSITORY=$1 PAGES_BRANCH=$2 WORLD=$WORK/world REMOTE=$WORK/remote.git CLONE=$WORK/clone
    mkdir -p "$WORLD/web" "$WORK/pages"
    serve_folder "$WORK/pages"
    PAGES_URL=$URL
    serve_folder "$WORLD/web" ${token:+"$token"}
    WEB_URL=$URL
    export GIT_CONFIG_GLOBAL=$WORK/gitconfig GIT_CONFIG_SYSTEM=/dev/null
    git config --global user.name Vendor
    git config --global user.email vendor@example.org
    git config --global init.defaultBranch main
    git init --quiet --bare "$REMOTE"
    git clone --quiet "$REMOTE" "$CLONE" 2>/dev/null
    small_program "$WORK/build/x86-64/hello" any || skip forge "needs a C compiler"
    install -D "$WORK/build/x86-64/hello" "$WORK/build/arm64/hello"
    # No compiler for another machine: what says for which one a program is stands in its header.
    printf '\076\000' | dd of="$WORK/build/x86-64/hello" bs=1 seek=18 conv=notrunc status=none
    printf '\267\000' | dd of="$WORK/build/arm64/hello" bs=1 seek=18 conv=notrunc status=none
    install -d "$CLONE"
    cat >"$CLONE/build.sh" <<SH
#!/bin/sh -e
mkdir -p build
cp "$WORK/build/\$1/hello" build/hello
git describe --tags --always >>build/hello
SH
    chmod +x "$CLONE/build.sh"
    git -C "$CLONE" add build.sh
    git -C "$CLONE" commit --quiet --message "A program"
    git -C "$CLONE" push --quiet origin HEAD
}

# pages: Pages show the branch as it is now.
pages() {
    find "$WORK/pages" -mindepth 1 -delete
    git -C "$REMOTE" archive "$PAGES_BRANCH" | tar --extract --directory "$WORK/pages"
}

# published: the version of the published timestamp.
published() {
    git -C "$REMOTE" show "$PAGES_BRANCH:metadata/timestamp.json" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["signed"]["version"])'
}

# no_secret_in FILE…: none of the keys, and nothing that looks like one.
no_secret_in() {
    local key
    while read -r key; do
        ! grep -Frq -- "$key" "$@" || fail "a key is in one of: $*"
    done < <(sed '/-----/d' "$CLONE"/keys/ci/*.pem)
}

# faketime_library: sets FAKETIME_LIBRARY, for jobs that run at another time.
# shellcheck disable=SC2034
faketime_library() {
    need_or_skip "another time" faketime
    FAKETIME_LIBRARY=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
}
