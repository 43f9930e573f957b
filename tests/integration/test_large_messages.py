"""Large messages: sent once, read in large pieces, and held in memory no more often than by the standard transport."""

import gc
import subprocess
import sys
from xmlrpc.client import ServerProxy, dumps

import pytest
from helpers import DEADLINE
from internals import READ, Connection
from servers.scripted import ScriptedServer, accept, early, message, values

from krbxmlrpc import InsecureKerberosTransport, KerberosTransport

UPLOAD = 100_000_000
DOWNLOAD = 20_000_000

# What it prints is the peak of what it has had in memory. Both kinds of transport are loaded, and TLS set up, for both.
CLIENT = """
import ssl, sys, xmlrpc.client
from krbxmlrpc import KerberosTransport
url, cafile, which, size = sys.argv[1:]
transport = {"ours": KerberosTransport, "standard": xmlrpc.client.SafeTransport}[which]
with xmlrpc.client.ServerProxy(url, transport=transport(context=ssl.create_default_context(cafile=cafile))) as proxy:
    assert len(proxy.method("x" * int(size))) > 0
with open("/proc/self/status") as status:
    print(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


def discarding(body):
    """Return an answer with this body that reads the request without keeping it, and the list of what it counts."""
    counted = []

    @early
    def answer(request, send):
        left = request.length
        while left:
            data = request.stream.read(min(left, 1_000_000))
            if not data:
                break
            left -= len(data)
        counted.append((request.length, left, request.token is not None))
        # The standard transport has no ticket.
        proof = [("WWW-Authenticate", f"Negotiate {accept(request.token)}")] if request.token else []
        send(message(headers=proof, body=body))

    return answer, counted


@pytest.fixture
def peak(server, ca, tmp_path):
    """Give the peak of memory, in kB, of a process that makes a call: ``peak("ours", 1000)``."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def measure(which, size):
        command = [sys.executable, "-c", CLIENT, server.url(), str(tmp_path / "ca.pem"), which, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return measure


def test_a_large_upload_takes_no_more_memory_than_xmlrpc_client(server, peak):
    answer, counted = discarding(values())
    server.play(answer, answer)
    ours, standard = peak("ours", UPLOAD), peak("standard", UPLOAD)
    assert [(length > UPLOAD, left, ticket) for length, left, ticket in counted] == [(True, 0, True), (True, 0, False)]
    assert len(server.requests) == 2
    assert counted[0][0] == counted[1][0]
    assert ours <= 1.1 * standard


def test_a_large_reply_takes_no_more_memory_than_xmlrpc_client(server, peak):
    answer, _ = discarding(values("x" * DOWNLOAD))
    server.play(answer, answer)
    assert peak("ours", 1) <= 1.1 * peak("standard", 1)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_reply_is_read_in_large_pieces(user, chunked):
    asked = []  # how much, and when so much had come
    got = []

    class Counting:
        """A socket that notes how much is asked of it."""

        def __init__(self, sock):
            self._sock = sock

        def recv(self, size):
            data = self._sock.recv(size)
            asked.append((size, sum(got)))
            got.append(len(data))
            return data

        def __getattr__(self, name):
            return getattr(self._sock, name)

    class CountingConnection(Connection):
        def connect(self):
            super().connect()
            self.sock = Counting(self.sock)

    class CountingTransport(InsecureKerberosTransport):
        def make_connection(self, host):
            connection = super().make_connection(host)
            connection.__class__ = CountingConnection
            return connection

    body = values("x" * DOWNLOAD)

    def answer(request, send):
        proof = f"HTTP/1.1 200 OK\r\nWWW-Authenticate: Negotiate {accept(request.token)}\r\n"
        if chunked:
            send(f"{proof}Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        else:
            send(f"{proof}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    with ScriptedServer(None, answer) as server:
        with ServerProxy(server.url(), transport=CountingTransport()) as proxy:
            assert len(proxy.method()) == DOWNLOAD
    assert READ >= 16 * 1024
    # Less is asked for only where less than that is left.
    assert all(size == READ or before > len(body) - READ for size, before in asked)


@pytest.mark.parametrize("arguments", [{}, {"login_path": "/session"}])
def test_a_large_message_is_not_held_when_its_call_is_over(hub, hub_context, user, arguments):
    transport = KerberosTransport(context=hub_context, **arguments)
    body = dumps(("x" * 100_000,), "echo").encode()
    references = sys.getrefcount(body)
    transport.request(f"localhost:{hub.ports['https']}", "/session", body)
    gc.collect()
    assert sys.getrefcount(body) == references
    transport.close()
