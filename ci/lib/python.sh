# shellcheck shell=bash
# Python packages that tests compare us with, in virtual environments of the cache folder. Sourced after common.sh.

# python_env NAME REQUIREMENT…: makes the environment if need be and sets PYTHON to its interpreter.
# Environments are found again by what is in them; one that was left unfinished is made anew.
python_env() {
    local name=$1 python key folder
    shift
    need python3 || return 1
    python=$(command -v python3)
    key=$(printf '%s\n' "$("$python" -c 'import sys; print(sys.executable, sys.version)')" "$@" | sha256sum | cut -c 1-12)
    folder=$CACHE/python/$name-$key
    PYTHON=$folder/bin/python
    mkdir -p "$CACHE/python"
    (
        flock --timeout 900 9 || die "another run has been installing Python packages for 15 minutes"
        [[ ! -e $folder/complete ]] || exit 0
        rm -rf "$folder"
        note "installing from PyPI: $*"
        {
            "$python" -m venv "$folder" || { apt_install python3-venv && "$python" -m venv --clear "$folder"; }
            within 600 "$PYTHON" -m pip install --quiet --no-input --disable-pip-version-check "$@"
        } >"$folder.log" 2>&1 </dev/null 9>&- || {
            tail -n 5 "$folder.log" >&2
            exit 1
        }
        touch "$folder/complete"
    ) 9>"$CACHE/python/lock"
}

# python_env_or_skip PART NAME REQUIREMENT…
python_env_or_skip() {
    local part=$1
    shift
    python_env "$@" || skip "$part" "needs python3 with venv, and from PyPI: ${*:2}"
}

# The environment that speaks TUF.
tuf_env_or_skip() { python_env_or_skip "$1" tuf 'tuf==7.*' 'securesystemslib[crypto]'; }
