"""The server's side of Negotiate, done by pykerberos in a separate process.

pykerberos reads the keytab and the configuration from the environment, and a process has only one environment. The
test's process has the client's environment, and the client may be in another realm or misconfigured. So each server has
its own process that accepts tickets, and no test touches the environment of that process.

As a program, this module reads one token per line from standard input, as JSON, and answers each with a line of JSON.
The module imports no other module of the package, so that the program starts fast.
"""

import json
import os
import subprocess
import sys
import threading
from typing import NamedTuple, Optional

import kerberos


class Accepted(NamedTuple):
    """The result of an accepted ticket."""

    principal: str
    """The client's principal."""
    token: Optional[str]
    """The token that proves the service's identity to the client. None if the client has not asked for it."""


class Refused(Exception):
    """The token is not an acceptable ticket. For example, the ticket is for another service, or was used before."""


def accept(token: str) -> Accepted:
    """Accept a client's ticket with the keytab that this process's environment names.

    Args:
        token: the token in base64, as it follows ``Authorization: Negotiate``.

    Raises:
        Refused: pykerberos does not accept the ticket. The message is pykerberos's.
    """
    try:
        _, context = kerberos.authGSSServerInit("")
        if kerberos.authGSSServerStep(context, token) != kerberos.AUTH_GSS_COMPLETE:
            raise Refused("the exchange needs another round trip")
        return Accepted(kerberos.authGSSServerUserName(context), kerberos.authGSSServerResponse(context))
    except (kerberos.KrbError, ValueError) as error:
        raise Refused(str(error)) from error


class Acceptor:
    """A process that accepts tickets until `close`. Any number of threads may use it.

    Args:
        environment: variables to add to a copy of this process's environment. KRB5_CONFIG, KRB5_KTNAME and
            KRB5RCACHEDIR matter.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        modules = os.pathsep.join(path for path in sys.path if path)
        # Allow only Kerberos and SPNEGO, even if the machine has other mechanisms.
        own = {**environment, "GSS_MECH_CONFIG": os.devnull, "PYTHONPATH": modules}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C must reach only the tests, which then end the acceptor
        )

    def accept(self, token: str) -> Accepted:
        """Accept a client's ticket, as the function `accept` does."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            # JSON keeps the token on one line. A token of two lines would get two answers, and the next caller would
            # read the second one.
            self._process.stdin.write(json.dumps(token) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that accepts tickets has ended")
        found = json.loads(answer)
        if "refused" in found:
            raise Refused(found["refused"])
        return Accepted(**found)

    def close(self) -> None:
        """End the process. After that, no thread may use it."""
        self._process.terminate()
        self._process.communicate()


def _main() -> None:
    for line in sys.stdin:
        try:
            answer = accept(json.loads(line))._asdict()
        except Refused as error:
            answer = {"refused": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _main()
