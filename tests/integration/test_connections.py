"""Connections: kept, checked before they are used again, bounded, and closed, whatever the server does meanwhile."""

import os
import socket
import struct
import threading
from xmlrpc.client import ServerProxy

import pytest
from helpers import DEADLINE, Threads, descriptors, in_threads, wait_until_readable
from internals import (
    LOOK_AFTER,
    MAX_IDLE,
    SEND_PIECE,
    Connection,
    idle_connections,
    limit_idle,
    make_next_ticket,
    open_connections,
    replace_clock,
    send_at_once,
)
from servers.scripted import ScriptedServer, early, honest, message, values

from krbxmlrpc import CallOutcomeUnknown, InsecureKerberosTransport, KerberosTransport, UnexpectedStatus
from krbxmlrpc.testing.loopback import Hangup

LARGE = 20_000_000


class Clock:
    """Takes the place of the module `time`, as far as connections look at it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock that connections see."""
    clock = Clock()
    replace_clock(monkeypatch, clock)
    return clock


@pytest.fixture(params=["TLS", "plain"])
def talk(request, ca, server_context, user):
    """A scripted server and a proxy for it, as ``talk.server`` and ``talk.proxy``, with TLS and without."""

    class Talk:
        """Both ends."""

    tls = request.param == "TLS"
    with ScriptedServer(ca if tls else None) as server:
        Talk.server = server
        Talk.options = {"timeout": DEADLINE, **({"context": server_context} if tls else {})}
        Talk.transport = KerberosTransport if tls else InsecureKerberosTransport
        with ServerProxy(server.url(), transport=Talk.transport(**Talk.options)) as Talk.proxy:
            yield Talk


def used(server):
    """Return which connection each request to a scripted server came by."""
    return [request.connection for request in server.requests]


# -- Keep-Alive -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "announced, idle, kept",
    [
        ("timeout=5", 3.9, True),
        ("timeout=5", 4.0, False),  # a second before the server closes it
        ("timeout=5, max=100", 4.1, False),
        ("max=100, Timeout = 5", 4.1, False),
        ('max="1";timeout="5"', 4.1, False),
        ("timeout=1", 0.4, True),
        ("timeout=1", 0.5, False),
        ("timeout=0", 0.0, False),
        ("timeout=00005", 4.1, False),
        # What says nothing about the time:
        (None, 1e6, True),
        ("", 1e6, True),
        ("max=5", 1e6, True),
        ("timeout", 1e6, True),
        ("timeout=", 1e6, True),
        ("timeout=-5", 1e6, True),
        ("timeout=five", 1e6, True),
        ("timeout=5e3", 1e6, True),
        ("notimeout=5", 1e6, True),
        (f"timeout={'9' * 5000}", 1e6, True),
    ],
)
def test_a_connection_is_not_used_beyond_its_announced_timeout(call_server, server, clock, announced, idle, kept):
    server.play(honest(headers=[] if announced is None else [("Keep-Alive", announced)]))
    proxy = call_server()
    proxy.method()
    clock.now += idle
    assert proxy.method() == "an honest answer"
    assert used(server) == [0, 0 if kept else 1]
    assert "connections=1" in repr(proxy("transport"))


def test_the_last_announced_timeout_counts_from_the_last_call(call_server, server, clock):
    server.play(honest(headers=[("Keep-Alive", "timeout=10")]), honest(headers=[("Keep-Alive", "timeout=5")]), honest())
    proxy = call_server()
    for seconds in (8.0, 3.0, 3.0, 8.0, 0.0):
        proxy.method()
        clock.now += seconds
    assert used(server) == [0, 0, 0, 0, 1]
    asked = [request.headers["Connection"] for request in server.requests]
    assert asked == ["keep-alive", None, None, None, "keep-alive"]  # once a connection


def test_apache_announces_its_time_to_us(call_hub, hub, case, clock):
    """KeepAliveTimeout is 60 in hub.conf."""
    proxy = call_hub()
    assert proxy.header("Connection") == "keep-alive"
    for idle in (58.0, 59.0):
        clock.now += idle
        proxy.whoami()
    assert sorted(line.earlier for line in hub.logged(case, 3)) == [0, 0, 1]


# -- how many ---------------------------------------------------------------------------------------------------------


def all_there(parties):
    """Return an answer that is given when so many requests wait for one."""
    barrier = threading.Barrier(parties)

    def answer(request, send):
        barrier.wait(DEADLINE)
        honest()(request, send)

    return answer


