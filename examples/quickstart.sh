#!/bin/sh
# Shows the main job on a real realm. The script starts a KDC and an Apache with mod_auth_gssapi on loopback, calls the
# hub behind that Apache with whoami.py, and stops and removes both.
# First, the script installs what it needs: the missing ones of the system packages in packages.txt, as root or with sudo,
# and a virtual environment in .venv-quickstart. PYTHON=python3.9 selects another Python.
set -eu
cd "$(dirname "$0")/.."
. tests/environment.sh

install_packages examples/packages.txt
make_environment quickstart . k5test trustme
echo "Starting a KDC and an Apache ..." >&2
# shellcheck disable=SC2016
PYTHONPATH=tests exec "$bin/python" -m servers sh -euc '
    echo "Calling whoami() at $HUB_URL ..." >&2
    exec "$0" examples/whoami.py "$HUB_URL" "$HUB_CA"
' "$bin/python"
