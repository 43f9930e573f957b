"""The arguments of the transports. Each argument has one definition, and everything else is derived from it.

`Settings` lists the definitions. The transport and ``check`` check their arguments with the definitions, the command
line makes its options from them, and the documentation of `KerberosTransport` shows them. A new argument needs a
definition here and a place in the signature of the constructor. A test compares the two.

The error for a wrong argument names the argument, its value and the accepted values. If the value could be a secret,
the error does not show it.
"""

from __future__ import annotations

import functools
import os
import re
import ssl
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from http.cookiejar import CookieJar, FileCookieJar
from typing import (
    Any,
    Callable,
    Generic,
    Literal,
    NamedTuple,
    Optional,
    TypeVar,
    Union,
    overload,
)

from ._checks import checked
from ._hints import Hint, subject
from ._http.address import Address, request_target
from ._http.connection import Connection
from ._http.fields import repeated
from ._http.progress import Report, Reports
from ._http.time_limits import Deadline
from ._http.tls import Trust, new_context
from ._http.www_authenticate import TOKEN
from ._kerberos.channel_bindings import require_cryptography
from ._kerberos.credentials import STORE, TicketMaker, holder, is_store
from ._kerberos.identity import Identity
from ._kerberos.service_names import CANONICALIZE, Canonicalize, ServiceNames
from ._kerberos.ticket import MECHANISMS, PRINCIPAL, SERVICE, is_principal, is_service
from ._negotiate.policy import MutualAuthentication
from ._negotiate.proxy import ENVIRONMENT, Proxies
from ._negotiate.retries import IDEMPOTENT, MAX_RETRIES, MAX_RETRY_AFTER, MAX_WAIT, Idempotent, Retries, is_idempotent
from ._secrets import hidden, type_name

MAX_TIMEOUT = 2_000_000
"""The longest timeout, in seconds. poll() counts milliseconds in a C int, which cannot hold much more."""

PATH = re.compile(r"/[!\"$-~]*")
"""The path of a URL, with a query if there is one: printable ASCII. A request line has no fragment (``#…``)."""

# CONNECT is for proxies. The answer to TRACE repeats the request, and so the ticket (RFC 9110, section 9.3.8).
_HTTP_METHOD = re.compile(r"(?!(?:CONNECT|TRACE)$)[A-Z]+", re.ASCII)
_HEADER_NAME = re.compile(TOKEN)
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_OWN = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "host",
        "proxy-authorization",
        "transfer-encoding",
    }
)
"""The headers that only the transport may set, in lower case."""

Header = tuple[Union[str, bytes], Union[str, bytes, int]]
Mode = Union[Literal["required", "optional", "disabled"], MutualAuthentication]
Mechanism = Literal["spnego", "krb5"]
Progress = Union[Report, tuple[Optional[Report], Optional[Report]], None]
ChannelBindings = Optional[Literal["tls-server-end-point"]]

Value = TypeVar("Value")
Documented = TypeVar("Documented")


def is_http_method(text: str) -> bool:
    """Say whether a request can use this HTTP method."""
    return _HTTP_METHOD.fullmatch(text) is not None


# -- a definition -----------------------------------------------------------------------------------------------------


class Option(NamedTuple):
    """The option of the command line for an argument."""

    group: str
    """The heading of the help under which the option appears."""
    help: str
    metavar: str | None = None
    kind: str = "text"
    """How to parse the option's value: ``text``, ``number``, ``whole number``, ``seconds``, ``text or none``,
    ``header``, ``choice``. ``constant``: the option takes no value, and stands for `value`."""
    value: Any = None
    """The constant, or the list of choices."""
    flag: str = ""
    """The name of the option, if it differs from the argument's."""