def test_so_many_stay_idle_and_not_more(call_server, server):
    callers = MAX_IDLE + 8
    server.play(*[all_there(callers)] * callers)
    proxy = call_server()
    assert in_threads(*[proxy.method] * callers) == ["an honest answer"] * callers
    assert sorted(used(server)) == list(range(callers))
    assert f"connections={MAX_IDLE}>" in repr(proxy("transport"))
    assert all(connection.is_usable() for connection in idle_connections(proxy))
    assert len(open_connections(proxy("transport"))) == MAX_IDLE  # the others are closed, not forgotten
    assert proxy.method() == "an honest answer"
    assert used(server)[-1] < callers
    proxy("close")()
    assert "connections=0>" in repr(proxy("transport"))


def test_simultaneous_releases_do_not_exceed_the_pool_limit(call_server, server, monkeypatch):
    """Each is held just where it has seen that there is room for one more."""
    together = threading.Barrier(3)
    rest = Connection.rest

    def rest_together(connection):
        together.wait(DEADLINE)
        rest(connection)

    limit_idle(monkeypatch, 1)
    monkeypatch.setattr(Connection, "rest", rest_together)
    server.play(*[all_there(3)] * 3)
    proxy = call_server()
    in_threads(*[proxy.method] * 3)
    assert "connections=1>" in repr(proxy("transport"))


# -- what the server does to idle ones --------------------------------------------------------------------------------


def close_at_the_server(server, *connections):
    """Close the scripted server's ends of connections, and wait until that has come."""
    ends = {request.sock.getpeername()[1]: request.sock.fileno() for request in server.requests}
    # Duplicates: TLS's state, and the time to close, is the server's threads' own.
    plain = [socket.socket(fileno=os.dup(ends[connection.sock.getsockname()[1]])) for connection in connections]
    for connection, sock in zip(connections, plain):
        with sock:
            sock.shutdown(socket.SHUT_RDWR)
        wait_until_readable(connection)


def assert_is_dropped(talk, idle):
    """Make a call, and see that it did not use this connection, which is unfit."""
    assert talk.proxy.method() == "an honest answer"
    assert idle.sock is None
    assert used(talk.server) == [0, 1]
    assert "connections=1>" in repr(talk.proxy("transport"))


def test_an_idle_connection_that_the_server_ends_is_dropped(talk):
    talk.proxy.method()
    (idle,) = idle_connections(talk.proxy)
    close_at_the_server(talk.server, idle)
    assert_is_dropped(talk, idle)


@pytest.mark.parametrize("words", [message(408), b"?"])
def test_an_idle_connection_with_unasked_data_is_dropped(talk, words):
    answered = threading.Event()

    def answer(request, send):
        honest()(request, send)
        assert answered.wait(DEADLINE)
        send(words)

    talk.server.play(answer)
    talk.proxy.method()
    (idle,) = idle_connections(talk.proxy)
    answered.set()
    wait_until_readable(idle)
    assert_is_dropped(talk, idle)


def test_idle_connections_that_the_server_closed_do_not_pile_up(talk, clock):
    """One call at a time uses the last one only: the others get their turn all the same, after some time."""
    talk.server.play(*[all_there(5)] * 5)
    in_threads(*[talk.proxy.method] * 5)
    *others, last = idle_connections(talk.proxy)
    close_at_the_server(talk.server, *others)
    clock.now += LOOK_AFTER
    left = []
    for _ in range(6):
        talk.proxy.method()
        left.append(len(idle_connections(talk.proxy)))
    assert left == [4, 3, 2, 1, 1, 1]
    assert idle_connections(talk.proxy) == [last]
    assert all(idle.sock is None for idle in others)
    assert len(set(used(talk.server)[5:])) == 1


def test_those_that_are_still_open_stay(talk, clock):
    talk.server.play(*[all_there(3)] * 3)
    in_threads(*[talk.proxy.method] * 3)
    before = idle_connections(talk.proxy)
    for _ in range(6):
        clock.now += LOOK_AFTER
        talk.proxy.method()
    assert idle_connections(talk.proxy) == before


# -- close() ----------------------------------------------------------------------------------------------------------


