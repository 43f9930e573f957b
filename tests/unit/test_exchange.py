"""One attempt at a call, driven without sockets: what it sends, what it keeps, and what comes of it."""

import time
from contextlib import suppress

import pytest
from helpers import Clock
from policy_table import DISABLED, OPTIONAL, REQUIRED, TABLE
from scripted_wire import CALL, GOOD, LEG, MORE, USER, VALUE, Attempt, challenge, reply

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    ServerUnreachable,
    UnexpectedStatus,
)
from krbxmlrpc._http.time_limits import Deadline
from krbxmlrpc._negotiate.exchange import MAX_OFFERS
from krbxmlrpc._negotiate.policy import MAX_LEGS, Expects, Sent, Step

ERRORS = {
    Step.UNPROVEN: MutualAuthenticationError,
    Step.REJECTED: AuthenticationRejected,
    Step.NOT_OFFERED: NegotiateNotOffered,
    Step.UNEXPECTED: UnexpectedStatus,
}


@pytest.mark.parametrize("row, sent, statuses, negotiate, modes, verified, step", TABLE)
def test_an_attempt_follows_the_table(row, sent, statuses, negotiate, modes, verified, step):
    cookies = "session=1" if sent is Sent.COOKIES else ""
    for status in statuses:
        for mode in modes:
            replies = [reply(status, challenge(negotiate and (LEG if status == 401 else GOOD)))]
            replies += [reply(200)] * (step is Step.ANOTHER_LEG)
            attempt = Attempt(sent, mode, replies, cookies=cookies)
            if step in ERRORS:
                with pytest.raises(ERRORS[step]):
                    attempt.run()
            elif step is Step.RENEW:
                assert attempt.run()[0] is Step.RENEW
            else:
                assert attempt.run() == (Step.ACCEPT, ("value",))
            legs = 2 if step is Step.ANOTHER_LEG else 1
            tickets = [f"Negotiate {leg + 1}" if sent is Sent.TICKET else None for leg in range(legs)]
            assert attempt.wire.sent == [(ticket, cookies) for ticket in tickets]
            proves = verified or (step is Step.ANOTHER_LEG and mode is not DISABLED)
            assert attempt.memory.authenticated_as == (USER if proves else None)
            assert attempt.wire.is_given_up is (step is Step.UNPROVEN)


@pytest.mark.parametrize("mode", [REQUIRED, OPTIONAL])
@pytest.mark.parametrize("status", [200, 302, 403, 500])
def test_a_false_token_ends_the_attempt_and_its_connection(mode, status):
    attempt = Attempt(Sent.TICKET, mode, [reply(status, [*challenge("bm8="), ("Set-Cookie", "a=1; Path=/")])])
    with pytest.raises(MutualAuthenticationError):
        attempt.run()
    assert attempt.wire.is_given_up and attempt.jar() == {}


@pytest.mark.parametrize(
    "seconds, words",
    [(0.2, "look at the log of the server"), (21.0, "waited 21 seconds for a ticket.*the KDC is slow")],
)
def test_the_kdc_is_blamed_only_if_the_ticket_took_long(monkeypatch, seconds, words):
    clock, attempt = Clock(), Attempt(Sent.TICKET, REQUIRED, [])
    monkeypatch.setattr(time, "monotonic", clock)
    get_ticket = attempt.wire.get_ticket

    def wait():
        clock.now += seconds
        return get_ticket()

    attempt.wire.get_ticket = wait
    attempt.wire.is_usable = lambda: False
    with pytest.raises(ServerUnreachable, match=f"closed the connection each time.*{words}") as caught:
        attempt.run()
    assert ("KDC" in caught.value.hint) is (seconds > 1)
    assert attempt.wire.sent == []


def test_a_principal_that_keeps_changing_is_named(monkeypatch):
    attempt = Attempt(Sent.TICKET, REQUIRED, [])
    monkeypatch.setattr(attempt.memory.identity, "look", object)
    with pytest.raises(ServerUnreachable, match="the principal of the credential cache changed.*KRB5CCNAME") as caught:
        attempt.run()
    assert "KDC" not in caught.value.hint and attempt.wire.sent == []


