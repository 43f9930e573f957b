"""Sessions: cookies of verified replies, the calls that ride on them, and what happens when they end."""

import logging
import os
import stat
import time
import uuid
from http.cookiejar import Cookie, CookieJar, LWPCookieJar, MozillaCookieJar
from xmlrpc.client import Fault, ServerProxy, dumps

import pytest
from fuzz import cookies as fuzz_cookies
from hypothesis import given, strategies as st
from realm.scripted import ScriptedServer, accept, honest, message, say, values

from krbxmlrpc import (
    AuthenticationRejected,
    InsecureKerberosTransport,
    KerberosTransport,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    UnexpectedStatus,
)
from krbxmlrpc._negotiate.cookies import JUST, MAX_PLACES, CookieStore

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


def cookie(name="session", value="secret", domain="localhost.local", path="/", **attributes):
    """Return a cookie as a jar holds it."""
    fields = {"version": 0, "port": None, "port_specified": False, "domain_specified": False, "secure": False}
    fields.update(domain_initial_dot=False, path_specified=True, expires=None, discard=True, comment=None)
    fields.update(comment_url=None, rest={}, **attributes)
    return Cookie(name=name, value=value, domain=domain, path=path, **fields)


def proved_session(jar=None):
    """Return the cookies of a transport to which some hosts have proved themselves."""
    session = CookieStore(jar)
    for host in ("hub", "hub.test", "HUB.test:8443", "sub.hub.test", "test", "nothub.test", "hub.co.uk"):
        session.prove(host)
    return session


def garble(jar):
    """Make the cookies of a jar ones that no server knows."""
    for held in list(jar):
        jar.set_cookie(cookie(held.name, uuid.uuid4().hex, held.domain, held.path))


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
def test_a_session_that_ended_is_renewed_at_the_cost_of_one_request(call_hub, user, sent, preemptive):
    proxy = call_hub("/session", preemptive=preemptive)
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
    assert sent() == ["401 no ticket"] * (not preemptive) + ["200 ticket", "200 session"]
    for _ in range(2):
        garble(proxy("transport").cookiejar)
        assert [proxy.whoami(), proxy.whoami()] == [user] * 2
        assert sent() == ["401 session", "200 ticket", "200 session"]


def test_without_mutual_authentication_nothing_is_verified_and_no_cookie_kept(call_hub, user, sent):
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
    class Counting(CookieJar):
        asked = 0

        def add_cookie_header(self, request):
            self.asked += 1
            super().add_cookie_header(request)

    jar = Counting()
    proxy = call_hub("/session", cookiejar=jar)
    assert [proxy.whoami() for _ in range(10)] == [user] * 10
    assert jar.asked == 2  # before the first reply, and after it
    jar.set_cookie(cookie("another"))
    assert [proxy.whoami() for _ in range(10)] == [user] * 10
    assert jar.asked == 3


def test_a_cookie_that_has_expired_is_not_sent(monkeypatch):
    now = time.time()
    session = proved_session()
    session.keep("https://hub/xmlrpc", ["a=1; Max-Age=100", "b=2"], fresh=True)
    assert session.cookies("https://hub/xmlrpc") == "a=1; b=2"
    monkeypatch.setattr(time, "time", lambda: now + 200)
    assert session.cookies("https://hub/xmlrpc") == "b=2"


@pytest.mark.parametrize("lines, elsewhere", [(["a=1"], ""), (["a=1; Domain=hub.test"], "a=1")])
def test_a_cookie_goes_to_its_own_host_unless_it_says_otherwise(lines, elsewhere):
    session = proved_session()
    session.keep("https://hub.test/", lines, fresh=True)
    assert session.cookies("https://HUB.test:8443/xmlrpc") == "a=1"
    assert session.cookies("https://sub.hub.test/") == elsewhere
    assert session.cookies("https://test/") == session.cookies("https://nothub.test/") == ""


@pytest.mark.parametrize(
    "line", ["a=1; Domain=other.test", "a=1; Domain=.co.uk", "a=b\tc", "a=1; Domain=hub", "a=1; Max-Age=0"]
)
def test_cookies_that_are_not_taken(line):
    session = proved_session()
    session.keep("https://hub.co.uk/", [line], fresh=True)
    assert list(session.jar) == []


