"""Limits in time: the setup of a connection, and a whole call, end whatever the other side does."""

import select
import socket
import threading
from contextlib import ExitStack, contextmanager
from xmlrpc.client import ServerProxy

import pytest
from helpers import DEADLINE
from internals import KEEPALIVE, idle_connections_of
from servers.scripted import ScriptedServer
from servers.scripted_proxy import OPENED, Tunnel

from krbxmlrpc import (
    KerberosTransport,
    ServerUnreachable,
)
from krbxmlrpc.testing.loopback import Hangup

SHORT = 0.3  # seconds: a limit that has to pass
ENOUGH = 2.0  # seconds: a limit that passes in one case, and in which an honest server can do its part in the other
OFTEN = 0.01  # seconds between two bytes of a trickle


def trickle(request, send, data=b"", endless=b"x"):
    """Send some data a byte at a time, and then another byte again and again, until the client has hung up."""
    for byte in data:
        send(bytes([byte]))
        if select.select([request.sock], [], [], OFTEN)[0]:
            raise Hangup
    while endless and not select.select([request.sock], [], [], OFTEN)[0]:
        send(endless)


@pytest.fixture
def transport(server_context):
    """Make a transport: ``transport(deadline=0.3)``."""
    with ExitStack() as made:

        def make(kind=KerberosTransport, **arguments):
            if kind is KerberosTransport:
                arguments.setdefault("context", server_context)
            new = kind(**{"timeout": DEADLINE, **arguments})
            made.callback(new.close)
            return new

        yield make


# -- connect_timeout --------------------------------------------------------------------------------------------------


@contextmanager
def black_hole():
    """The address of a machine that answers nothing: the queue of its socket is full, so it drops what comes."""
    with ExitStack() as opened:
        full = opened.enter_context(socket.socket())
        full.bind(("127.0.0.2", 0))
        full.listen(0)
        try:
            while True:
                opened.enter_context(socket.create_connection(full.getsockname(), 0.2))
        except OSError:
            yield full.getsockname()


@pytest.fixture
def addresses(monkeypatch):
    """Have a name stand for these addresses: ``addresses("hub", ("127.0.0.2", 80), ("127.0.0.1", 80))``."""
    usual = socket.getaddrinfo

    def resolve(name, *places):
        found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]

        def getaddrinfo(host, *asked, **more):
            return found if host == name else usual(host, *asked, **more)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return resolve


def test_a_black_hole_costs_the_connect_timeout_only(server, transport, addresses):
    """The limit counts anew for the next address. Nothing else here ends the wait within minutes."""
    with black_hole() as nowhere:
        addresses("localhost", nowhere, nowhere, ("127.0.0.1", server.port))
        proxy = ServerProxy(server.url(), transport=transport(connect_timeout=ENOUGH))
        assert proxy.method() == "an honest answer"
        addresses("localhost", nowhere)
        proxy("transport").close()
        with pytest.raises(ServerUnreachable, match="cannot connect to .* timed out after 2 s.*connect_timeout="):
            proxy.method()
    assert len(server.requests) == 1


def test_the_timeout_is_not_for_the_setup(server, transport, addresses):
    """Were it so, the first address would not be given up before the test."""
    with black_hole() as nowhere:
        addresses("localhost", nowhere, ("127.0.0.1", server.port))
        proxy = ServerProxy(server.url(), transport=transport(timeout=None, connect_timeout=ENOUGH))
        assert proxy.method() == "an honest answer"
    (idle,) = idle_connections_of(proxy("transport"))
    assert idle.sock.gettimeout() is None


def test_a_proxy_that_is_a_black_hole(server, transport, addresses):
    with black_hole() as nowhere, ScriptedServer(None, Tunnel()) as forwarder:
        addresses("proxy.test", nowhere, ("127.0.0.1", forwarder.port))
        through = transport(connect_timeout=ENOUGH, proxy="http://proxy.test:3128")
        assert ServerProxy(server.url(), transport=through).method() == "an honest answer"
        through.close()
        addresses("proxy.test", nowhere)
        with pytest.raises(ServerUnreachable, match="to the proxy proxy.test:3128: timed out .*connect_timeout="):
            ServerProxy(server.url(), transport=through).method()


def test_a_tunnel_that_trickles_ends_in_time(server, transport):
    """Each byte comes in time for a limit of a single operation."""
    slowly = OPENED.replace(b"\r\n\r\n", b"\r\nX: ")
    with ScriptedServer(None, lambda request, send: trickle(request, send, slowly)) as forwarder:
        through = transport(connect_timeout=SHORT, proxy=f"http://localhost:{forwarder.port}")
        with pytest.raises(ServerUnreachable, match="opens no tunnel .* timed out after 0.3 s.*connect_timeout="):
            ServerProxy(server.url(), transport=through).method()
    assert server.requests == []


def test_a_tunnel_that_trickles_is_fast_enough_without_limit(server, transport):
    """The twin of the test before: the same proxy, and it opens the tunnel in the end."""

    def slowly(request, send):
        trickle(request, send, OPENED[:-1], b"")
        Tunnel(OPENED[-1:])(request, send)

    with ScriptedServer(None, slowly) as forwarder:
        through = transport(timeout=SHORT * 20, connect_timeout=None, proxy=f"http://localhost:{forwarder.port}")
        assert ServerProxy(server.url(), transport=through).method() == "an honest answer"
        through.close()


@pytest.mark.parametrize("behind_proxy", [False, True])
def test_a_handshake_that_trickles_ends_in_time(transport, behind_proxy):
    """The server sends a TLS record of 16 KB, a byte at a time."""

    class Trickling(ScriptedServer):
        def _converse(self, sock, number):
            sock.recv(1)  # a ClientHello begins
            sock.sendall(b"\x16\x03\x03\x40\x00")
            ended = threading.Event()
            while not ended.wait(OFTEN):
                sock.sendall(b"\x02")

    with ExitStack() as started:
        silent = started.enter_context(Trickling(None))
        arguments = {}
        if behind_proxy:
            forwarder = started.enter_context(ScriptedServer(None, Tunnel()))
            arguments["proxy"] = f"http://localhost:{forwarder.port}"
        with pytest.raises(ServerUnreachable, match="cannot set up TLS with .* timed out after 0.3 .*connect_timeout="):
            url = f"https://localhost:{silent.port}/"
            ServerProxy(url, transport=transport(connect_timeout=SHORT, **arguments)).method()


# -- keepalive --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behind_proxy", [False, True])
def test_connections_are_kept_alive_through_firewalls(server, transport, behind_proxy):
    with ScriptedServer(None, Tunnel()) as forwarder:
        way = f"http://localhost:{forwarder.port}" if behind_proxy else "direct"
        through = transport(proxy=way)
        ServerProxy(server.url(), transport=through).method()
        (idle,) = idle_connections_of(through)
        assert idle.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        for option, seconds in KEEPALIVE:
            assert idle.sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, option)) == seconds
        through.close()
    with socket.create_connection(("localhost", server.port)) as usual:
        assert usual.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
