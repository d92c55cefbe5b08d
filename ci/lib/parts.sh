# shellcheck shell=bash
# Runs named parts one after another and sums them up. Sourced after common.sh.
#
#   part NAME GROUP SECONDS COMMAND…    adds a part; GROUP is a second name that several parts share
#   part_on_demand NAME GROUP …         the same, for a part that runs only when it is named
#   run_parts [NAME|GROUP…]             runs the chosen ones, all without arguments; prints the table
#
# - A part passes with exit code 0, is skipped with 77 (its line `skipped: NAME: REASON` says why) and fails with any other;
#   after SECONDS it is ended and has failed. The next part runs whatever became of the one before.
# - The last line is `N passed, N failed, N skipped` alone.

PART_NAMES=() PART_ON_DEMAND=' ' PART_GROUPS=() PART_LIMITS=() PART_COMMANDS=()
PART_CHILD='' PART_OUTPUT='' PART_STATUS=0

part() {
    PART_NAMES+=("$1")
    PART_GROUPS+=("$2")
    PART_LIMITS+=("$3")
    # Words that a shell reads back as they are.
    PART_COMMANDS+=("$(printf '%q ' "${@:4}")")
}

part_on_demand() {
    part "$@"
    PART_ON_DEMAND+="$1 "
}

chosen() { # NAME GROUP WANTED…
    local word
    if [[ $# -eq 2 ]]; then
        [[ $PART_ON_DEMAND != *" $1 "* ]]
        return
    fi
    for word in "${@:3}"; do
        [[ $word != "$1" && $word != "$2" ]] || return 0
    done
    return 1
}

# Ends the running part with us; `timeout` passes the signal on to everything it started.
parts_interrupted() {
    trap - TERM INT HUP
    [[ -z $PART_CHILD ]] || kill -TERM "$PART_CHILD" 2>/dev/null || true
    printf '\ninterrupted\n'
    exit 143
}

# run_part SECONDS COMMAND: sets PART_STATUS; its output goes to the reader and into $PART_OUTPUT.
run_part() {
    local copier
    exec 8> >(exec tee "$PART_OUTPUT")
    copier=$!
    timeout --kill-after=15 "$1" bash -c "$2" >&8 2>&1 8>&- </dev/null &
    PART_CHILD=$! PART_STATUS=0
    wait "$PART_CHILD" || PART_STATUS=$?
    # `timeout` leads a process group of its own: a server that a part forgot ends here.
    kill -KILL -- "-$PART_CHILD" 2>/dev/null || true
    PART_CHILD=''
    exec 8>&-
    wait "$copier" || true
}

run_parts() {
    local index word known began said passed=0 failed=0 skipped=0 table=()
    for word in "$@"; do
        known=" ${PART_NAMES[*]} ${PART_GROUPS[*]} "
        [[ $known == *" $word "* ]] || die "no part $word; there are: ${PART_NAMES[*]}"
    done
    PART_OUTPUT=$(mktemp)
    trap 'rm -f "$PART_OUTPUT"' EXIT
    trap parts_interrupted TERM INT HUP
    for index in "${!PART_NAMES[@]}"; do
        chosen "${PART_NAMES[index]}" "${PART_GROUPS[index]}" "$@" || continue
        printf '\n==> %s\n' "${PART_NAMES[index]}"
        began=$SECONDS
        run_part "${PART_LIMITS[index]}" "${PART_COMMANDS[index]}"
        case $PART_STATUS in
            0)
                said=passed
                passed=$((passed + 1))
                ;;
            77)
                said="skipped: $(sed -n 's/^skipped: [^:]*: //p' "$PART_OUTPUT" | tail -n 1)"
                skipped=$((skipped + 1))
                ;;
            124 | 137)
                said="FAILED: ended after ${PART_LIMITS[index]} seconds"
                failed=$((failed + 1))
                ;;
            *)
                said="FAILED: exit code $PART_STATUS"
                failed=$((failed + 1))
                ;;
        esac
        table+=("$(printf '%-20s %5d s  %s' "${PART_NAMES[index]}" "$((SECONDS - began))" "$said")")
    done
    printf '\n'
    printf '%s\n' "${table[@]}"
    printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [[ $failed -eq 0 ]]
}
