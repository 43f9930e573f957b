# PYTHON_ARGCOMPLETE_OK
"""The command line, for a person at a terminal: it reads arguments, prints, and says by its exit status how it went.

What is done for it is done by the transport, and for ``check`` by `doctor`. Nothing of that is imported before it is
needed: help and completion are not to wait for it.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import math
import os
import re
import signal
import sys
import threading
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, NoReturn, Optional, Sequence, Tuple, Union
from urllib.parse import urlsplit

from ._version import __version__
from .errors import KerberosXMLRPCError

WORKED, FAULT, FAILED = 0, 1, 2
FOUND = 1  # by check: that something fails
INTERRUPTED, PIPE_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE

PATIENCE = 1.0
"""Seconds that an interrupt has to be seen by Python, which then closes what is open."""

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


class Option(NamedTuple):
    """An option that stands for an argument of `KerberosTransport`."""

    parameter: str
    """The argument."""
    group: str
    """Under which heading the help shows it."""
    help: str
    settings: Dict[str, Any]
    """For argparse."""
    flag: str = ""
    """Where it is not simply named like the argument."""

    @property
    def name(self) -> str:
        """What is typed."""
        return self.flag or f"--{self.parameter.replace('_', '-')}"


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

_KERBEROS, _SESSION, _CONNECTION, _TLS = "Kerberos", "session", "connection", "TLS"

OPTIONS = [
    Option("service", _KERBEROS, "whom to get tickets for (default: HTTP@ and the host of URL)", {"metavar": "NAME"}),
    Option("principal", _KERBEROS, "whose tickets (default: the default cache's)", {"metavar": "NAME"}),
    Option(
        "ccache",
        _KERBEROS,
        "credential cache, in the place of KRB5CCNAME's; needs krbxmlrpc[gssapi]",
        {"metavar": "CACHE"},
    ),
    Option("keytab", _KERBEROS, "keytab to get tickets with; needs krbxmlrpc[gssapi]", {"metavar": "FILE"}),
    Option(
        "mutual_authentication",
        _KERBEROS,
        "whether the server has to prove itself; all but 'required', the default, count on TLS alone",
        {"choices": ["required", "optional", "disabled"]},
    ),
    Option(
        "preemptive",
        _KERBEROS,
        "send no ticket before the server asks for one",
        {"action": "store_const", "const": False},
        "--no-preemptive",
    ),
    Option(
        "delegate",
        _KERBEROS,
        "give the server a ticket with which it can act as you",
        {"action": "store_const", "const": True},
    ),
    Option("mechanism", _KERBEROS, "'krb5' sends a bare Kerberos token", {"choices": ["spnego", "krb5"]}),
    Option(
        "channel_bindings",
        _KERBEROS,
        "tie tickets to the server's certificate (default: none); needs krbxmlrpc[channel-bindings]",
        {"metavar": "tls-server-end-point", "type": _unless_none},
    ),
    Option("login_path", _SESSION, "path of a page to log in at before the call", {"metavar": "PATH"}),
    Option(
        "cookiejar",
        _SESSION,
        "file that keeps cookies, and with them the session, for the next run; whoever can read it can act as you",
        {"metavar": "FILE"},
    ),
    Option(
        "timeout",
        _CONNECTION,
        "how long each socket operation may take (default: 300, for check 30), or 'none'",
        {"metavar": "SECONDS", "type": _seconds},
    ),
    Option(
        "proxy",
        _CONNECTION,
        "http://host:port, 'direct', or 'environment', the default: as https_proxy and no_proxy say. A password in it "
        "can be seen by all users of this machine here, and not in the environment",
        {"metavar": "URL"},
    ),
    Option(
        "retries",
        _CONNECTION,
        "how often to try again where no connection can be made (default: 0)",
        {"metavar": "N", "type": int},
    ),
    Option(
        "retry_interval",
        _CONNECTION,
        "wait before the first time; then twice as long each time (default: 1)",
        {"metavar": "SECONDS", "type": float},
    ),
    Option(
        "idempotent",
        _CONNECTION,
        "the method may run twice: --retries is also for where it is not known whether it ran",
        {"action": "store_const", "const": True},
    ),
    Option(
        "max_response_bytes",
        _CONNECTION,
        "limit for the body of a reply (default: 256 MiB)",
        {"metavar": "BYTES", "type": int},
    ),
    Option(
        "headers",
        _CONNECTION,
        "HTTP header to send as well; can be given more than once. All users of this machine can see it here",
        {"metavar": "'NAME: VALUE'", "type": _header, "action": "append"},
        "--header",
    ),
    Option(
        "context",
        _TLS,
        "certificates of the CAs to trust, in PEM, instead of this machine's",
        {"metavar": "FILE"},
        "--cafile",
    ),
]


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


def _without_options(words: List[str]) -> List[str]:
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
    for option in OPTIONS:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(
            option.name, dest=option.parameter, help=option.help, default=argparse.SUPPRESS, **option.settings
        )
    groups[_TLS].add_argument(
        "--insecure-any-certificate",
        action="store_true",
        help="take any certificate: whoever is on the way can read and change everything",
    )
    groups[_TLS].add_argument(
        "--insecure-http",
        action="store_true",
        help="go without TLS where URL is http://...: anybody on the way can read and change everything",
    )


# -- what is to be called ---------------------------------------------------------------------------------------------


class Wrong(Exception):
    """What the command line asks for cannot be done; the message says why."""


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
        from .transport import InsecureKerberosTransport, KerberosTransport

        kind = KerberosTransport if self.scheme == "https" else InsecureKerberosTransport
        try:
            return kind(**self.arguments)
        except (TypeError, ValueError, ImportError, OSError) as error:
            raise Wrong(in_options(str(error))) from error


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
    given = {option.parameter: vars(options)[option.parameter] for option in OPTIONS if option.parameter in options}
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
    import ssl

    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:  # one of OpenSSL, too, which does not tell the file
        raise Wrong(f"--cafile is {cafile!r}, which cannot be used: {error.strerror or error}") from error
    if any_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _jar(path: str) -> Any:
    from http.cookiejar import MozillaCookieJar

    from .session import strict_policy

    return MozillaCookieJar(path, policy=strict_policy())


# -- arguments and results of a method --------------------------------------------------------------------------------

_METHOD = re.compile(r"[!-%'-;=?-~]+")  # xmlrpc.client puts it into the XML as it is
_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, section 2.2


def read_arguments(texts: Sequence[str], allow_none: bool) -> List[Any]:
    """Return what the arguments of a method stand for, for `xmlrpc.client.dumps`; raise `Wrong` where one is wrong."""
    if texts.count("@-") > 1:
        raise Wrong("standard input, @-, can be read only once")
    values = []
    for number, text in enumerate(texts, 1):
        try:
            value = _read_argument(text)
            _check_sendable(value, allow_none)
        except RecursionError:
            raise Wrong(f"ARG {number} is nested too deep") from None
        except (OSError, ValueError) as error:
            raise Wrong(f"ARG {number} {error}") from error
        values.append(value)
    return values


def _read_argument(text: str) -> Any:
    if text.startswith("@") and not text.startswith("@@"):
        return _read_file(text[1:])
    if text.startswith("@"):
        return text[1:]
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _read_file(path: str) -> Any:
    from xmlrpc.client import Binary

    try:
        if path == "-" and sys.stdin is None:
            raise OSError(errno.EBADF, "it is closed")
        if path == "-":
            return Binary(sys.stdin.buffer.read())
        with open(path, "rb") as file:
            return Binary(file.read())
    except OSError as error:
        raise OSError(f"names {path!r}, which cannot be read: {error.strerror}; @@ stands for an @") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON does not have {name}")


def _check_sendable(value: Any, allow_none: bool) -> None:
    """Raise ValueError where a value of JSON is none that XML-RPC has."""
    if isinstance(value, dict):
        for name, member in value.items():
            _check_sendable(name, allow_none)
            _check_sendable(member, allow_none)
    elif isinstance(value, list):
        for member in value:
            _check_sendable(member, allow_none)
    elif value is None and not allow_none:
        raise ValueError("holds null, which XML-RPC does not have: --allow-none sends <nil/>, which some servers know")
    elif isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise ValueError(f"holds {value}; the integers of XML-RPC have 32 bits. Quoted, '\"{value}\"', it is text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is too large")
    elif isinstance(value, str) and _NOT_IN_XML.search(value):
        raise ValueError("holds a character that XML does not have: @FILE sends any bytes, as binary data")


def as_json(value: Any) -> Any:
    """Return what a method returned as values that JSON has."""
    from xmlrpc.client import Binary, DateTime

    if isinstance(value, dict):
        return {name: as_json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(member) for member in value]
    if isinstance(value, DateTime):
        return _iso(value.value)
    if isinstance(value, Binary):
        return _base64(value.data)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, (str, int, float)) else str(value)  # a decimal number


def _iso(text: str) -> str:
    """Return a date of XML-RPC, which is like ISO 8601 but for the hyphens; another is left as it is."""
    found = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})(T.*)", text)
    return "{}-{}-{}{}".format(*found.groups()) if found else text


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")


# -- what is printed --------------------------------------------------------------------------------------------------

# What a terminal may take for a command, or show in another order. JSON has escaped what is below a space.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(f"[\0-\x08\x0b-\x1f]|{_UNPRINTABLE.pattern}")

_PARAMETERS = {option.parameter: option.name for option in OPTIONS}
_TRANSPORTS = {"KerberosTransport": "https://", "InsecureKerberosTransport": "--insecure-http"}
# Arguments as hints have them: with a value or just a "=", at the start, or such that they are no other word. What
# stands in a path or in quotes is a value itself.
_NAMED = re.compile(
    r"(?<![\w/.:'-])(?:"
    r"context=(?:[\w.]+\([^)]*\))?"
    rf"|({'|'.join(_PARAMETERS)})=('[^']*'|[\w/][^\s;,:)]*)?"
    rf"|^({'|'.join(_PARAMETERS)})(?= (?:is|has|holds) )"
    rf"|({'|'.join([*_TRANSPORTS, *(name for name in _PARAMETERS if '_' in name)])})(?![\w/-])"
    r")"
)


def in_options(text: str) -> str:
    """Return what the library says of its arguments, and in hints, with the options of the command line in their place.

    Not for what a message quotes of others: that stays as it is.
    """
    return _NAMED.sub(_in_options, text)


def _in_options(found: "re.Match[str]") -> str:
    name, value = found[1] or found[3] or found[4], found[2]
    if name is None:
        return "--cafile FILE"
    if name in _TRANSPORTS:
        return _TRANSPORTS[name]
    return _PARAMETERS[name] + (f" {value.strip(chr(39))}" if value else "")


def harmless(text: str) -> str:
    """Return text that a terminal shows as it is."""
    return _CONTROL.sub(_escaped, text)


def showable(text: str, stream: Any) -> str:
    """Return text that a terminal shows as it is, and that this stream can show."""
    return harmless(text) if can_show(text, stream) else ascii(text)[1:-1]


def _escaped(found: "re.Match[str]") -> str:
    return f"\\u{ord(found[0]):04x}"


def to_json(value: Any, stream: Any) -> str:
    """Return values as JSON that a person can read, as far as this stream can show it."""
    text = _UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))
    return text if can_show(text, stream) else json.dumps(value, indent=2)


def can_show(text: str, stream: Any) -> bool:
    """Say whether a stream can show this."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def complain(text: str, hint: Optional[str] = None) -> None:
    """Tell on standard error what is wrong, and what to do about it; where nobody can be told, the status says it."""
    lines = ["krbxmlrpc: " + text.replace("\n", "\n    "), *([f"  hint: {in_options(hint)}"] if hint else [])]
    if sys.stderr is not None:  # closed
        try:
            print(harmless("\n".join(lines)), file=sys.stderr)
        except OSError:
            _give_up(sys.stderr)


