"""Runs a client where names resolve as a test says, forward and reverse: in a mount namespace with its own /etc/hosts.

``python with_hosts.py``, which `call` starts there, makes a call to a URL, and prints what comes of it.
"""

import json
import os
import ssl
import subprocess
import sys
from typing import Any, NamedTuple, Optional
from xmlrpc.client import ServerProxy

from krbxmlrpc import InsecureKerberosTransport, KerberosTransport, KerberosXMLRPCError

_IN_NAMESPACE = 'mount --bind "$0" /etc/hosts && exec "$@"'


class Outcome(NamedTuple):
    """What came of calls."""

    values: list[Any]
    """Their values, up to the first error."""
    error: Optional[str]
    """The class of the error; None if there was none."""
    text: str
    """The error and its hint."""
    service: Optional[str]
    """The service that proved its identity."""


def call(hosts: str, url: str, cafile: Optional[str], calls: int = 1, **arguments: Any) -> Outcome:
    """Make calls of ``whoami`` in a process of its own.

    Args:
        hosts: the contents of /etc/hosts. The first name of a line is the canonical one.
        arguments: those of the transport.
    """
    path = f"{os.environ['KRB5CCNAME'].partition(':')[2] or os.environ['KRB5CCNAME']}.hosts"
    with open(path, "w", encoding="ascii") as file:
        file.write(hosts)
    flags = "-m" if os.geteuid() == 0 else "-rm"
    command = ["unshare", flags, "sh", "-c", _IN_NAMESPACE, path, sys.executable, "-W", "error", __file__]
    task = json.dumps([url, cafile, calls, arguments])
    done = subprocess.run(command, input=task, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return Outcome(*json.loads(done.stdout))


def _main() -> None:
    url, cafile, calls, arguments = json.load(sys.stdin)
    if cafile is None:
        transport: Any = InsecureKerberosTransport(**arguments)
    else:
        transport = KerberosTransport(context=ssl.create_default_context(cafile=cafile), **arguments)
    values = []
    error = None
    with ServerProxy(url, transport=transport) as proxy:
        try:
            for _ in range(calls):
                values.append(proxy.whoami())
        except KerberosXMLRPCError as caught:
            error = caught
    kind = None if error is None else type(error).__name__
    print(json.dumps([values, kind, "" if error is None else f"{error}", transport.proved_service]))


if __name__ == "__main__":
    _main()
