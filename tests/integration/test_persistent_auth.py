"""Servers that bind the authentication to the connection: ``Persistent-Auth: true`` saves further tickets there."""

import threading
from xmlrpc.client import Fault, ServerProxy

import pytest
from helpers import DEADLINE, in_child, in_threads, wait_until_readable
from internals import idle_connections
from servers.scripted import accept, hang_up, honest, message, say, values

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    MutualAuthenticationError,
    NoCredentials,
    UnexpectedStatus,
)
from krbxmlrpc.testing.loopback import Hangup

pytestmark = pytest.mark.usefixtures("library")

SAYS_SO = [("Persistent-Auth", "true")]


def logged(hub, case, count):
    """Return how the requests of a case were answered, and which of them had tickets."""
    return [(line.status, line.ticket) for line in hub.logged(case, count)]


def refused(headers=()):
    """Answer that a ticket is asked for."""
    return say(message(401, [("WWW-Authenticate", "Negotiate"), *headers]))


def carried(headers=SAYS_SO, status=200):
    """Answer a request that carries nothing."""
    return say(message(status, headers, values("without a ticket")))


def tickets(server):
    """Return which requests to the scripted server had tickets."""
    return [request.token is not None for request in server.requests]


# -- against Apache ---------------------------------------------------------------------------------------------------


def test_each_call_has_a_ticket_without_persistent_auth(call_hub, hub, user, case):
    proxy = call_hub("/bound")
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert logged(hub, case, 3) == [(200, True)] * 3


def test_a_ticket_once_asked_for_is_sent_with_later_calls(call_hub, hub, user, case):
    """Without one, it would answer without a proof: to a call that it takes for the user's, and has made."""
    proxy = call_hub("/bound", preemptive=False)
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert logged(hub, case, 4) == [(401, False), *[(200, True)] * 3]


@pytest.mark.parametrize("mode", ["required", "optional"])
@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_one_ticket_for_a_connection(call_hub, hub, user, case, mechanism, mode):
    proxy = call_hub("/persistent", mechanism=mechanism, mutual_authentication=mode)
    assert [proxy.whoami() for _ in range(4)] == [user] * 4
    lines = hub.logged(case, 4)
    assert [(line.earlier, line.ticket, line.user) for line in lines] == [
        (number, not number, user) for number in range(4)
    ]
    assert proxy("transport").principal == user


def test_one_ticket_for_a_connection_that_is_asked_for(call_hub, hub, user, case):
    proxy = call_hub("/persistent", preemptive=False)
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert logged(hub, case, 4) == [(401, False), (200, True), (200, False), (200, False)]


def test_each_call_has_a_ticket_without_mutual_authentication(call_hub, hub, user, case):
    proxy = call_hub("/persistent", mutual_authentication="disabled")
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert logged(hub, case, 3) == [(200, True)] * 3


def test_credentials_are_needed_for_new_connections_only(call_hub, user, monkeypatch):
    proxy = call_hub("/persistent")
    assert proxy.whoami() == user
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    assert proxy.whoami() == user
    proxy("close")()
    with pytest.raises(NoCredentials):
        proxy.whoami()


def test_a_new_connection_takes_a_ticket(call_hub, hub, user, case):
    proxy = call_hub("/persistent")
    for _ in range(2):
        assert [proxy.whoami(), proxy.whoami()] == [user] * 2
        proxy("close")()
    assert logged(hub, case, 4) == [(200, True), (200, False)] * 2


def test_a_forked_child_gets_tickets_for_its_own_connections(call_hub, hub, user, case):
    proxy = call_hub("/persistent")
    assert proxy.whoami() == user
    assert in_child(lambda: [proxy.whoami(), proxy.whoami()]) == [user] * 2
    assert proxy.whoami() == user
    assert logged(hub, case, 4) == [(200, True), (200, True), (200, False), (200, False)]


def test_faults_and_failures_leave_the_connection_authenticated(call_hub, hub, user, case):
    proxy = call_hub("/persistent")
    assert proxy.whoami() == user
    with pytest.raises(Fault):
        proxy.fail(7, "seven")
    with pytest.raises(UnexpectedStatus) as caught:
        ServerProxy(hub.url(f"/persistent?status=404&case={case}"), transport=proxy("transport")).whoami()
    assert caught.value.errcode == 404
    assert proxy.whoami() == user
    assert logged(hub, case, 4) == [(200, True), (200, False), (404, False), (200, False)]


