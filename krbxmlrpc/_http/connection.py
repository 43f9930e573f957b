"""One HTTP(S) connection to a server, with TLS if there is a context. The module knows nothing of authentication."""

from __future__ import annotations

import enum
import functools
import math
import os
import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.client import NotConnected
from typing import (
    Any,
    Protocol,
    Union,
    runtime_checkable,
)

from .._forks import no_fork
from .._hints import Hint
from .._secrets import Secret, SecretBuffer, SecretBytes
from ..errors import CertificateRejected, HostUnknown, ServerUnreachable
from .address import Address, authority, host_header
from .fields import ONCE, field_key, joined_cookies
from .progress import Meter, Report
from .response import (
    MAX_HEAD,
    READ,
    MalformedReply,
    Response,
    is_end_without_notice,
    keep_alive_seconds,
    without_interim,
)
from .time_limits import Timed, TimeLimit, time_left, waiting_hint
from .tls import (
    Trust,
    certificate_hint,
    client_certificate_hint,
    handshake_hint,
    refuses_client_certificate,
    tls_failure,
)

KEEP_ALIVE_MARGIN = 1.0
"""Stop using an idle connection this many seconds before the server's announced idle time ends. A call must not arrive
while the server closes the connection."""

DRAIN_LIMIT = 64 * 1024
"""Read up to this many bytes of an unwanted body to keep the connection. Reading more costs more than a new
connection."""

DRAIN_SECONDS = 5.0
"""Spend at most this many seconds on an unwanted body."""

SEND_PIECE = 64 * 1024
"""Send this many bytes of a large request between two checks for an early reply."""

KEEPALIVE = (
    # Firewalls, NAT and load balancers forget a connection without traffic, some after a few minutes. (RFC 5382, REQ-5,
    # asks for 124 minutes.) A call can take longer on the server, and its reply would then never arrive.
    ("TCP_KEEPIDLE", 60),
    # A peer that is gone is noticed a minute after the first probe: it has not answered four of them.
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
)
"""Options of TCP for probes on a connection without traffic (RFC 1122, section 4.2.3.6). The first two are seconds."""

Data = Union[bytes, bytearray, memoryview]