def test_close_during_a_call_lets_it_have_its_answer(talk):
    arrived, closed = threading.Event(), threading.Event()

    def answer(request, send):
        arrived.set()
        assert closed.wait(DEADLINE)
        honest()(request, send)

    talk.server.play(honest(), answer)
    assert talk.proxy.method() == "an honest answer"
    (connection,) = idle_connections(talk.proxy)
    call = Threads(talk.proxy.method)
    assert arrived.wait(DEADLINE)
    talk.proxy("close")()
    assert connection.sock is not None  # the call's
    closed.set()
    assert call.results() == ["an honest answer"]
    assert "connections=0>" in repr(talk.proxy("transport"))
    assert connection.sock is None
    assert talk.proxy.method() == "an honest answer"
    assert used(talk.server) == [0, 0, 1]
    assert "connections=1>" in repr(talk.proxy("transport"))


@pytest.mark.parametrize("method", ["is_reusable", "rest", "is_usable"])
@pytest.mark.parametrize("before", [True, False])
def test_close_at_any_moment_of_a_release_leaves_nothing_open(talk, monkeypatch, clock, method, before):
    """Another thread's close() can come between any two steps: here it comes around each of them."""
    original = getattr(Connection, method)
    armed = []

    def close_around(connection):
        if armed and before:
            armed.pop()()
        result = original(connection)
        if armed:
            armed.pop()()
        return result

    def answer(request, send):
        clock.now += LOOK_AFTER  # so that the oldest is looked at
        armed.append(talk.proxy("close"))
        honest()(request, send)

    monkeypatch.setattr(Connection, method, close_around)
    talk.server.play(*[all_there(2)] * 2, answer)
    in_threads(*[talk.proxy.method] * 2)
    connections = idle_connections(talk.proxy)
    assert len(connections) == 2
    talk.proxy.method()
    assert armed == []
    assert "connections=0>" in repr(talk.proxy("transport"))
    assert [connection.sock for connection in connections] == [None, None]
    assert talk.proxy.method() == "an honest answer"


def test_close_during_calls_breaks_none_and_leaves_nothing_open(call_hub):
    proxy = call_hub("/session")
    proxy.whoami()
    proxy("close")()
    before = descriptors()

    def echo(number):
        return [proxy.echo([number, count]) for count in range(40)]

    callers = Threads(*[lambda number=number: echo(number) for number in range(8)])
    while callers.are_alive():
        proxy("close")()
    assert callers.results() == [[[number, count] for count in range(40)] for number in range(8)]
    proxy("close")()
    assert "connections=0>" in repr(proxy("transport"))
    assert len(descriptors()) == len(before)
    assert not open_connections(proxy("transport"))


# -- an answer that comes before all of the request has left ----------------------------------------------------------


def stop_reading(request):
    """End the connection with what has come of the body unread: the system resets it."""


def linger(request):
    """Say that nothing more comes, and read the rest, as a careful server does."""
    request.sock.shutdown(socket.SHUT_WR)
    assert sum(iter(lambda: len(request.sock.recv(1_000_000)), 0)) < LARGE - 2 * SEND_PIECE


def reset(request):
    """Reset the connection at once."""
    request.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def read_on(request):
    """Wait for the rest of the body, as a server does that would keep the connection: it must not come."""
    assert len(request.stream.read(request.length - 2 * SEND_PIECE)) < LARGE - 2 * SEND_PIECE


def answer_early(reply, end):
    """Answer when a little of the body has been read, and end the connection."""

    @early
    def answer(request, send):
        request.stream.read(2 * SEND_PIECE)
        send(reply)
        end(request)
        raise Hangup

    return answer


@pytest.mark.parametrize("end", [linger, read_on, stop_reading, reset])
def test_an_early_refusal_is_the_answer(talk, end):
    talk.server.play(answer_early(message(413), end))
    # Where the server resets the connection, the system may lose what it had said before.
    lost = (CallOutcomeUnknown,) * (end not in (linger, read_on))
    with pytest.raises((UnexpectedStatus, *lost)) as caught:
        talk.proxy.method("x" * LARGE)
    assert getattr(caught.value, "errcode", 413) == 413
    assert "connections=0>" in repr(talk.proxy("transport"))
    assert talk.proxy.method() == "an honest answer"
    assert used(talk.server) == [0, 1]


