"""A server for a test: XML-RPC over TLS, protected by Negotiate, on loopback, in threads of the test's own process."""

import base64
import enum
import secrets
import ssl
import tempfile
from contextlib import ExitStack
from contextvars import ContextVar
from http.client import HTTPMessage
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import trustme

from .acceptor import Accepted, Acceptor, Refused
from .loopback import Hangup, LoopbackServer
from .realm import Realm

_COOKIE = "session"
_caller: ContextVar[Optional[str]] = ContextVar("krbxmlrpc.testing.caller")


def caller() -> Optional[str]:
    """Return the principal whose call is run, for example ``user@EXAMPLE.TEST``: for the functions of a server.

    None: it was let in without ticket and session, by ``anonymous=True``.

    Raises:
        LookupError: no call is run in this thread.
    """
    return _caller.get()


class Failure(enum.Enum):
    """What a server can do wrong, once; see `KerberosXMLRPCServer.fail_next`."""

    NO_TOKEN = "the call runs, and its reply lacks the token that proves the server"
    BAD_TOKEN = "the call runs, and the token in its reply proves nothing"
    UNAUTHORIZED = "401: neither ticket nor session is taken, and the call does not run"
    UNAVAILABLE = "503: the call does not run"
    HTML = "200, with a token and a page in HTML: the call does not run"
    DROPPED_BEFORE = "the connection ends, and the call does not run"
    DROPPED_AFTER = "the call runs, and the connection ends without a reply"


class Logged(NamedTuple):
    """A request that a server has answered, or left without an answer."""

    path: str
    method: Optional[str]
    """The XML-RPC method; None where no call was run."""
    user: Optional[str]
    """The principal who was let in; None where nobody was."""
    status: Optional[int]
    """The HTTP status of the reply; None where the connection was ended instead."""
    credentials: str
    """What it brought along, ``"ticket"``, ``"cookie"`` (that of a session), or ``"none"``."""


