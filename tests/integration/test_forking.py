"""Forks: the child has connections and locks of its own, and does the parent no harm."""

import gc
import os
import pickle
import socket
import threading
import warnings
import weakref
from contextlib import ExitStack
from http.cookiejar import CookieJar
from xmlrpc.client import ServerProxy

import gssapi.raw
import kerberos
import pytest
from helpers import DEADLINE, Threads, descriptors, in_child, in_threads
from internals import (
    close_connections_in_children,
    forks_wait,
    idle_connections,
    open_connections,
    parts,
    session_locks,
)
from servers.scripted import ScriptedServer, accept, honest, message, say, take_leave, values

from krbxmlrpc import CallOutcomeUnknown, InsecureKerberosTransport, KerberosTransport

COOKIE = ("Set-Cookie", "sid=1; Path=/")


@pytest.mark.parametrize("path", ["/xmlrpc", "/session"])
def test_a_child_calls_on_its_own_connection_not_the_parents(call_hub, hub, user, case, path):
    proxy = call_hub(path)
    assert proxy.whoami() == user
    for _ in range(2):
        assert in_child(lambda: [proxy.whoami(), proxy.whoami()]) == [user, user]
        assert proxy.whoami() == user
    # The parent's three, and two of each child.
    assert sorted(line.earlier for line in hub.logged(case, 7)) == [0, 0, 0, 1, 1, 1, 2]


def test_closing_a_transport_in_a_child_spares_the_parents_tls(call_hub, hub, user, case):
    proxies = [call_hub()]

    def close_and_forget():
        proxies[0]("close")()
        calls = proxies[0].whoami()
        proxies.clear()
        gc.collect()
        return calls

    assert proxies[0].whoami() == user
    assert in_child(close_and_forget) == user
    assert proxies[0].echo("x" * 100_000) == "x" * 100_000
    assert sorted(line.earlier for line in hub.logged(case, 3)) == [0, 0, 1]


def test_no_connection_of_the_parent_stays_open_in_the_child(call_server, server):
    """Neither an idle one nor one that another thread is using: else it would stay open when the parent closes it."""
    arrived, forked = threading.Event(), threading.Event()

    def answer(request, send):
        arrived.set()
        assert forked.wait(DEADLINE)
        honest()(request, send)

    proxy = call_server()
    in_threads(*[proxy.method] * 2)
    proxy.method()
    server.play(answer)
    call = Threads(proxy.method)
    assert arrived.wait(DEADLINE)
    ours = {_inode(connection) for connection in open_connections(proxy("transport"))}
    assert ours & set(descriptors().values()) == ours
    left = in_child(lambda: (ours & set(descriptors().values()), repr(proxy("transport"))))
    forked.set()
    assert call.results() == ["an honest answer"]
    assert left[0] == set()
    assert "connections=0>" in left[1]
    assert proxy.method() == "an honest answer"


def _inode(connection):
    return f"socket:[{os.fstat(connection.sock.fileno()).st_ino}]"


# -- a fork in the middle of a call -----------------------------------------------------------------------------------


@pytest.fixture(params=["https", "http"])
def open_server(request, ca, server_context, user):
    """Open a transport for a scripted server: ``open_server(class)``; return both."""
    is_tls = request.param == "https"
    options = {"context": server_context} if is_tls else {}
    with ExitStack() as stack:

        def open_transport(*mixins, **arguments):
            usual = KerberosTransport if is_tls else InsecureKerberosTransport
            started = stack.enter_context(ScriptedServer(ca if is_tls else None))
            transport = type("Transport", (*mixins, usual), {})(timeout=60.0, **options, **arguments)
            stack.callback(transport.close)
            return started, transport

        yield open_transport


class Fork:
    """Forks once, when it is called, in the middle of a call. The call then goes on in both processes."""

    def __init__(self):
        self.parent = os.getpid()
        self.reading, self.writing = os.pipe()
        self.child = None

    def __call__(self):
        if self.child is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
                self.child = os.fork()

    def outcomes(self, call):
        """Make the call. Return what it returns or raises in the parent, and in the child."""
        try:
            outcome = self.outcome(call)
            if self.parent != os.getpid():
                os.write(self.writing, pickle.dumps(outcome))
        finally:
            if self.parent != os.getpid():
                os._exit(0)
        os.waitpid(self.child, 0)
        os.close(self.writing)
        with open(self.reading, "rb") as pipe:
            return outcome, pickle.loads(pipe.read())

    def outcome(self, call):
        try:
            return call()
        except Exception as error:
            return type(error)


