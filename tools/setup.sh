#!/bin/sh
# Makes the environment that this repository works in: setup.sh FOLDER run|dev
# Needs Python 3.11 or later. Says what to do where a part is missing; touches nothing outside FOLDER, except that as root
# it installs Debian's python3-venv where only that is missing.
set -eu

venv=$1
what=$2

say() { printf '%s\n' "$*" >&2; }

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null 2>&1 && usable "$name"; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if "$python" -m venv "$venv" >"$venv.log" 2>&1; then return 0; fi
    rm -rf "$venv"
    if command -v uv >/dev/null 2>&1 && uv venv --quiet --seed --python "$python" "$venv" 2>>"$venv.log"; then return 0; fi
    if "$python" -m virtualenv --quiet "$venv" >>"$venv.log" 2>&1; then return 0; fi
    rm -rf "$venv"
    # Debian splits Python's venv module; its own pip can still fill an environment that was made without one.
    if "$python" -m venv --without-pip "$venv" >>"$venv.log" 2>&1 &&
        "$python" -m pip --python "$venv/bin/python" install --quiet pip >>"$venv.log" 2>&1; then return 0; fi
    rm -rf "$venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Python's venv module is missing; installing Debian's package for it ..."
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        apt-get update -qq >>"$venv.log" 2>&1 || true
        apt-get install -y -qq --no-install-recommends "python$version-venv" >>"$venv.log" 2>&1 || true
        if "$python" -m venv "$venv" >>"$venv.log" 2>&1; then return 0; fi
        rm -rf "$venv"
    fi
    return 1
}

if ! python=$(find_python); then
    say 'Python 3.11 or later is needed, and none was found. Nothing was changed.'
    say 'Debian and Ubuntu: sudo apt install python3 python3-venv'
    say 'Or let uv bring a Python of its own: uv venv --seed --python 3.12 .venv   and then the same make command again.'
    exit 1
fi

if [ ! -x "$venv/bin/python" ] || ! usable "$venv/bin/python"; then
    rm -rf "$venv"
    say "Making $venv with $("$python" --version) ..."
    if ! make_venv; then
        say "No virtual environment could be made; what was tried is in $venv.log. Nothing else was changed."
        say 'Debian and Ubuntu: sudo apt install python3-venv     Others: install the venv module of your Python, or uv.'
        exit 1
    fi
    rm -f "$venv.log"
fi

packages='-e .'
if [ "$what" = dev ]; then
    packages="$packages $("$venv/bin/python" -c '
import tomllib
with open("pyproject.toml", "rb") as file:
    print(" ".join(tomllib.load(file)["dependency-groups"]["dev"]))')"
fi
install() { # with uv, several times as fast, unless pip was told of an index or a way out that uv does not know
    if ! "$venv/bin/python" -m pip config list 2>/dev/null | grep -Eq '\.(index-url|no-index|proxy)='; then
        uv=$(command -v uv || true)
        if [ -z "$uv" ] && [ "$what" = dev ] && "$venv/bin/python" -m pip install -qq "$@" uv >>"$venv.log" 2>&1; then
            uv=$venv/bin/uv
        fi
        # Without a cache: its files would be links that environments share, and tests write into theirs.
        if [ -n "$uv" ] && "$uv" pip install -q --no-cache --python "$venv/bin/python" $packages >>"$venv.log" 2>&1; then
            return 0
        fi
    fi
    "$venv/bin/python" -m pip install -qq "$@" $packages
}

say 'Installing packages ...'
# Not quoted: a list of words. No package name of ours holds a space.
if ! install --disable-pip-version-check; then
    say 'The packages could not be installed (see above). Nothing outside this folder was changed.'
    say 'Check the network and your settings for pip (pip config list), then run the same make command again.'
    exit 1
fi
rm -f "$venv.log"
touch "$venv/.ready-run"
if [ "$what" = dev ]; then touch "$venv/.ready-dev"; fi