@runtime_checkable
class Pieces(Protocol):
    """A body in pieces of about `SEND_PIECE` bytes each. The pieces may be requested more than once."""

    def __len__(self) -> int:
        """Return the total number of bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""


class State(enum.Enum):
    """The state of a connection. `Connection._enter` makes all transitions."""

    CLOSED = enum.auto()
    """The connection is not set up yet, or is closed again."""
    READY = enum.auto()
    """The connection can take a request, and no part of a request has been sent."""
    SENDING = enum.auto()
    """A part of a request, or all of it, has been sent."""
    CUT_SHORT = enum.auto()
    """The server has not taken the whole request: it replied early, or sending failed."""
    REPLYING = enum.auto()
    """The head of the reply has been read, and perhaps the body."""
    GIVEN_UP = enum.auto()
    """The connection must not be used again."""

    __hash__ = object.__hash__  # Enum's own is written in Python, and each call makes several transitions


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

    It has those methods of `http.client.HTTPConnection` that make requests, so it works with the hooks of
    `xmlrpc.client`'s transports. It sends the head and body of a small request in one piece. It never reconnects by
    itself: a ticket, or a leg of an exchange, must not go out on another connection unnoticed.

    Attributes:
        kept: whether an earlier request has used the connection.
        is_call: whether the current request is an XML-RPC call.
        debuglevel: whether `verbose` is set for the current call, or `set_debuglevel` has set a level.
        body_failed: whether the caller's pieces of the body have failed, or are wrong.
        is_disconnected: whether the connection belongs to another process; see `disconnect`.
        sock: the socket; None when the connection is closed.
        timeout: seconds that each operation on the connected socket may take; None: no limit.
        connect_timeout: seconds for the whole setup over one address of the server or proxy; None: no limit.
        limits: the time limits of the call that uses the connection. They also limit the setup.
        trust: the origin of the CAs that the context trusts.
        setup_limit: the time limit for the setup over the current address.
        report: the function that hears how much of the body of the next request has been sent, or None.
    """

    def __init__(
        self,
        address: Address,
        timeout: float | None,
        context: ssl.SSLContext | None,
        connect_timeout: float | None = None,
    ) -> None:
        self.address = address
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.limits: tuple[TimeLimit, ...] = ()
        self.trust = Trust.CONTEXT
        self.kept = False
        self.is_call = True
        self.debuglevel = self._own_debuglevel = 0
        self.body_failed = False
        self.is_disconnected = False
        self.sock: Any = None
        self._state = State.CLOSED
        self._context = context
        self._host = host_header(address, 80 if context is None else 443)
        self._where = authority(address)  # for messages
        self.setup_limit = TimeLimit(connect_timeout)
        self.report: Report | None = None
        self._poll: Any = None
        self._keep_alive: int | None = None  # idle seconds that the server announced
        self._expires = math.inf  # on the monotonic clock
        self._lines: list[str] = []
        self.head_bytes = 0  # of the last request
        self._once: dict[str, int] = {}  # maps each field of the head that HTTP allows once to its line
        self._method = ""  # of the request
        self._received = SecretBytes()  # bytes of the reply that came during the request
        self._failure: OSError | None = None  # from sending
        self._has_replied = False  # whether any byte of a reply has ever come
        self._response: Response | None = None

    def connect(self) -> None:
        """Connect, and set up TLS. If TCP fails at one address of the server, the next address is tried.

        Raises:
            ServerUnreachable: connecting or setting up TLS failed.
            CertificateRejected: the server's certificate is not valid for the server.
        """
        host, port, _ = self.address
        sock = self._open()
        try:
            if isinstance(sock, ssl.SSLSocket):
                no_fork(self._timed_setup().run, sock.do_handshake)  # OpenSSL has locks of its own
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise CertificateRejected(
                f"the certificate of {self._where} is not accepted: {error.verify_message.rstrip('.')}",
                verify_code=error.verify_code,
                verify_message=error.verify_message,
                host=host,
                hint=certificate_hint(error.verify_code, self.trust),
            ) from error
        except (OSError, ValueError) as error:
            self.close()
            raise ServerUnreachable(
                f"cannot set up TLS with {self._where}: {tls_failure(error)}",
                host=host,
                hint=handshake_hint(error, port),
            ) from error
        self.use(sock)

    def set_timeout(self, seconds: float | None) -> None:
        """Change the seconds that each operation may take, for a connection that is set up, too."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def use(self, sock: Any) -> None:
        """Use this connected socket for the connection."""
        self._enter(State.READY)
        self.sock = sock
        sock.settimeout(self.timeout)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def _open(self) -> socket.socket:
        """Return a socket that reaches the server. If the connection uses TLS, the socket is ready for TLS."""
        host, port, dns_name = self.address
        try:
            return self._open_socket(dns_name, port)
        except (OSError, ValueError) as error:
            is_default_port = port == (80 if self._context is None else 443)
            raise unreachable(error)(
                f"cannot connect to {self._where}: {error}",
                host=host,
                hint=_connect_hint(error, self._where, is_default_port),
            ) from error

    def _open_socket(self, name: str, port: int) -> socket.socket:
        """Return a connected socket, ready for the TLS handshake. If all addresses fail, raise the last error."""
        # The resolver has locks of its own.
        *others, last = no_fork(socket.getaddrinfo, name, port, type=socket.SOCK_STREAM)
        for address in others:
            with suppress(OSError, ValueError):
                return self._open_socket_at(*address)
        return self._open_socket_at(*last)

    def _open_socket_at(self, family: int, kind: int, protocol: int, _: str, where: Any) -> socket.socket:
        """Do the same as `_open_socket`, for one address."""
        self.setup_limit = TimeLimit(self.connect_timeout)
        sock = self.sock = socket.socket(family, kind, protocol)
        try:
            if self._context is not None:
                # Wrap the socket before it connects. If ssl wrapped a connected socket, and the server had already
                # closed the connection, ssl would leave the socket open, or without TLS.
                _report_ends_without_notice(self._context)
                sock = self.sock = self._context.wrap_socket(
                    sock,
                    server_hostname=self.address.host,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,
                )
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE:
                if hasattr(socket, option):  # not every platform has them all
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
            self._timed_setup().run(sock.connect, where)
            return sock
        except (OSError, ValueError):
            self.close()
            raise

    def _timed_setup(self) -> Timed:
        """Return the socket with the limits of the setup."""
        return Timed(self.sock, None, self.setup_limits)

    @property
    def setup_limits(self) -> tuple[TimeLimit, ...]:
        """The limits for each operation of the setup. ``timeout`` is for the time after it."""
        return self.setup_limit, *self.limits

    def begin(self, debuglevel: int = 0) -> None:
        """Note that a new request starts."""
        self.debuglevel = debuglevel or self._own_debuglevel
        self.body_failed = False
        if self._state is not State.CLOSED:  # if it is closed, leave it so: `send` raises an error
            self._enter(State.READY)

    @property
    def request_started(self) -> bool:
        """Whether any part of a request may have been sent since `begin`."""
        return self._state not in (State.CLOSED, State.READY)

    def _enter(self, state: State) -> None:
        """Change the state. No other method changes it. A RuntimeError means that this package has a bug."""
        before, self._state = self._state, state
        if before not in _FROM[state]:
            raise RuntimeError(f"a connection cannot become {state.name} when it is {before.name}")
        if state is State.READY:
            self.kept = self.kept or before is State.REPLYING
        if state is not State.REPLYING:
            self._response = None

    @property
    def host(self) -> str:
        """The name of the server, as in `http.client.HTTPConnection`: without brackets."""
        return self.address.host

    @property
    def port(self) -> int:
        """The TCP port of the server."""
        return self.address.port

    def set_debuglevel(self, level: int) -> None:
        """Print all requests and replies on this connection if `level` is not 0, as ``verbose`` does for one call."""
        self.debuglevel = self._own_debuglevel = level

    # -- a request ----------------------------------------------------------------------------------------------------

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        """Start the head of a request."""
        self._lines = [Secret(f"{method} {url} HTTP/1.1")]
        self._once = {}
        self._method = method
        if not skip_host:
            self.putheader("Host", self._host)
        if not skip_accept_encoding:
            self.putheader("Accept-Encoding", "identity")

    def has_header(self, name: str) -> bool:
        """Say whether the head has a header already that HTTP allows once."""
        return field_key(name) in self._once

    def putheader(self, header: Any, *values: Any) -> None:
        """Add a header line. Several values become one list, separated by commas.

        If HTTP allows the header once, it replaces an earlier one. Cookies are added to the earlier cookies.

        Raises:
            ValueError: there already is such a header that authenticates the request, or names its host.
        """
        plain = len(values) == 1 and isinstance(values[0], str)
        name, value = _text(header), values[0] if plain else Secret(", ".join(map(_text, values)))
        key = field_key(name)
        if key in self._once:
            self._replace_line(key, name, value)
            return
        if key in ONCE:
            self._once[key] = len(self._lines)
        self._lines.append(Secret(f"{name}: {value}"))

    def _replace_line(self, key: str, name: str, value: str) -> None:
        if key in ("authorization", "host"):
            raise ValueError(f"the transport itself sets the header {name}: a hook must not add another one")
        at = self._once[key]
        if key == "cookie":
            value = joined_cookies(self._lines[at].partition(": ")[2], value)
        self._lines[at] = Secret(f"{name}: {value}")

    def endheaders(self, message_body: Data | Pieces | None = None) -> None:
        """Send the head, and the body if there is one.

        Raises:
            ValueError: a header has a character that HTTP does not allow; or the pieces of the body do not add up to
                its announced length.
            OSError: sending timed out, and no reply has begun. (If sending fails otherwise, `getresponse` returns the
                server's reply, or raises the error.)
        """
        head = _encoded_head(self._lines)
        self.head_bytes = len(head)
        size, first, rest = _pieces(message_body)
        meter = Meter(self.report, size) if self.report is not None and size else None
        try:
            self.send(SecretBytes(head + first))
            if meter is not None and first:
                meter.add(len(first))
            if rest is not None:
                self._send_until_answered(rest, meter)
        except OSError as error:
            # A server that refuses the request may reply early, and then close or stop reading. Its reply says why.
            if not self.request_started or (isinstance(error, socket.timeout) and not self._poll.poll(0)):
                raise
            self._failure = error
            self._enter(State.CUT_SHORT)

    def send(self, data: Data) -> None:
        """Send bytes of a request."""
        if self.sock is None:
            raise NotConnected("the connection is closed")
        if self.limits:
            time_left(self.timeout, self.limits)  # if a limit has passed, the request must not count as sent
        self._enter(State.SENDING)
        sock = self._timed()
        sent = sock.send(data)  # nearly always sends all, and SSLSocket.sendall is slow
        if sent < len(data):
            sock.sendall(memoryview(data)[sent:])

    def _timed(self) -> Any:
        """Return the socket with the limits of the call; without limits, the socket itself, which costs nothing."""
        return Timed(self.sock, self.timeout, self.limits) if self.limits else self.sock

    def _send_until_answered(self, pieces: Iterable[Data], meter: Meter | None) -> None:
        """Send the rest of a large request. Stop when a final reply comes, because the server then reads no more."""
        ready = select.poll()
        ready.register(self.sock, select.POLLIN | select.POLLOUT)
        for piece in self._watched(pieces):
            seconds = time_left(self.timeout, self.limits)
            events = ready.poll(None if seconds is None else seconds * 1000)
            if not events:
                time_left(self.timeout, self.limits)  # raises the error of a limit that has passed
                raise socket.timeout("timed out")
            if events[0][1] != select.POLLOUT and self._has_answered():
                self._enter(State.CUT_SHORT)
                return
            self.send(piece)
            if meter is not None:
                meter.add(len(piece))

    def _watched(self, pieces: Iterable[Data]) -> Iterator[Data]:
        """Pass pieces on; note if they fail."""
        try:
            yield from pieces
        except Exception:
            self.body_failed = True
            raise

    def _has_answered(self) -> bool:
        """Say whether a final reply has begun, or the server has closed the connection."""
        data = self._read_now()
        if data is None:
            return False
        self._received = without_interim(SecretBytes(self._received + data))
        if len(self._received) > MAX_HEAD:  # a longer search for its end would take ever longer
            raise MalformedReply(f"the reply has a head of more than {MAX_HEAD} bytes")
        return not data or self._received[9:10] not in (b"", b"1")  # the first digit of the status

    def _read_now(self) -> SecretBytes | None:
        """Return the new bytes: b"" if the connection has ended, None if nothing but TLS's own messages came."""
        self.sock.settimeout(0)
        try:
            return SecretBytes(self.sock.recv(READ))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except ssl.SSLError as error:
            if is_end_without_notice(error):
                return SecretBytes()
            raise
        finally:
            self.sock.settimeout(self.timeout)

    def getresponse(self) -> Response:
        """Read the head of the reply.

        Raises:
            ServerUnreachable: the server refuses the client's certificate, and so the connection.
            OSError, MalformedReply: as from `Response.begin`; or the error of sending the request.
        """
        if self.sock is None:
            raise NotConnected("the connection is closed")
        received, self._received = self._received, SecretBytes()
        response = Response(self._timed(), self.debuglevel, received, self._method)
        try:
            response.begin()
        except (OSError, MalformedReply) as error:
            self._has_replied = self._has_replied or response.has_begun
            self._raise_if_refused(error)
            if self._failure is None:  # no variable for it: its traceback refers to this frame, and so to the transport
                raise
            self._raise_if_refused(self._failure)
            raise self._failure from None
        self._has_replied = True
        if self._state is State.CUT_SHORT:
            response.persistent = False
        self._enter(State.REPLYING)
        self._response = response
        announced = keep_alive_seconds(response.getheader("Keep-Alive", ""))
        self._keep_alive = self._keep_alive if announced is None else announced
        return response

    def _raise_if_refused(self, error: Exception) -> None:
        """Raise ServerUnreachable if the server refused the client's certificate before it replied to anything.

        In TLS 1.3 the client's handshake ends before the server has seen the client's certificate (RFC 8446, section
        2). So the refusal can come in the place of a reply, or while the client gets a ticket. The server has not
        completed the handshake then, and takes no request. The same alert can also follow a later question for the
        certificate (RFC 8446, section 4.6.2); servers ask this question before they let an application work. On a
        connection with an earlier reply, the alert is not counted as a proof.
        """
        if not self._has_replied and refuses_client_certificate(error):
            self.give_up()
            raise ServerUnreachable(
                f"cannot use TLS with {self._where}: {tls_failure(error)}",
                host=self.address.host,
                hint=client_certificate_hint(),
            ) from error

    # -- between requests ---------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Read an unwanted body to its end, within `DRAIN_LIMIT` and `DRAIN_SECONDS`, to keep the connection."""
        if self._response is not None and self._response.persistent:
            self.read_rest()

    def read_rest(self) -> bytes:
        """Read the body to its end, within `DRAIN_LIMIT` and `DRAIN_SECONDS`. Return no bytes if it does not end."""
        response = self._response
        if response is None:
            return b""
        response.read_from(Timed(self.sock, self.timeout, (*self.limits, TimeLimit(DRAIN_SECONDS))))
        body = SecretBuffer()
        try:
            while len(body) < DRAIN_LIMIT:
                data = SecretBytes(response.read1(DRAIN_LIMIT - len(body)))
                if not data:
                    break
                body += data
            self.sock.settimeout(self.timeout)
        except (OSError, MalformedReply):
            self.give_up()
            return b""
        return SecretBytes(body if response.isclosed() else b"")

    def give_up(self) -> None:
        """Prevent any further use of the connection."""
        if self._state is not State.CLOSED:
            self._enter(State.GIVEN_UP)

    def is_reusable(self) -> bool:
        """Say whether the last reply has been read to its end and the connection persists."""
        return self._response is not None and self._response.reusable

    def rest(self) -> None:
        """Note that the connection is idle from now on, and that the call with its limits has ended."""
        self._enter(State.READY)
        self.report = None
        if self.limits:
            self.limits = ()
            self.sock.settimeout(self.timeout)
        seconds = math.inf if self._keep_alive is None else self._keep_alive
        self._expires = time.monotonic() + seconds - min(KEEP_ALIVE_MARGIN, seconds / 2)

    def is_usable(self) -> bool:
        """Say whether an idle connection can take a request: it is open and not too old, and no data has come.

        Raises:
            ServerUnreachable: the server refuses the client's certificate, and so the connection.
        """
        if self.sock is None or time.monotonic() >= self._expires:
            return False
        if self._context is not None and self.sock.pending():
            return False
        if not self._poll.poll(0):
            return True
        try:
            return self._context is not None and self._read_now() is None
        except OSError as error:
            self._raise_if_refused(error)
            return False

    def certificate(self) -> bytes:
        """Return the server's certificate in DER; empty if there is no TLS."""
        return (self.sock.getpeercert(True) if self._context is not None else None) or b""

    def close(self) -> None:
        """Close the connection."""
        self._enter(State.CLOSED)
        self.report = None
        self._failure = None  # the error's traceback refers to frames, and the frames to the transport
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()

    def disconnect(self) -> None:
        """Cut this process off from the server. Another process that has the connection, too, can go on with it.

        A call may be under way on the connection, so its objects stay as they are. But the socket's descriptor becomes
        that of a pipe that nobody reads, so that each operation fails.
        """
        self.is_disconnected = True
        if self.sock is None:
            return
        try:
            ends = os.pipe()
        except OSError:  # this process has too many open files
            self.close()
            return
        os.dup2(ends[1], self.sock.fileno(), inheritable=False)
        for end in ends:
            os.close(end)


def _report_ends_without_notice(context: ssl.SSLContext) -> None:
    """Let connections report if they end without TLS's notice.

    With OpenSSL 3, older Pythons (3.9, and 3.11.2 of Debian 12) have each new context hide such ends. In newer Pythons,
    a context hides them only if its owner has set the option.
    """
    context.options &= ~(_new_context_options() & getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0))


