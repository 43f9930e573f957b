"""A server of our own, in threads, that answers as a test's script says: it plays the ones that misbehave.

Its honest answers are real: pykerberos' server side accepts the ticket, with the keytab that KRB5_KTNAME names.
"""

import socket
import ssl
import threading
from email.message import Message
from email.parser import BytesParser
from typing import Any, Callable, Iterable, List, NamedTuple, Optional, Tuple
from xmlrpc.client import dumps

import kerberos
import trustme

from . import kdc

Headers = Iterable[Tuple[str, str]]


class Request(NamedTuple):
    """A request that came in."""

    line: str
    headers: Message
    body: bytes
    connection: int
    """Counts the server's connections from 0."""

    @property
    def token(self) -> Optional[str]:
        """The token of its Authorization header, None without one."""
        authorization = self.headers["Authorization"]
        return None if authorization is None else str(authorization).partition(" ")[2]


class Hangup(Exception):
    """An answer that raises this closes the connection."""


Answer = Callable[[Request, Callable[[bytes], None]], None]


def values(value: Any = "an honest answer") -> bytes:
    """Return the body of a reply."""
    return dumps((value,), methodresponse=True).encode()


def message(status: int = 200, headers: Headers = (), body: bytes = b"", length: Optional[int] = None) -> bytes:
    """Return a whole reply."""
    lines = [f"HTTP/1.1 {status} so the server says", "Content-Type: text/xml"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def accept(token: Optional[str]) -> str:
    """Accept a client's ticket; return the token that answers it."""
    _, context = kerberos.authGSSServerInit("")
    kerberos.authGSSServerStep(context, token)
    answer: str = kerberos.authGSSServerResponse(context)
    return answer


def say(*replies: bytes) -> Answer:
    """Answer with these bytes, whatever was asked."""

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        for reply in replies:
            send(reply)

    return answer


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


class ScriptedServer:
    """The server. Each request is answered by the next answer of its script; when that is at its end, honestly.

    Attributes:
        requests: all requests so far.
        port: where it listens on 127.0.0.1.
    """

    def __init__(self, ca: Optional[trustme.CA], *script: Answer) -> None:
        self.requests: List[Request] = []
        self._script = list(script)
        self._context: Optional[ssl.SSLContext] = None
        if ca is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert(kdc.HOST).configure_cert(self._context)
        self._lock = threading.Lock()
        self._open: List[socket.socket] = []
        self._threads: List[threading.Thread] = []
        self._connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def play(self, *script: Answer) -> None:
        """Replace what is left of the script."""
        with self._lock:
            self._script = list(script)

    def url(self, path: str = "/xmlrpc") -> str:
        """Return a URL of the server."""
        return f"{'http' if self._context is None else 'https'}://{kdc.HOST}:{self.port}{path}"

    def __enter__(self) -> "ScriptedServer":
        self._start(self._accept)
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            closing, self._open = [self._listener, *self._open], []
        for sock in closing:
            try:
                sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        self._listener.close()

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
            with self._lock:
                self._open.append(sock)
            self._start(self._serve, sock, self._connections)
            self._connections += 1

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with sock:
                if self._context is not None:
                    with self._context.wrap_socket(sock, server_side=True) as tls:
                        with self._lock:
                            self._open.append(tls)
                        self._converse(tls, number)
                else:
                    self._converse(sock, number)
        except (OSError, Hangup):
            pass  # the client is gone, or is to be left

    def _converse(self, sock: socket.socket, number: int) -> None:
        with sock.makefile("rb") as stream:
            while True:
                line = stream.readline()
                if not line:
                    return
                head = b""
                while not head.endswith(b"\r\n\r\n") and head != b"\r\n":
                    head += stream.readline()
                headers = BytesParser().parsebytes(head, headersonly=True)
                body = stream.read(int(headers["Content-Length"] or 0))
                request = Request(line.decode().rstrip(), headers, body, number)
                with self._lock:
                    self.requests.append(request)
                    answer = self._script.pop(0) if self._script else honest()
                answer(request, sock.sendall)