def _give_up(stream: Any) -> None:
    """Have what a stream still holds go nowhere: Python would try again at its end, and exit with a status of its own.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


# -- the subcommands --------------------------------------------------------------------------------------------------


def call(options: argparse.Namespace) -> int:
    """Do what ``krbxmlrpc call`` is to do; return the exit status."""
    from xmlrpc.client import Fault

    if options.method is None and not options.list:
        raise Wrong("METHOD is missing; --list shows which ones there are")
    if options.arguments and options.list:
        raise Wrong("--list calls no method, so there is no ARG to give it")
    if options.method is not None and not _METHOD.fullmatch(options.method):
        raise Wrong(f"METHOD is {options.method!r}; accepted is printable ASCII without <, > and &")
    target = target_of(options)
    arguments = read_arguments(options.arguments, options.allow_none)
    transport = target.transport()
    try:
        if options.list:
            _list(transport, target, options.method)
        else:
            result = request(transport, target, options.method, arguments, options.allow_none)
            _print_result(result, options.raw)
        return WORKED
    except Fault as fault:
        hint = "the server does not tell its methods: it has no system.listMethods for you" if options.list else None
        complain(f"Fault {fault.faultCode}: {fault.faultString}", hint)
        return FAULT
    finally:
        _close(transport)


def request(transport: Any, target: Target, method: str, arguments: Sequence[Any], allow_none: bool = False) -> Any:
    """Make a call; return what the method returned."""
    from xmlrpc.client import dumps

    body = dumps(tuple(arguments), method, encoding="utf-8", allow_none=allow_none).encode("utf-8")
    returned = transport.request(target.netloc, target.handler, body)
    return returned[0] if len(returned) == 1 else returned


def _print_result(result: Any, raw: bool) -> None:
    from xmlrpc.client import Binary

    if raw and isinstance(result, (str, Binary)):
        _write(result.encode() if isinstance(result, str) else result.data, "the call worked, but ")
    else:
        _write(f"{to_json(as_json(result), sys.stdout)}\n", "the call worked, but ")


def _write(output: Union[str, bytes], but: str = "") -> None:
    """Write to standard output; `but` is said before the reason where that cannot be done."""
    try:
        if isinstance(output, bytes):
            sys.stdout.buffer.write(output)
        else:
            sys.stdout.write(output)
        sys.stdout.flush()
    except OSError as error:
        _give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise Wrong(f"{but}the output cannot be written: {error.strerror}") from error


def _list(transport: Any, target: Target, method: Optional[str]) -> None:
    """Print the server's methods, or just one, with what the server tells of them."""
    known = request(transport, target, "system.listMethods", [])
    if not isinstance(known, list):
        raise Wrong("the server answered system.listMethods with what is no list")
    names = [str(name) for name in known]
    if method is not None and method not in names:
        raise Wrong(f"the server has no method {method}; without METHOD, --list shows all")
    for name in names if method is None else [method]:
        _write("".join(f"{showable(line, sys.stdout)}\n" for line in _described(transport, target, name, names)))


