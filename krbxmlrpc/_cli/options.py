"""Reads the command line: the options, the help, and the server and transport that the user asks for.

Most options stand for one argument of the transport. `_settings` defines both.
"""

from __future__ import annotations

import argparse
import itertools
import os
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .._hints import Names, message_of, told
from .._http.address import request_target, shown_path
from .._http.tls import unverified_context
from .._settings import Option, definitions
from .._version import __version__
from .console import Wrong
from .values import Text

_EXAMPLES = """\
examples:
  krbxmlrpc call https://hub.example.com/xmlrpc whoami
  krbxmlrpc call https://hub.example.com/xmlrpc build pkg '{"arch": "s390x"}'
  krbxmlrpc list https://hub.example.com/xmlrpc
  krbxmlrpc check https://hub.example.com/xmlrpc
  krbxmlrpc call @kobo list_workers        a hub that hubs.ini names
"""

_CALL = """\
Call a method of an XML-RPC server with a Kerberos ticket, and print the result
as JSON: dates as text in ISO 8601, binary data as text in base64, and the
numbers that JSON does not have as "NaN", "Infinity" and "-Infinity".

Each ARG is read as JSON. If it is not JSON, it is text:
  42  true  '["a", "b"]'  '{"x": 1}'     their values in JSON
  hello                                  text
  '"42"'                                 the text "42"
  '{"$date": "2026-11-26T04:30:00"}'     a date
  '{"$base64": "AAEC"}'                  binary data
  @FILE                                  binary data, the bytes of a file
  @-                                     binary data, from standard input
  @@hello                                the text "@hello"
  --text WORD                            the text WORD, even if it is JSON

A word that begins with {, [ or " has to be JSON. If it is text, put --text
before it. Put -- before an argument that starts with - and is not a number.

--params FILE reads all arguments from a file with a JSON array. Use it for
long arguments and for secrets: all users of a machine can see its command
lines.

If a wait takes more than a second, a terminal shows what the command waits
for, and how many bytes it has sent or received. Ctrl-C ends every wait.
--timeout does not limit the wait for a KDC: if no KDC answers, the Kerberos
library gives up by its own rules, often after more than half a minute for each
KDC.
"""

_CALL_EXAMPLES = """\
exit status: 0 success, 1 the server answered with a Fault, 2 failure

examples:
  krbxmlrpc call https://hub.example.com/xmlrpc whoami
  krbxmlrpc call https://hub.example.com/xmlrpc --list
  krbxmlrpc call https://hub.example.com/xmlrpc add 1 2 --timeout 10
  krbxmlrpc call https://hub.example.com/xmlrpc upload name.txt @name.txt
  krbxmlrpc call https://hub.example.com/xmlrpc download 7 --raw >file
  krbxmlrpc call https://hub.example.com/xmlrpc comment 7 --text "$TEXT"
  krbxmlrpc call https://hub.example.com/xmlrpc build --params build.json
  krbxmlrpc call https://hub.example.com/xmlrpc note -- '--not an option'
"""

_LIST = """\
Show the methods of a server, or just METHOD, with the signatures and the help
that the server gives. This calls system.listMethods, system.methodSignature
and system.methodHelp.
"""

_LIST_EXAMPLES = """\
exit status: 0 success, 1 the server answered with a Fault, 2 failure

examples:
  krbxmlrpc list https://hub.example.com/xmlrpc
  krbxmlrpc list https://hub.example.com/xmlrpc build
"""

_HUBS = """\
List the named hubs: the name, the URL, and the file that defines the hub.
Other commands take @NAME instead of a URL. ~/.config/krbxmlrpc/hubs.ini (under
XDG_CONFIG_HOME, if it is set) and /etc/krbxmlrpc/hubs.ini define hubs. If
both files define a hub, your own file counts.

A hub is a section. Its keys are url, and the names of options:
  [kobo]
  url = https://hub.example.com/hub/xmlrpc
  cafile = example-ca.pem
  login_path = /hub/auth/login/
An option without a value takes yes or no. Paths may begin with ~; relative
paths start at the folder of hubs.ini. Options on the command line take
precedence. The file takes no secret (--header, the password of a proxy), and
no option that gives TLS up (--insecure-...).
"""

