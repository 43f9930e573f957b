"""One HTTP(S) connection to a server, with TLS if there is a context. It does not know how calls authenticate."""

from __future__ import annotations

import enum
import math
import select
import socket
import ssl
import time
from contextlib import suppress
from http.client import NotConnected
from typing import (
    Any,
    Iterable,
    Iterator,
    List,
    Optional,
    Protocol,
    Tuple,
    Union,
    runtime_checkable,
)

from .._forks import no_fork
from .._hints import Hint
from ..errors import CertificateRejected, ServerUnreachable
from .address import Address, authority, host_header
from .response import READ, MalformedReply, Response, keep_alive_seconds, without_interim

KEEP_ALIVE_MARGIN = 1.0
"""Seconds before the end of the idle time that a server announced from which on its connection is not used: a call
must not arrive when it is just closing."""

DRAIN_LIMIT = 64 * 1024
"""How many bytes of an unwanted body are read to keep the connection; more than that costs more than a new one."""

DRAIN_SECONDS = 5.0
"""How long to wait for an unwanted body."""

SEND_PIECE = 64 * 1024
"""Bytes of a large request that are sent between two looks at whether the server has answered already."""

# Of OpenSSL's x509_vfy.h.
_WRONG_TIME = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED
_SELF_SIGNED = 18  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
_WRONG_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH

Data = Union[bytes, bytearray, memoryview]


@runtime_checkable
class Pieces(Protocol):
    """A body in pieces, of some `SEND_PIECE` each, which may be asked for more than once."""

    def __len__(self) -> int:
        """Return how many bytes there are in all."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield them."""


class State(enum.Enum):
    """The state of a connection. `Connection._enter` makes all transitions."""

    CLOSED = enum.auto()
    """There is no socket: the connection is not open yet, or has been closed."""
    READY = enum.auto()
    """The connection can take a request, and nothing of one has left."""
    SENDING = enum.auto()
    """A part of a request, or all of it, has left."""
    CUT_SHORT = enum.auto()
    """The server has not taken all of the request: it answered early, or sending failed."""
    REPLYING = enum.auto()
    """The head of the reply has been read, and perhaps the body."""
    GIVEN_UP = enum.auto()
    """The connection must not be used again."""


_FROM = {
    State.CLOSED: frozenset(State),
    State.READY: frozenset({State.CLOSED, State.READY, State.REPLYING}),
    State.SENDING: frozenset({State.READY, State.SENDING}),
    State.CUT_SHORT: frozenset({State.SENDING}),
    State.REPLYING: frozenset({State.SENDING, State.CUT_SHORT}),
    State.GIVEN_UP: frozenset(State) - {State.CLOSED},
}
"""The states from which each state can be reached."""


