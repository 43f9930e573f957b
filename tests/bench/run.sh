#!/bin/sh
# Runs the benchmark, after it has set up all that it needs. Arguments go to it: --help tells which there are.
set -eu
here=$PWD
cd "$(dirname "$0")/../.."
tests/setup.sh bench
project=$PWD
cd "$here"
PYTHONPATH="$project/tests" exec "$project/.venv-bench/bin/python" -m bench "$@"