PIECE = b"x" * 65536


class ForkingPieces:
    """A body that forks before one of its pieces is sent."""

    def __init__(self, fork, number):
        self.fork, self.number = fork, number

    def __len__(self):
        return 8 * len(PIECE)

    def __iter__(self):
        for number in range(8):
            if number == self.number:
                self.fork()
            yield PIECE


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_fork_while_a_body_is_sent(open_server, number):
    fork = Fork()
    server, transport = open_server()
    call = lambda: transport.fetch("PUT", f"localhost:{server.port}", "/file", ForkingPieces(fork, number))  # noqa: E731
    resource, in_the_child = fork.outcomes(call)
    assert in_the_child is CallOutcomeUnknown
    assert resource.content == values()
    (request,) = server.requests
    assert request.body == 8 * PIECE
    transport.fetch("GET", f"localhost:{server.port}", "/file")
    assert [request.connection for request in server.requests] == [0, 0]


def test_a_child_must_not_close_the_connection_of_its_call(open_server, monkeypatch):
    close_connections_in_children(monkeypatch)
    fork = Fork()
    server, transport = open_server()
    call = lambda: transport.fetch("PUT", f"localhost:{server.port}", "/file", ForkingPieces(fork, 1))  # noqa: E731
    assert fork.outcomes(call)[1] is AttributeError


def test_a_child_repeats_a_call_that_may_run_twice(open_server):
    fork = Fork()
    server, transport = open_server(retries=1, retry_interval=0, idempotent={"PUT"})
    call = lambda: transport.fetch("PUT", f"localhost:{server.port}", "/file", ForkingPieces(fork, 1))  # noqa: E731
    resources = fork.outcomes(call)
    assert [resource.content for resource in resources] == [values()] * 2
    assert sorted(request.connection for request in server.requests) == [0, 1]


def test_a_fork_while_a_body_is_read(open_server):
    """The body lasts until the end of the connection. The child must not take its part for all of the body."""
    fork, forked = Fork(), threading.Event()

    class Forking:
        def read_resource(self, response):
            fork()
            if fork.child:
                forked.set()
            return super().read_resource(response)

    def in_halves(request, send):
        proof = f"WWW-Authenticate: Negotiate {accept(request.token)}\r\n"
        send(f"HTTP/1.1 200 OK\r\n{proof}Connection: close\r\n\r\nhalf".encode())
        assert forked.wait(DEADLINE)
        send(b" and half")
        take_leave(request.sock)
        request.sock.shutdown(socket.SHUT_RDWR)

    server, transport = open_server(Forking)
    server.play(in_halves)
    outcomes = fork.outcomes(lambda: transport.fetch("GET", f"localhost:{server.port}", "/file").content)
    assert outcomes == (b"half and half", CallOutcomeUnknown)


@pytest.mark.parametrize("hook", ["make_connection", "send_headers", "send_content"])
def test_a_fork_in_a_hook(open_server, hook):
    """A child that forks before there is a connection makes the call itself."""
    fork = Fork()

    def forking(self, *arguments):
        fork()
        return getattr(super(kind, self), hook)(*arguments)

    kind = type("Forking", (), {hook: forking})
    server, transport = open_server(kind)
    resource, in_the_child = fork.outcomes(lambda: transport.fetch("PUT", f"localhost:{server.port}", "/file", b"x"))
    assert resource.content == values()
    if hook == "make_connection":
        assert in_the_child.content == values()
    else:
        assert in_the_child is CallOutcomeUnknown
    assert len(server.requests) == 1 + (hook == "make_connection")


# -- locks ------------------------------------------------------------------------------------------------------------


class HeldJar(CookieJar):
    """Stops in `extract_cookies`, with its own lock held or not, where it is called in one certain thread."""

    def __init__(self, with_own_lock):
        super().__init__()
        self.with_own_lock = with_own_lock
        self.held, self.go_on = threading.Event(), threading.Event()
        self.thread = None

    def extract_cookies(self, response, request):
        if threading.current_thread() is self.thread and not self.go_on.is_set():
            if self.with_own_lock:
                with self._cookies_lock:
                    self._hold()
            else:
                self._hold()
        super().extract_cookies(response, request)

    def _hold(self):
        self.held.set()
        assert self.go_on.wait(DEADLINE)


