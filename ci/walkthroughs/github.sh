#!/usr/bin/env bash
# "One binary from GitHub Actions": the text as it stands, then the workflow files step by step, with a real repository and a
# stub for gh alone.

# shellcheck source=ci/lib/walkthrough.sh
source "$(dirname "$0")/../lib/walkthrough.sh"
# shellcheck source=ci/lib/python.sh
source "$CI_DIR/lib/python.sh"
# shellcheck source=ci/lib/forge.sh
source "$CI_DIR/lib/forge.sh"

faketime_library
forge_begin acme/hello gh-pages
export GH_WORLD=$WORLD
install -m 0755 "$CI_DIR/lib/gh-stub" "$BIN/gh"
walk "One binary from GitHub Actions" "$CLONE" "https://acme.github.io/hello=$PAGES_URL"

# workflow NAME REF [DAYS]: runs a workflow of the clone, so many days from now.
workflow() {
    local name=$1 reference=$2 days=${3-} variables=()
    [[ -z $days ]] || variables=(--variable "LD_PRELOAD=$FAKETIME_LIBRARY" --variable "FAKETIME=+${days}d"
        --variable DONT_FAKE_MONOTONIC=1)
    say "GitHub: $name on $reference${days:+, $days days later}"
    "$YAML" "$CI_DIR/lib/github-runner" "$CLONE/.github/workflows/$name.yml" --world "$WORLD" --remote "$REMOTE" \
        --ref "$reference" --server "$WEB_URL" --repository "$REPOSITORY" --action "$CI_DIR/action" \
        "${variables[@]}" > >(tee -a "$WORK/log") 2> >(tee -a "$WORK/log" >&2)
}
# open_issues: how many there are.
open_issues() {
    mkdir -p "$WORLD/issues"
    find "$WORLD/issues" -type f | wc -l
}
# uploads: what was uploaded to the release of a tag.
uploads() { (cd "$WORLD/web/$REPOSITORY/releases/download/$1" && printf '%s\n' *); }
# tag NAME: pushes it, from a commit of its own: the program differs.
tag() {
    git -C "$CLONE" commit --quiet --allow-empty --message "$1"
    git -C "$CLONE" tag "$1"
    git -C "$CLONE" push --quiet origin HEAD "$1"
}

