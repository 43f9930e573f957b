"""Reads the command line: which options there are, what its help says, and which server and transport it asks for.

Most options stand for an argument of the transport each: `_settings` defines both.
"""

from __future__ import annotations

import argparse
from typing import Any, Dict, List, NamedTuple, Optional, Tuple
from urllib.parse import urlsplit

from .._hints import Names, message_of, told
from .._settings import Option, definitions, tls_context
from .._version import __version__
from .console import Wrong

_EXAMPLES = """\
examples:
  krbxmlrpc call https://hub.example.com/xmlrpc whoami
  krbxmlrpc call https://hub.example.com/xmlrpc --list
  krbxmlrpc call https://hub.example.com/xmlrpc build pkg '{"arch": "s390x"}'
  krbxmlrpc check https://hub.example.com/xmlrpc
"""

_CALL = """\
Call a method of an XML-RPC server, with a Kerberos ticket, and print what it
returns as JSON: dates as text in ISO 8601, binary data as text in base64, and
"NaN", "Infinity" and "-Infinity" for the numbers that JSON does not have.

Each ARG is JSON, or else text:
  42  true  '["a", "b"]'  '{"x": 1}'     what they are in JSON
  hello                                  text
  '"42"'                                 text, by JSON's quotes
  @FILE                                  binary data, the bytes of a file
  @-                                     binary data, from standard input
  @@hello                                the text "@hello"
An ARG that begins with - and is no number stands behind a --.
"""

_CALL_EXAMPLES = """\
exit status: 0 it worked, 1 the server answered with a Fault, 2 it failed

examples:
  krbxmlrpc call https://hub.example.com/xmlrpc whoami
  krbxmlrpc call https://hub.example.com/xmlrpc --list
  krbxmlrpc call https://hub.example.com/xmlrpc add 1 2 --timeout 10
  krbxmlrpc call https://hub.example.com/xmlrpc upload name.txt @name.txt
  krbxmlrpc call https://hub.example.com/xmlrpc download 7 --raw >file
  krbxmlrpc call https://hub.example.com/xmlrpc note -- '--not an option'
"""

_CHECK = """\
Go through all that a call needs, from krb5.conf to XML-RPC, and say of each
step whether it works and what to do where it does not. Steps that need one
that failed are skipped.

What is sent to the server changes nothing there: system.listMethods() is
called once without a ticket, to see what the server asks for, and once as any
call with these options is made (with --login-path: after a login). What
--cookiejar holds is not used: it could hide what does not work.
"""

_CHECK_EXAMPLES = """\
exit status: 0 nothing failed, 1 a step failed, 2 the arguments are wrong

examples:
  krbxmlrpc check https://hub.example.com/xmlrpc
  krbxmlrpc check https://hub.example.com/hub/xmlrpc --login-path /hub/login/
  krbxmlrpc check https://hub.example.com/xmlrpc --json
"""


# -- the transport's arguments as options -----------------------------------------------------------------------------


def _seconds(text: str) -> Optional[float]:
    return None if text.lower() == "none" else float(text)


def _unless_none(text: str) -> Optional[str]:
    return None if text.lower() == "none" else text


def _header(text: str) -> Tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError("accepted is 'Name: value'")  # not shown: it could be a secret
    return name.strip(), value.strip()


_seconds.__name__, _unless_none.__name__ = "number of seconds", "value"  # argparse's messages have them

_READERS: Dict[str, Dict[str, Any]] = {
    "text": {},
    "number": {"type": float},
    "whole number": {"type": int},
    "seconds": {"type": _seconds},
    "text or none": {"type": _unless_none},
    "header": {"type": _header, "action": "append"},
}
"""What argparse is told for each kind of `Option`."""


def _for_argparse(option: Option) -> Dict[str, Any]:
    if option.kind == "constant":
        return {"action": "store_const", "const": option.value}
    if option.kind == "choice":
        return {"choices": option.value}
    return {"metavar": option.metavar, **_READERS[option.kind]}


OPTIONS: Dict[str, Option] = {
    setting.name: setting.option._replace(flag=setting.option.flag or f"--{setting.name.replace('_', '-')}")
    for setting in definitions()
    if setting.option is not None
}
"""The options that stand for arguments of the transport, by the names of these."""


class _Terms(Names):
    """Names arguments as their options."""

    _phrases = {
        "cafile": "--cafile FILE",
        "plain_http": "http:// in the URL asks for it, https:// asks for TLS",
        "none": "'none'",
        "left_out": "to leave it out",
        "direct": "'direct'",
    }

    def passed(self, argument: str, value: str = "") -> str:
        """Return an option as it is typed, with a value if there is one."""
        option = OPTIONS.get(argument)
        if option is None:
            return super().passed(argument, value)
        if not value or option.kind == "constant":
            return option.flag
        import shlex

        return f"{option.flag} {shlex.quote('none' if value == 'None' else value)}"

    def subject(self, argument: str) -> str:
        """Return an option's name."""
        return OPTIONS[argument].flag if argument in OPTIONS else argument

    def phrase(self, phrase: str) -> str:
        """Return one of `PHRASES`."""
        return self._phrases[phrase]


