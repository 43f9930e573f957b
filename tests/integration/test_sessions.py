"""Sessions: cookies of verified replies, the calls that ride on them, and what happens when they end."""

import logging
import os
import stat
from http.cookiejar import CookieJar, DefaultCookiePolicy, LWPCookieJar, MozillaCookieJar
from xmlrpc.client import Fault, ServerProxy, dumps

import pytest
from cookie_jars import cookie, garble
from internals import cookies_may_be_session
from servers.scripted import ScriptedServer, accept, honest, message, say, values

from krbxmlrpc import (
    AuthenticationRejected,
    InsecureKerberosTransport,
    KerberosTransport,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    UnexpectedStatus,
)

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture
def sent(caplog):
    """Tell what authenticated the requests since it was last asked: ``["401 ticket", "200 session", …]``."""
    caplog.set_level(logging.DEBUG, logger="krbxmlrpc")

    def take():
        lines = [record.getMessage() for record in caplog.records if " connection, " in record.getMessage()]
        caplog.clear()
        return [f"{line.split()[2]} {line.rpartition(', ')[2]}" for line in lines]

    return take


# -- against Apache ---------------------------------------------------------------------------------------------------


def test_a_session_carries_the_calls_after_the_first(call_hub, hub, user, case, sent):
    proxy = call_hub("/session")
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert sent() == ["200 ticket", "200 session", "200 session"]
    logged = hub.logged(case, 3)
    assert [(line.status, line.earlier, line.user) for line in logged] == [(200, number, user) for number in range(3)]
    assert proxy("transport").principal == user


def test_a_session_needs_no_ticket(call_hub, user, monkeypatch):
    proxy = call_hub("/session")
    proxy.whoami()
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    assert proxy.whoami() == user
    proxy("transport").cookiejar.clear()
    with pytest.raises(NoCredentials):
        proxy.whoami()


@pytest.mark.parametrize("preemptive", [True, False])
def test_an_ended_session_is_renewed_with_one_extra_request(call_hub, user, sent, preemptive):
    proxy = call_hub("/session", preemptive=preemptive)
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
    assert sent() == ["401 no ticket"] * (not preemptive) + ["200 ticket", "200 session"]
    for _ in range(2):
        garble(proxy("transport").cookiejar)
        assert [proxy.whoami(), proxy.whoami()] == [user] * 2
        assert sent() == ["401 session", "200 ticket", "200 session"]


def test_no_cookie_is_kept_without_mutual_authentication(call_hub, user, sent):
    proxy = call_hub("/session", mutual_authentication="disabled")
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
    assert sent() == ["200 ticket"] * 2
    assert list(proxy("transport").cookiejar) == []


def test_a_secure_cookie_does_not_go_over_plain_http(call_hub, user, sent):
    proxy = call_hub("/session", listener="http", transport=InsecureKerberosTransport)
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
    assert sent() == ["200 ticket"] * 2


def test_a_session_of_one_path_is_none_of_another(call_hub, user, sent):
    jar = CookieJar()
    session, other = call_hub("/session", cookiejar=jar), call_hub("/xmlrpc", cookiejar=jar)
    assert [session.whoami(), other.whoami(), session.whoami(), other.whoami()] == [user] * 4
    assert sent() == ["200 ticket", "200 ticket", "200 session", "200 ticket"]


# -- the jar ----------------------------------------------------------------------------------------------------------


def test_the_callers_own_jar_is_used(call_hub, user, sent):
    jar = CookieJar()
    proxy = call_hub("/session", cookiejar=jar)
    assert proxy("transport").cookiejar is jar
    assert proxy.whoami() == user
    assert [held.name for held in jar] == ["hub_session"]
    assert call_hub("/session", cookiejar=jar).whoami() == user
    assert sent() == ["200 ticket", "200 session"]
    jar.clear()
    assert proxy.whoami() == user
    assert sent() == ["200 ticket"]


def test_the_jar_is_not_asked_while_it_does_not_change(call_hub, user):
    class Counting(DefaultCookiePolicy):
        asked = 0

        def return_ok(self, cookie, request):
            self.asked += 1
            return super().return_ok(cookie, request)

    policy = Counting()
    jar = CookieJar(policy)
    proxy = call_hub("/session", cookiejar=jar)
    for _ in range(2):
        assert [proxy.whoami() for _ in range(2)] == [user] * 2
        asked = policy.asked
        assert [proxy.whoami() for _ in range(10)] == [user] * 10
        assert policy.asked == asked
        jar.set_cookie(cookie("another"))
        proxy.whoami()
        assert policy.asked > asked


@pytest.mark.parametrize("value", ["a\r\nX-Injected: yes", "a\nb", "\u20ac", "\0"])
def test_a_cookie_that_would_break_the_request_is_refused(call_hub, hub, value, case):
    jar = CookieJar()
    jar.set_cookie(cookie(value=value))
    with pytest.raises(ValueError, match="^cookiejar holds") as caught:
        call_hub("/session", cookiejar=jar).whoami()
    assert value not in str(caught.value)


# -- whose cookies are kept -------------------------------------------------------------------------------------------