@pytest.mark.parametrize("domain", [".local", "local", "hub.local.local"])
@pytest.mark.parametrize("host", ["hub", "hub.local", "127.0.0.1"])
def test_hosts_without_a_dot_and_addresses_have_no_domain_in_common(host, domain):
    session = CookieStore(None)
    for name in (host, "other", "other.local", "10.0.0.1"):
        session.prove(name)
        session.keep(f"https://{name}/", ["a=own", "b=own; Path=/"], fresh=True)
    domain = ".0.0.1" if host == "127.0.0.1" else domain
    session.keep(f"https://{host}/", [f"c=1; Domain={domain}", f"b=2; Path=/; Domain={domain}; Max-Age=0"], fresh=True)
    for name in (host, "other", "other.local", "10.0.0.1"):
        assert session.cookies(f"https://{name}/") == "a=own; b=own"


@pytest.mark.parametrize("domain", ["other.test", ".other.test", "hub.test.local"])
def test_a_host_removes_no_cookie_of_another(domain):
    session = proved_session()
    held = cookie(domain=f".{domain.lstrip('.')}", path="/")
    session.jar.set_cookie(held)
    session.keep("https://hub.test/", [f"session=; Domain={domain}; Path=/; Max-Age=0"], fresh=True)
    assert list(session.jar) == [held]


@pytest.mark.parametrize(
    "line",
    ["a=1; Max-Age", "a=1; Expires=Mon, 23 Jov 2026 12:00:00 GMT", "a=1; Max-Age=soon", "a=1; Port=x", "a=1; Domain"],
)
def test_an_attribute_that_cannot_be_read_does_not_count(line):
    session = proved_session()
    session.keep("https://hub.test/", ["before=1", line, "after=1"], fresh=True)
    assert session.cookies("https://hub.test/") == "before=1; a=1; after=1"


@pytest.mark.parametrize("attribute", ["Secure", "secure=", "SECURE=yes"])
def test_a_secure_cookie_is_one_however_it_says_so(attribute):
    session = proved_session()
    session.keep("https://hub.test/", [f"a=1; {attribute}"], fresh=True)
    assert (session.cookies("https://hub.test/"), session.cookies("http://hub.test/")) == ("a=1", "")


NAMES = st.sampled_from(["Domain", "Path", "Max-Age", "Expires", "Secure", "Version", "Port", "comment", ""])
DOMAINS = st.sampled_from([".local", ".0.0.1", "example.test", ".other.test", "co.uk", "hub", "[::1]", "."])
DATES = st.sampled_from(["Mon, 23 Nov 2099 12:00:00 GMT", "Mon, 23 Jov 1926 12:00:00 GMT"])
OTHERS = st.sampled_from(["/", "/folder", '"', "0", "-1", "9" * 20, "\xe9\t"]) | st.text("a=; ,", max_size=4)
VALUES = DOMAINS | DATES | OTHERS
ANY_ATTRIBUTES = st.lists(NAMES | st.builds("{}={}".format, NAMES, VALUES)).map("; ".join)
LINES = st.lists(st.builds("{}={}; {}".format, st.sampled_from(["own", "a", ""]), VALUES, ANY_ATTRIBUTES))


@given(st.sampled_from(list(fuzz_cookies.FRIENDS)), LINES)
def test_cookies_of_any_form_go_to_no_other_host_and_do_no_harm(host, lines):
    fuzz_cookies.check(host, lines)


COOKIE_TOKEN = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True)
COOKIE_OCTETS = st.from_regex(r"[!#-+\--:<-\[\]-~]{0,20}", fullmatch=True)
VALID_ATTRIBUTES = st.lists(
    st.sampled_from(["Path=/", "path=/folder", "Path=/folder/xmlrpc", "Secure", "HttpOnly", "SameSite=Lax"])
    | st.sampled_from(["Domain=hub.example.test", "domain=.Example.Test", "Version=1", "Port=80", 'Path="/"'])
    | st.sampled_from(["Expires=Wed, 09 Jun 2100 10:18:14 GMT", "expires=Wed, 09-Jun-2100 10:18:14 GMT", "x-other"])
    | st.integers(1, 10**30).map("Max-Age={}".format)
)


