"""A server of our own, in threads, that answers as a test's script says: it plays the ones that misbehave.

Its honest answers are real: pykerberos' server side accepts the ticket, with the keytab that KRB5_KTNAME names.
"""

import socket
import ssl
import struct
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable, Optional
from xmlrpc.client import dumps

import trustme

from krbxmlrpc.testing import acceptor
from krbxmlrpc.testing.loopback import Hangup, LoopbackServer, Request, parse_request, read_head

Headers = Iterable[tuple[str, str]]
Answer = Callable[[Request, Callable[[bytes], None]], None]


def values(value: Any = "an honest answer") -> bytes:
    """Return the body of a reply."""
    return dumps((value,), methodresponse=True).encode()


def message(
    status: int = 200,
    headers: Headers = (),
    body: bytes = b"",
    length: Optional[int] = None,
    content_type: Optional[str] = "text/xml",
) -> bytes:
    """Return a whole reply."""
    lines = [f"HTTP/1.1 {status} so the server says"]
    lines += [] if content_type is None else [f"Content-Type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def accept(token: Optional[str]) -> str:
    """Accept a client's ticket; return the token that answers it, an empty one where the client wants none."""
    return acceptor.accept(token or "").token or ""


def say(*replies: bytes) -> Answer:
    """Answer with these bytes, whatever was asked."""

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        for reply in replies:
            send(reply)

    return answer


def hang_up(request: Request, send: Callable[[bytes], None]) -> None:
    """Close the connection, without an answer."""
    raise Hangup


def early(answer: Answer) -> Answer:
    """Have an answer given before the body has been read; it may read of it from the request's stream."""
    answer.early = True  # type: ignore[attr-defined]
    return answer


def break_off(sock: socket.socket) -> None:
    """End a connection without TLS's notice, as anybody on the network path can."""
    sock.shutdown(socket.SHUT_WR)


def take_leave(sock: socket.socket) -> None:
    """End a connection with TLS's notice (close_notify)."""
    if isinstance(sock, ssl.SSLSocket):
        with suppress(OSError):  # the client sends no notice
            sock.unwrap()


def reset(sock: socket.socket) -> None:
    """End a connection by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def honest(
    alter: Callable[[str], str] = lambda token: token,
    status: int = 200,
    headers: Headers = (),
    body: bytes = values(),
    **options: Any,
) -> Answer:
    """Accept the ticket and answer with a token, after it was altered."""

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        proof = ("WWW-Authenticate", f"Negotiate {alter(accept(request.token))}")
        send(message(status, [proof, *headers], body, **options))

    return answer


def to_the_end(body: bytes, end: Callable[[socket.socket], None] = break_off, headers: Headers = ()) -> Answer:
    """Accept the ticket, and announce no length: the body ends with the connection, and that ends by `end`."""

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        lines = ["HTTP/1.1 200 OK", f"WWW-Authenticate: Negotiate {accept(request.token)}", "Content-Type: text/xml"]
        lines += [f"{name}: {value}" for name, value in headers]
        send("\r\n".join([*lines, "", ""]).encode() + body)
        assert request.sock is not None
        end(request.sock)
        raise Hangup

    return answer


class ScriptedServer(LoopbackServer):
    """The server. Each request is answered by the next answer of its script; when that is at its end, honestly.

    An answer that raises `Hangup` closes the connection.

    Attributes:
        requests: all requests so far.
        otherwise: what answers when the script is at its end.
        played: the answers of the script so far.
        is_tls: whether the server speaks TLS.
    """

    _started: "weakref.WeakSet[ScriptedServer]" = weakref.WeakSet()

    def __init__(self, ca: Optional[trustme.CA], *script: Answer) -> None:
        super().__init__(ca)
        self.requests: list[Request] = []
        self.otherwise = honest()
        self.played: list[Answer] = []
        self.is_tls = ca is not None
        self._script = list(script)
        self._started.add(self)

    @classmethod
    def running(cls) -> "list[ScriptedServer]":
        """Return the servers that have not been stopped."""
        return list(cls._started)

    @contextmanager
    def again(self, script: list[Answer]) -> Iterator[None]:
        """Play other answers inside a ``with`` block, and then forget the requests that came there."""
        before, known, played = self._script, len(self.requests), len(self.played)
        self.play(*script)
        yield
        self.play(*before)
        del self.requests[known:], self.played[played:]

    def play(self, *script: Answer) -> None:
        """Replace what is left of the script."""
        with self._lock:
            self._script = list(script)

    def _converse(self, sock: socket.socket, number: int) -> None:
        with sock.makefile("rb") as stream:
            while True:
                head = read_head(stream)
                if not head:
                    return
                request = parse_request(head, number)._replace(sock=sock, stream=stream)
                with self._lock:
                    answer = self._script.pop(0) if self._script else self.otherwise
                    self.played.append(answer)
                if not hasattr(answer, "early"):
                    request = request._replace(body=stream.read(request.length))
                with self._lock:
                    self.requests.append(request)
                answer(request, sock.sendall)
