#!/usr/bin/env bash
# The GitLab template, script by script, with a real repository and a package registry that takes files from whoever has the
# job's token.

# shellcheck source=ci/lib/walkthrough.sh
source "$(dirname "$0")/../lib/walkthrough.sh"
# shellcheck source=ci/lib/python.sh
source "$CI_DIR/lib/python.sh"
# shellcheck source=ci/lib/forge.sh
source "$CI_DIR/lib/forge.sh"

need_or_skip gitlab curl
faketime_library
TOKEN=a-token-of-this-job
forge_begin acme/hello catalog "$TOKEN"

# pipeline REF DAYS VARIABLE=VALUE…: runs the file of the clone, so many days from now; then Pages show what it deployed.
pipeline() {
    local reference=$1 days=$2 word variables=() status=0
    shift 2
    set -- "CI_JOB_TOKEN=$TOKEN" "CI_API_V4_URL=$WEB_URL/api/v4" CI_PROJECT_ID=7 "$@"
    [[ $days -eq 0 ]] || set -- "LD_PRELOAD=$FAKETIME_LIBRARY" "FAKETIME=+${days}d" DONT_FAKE_MONOTONIC=1 "$@"
    for word in "$@"; do
        variables+=(--variable "$word")
    done
    say "GitLab: $reference, $days days later"
    "$YAML" "$CI_DIR/lib/gitlab-runner" "$CLONE/.gitlab-ci.yml" --world "$WORLD" --remote "$REMOTE" --ref "$reference" \
        "${variables[@]}" > >(tee -a "$WORK/log") 2> >(tee -a "$WORK/log" >&2) || status=$?
    find "$WORK/pages" -mindepth 1 -delete
    cp -r "$WORLD/pages/." "$WORK/pages/"
    return "$status"
}
tag() {
    git -C "$CLONE" commit --quiet --allow-empty --message "$1"
    git -C "$CLONE" tag "$1"
    git -C "$CLONE" push --quiet origin HEAD "$1"
}

(cd "$CLONE" && sysext-publish init git:catalog --id hello --url "$PAGES_URL" --extension hello)
mkdir -p "$WORLD/secrets/release" "$WORLD/secrets/renew"
cp "$CLONE/keys/ci/release.pem" "$WORLD/secrets/release/SYSEXT_RELEASE_KEY"
cp "$CLONE/keys/ci/online.pem" "$WORLD/secrets/release/SYSEXT_ONLINE_KEY"
cp "$CLONE/keys/ci/online.pem" "$WORLD/secrets/renew/SYSEXT_ONLINE_KEY"
cp "$CI_DIR/templates/gitlab/.gitlab-ci.yml" "$CLONE/"
git -C "$CLONE" add sysext-publish.toml root.json .gitlab-ci.yml
git -C "$CLONE" commit --quiet --message "A catalog of system extensions"

tag v1.0
pipeline v1.0 0 CI_COMMIT_TAG=v1.0
packages=$WORLD/web/api/v4/projects/7/packages/generic/sysext
expect "$(printf 'hello_1.0_%s.raw\n' arm64 x86-64 | sed 'p; s/$/.zst/' | sort)" ls "$packages/v1.0"
[[ -z $(find "$WORK/pages" -name '*.raw*') ]] || fail "an image is on the branch"
fingerprint=$(sha256sum <"$CLONE/root.json" | cut -d ' ' -f 1)
sysext-fetch catalog add "$PAGES_URL#sha256=$fingerprint"
sysext-fetch install hello
expect 1.0 runs hello

say "the same again is nothing to do"
before=$(published)
pipeline v1.0 0 CI_COMMIT_TAG=v1.0
expect "$before" published
tag v1.1+k1
pipeline v1.1+k1 0 CI_COMMIT_TAG=v1.1+k1
sysext-fetch update
expect 1.1+k1 runs hello

say "without the token nothing is uploaded, and nothing is published"
tag v1.2
before=$(published)
expect_code 1 pipeline v1.2 0 CI_COMMIT_TAG=v1.2 CI_JOB_TOKEN=
expect "$before" published

say "schedules"
scheduled=(CI_PIPELINE_SOURCE=schedule)
pipeline main 0 "${scheduled[@]}" RENEW=daily
expect "$((before + 1))" published
expect_code 1 pipeline main 150 "${scheduled[@]}" RENEW=daily
grep -q 'expired or expiring within 45d: hello' "$WORK/log" || fail "the job does not say of what"
expect "$(published)" bash -c "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"signed\"][\"version\"])' \
    <'$WORK/pages/metadata/timestamp.json'"
pipeline main 151 "${scheduled[@]}" RENEW=release
pipeline main 152 "${scheduled[@]}" RENEW=daily
no_secret_in "$WORK/log" "$WORLD/web" "$WORK/http.log"
say "the template does what it says"