@given(COOKIE_TOKEN, COOKIE_OCTETS | COOKIE_OCTETS.map('"{}"'.format), VALID_ATTRIBUTES)
def test_a_valid_cookie_comes_back_as_it_is(name, value, attributes):
    url = fuzz_cookies.url("hub.example.test")
    session = CookieStore(None)
    session.prove("hub.example.test")
    session.keep(url, ["; ".join([f"{name}={value}", *attributes])], fresh=True)
    assert session.cookies(url) == f"{name}={value}"


@pytest.mark.parametrize("value", ["a\r\nX-Injected: yes", "a\nb", "\u20ac", "\0"])
def test_a_cookie_that_would_break_the_request_is_refused(call_hub, hub, value, case):
    jar = CookieJar()
    jar.set_cookie(cookie(value=value))
    with pytest.raises(ValueError, match="^cookiejar holds") as caught:
        call_hub("/session", cookiejar=jar).whoami()
    assert value not in str(caught.value)


def test_a_reply_to_older_cookies_changes_those_of_now_only_if_it_answers_a_ticket():
    session, url = proved_session(), "https://hub/"
    for value, fresh, sent, kept in (
        ("a", True, "", "a"),
        ("late", False, "", "a"),
        ("b", False, "session=a", "b"),
        ("c", True, "session=a", "c"),
    ):
        session.keep(url, [f"session={value}"], fresh=fresh, sent=sent)
        assert session.cookies(url) == f"session={kept}"


def test_what_is_known_of_urls_does_not_grow_for_ever():
    session = proved_session()
    session.jar.set_cookie(cookie(domain="hub.local"))
    for number in range(3 * MAX_PLACES):
        assert session.cookies(f"https://hub/{number}") == "session=secret"
    assert len(session._places) <= MAX_PLACES


# -- whose cookies are kept -------------------------------------------------------------------------------------------

SETS_COOKIE = [("Set-Cookie", "evil=1; Path=/")]


@pytest.fixture
def open_server(server, server_context):
    """Open a proxy for the scripted server."""
    opened = []

    def open_proxy(path="/xmlrpc", **arguments):
        opened.append(ServerProxy(server.url(path), transport=KerberosTransport(context=server_context, **arguments)))
        return opened[-1]

    yield open_proxy
    for proxy in opened:
        proxy("close")()


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
    server.play(answer)
    with pytest.raises(error):
        proxy.method()
    assert list(proxy("transport").cookiejar) == []


@pytest.mark.parametrize("arguments", [{"preemptive": False}, {}])
def test_cookies_of_a_reply_that_nobody_verified_are_not_kept_where_it_is_believed(open_server, server, arguments):
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


