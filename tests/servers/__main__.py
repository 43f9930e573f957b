"""Run a command beside a realm and a hub, which are stopped and removed when it ends, or this is interrupted.

usage: python -m servers COMMAND [ARGUMENT…]

The command finds a ticket of ``user`` in its environment, the hub's URL in HUB_URL, and its CA's certificate in HUB_CA.
"""

import os
import subprocess
import sys

from . import apache, daemon, kdc


def main(command: list[str]) -> int:
    """Run the command; return its exit status."""
    realm = kdc.start()
    try:
        hub = apache.Apache(realm).start()
        try:
            environment = {**os.environ, **kdc.client_environment(realm), "HUB_URL": hub.url(), "HUB_CA": hub.cafile}
            return subprocess.call(command, env=environment)
        finally:
            hub.stop()
    finally:
        realm.stop()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    daemon.end_by_signals()
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted")
