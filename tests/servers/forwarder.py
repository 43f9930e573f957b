"""A forwarder between client and Apache, which breaks the connection in the phase, and in the way, that a test wants.

Apart from that it is honest, and passes on what it gets: Kerberos works through it as it does without it. Each request
goes to Apache on a connection of its own, so what is broken towards the client leaves nothing behind there.
"""

import enum
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO, NamedTuple, Optional

import trustme

from krbxmlrpc.testing.loopback import (
    Hangup,
    LoopbackServer,
    Request,
    parse_headers,
    parse_request,
    read_head,
    send_at_once,
)

from . import kdc
from .apache import Apache

_READ = 64 * 1024
_DEADLINE = 60.0  # seconds within which Apache answers, and a break happens


class Phase(enum.Enum):
    """How far things have come when the connection breaks."""

    ACCEPTED = "a connection was accepted"
    HANDSHAKE = "the first message of the TLS handshake was read"
    REQUEST_HEAD = "half of a request's head has reached Apache"
    REQUEST_BODY = "a request's head and half of its body have reached Apache"
    EXECUTED = "Apache has answered a request, and nothing of it was passed on"
    REPLY_HEAD = "half of the reply's head was passed on"
    REPLY_BODY = "the reply's head and half of its body were passed on"
    IDLE = "the whole reply was passed on, and the test has called `end_idle`"


OPENING = (Phase.ACCEPTED, Phase.HANDSHAKE)
"""The phases in which there is no request yet."""


class How(enum.Enum):
    """What the client gets to see of it."""

    NOTIFIED = "TLS says that it ends, then TCP"
    FIN = "TCP says that it ends"
    RST = "TCP says that it is broken"
    SILENCE = "nothing is sent or read any more, until the forwarder stops"


class Break(NamedTuple):
    """One fault."""

    phase: Phase
    how: How


