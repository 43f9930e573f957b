"""Sessions that end, or answer, in other ways than by 401."""

import threading
from http.cookiejar import MozillaCookieJar
from http.cookies import SimpleCookie
from xmlrpc.client import ServerProxy

import pytest
from helpers import in_threads
from servers.scripted import accept, honest, message, say, values

from krbxmlrpc import (
    AuthenticationRejected,
    KerberosTransport,
    MutualAuthenticationError,
    UnexpectedStatus,
)

LOGIN, CALL = "GET /login", "POST /xmlrpc"
DELETED = ("Set-Cookie", "session=; Path=/; Max-Age=0")


def session(value):
    """Return the header that sets the cookie of a session."""
    return "Set-Cookie", f"session={value}; Path=/"


@pytest.fixture
def open_server(server, server_context, opened):
    """Open a proxy for the scripted server."""

    def open_proxy(**arguments):
        return opened.enter_context(
            ServerProxy(server.url("/xmlrpc"), transport=KerberosTransport(context=server_context, **arguments))
        )

    return open_proxy


def made(server):
    """Return the requests since this was last asked: ``["POST /xmlrpc ticket session=1", …]``."""
    asked = [
        " ".join(
            [*request.line.split()[:2], *["ticket"] * bool(request.token), request.headers["Cookie"] or ""]
        ).strip()
        for request in server.requests
    ]
    server.requests.clear()
    return asked


def on_session(status=200, headers=(), value="on a session"):
    """Answer without looking at a ticket."""
    return say(message(status, headers, values(value)))


# -- a ticket and a session in one request ----------------------------------------------------------------------------


class CookiesFirst:
    """Some nodes that look at the cookies of a request first, and at its ticket only if the session is unknown.

    Attributes:
        sessions: the sessions that each node knows.
        refused: how many requests were answered by 401.
    """

    def __init__(self, nodes=1, choose=lambda number: 0):
        self.sessions = [set() for _ in range(nodes)]
        self.refused = 0
        self._choose = choose
        self._numbers = iter(range(10**6))
        self._lock = threading.Lock()

    def end(self):
        """End all sessions."""
        for known in self.sessions:
            known.clear()

    def __call__(self, request, send):
        with self._lock:
            number = next(self._numbers)
            known = self.sessions[self._choose(number)]
            cookies = SimpleCookie(request.headers["Cookie"] or "")
            is_known = "session" in cookies and cookies["session"].value in known
            if not is_known and request.token:
                known.add(str(number))
            self.refused += not is_known and not request.token
        if is_known:
            on_session()(request, send)
        elif request.token:
            honest(headers=[session(number)], body=values("by a ticket"))(request, send)
        else:
            send(message(401, [("WWW-Authenticate", "Negotiate")]))


def test_threads_share_the_end_of_a_session(open_server, server):
    hub = server.otherwise = CookiesFirst()
    proxy = open_server()
    for _ in range(20):
        hub.end()
        results = in_threads(*[proxy.method] * 8)
        assert set(results) <= {"by a ticket", "on a session"}


def test_newer_cookies_are_tried_before_a_ticket(open_server, server):
    proxy = open_server()
    server.play(honest(headers=[session(1)]), on_session())
    assert [proxy.method(), proxy.method()] == ["an honest answer", "on a session"]
    made(server)

    def ended_and_renewed(request, send):
        """Another thread begins a session while the server refuses the old one."""
        server.play(honest(headers=[session(2)]), on_session())
        proxy("transport").cookiejar.clear()
        assert proxy.method() == "an honest answer"
        send(message(401, [("WWW-Authenticate", "Negotiate")]))

    server.play(ended_and_renewed)
    assert proxy.method() == "on a session"
    assert made(server) == [f"{CALL} session=1", f"{CALL} ticket", f"{CALL} session=2"]


def test_a_session_that_is_lost_at_once_rules_nothing_out(open_server, server):
    hub = server.otherwise = CookiesFirst()
    proxy = open_server()
    assert proxy.method() == "by a ticket"
    hub.end()  # before it carried a call
    assert [proxy.method() for _ in range(5)] == ["by a ticket", *["on a session"] * 4]


