"""The processes in which something is measured. They get orders, and answer them; see `bench.worker`."""

import json
import os
import subprocess
import sys
from typing import Any

from servers import apache, kdc

from .cases import Case
from .contestants import CONTESTANTS

# Names of other CAs in the environment would override the hub's. No contestant uses a proxy.
_DROPPED = {"requests_ca_bundle", "curl_ca_bundle", "http_proxy", "https_proxy", "all_proxy"}


def client_environment(hub: apache.Apache, realm: Any) -> dict[str, str]:
    """Return the environment of the processes.

    kobo's transport and tcms-api's use no TLS context of the caller. They read the machine's CAs anew for each
    connection. Here that is one certificate instead of more than a hundred, so their figures are the best that they
    can have.
    """
    environment = {name: value for name, value in os.environ.items() if name.lower() not in _DROPPED}
    environment.update(kdc.client_environment(realm), HUB_URL=hub.url(""), HUB_CA=hub.cafile)
    environment.update(HUB_CLOSING_URL=hub.url("", "closing"))
    environment.update(SSL_CERT_FILE=hub.cafile, SSL_CERT_DIR=os.devnull)
    environment.update(PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")
    return environment


def worker_command(name: str, case: str = "") -> list[str]:
    """Return the command that starts a contestant's worker.

    Args:
        name: the contestant's.
        case: the hub logs the requests under this name.
    """
    without = CONTESTANTS[name].without
    start = ["bench.without", without, "bench.worker"] if without else ["bench.worker"]
    return [sys.executable, "-m", *start, name, *([case] if case else [])]


class Process:
    """A process that answers orders. It ends with the ``with`` block."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def order(self, case: Case, calls: int) -> None:
        """Order some calls."""
        print(json.dumps({**case._asdict(), "calls": calls}), file=self._process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """Return the measurement that was ordered; or ``error`` alone."""
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "the process ended"}')
        return answer

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()  # closes its input, and so ends it
