"""The rules against the model: one attempt at a time, with any replies, without a server."""

from hypothesis import given, settings, strategies as st
from model import BODIES, CUT, MAX_LEGS as MODEL_LEGS, MAX_SENT, TOKENS as KINDS_OF_TOKENS, Ended, Model, Reply
from model_replies import REPLIES, encoded
from policy_table import ANY, DISABLED, REQUIRED
from scripted_wire import CALL, GOOD, LEG, MORE, USER, Attempt

from krbxmlrpc import (
    AuthenticationRejected,
    GatewayFailed,
    MutualAuthenticationError,
    NegotiateNotOffered,
    UnexpectedStatus,
)
from krbxmlrpc._negotiate.policy import (
    MAX_LEGS,
    MAX_REQUESTS,
    Expects,
    Keep,
    Sent,
    Step,
    cookies_to_keep,
    needed_next,
    next_step,
    to_be_verified,
)

SENT = {
    "ticket": Sent.TICKET,
    "session": Sent.COOKIES,
    "nothing": Sent.NOTHING,
    "connection": Sent.CONNECTION,
}
TOKENS = {
    **{None: None, "": "", "good": GOOD, "leg": LEG, "more": MORE, "another's": "YW5vdGhlcg==", "flipped": "Z29vZQ=="},
    **{"no base64": "!no base64!", "refusal": "oQcwBaADCgEC", "flipped leg": "bGVo"},
}
ERRORS = {
    Step.UNPROVEN: MutualAuthenticationError,
    Step.REJECTED: AuthenticationRejected,
    Step.NOT_OFFERED: NegotiateNotOffered,
    Step.UNEXPECTED: UnexpectedStatus,
}
GIVEN = {"session": "given"}


def bounded(reply):
    """Leave out what the connection decides: how much of a body is read to keep it, and whether its end was seen.

    A 204 has no body, so only the connection could show that the server meant to end the body with it.
    """
    body = "page" if reply.body in ("long", "too long", "bomb") else reply.body
    framing = "length" if reply.status == 204 and reply.framing in ("to the end", *CUT) else reply.framing
    return reply._replace(body=body, framing=framing, end="kept" if reply.end == "kept" else "announced")


def simple(reply):
    """Leave out all that is not a matter of the rules alone."""
    return bounded(reply)._replace(framing="length", end="kept", late=False)


ATTEMPTS = st.sampled_from([*[(what, "POST") for what in SENT], ("ticket", "GET")])
MODES = st.sampled_from(ANY)
LEGS = st.lists(st.sampled_from([Reply(401, "more"), Reply(401, "leg")]), max_size=MAX_LEGS)
COMMON = st.sampled_from([Reply(), Reply(token=None), Reply(403), Reply(401, "good"), Reply(cookie="session")])
REST = st.lists(COMMON | REPLIES.map(bounded), min_size=MAX_LEGS + 1, max_size=MAX_LEGS + 1)
SCRIPTS = st.builds(list.__add__, LEGS, REST).map(
    lambda replies: [reply._replace(number=number) for number, reply in enumerate(replies, 1)]
)


def model_of(what, mode, spnego=True):
    """Return a model that knows what such an attempt counts on."""
    given = GIVEN if what == "session" else {}
    return Model(mode.value, what != "nothing", False, spnego, spnego, 0, False, given)


def play(model, what, method, replies):
    """Return what an attempt has to send, and its outcome; None if something else has to be sent, or more replies."""
    attempt = model.attempt(what, method)
    requests = [next(attempt)]
    for reply in replies:
        try:
            asked = attempt.send(reply)
        except StopIteration as stop:
            return requests, stop.value
        except Ended as ended:
            return requests, ended.args[0]
        if what != "ticket":
            return requests, None
        requests.append(asked)
    return requests, None