_HUBS_EXAMPLES = """\
exit status: 0 success, 2 a file is wrong

examples:
  krbxmlrpc hubs
  krbxmlrpc hubs --config hubs.ini
"""

_CHECK = """\
Test each step of a call, from krb5.conf to XML-RPC. For each step, show
whether it works and, if not, how to fix it. A step is skipped if it needs a
step that failed. ! marks a warning: the step works, or does not matter for the
call, but you should know the finding.

The check changes nothing on the server. It calls system.listMethods() twice:
first without a ticket, to see which authentication the server asks for, then
like any call with these options. With --login-path, the first request gets the
login page, and the call follows a login. The cookies in --cookiejar are not
used, because they could hide a failure.

If a step takes more than a second, a terminal shows its name. Ctrl-C ends
every wait. --timeout does not limit the wait for a KDC: if no KDC answers, the
Kerberos library gives up by its own rules, often after more than half a minute
for each KDC.
"""

_CHECK_EXAMPLES = """\
exit status: 0 nothing failed, 1 a step failed, 2 the arguments are wrong

examples:
  krbxmlrpc check https://hub.example.com/xmlrpc
  krbxmlrpc check https://hub.example.com/hub/xmlrpc --login-path /hub/login/
  krbxmlrpc check https://hub.example.com/xmlrpc --json
"""


# -- the transport's arguments as options -----------------------------------------------------------------------------