class Setting(Generic[Value]):
    """The definition of one argument.

    Args:
        default: the default value of the argument.
        accepted: the accepted values, for errors and for the reference.
        details: the effect of the argument, for the reference.
        types: the accepted types. If there are none, only `check` can check the type.
        valid: returns whether a value of these types is accepted.
        check: a function for more checks. It gets the `Settings` so far and the value, and returns the value to keep.
        option: the option of the command line, or None.
    """

    name: str

    def __init__(
        self,
        default: Value,
        accepted: str,
        details: str,
        types: tuple[Any, ...] = (),
        valid: Callable[[Any], object] = lambda value: True,
        check: Callable[[Settings, Any], Any] | None = None,
        option: Option | None = None,
    ) -> None:
        self.default = default
        self.accepted = accepted
        self.details = details
        self.option = option
        self._types = types
        self._valid = valid
        self._check = check

    @property
    def kind(self) -> Any:
        """The type of the argument, as in the annotation of the constructor."""
        return vars(self)["__orig_class__"].__args__[0]

    def __set_name__(self, owner: object, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: object) -> Setting[Value]: ...

    @overload
    def __get__(self, instance: Settings, owner: object) -> Value: ...

    def __get__(self, instance: Settings | None, owner: object) -> Setting[Value] | Value:
        if instance is None:
            return self
        value: Value = vars(instance)[self.name]
        return value

    def checked(self, settings: Settings, value: Any) -> Value:
        """Return the value to keep, or raise TypeError or ValueError."""
        if self._types:
            checked(self.name, value, self.accepted, self._types, self._valid)
        kept: Value = value if self._check is None else self._check(settings, value)
        return kept


# -- the checks of single arguments -----------------------------------------------------------------------------------


def _is_timeout(seconds: float | None) -> bool:
    return seconds is None or 0 < seconds <= MAX_TIMEOUT


def checked_timeout(seconds: float | None) -> float | None:
    """Return the timeout of a single request if it is a valid one."""
    return checked("timeout", seconds, _SECONDS, (int, float, type(None)), _is_timeout)


def _checked_mode(settings: Settings, mode: Any) -> MutualAuthentication:
    return MutualAuthentication(mode)


def _is_login_path(path: str | None) -> bool:
    return path is None or PATH.fullmatch(path) is not None


def _checked_login_path(settings: Settings, path: str | None) -> str | None:
    if path is not None and settings.mode is MutualAuthentication.DISABLED:
        # Nothing would prove which server set the cookies of the session.
        raise ValueError(
            Hint(
                "{name.login_path} is {path}; with {args.mutual_authentication:disabled} accepted is {phrase.left_out}",
                path=repr(path),
            )
        )
    return path


def _checked_jar(settings: Settings, jar: Any) -> CookieJar | None:
    if not isinstance(jar, (CookieJar, type(None))):  # not shown: it may hold secrets
        raise TypeError(_wrong_type("cookiejar", jar, Settings.cookiejar.accepted))
    if isinstance(jar, FileCookieJar) and not hasattr(jar, "_really_load"):
        raise TypeError(
            Hint("{name.cookiejar} is a FileCookieJar itself, which has no format; accepted is a MozillaCookieJar")
        )
    return jar


def _checked_channel_bindings(settings: Settings, kind: Any) -> Any:
    is_tls = settings.scheme == "https"
    accepted = Settings.channel_bindings.accepted
    if not is_tls:
        accepted = Hint("{phrase.none}: without TLS there is nothing to bind to")
    kinds = (None, "tls-server-end-point") if is_tls else (None,)
    checked("channel_bindings", kind, accepted, (str, type(None)), kinds.__contains__)
    if kind is not None:
        require_cryptography()
    return kind


def _checked_context(settings: Settings, context: Any) -> Any:
    if settings.scheme == "https":
        return checked("context", context, "an ssl.SSLContext, or None", (ssl.SSLContext, type(None)))
    return checked("context", context, "None: TLS is for KerberosTransport", (type(None),))


