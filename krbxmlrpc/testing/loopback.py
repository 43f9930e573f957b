"""The base class of the test servers, which listen on loopback, run in threads, and leave nothing behind."""

import socket
import ssl
import threading
from email.message import Message
from email.parser import BytesParser
from typing import Any, BinaryIO, Callable, NamedTuple, Optional

import trustme

from . import kdc


class Request(NamedTuple):
    """A received request."""

    line: str
    headers: Message
    body: bytes
    connection: int
    """The number of the connection, counted from 0."""
    sock: Optional[socket.socket] = None
    """The server's end of the connection."""
    stream: Optional[BinaryIO] = None
    """The stream with the body, for an answer that does not wait for the whole body."""

    @property
    def token(self) -> Optional[str]:
        """The token in the Authorization or, for a proxy, Proxy-Authorization header. None without such a header."""
        authorization = self.headers["Authorization"] or self.headers["Proxy-Authorization"]
        return None if authorization is None else str(authorization).partition(" ")[2]

    @property
    def length(self) -> int:
        """The size of the body in bytes."""
        return int(self.headers["Content-Length"] or 0)


class Hangup(Exception):
    """Raise this while serving a connection to close the connection."""


def read_head(stream: BinaryIO) -> bytes:
    """Read the head of a message with its final empty line. Return no bytes if the stream has ended."""
    head = line = stream.readline()
    while line not in (b"\r\n", b""):
        line = stream.readline()
        head += line
    return head


def parse_headers(head: bytes) -> Message:
    """Return the headers of a head, without its first line."""
    return BytesParser().parsebytes(head.partition(b"\n")[2], headersonly=True)


def parse_request(head: bytes, connection: int) -> Request:
    """Return a request with an empty body, because only the head has been read."""
    return Request(head.partition(b"\r\n")[0].decode(), parse_headers(head), b"", connection)


def send_at_once(sock: socket.socket) -> None:
    """Let a socket send data at once. By default, it may wait some 40 ms until the peer acknowledges earlier data."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class LoopbackServer:
    """A server on 127.0.0.1. It reserves its port at once, but refuses connections until the ``with`` block begins.

    Args:
        ca: the CA that signs the server's certificate for localhost. None for a server without TLS.

    Attributes:
        port: the port of the server.
        connections: the number of accepted connections.
    """

    def __init__(self, ca: Optional[trustme.CA]) -> None:
        self._context: Optional[ssl.SSLContext] = None
        if ca is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert(kdc.HOST).configure_cert(self._context)
        self.connections = 0
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def url(self, path: str = "/xmlrpc") -> str:
        """Return a URL of the server."""
        return f"{'http' if self._context is None else 'https'}://{kdc.HOST}:{self.port}{path}"

    def __enter__(self) -> Any:
        self._listener.listen(128)
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        _wake(self._listener)
        self._threads[0].join()  # the thread of _accept; after it ends, no connection is added
        for sock in self._open:
            _wake(sock)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def is_left(self, seconds: float) -> bool:
        """Wait up to `seconds` for each connection so far. Return whether all have ended."""
        while len(self._threads) > 1:
            self._threads[-1].join(seconds)
            if self._threads[-1].is_alive():
                return False
            del self._threads[-1], self._open[-1]
        return True

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            send_at_once(sock)
            self._open.append(sock)
            self.connections += 1
            self._start(self._serve, sock, self.connections - 1)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with sock, self._opened(sock) as opened:
                self._converse(opened, number)
        except (OSError, Hangup):
            pass  # the client has gone, or the server hangs up

    def _opened(self, sock: socket.socket) -> socket.socket:
        """Return a duplicate of a socket, with TLS if the server uses TLS.

        Another thread can wake the thread of the duplicate through the original socket.
        """
        return sock.dup() if self._context is None else self._context.wrap_socket(sock.dup(), server_side=True)

    def _converse(self, sock: socket.socket, number: int) -> None:
        """Serve a connection until it ends."""
        raise NotImplementedError


def _wake(sock: socket.socket) -> None:
    """Shut down a connection or a listening socket. The shutdown wakes a thread that waits for the socket."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the connection has already ended