@pytest.mark.parametrize(
    "choose", [lambda number: number % 2, lambda number: number // 3 % 2, lambda number: hash(str(number // 2)) % 2]
)
def test_nodes_that_share_no_sessions(open_server, server, choose):
    hub = server.otherwise = CookiesFirst(2, choose)
    proxy = open_server()
    results = [proxy.method() for _ in range(200)]
    assert set(results) <= {"by a ticket", "on a session"}
    assert hub.refused <= 110  # one of two at most, though each request goes to another node


@pytest.mark.parametrize("status", [200, 403, 500])
def test_only_a_success_is_an_answer_on_the_session(open_server, server, status):
    """The request carries a ticket, and cookies that the server has neither accepted nor refused yet."""
    proxy = open_server()
    refused = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    begun = [honest(headers=[session(number)]) for number in range(3)]
    server.play(begun[0], refused, begun[1], refused, begun[2], on_session(status))
    assert [proxy.method() for _ in range(3)] == ["an honest answer"] * 3
    made(server)
    if status == 200:
        assert proxy.method() == "on a session"
    else:
        with pytest.raises(UnexpectedStatus):
            proxy.method()
    assert made(server) == [f"{CALL} ticket session=2"]


def unproven(request, send):
    """Take a ticket, and prove nothing."""
    accept(request.token)
    send(message(200, [session("evil")], values("believed")))


def test_cookies_that_the_server_ignores_replace_no_proof(open_server, server):
    """A load balancer's, for example: somebody could leave out the proof of each call."""
    proxy = open_server()
    refused = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    server.play(honest(headers=[session(1)]), refused, honest(), honest(), unproven)
    assert [proxy.method() for _ in range(3)] == ["an honest answer"] * 3
    with pytest.raises(MutualAuthenticationError):
        proxy.method()
    assert made(server)[-1] == f"{CALL} ticket session=1"
    assert [held.value for held in proxy("transport").cookiejar] == ["1"]


def test_cookies_of_the_caller_replace_no_proof(open_server, server, tmp_path):
    """Nor do those of a file: this transport knows no exchange that began them."""
    path = tmp_path / "cookies"
    server.play(honest(headers=[session(1)]))
    open_server(cookiejar=MozillaCookieJar(path)).method()
    proxy = open_server(cookiejar=MozillaCookieJar(path))
    refused = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    server.play(refused, unproven)
    with pytest.raises(MutualAuthenticationError):
        proxy.method()


def test_a_bad_token_is_refused_on_a_session_too(open_server, server):
    proxy = open_server()
    refused = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    begun = [honest(headers=[session(number)]) for number in range(3)]
    server.play(begun[0], refused, begun[1], refused, begun[2], honest(lambda token: "bm8="))
    assert [proxy.method() for _ in range(3)] == ["an honest answer"] * 3
    with pytest.raises(MutualAuthenticationError):
        proxy.method()


# -- other statuses ---------------------------------------------------------------------------------------------------

OTHER_ENDINGS = [403, 419, 440, 498, 500, 302, 303, 307]


@pytest.mark.parametrize("headers", [[], [DELETED]])
@pytest.mark.parametrize("with_file", [False, True])
@pytest.mark.parametrize("status", OTHER_ENDINGS)
def test_a_session_in_doubt_is_replaced_by_the_next_call(open_server, server, tmp_path, status, with_file, headers):
    def arguments():
        return {"cookiejar": MozillaCookieJar(tmp_path / "cookies")} if with_file else {}

    proxy = open_server(**arguments())
    location = [("Location", "https://localhost:1/elsewhere")] if status < 400 else []
    server.play(honest(headers=[session(1)]), on_session(status, [*headers, *location]))
    assert proxy.method() == "an honest answer"
    with pytest.raises(UnexpectedStatus, match=f"{status}.* to a call on a session") as caught:
        proxy.method()
    assert caught.value.hint.startswith("the session may have ended: the next call begins a new one")
    assert made(server) == [f"{CALL} ticket", f"{CALL} session=1"]  # it was not repeated: it may have run
    if with_file:
        proxy = open_server(**arguments())  # in the next process
    server.play(honest(headers=[session(2)]), on_session())
    assert [proxy.method(), proxy.method()] == ["an honest answer", "on a session"]
    assert made(server) == [f"{CALL} ticket", f"{CALL} session=2"]


@pytest.mark.parametrize("status", [400, 404, 405, 413, 429, 501, 502, 503, 504])
def test_other_failures_leave_a_session_as_it_is(open_server, server, status):
    proxy = open_server()
    server.play(honest(headers=[session(1)]), on_session(status), on_session())
    assert proxy.method() == "an honest answer"
    with pytest.raises(UnexpectedStatus, match=f"{status}.* to a call on a session"):
        proxy.method()
    assert proxy.method() == "on a session"


@pytest.mark.parametrize("status", [302, 401, 403, 404, 500, 503])
def test_a_deletion_in_any_reply_on_a_session_counts(open_server, server, status):
    proxy = open_server()
    server.play(honest(headers=[session(1)]), on_session(status, [DELETED, ("Set-Cookie", "other=1")]))
    proxy.method()
    if status == 401:
        assert proxy.method() == "an honest answer"
    else:
        with pytest.raises(UnexpectedStatus):
            proxy.method()
    assert list(proxy("transport").cookiejar) == []


@pytest.mark.parametrize(
    "answer", [say(message(403, [DELETED])), unproven, honest(lambda token: "bm8=", headers=[DELETED])]
)
def test_nobody_else_deletes_a_session(open_server, server, answer):
    """A reply to a ticket without a proof, and without a session in the request."""
    proxy = open_server()
    server.play(honest(headers=[("Set-Cookie", "session=1; Path=/xmlrpc")]), answer)
    proxy.method()
    with pytest.raises((UnexpectedStatus, MutualAuthenticationError)):
        ServerProxy(server.url("/other"), transport=proxy("transport")).method()
    assert [held.value for held in proxy("transport").cookiejar] == ["1"]


def test_fetch_returns_a_403_and_the_session_is_renewed(open_server, server):
    transport = open_server()("transport")
    host = server.url("").partition("//")[2]
    server.play(honest(headers=[session(1)]), on_session(403), honest(headers=[session(2)]), on_session())
    statuses = [transport.fetch("GET", host, "/rest").status for _ in range(4)]
    assert statuses == [200, 403, 200, 200]
    assert [line.partition("/rest")[2].strip() for line in made(server)] == [
        "ticket",
        "session=1",
        "ticket",
        "session=2",
    ]


# -- redirections to a login ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "location", ["/login", "/login?next=/xmlrpc", "login", "/login;jsessionid=1", "https://{host}/login"]
)
def test_a_redirection_to_the_login_page_means_log_in_again(open_server, server, location):
    host = server.url("").partition("//")[2].rstrip("/")
    to_login = on_session(302, [("Location", location.format(host=host)), DELETED])
    proxy = open_server(login_path="/login")
    server.play(
        honest(status=302, headers=[session(1)]), on_session(), to_login, honest(headers=[session(2)]), on_session()
    )
    assert [proxy.method(), proxy.method()] == ["on a session"] * 2
    assert made(server) == [
        f"{LOGIN} ticket",
        f"{CALL} session=1",
        f"{CALL} session=1",
        f"{LOGIN} ticket",
        f"{CALL} session=2",
    ]
    server.play(to_login, honest(headers=[session(3)]), to_login)
    with pytest.raises(AuthenticationRejected, match="answered 302 on the session of a new login at /login"):
        proxy.method()
    assert made(server) == [f"{CALL} session=2", f"{LOGIN} ticket", f"{CALL} session=3"]  # once