class KerberosXMLRPCServer(LoopbackServer, SimpleXMLRPCDispatcher):
    """An XML-RPC server, in a ``with`` block, that lets in who has a ticket.

    Functions are registered as with `xmlrpc.server.SimpleXMLRPCServer`: ``register_function``, ``register_instance``,
    ``register_introspection_functions``, ``register_multicall_functions``. They run in the threads of the connections,
    several at a time, and find out by `caller` who has called.

    Without a ticket it answers 401 and ``WWW-Authenticate: Negotiate``. A ticket is accepted for real, once, with the
    realm's keytab, and answered with the token that proves the server; SPNEGO and bare Kerberos tokens are taken.
    Connections are kept. Any number of servers, of any realms, can be in use at the same time.

    Args:
        realm: where it is a service; it has to run as long as the server does.
        path: where it answers calls.
        sessions: whether a ticket begins a session, whose cookie lets in the calls that follow, as it does with
            ``GssapiUseSessions`` of mod_auth_gssapi.
        login_path: a page that takes tickets and begins sessions. Then the calls need a session, and Negotiate is not
            offered for them.
        anonymous: with ``login_path``, whether calls without a session run, too.
        keytab: with the keys of its service; default: the realm's.
        allow_none: whether None may be an argument and a result, as for `xmlrpc.server.SimpleXMLRPCServer`.
        use_builtin_types: whether dates and binary come as `datetime.datetime` and `bytes`, as there.

    Attributes:
        context: a TLS context for clients, which trusts the server and no other.
        cafile: the CA's certificate as a file, while the ``with`` block lasts.
        requests: all requests so far; a client that has its reply finds its request there.

    Raises:
        ValueError: arguments contradict each other.
    """

    def __init__(
        self,
        realm: Realm,
        *,
        path: str = "/xmlrpc",
        sessions: bool = False,
        login_path: Optional[str] = None,
        anonymous: bool = False,
        keytab: Optional[str] = None,
        allow_none: bool = True,
        use_builtin_types: bool = False,
    ) -> None:
        if login_path is None and anonymous:
            raise ValueError("anonymous=True: only with login_path, for without it nothing is open")
        if login_path is not None and sessions:
            raise ValueError("sessions=True: not with login_path, which begins sessions of its own")
        self._environment = {**realm.environment, **({} if keytab is None else {"KRB5_KTNAME": keytab})}
        ca = trustme.CA()
        LoopbackServer.__init__(self, ca)
        SimpleXMLRPCDispatcher.__init__(self, allow_none=allow_none, use_builtin_types=use_builtin_types)
        self.path = path
        self.login_path = login_path
        self.anonymous = anonymous
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ca.configure_trust(self.context)
        self.cafile = ""
        self.requests: List[Logged] = []
        self._ca = ca
        self._cookie_path = path if sessions else None if login_path is None else "/"
        self._sessions: Dict[str, str] = {}
        self._failures: List[Failure] = []

    def url(self, path: Optional[str] = None) -> str:
        """Return the URL for calls, or that of another path."""
        return super().url(self.path if path is None else path)

    def __enter__(self) -> "KerberosXMLRPCServer":
        with ExitStack() as started:
            started.callback(self._listener.close)
            folder = started.enter_context(tempfile.TemporaryDirectory(prefix="krbxmlrpc-server-"))
            self.cafile = str(Path(folder) / "ca.pem")
            self._ca.cert_pem.write_to_path(self.cafile)
            self._acceptor = Acceptor(self._environment)
            started.callback(self._acceptor.close)
            super().__enter__()
            self._started = started.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._started.close()

    # -- what a test does beside calling ------------------------------------------------------------------------------

    def end_sessions(self) -> None:
        """End all sessions: their cookies let nobody in any more."""
        with self._lock:
            self._sessions.clear()

    def fail_next(self, failure: Failure, count: int = 1) -> None:
        """Fail at the next requests that bring along what lets them in, calls or logins, after what is to fail before.

        Requests that are refused anyway, as those are that come to ask what the server wants, do not count.
        """
        with self._lock:
            self._failures += [failure] * count

    # -- what the connections do --------------------------------------------------------------------------------------

    def _accept_ticket(self, token: str) -> Accepted:
        """Accept a ticket, once; raise `Refused` where that cannot be."""
        return self._acceptor.accept(token)

    def _begin_session(self, user: str) -> Optional[str]:
        """Begin a session for somebody; return the Set-Cookie that says so, None where there are none."""
        if self._cookie_path is None:
            return None
        value = secrets.token_hex()
        with self._lock:
            self._sessions[value] = user
        return f"{_COOKIE}={value}; Path={self._cookie_path}; HttpOnly; Secure"

    def _session_user(self, cookie: Optional[str]) -> Optional[str]:
        """Return whose session this cookie is of, None where it is of none."""
        with self._lock:
            return None if cookie is None else self._sessions.get(cookie)

    def _take_failure(self) -> Optional[Failure]:
        """Return what is to fail at the request that is about to be let in."""
        with self._lock:
            return self._failures.pop(0) if self._failures else None

    def _log(self, request: Logged) -> None:
        """Add to `requests`."""
        with self._lock:
            self.requests.append(request)

    def _converse(self, sock: Any, number: int) -> None:
        _Handler(sock, ("127.0.0.1", self.port), self)  # type: ignore[arg-type]


