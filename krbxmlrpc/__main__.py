# PYTHON_ARGCOMPLETE_OK
"""``python -m krbxmlrpc`` runs the command ``krbxmlrpc``."""

import sys

from ._cli.main import main

if __name__ == "__main__":
    sys.exit(main())