@given(ATTEMPTS, MODES, st.booleans(), REPLIES.map(simple))
def test_the_rules_agree_with_the_model(attempt, mode, was_offered, reply):
    what, method = attempt
    sent, expects = SENT[what], Expects.VALUES if method == "POST" else Expects.WELCOME
    model = model_of(what, mode)
    if was_offered:
        model.note_offer(method)
    _, outcome = play(model, what, method, [reply])
    negotiate = TOKENS[reply.token]
    verified = to_be_verified(sent, reply.status, negotiate, mode, expects)
    if verified and reply.token != "good":
        assert MutualAuthenticationError in outcome.kinds
        return
    step = next_step(sent, reply.status, negotiate, verified, mode, expects, was_offered=was_offered)
    if step is Step.ACCEPT:
        assert outcome.kinds == ({BODIES[reply.body]} if method == "POST" else set())
    elif step is Step.RENEW:
        assert outcome is None
    elif step is Step.ANOTHER_LEG:
        answered = reply.token in ("leg", "more")
        assert outcome is None if answered else outcome.kinds == {AuthenticationRejected}
    else:
        is_gateway = step is Step.UNEXPECTED and method == "POST" and reply.status in (502, 504)
        assert outcome.kinds == {GatewayFailed if is_gateway else ERRORS[step]}
    if reply.cookie is not None and not reply.cookie.startswith("-"):
        kept = cookies_to_keep(sent, verified, step, expects) is Keep.ALL
        assert (model.jar.get(reply.cookie) == reply.mark) is kept
    if sent is not Sent.COOKIES and model.connection == "kept":
        need = needed_next(sent, verified, step, ["true"] * reply.persistent)
        assert need is SENT[model.wanted]


@settings(max_examples=500)
@given(ATTEMPTS, MODES, st.booleans(), st.booleans(), SCRIPTS)
def test_an_attempt_agrees_with_the_model(attempt, mode, spnego, was_offered, replies):
    what, method = attempt
    model = model_of(what, mode, spnego)
    if was_offered:
        model.note_offer(method)
    asked, outcome = play(model, what, method, replies)
    cookies = "; ".join(f"{name}={value}" for name, value in GIVEN.items()) if what == "session" else ""
    expects = Expects.VALUES if method == "POST" else Expects.WELCOME
    # A service without SPNEGO has no token for a ticket that asks for no proof.
    tokens = {**TOKENS, "good": "" if mode is DISABLED and not spnego else GOOD}
    data = [b"" if reply.framing == "no head" else encoded(reply, tokens[reply.token]) for reply in replies]
    made = Attempt(SENT[what], mode, data, expects, cookies, spnego)
    if was_offered:
        made.memory.note_offer(CALL.url)
    try:
        result = made.run()
    except Exception as error:
        assert any(isinstance(error, kind) for kind in outcome.kinds if kind is not str), (error, outcome)
        assert made.wire.is_given_up or not isinstance(error, MutualAuthenticationError)
    else:
        assert not made.wire.is_given_up
        if outcome is None:
            assert result[0] is Step.RENEW
        else:
            assert result == (Step.ACCEPT, None if method == "GET" else (outcome.reply.mark,))
            assert outcome.kinds == ({str} if method == "POST" else set())
    assert model.connection in ("kept" if made.keeps_connection() else "new", "either")
    carried = [(ticket is not None, cookies) for ticket, cookies in made.wire.sent]
    assert carried == [(request.what in ("ticket", "leg"), cookies) for request in asked]
    assert made.jar() == model.jar and made.next_cookies() == model.cookies()
    assert made.memory.authenticated_as == (USER if model.proved else None)
    if what != "session" and model.connection == "kept":
        assert made.needs() is SENT[model.wanted]


STATUSES = st.sampled_from([200, 204, 299, 300, 302, 400, 401, 403, 407, 500])
NEGOTIATE = st.sampled_from([None, "", "token"])


@given(st.sampled_from(Sent), STATUSES, NEGOTIATE, st.booleans(), MODES, st.sampled_from(Expects))
def test_nothing_is_accepted_without_a_proof(sent, status, negotiate, verified, mode, expects):
    proved = verified or sent.rides or mode is not REQUIRED
    step = next_step(sent, status, negotiate, verified, mode, expects)
    assert step is not Step.ACCEPT or (proved and status != expects.challenge_status)
    keep = cookies_to_keep(sent, verified, step, expects)
    assert keep is not Keep.ALL or verified or (sent.rides and step is Step.ACCEPT)
    assert keep is not Keep.REMOVALS or sent is Sent.COOKIES
    if to_be_verified(sent, status, negotiate, mode, expects):
        assert sent is Sent.TICKET and negotiate and mode is not DISABLED and status != expects.challenge_status


def test_the_bounds_are_those_of_the_model():
    assert (MAX_LEGS, MAX_REQUESTS) == (MODEL_LEGS, MAX_SENT)
    assert set(TOKENS) == set(KINDS_OF_TOKENS)