@pytest.mark.parametrize("preemptive", [True, False])
def test_a_redirection_as_of_a_call_without_a_session(open_server, server, preemptive):
    """The server has sent such a call to its single sign-on before."""
    sign_on = on_session(302, [("Location", "https://sso.example.test/login?for=this")])
    proxy = open_server(preemptive=preemptive)
    server.play(sign_on)
    with pytest.raises(UnexpectedStatus):
        proxy.method()
    server.play(honest(headers=[session(1)]) if preemptive else say(message(401, [("WWW-Authenticate", "Negotiate")])))
    server.otherwise = honest(headers=[session(1)])
    assert proxy.method() == "an honest answer"
    made(server)
    server.play(sign_on)
    assert proxy.method() == "an honest answer"
    assert made(server) == [f"{CALL} session=1", f"{CALL} ticket session=1"]


def test_a_redirection_to_another_page_is_none_to_a_login(open_server, server):
    for location in ("/login/other", "https://elsewhere.example.test/login", "/LOGIN"):
        proxy = open_server(login_path="/login")
        server.play(honest(headers=[session(1)]), on_session(302, [("Location", location)]))
        with pytest.raises(UnexpectedStatus, match="to a call on a session"):
            proxy.method()
        assert made(server) == [f"{LOGIN} ticket", f"{CALL} session=1"]


# -- refused logins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 440, 500, 503])
def test_a_refused_login_leaves_no_session(open_server, server, status):
    proxy = open_server(login_path="/login")
    for _ in range(2):
        server.play(honest(status=status, headers=[session(1)]))
        with pytest.raises(UnexpectedStatus) as caught:
            proxy.method()
        assert caught.value.errcode == status and caught.value.at_login
        assert list(proxy("transport").cookiejar) == []
        assert made(server) == [f"{LOGIN} ticket"]
    server.play(honest(headers=[session(2)]), on_session())
    assert proxy.method() == "on a session"


def test_a_login_carries_no_cookies_of_the_old_session(open_server, server):
    """A server that looks at the cookies first would answer without a token."""
    proxy = open_server(login_path="/login")
    server.play(honest(headers=[session(1)]), on_session())
    proxy.method()
    server.play(honest(headers=[session(2)]))
    proxy("transport").login()
    server.play(on_session())
    proxy.method()
    assert made(server) == [f"{LOGIN} ticket", f"{CALL} session=1", f"{LOGIN} ticket", f"{CALL} session=2"]


def test_a_session_in_doubt_is_followed_by_a_login(open_server, server):
    proxy = open_server(login_path="/login")
    server.play(honest(headers=[session(1)]), on_session(403))
    with pytest.raises(UnexpectedStatus, match="403"):
        proxy.method()
    server.play(honest(headers=[session(1)]), on_session())  # the same number for the new session
    assert proxy.method() == "on a session"
    assert made(server) == [f"{LOGIN} ticket", f"{CALL} session=1"] * 2
    server.play(*[say(message(401))] * 3)
    with pytest.raises(AuthenticationRejected):  # the login page took a ticket before, and refuses a new one, too
        proxy.method()
