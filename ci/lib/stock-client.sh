# shellcheck shell=bash
# What a TUF client of another project has to make of catalogs that sysext-publish made: the story that ci/oracles/tough
# and ci/oracles/python-tuf share. Sourced after e2e.sh, program.sh and vendor.sh.
#
#   reader NAMES ROOT DIR ORIGINALS [STATE]
#
# - The sourcing script defines it: it trusts the file ROOT, reads the catalog in the folder DIR below $WORK, and every
#   image of ORIGINALS out of it. NAMES is `hashed` for a client as it is, `plain` for one that asks for NAME instead of
#   HASH.NAME. In the folder STATE it keeps what it has seen; without it each run is a new host.
# - The script sets REASONS: the reader's own words for why it refuses.
# - Last it calls `stock_client_story`.

# For a signature that is wrong or not there, an image with other bytes, an image that is not there, a document older than
# one that was seen.
declare -A REASONS=([signature]='' [digest]='' [missing]='' [rollback]='')

# reads NAMES DIR [STATE] [ROOT]: everything, as published.
reads() {
    local root=${4:-$2/public/metadata/1.root.json}
    reader "$1" "$root" "$2/public" "$2/originals" "${@:3:1}" || fail "it does not read $2 with $1 names"
}

# refuses REASON NAMES DIR CHANGED [STATE]: the folder CHANGED in place of what DIR published.
refuses() {
    local said words=${REASONS[$1]}
    [[ -n $words ]] || die "no words for the reason $1"
    if said=$(reader "$2" "$3/public/metadata/1.root.json" "$4" "$3/originals" "${@:5}" 2>&1); then
        fail "it accepts $4"
    fi
    [[ $said == *"$words"* ]] || fail "it refuses $4 for another reason than '$words': $said"
    note "refused: $(basename "$4"), $2 names: $words"
}

# changed DIR NAME: a copy of what DIR published, to be spoilt; sets COPY.
changed() {
    COPY=$WORK/changed/$2
    mkdir -p "$WORK/changed"
    cp -r "$1/public" "$COPY"
}

# newest DIR ROLE: the file of its last version.
newest() { find "$1/metadata" -name "*.$2.json" | sort -V | tail -n 1; }

# publish DIR PROGRAM VERSION: one more image, whose original is kept in DIR/originals.
publish() {
    local said
    small_program "$WORK/$3/$2" "$3" || skip "stock clients" "needs a C compiler"
    said=$(vendor_publish "$1" "$WORK/$3/$2" "$3" 2>&1) || fail "$2 $3 is not published: $said"
    mkdir -p "$1/originals"
    mv "$1"/*_*.raw "$1/originals"
}

# vendor DIR ARGUMENT…: sysext-publish there; it shall succeed, and is quiet.
vendor() {
    local said
    said=$(cd "$1" && sysext-publish "${@:2}" 2>&1) || fail "sysext-publish ${*:2}: $said"
}

# configure DIR NAME VALUE
configure() {
    grep -q "^$2 = " "$1/sysext-publish.toml" || die "the configuration has no $2"
    sed -i "s/^$2 = [^ ]*/$2 = $3/" "$1/sysext-publish.toml"
}

# catalog DIR HASHED-NAMES: two extensions, three images.
catalog() {
    vendor_init "$1" acme https://acme.example/sysext hello ahoy >/dev/null
    configure "$1" hashed-names "\"$2\""
    publish "$1" hello 1.0
    publish "$1" hello 2.0
    publish "$1" ahoy 1.0
}

# replace_key DIR OFFICE OLD NEW: NEW signs in the place of OLD, which is destroyed unless KEEP_OLD is set.
replace_key() {
    vendor "$1" key generate --unencrypted "$4"
    vendor "$1" key replace --for "$2" --old "$3" --key "file:$4"
    [[ -n ${KEEP_OLD-} ]] || rm "$1/$3" "$1/${3%.pem}.pub"
    note "replaced: a key for $2"
}

