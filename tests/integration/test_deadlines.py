"""Limits in time: the setup of a connection, and a whole call, end whatever the other side does."""

import logging
import select
import socket
import threading
from contextlib import ExitStack, contextmanager
from xmlrpc.client import ServerProxy

import pytest
from helpers import DEADLINE, Clock, Threads
from internals import (
    KEEPALIVE,
    SEND_PIECE,
    drain_for,
    idle_connections_of,
    make_next_ticket,
    replace_deadline_clock,
    replace_sleep,
    send_at_once,
    session_locks,
)
from servers.scripted import ScriptedServer, accept, early, honest, message, say, values
from servers.scripted_proxy import OPENED, Tunnel

from krbxmlrpc import (
    CallOutcomeUnknown,
    InsecureKerberosTransport,
    KerberosTransport,
    ServerUnreachable,
    UnexpectedStatus,
)
from krbxmlrpc.testing.loopback import Hangup

SHORT = 0.3  # seconds: a limit that has to pass
ENOUGH = 2.0  # seconds: a limit that passes in one case, and in which an honest server can do its part in the other
PATIENT = 10 * DEADLINE  # seconds: a timeout that no test waits for
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
            if issubclass(kind, KerberosTransport):
                arguments.setdefault("context", server_context)
            new = kind(**{"timeout": PATIENT, **arguments})
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


# -- deadline ---------------------------------------------------------------------------------------------------------

LONG = 50  # seconds, on the clock of the test: the deadline
LARGE = 20_000_000
PASSED = "the deadline of 50 seconds passed"
BOTH = pytest.mark.parametrize("passes", [True, False], ids=["it passes", "it does not"])


@pytest.fixture
def clock(monkeypatch):
    """The clock of deadlines. It stands still unless a test sets it, so a slow machine changes nothing."""
    clock = Clock()
    replace_deadline_clock(monkeypatch, clock)
    return clock


@pytest.fixture
def slowly(clock, caplog):
    """Answer honestly and slowly. The time of the call passes when a part of the reply has come, or does not.

    ``slowly(passes, in_head, make)``: it passes in the head, or in the body, of the reply that ``make(request)`` makes.
    """
    reads = []  # what to do when a head has been read
    waits = []  # whether the client did not hang up by itself

    class Handler(logging.Handler):
        """Learns that a head has been read: the log tells it."""

        def emit(self, record):
            while reads:
                reads.pop()()

    def pass_time():
        clock.now += LONG

    def make_answer(passes, in_head, make=None):
        def answer(request, send):
            parts = []
            (honest() if make is None else say(make(request)))(request, parts.append)
            whole = b"".join(parts)
            at = 20 if in_head else whole.index(b"\r\n\r\n") + 14
            if passes and not in_head:
                reads.append(pass_time)
            send(whole[:at])
            if passes and in_head:
                pass_time()
            if passes:
                trickle(request, send, whole[at:-1], b"")
                waits.append(not select.select([request.sock], [], [], DEADLINE)[0])
                raise Hangup
            send(whole[at:])

        return answer

    logger, handler = logging.getLogger("krbxmlrpc"), Handler()
    caplog.set_level(logging.DEBUG, "krbxmlrpc")
    logger.addHandler(handler)
    yield make_answer
    logger.removeHandler(handler)
    assert not any(waits)


class ReadsAlone(KerberosTransport):
    """A transport with hooks of the standard library's kind."""

    def send_content(self, connection, request_body):
        connection.putheader("X-Own", "hook")
        super().send_content(connection, request_body)

    def parse_response(self, response):
        assert b"honest" in response.read()
        return ("an honest answer",)


@pytest.fixture(params=[KerberosTransport, ReadsAlone, InsecureKerberosTransport])
def talk(request, ca, transport):
    """A scripted server, and a transport for it: ``server, transport = talk``."""
    plain = request.param is InsecureKerberosTransport
    with ScriptedServer(None if plain else ca) as server:
        made = transport(request.param, deadline=LONG)
        yield server, made
        made.close()


@BOTH
@pytest.mark.parametrize(
    "in_head, when", [(True, "while the request was under way"), (False, "while the reply was read")]
)
def test_a_reply_that_trickles_ends_by_the_deadline(talk, user, slowly, passes, in_head, when):
    server, made = talk
    proxy = ServerProxy(server.url(), transport=made)
    proxy.method()
    server.play(slowly(passes, in_head))
    if passes:
        with pytest.raises(CallOutcomeUnknown, match=f"{PASSED} {when}.* may have run.*deadline=") as caught:
            proxy.method()
        assert (caught.value.host, caught.value.service) == ("localhost", "HTTP@localhost")
    assert proxy.method() == "an honest answer"  # each call has a deadline of its own
    (idle,) = idle_connections_of(made)
    assert idle.sock.gettimeout() == PATIENT