def test_replies_on_a_session_renew_its_cookies_and_others_do_not(open_server, server):
    proxy = open_server()
    server.play(
        honest(headers=[("Set-Cookie", "session=1")]),
        carried(headers=[("Set-Cookie", "session=2")]),
        say(message(500, [("Set-Cookie", "session=3")])),
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
def test_a_load_balancers_cookie_costs_one_round_trip_and_goes_along(open_server, server, renewed, preemptive):
    """Whether it sets its cookie once or with each reply."""
    numbers = iter(range(100))

    def sticky():
        number = next(numbers)
        return [("Set-Cookie", f"node={number}; Path=/")] if renewed or not number else []

    proxy = open_server(preemptive=preemptive)
    server.play(*[only_by_ticket(sticky)] * 20)
    assert [proxy.method() for _ in range(5)] == ["an honest answer"] * 5
    tickets = [bool(request.token) for request in server.requests]
    ask = [] if preemptive else [False]
    assert tickets == [*ask, True, False, True, True, True, True]
    assert all(request.headers["Cookie"].startswith("node=") for request in server.requests[len(ask) + 1 :])
    server.requests.clear()
    assert ServerProxy(server.url("/other"), transport=proxy("transport")).method() == "an honest answer"
    assert len(server.requests) == 1 + len(ask)  # learnt once for the host


def test_a_session_that_carried_a_call_is_not_taken_for_a_load_balancers_cookie(open_server, server):
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


def test_a_session_that_ended_before_it_carried_a_call_is_not_taken_for_a_load_balancers_cookie(monkeypatch):
    now = time.monotonic()
    session = proved_session()
    for seconds, useless in ((JUST + 1, False), (JUST - 1, True)):
        monkeypatch.setattr(time, "monotonic", lambda: now)
        session.keep("https://hub/", [f"session={seconds}"], fresh=True)
        monkeypatch.setattr(time, "monotonic", lambda: now + seconds)
        session.refused("https://hub/", session.cookies("https://hub/"))
        session.keep("https://hub/", ["session=new"], fresh=False)
        assert session.carries("https://hub/", "session=new") is not useless


def test_a_session_that_carried_a_call_to_another_path_of_the_host_is_not_either():
    session = proved_session()
    session.keep("https://hub/a", ["session=1; Path=/"], fresh=True)
    session.accepted("hub")
    session.refused("https://hub/a", "session=1")
    assert not session.carries("https://hub/a", "session=1")
    assert session.carries("https://hub/a", "session=2")


def test_a_cookie_that_another_thread_is_just_removing_is_passed_over():
    class Losing(CookieJar):
        lost = ()

        def __iter__(self):
            return iter([*self.lost, *super().__iter__()])

    jar = Losing()
    jar.set_cookie(cookie(domain="hub.local"))
    session = CookieStore(jar)
    assert session.cookies("https://hub/") == "session=secret"
    jar.lost = (None,)
    assert session.cookies("https://hub/") == "session=secret"


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("secret"), UnicodeError("secret")])
def test_whatever_keeps_cookies_from_being_saved_does_not_cost_the_answer(tmp_path, caplog, error):
    class Failing(MozillaCookieJar):
        def save(self, *arguments, **options):
            raise error

    session = proved_session(Failing(tmp_path / "cookies"))
    session.keep("https://hub/", ["a=1"], fresh=True)
    assert session.cookies("https://hub/") == "a=1"
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "secret" not in caplog.text
    with pytest.raises(OSError) as caught:
        session.save()
    assert "secret" not in repr(caught.value) and not isinstance(caught.value.__context__, ValueError)
    assert os.listdir(tmp_path) == []


def test_a_lock_that_a_signal_handler_needs_is_not_held_against_it(tmp_path):
    transport = KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies"))

    class Closing(MozillaCookieJar):
        closed = False

        def save(self, *arguments, **options):
            if not self.closed:
                self.closed = True
                transport.close()
            super().save(*arguments, **options)

    transport._client.memory.cookies.jar = Closing(tmp_path / "cookies")
    transport._client.memory.cookies.prove("hub")
    transport._client.memory.cookies.keep("https://hub/", ["a=1"], fresh=True)
    assert "a" in (tmp_path / "cookies").read_text()


@pytest.mark.parametrize("login_path", [None, "/login"])
def test_another_port_of_the_host_gets_no_cookie_before_it_has_proved_itself(ca, server, server_context, login_path):
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


def test_a_session_that_carried_nothing_but_faults_has_carried_calls(open_server, server):
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
    """Say whether calls to the host of a proxy may ride on a session."""
    return not proxy("transport")._client.memory.cookies._useless


def test_a_session_that_is_renewed_under_the_same_name_carries_again(open_server, server):
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


def test_cookies_that_change_with_every_reply_are_learnt_by_many_threads_too():
    session = proved_session()
    for number in range(16):
        session.keep("https://hub/", [f"node={number}"], fresh=True)
    session.refused("https://hub/", "node=3")
    assert not session.carries("https://hub/", "node=15")


def test_cookies_of_a_loaded_jar_that_are_refused_are_only_over(open_server, server):
    jar = CookieJar()
    jar.set_cookie(cookie())
    proxy = open_server(cookiejar=jar)
    server.play(say(message(401)), honest(headers=[("Set-Cookie", "session=new; Path=/")]), carried())
    assert [proxy.method(), proxy.method()] == ["an honest answer", "on a session"]
    assert [request.headers["Cookie"] for request in server.requests] == ["session=secret"] * 2 + ["session=new"]