@pytest.mark.parametrize("mode", [REQUIRED, OPTIONAL, DISABLED])
def test_an_exchange_has_a_bounded_number_of_legs(mode):
    attempt = Attempt(Sent.TICKET, mode, [reply(401, challenge(MORE))] * 2 * MAX_LEGS)
    with pytest.raises(AuthenticationRejected, match=f"goes on after {MAX_LEGS} requests"):
        attempt.run()
    assert len(attempt.wire.sent) == MAX_LEGS


def test_a_leg_needs_the_connection_that_the_exchange_began_on():
    attempt = Attempt(Sent.TICKET, REQUIRED, [reply(401, [*challenge(LEG), ("Connection", "close")])])
    with pytest.raises(AuthenticationRejected, match="ended between two legs"):
        attempt.run()
    assert len(attempt.wire.sent) == 1


@pytest.mark.parametrize("passes", [True, False])
def test_a_deadline_can_pass_between_two_legs(passes):
    """The drain of the first reply takes all of the time, and gives up the connection."""
    now = [0.0]
    replies = [reply(401, challenge(LEG)), reply(200)]
    attempt = Attempt(Sent.TICKET, REQUIRED, replies, deadline=Deadline(5, lambda: now[0]))

    def drain():
        now[0] += 5 * passes
        attempt.wire.is_reusable = lambda: not passes

    attempt.wire.drain = drain
    if passes:
        with pytest.raises(ServerUnreachable, match="the deadline of 5 seconds passed between two legs .*deadline="):
            attempt.run()
    else:
        assert attempt.run() == (Step.ACCEPT, ("value",))
    assert len(attempt.wire.sent) == 2 - passes


@pytest.mark.parametrize("token", [GOOD, LEG, MORE])
@pytest.mark.parametrize("status", [200, 401])
def test_no_token_may_follow_a_complete_exchange(status, token):
    attempt = Attempt(Sent.TICKET, REQUIRED, [reply(401, challenge(LEG)), reply(status, challenge(token))])
    with pytest.raises(MutualAuthenticationError if status == 200 else AuthenticationRejected):
        attempt.run()
    assert len(attempt.wire.sent) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), NoCredentials("no ticket"), MemoryError()])
@pytest.mark.parametrize("where", ["drain", "is_reusable", "answer_token", "send"])
def test_an_exchange_that_breaks_off_gives_up_its_connection(where, error):
    attempt = Attempt(Sent.TICKET, REQUIRED, [reply(401, challenge(LEG))])
    send = attempt.wire.send

    def fail(*arguments):
        raise error

    def send_first_leg(*arguments):
        attempt.wire.send = fail
        send(*arguments)

    if where == "send":
        attempt.wire.send = send_first_leg
    else:
        setattr(attempt.wire.get_ticket() if where == "answer_token" else attempt.wire, where, fail)
    with pytest.raises(type(error)):
        attempt.run()
    assert attempt.wire.is_given_up


@pytest.mark.parametrize(
    "tokens, is_given_up",
    [(["bm8="], True), ([MORE] * MAX_LEGS, True), ([LEG, LEG], True), ([GOOD], False), ([""], False)],
)
def test_a_complete_exchange_keeps_its_connection(tokens, is_given_up):
    attempt = Attempt(Sent.TICKET, REQUIRED, [reply(401, challenge(token)) for token in tokens])
    with pytest.raises(AuthenticationRejected):
        attempt.run()
    assert attempt.wire.is_given_up is is_given_up
    assert attempt.keeps_connection() is not is_given_up


