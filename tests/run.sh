#!/bin/sh
# Runs the tests, after it has set up all that they need. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
tests/setup.sh
exec .venv-tests/bin/python -m pytest "$@"