@functools.cache
def _new_context_options() -> int:
    """Return the options of a context that nobody has changed."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).options


def _pieces(body: Data | Pieces | None) -> tuple[int, bytes, Iterable[Data] | None]:
    """Return the size of a body, the part that goes out with the head, and the rest in pieces if there is more."""
    if body is not None and not isinstance(body, (bytes, bytearray, memoryview)):
        return len(body), b"", _all_of(body)
    view = memoryview(body or b"").cast("B")
    rest = (view[start : start + SEND_PIECE] for start in range(SEND_PIECE, len(view), SEND_PIECE))
    return len(view), bytes(view[:SEND_PIECE]), rest if len(view) > SEND_PIECE else None


def _all_of(body: Pieces) -> Iterator[Data]:
    """Yield the pieces of a body, up to its announced length. The server would take any excess for another request.

    Raises:
        ValueError: the pieces are longer or shorter than announced, or cannot be read. (An OSError would mean that the
            connection failed.)
    """
    left = announced = len(body)
    try:
        for piece in body:
            left -= len(piece)
            if left < 0:
                break
            if piece:  # up to Python 3.9, ssl raises an error for an empty piece
                yield piece
    except OSError as error:
        raise ValueError(f"the body of the request cannot be read: {error}") from error
    if left:
        raise ValueError(f"the body of the request has {'less' if left > 0 else 'more'} than its {announced} bytes")


def unreachable(error: Exception) -> type[ServerUnreachable]:
    """Return the class of the error for a connection that failed with this exception."""
    return HostUnknown if isinstance(error, socket.gaierror) else ServerUnreachable


def _text(part: Any) -> str:
    return part if isinstance(part, str) else Secret(part.decode("latin-1") if isinstance(part, bytes) else part)


def _encoded_head(lines: list[str]) -> SecretBytes:
    """Return the head of a request. Raise ValueError if a line has a character that HTTP does not allow."""
    whole = Secret("".join(lines))
    try:
        if "\n" not in whole and "\r" not in whole and "\0" not in whole:
            return SecretBytes("\r\n".join([*lines, "", ""]).encode("latin-1"))
    except UnicodeEncodeError:
        pass
    # Do not show the header: it could be a secret.
    raise ValueError("a header of the request holds a line break, or another character that HTTP does not allow")


def _connect_hint(error: Exception, where: str, is_default_port: bool) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "check the host name in the URL, and this machine's DNS"
    if isinstance(error, socket.timeout):
        return Hint(
            "check that no firewall blocks the way from this machine to {server}; {waiting}",
            server=where,
            waiting=waiting_hint(error),
        )
    check = f"check the port in the URL, and that the server listens on {where}"
    if not is_default_port:
        return check
    return Hint(
        "{check}; the default port is 443 for TLS and 80 for plain HTTP: {phrase.plain_http}",
        check=check,
    )