def test_an_early_refusal_counts_if_the_server_then_stalls(talk, monkeypatch):
    """It neither reads nor closes, so what is to be sent waits in vain."""
    send_at_once(monkeypatch, LARGE)  # it has begun to be sent when the answer comes
    over = threading.Event()

    @early
    def answer(request, send):
        request.stream.read(2 * SEND_PIECE)
        send(message(413))
        assert over.wait(DEADLINE)
        raise Hangup

    talk.server.play(answer)
    try:
        with ServerProxy(talk.server.url(), transport=talk.transport(**{**talk.options, "timeout": 2.0})) as proxy:
            with pytest.raises(UnexpectedStatus) as caught:
                proxy.method("x" * LARGE)
        assert caught.value.errcode == 413
    finally:
        over.set()


def test_a_server_that_stops_reading_ends_in_a_timeout(talk):
    over = threading.Event()

    @early
    def answer(request, send):
        assert over.wait(DEADLINE)
        raise Hangup

    talk.server.play(answer)
    try:
        with ServerProxy(talk.server.url(), transport=talk.transport(**{**talk.options, "timeout": 2.0})) as proxy:
            with pytest.raises(CallOutcomeUnknown, match="timed out"):
                proxy.method("x" * LARGE)
    finally:
        over.set()


@pytest.mark.parametrize("end", [linger, read_on, stop_reading])
def test_an_early_challenge_gets_the_ticket_and_the_whole_body(talk, end):
    talk.server.play(answer_early(message(401, [("WWW-Authenticate", "Negotiate")]), end))
    with ServerProxy(talk.server.url(), transport=talk.transport(preemptive=False, **talk.options)) as proxy:
        try:
            assert proxy.method("x" * LARGE) == "an honest answer"
        except CallOutcomeUnknown:
            assert end is stop_reading
            return
    assert used(talk.server) == [0, 1]
    assert [bool(request.token) for request in talk.server.requests] == [False, True]
    assert len(talk.server.requests[1].body) > LARGE


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 102 Processing\r\n\r\n"],
        [b"HTTP/1.1 ", b"100 Continue\r\n\r\n"],
        [b"H", b"TTP/1.1 10", b"3 Early Hints\r\nLink: <x>\r\n", b"\r\n"],
    ],
)
def test_an_interim_reply_does_not_end_an_upload(talk, pieces):
    got = []

    @early
    def answer(request, send):
        left = request.length
        for piece in pieces:
            send(piece)
            got.append(len(request.stream.read(4_000_000)))  # it has been seen before all of this could come
        got.append(len(request.stream.read(left - sum(got))))
        honest()(request, send)

    talk.server.play(answer)
    assert talk.proxy.method("x" * LARGE) == "an honest answer"
    assert sum(got) > LARGE
    assert talk.proxy.method() == "an honest answer"
    assert used(talk.server) == [0, 0]  # nothing has happened that would speak against the connection


def test_apache_refuses_early_what_is_too_large(call_hub, hub, case):
    proxy = call_hub("/limited")
    with pytest.raises(UnexpectedStatus) as caught:
        proxy.echo("x" * LARGE)
    assert caught.value.errcode == 413
    assert proxy.echo("small") == "small"
    assert sorted(line.status for line in hub.logged(case, 2)) == [200, 413]


@pytest.mark.parametrize("preemptive, statuses", [(True, [200]), (False, [200, 401])])
def test_apache_gets_a_large_message_with_a_ticket(call_hub, hub, case, preemptive, statuses):
    text = os.urandom(2_000_000).hex()
    assert call_hub(preemptive=preemptive).echo(text) == text
    assert sorted(line.status for line in hub.logged(case, len(statuses))) == statuses


@pytest.mark.parametrize("talks", [True, False], ids=["it has said too much", "it is about to be closed"])
def test_a_connection_that_went_bad_during_a_ticket_is_dropped(call_server, server, clock, talks):
    asked, said = threading.Event(), threading.Event()

    def say_more(request, send):
        honest(headers=[("Keep-Alive", "timeout=10")])(request, send)
        if talks:
            asked.wait(DEADLINE)
            send(message(200, [], values("nobody has asked")))
            said.set()

    server.play(say_more)
    proxy = call_server(mutual_authentication="optional")
    assert proxy.method() == "an honest answer"
    transport, (connection,) = proxy("transport"), idle_connections(proxy)

    def take_long(make, *arguments, **options):
        if talks:
            asked.set()
            assert said.wait(DEADLINE)
            wait_until_readable(connection)
        else:
            clock.now += 9.5
        return make(*arguments, **options)

    make_next_ticket(transport, take_long)
    assert proxy.method() == "an honest answer"
    assert used(server) == [0, 1]