def test_silence_ends_by_the_deadline(call_server, server):
    """On the real clock, with a timeout of minutes."""
    proxy = call_server(deadline=ENOUGH, timeout=600.0)
    proxy.method()
    server.play(say())
    with pytest.raises(CallOutcomeUnknown, match="the deadline of 2 seconds passed while the request was under way"):
        proxy.method()


@pytest.mark.parametrize("piece", [SEND_PIECE, LARGE])
def test_a_server_that_reads_nothing_ends_by_the_deadline(call_server, server, monkeypatch, piece):
    """On the real clock."""
    over = threading.Event()
    proxy = call_server(deadline=ENOUGH)
    proxy.method()
    send_at_once(monkeypatch, piece)

    @early
    def answer(request, send):
        assert over.wait(DEADLINE)
        raise Hangup

    server.play(answer)
    try:
        with pytest.raises(CallOutcomeUnknown, match="the deadline of 2 seconds passed"):
            proxy.method("x" * LARGE)
    finally:
        over.set()


@BOTH
@pytest.mark.parametrize("piece", [SEND_PIECE, LARGE])
def test_an_upload_that_is_read_slowly_ends_by_the_deadline(talk, user, clock, monkeypatch, piece, passes):
    server, made = talk
    send_at_once(monkeypatch, piece)

    @early
    def answer(request, send):
        left = request.length - len(request.stream.read(SEND_PIECE))
        clock.now += LONG * passes
        while left:
            data = request.stream.read(min(left, SEND_PIECE))
            if not data:
                raise Hangup
            left -= len(data)
        honest()(request, send)

    server.play(answer)
    proxy = ServerProxy(server.url(), transport=made)
    if passes:
        with pytest.raises(CallOutcomeUnknown, match=f"{PASSED} while the request was under way"):
            proxy.method("x" * LARGE)
    else:
        assert proxy.method("x" * LARGE) == "an honest answer"


@BOTH
def test_a_slow_source_of_an_upload_counts(server, transport, clock, passes):
    class Slow:
        """A body whose pieces take their time."""

        def __len__(self):
            return 3

        def __iter__(self):
            for piece in (b"a", b"b", b"c"):
                clock.now += LONG / 2 if passes else LONG / 4
                yield piece

    server.play(honest(body=b"[]", content_type="text/plain"))
    host = f"localhost:{server.port}"
    made = transport(deadline=LONG)
    if passes:
        with pytest.raises(CallOutcomeUnknown, match=PASSED):
            made.fetch("PUT", host, "/", Slow())
    else:
        assert made.fetch("PUT", host, "/", Slow()).content == b"[]"


@BOTH
def test_a_deadline_can_pass_before_the_request(server, transport, clock, passes):
    """Nothing interrupts the wait for a KDC, and nothing is sent after it."""

    def make(usual, *arguments, **options):
        clock.now += LONG * passes
        return usual(*arguments, **options)

    made = transport(deadline=LONG, retries=3, retry_interval=0)
    make_next_ticket(made, make)
    proxy = ServerProxy(server.url(), transport=made)
    if passes:
        with pytest.raises(
            ServerUnreachable, match=f"{PASSED} before the request was sent.*no call has run.*deadline="
        ):
            proxy.method()
        assert server.requests == []
    assert proxy.method() == "an honest answer"


def test_the_setup_ends_by_the_deadline(server, transport, addresses):
    """On the real clock. The next address is not tried: there is no time left."""
    with black_hole() as nowhere:
        addresses("localhost", nowhere, ("127.0.0.1", server.port))
        made = transport(deadline=ENOUGH, connect_timeout=None)
        with pytest.raises(ServerUnreachable, match="cannot connect .* the deadline of 2 seconds passed.*deadline="):
            ServerProxy(server.url(), transport=made).method()
    assert server.requests == []


def test_a_tunnel_ends_by_the_deadline(server, transport, clock):
    def answer(request, send):
        send(OPENED[:20])
        clock.now += LONG
        trickle(request, send)

    with ScriptedServer(None, answer) as forwarder:
        made = transport(deadline=LONG, proxy=f"http://localhost:{forwarder.port}")
        with pytest.raises(ServerUnreachable, match=f"opens no tunnel .*{PASSED}.*deadline="):
            ServerProxy(server.url(), transport=made).method()
    assert server.requests == []


