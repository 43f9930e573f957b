#!/bin/sh
# Runs the tests, after it has set up all that they need. "run.sh unit" runs only those in tests/unit/. Other arguments
# go to pytest.
set -eu
cd "$(dirname "$0")/.."
tests/setup.sh
if [ "${1:-}" = unit ]; then
    shift
    set -- tests/unit "$@"
fi
exec .venv-tests/bin/python -m pytest "$@"
