"""Logging in at a page, and the calls on its session, which are to a URL that Negotiate does not protect."""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, MozillaCookieJar
from xmlrpc.client import Fault, ServerProxy, dumps

import pytest
from cookie_jars import cookie
from endless_exchange import MORE, Insatiable
from helpers import DEADLINE, Threads
from internals import cookie_store, set_login_path, use_tickets_of, wait_for_logins
from servers.scripted import ScriptedServer, accept, hang_up, honest, message, say, values
from servers.two_leg_acceptor import TwoLegs, second_leg

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    KerberosTransport,
    LoginPage,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    NoSession,
    ServerUnreachable,
    UnexpectedStatus,
)

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture
def member(call_hub, case):
    """Open a proxy for the calls of members: ``member("/login", …)``; logins are logged as the case, too."""

    def open_proxy(login_path="/login", path="/member", **arguments):
        if login_path is not None:
            login_path += f"{'&' if '?' in login_path else '?'}case={case}"
        return call_hub(path, login_path=login_path, **arguments)

    return open_proxy


@pytest.fixture
def logged(hub, case):
    """Tell what was asked for since it was last called, when it is `count` requests: ``["301 /login", …]``."""
    seen = []

    def take(count):
        lines = hub.logged(case, len(seen) + count)
        new = [f"{line.status} {line.path}" for line in lines[len(seen) :]]
        seen.extend(new)
        return new

    return take


# -- against Apache ---------------------------------------------------------------------------------------------------


def test_the_first_call_logs_in_and_all_ride_on_the_session(member, logged, user):
    proxy = member()
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
    assert logged(3) == ["301 /login", "200 /member", "200 /member"]
    assert proxy("transport").principal == user


def test_a_session_that_has_ended_is_renewed_by_another_login(member, logged, user):
    proxy = member()
    for _ in range(2):
        assert proxy.log_out() == user
        assert proxy.whoami() == user
    assert logged(8) == ["301 /login", "200 /member", "401 /member"] + ["301 /login", "200 /member"] + [
        "200 /member",
        "401 /member",
    ] + ["301 /login", "200 /member"]


def test_login_can_be_asked_for(member, logged, user):
    proxy = member()
    assert proxy.whoami() == user
    (before,) = proxy("transport").cookiejar
    proxy("transport").login()
    (after,) = proxy("transport").cookiejar
    assert after.value != before.value
    assert proxy.whoami() == user
    assert logged(4) == ["301 /login", "200 /member", "301 /login", "200 /member"]


def test_login_can_be_asked_for_before_the_first_call(member, hub, logged, user):
    proxy = member()
    with pytest.raises(ValueError, match="pass host="):
        proxy("transport").login()
    proxy("transport").login(f"localhost:{hub.ports['https']}")
    assert proxy.whoami() == user
    assert logged(2) == ["301 /login", "200 /member"]
    proxy("transport").login(f"localhost:{hub.ports['https']}")
    assert logged(1) == ["301 /login"]


def test_an_explicit_login_must_begin_a_session_for_the_calls(member):
    proxy = member()
    proxy.whoami()
    transport = proxy("transport")
    transport.cookiejar.clear()
    set_login_path(transport, "/login?path=/elsewhere")
    with pytest.raises(NoSession):
        transport.login()


def test_without_a_login_page_there_is_no_login(member):
    with pytest.raises(ValueError, match="login_path="):
        member(None)("transport").login()


def test_many_threads_need_one_login(member, logged, user):
    proxy = member()
    for _ in range(2):
        barrier = threading.Barrier(16)

        def call(_, barrier=barrier):
            barrier.wait(60)
            return proxy.whoami()

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(call, range(16))) == [user] * 16
        proxy.log_out()
    requests = logged(37)
    assert requests.count("301 /login") == 2
    assert requests.count("200 /member") == 34
    assert 1 <= requests.count("401 /member") <= 16