def _described(transport: Any, target: Target, name: str, names: List[str]) -> Iterator[str]:
    """Yield the lines that tell of a method."""
    from inspect import cleandoc

    signatures = _asked(transport, target, "system.methodSignature", name, names)
    if not isinstance(signatures, list) or not signatures or not all(isinstance(known, list) for known in signatures):
        signatures = []
    for signature in signatures:
        returned, *taken = [str(word) for word in signature] or [""]
        yield f"{name}({', '.join(taken)})" + (f" -> {returned}" if returned else "")
    if not signatures:
        yield name
    text = _asked(transport, target, "system.methodHelp", name, names)
    if isinstance(text, str):
        yield from (f"    {line}".rstrip() for line in cleandoc(text).splitlines())


def _asked(transport: Any, target: Target, question: str, name: str, names: List[str]) -> Any:
    """Return what the server says of a method; None where it has no answer."""
    from xmlrpc.client import Fault

    if question not in names:
        return None
    try:
        return request(transport, target, question, [name])
    except Fault:
        return None


def _close(transport: Any) -> None:
    try:
        transport.close()
    except OSError as error:
        complain(f"the cookies cannot be saved: {error}")


def check(options: argparse.Namespace) -> int:
    """Do what ``krbxmlrpc check`` is to do; return the exit status."""
    from . import doctor

    target = target_of(options)
    target.transport().close()  # says what is wrong with the options, and with a file of cookies
    examination = doctor.Examination(target.scheme, target.netloc, target.handler, target.arguments)
    findings = []
    for finding in examination.run():
        findings.append(finding)
        if not options.json:
            _write("".join(f"{line}\n" for line in _shown(finding, sys.stdout)))
    failed = [finding.step for finding in findings if finding.state is doctor.State.FAILED]
    if options.json:
        report = {"url": target.url, "ok": not failed, "steps": [_for_programs(finding) for finding in findings]}
        _write(f"{to_json(report, sys.stdout)}\n")
    else:
        _write(f"\nFailed: {', '.join(failed)}.\n" if failed else "\nNothing failed.\n")
    return FOUND if failed else WORKED


