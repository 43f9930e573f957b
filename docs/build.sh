#!/bin/sh
# Builds the documentation as HTML, in build/docs or in the folder that is named; a warning is an error. PYTHON names
# one that has Sphinx; without, the environment of the tests is set up.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${PYTHON:-}" ]; then
    "$root/tests/setup.sh"
    PYTHON="$root/.venv-tests/bin/python"
fi
exec "$PYTHON" -m sphinx -W --keep-going -n -q -b html "$root/docs" "${1:-$root/build/docs}"