def test_cookies_that_were_refused_and_not_renewed_are_not_tried_again(open_server, server):
    jar = CookieJar()
    jar.set_cookie(cookie())
    proxy = open_server(cookiejar=jar)
    server.play(*[only_by_ticket()] * 10)
    assert [proxy.method() for _ in range(3)] == ["an honest answer"] * 3
    assert [bool(request.token) for request in server.requests] == [False, True, True, True]
    assert all(request.headers["Cookie"] for request in server.requests)


def test_a_session_and_then_no_negotiate_is_negotiate_not_offered(open_server, server):
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
    with pytest.raises(UnexpectedStatus, match="points to /login"):
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


@JARS
def test_a_file_is_replaced_in_one_step_and_only_where_cookies_changed(tmp_path, kind):
    path = tmp_path / "cookies"
    path.write_text("")
    path.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(path)
    session = proved_session(kind(link))
    before = path.stat()
    session.save()
    assert path.stat().st_ino == before.st_ino
    session.keep("https://hub/", ["a=1"], fresh=True)
    after = path.stat()
    assert after.st_ino != before.st_ino and stat.S_IMODE(after.st_mode) == 0o600 and link.is_symlink()
    session.save()
    assert path.stat().st_ino == after.st_ino
    session.jar.clear()
    session.save()
    assert path.stat().st_ino != after.st_ino
    assert list(CookieStore(kind(path)).jar) == []


def test_cookies_of_the_jar_itself_are_saved_at_close(tmp_path):
    transport = KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies"))
    transport.cookiejar.set_cookie(cookie())
    transport.close()
    assert [held.value for held in KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies")).cookiejar] == [
        "secret"
    ]


HEAD = b"# Netscape HTTP Cookie File\n"
DAMAGED = [
    b"secret\n",
    b"\xff\xfe\0secret",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tname\tsecret\thub.test\tFALSE\n",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\tnever\tname\tsecret\n",
    HEAD + b"hub.test\tTRUE\t/\tTRUE\t\tname\tsecret\n",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tsecr",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tname\t\xff\xfesecret\n",
    b"#LWP-Cookies-2.0\nSet-Cookie3: secret; version=x\n",
]


@JARS
@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_named_and_not_shown(tmp_path, kind, content):
    path = tmp_path / "cookies"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^cookiejar has a file that is damaged.*{kind.__name__}.*/cookies") as caught:
        KerberosTransport(cookiejar=kind(path))
    assert "secr" not in str(caught.value) and caught.value.__context__ is None
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(OSError, match=str(tmp_path)):
        KerberosTransport(cookiejar=MozillaCookieJar(tmp_path))  # a folder


def test_a_call_does_not_lose_its_answer_where_the_cookies_cannot_be_saved(call_hub, user, tmp_path, caplog):
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


@JARS
def test_a_cookie_that_lasts_too_long_for_a_date_is_saved(tmp_path, kind):
    session = proved_session(kind(tmp_path / "cookies"))
    session.keep("https://hub.test/", ["a=1; Max-Age=" + "9" * 20, "b=2; Max-Age=" + "9" * 12], fresh=True)
    again = CookieStore(kind(tmp_path / "cookies"))
    assert again.cookies("https://hub.test/") == session.cookies("https://hub.test/") == "a=1; b=2"


def test_a_file_stays_as_it_was_where_saving_fails(tmp_path):
    class Failing(MozillaCookieJar):
        def save(self, *arguments, **options):
            super().save(*arguments, **options)
            raise OSError("the disk is full")

    path = tmp_path / "cookies"
    path.write_bytes(HEAD)
    session = proved_session(Failing(path))
    session.jar.set_cookie(cookie())
    with pytest.raises(OSError, match="disk is full"):
        session.save()
    assert path.read_bytes() == HEAD
    assert os.listdir(tmp_path) == ["cookies"]


def test_a_file_jar_without_a_file_is_a_jar(call_hub, user):
    proxy = call_hub("/session", cookiejar=MozillaCookieJar())
    assert [proxy.whoami(), proxy.whoami()] == [user] * 2