SETS_COOKIE = [("Set-Cookie", "evil=1; Path=/")]


@pytest.fixture
def open_server(server, server_context, opened):
    """Open a proxy for the scripted server."""

    def open_proxy(path="/xmlrpc", **arguments):
        return opened.enter_context(
            ServerProxy(server.url(path), transport=KerberosTransport(context=server_context, **arguments))
        )

    return open_proxy


def unproven(request, send):
    accept(request.token)
    send(message(200, SETS_COOKIE, values("believed")))


@pytest.mark.parametrize(
    "answer, error",
    [
        (unproven, MutualAuthenticationError),
        (honest(lambda token: "bm8=", headers=SETS_COOKIE), MutualAuthenticationError),
        (say(message(500, SETS_COOKIE)), UnexpectedStatus),
        (say(message(302, SETS_COOKIE)), UnexpectedStatus),
        (say(message(401, SETS_COOKIE)), NegotiateNotOffered),
        (say(message(401, [("WWW-Authenticate", "Negotiate"), *SETS_COOKIE])), AuthenticationRejected),
    ],
)
def test_cookies_of_a_reply_that_nobody_verified_are_not_kept(open_server, server, answer, error):
    proxy = open_server()
    server.play(*[answer] * 2)  # a refused ticket is replaced once
    with pytest.raises(error):
        proxy.method()
    assert list(proxy("transport").cookiejar) == []


@pytest.mark.parametrize("arguments", [{"preemptive": False}, {}])
def test_cookies_of_an_accepted_unverified_reply_are_not_kept(open_server, server, arguments):
    proxy = open_server(mutual_authentication="optional", **arguments)
    server.play(say(message(200, SETS_COOKIE, values("believed"))) if arguments else unproven)
    assert proxy.method() == "believed"
    assert list(proxy("transport").cookiejar) == []


def test_cookies_of_a_verified_failure_are_kept(open_server, server):
    proxy = open_server()
    server.play(honest(status=503, headers=[("Set-Cookie", "sticky=1")]))
    with pytest.raises(UnexpectedStatus):
        proxy.method()
    assert [held.name for held in proxy("transport").cookiejar] == ["sticky"]


def carried(value="on a session", headers=()):
    return say(message(200, headers, values(value)))


def test_only_accepted_replies_on_a_session_renew_its_cookies(open_server, server):
    proxy = open_server()
    server.play(
        honest(headers=[("Set-Cookie", "session=1")]),
        carried(headers=[("Set-Cookie", "session=2")]),
        say(message(503, [("Set-Cookie", "session=3")])),
        carried(),
    )
    assert [proxy.method(), proxy.method()] == ["an honest answer", "on a session"]
    with pytest.raises(UnexpectedStatus):
        proxy.method()
    assert proxy.method() == "on a session"
    assert [request.headers["Cookie"] for request in server.requests] == [None, "session=1", "session=2", "session=2"]
    assert [bool(request.token) for request in server.requests] == [True, False, False, False]


# -- cookies that do not authenticate ---------------------------------------------------------------------------------


def only_by_ticket(headers=lambda: ()):
    """Answer tickets honestly, and anything else by 401."""

    def answer(request, send):
        if request.token:
            honest(headers=headers())(request, send)
        else:
            send(message(401, [("WWW-Authenticate", "Negotiate")]))

    return answer


@pytest.mark.parametrize("renewed", [False, True])
@pytest.mark.parametrize("preemptive", [True, False])
def test_a_load_balancers_cookie_costs_few_requests_and_is_sent(open_server, server, renewed, preemptive):
    """Whether it sets its cookie once or with each reply: then the cookies are tried ever more seldom."""
    numbers = iter(range(100))

    def sticky():
        number = next(numbers)
        return [("Set-Cookie", f"node={number}; Path=/")] if renewed or not number else []

    proxy = open_server(preemptive=preemptive)
    server.otherwise = only_by_ticket(sticky)
    calls = 20
    assert [proxy.method() for _ in range(calls)] == ["an honest answer"] * calls
    tickets = [bool(request.token) for request in server.requests]
    tried = 4 if renewed else 1
    asked = 0 if preemptive else 1
    assert tickets.count(True) == calls and tickets.count(False) == tried + asked
    assert all(request.headers["Cookie"].startswith("node=") for request in server.requests[asked + 1 :])
    server.requests.clear()
    assert ServerProxy(server.url("/other"), transport=proxy("transport")).method() == "an honest answer"
    if renewed:
        assert len(server.requests) == 1 + asked  # learnt once for the host


def test_a_session_that_carried_a_call_is_never_judged_useless(open_server, server):
    proxy = open_server()
    ended = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    for number in range(3):
        server.play(honest(headers=[("Set-Cookie", f"session={number}")]), carried(), ended)
        assert [proxy.method(), proxy.method(), proxy.method()] == ["an honest answer", "on a session"] + [
            "an honest answer"
        ]
        server.requests.clear()
        garble(proxy("transport").cookiejar)
        server.play(ended)
        assert proxy.method() == "an honest answer"
    assert len(server.requests) == 2