def test_a_large_call_and_a_large_reply_without_a_ticket(call_hub, user):
    proxy = call_hub("/persistent")
    assert proxy.whoami() == user
    assert proxy.size("x" * 5_000_000) == 5_000_000
    assert len(proxy.text(5_000_000)) == 5_000_000


def test_another_page_that_takes_tickets_gets_them_at_once(call_hub, hub, user, case):
    proxy = call_hub("/persistent")
    other = ServerProxy(hub.url(f"/xmlrpc?case={case}"), transport=proxy("transport"))
    assert [proxy.whoami(), other.whoami(), proxy.whoami(), other.whoami()] == [user] * 4
    lines = hub.logged(case, 4)
    assert [line.status for line in lines] == [200] * 4
    assert [line.ticket for line in lines if line.path == "/xmlrpc"] == [True] * 2


def test_a_public_page_is_not_taken_for_an_authenticated_one(call_hub, hub, user):
    """Apache answers there as if nobody had proved himself on the connection, and does not say that somebody has."""
    proxy = call_hub("/persistent")
    assert proxy.whoami() == user
    with pytest.raises(MutualAuthenticationError):
        ServerProxy(hub.url("/open"), transport=proxy("transport")).whoami()
    assert proxy.whoami() == user


# -- who says so, and who does not ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["true", "True", " true "])
def test_a_server_that_says_so(call_server, server, value):
    server.play(honest(headers=[("Persistent-Auth", value)]), carried())
    proxy = call_server()
    assert [proxy.method(), proxy.method()] == ["an honest answer", "without a ticket"]
    assert tickets(server) == [True, False]


@pytest.mark.parametrize("headers", [[("Persistent-Auth", value)] for value in ("false", "", "yes", "true-ish")] + [[]])
def test_a_server_that_does_not_say_so(call_server, server, headers):
    server.play(*[honest(headers=headers)] * 3)
    proxy = call_server()
    assert [proxy.method() for _ in range(3)] == ["an honest answer"] * 3
    assert tickets(server) == [True] * 3


def test_a_server_that_takes_it_back(call_server, server):
    server.play(honest(headers=SAYS_SO), carried([("Persistent-Auth", "false")]), honest(headers=SAYS_SO), carried())
    proxy = call_server()
    assert [proxy.method() for _ in range(4)] == ["an honest answer", "without a ticket"] * 2
    assert tickets(server) == [True, False] * 2
    assert server.connections == 1


def unproven(request, send):
    accept(request.token)
    send(message(200, SAYS_SO, values("believed")))


def test_a_reply_that_nobody_verified_does_not_say_so(call_server, server):
    """Not even where it is believed."""
    server.play(*[unproven] * 3)
    proxy = call_server(mutual_authentication="optional")
    assert [proxy.method() for _ in range(3)] == ["believed"] * 3
    assert tickets(server) == [True] * 3


@pytest.mark.parametrize("answer", [unproven, honest(lambda token: "bm8=", headers=SAYS_SO)])
def test_a_server_that_does_not_prove_itself_is_left(call_server, server, answer):
    server.play(answer, honest())
    proxy = call_server()
    with pytest.raises(MutualAuthenticationError):
        proxy.method()
    assert proxy.method() == "an honest answer"
    assert [(request.connection, request.token is not None) for request in server.requests] == [(0, True), (1, True)]


def test_a_refusal_does_not_say_so(call_server, server):
    server.play(refused(SAYS_SO), honest(), honest())
    proxy = call_server(preemptive=False)
    assert [proxy.method(), proxy.method()] == ["an honest answer"] * 2
    assert tickets(server) == [False, True, True]


def test_a_connection_that_ends_with_the_reply_keeps_nothing(call_server, server):
    def say_so_and_close(request, send):
        honest(headers=[*SAYS_SO, ("Connection", "close")])(request, send)
        raise Hangup

    server.play(*[say_so_and_close] * 2)
    proxy = call_server()
    assert [proxy.method(), proxy.method()] == ["an honest answer"] * 2
    assert tickets(server) == [True] * 2


