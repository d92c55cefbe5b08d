# shellcheck shell=bash
# Whether our formats verify a TUF repository in each state that it had, and refuse it where they must. Sourced after
# common.sh and examples.sh; $WORK is an empty folder.
#
# - A list of states is a file of lines `TIME DIRECTORY`, as the example verify-repository reads it.

# states_verify LIST FIRST-ROOT: all of them, one after another, as one host sees them.
states_verify() { example verify-repository "$2" <"$1" || die "the states in $1 do not verify"; }

# last_state_alone LIST FIRST-ROOT: a host that sees nothing but the last state takes it, too, and refuses it when it looks
# too late, or when something in it is changed.
last_state_alone() {
    local list=$1 first=$2 last copy version root
    last=$(tail -n 1 "$list")
    states_verify <(printf 'own %s\n' "${last#* }") "$first"
    states_refused "overdue" "$first" "9999-12-30T22:00:00Z ${last#* }"
    copy=$(mktemp -d "$WORK/changed.XXXXXX")

    cp -r "${last#* }/." "$copy"
    sed -i 's/"version": *[0-9]*/&0/' "$copy/metadata/timestamp.json"
    states_refused "good signature" "$first" "own $copy"

    cp -r "${last#* }/." "$copy"
    version=$((first + 1))
    for root in "$copy/metadata/root_history/$version.root.json" "$copy/metadata/$version.root.json"; do
        [[ ! -e $root ]] || cp "$(dirname "$root")/$first.root.json" "$root"
    done
    states_refused "root has version $first, $version was expected" "$first" "own $copy"
    note "refused when overdue, with a changed timestamp, and with root $first in place of $version"
}

# states_refused WORDS FIRST-ROOT LINE: the state is not accepted, and the reason holds these words.
states_refused() {
    local said
    if said=$(example verify-repository "$2" <<<"$3" 2>&1); then
        die "accepted, and should not be: $3"
    fi
    [[ $said == *"$1"* ]] || die "refused for another reason than '$1': $said"
}