@pytest.mark.parametrize("with_own_lock", [False, True], ids=["the session's lock", "and the jar's own"])
def test_locks_that_keep_cookies_are_free_in_the_child(call_server, server, with_own_lock):
    jar = HeldJar(with_own_lock)
    proxy = call_server(cookiejar=jar)

    def call():
        jar.thread = threading.current_thread()
        return proxy.method()

    server.play(*[honest(headers=[COOKIE])] * 2)
    caller = Threads(call)
    assert jar.held.wait(DEADLINE)
    assert in_child(lambda: [proxy.method(), [cookie.name for cookie in jar], proxy("close")()]) == [
        "an honest answer",
        ["sid"],
        None,
    ]
    jar.go_on.set()
    assert caller.results() == ["an honest answer"]
    assert [cookie.name for cookie in jar] == ["sid"]


def test_the_lock_of_a_login_is_free_in_the_child(call_server, server):
    arrived, forked = threading.Event(), threading.Event()

    def slow_login(request, send):
        arrived.set()
        assert forked.wait(DEADLINE)
        honest(headers=[COOKIE])(request, send)

    server.play(slow_login, honest(headers=[COOKIE]), *[say(message(body=values()))] * 2)
    proxy = call_server(login_path="/login")
    caller = Threads(proxy.method)
    assert arrived.wait(DEADLINE)
    assert in_child(proxy.method) == "an honest answer"
    forked.set()
    assert caller.results() == ["an honest answer"]
    assert [request.line.split()[:2] for request in server.requests] == [
        ["GET", "/login"],
        ["GET", "/login"],
        ["POST", "/xmlrpc"],
        ["POST", "/xmlrpc"],
    ]


def test_every_lock_of_a_session_is_free_in_the_child(call_hub, hub, user):
    """One thread holds them all, as if it stopped between two steps of its own."""
    proxy = call_hub("/session", login_path="/session")
    transport = proxy("transport")
    held, forked = threading.Event(), threading.Event()

    def hold():
        with ExitStack() as stack:
            for lock in session_locks(transport, f"localhost:{hub.ports['https']}"):
                stack.enter_context(lock)
            held.set()
            return forked.wait(DEADLINE)

    assert proxy.whoami() == user
    transport.cookiejar.clear()
    holder = Threads(hold)
    assert held.wait(DEADLINE)
    assert in_child(lambda: [proxy.whoami(), proxy("close")()]) == [user, None]
    forked.set()
    assert holder.results() == [True]
    assert proxy.whoami() == user


def test_a_child_of_a_child_and_a_fork_in_another_thread(call_hub, user):
    proxy = call_hub("/session")
    assert proxy.whoami() == user

    def in_grandchild():
        return [proxy.whoami(), in_child(proxy.whoami), proxy.whoami()]

    assert Threads(lambda: in_child(in_grandchild)).results() == [[user] * 3]
    assert len(idle_connections(proxy)) == 1


# -- what is to be told of a fork -------------------------------------------------------------------------------------


def test_what_is_told_of_forks_keeps_no_transport_alive(hub, hub_context, user, without_collector):
    transport = KerberosTransport(context=hub_context)
    ServerProxy(hub.url("/session"), transport=transport).whoami()
    watched = [weakref.ref(thing) for thing in parts(transport)]
    del transport
    assert [reference() for reference in watched] == [None] * 3


def test_a_transport_may_be_forgotten_between_two_forks(call_hub, user):
    kept = call_hub()
    kept.whoami()
    for _ in range(3):
        forgotten = KerberosTransport()
        assert in_child(kept.whoami) == user
        del forgotten
        assert in_child(kept.whoami) == user


STEPS = {
    "pykerberos": (kerberos, ["authGSSClientInit", "authGSSClientStep"]),
    "python-gssapi": (gssapi.raw, ["acquire_cred", "acquire_cred_from", "init_sec_context", "store_cred_into"]),
}


def test_every_step_of_gssapi_is_one_that_no_fork_divides(call_hub, user, monkeypatch, library):
    inside = []

    def noting(step):
        def noted(*arguments, **options):
            inside.append(forks_wait())
            return step(*arguments, **options)

        return noted

    module, names = STEPS[library]
    for name in names:
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
    assert call_hub().whoami() == user
    assert len(inside) >= 2 and all(inside)


def test_children_forked_while_threads_get_tickets_get_tickets(call_hub, user):
    proxy = call_hub()
    over = threading.Event()

    def call():
        while not over.is_set():
            assert proxy.whoami() == user

    callers = Threads(*[call] * 4)
    try:
        for _ in range(20):
            assert in_child(proxy.whoami) == user
    finally:
        over.set()
    callers.results()