# -- how it ends ------------------------------------------------------------------------------------------------------


def test_a_server_that_has_forgotten_gets_one_ticket(call_server, server):
    server.play(honest(headers=SAYS_SO), carried(), refused(), honest(headers=SAYS_SO))
    proxy = call_server()
    assert [proxy.method() for _ in range(3)] == ["an honest answer", "without a ticket", "an honest answer"]
    assert tickets(server) == [True, False, False, True]
    assert server.connections == 1


@pytest.mark.parametrize("headers", [[], SAYS_SO])
def test_a_server_that_refuses_tickets_too_gets_one_new_ticket(call_server, server, headers):
    server.play(honest(headers=SAYS_SO), *[refused(headers)] * 3)
    proxy = call_server()
    assert proxy.method() == "an honest answer"
    with pytest.raises(AuthenticationRejected):
        proxy.method()
    assert tickets(server) == [True, False, True, True]  # the last one is new


def test_a_connection_that_was_closed_meanwhile(call_server, server):
    def say_so_and_hang_up(request, send):
        honest(headers=SAYS_SO)(request, send)
        raise Hangup

    server.play(say_so_and_hang_up, honest())
    proxy = call_server()
    assert proxy.method() == "an honest answer"
    wait_until_readable(idle_connections(proxy)[0])
    assert proxy.method() == "an honest answer"
    assert [(request.connection, request.token is not None) for request in server.requests] == [(0, True), (1, True)]


def test_a_connection_breaks_during_a_call_without_a_ticket(call_server, server):
    server.play(honest(headers=SAYS_SO), hang_up, honest())
    proxy = call_server(retries=3, retry_interval=0)
    assert proxy.method() == "an honest answer"
    with pytest.raises(CallOutcomeUnknown):
        proxy.method()
    assert proxy.method() == "an honest answer"
    assert tickets(server) == [True, False, True]


def test_a_call_that_may_run_twice_is_repeated_with_a_ticket(call_server, server):
    server.play(honest(headers=SAYS_SO), hang_up, honest())
    proxy = call_server(retries=1, retry_interval=0, idempotent=True)
    assert [proxy.method(), proxy.method()] == ["an honest answer"] * 2
    assert tickets(server) == [True, False, True]


def test_each_thread_has_a_connection_to_authenticate(call_server, server):
    together = threading.Barrier(2)

    def answer_together(answer):
        def wait_and_answer(request, send):
            together.wait(DEADLINE)
            answer(request, send)

        return wait_and_answer

    server.play(*[answer_together(honest(headers=SAYS_SO))] * 2, *[answer_together(carried())] * 2)
    proxy = call_server()
    assert in_threads(*[proxy.method] * 2) == ["an honest answer"] * 2
    assert in_threads(*[proxy.method] * 2) == ["without a ticket"] * 2
    assert sorted(tickets(server)) == [False, False, True, True]
    assert server.connections == 2


# -- what else such a reply may be ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status, kept", [(200, ["sid"]), (500, []), (302, [])])
def test_cookies_of_accepted_replies_without_a_ticket_are_kept(call_server, server, status, kept):
    server.play(honest(headers=SAYS_SO), carried([*SAYS_SO, ("Set-Cookie", "sid=1; Path=/")], status), carried())
    proxy = call_server()
    assert proxy.method() == "an honest answer"
    if status == 200:
        assert proxy.method() == "without a ticket"
    else:
        with pytest.raises(UnexpectedStatus):
            proxy.method()
    assert [cookie.name for cookie in proxy("transport").cookiejar] == kept
    assert proxy.method() == "without a ticket"
    assert server.requests[2].headers["Cookie"] == ("sid=1" if kept else None)


def test_a_token_that_nobody_asked_for_proves_nothing(call_server, server):
    """There is no ticket that it could answer: it is passed over, as on a session."""
    server.play(honest(headers=SAYS_SO), carried([*SAYS_SO, ("WWW-Authenticate", "Negotiate bm8=")]))
    proxy = call_server()
    assert [proxy.method(), proxy.method()] == ["an honest answer", "without a ticket"]
    assert tickets(server) == [True, False]
