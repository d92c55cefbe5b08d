#!/usr/bin/env bash
# The catalog moves to another server: hosts follow the signed word, and need the old place no more.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"

drill_begin --unencrypted
old=$URL old_server=${SERVERS[0]}
mkdir "$WORK/new"
serve_folder "$WORK/new"

procedure "The catalog moves" NEW_URL="$URL" NEW_PLACE="$WORK/new"

say "the host reads at the old place that there is a new one, and goes there from then on"
URL=$old
host update
kill "$old_server"
release hello 2.0
host update
expect 2.0 runs hello