class _Handler(SimpleXMLRPCRequestHandler):
    """Serves one connection: decides who is let in, and leaves the call itself to the base class."""

    protocol_version = "HTTP/1.1"
    server: KerberosXMLRPCServer  # type: ignore[assignment]

    # of the request that is answered
    _is_login: bool
    _negotiates: bool
    _headers: List[Tuple[str, str]]
    _user: Optional[str]
    _method: Optional[str]
    _failure: Optional[Failure]

    def handle_one_request(self) -> None:
        """Serve the next request; what the base class refuses by itself has nothing of the one before."""
        self.path, self.headers = "", HTTPMessage()
        self._headers, self._user, self._method, self._failure = [], None, None, None
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer a GET: only a login page is for that."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST: a call, or a login."""
        self._answer()

    def _answer(self) -> None:
        page = self.path.partition("?")[0]
        self._is_login = page == self.server.login_path
        self._negotiates = self._is_login or self.server.login_path is None
        if self._length() is None:
            self.close_connection = True  # where the next request begins cannot be known
            self._reply(411)
        elif page != self.server.path and not self._is_login:
            self._reply(404)
        elif self._is_let_in() and not self._fails():
            self._serve()

    def _serve(self) -> None:
        if self._is_login:
            self._reply(200, "<html>You are logged in.</html>")
        elif self.command != "POST":
            self._reply(405)
        else:
            super().do_POST()

    def _length(self) -> Optional[int]:
        """Return how many bytes the body has; None where that cannot be known. A GET need not have one."""
        length = self.headers.get("Content-Length", "0" if self.command == "GET" else "")
        known = length.isascii() and length.isdecimal() and "Transfer-Encoding" not in self.headers
        return int(length) if known else None

    # -- who is let in ------------------------------------------------------------------------------------------------

    def _is_let_in(self) -> bool:
        """Say whether the request brings along what lets it in; if not, it is refused here."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if self._negotiates and scheme.lower() == "negotiate":
            self._take_ticket(token.strip())
        elif not self._is_login:
            self._user = self.server._session_user(self._cookie())
        if self._user is None and (self._negotiates or not self.server.anonymous):
            self._refuse()
            return False
        return True

    def _take_ticket(self, token: str) -> None:
        try:
            self._user, proof = self.server._accept_ticket(token)
        except Refused:
            return
        if proof is not None:
            self._headers.append(("WWW-Authenticate", f"Negotiate {proof}"))
        cookie = self.server._begin_session(self._user)
        if cookie is not None:
            self._headers.append(("Set-Cookie", cookie))

    def _cookie(self) -> Optional[str]:
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return None
        return cookies[_COOKIE].value if _COOKIE in cookies else None

    def _refuse(self) -> None:
        self._user = None
        self._headers = [("WWW-Authenticate", "Negotiate")] if self._negotiates else []
        self._reply(401)

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def _fails(self) -> bool:
        """Fail as a test wants it to; say whether that is all. If not, the call is run first."""
        self._failure = failure = self.server._take_failure()
        if failure in (Failure.NO_TOKEN, Failure.BAD_TOKEN):
            proof = [_spoilt(value) for name, value in self._headers if name == "WWW-Authenticate"]
            self._headers = [header for header in self._headers if header[0] != "WWW-Authenticate"]
            self._headers += [("WWW-Authenticate", value) for value in proof if failure is Failure.BAD_TOKEN]
        elif failure is Failure.UNAUTHORIZED:
            self._refuse()
        elif failure is Failure.UNAVAILABLE:
            self._reply(503)
        elif failure is Failure.HTML:
            self._reply(200, "<html>This is not XML-RPC.</html>")
        elif failure is Failure.DROPPED_BEFORE:
            self._drop()
        return failure in (Failure.UNAUTHORIZED, Failure.UNAVAILABLE, Failure.HTML)

    def _drop(self) -> None:
        self._log(None)
        raise Hangup

    # -- the reply ----------------------------------------------------------------------------------------------------

    def _reply(self, status: int, page: str = "") -> None:
        """Reply without running a call. What the request has for a body is read first: the connection goes on."""
        self.rfile.read(self._length() or 0)
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

    def is_rpc_path_valid(self) -> bool:
        """Say that the path is one for calls: that has been looked at."""
        return True

    def _dispatch(self, method: str, params: Tuple[Any, ...]) -> Any:
        """Run a call, for the base class."""
        self._method = method
        _caller.set(self._user)  # nothing else runs in this thread
        return self.server._dispatch(method, params)

    def send_response(self, code: int, message: Optional[str] = None) -> None:
        """Begin a reply: the last moment in which the connection can be dropped."""
        if self._failure is Failure.DROPPED_AFTER:
            self._drop()
        super().send_response(code, message)

    def end_headers(self) -> None:
        """Add what proves the server, and begins a session."""
        for name, value in self._headers:
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Log the request, before its reply leaves: a client that has it finds the request in the log."""
        self._log(int(code))

    def _log(self, status: Optional[int]) -> None:
        brought = "none" if self._cookie() is None else "cookie"
        brought = brought if self.headers["Authorization"] is None else "ticket"
        self.server._log(Logged(self.path, self._method, self._user, status, brought))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""


def _spoilt(challenge: str) -> str:
    """Return a challenge with a token of which a bit is another: that of the checksum at its end."""
    scheme, _, token = challenge.partition(" ")
    data = bytearray(base64.b64decode(token))
    data[-1] ^= 1
    return f"{scheme} {base64.b64encode(data).decode()}"
