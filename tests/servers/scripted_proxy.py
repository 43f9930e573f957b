"""What makes a scripted server a proxy: the answers that it can give to CONNECT.

Like the other answers they are honest where nothing else is said: the ticket is a real one, and so is the tunnel.
"""

import socket
import threading
from contextlib import suppress
from typing import Callable

from krbxmlrpc.testing.loopback import Hangup, Request, send_at_once

from .scripted import Answer, Headers, accept, message, say

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"

_READ = 64 * 1024


class Tunnel:
    """Opens a tunnel to where it is asked to, and passes on what comes until one end closes.

    Args:
        reply: what it says first.

    Attributes:
        seen: what has come from the client, and what from the server.
    """

    def __init__(self, reply: bytes = OPENED) -> None:
        self._reply = reply
        self.seen: dict[str, bytes] = {"client": b"", "server": b""}

    def __call__(self, request: Request, send: Callable[[bytes], None]) -> None:
        host, _, port = request.line.split(" ")[1].rpartition(":")
        assert request.sock is not None
        with socket.create_connection((host, int(port))) as server:
            send_at_once(server)
            send(self._reply)
            back = threading.Thread(target=self._pass_on, args=("server", server, request.sock))
            back.start()
            self._pass_on("client", request.sock, server)
            back.join()
        raise Hangup

    def _pass_on(self, end: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            data = source.recv(_READ)
            while data:
                self.seen[end] += data
                target.sendall(data)
                data = source.recv(_READ)
        for sock in (source, target):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def ask(*challenges: str, headers: Headers = ()) -> Answer:
    """Answer 407, with these challenges."""
    return say(message(407, [*[("Proxy-Authenticate", challenge) for challenge in challenges], *headers], b"<html/>"))


def admit(tunnel: Answer) -> Answer:
    """Accept a ticket, then open the tunnel."""

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        accept(request.token)
        tunnel(request, send)

    return answer
