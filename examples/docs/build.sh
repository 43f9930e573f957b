#!/bin/sh
# Builds the documentation as HTML, in build/docs or in the folder that is named; a warning is an error.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
"$root/tests/setup.sh"
exec "$root/.venv-tests/bin/python" -m sphinx -W --keep-going -n -q -b html "$root/examples/docs" "${1:-$root/build/docs}"