@pytest.mark.parametrize("is_sent", [False, True])
def test_only_a_request_that_began_leaves_the_outcome_open(is_sent):
    attempt = Attempt(Sent.TICKET, REQUIRED, [])
    failure = PermissionError("a hook may not read its file")

    def send(*arguments):
        attempt.wire.request_started = is_sent
        raise failure

    attempt.wire.send = send
    with pytest.raises(CallOutcomeUnknown if is_sent else PermissionError) as caught:
        attempt.run()
    assert (caught.value.__cause__ if is_sent else caught.value) is failure


def test_a_login_brings_nothing_but_cookies():
    moved = reply(
        302, [*challenge(GOOD), ("Set-Cookie", "a=1; Path=/"), ("Location", "/home")], b"<html/>", "text/html"
    )
    attempt = Attempt(Sent.TICKET, REQUIRED, [moved], Expects.WELCOME)
    assert attempt.run() == (Step.ACCEPT, None)
    assert attempt.jar() == {"a": "1"}


def test_a_body_is_decoded_only_after_the_proof():
    for token, error in ((None, MutualAuthenticationError), ("bm8=", MutualAuthenticationError)):
        attempt = Attempt(Sent.TICKET, REQUIRED, [reply(200, challenge(token), VALUE)])
        attempt.wire.read_body = pytest.fail
        with pytest.raises(error):
            attempt.run()


class Changing:
    """Stands before the wire of an attempt: somebody else runs kinit while the first ticket is fetched."""

    def __init__(self, attempt):
        self._attempt = attempt
        self._get_ticket = attempt.wire.get_ticket

    def __call__(self):
        if self._attempt.identity.owner.cache == USER:
            self._attempt.identity.become("bob@REALM")
        return self._get_ticket()


@pytest.mark.parametrize("principal, cookies", [(USER, ""), (None, "session=1")])
def test_cookies_of_a_former_principal_are_left_out(principal, cookies):
    attempt = Attempt(Sent.TICKET, REQUIRED, [reply(200, challenge(GOOD))], cookies="session=1", principal=principal)
    attempt.wire.get_ticket = Changing(attempt)
    assert attempt.run() == (Step.ACCEPT, ("value",))
    assert attempt.wire.sent == [("Negotiate 1", cookies)]
    assert attempt.wire.is_given_up  # the first connection may be the former principal's


def test_a_connection_of_a_former_principal_is_not_used():
    attempt = Attempt(Sent.CONNECTION, REQUIRED, [reply(200, challenge(GOOD))])
    attempt.memory.note_need(attempt.wire, "hub/xmlrpc", Sent.CONNECTION, USER)
    attempt.identity.become("bob@REALM")
    taken = []

    def forget():
        taken.append(None)
        if len(taken) == 2:  # a new connection
            attempt.memory._known.clear()

    attempt.wire.open = forget
    assert attempt.run() == (Step.ACCEPT, ("value",))
    assert attempt.wire.sent == [("Negotiate 1", "")] and len(taken) == 2


def test_an_offer_is_remembered_for_its_url_and_only_so_many():
    memory = Attempt(Sent.TICKET, REQUIRED, []).memory
    memory.note_offer("hub/xmlrpc")
    assert memory.was_offered("hub/xmlrpc")
    assert not memory.was_offered("hub/other") and not memory.was_offered("other/xmlrpc")
    for number in range(MAX_OFFERS):
        memory.note_offer(f"hub/{number}")
    assert memory.was_offered(f"hub/{MAX_OFFERS - 1}") and not memory.was_offered("hub/xmlrpc")


@pytest.mark.parametrize("first", [reply(401, challenge("")), reply(200, challenge(GOOD)), reply(403, challenge(GOOD))])
def test_an_exchange_notes_an_offer(first):
    attempt = Attempt(Sent.TICKET, REQUIRED, [first])
    with suppress(UnexpectedStatus):
        attempt.run()
    assert attempt.memory.was_offered(CALL.url)
    attempt = Attempt(Sent.TICKET, REQUIRED, [reply(401)])
    with pytest.raises(NegotiateNotOffered):
        attempt.run()
    assert not attempt.memory.was_offered(CALL.url)
