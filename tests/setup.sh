#!/bin/sh
# Installs everything that the tests need: the missing ones of the system packages in examples/packages.txt and
# servers/packages.txt, and a virtual environment in .venv-tests. "setup.sh EXTRA" makes one in .venv-EXTRA instead, with
# the packages that setup.cfg lists under that name, and also installs the system packages of EXTRA/packages.txt, if that
# file exists. PYTHON=python3.9 selects another Python, whose environment has its name behind it.
# The script does nothing, and quickly, if everything is there.
set -eu
extra=${1:-tests}
cd "$(dirname "$0")/.."
. tests/environment.sh

set -- examples/packages.txt tests/servers/packages.txt
if [ -e "tests/$extra/packages.txt" ]; then
    set -- "$@" "tests/$extra/packages.txt"
fi
install_packages "$@"
make_environment "$extra" ".[$extra]"
