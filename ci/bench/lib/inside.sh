#!/usr/bin/env bash
# What ci/bench/client runs in the sandbox, as root: makes catalogs and hosts, then measures. Rows are its arguments.
#
# - $WORK is on the machine's disk; $RUNS says how often each command runs.
# - A row is a file in rows/ with two functions: `prepare_ROW`, not measured, and `row_ROW RUN`.

# shellcheck source=ci/lib/common.sh
source "$(dirname "$0")/../../lib/common.sh"
# shellcheck source=ci/bench/lib/scene.sh
source "$CI_DIR/bench/lib/scene.sh"
for row in "$@"; do
    # shellcheck source=/dev/null
    source "$CI_DIR/bench/rows/$row.sh"
done

export PATH=$WORK/bin:$PATH XDG_STATE_HOME=$WORK/state XDG_CACHE_HOME=$WORK/cache
scene_web
for row in "$@"; do
    name=${row//-/_}
    if declare -F "prepare_$name" >/dev/null; then
        step "preparing $row"
        "prepare_$name"
    fi
done
for row in "$@"; do
    name=${row//-/_}
    # shellcheck disable=SC2034  # what `measure` notes
    ROW=$row
    for ((run = 1; run <= RUNS; run++)); do
        step "$row, run $run of $RUNS"
        "row_$name" "$run"
    done
done
