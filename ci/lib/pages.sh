# shellcheck shell=bash
# The commands that a page of the manual prints, for those who run them as they stand there.

# commands_below PAGE HEADING [SUBHEADING]: the shell blocks below "## HEADING", or below "### SUBHEADING" in there.
commands_below() {
    awk -v heading="## $2" -v subheading="${3:+### $3}" '
        /^## / { here = $0 == heading; found = here && subheading == "" }
        /^### / && subheading != "" { found = here && $0 == subheading }
        found && /^```sh$/ { inside = 1; next }
        inside && /^```$/ { inside = 0 }
        inside
    ' "$1"
}
