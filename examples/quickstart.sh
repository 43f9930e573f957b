#!/bin/sh
# Shows the main job on a real realm: starts a KDC and an Apache with mod_auth_gssapi on loopback, calls the hub behind
# them with whoami.py, and stops and removes both again.
set -eu
cd "$(dirname "$0")/.."
tests/setup.sh
bin=".venv-tests${PYTHON:+-${PYTHON##*/}}/bin"
echo "Starting a Kerberos realm and an Apache, calling whoami() there ..." >&2
PYTHONPATH=tests exec "$bin/python" -m servers \
    sh -c 'exec "$0" examples/whoami.py "$HUB_URL" "$HUB_CA"' "$bin/python"
