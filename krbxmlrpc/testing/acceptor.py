"""The server's side of Negotiate, by pykerberos, in a process of its own.

pykerberos reads keytab and configuration from the environment, of which a process has one. A test's is that of its
client, who may be in another realm or in trouble; so what accepts tickets runs beside it, with an environment that no
test touches, and as many of them as there are servers.

Run as a program, this module takes a token a line on standard input and answers each with a line of JSON. It imports
nothing of the package, to start fast.
"""

import json
import os
import subprocess
import sys
import threading
from typing import Dict, NamedTuple, Optional

import kerberos


class Accepted(NamedTuple):
    """What has come of a ticket."""

    principal: str
    """Whose ticket it was."""
    token: Optional[str]
    """What proves the service to its user; None where he has not asked for it."""


class Refused(Exception):
    """The ticket is none of this service's, has been seen before, or is no ticket."""


def accept(token: str) -> Accepted:
    """Accept a client's ticket, with the keytab that this process's environment names.

    Args:
        token: in base64, as it comes with ``Authorization: Negotiate``.

    Raises:
        Refused: with the words of pykerberos.
    """
    try:
        _, context = kerberos.authGSSServerInit("")
        if kerberos.authGSSServerStep(context, token) != kerberos.AUTH_GSS_COMPLETE:
            raise Refused("the exchange wants another leg")
        return Accepted(kerberos.authGSSServerUserName(context), kerberos.authGSSServerResponse(context))
    except (kerberos.KrbError, ValueError) as error:
        raise Refused(str(error)) from error


class Acceptor:
    """A process that accepts tickets, up to `close`. Any number of threads may ask it.

    Args:
        environment: what it has in its environment beside what this process has, of which KRB5_CONFIG, KRB5_KTNAME and
            KRB5RCACHEDIR matter.
    """

    def __init__(self, environment: Dict[str, str]) -> None:
        modules = os.pathsep.join(path for path in sys.path if path)
        # No mechanism but Kerberos and SPNEGO, whatever the machine has.
        own = {**environment, "GSS_MECH_CONFIG": os.devnull, "PYTHONPATH": modules}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, **own},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests, who end it
        )

    def accept(self, token: str) -> Accepted:
        """Accept a client's ticket; see the function of this name."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with self._lock:
            # Of several lines only the first would be answered here, and the others to those who ask next.
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
        """End the process. No thread may ask it any more."""
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
