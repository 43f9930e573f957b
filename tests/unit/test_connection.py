"""One connection, without a server."""

import socket
import threading
from contextlib import ExitStack, suppress

import pytest
from helpers import Clock

from krbxmlrpc._http.address import parse_address
from krbxmlrpc._http.connection import Connection
from krbxmlrpc._http.response import MAX_HEAD, MalformedReply
from krbxmlrpc._http.time_limits import Deadline, DeadlinePassed


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


class Failing:
    """A socket that takes a part of the data, or nothing, and then fails."""

    def __init__(self, sock, taken, error):
        self.fileno, self.settimeout, self.recv, self.close = sock.fileno, sock.settimeout, sock.recv, sock.close
        self._taken = taken
        self._error = error

    def send(self, data):
        if not self._taken:
            raise self._error
        return self._taken

    def sendall(self, data):
        raise self._error


@pytest.fixture
def failing():
    """Begin a request on a connection that fails; give the connection, and the other end: ``failing(5, error)``."""
    with ExitStack() as ended:

        def begin(taken, error):
            ours, theirs = socket.socketpair()
            connection = Connection(parse_address("hub", 80), 5.0, None)
            connection.use(Failing(ours, taken, error))
            ended.callback(theirs.close)
            ended.callback(connection.close)
            connection.begin()
            assert not connection.request_started
            connection.putrequest("POST", "/")
            return connection, theirs

        yield begin


@pytest.mark.parametrize("taken", [0, 5])
def test_a_request_has_started_even_if_sending_times_out(failing, taken):
    """Some of it may have arrived: then it must not pass for a call that was not sent."""
    connection, _ = failing(taken, socket.timeout("timed out"))
    with pytest.raises(socket.timeout):
        connection.endheaders(b"call")
    assert connection.request_started


@pytest.mark.parametrize("taken", [0, 5])
@pytest.mark.parametrize("error", [BrokenPipeError(), ConnectionResetError(), socket.timeout("timed out")])
def test_a_reply_counts_even_if_sending_failed(failing, taken, error):
    """It says why the server did not take the request. But the next request cannot go over the connection."""
    connection, theirs = failing(taken, error)
    theirs.sendall(b"HTTP/1.1 413 x\r\nContent-Length: 0\r\n\r\n")
    connection.endheaders(b"call")
    assert connection.request_started
    assert connection.getresponse().status == 413
    assert not connection.is_reusable()


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\r\n", "\u20ac"])
@pytest.mark.parametrize("where", ["name", "value", "method", "path"])
def test_no_character_can_break_a_head(failing, where, character):
    connection, theirs = failing(5, OSError("something is sent"))
    parts = {"method": "POST", "path": "/", "name": "X-Name", "value": "value"}
    parts[where] = f"a{character}b"
    connection.putrequest(parts["method"], parts["path"])
    connection.putheader(parts["name"], parts["value"])
    with pytest.raises(ValueError, match="a line break, or another character"):
        connection.endheaders(b"call")
    assert not connection.request_started


def test_no_request_begins_after_the_deadline():
    """Although the server has sent something, and so seems to have answered the request."""
    clock = Clock()
    connection = Connection(parse_address("hub", 80), 5.0, None)
    ours, theirs = socket.socketpair()
    connection.use(ours)
    theirs.sendall(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    for seconds in (5, 10):
        connection.limits = (Deadline(seconds, clock),)
        connection.begin()
        clock.now += 5 if seconds == 5 else 0
        connection.putrequest("POST", "/")
        if seconds == 5:
            with pytest.raises(DeadlinePassed):
                connection.endheaders(b"call")
        else:
            connection.endheaders(b"call")
        assert connection.request_started is (seconds == 10)
    for sock in (connection, theirs):
        sock.close()


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


def test_a_disconnected_connection_spares_the_other_process():
    connection = Connection(parse_address("hub", 80), 5.0, None)
    ours, theirs = socket.socketpair()
    with theirs, ours.dup() as of_the_other_process:
        connection.use(ours)
        connection.disconnect()
        assert not connection.is_usable()
        for step in (lambda: connection.send(b"call"), lambda: connection.sock.recv(1)):
            with pytest.raises(OSError):
                step()
        connection.close()
        of_the_other_process.sendall(b"call")
        assert theirs.recv(9) == b"call"


def test_a_connection_is_closed_if_it_cannot_be_disconnected(monkeypatch):
    def no_pipe():
        raise OSError(24, "Too many open files")

    connection = Connection(parse_address("hub", 80), 5.0, None)
    connection.disconnect()  # does nothing: it is not open
    ours, theirs = socket.socketpair()
    with theirs:
        connection.use(ours)
        monkeypatch.setattr("os.pipe", no_pipe)
        connection.disconnect()
        assert connection.sock is None
