"""A server for a test: XML-RPC over TLS, protected by Negotiate, on loopback, in threads of the test's process."""

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
from typing import Any, NamedTuple, Optional
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler

import trustme

from .acceptor import Accepted, Acceptor, Refused
from .loopback import Hangup, LoopbackServer
from .realm import Realm

_COOKIE = "session"
_caller: ContextVar[Optional[str]] = ContextVar("krbxmlrpc.testing.caller")


def caller() -> Optional[str]:
    """Return the principal of the current call, for example ``user@EXAMPLE.TEST``. The functions of a server call this.

    Return None if the call has neither a ticket nor a session. Such calls run only with ``anonymous=True``.

    Raises:
        LookupError: this thread does not run a call.
    """
    return _caller.get()


class Failure(enum.Enum):
    """A failure of a server at one request; see `KerberosXMLRPCServer.fail_next`."""

    NO_TOKEN = "the call runs, and its reply lacks the token that proves the server"
    BAD_TOKEN = "the call runs, and the token in its reply proves nothing"
    UNAUTHORIZED = "401: the server accepts neither a ticket nor a session, and the call does not run"
    """A transport replaces a refused ticket once. So two failures make a call with a ticket fail."""
    UNAVAILABLE = "503: the call does not run"
    HTML = "200 with a token and an HTML page: the call does not run"
    DROPPED_BEFORE = "the connection ends, and the call does not run"
    DROPPED_AFTER = "the call runs, and the connection ends without a reply"


class Logged(NamedTuple):
    """A request that a server has answered, or has left without an answer."""

    path: str
    method: Optional[str]
    """The XML-RPC method. None if no call ran."""
    user: Optional[str]
    """The authenticated principal. None if the request was not authenticated."""
    status: Optional[int]
    """The HTTP status of the reply. None if the server closed the connection instead."""
    credentials: str
    """The request's credentials, ``"ticket"``, ``"cookie"`` (a session cookie), or ``"none"``."""