@pytest.mark.parametrize(
    "login_path, error",
    [
        ("/stale-keytab", AuthenticationRejected),
        ("/others", AuthenticationRejected),
        ("/basic", NegotiateNotOffered),
        ("/open", MutualAuthenticationError),
        ("/xmlrpc?status=404", UnexpectedStatus),
        ("/xmlrpc?status=503", UnexpectedStatus),
    ],
)
def test_a_login_that_fails_raises_before_any_call_is_sent(member, logged, login_path, error):
    proxy = member(login_path)
    for _ in range(2):
        with pytest.raises(error, match=login_path.partition("?")[0]):
            proxy.whoami()
    assert {line.split()[1] for line in logged(2)} == {login_path.partition("?")[0]}


def test_a_login_needs_a_ticket(member, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    with pytest.raises(NoCredentials):
        member().whoami()


@pytest.mark.parametrize("login_path", ["/login?path=/elsewhere", "/xmlrpc?status=204"])
def test_a_login_that_begins_no_session_says_so(member, logged, login_path):
    proxy = member(login_path)
    with pytest.raises(NoSession, match=r"set no cookie for localhost:\d+/member") as caught:
        proxy.whoami()
    assert login_path.partition("?")[0] in caught.value.message
    assert "Path" in caught.value.hint
    assert len(logged(1)) == 1


@pytest.mark.row("a wrong login page")
def test_a_session_that_is_refused_again_is_rejected(member, trouble, logged):
    """The session is that of another application: this one is behind Negotiate itself."""
    proxy = member("/login?path=/", "/xmlrpc")
    error = trouble(proxy.whoami)
    assert "401 on the session of a new login at /login" in error.message
    assert error.errcode == 401
    assert logged(4) == ["301 /login", "401 /xmlrpc"] * 2


def test_any_accepted_status_of_a_login_will_do(member, user):
    proxy = member("/session?status=302&location=https://elsewhere.test/", "/session")
    assert proxy.whoami() == user


def test_a_session_of_the_callers_jar_needs_no_login(member, logged, user, tmp_path, monkeypatch):
    assert member(cookiejar=MozillaCookieJar(tmp_path / "cookies")).whoami() == user
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    assert member(cookiejar=MozillaCookieJar(tmp_path / "cookies")).whoami() == user
    assert logged(3) == ["301 /login", "200 /member", "200 /member"]


# -- pages that misbehave ---------------------------------------------------------------------------------------------

SESSION = [("Set-Cookie", "session=1; Path=/")]


@pytest.fixture
def open_server(server, server_context, opened):
    """Open a proxy for the scripted server."""

    def open_proxy(**arguments):
        transport = KerberosTransport(context=server_context, login_path="/login", timeout=20.0, **arguments)
        return opened.enter_context(ServerProxy(server.url("/calls"), transport=transport))

    return open_proxy


def asked(server):
    return [request.line.rpartition(" ")[0] for request in server.requests]


CALL = say(message(200, body=values("on a session")))
FAULT = say(message(200, body=dumps(Fault(7, "no session"), methodresponse=True).encode()))


@pytest.fixture
def open_with_predicate(server, server_context, opened):
    """Open a proxy whose login page has this predicate: ``open_with_predicate(session_ended, retries=3)``."""

    def open_proxy(session_ended, **arguments):
        class Adapter(KerberosTransport):
            def make_authentication(self, login_path, preemptive):
                return LoginPage("/login", session_ended)

        transport = Adapter(context=server_context, timeout=20.0, retry_interval=0, **arguments)
        return opened.enter_context(ServerProxy(server.url("/calls"), transport=transport))

    return open_proxy


BEGIN = [honest(headers=SESSION), CALL]
RENEWED = ["GET /login", "POST /calls"]


def test_a_fault_can_mean_that_the_session_ended(open_with_predicate, server):
    proxy = open_with_predicate(lambda fault, session: fault.faultCode == 7)
    server.play(*BEGIN, FAULT, *BEGIN)
    assert [proxy.method(), proxy.method()] == ["on a session"] * 2
    assert asked(server) == [*RENEWED, "POST /calls", *RENEWED]


def test_a_fault_after_a_renewal_is_the_outcome(open_with_predicate, server):
    proxy = open_with_predicate(lambda fault, session: True)
    server.play(*BEGIN, FAULT, honest(headers=SESSION), FAULT)
    proxy.method()
    with pytest.raises(Fault, match="no session"):
        proxy.method()
    assert asked(server) == [*RENEWED, "POST /calls", *RENEWED]


def test_another_fault_is_the_outcome_at_once(open_with_predicate, server):
    proxy = open_with_predicate(lambda fault, session: fault.faultCode == 8)
    server.play(*BEGIN, FAULT)
    proxy.method()
    with pytest.raises(Fault, match="no session"):
        proxy.method()
    assert asked(server) == [*RENEWED, "POST /calls"]


def test_a_predicate_can_ask_on_the_session(open_with_predicate, server):
    def session_ended(fault, session):
        return session.call("is_over", 1) == "on a session" and not session.is_renewed

    proxy = open_with_predicate(session_ended)
    server.play(*BEGIN, FAULT, CALL, *BEGIN)
    assert [proxy.method(), proxy.method()] == ["on a session"] * 2
    assert asked(server) == [*RENEWED, "POST /calls", "POST /calls", *RENEWED]
    assert b"<methodName>is_over</methodName>" in server.requests[3].body


@pytest.mark.parametrize("error", [ServerUnreachable("gone"), AttributeError("a mistake")])
def test_a_predicate_that_fails_repeats_no_call(open_with_predicate, server, error):
    """The Fault is the answer: the method may have run."""

    def session_ended(fault, session):
        raise error

    proxy = open_with_predicate(session_ended, retries=3, idempotent=True)
    server.play(*BEGIN, FAULT)
    proxy.method()
    with pytest.raises(Fault, match="no session") as caught:
        proxy.method()
    assert caught.value.__cause__ is error
    assert asked(server) == [*RENEWED, "POST /calls"]


def test_a_login_is_a_get_with_a_ticket_and_without_a_body(open_server, server):
    server.play(honest(status=301, headers=[*SESSION, ("Location", "https://localhost:1/")]), CALL)
    assert open_server(headers=[("Referer", "https://hub/ui")]).method() == "on a session"
    assert asked(server) == ["GET /login", "POST /calls"]
    login, call = server.requests
    assert login.token and login.body == b"" and login.headers["Content-Type"] is None
    assert login.headers["Content-Length"] is None
    assert (call.token, call.headers["Cookie"]) == (None, "session=1")
    assert login.headers["Referer"] == call.headers["Referer"] == "https://hub/ui"


def unproven(request, send):
    accept(request.token)
    send(message(302, SESSION))


@pytest.mark.parametrize("answer", [unproven, honest(lambda token: "bm8=", status=302, headers=SESSION)])
@pytest.mark.parametrize("mode", ["required", "optional"])
def test_a_login_that_is_not_verified_begins_no_session(open_server, server, answer, mode):
    server.play(answer)
    proxy = open_server(mutual_authentication=mode)
    expected = NoSession if mode == "optional" and answer is unproven else MutualAuthenticationError
    with pytest.raises(expected):
        proxy.method()
    assert asked(server) == ["GET /login"]
    assert list(proxy("transport").cookiejar) == []


def test_a_login_in_two_legs(open_server, server, user):
    acceptor = TwoLegs()

    def second(request, send):
        acceptor.second(request, lambda data: send(data.replace(b"\r\n", b"\r\nSet-Cookie: session=1; Path=/\r\n", 1)))

    server.play(acceptor.first, second, CALL)
    proxy = open_server()
    with second_leg():
        assert proxy.method() == "on a session"
        assert asked(server) == ["GET /login"] * 2 + ["POST /calls"]
        assert proxy("transport").principal == user
    assert {request.connection for request in server.requests} == {0}


def test_a_call_and_its_logins_take_at_most_seven_requests(open_server, server, monkeypatch):
    use_tickets_of(monkeypatch, Insatiable)
    jar = CookieJar()
    jar.set_cookie(cookie("session", "over"))
    ended, more = (say(message(401, [("WWW-Authenticate", f"Negotiate {token}")])) for token in ("", MORE))
    server.play(ended, *[more] * 4, honest(status=303, headers=SESSION), ended)
    with pytest.raises(AuthenticationRejected):
        open_server(cookiejar=jar).method()
    assert asked(server) == ["POST /calls", *["GET /login"] * 5, "POST /calls"]


def test_a_login_that_breaks_is_no_call_that_may_have_run(open_server, server):
    server.play(hang_up)
    with pytest.raises(ServerUnreachable, match="at the login.*no call has run"):
        open_server().method()
    assert asked(server) == ["GET /login"]


def test_a_broken_login_is_repeated_if_retries_are_allowed(open_server, server):
    server.play(hang_up, hang_up, honest(headers=SESSION), CALL)
    assert open_server(retries=2, retry_interval=0).method() == "on a session"
    assert asked(server) == ["GET /login"] * 3 + ["POST /calls"]
    assert len({request.token for request in server.requests[:3]}) == 3


def test_a_failed_login_does_not_hide_an_unknown_outcome(open_server, server):
    server.play(honest(headers=SESSION), hang_up, say(message(401)), honest(status=500))
    with pytest.raises(CallOutcomeUnknown) as caught:
        open_server(retries=1, retry_interval=0, idempotent=True).method()
    assert asked(server) == ["GET /login", "POST /calls", "POST /calls", "GET /login"]
    assert isinstance(caught.value.__cause__, UnexpectedStatus) and caught.value.__cause__.at_login


@pytest.mark.parametrize("challenge", [[], [("WWW-Authenticate", "Negotiate")], [("WWW-Authenticate", "Basic")]])
def test_any_401_to_a_call_means_log_in_again_once(open_server, server, challenge):
    over = say(message(401, challenge))
    proxy = open_server()
    server.play(honest(headers=SESSION), CALL, over, honest(headers=[("Set-Cookie", "session=2; Path=/")]), CALL)
    assert [proxy.method(), proxy.method()] == ["on a session"] * 2
    assert server.requests[-1].headers["Cookie"] == "session=2"
    server.requests.clear()
    server.play(over, honest(headers=SESSION), over)
    with pytest.raises(AuthenticationRejected, match="new login"):
        proxy.method()
    assert asked(server) == ["POST /calls", "GET /login", "POST /calls"]


def test_a_cookie_of_another_reply_is_not_taken_for_a_login(open_server, server):
    """A load balancer may set one at any time."""
    proxy = open_server()
    server.play(honest(headers=SESSION), CALL)
    assert proxy.method() == "on a session"

    def over_when_the_jar_has_changed(request, send):
        cookie_store(proxy("transport")).keep(server.url("/calls"), ["node=2; Path=/"], None, sent="session=1")
        send(message(401))

    server.play(over_when_the_jar_has_changed, honest(headers=[("Set-Cookie", "session=2; Path=/")]), CALL)
    assert proxy.method() == "on a session"
    assert asked(server) == ["GET /login", "POST /calls", "POST /calls", "GET /login", "POST /calls"]


def test_a_login_at_another_host_is_for_the_calls_there(open_server, server, ca):
    """It says nothing of the host of the last call, and no call has yet shown which cookies the other host needs."""
    proxy = open_server()
    server.play(honest(headers=SESSION), CALL)
    assert proxy.method() == "on a session"
    transport = proxy("transport")
    transport.cookiejar.clear()  # cookies are for all ports of a host
    with ScriptedServer(ca) as other:
        other.play(honest(headers=[("Set-Cookie", "other=1; Path=/elsewhere")]))
        transport.login(f"localhost:{other.port}")
        assert asked(other) == ["GET /login"]
        assert asked(server) == ["GET /login", "POST /calls"]
        server.play(honest(headers=[("Set-Cookie", "session=2; Path=/")]), CALL)
        transport.login()  # the host of the last call is still the same
        assert asked(server)[2:] == ["GET /login"]
        server.play(honest(headers=[("Set-Cookie", "other=2; Path=/elsewhere")]))
        transport.cookiejar.clear()
        with pytest.raises(NoSession):  # here a call has shown it
            transport.login(f"localhost:{server.port}")
        transport.close()


def test_a_late_reply_on_an_old_session_keeps_the_new_session(open_server, server):
    """Applications take the cookie of a session that has ended back, also when there is a new one by then."""
    proxy = open_server()
    server.play(honest(headers=SESSION), CALL)
    assert proxy.method() == "on a session"

    def late(request, send):
        proxy("transport").login()
        send(message(headers=[("Set-Cookie", "session=; Path=/; Max-Age=0")], body=values("late")))

    server.play(late, honest(headers=[("Set-Cookie", "session=2; Path=/")]), CALL)
    assert [proxy.method(), proxy.method()] == ["late", "on a session"]
    assert server.requests[-1].headers["Cookie"] == "session=2"


def test_no_second_login_if_another_thread_has_logged_in(open_server, server):
    """The first call hears that its session is over when there is already another."""
    proxy = open_server()
    late, renewed = threading.Event(), threading.Event()

    def over_when_it_is_renewed(request, send):
        late.set()
        assert renewed.wait(60)
        send(message(401))

    server.play(honest(headers=SESSION), CALL, over_when_it_is_renewed)
    assert proxy.method() == "on a session"
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(proxy.method)
        assert late.wait(60)
        server.play(honest(headers=[("Set-Cookie", "session=2; Path=/")]), CALL)
        proxy("transport").login()
        renewed.set()
        assert first.result(60) == "on a session"
    assert asked(server) == ["GET /login", "POST /calls"] + ["POST /calls", "GET /login", "POST /calls"]


@pytest.mark.parametrize("patience", [0.001, DEADLINE])
def test_a_login_that_trickles_holds_no_other_thread_for_ever(open_server, server, patience):
    arrived, over = threading.Event(), threading.Event()

    def trickle(request, send):
        arrived.set()
        send(b"HTTP/1.1 200 OK\r\nA-Header: ")
        while not over.wait(0.01):
            send(b"-")
        send(b"\r\n")
        honest(headers=SESSION)(request, lambda reply: send(reply.partition(b"\r\n")[2]))

    server.play(trickle, CALL, CALL)
    proxy = open_server()
    wait_for_logins(proxy("transport"), patience)
    first = Threads(proxy.method)
    assert arrived.wait(DEADLINE)
    if patience == DEADLINE:
        second = Threads(proxy.method)
        over.set()
        assert second.results() == ["on a session"]
    else:
        with pytest.raises(ServerUnreachable, match="login of another thread.*/login.*timeout=") as caught:
            proxy.method()
        assert caught.value.at_login and caught.value.service
        over.set()
    assert first.results() == ["on a session"]
    assert asked(server).count("GET /login") == 1


def test_a_signal_handler_can_call_during_a_login(open_server, server):
    """Its call does not wait for the login of its own thread."""
    proxy, called = open_server(), []

    def interrupted(request, send):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
        assert done.wait(DEADLINE)
        honest(headers=SESSION)(request, send)

    def on_signal(number, frame):
        called.append(proxy.method())
        done.set()

    done = threading.Event()
    server.play(interrupted, honest(headers=SESSION), CALL, CALL)
    former = signal.signal(signal.SIGUSR1, on_signal)
    try:
        assert proxy.method() == "on a session"
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert called == ["on a session"]
    assert sorted(asked(server)) == ["GET /login"] * 2 + ["POST /calls"] * 2


def test_the_jar_of_the_caller_may_be_emptied(member, logged, user):
    proxy = member(cookiejar=CookieJar())
    assert proxy.whoami() == user
    proxy("transport").cookiejar.clear()
    assert proxy.whoami() == user
    assert logged(4) == ["301 /login", "200 /member"] * 2
