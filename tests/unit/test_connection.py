"""One connection, without a server."""

import socket
import threading
from contextlib import ExitStack, suppress

import pytest

from krbxmlrpc._http.address import parse_address
from krbxmlrpc._http.connection import Connection
from krbxmlrpc._http.response import MAX_HEAD, MalformedReply


def test_a_send_error_is_raised_and_not_kept_after_close():
    """What it failed by holds frames, and with them a transport."""
    connection = Connection(parse_address("hub", 80), 5.0, None)
    ours, other = socket.socketpair()
    connection.use(ours)
    other.close()
    connection.putrequest("POST", "/")
    connection.endheaders(b"call")
    with pytest.raises(BrokenPipeError):
        connection.getresponse()
    connection.close()
    assert connection._failure is None


@pytest.fixture
def upload():
    """Send a request of 32 MB to a server that sends some bytes while it reads: ``connection = upload(early)``."""
    with ExitStack() as ended:

        def send(early):
            connection = Connection(parse_address("hub", 80), 20.0, None)
            ours, theirs = socket.socketpair()
            connection.use(ours)

            def read():
                left = 2**25
                with suppress(OSError):
                    while left > 0:
                        left -= len(theirs.recv(2**20)) or left

            def answer():
                with suppress(OSError):
                    theirs.sendall(early)
                    reader.join(20)
                    theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

            reader, writer = (threading.Thread(target=work, daemon=True) for work in (read, answer))
            for thread in (reader, writer):
                thread.start()
                ended.callback(thread.join, 20)
            ended.callback(theirs.close)
            ended.callback(connection.close)
            connection.begin()
            connection.putrequest("POST", "/")
            connection.endheaders(bytes(2**25))
            return connection

        yield send


def test_an_interim_head_during_an_upload_is_passed_over(upload):
    early = b"HTTP/1.1 100 Continue\r\n" + b"X: y\r\n" * 100 + b"\r\n"
    assert upload(early).getresponse().status == 200


def test_an_interim_head_without_end_ends_an_upload(upload):
    with pytest.raises(MalformedReply, match=f"a head of more than {MAX_HEAD} bytes"):
        upload(b"HTTP/1.1 100 Continue\r\n" + b"X: y\r\n" * 100_000)