class KerberosXMLRPCServer(LoopbackServer, SimpleXMLRPCDispatcher):
    """An XML-RPC server that authenticates clients with Kerberos tickets. It runs in a ``with`` block.

    Register functions as with `xmlrpc.server.SimpleXMLRPCServer`: ``register_function``, ``register_instance``,
    ``register_introspection_functions``, ``register_multicall_functions``. The functions run in the threads of the
    connections, several at a time. They get the client's principal from `caller`.

    The server answers a request without a ticket with 401 and ``WWW-Authenticate: Negotiate``. It verifies tickets with
    the realm's keytab, accepts each ticket once, and answers with the token that proves the server's identity. It
    accepts SPNEGO tokens and bare Kerberos tokens, and keeps connections open. Any number of servers, of any realms,
    can run at the same time.

    Args:
        realm: the realm of the service. It has to run as long as the server does.
        path: the path for calls.
        sessions: whether a ticket begins a session. The session's cookie then authenticates later calls, as with
            ``GssapiUseSessions`` of mod_auth_gssapi.
        login_path: the path of a login page that accepts tickets and begins sessions. Calls then need a session, and
            the server does not offer Negotiate for them.
        anonymous: with ``login_path``, whether calls without a session also run.
        keytab: the keytab with the keys of the service. The default is the realm's.
        allow_none: whether arguments and results may be None, as for `xmlrpc.server.SimpleXMLRPCServer`.
        use_builtin_types: whether dates and binary data arrive as `datetime.datetime` and `bytes`, as for
            `xmlrpc.server.SimpleXMLRPCServer`.

    Attributes:
        context: a TLS context for clients. It trusts only this server.
        cafile: the path of the CA's certificate. The file exists while the ``with`` block lasts.
        requests: all requests so far. A client that has received a reply finds its request in this list.

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
            raise ValueError("anonymous=True needs login_path: without login_path, every call has to authenticate")
        if login_path is not None and sessions:
            raise ValueError("sessions=True cannot be used with login_path: the login page begins the sessions")
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
        self.requests: list[Logged] = []
        self._ca = ca
        self._cookie_path = path if sessions else None if login_path is None else "/"
        self._sessions: dict[str, str] = {}
        self._failures: list[Failure] = []

    def url(self, path: Optional[str] = None) -> str:
        """Return the URL for calls, or the URL of another path."""
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

    # -- for tests ----------------------------------------------------------------------------------------------------

    def end_sessions(self) -> None:
        """End all sessions, so that their cookies no longer authenticate anybody."""
        with self._lock:
            self._sessions.clear()

    def fail_next(self, failure: Failure, count: int = 1) -> None:
        """Make the next calls and logins fail that the server would accept. Failures added earlier happen first.

        Requests that the server refuses anyway do not count. An example is a first request without a ticket.

        Args:
            failure: the failure.
            count: the number of requests that fail.
        """
        with self._lock:
            self._failures += [failure] * count

    # -- for connections ----------------------------------------------------------------------------------------------

    def _accept_ticket(self, token: str) -> Accepted:
        """Accept a ticket once. Raise `Refused` if the ticket is not acceptable."""
        return self._acceptor.accept(token)

    def _begin_session(self, user: str) -> Optional[str]:
        """Begin a session for a user, and return its Set-Cookie header. Return None if the server has no sessions."""
        if self._cookie_path is None:
            return None
        value = secrets.token_hex()
        with self._lock:
            self._sessions[value] = user
        return f"{_COOKIE}={value}; Path={self._cookie_path}; HttpOnly; Secure"

    def _session_user(self, cookie: Optional[str]) -> Optional[str]:
        """Return the user of the session with this cookie. Return None if there is no such session."""
        with self._lock:
            return None if cookie is None else self._sessions.get(cookie)

    def _take_failure(self) -> Optional[Failure]:
        """Remove and return the failure for the current request, if there is one."""
        with self._lock:
            return self._failures.pop(0) if self._failures else None

    def _log(self, request: Logged) -> None:
        """Add a request to `requests`."""
        with self._lock:
            self.requests.append(request)

    def _converse(self, sock: Any, number: int) -> None:
        _Handler(sock, ("127.0.0.1", self.port), self)  # type: ignore[arg-type]


class _Handler(SimpleXMLRPCRequestHandler):
    """Serves one connection: authenticates the requests, and leaves the calls to the base class."""

    protocol_version = "HTTP/1.1"
    server: KerberosXMLRPCServer  # type: ignore[assignment]

    # the state of the current request
    _is_login: bool
    _negotiates: bool
    _headers: list[tuple[str, str]]
    _user: Optional[str]
    _method: Optional[str]
    _failure: Optional[Failure]

    def handle_one_request(self) -> None:
        """Serve the next request. Clear the state first, because the base class may refuse the request by itself."""
        self.path, self.headers = "", HTTPMessage()
        self._headers, self._user, self._method, self._failure = [], None, None, None
        super().handle_one_request()

    def do_GET(self) -> None:  # noqa: N802  # the name is http.server's
        """Answer a GET. Only a login page accepts one."""
        self._answer()

    def do_POST(self) -> None:  # noqa: N802
        """Answer a POST, which is a call or a login."""
        self._answer()

    def _answer(self) -> None:
        page = self.path.partition("?")[0]
        self._is_login = page == self.server.login_path
        self._negotiates = self._is_login or self.server.login_path is None
        if self._length() is None:
            self.close_connection = True  # the start of the next request is unknown
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
        """Return the size of the body in bytes, or None if it is unknown. A GET needs no Content-Length."""
        length = self.headers.get("Content-Length", "0" if self.command == "GET" else "")
        known = length.isascii() and length.isdecimal() and "Transfer-Encoding" not in self.headers
        return int(length) if known else None

    # -- authentication -----------------------------------------------------------------------------------------------

    def _is_let_in(self) -> bool:
        """Authenticate the request. If it is not authorized, refuse it and return False."""
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

    # -- failures -----------------------------------------------------------------------------------------------------

    def _fails(self) -> bool:
        """Start the failure that a test has asked for. Return False if the call still has to run."""
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
        """Reply without running a call. Read the request's body first, so that the connection stays usable."""
        self.rfile.read(self._length() or 0)
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page.encode())

    def is_rpc_path_valid(self) -> bool:
        """Return True, because the path has already been checked."""
        return True

    def _dispatch(self, method: str, params: tuple[Any, ...]) -> Any:
        """Run a call. The base class calls this method."""
        self._method = method
        _caller.set(self._user)  # nothing else runs in this thread
        return self.server._dispatch(method, params)

    def send_response(self, code: int, message: Optional[str] = None) -> None:
        """Begin a reply. This is the last moment to drop the connection."""
        if self._failure is Failure.DROPPED_AFTER:
            self._drop()
        super().send_response(code, message)

    def end_headers(self) -> None:
        """Add the headers that prove the server's identity and begin a session."""
        for name, value in self._headers:
            self.send_header(name, value)
        super().end_headers()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Log the request before the reply is sent, so that a client with the reply finds the request in the log."""
        self._log(int(code))

    def _log(self, status: Optional[int]) -> None:
        brought = "none" if self._cookie() is None else "cookie"
        brought = brought if self.headers["Authorization"] is None else "ticket"
        self.server._log(Logged(self.path, self._method, self._user, status, brought))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing."""


def _spoilt(challenge: str) -> str:
    """Return a challenge with one bit of its token flipped, in the checksum at the end."""
    scheme, _, token = challenge.partition(" ")
    data = bytearray(base64.b64decode(token))
    data[-1] ^= 1
    return f"{scheme} {base64.b64encode(data).decode()}"