def _for_programs(finding: Any) -> Dict[str, Any]:
    return {
        "step": finding.step,
        "state": finding.state.value,
        "found": finding.found,
        "remedy": finding.remedy and in_options(finding.remedy),
        "facts": dict(finding.facts),
    }


# By state: the mark, what stands for it where the encoding does not have it, and its colour on a terminal (ECMA-48).
_MARKS = {
    "ok": ("✓", "ok  ", 32),
    "warning": ("!", "warn", 33),
    "failed": ("✗", "FAIL", 31),
    "skipped": ("–", "skip", 2),
}


def _shown(finding: Any, stream: Any) -> Iterator[str]:
    """Yield the lines that tell a person of a finding."""
    from shutil import get_terminal_size
    from textwrap import wrap

    from .doctor import STEPS

    mark, word, colour = _MARKS[finding.state.value]
    mark = mark if can_show("✓✗–", stream) else word
    start = f"{mark} {finding.step:{max(map(len, STEPS))}}  "
    width = max(get_terminal_size().columns or 80, len(start) + 20) if stream.isatty() else sys.maxsize
    for text, indent in ((finding.found, start), (in_options(finding.remedy or ""), " " * (len(start) + 2))):
        lines = wrap(
            showable(text, stream),
            width - 1,
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            marked = line.startswith(mark) and has_colours(stream)
            yield f"\x1b[{colour}m{mark}\x1b[0m{line[len(mark) :]}" if marked else line


def has_colours(stream: Any) -> bool:
    """Say whether what goes there may be coloured: to a terminal that can do it, where nobody objects (NO_COLOR)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in (None, "dumb")


# -- the command ------------------------------------------------------------------------------------------------------

_COMMANDS: Dict[str, Callable[[argparse.Namespace], int]] = {"call": call, "check": check}


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Do what the command line says; return the exit status.

    Args:
        arguments: the words behind the command's name; default: those of this process.

    Raises:
        SystemExit: the command line is wrong, or asked for help.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser, subparsers = build_parser()
    if "_ARGCOMPLETE" in os.environ:
        _complete(parser)
    # Options may stand between the arguments, which argparse knows of one parser only.
    options = (
        subparsers[words[0]].parse_intermixed_args(_without_options(words[1:]))
        if words[:1] and words[0] in subparsers
        else parser.parse_args(words)
    )
    return _run(_COMMANDS[options.command], options)


def _run(command: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    try:
        if sys.stdout is None:
            raise Wrong("standard output is closed")
        with _interruptible(), _logging(options.verbose):
            return command(options)
    except Wrong as wrong:
        complain(str(wrong))
    except KerberosXMLRPCError as error:
        complain(f"{type(error).__name__}: {error.message}", error.hint)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        return PIPE_CLOSED
    except (OSError, ValueError) as error:  # the latter where the URL is wrong
        complain(in_options(str(error)))
    return FAILED


def _interrupted() -> int:
    complain("interrupted: a call that was on its way may have run")
    return INTERRUPTED


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have Ctrl-C end the process even where Python does not see it: while Kerberos waits for a KDC, or DNS."""
    if threading.current_thread() is not threading.main_thread():  # signals are not its matter
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    over = threading.Event()

    def watch() -> None:
        if os.read(reading, 1) == bytes([signal.SIGINT]) and not over.wait(PATIENCE):
            os._exit(_interrupted())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


@contextmanager
def _logging(verbose: bool) -> Iterator[None]:
    """Have the log told on standard error, if asked for."""
    if not verbose:
        yield
        return
    logger = logging.getLogger("krbxmlrpc")
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def _complete(parser: argparse.ArgumentParser) -> None:
    """Tell the shell how the command line can go on, and exit, where argcomplete is there."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
