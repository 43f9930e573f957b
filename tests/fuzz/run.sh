#!/bin/sh
# Fuzzes, after it has set up all that it needs: run.sh [SECONDS] [TARGET...]. By default each target for 600 seconds.
set -eu
cd "$(dirname "$0")/../.."
tests/setup.sh fuzz
cd tests
exec ../.venv-fuzz/bin/python -m fuzz "$@"