def _checked_cafile(settings: Settings, cafile: Any) -> Any:
    if settings.scheme != "https":
        return checked("cafile", cafile, "None: TLS is for KerberosTransport", (type(None),))
    checked("cafile", cafile, Settings.cafile.accepted, (str, os.PathLike, type(None)), lambda path: path != "")
    if cafile is not None:
        if settings.context is not None:
            raise ValueError(
                Hint(
                    "{name.cafile} and {name.context} exclude each other: pass one of them, or load the CAs into the "
                    "context with context.load_verify_locations(...)"
                )
            )
        settings.made_context = new_context(cafile)
    return cafile


def _checked_idempotent(settings: Settings, idempotent: Any) -> Any:
    is_idempotent(idempotent)  # raises TypeError
    return idempotent


def _checked_progress(settings: Settings, progress: Any) -> Any:
    reports_of(progress)
    return progress


def reports_of(progress: Progress) -> Reports:
    """Return the functions of the argument ``progress``. Raise TypeError if it is wrong."""
    pair = progress if isinstance(progress, tuple) else (progress, progress)
    if len(pair) != 2 or not all(report is None or callable(report) for report in pair):
        shown, accepted = repr(progress), Settings.progress.accepted
        raise TypeError(Hint("{name.progress} is {shown}; accepted is {accepted}", shown=shown, accepted=accepted))
    return Reports(*pair)


def _checked_headers(settings: Settings, headers: Any) -> list[Any]:
    return checked_headers(headers)


def checked_target(handler: object) -> str:
    """Return the path and query of a URL as a request sends them. Raise ValueError if a request cannot send them."""
    target = request_target(handler) if isinstance(handler, str) else ""
    if "://" in target and not target.startswith("/"):
        raise ValueError("the path is a whole URL: pass the host and the path of the URL apart")
    if not PATH.fullmatch(target):
        accepted = "start with / and be printable ASCII without #"
        raise ValueError(f"the path of the URL has to {accepted}: percent-encode the rest")
    return target


def checked_headers(
    headers: Iterable[Header], whose: str = subject("headers"), own: frozenset[str] = _OWN
) -> list[Any]:
    """Return headers as a list of pairs. The name in a pair is a text.

    Args:
        whose: the subject of the messages.
        own: the names, in lower case, that only the transport may set.
    """
    accepted = "a list of pairs (name, value)"
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        kind = type_name(headers)
        raise TypeError(
            Hint("{whose} is of type {kind}; accepted is {accepted}", whose=whose, kind=kind, accepted=accepted)
        )
    pairs = [_checked_header(pair, whose, accepted) for pair in map(hidden, headers)]
    for name, _ in pairs:
        if name.lower() in own:
            raise ValueError(
                Hint("{whose} holds {header}, which only the transport may set: take it out", whose=whose, header=name)
            )
    twice = repeated(pairs)
    if twice is not None:
        raise ValueError(
            Hint("{whose} holds {header} twice; accepted is once (RFC 9110, section 5.3)", whose=whose, header=twice)
        )
    return pairs


def _checked_header(pair: Any, whose: str, accepted: str) -> tuple[str, Any]:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(
            Hint("{whose} holds an item that is not a pair; accepted is {accepted}", whose=whose, accepted=accepted)
        )
    name, value = (hidden(part.decode("latin-1") if isinstance(part, bytes) else part) for part in pair)
    if not isinstance(name, str) or not isinstance(value, (str, int)):
        raise TypeError(
            Hint(
                "{whose} holds a name or a value that is not text; accepted is {accepted}",
                whose=whose,
                accepted=accepted,
            )
        )
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(
            Hint(
                "{whose} holds a name that HTTP does not allow (RFC 9110, section 5.1); accepted is {accepted}",
                whose=whose,
                accepted=accepted,
            )
        )
    if not _HEADER_VALUE.fullmatch(str(value)):
        raise ValueError(
            Hint(
                "{whose} holds a value of {header} that HTTP does not allow (RFC 9110, section 5.5)",
                whose=whose,
                header=name,
            )
        )
    return str(name), value


