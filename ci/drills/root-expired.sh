#!/usr/bin/env bash
# The root has expired: hosts say so and keep what they have; renewed, they go on.

# shellcheck source=ci/lib/drill.sh
source "$(dirname "$0")/../lib/drill.sh"
need_or_skip "root expired" faketime

drill_begin --unencrypted
say "400 days later"
expect_code 3 later 400 host update
expect 1.0 runs hello
expect_code 1 later 400 vendor status
later 400 procedure "The root has expired"
later 400 release hello 2.0
later 400 host update
expect 2.0 later 400 runs hello