stock_client_story() {
    local old=$WORK/old image index

    say "with second names for stock clients"
    catalog "$WORK/link" link
    reads hashed "$WORK/link"
    reads plain "$WORK/link"

    say "without them"
    catalog "$WORK/none" none
    reads plain "$WORK/none"
    refuses missing hashed "$WORK/none" "$WORK/none/public"

    say "what it has to refuse"
    changed "$WORK/link" changed-index
    sed -i 's/"length":\([0-9]*\)/"length":\10/' "$(newest "$COPY" hello)"
    refuses signature hashed "$WORK/link" "$COPY"
    changed "$WORK/link" changed-timestamp
    sed -i 's/"version":/"version":9/' "$COPY/metadata/timestamp.json"
    refuses signature hashed "$WORK/link" "$COPY"
    changed "$WORK/link" changed-image
    for image in "$COPY"/images/*hello_2.0*.raw; do
        head -c "$(stat -c %s "$image")" /dev/zero >"$image.new"
        mv "$image.new" "$image"
    done
    refuses digest hashed "$WORK/link" "$COPY"
    changed "$WORK/none" other-vendor
    refuses signature hashed "$WORK/link" "$COPY"

    changed "$WORK/link" replayed
    publish "$WORK/link" ahoy 1.1
    reads hashed "$WORK/link" "$WORK/state"
    refuses rollback hashed "$WORK/link" "$COPY" "$WORK/state"

    say "after every key was replaced"
    cp -r "$WORK/link" "$old"
    replace_key "$WORK/link" root keys/offline/root-1.pem keys/offline/root-3.pem
    # Its first key is the release key, which signs others, too.
    KEEP_OLD=1 replace_key "$WORK/link" hello keys/ci/release.pem keys/ci/hello.pem
    replace_key "$WORK/link" hello keys/ci/hello.pem keys/ci/hello-2.pem
    replace_key "$WORK/link" online keys/ci/online.pem keys/ci/online-2.pem
    vendor "$WORK/link" key generate --unencrypted keys/ci/hello-3.pem
    vendor "$WORK/link" key add --for hello --key file:keys/ci/hello-3.pem --threshold 2
    publish "$WORK/link" hello 3.0
    cp -r "$WORK/state" "$WORK/state-between"
    reads hashed "$WORK/link" "$WORK/state-between"
    replace_key "$WORK/link" release keys/ci/release.pem keys/ci/release-2.pem
    replace_key "$WORK/link" root keys/offline/root-2.pem keys/offline/root-4.pem
    vendor "$WORK/link" key threshold --for root 2
    publish "$WORK/link" ahoy 2.0
    [[ -e $WORK/link/public/metadata/6.root.json ]] || fail "five changes of the root made fewer roots"
    reads hashed "$WORK/link"
    reads plain "$WORK/link"
    reads hashed "$WORK/link" "$WORK/state-new" "$(newest "$WORK/link/public" root)"
    # Hosts that have seen the catalog before, and in between.
    reads hashed "$WORK/link" "$WORK/state"
    reads hashed "$WORK/link" "$WORK/state-between"

    say "what the old keys can still do"
    changed "$WORK/link" old-timestamp
    cp "$old/public/metadata/timestamp.json" "$COPY/metadata/"
    refuses signature hashed "$WORK/link" "$COPY"
    refuses signature hashed "$WORK/link" "$COPY" "$WORK/state"
    changed "$WORK/link" old-index
    index=$(newest "$COPY" hello)
    cp "$(newest "$old/public" hello)" "$index"
    refuses signature hashed "$WORK/link" "$COPY"

    say "when the table of contents is split into groups"
    configure "$WORK/link" group-above 2
    vendor "$WORK/link" extension add tool
    vendor "$WORK/link" extension add toad
    publish "$WORK/link" tool 1.0
    [[ -n $(newest "$WORK/link/public" '_*') ]] || fail "there are no groups"
    reads hashed "$WORK/link"
    reads plain "$WORK/link"
    reads hashed "$WORK/link" "$WORK/state"
}
