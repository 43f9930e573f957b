"""``python -m krbxmlrpc.testing`` runs a realm and a hub to play with, until Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from shlex import quote
from typing import Any, Optional

from . import KerberosXMLRPCServer, Realm, caller

_DESCRIPTION = """\
Run a temporary Kerberos realm and an XML-RPC server that requires its tickets,
on loopback, until Ctrl-C. Both then stop, and their files are removed.

Standard output gets the commands that let a shell use them, and nothing else.
Standard error says how to call the server. Its methods are whoami(),
echo(value) and add(number, number). Do not use it in production.
"""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run a realm and a hub until a signal, and return the exit status.

    Args:
        arguments: the words after the command's name. The default is the command line of this process.

    Raises:
        SystemExit: the command line is wrong, or asks for help.
    """
    options = _parser().parse_args(arguments)
    # A handler that raises an error could interrupt the start or the removal. So the handler only notes the signal.
    noted, note = os.pipe()
    for number in _SIGNALS:
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, lambda *_: os.write(note, b"."))
    try:
        with Realm() as realm, _hub(realm, options) as server:
            _show(realm, server)
            os.read(noted, 1)
    except RuntimeError as error:  # programs are missing
        sys.exit(f"python -m krbxmlrpc.testing: {error}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m krbxmlrpc.testing",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--sessions", action="store_true", help="let a ticket begin a session, which a cookie continues")
    kind.add_argument("--login-path", metavar="PATH", help="let only this page accept tickets and begin sessions")
    return parser


def _hub(realm: Realm, options: argparse.Namespace) -> KerberosXMLRPCServer:
    server = KerberosXMLRPCServer(realm, sessions=options.sessions, login_path=options.login_path)
    server.register_introspection_functions()
    server.register_multicall_functions()
    server.register_function(whoami)
    server.register_function(echo)
    server.register_function(add)
    return server


def whoami() -> Optional[str]:
    """Return the principal of the caller."""
    return caller()


def echo(value: Any) -> Any:
    """Return the value."""
    return value


def add(first: Any, second: Any) -> Any:
    """Return the sum of two numbers."""
    return first + second


def _show(realm: Realm, server: KerberosXMLRPCServer) -> None:
    """Show how to use the realm and the hub."""
    exports = {**realm.environment, "HUB_URL": server.url(), "HUB_CA": server.cafile}
    command = 'krbxmlrpc call "$HUB_URL" whoami --cafile "$HUB_CA"'
    if server.login_path is not None:
        command += f" --login-path {quote(server.login_path)}"
    _say(f"A realm, {realm.name}, and a hub are running. Let another shell use them:\n")
    for name, value in exports.items():
        print(f"export {name}={quote(value)}")
    sys.stdout.flush()
    _say(f"\n{realm.user} has a ticket there. Call the hub, for example with:\n\n{command}\n")
    _say(f"For a new ticket, run: kinit user (the password is {realm.password('user')})\nCtrl-C stops both.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