class Forwarder(LoopbackServer):
    """The forwarder. Its plan has a break for each connection or request, or None: all goes well with a request.

    A break in one of the phases `OPENING` is for a connection, any other for a request; the first of the plan waits for
    what it is for. When the plan is at its end, all goes well.

    Attributes:
        requests: the requests so far whose heads have come, without their bodies.
        breaks: how often it has broken a connection.
    """

    def __init__(self, ca: Optional[trustme.CA], apache: Apache) -> None:
        super().__init__(ca)
        self.requests: list[Request] = []
        self.breaks = 0
        self._apache_address = (kdc.HOST, apache.ports["https"])
        self._apache_context = ssl.create_default_context(cafile=apache.cafile)
        self._plan: list[Optional[Break]] = []
        self._broken = threading.Condition()
        self._idle_ends = threading.Semaphore(0)
        self._stopping = threading.Event()
        self._is_down = False

    def play(self, *plan: Optional[Break]) -> None:
        """Replace what is left of the plan."""
        with self._lock:
            self._plan = list(plan)

    @property
    def ahead(self) -> Optional[Break]:
        """What comes next in the plan."""
        with self._lock:
            return self._plan[0] if self._plan else None

    @contextmanager
    def down(self) -> Iterator[None]:
        """End all connections, and reset each new one, inside a ``with`` block."""
        self._is_down = True
        for sock in list(self._open):
            with suppress(OSError):  # some have ended before
                sock.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            self._is_down = False

    def wait(self, count: int) -> None:
        """Wait until there have been that many `breaks`.

        Apache is then through with what reached it, also where the client had no patience to see it.
        """
        with self._broken:
            if not self._broken.wait_for(lambda: self.breaks >= count, _DEADLINE):
                raise TimeoutError(f"the forwarder has broken {self.breaks} connections, not {count}")

    def end_idle(self) -> None:
        """Break a connection that is in the phase IDLE, or the next that will be.

        That it is idle only its client knows: a reply that it has not read yet would be lost when TCP breaks.
        """
        self._idle_ends.release()

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._idle_ends.release()
        super().__exit__(*error)

    # -- towards the client -------------------------------------------------------------------------------------------

    def _opened(self, sock: socket.socket) -> socket.socket:
        if self._is_down:
            _reset(sock)
            raise Hangup
        fault = self._take(opening=True)
        if fault is not None:
            if fault.phase is Phase.HANDSHAKE:
                sock.recv(_READ)
            self._break(sock, fault)
        return super()._opened(sock)

    def _converse(self, sock: socket.socket, number: int) -> None:
        with sock.makefile("rb") as stream:
            while True:
                head = read_head(stream)
                if not head:
                    return
                request = parse_request(head, number)
                self.requests.append(request)
                fault = self._take(opening=False)
                if fault is None:
                    sock.sendall(b"".join(self._ask(head + stream.read(request.length))))
                else:
                    self._break(sock, fault, self._ask_in_vain(fault.phase, head, stream, request.length))

    def _take(self, opening: bool) -> Optional[Break]:
        """Take the first of the plan, if it is for the opening of a connection, or for a request."""
        with self._lock:
            if not self._plan or opening != (self._plan[0] is not None and self._plan[0].phase in OPENING):
                return None
            return self._plan.pop(0)

    def _ask_in_vain(self, phase: Phase, head: bytes, stream: BinaryIO, length: int) -> bytes:
        """Pass on as much of a request as the phase wants; return as much of Apache's reply."""
        if phase is Phase.REQUEST_HEAD:
            return self._ask_half(_half(head))
        if phase is Phase.REQUEST_BODY:
            return self._ask_half(head + stream.read(length // 2))
        reply_head, reply_body = self._ask(head + stream.read(length))
        shown = {
            Phase.EXECUTED: b"",
            Phase.REPLY_HEAD: _half(reply_head),
            Phase.REPLY_BODY: reply_head + _half(reply_body),
            Phase.IDLE: reply_head + reply_body,
        }
        return shown[phase]

    def _break(self, sock: socket.socket, fault: Break, last: bytes = b"") -> None:
        """End a connection, without or with TLS, after some last bytes."""
        with self._broken:
            self.breaks += 1
            self._broken.notify_all()
        sock.sendall(last)
        if fault.phase is Phase.IDLE:
            self._idle_ends.acquire()
        if fault.how is How.SILENCE:
            self._stopping.wait()
        elif fault.how is How.RST:
            _reset(sock)
        else:
            if fault.how is How.NOTIFIED and isinstance(sock, ssl.SSLSocket):
                with suppress(OSError):  # the client need not say the same
                    sock.unwrap()
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(_READ):  # closed with something unread, it would be reset
                pass
        raise Hangup

    # -- towards Apache -----------------------------------------------------------------------------------------------

    def _ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request; return the head and the body of the reply, as they come."""
        with self._connect_to_apache() as apache, apache.makefile("rb") as stream:
            apache.sendall(request)
            head = read_head(stream)
            headers = parse_headers(head)
            if headers["Transfer-Encoding"]:
                return head, _read_chunks(stream)
            return head, stream.read(int(headers["Content-Length"]))

    def _ask_half(self, half: bytes) -> bytes:
        """Send a part of a request, and wait until Apache has given it up. There is no reply."""
        with self._connect_to_apache() as apache:
            apache.sendall(half)
            apache.shutdown(socket.SHUT_WR)
            while apache.recv(_READ):
                pass
        return b""

    def _connect_to_apache(self) -> socket.socket:
        sock = socket.create_connection(self._apache_address, _DEADLINE)
        send_at_once(sock)
        return self._apache_context.wrap_socket(sock, server_hostname=kdc.HOST)


def _reset(sock: socket.socket) -> None:
    """Let a connection end by RST when it is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _read_chunks(stream: BinaryIO) -> bytes:
    """Read a chunked body, as it comes."""
    chunks = b""
    while not chunks.endswith(b"\r\n0\r\n\r\n"):
        line = stream.readline()
        chunks += line + stream.read(int(line, 16) + len(b"\r\n"))
    return chunks