class Connection:
    """A connection to one server, with TLS if there is a context.

    It has the methods of `http.client.HTTPConnection` by which requests are made, so the hooks of `xmlrpc.client`'s
    transports find what they know. Head and body of a small request leave in one piece. It never reconnects by itself:
    a ticket, or a leg of an exchange, must not go out on another connection unnoticed.

    Attributes:
        kept: whether an earlier request has used it.
        debuglevel: whether `verbose` was asked for the call that it is used for.
        sock: the socket; None when it is not connected.
        timeout: seconds that each socket operation may take.
    """

    def __init__(self, address: Address, timeout: Optional[float], context: Optional[ssl.SSLContext]) -> None:
        self.address = address
        self.timeout = timeout
        self.kept = False
        self.debuglevel = 0
        self.sock: Any = None
        self._state = State.CLOSED
        self._context = context
        self._host = host_header(address, 80 if context is None else 443)
        self._where = authority(address)  # for messages
        self._poll: Any = None
        self._keep_alive: Optional[int] = None  # seconds that the server keeps it when it is idle, if it says so
        self._expires = math.inf  # on the monotonic clock
        self._lines: List[str] = []
        self._method = ""  # of the request
        self._received = b""  # of the reply, while the request was being sent
        self._failure: Optional[OSError] = None  # of sending
        self._response: Optional[Response] = None

    def connect(self) -> None:
        """Connect, and set up TLS; each step may take the timeout.

        Raises:
            ServerUnreachable: it cannot be done.
            CertificateRejected: the server's certificate is not good for it.
        """
        host, port, _ = self.address
        sock = self._open()
        try:
            if isinstance(sock, ssl.SSLSocket):
                with no_fork:  # OpenSSL has locks of its own
                    sock.do_handshake()
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise CertificateRejected(
                f"the certificate of {self._where} is not accepted: {error.verify_message.rstrip('.')}",
                verify_code=error.verify_code,
                verify_message=error.verify_message,
                host=host,
                hint=_certificate_hint(error.verify_code),
            ) from error
        except (OSError, ValueError) as error:
            self.close()
            plain = getattr(error, "reason", None) == "WRONG_VERSION_NUMBER"
            raise ServerUnreachable(
                f"cannot set up TLS with {self._where}: {'it does not speak TLS: ' if plain else ''}{error}",
                host=host,
                hint=f"port {port} speaks something else, plain HTTP most often: check the port in the URL; where it "
                "names none it is 443"
                if plain
                else f"check that port {port} speaks TLS, in a version and with the ciphers that this machine allows",
            ) from error
        self.use(sock)

    def use(self, sock: Any) -> None:
        """Make this connected socket the connection's."""
        self._enter(State.READY)
        self.sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def _open(self) -> socket.socket:
        """Return a socket that ends at the server, ready for TLS if there is to be any."""
        host, port, dns_name = self.address
        try:
            return self._open_socket(dns_name, port)
        except (OSError, ValueError) as error:
            raise ServerUnreachable(
                f"cannot connect to {self._where}: {error}", host=host, hint=_connect_hint(error, self._where)
            ) from error

    def _open_socket(self, name: str, port: int) -> socket.socket:
        """Return a connected socket, ready for TLS if there is to be any; raise what the last address raised."""
        with no_fork:  # and so has the resolver
            *others, last = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        for address in others:
            with suppress(OSError, ValueError):
                return self._open_socket_at(*address)
        return self._open_socket_at(*last)

    def _open_socket_at(self, family: int, kind: int, protocol: int, _: str, where: Any) -> socket.socket:
        """Return what `_open_socket` does, for one address."""
        sock = self.sock = socket.socket(family, kind, protocol)
        try:
            if self._context is not None:
                # Before it is connected: one that is closed again at once, ssl would leave open, or without TLS.
                sock = self.sock = self._context.wrap_socket(
                    sock, server_hostname=self.address.host, do_handshake_on_connect=False
                )
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(self.timeout)
            sock.connect(where)
            return sock
        except (OSError, ValueError):
            self.close()
            raise

    def begin(self, debuglevel: int = 0) -> None:
        """Note that a new request starts."""
        self.debuglevel = debuglevel
        if self._state is not State.CLOSED:  # then to send is an error
            self._enter(State.READY)

    @property
    def request_started(self) -> bool:
        """Whether anything of a request has left since `begin`."""
        return self._state not in (State.CLOSED, State.READY)

    def _enter(self, state: State) -> None:
        """Change the state; nothing else does. A RuntimeError means that this package has a mistake."""
        before, self._state = self._state, state
        if before not in _FROM[state]:
            raise RuntimeError(f"a connection cannot become {state.name} when it is {before.name}")
        if state is State.READY:
            self.kept = self.kept or before is State.REPLYING
        if state is not State.REPLYING:
            self._response = None

    # -- a request ----------------------------------------------------------------------------------------------------

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        """Start the head of a request."""
        self._lines = [f"{method} {url} HTTP/1.1"]
        self._method = method
        if not skip_host:
            self._lines.append(f"Host: {self._host}")
        if not skip_accept_encoding:
            self._lines.append("Accept-Encoding: identity")

    def putheader(self, header: Any, *values: Any) -> None:
        """Add a header line; several values make a list."""
        if len(values) != 1 or not isinstance(header, str) or not isinstance(values[0], str):
            parts = [part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in (header, *values)]
            header, values = parts[0], (", ".join(parts[1:]),)
        self._lines.append(f"{header}: {values[0]}")

    def endheaders(self, message_body: Union[Data, Pieces, None] = None) -> None:
        """Send the head, and the body if there is one.

        Raises:
            ValueError: a header has what no header can have; the pieces of the body are not what it announced.
            OSError: it cannot be sent, and the server has not said why.
        """
        head = _encoded_head(self._lines)
        first, rest = _pieces(message_body)
        try:
            self.send(head + first)
            if rest is not None:
                self._send_until_answered(rest)
        except OSError as error:
            # A server that does not want all of it may answer, and close or stop reading: then its answer says why.
            if isinstance(error, socket.timeout) and not self._poll.poll(0):
                raise
            self._failure = error
            self._enter(State.CUT_SHORT)

    def send(self, data: Data) -> None:
        """Send bytes of a request."""
        if self.sock is None:
            raise NotConnected("the connection is closed")
        self._enter(State.SENDING)
        sent = self.sock.send(data)  # nearly always all of it, and SSLSocket.sendall takes its time
        if sent < len(data):
            self.sock.sendall(memoryview(data)[sent:])

    def _send_until_answered(self, pieces: Iterable[Data]) -> None:
        """Send the rest of a large request, as long as no final reply comes: that ends what there is to be read."""
        ready = select.poll()
        ready.register(self.sock, select.POLLIN | select.POLLOUT)
        patience = None if self.timeout is None else self.timeout * 1000
        for piece in pieces:
            events = ready.poll(patience)
            if not events:
                raise socket.timeout("timed out")
            if events[0][1] != select.POLLOUT and self._has_answered():
                self._enter(State.CUT_SHORT)
                return
            self.send(piece)

    def _has_answered(self) -> bool:
        """Say whether what has come begins a final reply, or is the end."""
        data = self._read_now()
        if data is None:
            return False
        self._received = without_interim(self._received + data)
        return not data or self._received[9:10] not in (b"", b"1")  # the first digit of the status

    def _read_now(self) -> Optional[bytes]:
        """Return what has come, nothing at the end of the connection, and None where it was only TLS's own."""
        self.sock.settimeout(0)
        try:
            return self.sock.recv(READ)  # type: ignore[no-any-return]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        finally:
            self.sock.settimeout(self.timeout)

    def getresponse(self) -> Response:
        """Read the head of the reply to the request that was sent; errors as of `Response.begin`, or of sending it."""
        if self.sock is None:
            raise NotConnected("the connection is closed")
        received, self._received = self._received, b""
        response = Response(self.sock, self.debuglevel, received, self._method)
        try:
            response.begin()
        except (OSError, MalformedReply):
            if self._failure is None:
                raise
            raise self._failure from None
        if self._state is State.CUT_SHORT:
            response.persistent = False
        self._enter(State.REPLYING)
        self._response = response
        announced = keep_alive_seconds(response.getheader("Keep-Alive", ""))
        self._keep_alive = self._keep_alive if announced is None else announced
        return response

    # -- between requests ---------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Read an unwanted body to its end, within bounds."""
        response = self._response
        if response is None or not response.persistent:
            return
        response.read_from(_UntilDeadline(self.sock, self.timeout, time.monotonic() + DRAIN_SECONDS))
        left = DRAIN_LIMIT
        try:
            while left > 0:
                data = response.read(left)
                if not data:
                    break
                left -= len(data)
            self.sock.settimeout(self.timeout)
        except (OSError, MalformedReply):
            self.give_up()

    def give_up(self) -> None:
        """See to it that the connection is not used again."""
        if self._state is not State.CLOSED:
            self._enter(State.GIVEN_UP)

    def is_reusable(self) -> bool:
        """Say whether the last reply has been read to its end, and the connection persists."""
        return self._response is not None and self._response.reusable

    def rest(self) -> None:
        """Note that the connection is idle from now on."""
        self._enter(State.READY)
        seconds = math.inf if self._keep_alive is None else self._keep_alive
        self._expires = time.monotonic() + seconds - min(KEEP_ALIVE_MARGIN, seconds / 2)

    def is_usable(self) -> bool:
        """Say whether an idle connection can take a request: it is open, and nothing has come that nobody asked for."""
        if self.sock is None or time.monotonic() >= self._expires:
            return False
        if self._context is not None and self.sock.pending():
            return False
        if not self._poll.poll(0):
            return True
        try:
            return self._context is not None and self._read_now() is None
        except OSError:
            return False

    def certificate(self) -> bytes:
        """Return the server's certificate, in DER; empty where there is no TLS."""
        return (self.sock.getpeercert(True) if self._context is not None else None) or b""

    def close(self) -> None:
        """Close it."""
        self._enter(State.CLOSED)
        self._failure = None  # it holds frames, and with them the transport
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()


