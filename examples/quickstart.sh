#!/bin/sh
# Shows the main job on a real realm: starts a KDC and an Apache with mod_auth_gssapi on loopback, calls the hub behind
# them with whoami.py, and stops and removes both again.
set -eu
cd "$(dirname "$0")/.."
tests/setup.sh
echo "Starting a Kerberos realm and an Apache, calling whoami() there ..." >&2
PYTHONPATH=tests exec .venv-tests/bin/python -m servers \
    sh -c 'exec .venv-tests/bin/python examples/whoami.py "$HUB_URL" "$HUB_CA"'