def checked_host_info(host: str, found: Any) -> list[Any]:
    """Return the headers from the hook `get_host_info`.

    Args:
        host: the argument of the hook.
        found: the value that the hook returned.

    Raises:
        TypeError, ValueError: the hook returned something else than this host and headers that it may set.
    """
    if not isinstance(found, (tuple, list)) or len(found) != 3:
        raise TypeError("get_host_info has to return three values: the host, a list of headers and {}")
    same, headers, x509 = found
    if same != host:
        raise ValueError(
            "get_host_info returned another host, but a ticket is for one server: call the other host by its URL"
        )
    if x509:
        raise TypeError(
            Hint("get_host_info returned a client certificate: load it into an SSLContext for {args.context}")
        )
    if not headers:
        return []
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return checked_headers(pairs, "get_host_info", _OWN - {"connection", "cookie"})


def _wrong_type(name: str, value: object, accepted: str) -> Hint:
    """Return the message for an argument of a wrong type, without its value."""
    return Hint(
        "{subject} is of type {kind}; accepted is {accepted}",
        subject=subject(name),
        kind=type_name(value),
        accepted=accepted,
    )


# -- the definitions --------------------------------------------------------------------------------------------------

_BOOL = "True or False"
_SECONDS = Hint("a number of seconds over 0 and up to {most}, or {phrase.none}", most=MAX_TIMEOUT)
_TEXT = (str, type(None))