class _UntilDeadline:
    """A socket from which nothing is received after a deadline, however little comes at a time."""

    def __init__(self, sock: Any, timeout: Optional[float], deadline: float) -> None:
        self._sock = sock
        self._timeout = timeout
        self._deadline = deadline

    def recv(self, size: int) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        data: bytes = self._sock.recv(size)
        return data


def _pieces(body: Union[Data, Pieces, None]) -> Tuple[bytes, Optional[Iterable[Data]]]:
    """Return what of a body is sent together with the head, and the rest in pieces, where there is more."""
    if body is not None and not isinstance(body, (bytes, bytearray, memoryview)):
        return b"", _all_of(body)
    view = memoryview(body or b"").cast("B")
    rest = (view[start : start + SEND_PIECE] for start in range(SEND_PIECE, len(view), SEND_PIECE))
    return bytes(view[:SEND_PIECE]), rest if len(view) > SEND_PIECE else None


def _all_of(body: Pieces) -> Iterator[Data]:
    """Yield the pieces of a body. What is more than it announced, the server would take for another request.

    Raises:
        ValueError: they are more or less than it announced, or cannot be read (an OSError is the connection's).
    """
    left = announced = len(body)
    try:
        for piece in body:
            left -= len(piece)
            if left < 0:
                break
            if piece:  # to send nothing is an error for ssl, up to Python 3.9
                yield piece
    except OSError as error:
        raise ValueError(f"the body of the request cannot be read: {error}") from error
    if left:
        raise ValueError(f"the body of the request has {'less' if left > 0 else 'more'} than its {announced} bytes")