TERMS = _Terms()
"""The terms in which the command line tells hints."""

_LITERAL = "\0"  # marks a word that is no option; no command line can have it


def build_parser() -> Tuple[argparse.ArgumentParser, Dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command, and those of its subcommands by their names."""
    parser = argparse.ArgumentParser(
        prog="krbxmlrpc",
        description="Call methods by XML-RPC over HTTPS with Kerberos, or find out why it fails.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"krbxmlrpc {__version__}", help="show it, and exit")
    more = "krbxmlrpc COMMAND --help tells more"
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True, help=more)
    summary = "call a method and print what it returns"
    call = _subparser(commands, "call", "URL METHOD [ARG ...]", summary, _CALL, _CALL_EXAMPLES)
    call.add_argument("method", metavar="METHOD", nargs="?", type=_as_typed, help="the method's name")
    call.add_argument("arguments", metavar="ARG", nargs="*", type=_as_typed, default=[], help="what it is given")
    call.add_argument("--list", action="store_true", help="tell the server's methods, or just METHOD, as it knows them")
    call.add_argument("--raw", action="store_true", help="write text and binary data as they are, not as JSON")
    call.add_argument("--allow-none", action="store_true", help="send null as <nil/>, which not all servers know")
    check = _subparser(commands, "check", "URL", "find out what works, and what does not", _CHECK, _CHECK_EXAMPLES)
    check.add_argument("--json", action="store_true", help="print it as JSON, for programs")
    for subparser in (call, check):
        _add_options(subparser)
    return parser, {"call": call, "check": check}


def without_options(words: List[str]) -> List[str]:
    """Mark the words behind the first ``--``, of which argparse takes some for options, and drops another ``--``."""
    end = words.index("--") if "--" in words else len(words)
    return [*words[:end], *(_LITERAL + word for word in words[end + 1 :])]


def _as_typed(word: str) -> str:
    return word[len(_LITERAL) :] if word.startswith(_LITERAL) else word


def _subparser(
    commands: Any, name: str, words: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        usage=f"krbxmlrpc {name} [OPTION ...] {words}",
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.set_defaults(command=name)
    made.add_argument("url", metavar="URL", type=_as_typed, help="where the server is, https://host[:port]/path")
    return made


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="tell each request on standard error; no secrets")
    groups: Dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(
            option.flag, dest=name, help=option.help, default=argparse.SUPPRESS, **_for_argparse(option)
        )
    groups["TLS"].add_argument(
        "--insecure-any-certificate",
        action="store_true",
        help="take any certificate: whoever is on the way can read and change everything",
    )
    groups["TLS"].add_argument(
        "--insecure-http",
        action="store_true",
        help="go without TLS where URL is http://...: anybody on the way can read and change everything",
    )


# -- what is to be called ---------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """Where to call, and how."""

    scheme: str
    netloc: str
    handler: str
    """The path, and the query if there is one."""
    arguments: Dict[str, Any]
    """For the transport: what options gave."""

    @property
    def url(self) -> str:
        """The URL without a query, which may hold secrets."""
        return f"{self.scheme}://{self.netloc}{self.handler.partition('?')[0]}"

    def transport(self) -> Any:
        """Return the transport for it; raise `Wrong` where it does not take its arguments."""
        from ..transport import InsecureKerberosTransport, KerberosTransport

        kind = KerberosTransport if self.scheme == "https" else InsecureKerberosTransport
        try:
            return kind(**self.arguments)
        except (TypeError, ValueError, ImportError, OSError) as error:
            raise Wrong(told(message_of(error), TERMS)) from error


def target_of(options: argparse.Namespace) -> Target:
    """Return what the command line says of server and transport; raise `Wrong` where it is not right."""
    try:
        parts = urlsplit(options.url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Wrong("URL is not one that can be called; accepted is https://host[:port]/path")
    if parts.scheme == "http" and not options.insecure_http:
        raise Wrong(
            "URL is http://…, and without TLS anybody on the way can read and change everything; accepted is "
            "https://…, or --insecure-http as well"
        )
    given = {name: vars(options)[name] for name in OPTIONS if name in options}
    cafile = given.pop("context", None)
    if parts.scheme == "https":
        given["context"] = _context(cafile, options.insecure_any_certificate)
    elif cafile or options.insecure_any_certificate:
        raise Wrong("--cafile and --insecure-any-certificate are for https://…")
    if "cookiejar" in given:
        given["cookiejar"] = _jar(given["cookiejar"])
    handler = parts.path + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.netloc, handler or "/RPC2", given)


def _context(cafile: Optional[str], any_certificate: bool) -> Any:
    try:
        return tls_context(cafile, any_certificate)
    except OSError as error:  # one of OpenSSL, too, which does not tell the file
        raise Wrong(f"--cafile is {cafile!r}, which cannot be used: {error.strerror or error}") from error


def _jar(path: str) -> Any:
    from http.cookiejar import MozillaCookieJar

    from .._negotiate.cookies import strict_policy

    return MozillaCookieJar(path, policy=strict_policy())
