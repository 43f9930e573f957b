"""The arguments of the transports: one definition each, from which all else is derived.

`Settings` lists the definitions. The transport and ``check`` check their arguments by them, the command line makes its
options from them, and the documentation of `KerberosTransport` shows them. A new argument needs a definition here, and
a place in the signature of the constructor; a test compares the two.

A wrong argument is an error that names the argument, its value and the accepted values. If the value could be a
secret, the error does not show it.
"""

from __future__ import annotations

import functools
import re
import ssl
import textwrap
from http.cookiejar import CookieJar, FileCookieJar
from typing import (
    Any,
    Callable,
    Generic,
    Iterable,
    Iterator,
    List,
    Literal,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

from ._checks import checked
from ._hints import Hint, subject
from ._http.www_authenticate import TOKEN
from ._kerberos.channel_bindings import require_cryptography
from ._kerberos.credentials import STORE, is_store, ticket_maker
from ._kerberos.ticket import MECHANISMS, PRINCIPAL, SERVICE, Ticket, is_principal, is_service
from ._negotiate.policy import MutualAuthentication
from ._negotiate.proxy import ENVIRONMENT, Proxies
from ._negotiate.retries import IDEMPOTENT, MAX_RETRIES, MAX_WAIT, Idempotent, Retries, is_idempotent

MAX_TIMEOUT = 2_000_000
"""Seconds that a timeout may have: some more and the system cannot count them."""

PATH = re.compile(r"/[!-~]*")
"""The path of a URL, with a query if there is one: printable ASCII, as a request line can hold it."""

_HTTP_METHOD = re.compile(r"(?!CONNECT$)[A-Z]+", re.ASCII)  # a CONNECT is for proxies
_HEADER_NAME = re.compile(TOKEN)
_HEADER_VALUE = re.compile(r"[^\0-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]*")
_OWN_HEADERS = {
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "transfer-encoding",
}

Header = Tuple[Union[str, bytes], Union[str, bytes, int]]
Mode = Union[Literal["required", "optional", "disabled"], MutualAuthentication]
Mechanism = Literal["spnego", "krb5"]
ChannelBindings = Optional[Literal["tls-server-end-point"]]

Value = TypeVar("Value")
Documented = TypeVar("Documented")


def is_http_method(text: str) -> bool:
    """Say whether a request can be made by this method."""
    return _HTTP_METHOD.fullmatch(text) is not None


# -- a definition -----------------------------------------------------------------------------------------------------


class Option(NamedTuple):
    """The option of the command line that stands for an argument."""

    group: str
    """The heading of the help that shows it."""
    help: str
    metavar: Optional[str] = None
    kind: str = "text"
    """How the word is read: ``text``, ``number``, ``whole number``, ``seconds``, ``text or none``, ``header``,
    ``choice``; or ``constant``: the option takes no word, and stands for `value`."""
    value: Any = None
    """The constant, or the choices."""
    flag: str = ""
    """The name, if it is not the argument's."""


class Setting(Generic[Value]):
    """The definition of one argument.

    Args:
        default: the value of an argument that is not given.
        accepted: the accepted values, for errors and for the reference.
        details: what the argument does, for the reference.
        types: the accepted types. No types: `check` looks at the type.
        valid: says whether a value of these types is accepted.
        check: more checks, given the `Settings` so far and the value; returns the value to keep.
        option: the option of the command line, or None.
    """

    name: str

    def __init__(
        self,
        default: Value,
        accepted: str,
        details: str,
        types: Tuple[Any, ...] = (),
        valid: Callable[[Any], object] = lambda value: True,
        check: Optional[Callable[[Settings, Any], Any]] = None,
        option: Optional[Option] = None,
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
        """The type of the argument, as the constructor is annotated with it."""
        return vars(self)["__orig_class__"].__args__[0]

    def __set_name__(self, owner: object, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: object) -> Setting[Value]: ...

    @overload
    def __get__(self, instance: Settings, owner: object) -> Value: ...

    def __get__(self, instance: Optional[Settings], owner: object) -> Union[Setting[Value], Value]:
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


def _checked_mode(settings: Settings, mode: Any) -> MutualAuthentication:
    return MutualAuthentication(mode)


def _is_login_path(path: Optional[str]) -> bool:
    return path is None or (PATH.fullmatch(path) is not None and "#" not in path)


def _checked_login_path(settings: Settings, path: Optional[str]) -> Optional[str]:
    if path is not None and settings.mode is MutualAuthentication.DISABLED:
        # A session would begin with cookies of which nobody knows whose they are.
        raise ValueError(
            Hint(
                "{name.login_path} is {path}; with {args.mutual_authentication:disabled} accepted is {phrase.left_out}",
                path=repr(path),
            )
        )
    return path


def _checked_jar(settings: Settings, jar: Any) -> Optional[CookieJar]:
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


def _checked_idempotent(settings: Settings, idempotent: Any) -> Any:
    is_idempotent(idempotent)  # raises TypeError
    return idempotent


def _checked_headers(settings: Settings, headers: Any) -> List[Any]:
    return checked_headers(headers)


def checked_headers(headers: Iterable[Header]) -> List[Any]:
    """Return ``headers`` as a list."""
    accepted = "a list of pairs (name, value)"
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(_wrong_type("headers", headers, accepted))
    pairs = list(headers)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(Hint("{name.headers} holds what is not a pair; accepted is {accepted}", accepted=accepted))
        name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
        if not isinstance(name, str) or not isinstance(value, (str, int)):
            raise TypeError(
                Hint(
                    "{name.headers} holds a name or a value that is not text; accepted is {accepted}",
                    accepted=accepted,
                )
            )
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(
                Hint(
                    "{name.headers} holds a name that HTTP does not allow (RFC 9110, 5.1); accepted is {accepted}",
                    accepted=accepted,
                )
            )
        if not _HEADER_VALUE.fullmatch(str(value)):
            raise ValueError(
                Hint(
                    "{name.headers} holds a value of {header} that HTTP does not allow (RFC 9110, section 5.5)",
                    header=name,
                )
            )
        if name.lower() in _OWN_HEADERS:
            raise ValueError(
                Hint("{name.headers} holds {header}, which is the transport's to set: take it out", header=name)
            )
    return pairs


def _wrong_type(name: str, value: object, accepted: str) -> Hint:
    """Return the message for an argument whose value is not shown."""
    return Hint(
        "{subject} is of type {kind}; accepted is {accepted}",
        subject=subject(name),
        kind=type(value).__name__,
        accepted=accepted,
    )


# -- the definitions --------------------------------------------------------------------------------------------------

_BOOL = "True or False"
_TEXT = (str, type(None))


class Settings:
    """The arguments of one transport, checked.

    Args:
        scheme: ``"https"`` or ``"http"``.
        arguments: the arguments by their names.

    Attributes:
        scheme: as given.
        new_ticket: makes a ticket for a service (and has the other arguments of `KerberosTicket`).
        proxies: knows the way to a server.

    Raises:
        TypeError, ValueError: an argument is wrong or unknown.
        ImportError: an argument needs a library that is not installed.
    """

    service = Setting[Optional[str]](
        None,
        SERVICE,
        "whom to get tickets for; default: ``HTTP@`` and the host of the URL.",
        _TEXT,
        lambda service: service is None or is_service(service),
        option=Option("Kerberos", "whom to get tickets for (default: HTTP@ and the host of URL)", "NAME"),
    )
    principal = Setting[Optional[str]](
        None,
        PRINCIPAL,
        "whose tickets, from the collection of credential caches; default: the default cache's.",
        _TEXT,
        lambda principal: principal is None or is_principal(principal),
        option=Option("Kerberos", "whose tickets (default: the default cache's)", "NAME"),
    )
    ccache = Setting[Optional[str]](
        None,
        STORE,
        "a credential cache of the transport's own, instead of that of the process: a path, or with a type before it "
        '(``"DIR:/path"``, ``"KEYRING:…"``). As with ``keytab``, python-gssapi is needed (extra ``gssapi``), and what '
        "the environment names is not looked at.",
        _TEXT,
        is_store,
        option=Option("Kerberos", "credential cache, in the place of KRB5CCNAME's; needs krbxmlrpc[gssapi]", "CACHE"),
    )
    keytab = Setting[Optional[str]](
        None,
        STORE,
        "a keytab by which that cache is filled and, when its tickets run out, renewed; alone it has a cache in "
        "memory. Whose tickets they are says ``principal``; by default it is who is in the cache, or first in the "
        "keytab.",
        _TEXT,
        is_store,
        option=Option("Kerberos", "keytab to get tickets with; needs krbxmlrpc[gssapi]", "FILE"),
    )
    mutual_authentication = Setting[Mode](
        MutualAuthentication.REQUIRED,
        "'required' or 'optional' or 'disabled'",
        "whether the server has to prove itself; see `MutualAuthentication`.",
        (str,),
        [mode.value for mode in MutualAuthentication].__contains__,
        _checked_mode,
        Option(
            "Kerberos",
            "whether the server has to prove itself; all but 'required', the default, count on TLS alone",
            kind="choice",
            value=[mode.value for mode in MutualAuthentication],
        ),
    )
    preemptive = Setting[bool](
        True,
        _BOOL,
        "whether a ticket goes along at once. With False a call that does not ride on a session is first sent without "
        "one, and again when the server asks for a ticket, once a connection and path: after that tickets go along "
        "there, too. A server that reads a large call to its end before it asks is sent all of it twice.",
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
        "whether the server receives a ticket with which it can act as the user.",
        (bool,),
        option=Option(
            "Kerberos", "give the server a ticket with which it can act as you", kind="constant", value=True
        ),
    )
    mechanism = Setting[Mechanism](
        "spnego",
        "'spnego' or 'krb5'",
        '``"krb5"`` is for a bare Kerberos token.',
        (str,),
        MECHANISMS.__contains__,
        option=Option("Kerberos", "'krb5' sends a bare Kerberos token", kind="choice", value=list(MECHANISMS)),
    )
    channel_bindings = Setting[ChannelBindings](
        None,
        Hint("'tls-server-end-point', or {phrase.none}"),
        "ties each ticket to the server's certificate, so that servers that demand it notice when somebody passes "
        "tokens on. It needs `cryptography` (extra ``channel-bindings``), and a certificate that is signed by RSA or "
        "ECDSA.",
        check=_checked_channel_bindings,
        option=Option(
            "Kerberos",
            "tie tickets to the server's certificate (default: none); needs krbxmlrpc[channel-bindings]",
            "tls-server-end-point",
            "text or none",
        ),
    )
    login_path = Setting[Optional[str]](
        None,
        Hint("a path like '/login/', printable ASCII without #, or {phrase.left_out}"),
        "the path of a page at which to log in before the first call, and again when the session has ended: by a GET "
        "with a ticket, whose reply has to be verified and may be a redirection, which is not followed. Calls then "
        "carry the session's cookies only.",
        _TEXT,
        _is_login_path,
        _checked_login_path,
        Option("session", "path of a page to log in at before the call", "PATH"),
    )
    cookiejar = Setting[Optional[CookieJar]](
        None,
        Hint("an http.cookiejar.CookieJar, or {phrase.left_out}"),
        "where cookies are kept; default: a jar of the transport's own, with a strict policy. A jar with a file "
        '(``MozillaCookieJar("cookies.txt")``) is loaded when the transport is built, and saved when cookies change, '
        "session cookies included, for its owner only (mode 0600). What a jar holds then is taken for sessions; other "
        "cookies go only to hosts that have proved themselves to this transport.",
        check=_checked_jar,
        option=Option(
            "session",
            "file that keeps cookies, and with them the session, for the next run; whoever can read it can act as you",
            "FILE",
        ),
    )
    timeout = Setting[Optional[float]](
        300.0,
        Hint("a number of seconds over 0 and up to {most}, or {phrase.none}", most=MAX_TIMEOUT),
        "seconds that each socket operation may take (to connect, to set up TLS, each one that sends or receives), or "
        "None: no limit.",
        (int, float, type(None)),
        lambda seconds: seconds is None or 0 < seconds <= MAX_TIMEOUT,
        option=Option(
            "connection",
            "how long each socket operation may take (default: 300, for check 30), or 'none'",
            "SECONDS",
            "seconds",
        ),
    )
    proxy = Setting[Optional[str]](
        ENVIRONMENT,
        "'environment', 'direct', None, or the URL of a proxy",
        'how to reach the server: ``"environment"``, as ``https_proxy`` and ``no_proxy`` say (or in upper case), by '
        'the rules of `urllib.request`, looked at for each new connection; ``"direct"`` or None; or the URL of a '
        'proxy, ``"http://host:port"`` (port 80 if it has none) or ``"host:port"``, to which ``no_proxy`` does not '
        "apply. A tunnel is asked of it (CONNECT), in which TLS goes on to the server itself. ``user:password@`` in "
        "front of the host, percent-encoded, goes to the proxy as it is (Basic, over plain HTTP); without, a proxy "
        "that asks for Negotiate gets a ticket for ``HTTP@`` and its own host.",
        option=Option(
            "connection",
            "http://host:port, 'direct', or 'environment', the default: as https_proxy and no_proxy say. A password in "
            "it can be seen by all users of this machine here, and not in the environment",
            "URL",
        ),
    )
    retries = Setting[int](
        0,
        f"a number from 0 to {MAX_RETRIES}",
        "how often a call is repeated where the connection fails: any call that was not sent, and of those that may "
        "have run those that are idempotent.",
        (int,),
        range(MAX_RETRIES + 1).__contains__,
        option=Option(
            "connection", "how often to try again where no connection can be made (default: 0)", "N", "whole number"
        ),
    )
    retry_interval = Setting[float](
        1.0,
        f"a number of seconds from 0 to {MAX_WAIT:.0f}",
        "seconds before the first repetition; each further wait is twice as long, up to an hour.",
        (int, float),
        lambda seconds: 0 <= seconds <= MAX_WAIT,
        option=Option(
            "connection",
            "wait before the first time; then twice as long each time (default: 1)",
            "SECONDS",
            "number",
        ),
    )
    idempotent = Setting[Idempotent](
        (),
        IDEMPOTENT,
        "which methods may run twice. ``system.multicall`` counts as itself, not as what it holds; what is fetched, as "
        "its HTTP method.",
        check=_checked_idempotent,
        option=Option(
            "connection",
            "the method may run twice: --retries is also for where it is not known whether it ran",
            kind="constant",
            value=True,
        ),
    )
    max_response_bytes = Setting[int](
        256 * 1024 * 1024,
        "a positive number of bytes",
        "bytes that a reply's body may have, as it is sent and, by itself, as it is decoded.",
        (int,),
        (0).__lt__,
        option=Option("connection", "limit for the body of a reply (default: 256 MiB)", "BYTES", "whole number"),
    )
    use_datetime = Setting[bool](
        False,
        _BOOL,
        "as in `xmlrpc.client.SafeTransport`. (``ServerProxy`` ignores its own argument of this name, and of the next "
        "three, where it is given a transport.)",
    )
    use_builtin_types = Setting[bool](False, _BOOL, "as there.")
    headers = Setting[Iterable[Header]](
        (),
        "a list of pairs (name, value)",
        "as there, to go with each request; ``Authorization`` and ``Cookie`` are not accepted.",
        check=_checked_headers,
        option=Option(
            "connection",
            "HTTP header to send as well; can be given more than once. All users of this machine can see it here",
            "'NAME: VALUE'",
            "header",
            flag="--header",
        ),
    )
    context = Setting[Optional[ssl.SSLContext]](
        None,
        "an ssl.SSLContext, or None",
        "as there; default: the system's CAs are trusted.",
        check=_checked_context,
        option=Option(
            "TLS", "certificates of the CAs to trust, in PEM, instead of this machine's", "FILE", flag="--cafile"
        ),
    )

    def __init__(self, scheme: str, arguments: Mapping[str, Any]) -> None:
        self.scheme = scheme
        for setting in definitions():
            vars(self)[setting.name] = setting.checked(self, arguments.get(setting.name, setting.default))
        unknown = sorted(arguments.keys() - vars(self).keys())
        if unknown:
            raise TypeError(f"there is no argument {unknown[0]!r}")
        self.new_ticket = ticket_maker(self.principal, self.mechanism, self.ccache, self.keytab)
        self.proxies = Proxies(self.proxy, "https_proxy" if scheme == "https" else None, self.new_ticket)

    @property
    def mode(self) -> MutualAuthentication:
        """The argument ``mutual_authentication``."""
        return MutualAuthentication(self.mutual_authentication)

    def new_retries(self) -> Retries:
        """Return the rule by which calls are repeated."""
        return Retries(self.retries, self.retry_interval, is_idempotent(self.idempotent))

    def ticket_for_servers(self) -> Callable[..., Ticket]:
        """Return the maker of tickets for servers, given a service and channel bindings."""
        mutual = self.mode is not MutualAuthentication.DISABLED
        return functools.partial(self.new_ticket, delegate=self.delegate, mutual=mutual)


def definitions() -> Iterator[Setting[Any]]:
    """Yield the definitions, in the order of the constructor's signature."""
    return (value for value in vars(Settings).values() if isinstance(value, Setting))


# -- what is derived from them ----------------------------------------------------------------------------------------


def tls_context(cafile: Optional[str] = None, any_certificate: bool = False) -> ssl.SSLContext:
    """Return a TLS context.

    Args:
        cafile: a file with the certificates of the CAs to trust, in PEM; None: those of the system.
        any_certificate: whether any certificate is taken: then TLS proves nothing.

    Raises:
        OSError: the file cannot be used.
    """
    context = ssl.create_default_context(cafile=cafile)
    if any_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def with_arguments(documented: Type[Documented]) -> Type[Documented]:
    """Fill ``{arguments}`` in the docstring of a class: the arguments, as Google's style has them."""
    if documented.__doc__:  # python -OO has none
        # Python 3.13 takes the indentation of the class out of a docstring.
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
    lines: List[str] = []
    for setting in definitions():
        default = getattr(setting.default, "value", setting.default)
        lines += fill.wrap(
            f"{setting.name}: {setting.details} Accepted: {setting.accepted}. Default: ``{default!r}``."
        )
    return "\n".join([*lines, ""])
