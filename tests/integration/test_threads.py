"""Threads: many share one proxy, and each gets its own answer."""

import threading
from http.client import CannotSendRequest
from xmlrpc.client import SafeTransport, ServerProxy, Transport, loads

import pytest
from helpers import DEADLINE, Threads, in_threads
from internals import idle_connections
from servers.scripted import ScriptedServer, message, values

from krbxmlrpc import InsecureKerberosTransport, KerberosTransport

THREADS = 16


@pytest.mark.parametrize(
    "path, arguments, calls",
    [
        ("/xmlrpc", {}, 25),
        ("/xmlrpc", {"preemptive": False}, 10),
        ("/session", {}, 100),
        ("/session", {"login_path": "/session"}, 50),
    ],
)
def test_each_of_many_threads_gets_its_own_answers(call_hub, user, path, arguments, calls):
    proxy = call_hub(path, **arguments)

    def call(number):
        return [proxy.echo([number, count, "x" * (number * 100)]) for count in range(calls)] + [proxy.whoami()]

    expected = [[[number, count, "x" * (number * 100)] for count in range(calls)] + [user] for number in range(THREADS)]
    assert in_threads(*[lambda number=number: call(number) for number in range(THREADS)]) == expected
    assert 1 <= len(idle_connections(proxy)) <= THREADS


def echo(request, send):
    """Answer with what came, without authentication: the standard transport has none."""
    (value,), _ = loads(request.body)
    send(message(body=values(value)))


def a_call_while_another_is_under_way(server, proxy):
    """Make a call while another thread waits for its answer; return what came of it, and of that other one."""
    arrived, over = threading.Event(), threading.Event()

    def held(request, send):
        arrived.set()
        assert over.wait(DEADLINE)
        echo(request, send)

    server.play(held, echo)
    first = Threads(lambda: proxy.method("first"))
    try:
        assert arrived.wait(DEADLINE)
        return proxy.method("second"), first
    finally:
        over.set()
        first.join()


@pytest.mark.parametrize("tls", [True, False])
def test_overlapping_calls_fail_only_with_standard_transports(ca, server_context, user, tls):
    options = {"context": server_context} if tls else {}
    with ScriptedServer(ca if tls else None) as server:
        ours = (KerberosTransport if tls else InsecureKerberosTransport)(mutual_authentication="disabled", **options)
        with ServerProxy(server.url(), transport=ours) as proxy:
            answer, first = a_call_while_another_is_under_way(server, proxy)
            assert (answer, first.results()) == ("second", ["first"])
        with ServerProxy(server.url(), transport=(SafeTransport if tls else Transport)(**options)) as proxy:
            with pytest.raises(CannotSendRequest):
                a_call_while_another_is_under_way(server, proxy)
    assert len(server.requests) == 3  # the fourth never left


def test_connections_outlive_the_threads_that_opened_them(call_server, server):
    proxy = call_server()
    for _ in range(5):
        in_threads(proxy.method)
    assert {request.connection for request in server.requests} == {0}
