"""One connection, without a server."""

import socket

import pytest

from krbxmlrpc._http.address import parse_address
from krbxmlrpc._http.connection import Connection


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