@BOTH
def test_a_refusal_counts_although_its_body_trickles(server, transport, slowly, passes, monkeypatch):
    drain_for(monkeypatch, 600.0)

    def reply(request):
        return message(403, [("WWW-Authenticate", f"Negotiate {accept(request.token)}")], b"x" * 100)

    server.play(slowly(passes, False, reply))
    made = transport(deadline=LONG)
    with pytest.raises(UnexpectedStatus) as caught:
        ServerProxy(server.url(), transport=made).method()
    assert caught.value.errcode == 403
    assert len(idle_connections_of(made)) == 1 - passes


@BOTH
def test_a_challenge_is_not_answered_after_the_deadline(server, transport, slowly, passes, monkeypatch):
    drain_for(monkeypatch, 600.0)

    def reply(request):
        return message(401, [("WWW-Authenticate", "Negotiate")], b"x" * 100)

    server.play(slowly(passes, False, reply))
    proxy = ServerProxy(server.url(), transport=transport(deadline=LONG, preemptive=False, retries=3))
    if passes:
        with pytest.raises(ServerUnreachable, match=PASSED):
            proxy.method()
    else:
        assert proxy.method() == "an honest answer"
    assert len(server.requests) == 2 - passes


@pytest.mark.parametrize("deadline, waited", [(LONG, [10, 20]), (10, []), (None, [10, 20, 40, 80])])
def test_no_wait_goes_beyond_the_deadline(transport, clock, monkeypatch, deadline, waited):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        clock.now += seconds

    replace_sleep(monkeypatch, sleep)
    made = transport(deadline=deadline, retries=4, retry_interval=10)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"https://localhost:{nobody.getsockname()[1]}/"
        with pytest.raises(ServerUnreachable, match="cannot connect .* refused"):
            ServerProxy(url, transport=made).method()
    assert waits == waited


@BOTH
def test_a_call_that_may_have_run_stays_one_after_the_deadline(server, transport, clock, passes):
    """The repetition is out of time before anything of it was sent."""

    def make(usual, *arguments, **options):
        clock.now += LONG * passes
        return usual(*arguments, **options)

    made = transport(deadline=LONG, retries=2, retry_interval=0, idempotent=True)
    proxy = ServerProxy(server.url(), transport=made)

    def vanish_and_wait(request, send):
        make_next_ticket(made, make)
        raise Hangup

    server.play(vanish_and_wait)
    if passes:
        with pytest.raises(CallOutcomeUnknown, match="without a reply") as caught:
            proxy.method()
        assert PASSED in str(caught.value.__cause__)
    else:
        assert proxy.method() == "an honest answer"
    assert len(server.requests) == 2 - passes


# -- logins -----------------------------------------------------------------------------------------------------------

CALL = say(message(body=values()))


@BOTH
@pytest.mark.parametrize("in_head", [True, False])
def test_a_login_that_trickles_ends_by_the_deadline(server, transport, slowly, passes, in_head):
    """If the head has come, the login has succeeded, but there is no time for the call."""

    def reply(request):
        proof = ("WWW-Authenticate", f"Negotiate {accept(request.token)}")
        return message(200, [proof, ("Set-Cookie", "session=1; Path=/")], b"x" * 100)

    server.play(slowly(passes, in_head, reply), CALL)
    proxy = ServerProxy(server.url(), transport=transport(deadline=LONG, login_path="/login"))
    if passes:
        with pytest.raises(ServerUnreachable, match=f"{PASSED}.*deadline=") as caught:
            proxy.method()
        assert caught.value.at_login is in_head
        assert [request.line.split()[0] for request in server.requests] == ["GET"]
    else:
        assert proxy.method() == "an honest answer"


@pytest.mark.parametrize("limit", ["deadline", "timeout"])
@pytest.mark.parametrize("ends", [False, True])
def test_the_wait_for_another_login_ends(server, transport, limit, ends):
    """A thread that does not end has the turn to log in."""
    made = transport(login_path="/login", **{"timeout": None, limit: SHORT if not ends else DEADLINE})
    lock = session_locks(made, f"localhost:{server.port}")[-1]
    held, over = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            over.wait(DEADLINE)

    holder = Threads(hold)
    try:
        assert held.wait(DEADLINE)
        if ends:
            over.set()
        server.play(honest(headers=[("Set-Cookie", "session=1; Path=/")]), CALL)
        proxy = ServerProxy(server.url(), transport=made)
        if ends:
            assert proxy.method() == "an honest answer"
        else:
            with pytest.raises(
                ServerUnreachable, match=f"the login of another thread .*0.3 seconds.*{limit}="
            ) as caught:
                proxy.method()
            assert caught.value.at_login and server.requests == []
    finally:
        over.set()
        holder.join()
