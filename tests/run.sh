#!/bin/sh
# Runs the tests, after it has set up all that they need. "run.sh unit" runs only those in tests/unit/. Other arguments
# go to pytest. PYTHON=python3.9 selects another Python. With CI=true, and no arguments, it also measures the coverage.
set -eu
cd "$(dirname "$0")/.."
tests/setup.sh
bin=".venv-tests${PYTHON:+-${PYTHON##*/}}/bin"
if [ "${1:-}" = unit ]; then
    shift
    set -- tests/unit "$@"
fi
if [ "${CI:-}" != true ] || [ $# -ne 0 ]; then
    exec "$bin/python" -m pytest "$@"
fi
leaks=tests/integration/test_leaks.py # counts pieces of memory, and coverage takes some
"$bin/coverage" erase
"$bin/coverage" run -m pytest --ignore "$leaks"
"$bin/coverage" combine --quiet
"$bin/coverage" report
"$bin/python" -m pytest "$leaks"
# Once more with libkrb5's own settings for names: no name may come from the DNS unasked. (With them, the address of the
# hub has a name in the DNS, and the KDC knows that name.)
cd tests/integration
LIBKRB5_NAMES=1 exec "../../$bin/python" -m pytest test_ticket.py test_credentials.py test_sessions.py test_login.py \
    test_misconfigurations.py test_balancer.py -k "not test_url_with_an_address"