def _seconds(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def _unless_none(text: str) -> str | None:
    return None if text.lower() == "none" else text


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError("accepted is 'Name: value'")  # do not show the value: it could be a secret
    return name.strip(), value.strip()


_seconds.__name__, _unless_none.__name__ = "number of seconds", "value"  # argparse shows these names in errors

_READERS: dict[str, dict[str, Any]] = {
    "text": {},
    "number": {"type": float},
    "whole number": {"type": int},
    "seconds": {"type": _seconds},
    "text or none": {"type": _unless_none},
    "header": {"type": _header, "action": "append"},
}
"""The arguments of ``add_argument`` for each kind of `Option`."""


def _for_argparse(option: Option) -> dict[str, Any]:
    if option.kind == "constant":
        return {"action": "store_const", "const": option.value}
    if option.kind == "choice":
        return {"choices": option.value}
    return {"metavar": option.metavar, **_READERS[option.kind]}


def read_value(option: Option, text: str) -> Any:
    """Return the value of an option from its text, as the command line reads it. Raise ValueError if it is wrong."""
    if option.kind == "choice" and text not in option.value:
        raise ValueError(text)
    return _READERS.get(option.kind, {}).get("type", str)(text)


OPTIONS: dict[str, Option] = {
    setting.name: setting.option._replace(flag=setting.option.flag or f"--{setting.name.replace('_', '-')}")
    for setting in definitions()
    if setting.option is not None
}
"""Maps the names of the transport's arguments to their options."""


class _Terms(Names):
    """The terms of the command line: the options that stand for arguments."""

    _phrases = {
        "own_context": "no option does that, but a program can pass KerberosTransport(context=...) a context",
        "plain_http": "https:// in the URL asks for TLS, http:// and --insecure-http ask for plain HTTP",
        "none": "'none'",
        "left_out": "to leave it out",
        "direct": "'direct'",
    }

    def passed(self, argument: str, value: str = "") -> str:
        """Return an option as the user types it, with its value if there is one."""
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
"""The names that hints use on the command line."""

# Marks a word that is not an option; two marks: a word that is text. No command line can contain a null character.
_LITERAL = "\0"


def build_parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of the command, and a dictionary of the parsers of its subcommands."""
    parser = argparse.ArgumentParser(
        prog="krbxmlrpc",
        description="Call XML-RPC methods over HTTPS with Kerberos, or find out why a call fails.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"krbxmlrpc {__version__}", help="show the version")
    more = "for details, run krbxmlrpc COMMAND --help"
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True, help=more)
    summary = "call a method and print its result"
    call = _subparser(commands, "call", "URL METHOD [ARG ...]", summary, _CALL, _CALL_EXAMPLES)
    _add_url(call)
    call.add_argument("method", metavar="METHOD", nargs="?", type=_as_typed, help="name of the method")
    call.add_argument("arguments", metavar="ARG", nargs="*", type=_as_typed, default=[], help="arguments of the method")
    call.add_argument("--text", metavar="WORD", help="an argument that is text, even if it looks like JSON")
    call.add_argument("--params", metavar="FILE", help="file with all arguments, as a JSON array; - is standard input")
    call.add_argument("--list", action="store_true", help="the same as krbxmlrpc list URL [METHOD]")
    call.add_argument("--raw", action="store_true", help="write text and binary data unchanged, not as JSON")
    call.add_argument("--allow-none", action="store_true", help="send null as <nil/>, which not all servers accept")
    call.add_argument(
        "--allow-i8", action="store_true", help="send integers of 33 to 64 bits as <i8>, which not all servers accept"
    )
    summary = "show the methods of a server"
    listing = _subparser(commands, "list", "URL [METHOD]", summary, _LIST, _LIST_EXAMPLES)
    _add_url(listing)
    listing.add_argument("method", metavar="METHOD", nargs="?", type=_as_typed, help="show just this method")
    summary = "test each step of a call, and explain failures"
    check = _subparser(commands, "check", "URL", summary, _CHECK, _CHECK_EXAMPLES)
    _add_url(check)
    check.add_argument("--json", action="store_true", help="print the findings as JSON, for programs")
    hubs = _subparser(commands, "hubs", "", "list the named hubs", _HUBS, _HUBS_EXAMPLES)
    hubs.set_defaults(verbose=False)
    subparsers = {"call": call, "list": listing, "check": check, "hubs": hubs}
    for subparser in subparsers.values():
        subparser.add_argument("--config", metavar="FILE", help="file with the named hubs, instead of the usual ones")
        if subparser is not hubs:
            _add_options(subparser)
    return parser, subparsers


def parse(words: list[str]) -> argparse.Namespace:
    """Read a command line. If it is wrong, or asks for help, raise SystemExit."""
    parser, subparsers = build_parser()
    subparser = subparsers.get(words[0]) if words else None
    if subparser is None:
        options, unknown = parser.parse_known_args(words)
    else:
        # Options may stand between arguments. argparse allows that only in a parser without subcommands.
        marked = _marked(words[1:], has_text=words[0] == "call")
        options, unknown = subparser.parse_known_intermixed_args(marked)
    if unknown:
        from .suggestions import shown, suggestion

        unknown = shown([str(_as_typed(word)) for word in unknown])
        advice = suggestion(unknown, subparsers[options.command])
        (subparser or parser).error(f"unrecognized arguments: {' '.join(unknown)}{advice}")
    return options


def _marked(words: list[str], has_text: bool) -> list[str]:
    """Mark the words that are no options: those after the first ``--``, and those that ``--text`` names.

    Otherwise, argparse would take some of these words for options. It would also remove a second ``--``, and would not
    keep the place of ``--text`` among the arguments.
    """
    marked: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            marked += [_LITERAL + literal for literal in left]
        elif word == "--text" and has_text:
            marked += [_LITERAL + _LITERAL + text for text in itertools.islice(left, 1)] or [word]
        elif word.startswith("--text=") and has_text:
            marked.append(_LITERAL + _LITERAL + word.partition("=")[2])
        else:
            marked.append(word)
    return marked


def _as_typed(word: str) -> str:
    if word.startswith(_LITERAL + _LITERAL):
        return Text(word[2:])
    return word[1:] if word.startswith(_LITERAL) else word


def _subparser(
    commands: Any, name: str, words: str, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        usage=f"krbxmlrpc {name} [OPTION ...] {words}".rstrip(),
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.set_defaults(command=name)
    return made


def _add_url(parser: argparse.ArgumentParser) -> None:
    url: Any = parser.add_argument(
        "url", metavar="URL", type=_as_typed, help="the server's URL, https://host[:port]/path, or @NAME of a named hub"
    )
    url.completer = _names_of_hubs


def _names_of_hubs(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """Return the words that can stand for a URL, for argcomplete."""
    from .hubs import all_hubs

    try:
        return [f"@{hub.name}" for hub in all_hubs(getattr(parsed_args, "config", None))]
    except Wrong:
        return []


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="log each request on standard error, without secrets")
    groups: dict[str, Any] = {}
    for name, option in OPTIONS.items():
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(
            option.flag, dest=name, help=option.help, default=argparse.SUPPRESS, **_for_argparse(option)
        )
    groups["TLS"].add_argument(
        "--insecure-any-certificate",
        action="store_true",
        help="accept any certificate: anyone on the network path can read and change everything",
    )
    groups["TLS"].add_argument(
        "--insecure-http",
        action="store_true",
        help="allow a URL with http://..., without TLS: anyone on the network path can read and change everything",
    )


# -- the server to call -----------------------------------------------------------------------------------------------


class Target(NamedTuple):
    """The server to call, and the transport for it."""

    scheme: str
    netloc: str
    handler: str
    """The path, and the query if there is one."""
    arguments: dict[str, Any]
    """The arguments of the transport, taken from the options."""
    named: str = ""
    """For errors: the section that defines the hub, if the user has named the hub; else empty."""

    @property
    def url(self) -> str:
        """The URL for messages, without the parts that can hold secrets."""
        return f"{self.scheme}://{self.netloc}{shown_path(self.handler)}"

    @property
    def server(self) -> str:
        """The host and port for messages."""
        return self.netloc.rpartition("@")[2]

    def transport(self, **more: Any) -> Any:
        """Return a new transport. Raise `Wrong` if an argument is invalid.

        Args:
            more: further arguments of the transport.
        """
        from ..transport import InsecureKerberosTransport, KerberosTransport

        kind = KerberosTransport if self.scheme == "https" else InsecureKerberosTransport
        try:
            return kind(**self.arguments, **more)
        except (TypeError, ValueError, ImportError) as error:
            raise Wrong(told(message_of(error), TERMS) + self.named) from error
        except OSError as error:  # a file of cookies or of CAs cannot be read
            where = f": {error.filename}" if error.filename else ""
            raise Wrong(told(error.strerror or message_of(error), TERMS) + where + self.named) from error


def target_of(options: argparse.Namespace) -> Target:
    """Return the server and the transport's arguments from the command line. Raise `Wrong` if one is invalid."""
    given = {name: vars(options)[name] for name in OPTIONS if name in options}
    if not options.url.startswith("@"):
        return _target(options, options.url, given)
    from .hubs import find

    hub = find(options.url[1:], options.config)
    try:
        return _target(options, hub.url, {**hub.arguments, **given})._replace(named=hub.place)
    except Wrong as wrong:
        raise Wrong(f"{wrong}{hub.place}") from wrong


def _target(options: argparse.Namespace, url: str, given: dict[str, Any]) -> Target:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Wrong("URL is not valid; accepted is https://host[:port]/path, or @NAME of a hub in hubs.ini")
    if parts.scheme == "http" and not options.insecure_http:
        raise Wrong(
            "URL is http://…, and without TLS anyone on the network path can read and change everything; use "
            "https://…, or pass --insecure-http as well"
        )
    has_cafile = "cafile" in given
    if parts.scheme != "https" and (has_cafile or options.insecure_any_certificate):
        raise Wrong("--cafile and --insecure-any-certificate are for https://…")
    if options.insecure_any_certificate:
        if has_cafile:
            raise Wrong("--cafile names a CA, but --insecure-any-certificate accepts any certificate: leave one out")
        given["context"] = unverified_context()
    if "cookiejar" in given:
        given["cookiejar"] = _jar(given["cookiejar"])
    handler = parts.path + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.netloc, request_target(handler or "/RPC2"), given)


def _jar(path: str) -> Any:
    from http.cookiejar import MozillaCookieJar

    from .._negotiate.cookies import strict_policy

    if not os.path.isdir(os.path.dirname(os.path.realpath(path))):  # else it shows after the call, which has run then
        raise Wrong(f"--cookiejar is {path!r}, and there is no such folder")
    return MozillaCookieJar(path, policy=strict_policy())