results=()
follow "The repository" "SYSEXT_CATALOG=$REPO"
! grep -q '@0000' "$CLONE"/.github/workflows/*.yml || fail "an action is not pinned"
pages
FINGERPRINT=$(sha256sum <"$CLONE/root.json" | cut -d ' ' -f 1)

follow "A release"
workflow publish refs/tags/v1.0
pages
expect "$(printf 'hello_1.0_%s.raw\n' arm64 x86-64 | sed 'p; s/$/.zst/' | sort)" uploads v1.0
[[ -z $(find "$WORK/pages" -name '*.raw*') ]] || fail "an image is on the branch"
grep -q 'pages/builds' "$WORLD/calls" || fail "nobody asked for a build of Pages"
grep -q '### sysext-publish: publish' "$WORLD/summary.md" || fail "there is no summary"
(cd "$CLONE" && sysext-publish verify --all)
no_secret_in "$WORK/log" "$WORLD/calls" "$WORLD/summary.md" "$WORLD/web"

follow "Users" "FINGERPRINT=$FINGERPRINT"
expect 1.0 runs hello
grep -q "GET /$REPOSITORY/releases/download/v1.0/hello_1.0_.*zst" "$WORK/http.log" || fail "the transport came from elsewhere"

say "the same again is nothing to do"
before=$(published) calls=$(wc -l <"$WORLD/calls")
workflow publish refs/tags/v1.0
expect "$before" published
[[ $(wc -l <"$WORLD/calls") -eq $calls ]] || fail "gh was called without need"

say "an upload that broke off is completed, and a publication that was overtaken is made again"
tag v1.1
cat >"$WORLD/hook" <<SH
#!/bin/sh -e
cd "$CLONE"
sysext-publish pack build/hello --name hello --version 1.0.5
sysext-publish add hello_1.0.5_*.raw
SH
chmod +x "$WORLD/hook"
mkdir -p "$CLONE/build"
cp "$WORK/build/x86-64/hello" "$CLONE/build/hello"
workflow publish refs/tags/v1.1
[[ -e $WORLD/hook-done ]] || fail "nobody was faster"
grep -q 'propose it again' "$WORK/log" || fail "the proposal was not overtaken"
pages
sysext-fetch update
expect 1.1 runs hello
tag v1.2+k1
GH_TOKEN=x GH_REPO=$REPOSITORY gh release create v1.2+k1 --verify-tag --title v1.2+k1 --notes '' "$CLONE/build.sh"
workflow publish refs/tags/v1.2+k1
expect build.sh bash -c "cd '$WORLD/web/$REPOSITORY/releases/download/v1.2+k1' && printf '%s\n' *.sh"
pages
sysext-fetch update
expect 1.2+k1 runs hello

say "another file under the name of an asset, and nothing is published"
tag v1.3
printf 'something else' >"$WORK/hello_1.3_x86-64.raw"
GH_TOKEN=x GH_REPO=$REPOSITORY gh release create v1.3 --verify-tag --title v1.3 --notes '' "$WORK/hello_1.3_x86-64.raw"
before=$(published)
expect_code 1 workflow publish refs/tags/v1.3
expect "$before" published

say "a tag is a name, whatever it spells"
# shellcheck disable=SC2016  # it must not be expanded
wicked='v1.4$(touch${IFS}pwned)`touch${IFS}pwned`;touch${IFS}pwned'
tag "$wicked"
expect_code 1 workflow publish "refs/tags/$wicked"
[[ -z $(find "$WORK" -name pwned) ]] || fail "a tag was run"
expect "$before" published

say "every day"
workflow renew refs/heads/main
expect "$((before + 1))" published
expect 0 open_issues
grep -q 'workflows/renew-release.yml/enable' "$WORLD/calls" || fail "the schedules fall asleep"
say "what the online key can not renew is said once"
workflow renew refs/heads/main 150
expect 1 open_issues
grep -q 'expired or expiring within 45d: hello' "$WORLD/issues/1" || fail "the issue does not say of what"
workflow renew refs/heads/main 151
expect 1 open_issues
workflow renew-release refs/heads/main 151
rm "$WORLD/issues/1"
workflow renew refs/heads/main 152
expect 0 open_issues
say "the program of a tarball runs when it is the right tarball"
tar --create --gzip --file "$CLONE/program.tar.gz" --directory "$PROGRAMS" sysext-publish
git -C "$CLONE" add program.tar.gz
git -C "$CLONE" commit --quiet --message "A program"
git -C "$CLONE" push --quiet origin HEAD
for digest in "$(sha256sum <"$CLONE/program.tar.gz" | cut -d ' ' -f 1)" "$(printf '' | sha256sum | cut -d ' ' -f 1)" ''; do
    cat >"$CLONE/.github/workflows/tarball.yml" <<YML
jobs:
  status:
    steps:
      - uses: actions/checkout@1af3b93b6815bc44a9784bd300feb67ff0d1eeb3
      - uses: sysext-catalog/sysext-catalog/ci/action@$(printf '%040d' 0)
        with:
          args: "status\\n--json"
          tarball: program.tar.gz
          tarball-sha256: "$digest"
YML
    results+=("$(workflow tarball refs/heads/main >/dev/null && echo good || echo bad)")
done
expect "good bad bad" echo "${results[@]}"
say "a renewal that fails is said, too"
rm "$WORLD/secrets/renew/SYSEXT_ONLINE_KEY"
expect_code 1 workflow renew refs/heads/main 153
grep -q 'The daily renewal: failure' "$WORLD/issues/1" || fail "the issue does not say it"
no_secret_in "$WORK/log" "$WORLD/calls" "$WORLD/summary.md" "$WORLD/issues"
say "the walk-through is true"