@pytest.mark.parametrize("login_path", [None, "/login"])
def test_another_port_gets_no_cookie_before_it_is_verified(ca, server, server_context, login_path):
    """RFC 6265 takes it for the same host; it may be somebody else's."""
    transport = KerberosTransport(context=server_context, login_path=login_path)
    answer = [honest(headers=[("Set-Cookie", "session=secret; Path=/; Domain=localhost.local")])]
    server.play(*answer, carried())
    with ScriptedServer(ca) as other:
        other.play(say(message(200, SETS_COOKIE, values("believed"))))
        first, second = (ServerProxy(each.url("/xmlrpc"), transport=transport) for each in (server, other))
        first.method()
        with pytest.raises(MutualAuthenticationError):
            second.method()
        assert [request.headers["Cookie"] for request in other.requests] == [None]
        assert [held.name for held in transport.cookiejar] == ["session"]
        transport.close()


def test_a_session_that_carried_only_faults_has_carried_calls(open_server, server):
    fault = dumps(Fault(1, "no"), methodresponse=True).encode()
    ended = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    proxy = open_server()
    server.play(honest(headers=[("Set-Cookie", "session=1")]), say(message(200, body=fault)), ended)
    proxy.method()
    with pytest.raises(Fault):
        proxy.method()
    assert proxy.method() == "an honest answer"
    assert transport_rides(proxy)


def transport_rides(proxy):
    """Say whether the next calls to the host of a proxy try its cookies as a session."""
    return cookies_may_be_session(proxy("transport"))


def test_a_session_renewed_under_the_same_name_carries_calls(open_server, server):
    renew = honest(headers=[("Set-Cookie", "session=1")])
    proxy = open_server()
    for _ in range(2):
        server.play(renew, carried(), say(message(401)), renew, carried())
        assert [proxy.method() for _ in range(2)][-1] == "on a session"
        assert [proxy.method() for _ in range(2)] == ["an honest answer", "on a session"]
        server.requests.clear()
        server.play(say(message(401)))
        proxy.method()
    assert [bool(request.token) for request in server.requests] == [False, True]


def test_cookies_of_a_loaded_jar_that_are_refused_are_only_over(open_server, server):
    jar = CookieJar()
    jar.set_cookie(cookie())
    proxy = open_server(cookiejar=jar)
    server.play(say(message(401)), honest(headers=[("Set-Cookie", "session=new; Path=/")]), carried())
    assert [proxy.method(), proxy.method()] == ["an honest answer", "on a session"]
    assert [request.headers["Cookie"] for request in server.requests] == ["session=secret"] * 2 + ["session=new"]


def test_refused_cookies_are_not_tried_again_unless_renewed(open_server, server):
    jar = CookieJar()
    jar.set_cookie(cookie())
    proxy = open_server(cookiejar=jar)
    server.play(*[only_by_ticket()] * 10)
    assert [proxy.method() for _ in range(3)] == ["an honest answer"] * 3
    assert [bool(request.token) for request in server.requests] == [False, True, True, True]
    assert all(request.headers["Cookie"] for request in server.requests)


def test_a_refused_session_without_negotiate_is_not_offered(open_server, server):
    jar = CookieJar()
    jar.set_cookie(cookie())
    server.play(say(message(401)), say(message(401)))
    with pytest.raises(NegotiateNotOffered):
        open_server(cookiejar=jar).method()
    assert [bool(request.token) for request in server.requests] == [False, True]


def test_a_redirection_on_a_session_is_not_followed(open_server, server):
    jar = CookieJar()
    jar.set_cookie(cookie())
    server.play(say(message(302, [("Location", "/login")])))
    with pytest.raises(UnexpectedStatus, match="points, unverified, to /login"):
        open_server(cookiejar=jar).method()
    assert len(server.requests) == 1


# -- files ------------------------------------------------------------------------------------------------------------

JARS = pytest.mark.parametrize("kind", [MozillaCookieJar, LWPCookieJar])


@JARS
def test_a_jar_with_a_file_is_saved_and_loaded(call_hub, user, sent, tmp_path, kind):
    path = tmp_path / "cookies"
    proxy = call_hub("/session", cookiejar=kind(path))
    assert proxy.whoami() == user
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "hub_session" in path.read_text()  # at once: a program that is killed does not lose it
    again = call_hub("/session", cookiejar=kind(path))
    assert again.whoami() == user
    assert sent() == ["200 ticket", "200 session"]
    assert os.listdir(tmp_path) == ["cookies"]


def test_a_call_returns_its_answer_if_cookies_cannot_be_saved(call_hub, user, tmp_path, caplog):
    folder = tmp_path / "folder"
    proxy = call_hub("/session", cookiejar=MozillaCookieJar(folder / "cookies"))
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(folder) in caplog.text and "hub_session" not in caplog.text
    with pytest.raises(OSError, match=str(folder)):
        proxy("close")()
    assert "connections=0" in repr(proxy("transport"))
    folder.mkdir()
    proxy("close")()
    assert (folder / "cookies").exists()


def test_a_file_jar_without_a_file_is_a_jar(call_hub, user):
    proxy = call_hub("/session", cookiejar=MozillaCookieJar())
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
