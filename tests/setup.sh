#!/bin/sh
# Installs what tests and examples need: the system packages of servers/packages.txt, where one is missing, and a virtual
# environment in .venv-tests; or, as "setup.sh EXTRA", one in .venv-EXTRA with what setup.cfg lists under that name, and
# the system packages of EXTRA/packages.txt, if there is such a file.
# PYTHON=python3.9 selects another Python, whose environment has its name behind it.
# Does nothing, and quickly, if all is there.
set -eu
extra=${1:-tests}
cd "$(dirname "$0")/.."

packages=$(cat tests/servers/packages.txt "tests/$extra/packages.txt" 2>/dev/null || true)
# shellcheck disable=SC2086  # one word a package
present=$(dpkg-query --show --showformat '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed || true)
if [ "$present" -ne "$(echo "$packages" | wc -l)" ]; then
    if [ "$(id -u)" -eq 0 ]; then as_root="env"
    elif command -v sudo >/dev/null; then as_root="sudo env"
    else
        echo "Some system packages are missing. Install them as root:" >&2
        echo "apt-get update && apt-get install -y" $packages >&2
        exit 1
    fi
    echo "Installing system packages ..." >&2
    $as_root apt-get update -qq >/dev/null
    # shellcheck disable=SC2086
    $as_root DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

python=${PYTHON:-python3}
venv=".venv-$extra${PYTHON:+-${PYTHON##*/}}"
stamp="$PWD $(cksum setup.cfg setup.py krbxmlrpc/_version.py) $("$python" -VV)"
if [ "$(cat "$venv/stamp" 2>/dev/null)" != "$stamp" ]; then
    echo "Making the virtual environment $venv ..." >&2
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --use-pep517 --disable-pip-version-check --editable ".[$extra]" >&2
    echo "$stamp" >"$venv/stamp"
fi