class Settings:
    """The arguments of one transport, checked.

    Args:
        scheme: ``"https"`` or ``"http"``.
        arguments: the arguments by their names.

    Attributes:
        scheme: the scheme, as passed.
        made_context: the TLS context, if it is not the caller's, and once it is needed.
        new_ticket: a function that makes a ticket for exactly a service (and takes the options of `KerberosTicket`).
        identity: tells whose tickets those are.
        proxies: chooses the proxy for a server.

    Raises:
        TypeError, ValueError: an argument is wrong or unknown.
        ImportError: an argument needs a library that is not installed.
    """

    service = Setting[Optional[str]](
        None,
        SERVICE,
        'the service to get tickets for: ``"HTTP@host"``, ``"HTTP/host@REALM"``, or ``"HTTP/host@"`` in the realm of '
        "the host; default: ``HTTP@`` and the host of the URL.",
        _TEXT,
        lambda service: service is None or is_service(service),
        option=Option("Kerberos", "service to get tickets for (default: HTTP@ and the host of URL)", "NAME"),
    )
    canonicalize = Setting[Optional[Canonicalize]](
        None,
        Hint("'never', 'fallback', 'always', or {phrase.none}"),
        "whether the canonical name that DNS gives for the host may take the place of the host's name in the service. "
        '``"never"``: the ticket is for exactly the host of the URL, or for ``service``. ``"fallback"``: the canonical '
        'name is tried if the KDC does not know the first one, for aliases and load balancers. ``"always"``: only the '
        'canonical name. None means ``"fallback"``; but it means ``"never"`` with ``delegate``, with '
        "``channel_bindings``, over plain HTTP, and for the ticket that a proxy gets. A principal "
        '(``service="HTTP/host@REALM"``) is never replaced. The settings of krb5.conf have no effect on this.',
        (str, type(None)),
        lambda value: value is None or value in CANONICALIZE,
        option=Option(
            "Kerberos",
            "whether the name that DNS gives for the host may replace the host in the service: 'never', 'fallback' (if "
            "the KDC does not know the host) or 'always'",
            kind="choice",
            value=list(CANONICALIZE),
        ),
    )
    principal = Setting[Optional[str]](
        None,
        PRINCIPAL,
        "the client principal of the tickets, from the collection of credential caches; default: the default cache's.",
        _TEXT,
        lambda principal: principal is None or is_principal(principal),
        option=Option("Kerberos", "client principal of the tickets (default: the default cache's)", "NAME"),
    )
    ccache = Setting[Optional[str]](
        None,
        STORE,
        "a credential cache for this transport only, instead of the credential cache of the process: a path, with or "
        'without a type before it (``"DIR:/path"``, ``"KEYRING:…"``). ``ccache`` and ``keytab`` need python-gssapi '
        "(extra ``gssapi``). With either of them, the transport ignores the caches and keytabs that the environment "
        "names.",
        _TEXT,
        is_store,
        option=Option("Kerberos", "credential cache, instead of KRB5CCNAME's; needs python-gssapi", "CACHE"),
    )
    keytab = Setting[Optional[str]](
        None,
        STORE,
        "a keytab to fill ``ccache`` with tickets, and to renew the tickets when they expire. Without ``ccache``, the "
        "tickets are kept in memory. ``principal`` chooses the principal; default: the cache's, or else the first one "
        "in the keytab.",
        _TEXT,
        is_store,
        option=Option("Kerberos", "keytab to get tickets from; needs python-gssapi", "FILE"),
    )
    mutual_authentication = Setting[Mode](
        MutualAuthentication.REQUIRED,
        "'required' or 'optional' or 'disabled'",
        "whether the server has to prove its identity; see `MutualAuthentication`.",
        (str,),
        [mode.value for mode in MutualAuthentication].__contains__,
        _checked_mode,
        Option(
            "Kerberos",
            "whether the server has to prove its identity (default: 'required'); the other values rely on TLS alone",
            kind="choice",
            value=[mode.value for mode in MutualAuthentication],
        ),
    )
    preemptive = Setting[bool](
        True,
        _BOOL,
        "whether to send a ticket before the server asks for one. If False, a call outside a session is sent without a "
        "ticket first, and again with a ticket when the server asks for one. The next calls to the same path on the "
        "same connection carry a ticket at once. If the server reads a large call to its end before it asks, all of "
        "the call is sent twice.",
        (bool,),
        option=Option(
            "Kerberos",
            "send no ticket before the server asks for one",
            kind="constant",
            value=False,
            flag="--no-preemptive",
        ),
    )
    delegate = Setting[bool](
        False,
        _BOOL,
        "whether to give the server a ticket (delegation), so that it can act as the user.",
        (bool,),
        option=Option("Kerberos", "give the server a ticket, so that it can act as you", kind="constant", value=True),
    )
    mechanism = Setting[Mechanism](
        "spnego",
        "'spnego' or 'krb5'",
        'the mechanism. ``"krb5"`` sends a bare Kerberos token, without SPNEGO.',
        (str,),
        MECHANISMS.__contains__,
        option=Option(
            "Kerberos",
            "'krb5' sends a bare Kerberos token, without SPNEGO (default: 'spnego')",
            kind="choice",
            value=list(MECHANISMS),
        ),
    )
    channel_bindings = Setting[ChannelBindings](
        None,
        Hint("'tls-server-end-point', or {phrase.none}"),
        "ties each ticket to the server's certificate. A server that requires channel bindings can then tell if "
        "somebody relays tokens. Needs `cryptography` (extra ``channel-bindings``), and a certificate with an RSA or "
        "ECDSA signature.",
        check=_checked_channel_bindings,
        option=Option(
            "Kerberos",
            "tie tickets to the server's certificate (default: none); needs cryptography",
            "tls-server-end-point",
            "text or none",
        ),
    )
    login_path = Setting[Optional[str]](
        None,
        Hint("a path like '/login/', printable ASCII without #, or {phrase.left_out}"),
        "the path of a login page. The transport logs in there before the first call, and again when the session has "
        "ended, by a GET with a ticket. The reply has to be verified. It may be a redirection, but the transport does "
        "not follow it. Calls carry the cookies of the session, and no ticket.",
        _TEXT,
        _is_login_path,
        _checked_login_path,
        Option("session", "path of a login page to use before the call", "PATH"),
    )
    cookiejar = Setting[Optional[CookieJar]](
        None,
        Hint("an http.cookiejar.CookieJar, or {phrase.left_out}"),
        "the jar for cookies; default: a jar of the transport's own, in which each cookie is for its own host. A jar "
        'with a file (``MozillaCookieJar("cookies.txt")``) is loaded when the transport is built. It is saved when '
        "cookies change, session cookies included. Only the owner can read the file (mode 0600). The file records the "
        "principal of each session. Another principal does not use the session. Cookies that are in the jar when the "
        "transport is built count as sessions. Other cookies go only to hosts that have proved their identity to this "
        "transport.",
        check=_checked_jar,
        option=Option(
            "session",
            "file that keeps cookies, and so the session, for the next run; anyone who can read it can act as you",
            "FILE",
        ),
    )
    timeout = Setting[Optional[float]](
        300.0,
        _SECONDS,
        "seconds that each operation on a connected socket may take (each send and receive); None: no limit.",
        (int, float, type(None)),
        _is_timeout,
        option=Option(
            "connection",
            "how long each send and receive may take (default: 300, for check 30), or 'none'; the wait for a KDC does "
            "not count",
            "SECONDS",
            "seconds",
        ),
    )
    connect_timeout = Setting[Optional[float]](
        30.0,
        _SECONDS,
        "seconds that the setup of a connection may take over one address of the server or proxy. The tunnel through "
        "a proxy and the TLS handshake count. If TCP cannot connect to an address in this time, the next address of "
        "the name is tried. None: no limit.",
        (int, float, type(None)),
        _is_timeout,
        option=Option(
            "connection",
            "how long the setup of a connection may take for each address, with proxy and TLS (default: 30), or 'none'",
            "SECONDS",
            "seconds",
        ),
    )
    deadline = Setting[Optional[float]](
        None,
        _SECONDS,
        "seconds that a whole call may take: all requests, logins and repetitions of the call, the waits between them, "
        "and the wait for the login of another thread. Kerberos and the resolver cannot be interrupted: if they wait "
        "for a KDC or for DNS, the call ends after that wait. None: no limit.",
        (int, float, type(None)),
        _is_timeout,
        option=Option(
            "connection",
            "how long the whole call may take, with logins and repetitions (default: no limit), or 'none'",
            "SECONDS",
            "seconds",
        ),
    )
    proxy = Setting[Optional[str]](
        ENVIRONMENT,
        "'environment', 'direct', None, or the URL of a proxy",
        'how to reach the server. ``"environment"`` follows ``https_proxy`` and ``no_proxy`` (or in upper case), by '
        'the rules of `urllib.request`, and reads them for each new connection. ``"direct"`` and None use no proxy. '
        'The URL of a proxy is ``"http://host:port"`` (default port 80) or ``"host:port"``. ``no_proxy`` does not '
        "apply to such a proxy. The proxy has to open a tunnel (CONNECT), and TLS goes through the tunnel to the "
        "server itself. ``user:password@`` before the host, percent-encoded, is sent to the proxy unprotected (Basic, "
        "over plain HTTP). Without it, a proxy that asks for Negotiate gets a ticket for ``HTTP@`` and the proxy's "
        "host.",
        option=Option(
            "connection",
            "http://host:port, or 'direct', or 'environment' (the default) to follow https_proxy and no_proxy. All "
            "users of this machine can see a password on the command line, but not in the environment",
            "URL",
        ),
    )
    retries = Setting[int](
        0,
        f"a number from 0 to {MAX_RETRIES}",
        "how often to repeat a call if the connection fails, or the server answers 429, 502, 503 or 504. A call that "
        "was not sent is repeated. A call that may have run is repeated only if it is idempotent.",
        (int,),
        range(MAX_RETRIES + 1).__contains__,
        option=Option(
            "connection", "how often to try again if no connection can be made (default: 0)", "N", "whole number"
        ),
    )
    retry_interval = Setting[float](
        1.0,
        f"a number of seconds from 0 to {MAX_WAIT:.0f}",
        "seconds to wait before the first repetition. Each further wait is twice as long, up to an hour. If a reply "
        f"asks for a longer wait by ``Retry-After``, it is honoured up to {MAX_RETRY_AFTER:.0f} seconds.",
        (int, float),
        lambda seconds: 0 <= seconds <= MAX_WAIT,
        option=Option(
            "connection",
            "wait before the first repetition; each further wait is twice as long (default: 1)",
            "SECONDS",
            "number",
        ),
    )
    idempotent = Setting[Idempotent](
        (),
        IDEMPOTENT,
        "the methods that may run twice. ``system.multicall`` counts as a method of its own, not as the calls in it. "
        "For `fetch`, the HTTP method counts.",
        check=_checked_idempotent,
        option=Option(
            "connection",
            "the method may run twice: --retries also applies if the method may have run, and after 429 and 503",
            kind="constant",
            value=True,
        ),
    )
    max_response_bytes = Setting[int](
        256 * 1024 * 1024,
        "a positive number of bytes",
        "the limit for the body of a reply, in bytes. It applies to the body as sent, and separately as decoded.",
        (int,),
        (0).__lt__,
        option=Option("connection", "limit for the body of a reply (default: 256 MiB)", "BYTES", "whole number"),
    )
    progress = Setting[Progress](
        None,
        "a function, or a pair of functions (each may be None), or None",
        "a function that is told how much has been sent or received, as ``progress(done, total)``: the bytes so far, "
        "and the total, or None if the total is not known. It is called in the thread of the call: with 0 before the "
        "body of a request is sent and before the body of its reply is read, and then after each piece. Of a pair, "
        "the first function is called for requests and the second one for replies. A body that is sent again begins "
        "again at 0. The bytes are those on the connection, so of a compressed reply they are the compressed ones. An "
        "exception of the function does not end the call, which may have run: it is logged, and the function is not "
        "called again for this body. Replies to logins and to refused requests are not reported.",
        check=_checked_progress,
    )
    use_datetime = Setting[bool](
        False,
        _BOOL,
        "as for `xmlrpc.client.SafeTransport`. (If ``ServerProxy`` gets a transport, it ignores its own arguments "
        "``use_datetime``, ``use_builtin_types``, ``headers`` and ``context``.)",
    )
    use_builtin_types = Setting[bool](False, _BOOL, "as for `xmlrpc.client.SafeTransport`.")
    headers = Setting[Iterable[Header]](
        (),
        "a list of pairs (name, value)",
        "as for `xmlrpc.client.SafeTransport`: headers for each request. They replace the transport's default headers "
        "of the same name, and the headers that `fetch` gets replace them. A header that HTTP allows once may be there "
        "once. Headers that only the transport may set, like ``Authorization``, ``Cookie`` and ``Host``, are not "
        "accepted.",
        check=_checked_headers,
        option=Option(
            "connection",
            "additional HTTP header; can be repeated. All users of this machine can see it on the command line",
            "'NAME: VALUE'",
            "header",
            flag="--header",
        ),
    )
    context = Setting[Optional[ssl.SSLContext]](
        None,
        "an ssl.SSLContext, or None",
        "as for `xmlrpc.client.SafeTransport`; default: a context like the default one of `http.client`, which trusts "
        "the system's CAs. Like `http.client`, the transport does not change your context: if the server asks for a "
        "client certificate after the handshake, set ``context.post_handshake_auth = True``.",
        check=_checked_context,
    )
    cafile = Setting[Optional[Union[str, os.PathLike[str]]]](
        None,
        Hint("a file or folder of certificates in PEM, or {phrase.left_out}"),
        "the CAs to trust, instead of the system's: a file, or a folder with any number of files. The files are read "
        "when the transport is built. ``cafile`` and ``context`` exclude each other, because a context has its own "
        "CAs.",
        check=_checked_cafile,
        option=Option("TLS", "file or folder with the CAs to trust, in PEM, instead of the system's", "PATH"),
    )

    def __init__(self, scheme: str, arguments: Mapping[str, Any]) -> None:
        self.scheme = scheme
        self.made_context: ssl.SSLContext | None = None
        for setting in definitions():
            vars(self)[setting.name] = setting.checked(self, arguments.get(setting.name, setting.default))
        unknown = sorted(arguments.keys() - vars(self).keys())
        if unknown:
            raise TypeError(f"there is no argument {unknown[0]!r}")
        self.new_ticket = TicketMaker(self.principal, self.mechanism, self.ccache, self.keytab)
        whose = self.principal, self.ccache, self.keytab
        self.identity = Identity(*whose, functools.partial(_asked_holder, *whose))
        self.proxies = Proxies(
            self.proxy,
            "https_proxy" if scheme == "https" else None,
            ServiceNames(self.new_ticket, self.canonicalize or "never", maker=self.new_ticket).ticket,
        )

    @property
    def mode(self) -> MutualAuthentication:
        """The argument ``mutual_authentication``."""
        return MutualAuthentication(self.mutual_authentication)

    @property
    def reports(self) -> Reports:
        """The functions of the argument ``progress``."""
        return reports_of(self.progress)

    def new_connection(self, netloc: str, address: Address, context: ssl.SSLContext | None) -> Connection:
        """Return a new connection to a server, not yet connected; see `Proxies.connection`."""
        made = self.proxies.connection(netloc, address, self.timeout, context, self.connect_timeout)
        if context is not None and context is self.made_context:
            made.trust = Trust.SYSTEM if self.cafile is None else Trust.CAFILE
        return made

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS context: the caller's, or one that trusts ``cafile`` or the system's CAs. None: no TLS."""
        if self.scheme != "https":
            return None
        if self.context is None and self.made_context is None:
            self.made_context = new_context()
        return self.context or self.made_context

    def new_deadline(self) -> Deadline | None:
        """Return the deadline of a call that begins now, or None."""
        return None if self.deadline is None else Deadline(self.deadline)

    def new_retries(self) -> Retries:
        """Return the rule for repeating calls."""
        return Retries(self.retries, self.retry_interval, is_idempotent(self.idempotent))

    def names_of_servers(self) -> ServiceNames:
        """Return the object that gets tickets for servers, from a service and channel bindings."""
        is_strict = self.delegate or self.channel_bindings is not None or self.scheme == "http"
        mutual = self.mode is not MutualAuthentication.DISABLED
        new_ticket = functools.partial(self.new_ticket, delegate=self.delegate, mutual=mutual)
        canonicalize = self.canonicalize or ("never" if is_strict else "fallback")
        return ServiceNames(new_ticket, canonicalize, maker=self.new_ticket)


def _asked_holder(principal: str | None, ccache: str | None, keytab: str | None) -> str | None:
    found = holder(principal, ccache, keytab)
    return None if found is None else found[0]


def definitions() -> Iterator[Setting[Any]]:
    """Yield the definitions, in the order of the constructor's signature."""
    return (value for value in vars(Settings).values() if isinstance(value, Setting))


# -- derived from the definitions -------------------------------------------------------------------------------------


def with_arguments(documented: type[Documented]) -> type[Documented]:
    """Replace ``{arguments}`` in the docstring of a class with the arguments, in Google's style."""
    if documented.__doc__:  # python -OO removes docstrings
        # Python 3.13 removes the indentation of the class body from a docstring.
        placeholder = re.compile(r"^( *)\{arguments\}\n", re.MULTILINE)
        documented.__doc__ = placeholder.sub(lambda found: _described_arguments(found[1]), documented.__doc__)
    return documented


def _described_arguments(indent: str) -> str:
    fill = textwrap.TextWrapper(
        112,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    lines: list[str] = []
    for setting in definitions():
        default = getattr(setting.default, "value", setting.default)
        lines += fill.wrap(f"{setting.name}: {setting.details} Accepted: {setting.accepted}. Default: ``{default!r}``.")
    return "\n".join([*lines, ""])