def _encoded_head(lines: List[str]) -> bytes:
    """Return the head of a request; ValueError where a line is not one line."""
    whole = "".join(lines)
    try:
        if "\n" not in whole and "\r" not in whole and "\0" not in whole:
            return "\r\n".join([*lines, "", ""]).encode("latin-1")
    except UnicodeEncodeError:
        pass
    # Not shown: it could be a secret.
    raise ValueError("a header of the request holds a line break, or another character that HTTP does not allow")


def _connect_hint(error: Exception, where: str) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "check the host name in the URL, and this machine's DNS"
    if isinstance(error, socket.timeout):
        return Hint(
            "check that no firewall stands between this machine and {server}; {args.timeout} sets how long to wait",
            server=where,
        )
    return f"check the port in the URL, and that the server listens on {where}"


def _certificate_hint(code: int) -> str:
    """Return what to do about a certificate, by OpenSSL's number for what is wrong with it."""
    if code in _WRONG_TIME:
        return "the server needs a new certificate, if this machine's clock is right"
    if code in _WRONG_NAME:
        return Hint(
            "call the server by a name that is in its certificate; if it goes by another in Kerberos, pass that with "
            "{args.service}"
        )
    if code == _SELF_SIGNED:
        return Hint(
            "the server signed it itself: have its operator give you that very certificate, and pass {phrase.cafile} "
            "with it"
        )
    return Hint(
        "if you trust the CA that signed it, pass {phrase.cafile} with that CA's certificate; proxies that look into "
        "TLS sign with one of their own; or the server leaves out a certificate between its own and the CA's"
    )
