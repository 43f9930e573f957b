"""Whole conversations: any replies in any order, to a transport in any mode, against a model of what has to come of it.

``MACHINE_EXAMPLES=5000 tests/run.sh tests/integration/test_calls_against_model.py`` runs more of them than usual, and
makes smaller what fails.
"""

import base64
import gc
import itertools
import os
import shutil
import socket
from http.cookiejar import CookieJar
from http.cookies import SimpleCookie
from xmlrpc.client import Fault, ServerProxy

import pytest
from cookie_jars import cookie
from endless_exchange import MORE, Insatiable
from helpers import DEADLINE, Recording, Threads
from hypothesis import HealthCheck, Phase, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from internals import MAX_REQUESTS, use_tickets_of
from model import CUT, HEADLESS, MAX_SENT, Model, Reply
from model_replies import LIMIT, REPLIES, encoded, flipped, mostly
from servers.scripted import accept, honest, message, say, values
from servers.two_leg_acceptor import TwoLegs, gssapi_answers

from krbxmlrpc import (
    AuthenticationRejected,
    ClockSkew,
    KerberosTicket,
    KerberosTransport,
    UnexpectedStatus,
)
from krbxmlrpc.errors import ClockSkewRejected
from krbxmlrpc.testing.loopback import Hangup

pytestmark = pytest.mark.usefixtures("library")

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", 60))

REFUSAL = "oQcwBaADCgEC"  # negState: reject (RFC 4178, section 4.2.2)


class RecordingTransport(Recording, KerberosTransport):
    """A `KerberosTransport` whose parser records."""


# -- replies ----------------------------------------------------------------------------------------------------------


MORE_LEGS = Reply(401, "more")
COMMON = st.sampled_from(
    [
        Reply(),
        Reply(token=None),
        Reply(401, None),
        Reply(401, "leg"),
        MORE_LEGS,
        Reply(persistent=True),
        Reply(500),
        Reply(framing="no head"),
    ]
)
SESSION = Reply(cookie="session")
RENEWED = Reply(token=None, cookie="session")
OVER = Reply(401, "")
LEGS = st.sampled_from([0, 0, 0, 0, 1, 2, 3, 4, 5])
BEGUN = LEGS.map(lambda legs: [MORE_LEGS] * legs + [SESSION])  # with it, a session begins
ENDED = st.integers(0, 2).map(lambda calls: [RENEWED] * calls + [OVER])
KNOWN = COMMON.map(lambda reply: [reply]) | BEGUN | ENDED
STRETCHES = st.booleans().flatmap(lambda any_one: REPLIES.map(lambda reply: [reply]) if any_one else KNOWN)
SCRIPTS = st.lists(STRETCHES, min_size=3, max_size=10).map(lambda stretches: sum(stretches, []))


# -- the server -------------------------------------------------------------------------------------------------------


class Player:
    """Answers with the replies of a script, and honestly behind its end.

    Attributes:
        spnego: whether the client's tickets are in SPNEGO's frame.
        proves: whether the client asks for a proof.
        script: the replies that are to come.
        played: what was asked, and what was answered.
        failures: what went wrong in here.
    """

    def __init__(self):
        self.spnego = True
        self.proves = True
        self.script = []
        self.played = []
        self.failures = []
        self._sessions = set()
        self._acceptors = {}
        self._numbers = itertools.count(1)
        self._proof = accept(KerberosTicket("HTTP@localhost").auth_header.partition(" ")[2])

    def answer(self, request, send):
        try:
            reply = (self.script.pop(0) if self.script else self._honest(request))._replace(number=next(self._numbers))
            if reply.cookie == "honest":
                reply = reply._replace(cookie="session")
                self._sessions.add(reply.mark)
            data = encoded(reply, self._token(reply, request))
            self.played.append((request, reply))
        except Exception as error:
            self.failures.append(error)
            raise Hangup from error
        if reply.framing == "no head":
            raise Hangup
        if reply.end != "kept" or reply.framing in (*CUT, *HEADLESS, "to the end"):
            # The end of the connection comes with the last byte: who has read that can see it.
            request.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            send(data)
            request.sock.shutdown(socket.SHUT_WR)
            raise Hangup
        send(data)

    def _honest(self, request):
        kind = authorization(request)
        if kind is not None:
            token = "good" if kind == "ticket" else None
            return Reply(303, token, cookie="honest") if request.line.startswith("GET") else Reply(token=token)
        return Reply(token=None) if cookies_in(request).get("session") in self._sessions else Reply(401, "")

    def _token(self, reply, request):
        """Return what is to stand behind Negotiate."""
        kind = authorization(request)
        if kind == "leg":
            self._acceptors[request.connection].check(request.token)
        fixed = {None: None, "": "", "no base64": "!no base64!", "refusal": REFUSAL, "more": MORE}
        if reply.token in fixed:
            return fixed[reply.token]
        token = self._proof
        if kind == "ticket" and "leg" in reply.token and self.spnego:
            acceptor = self._acceptors[request.connection] = TwoLegs()
            token = acceptor.ask(request.token)
        elif kind == "ticket" and reply.token in ("good", "flipped"):
            token = accept(request.token)
            if self.proves:  # without a proof, all tokens are the same
                self._proof = token or self._proof
        return flipped(token or self._proof, reply.position) if "flipped" in reply.token else token


def authorization(request):
    """Say what a request carries: a ticket, another leg of its exchange, or None."""
    if request.token is None:
        return None
    return {0x60: "ticket", 0xA1: "leg"}[base64.b64decode(request.token)[0]]


def cookies_in(request):
    """Return the cookies of a request."""
    return {name: morsel.value for name, morsel in SimpleCookie(request.headers["Cookie"] or "").items()}


# -- the machine ------------------------------------------------------------------------------------------------------


class Conversation(RuleBasedStateMachine):
    """One transport, and one server that says whatever it likes.

    Each conversation has a credential cache of its own: a refused ticket leaves another one there.
    """

    def __init__(self, server, context, ccache):
        super().__init__()
        shutil.copy(ccache, os.environ["KRB5CCNAME"])
        self.server = server
        self.context = context
        self.player = Player()
        server.otherwise = self.player.answer
        self.open = len(os.listdir("/proc/self/fd"))
        self.tokens = set()
        self.connection = None

    @initialize(
        mode=mostly("required", otherwise=("optional", "disabled")),
        preemptive=st.sampled_from([True, False]),
        logs_in=st.sampled_from([False, True]),
        mechanism=mostly("spnego", otherwise=("krb5",)),
        retries=st.sampled_from([0, 0, 2]),
        idempotent=st.sampled_from([True, True, False]),
        given=st.sampled_from([{}, {}, {"session": "given"}]),
    )
    def begin(self, mode, preemptive, logs_in, mechanism, retries, idempotent, given):
        logs_in &= mode != "disabled"
        self.player.spnego = mechanism == "spnego"
        self.player.proves = mode != "disabled"
        spnego = self.player.spnego
        self.model = Model(mode, preemptive, logs_in, spnego, spnego and gssapi_answers(), retries, idempotent, given)
        jar = CookieJar()
        for name, value in given.items():
            jar.set_cookie(cookie(name, value))
        self.most = MAX_SENT * (retries + 1)
        self.transport = RecordingTransport(
            mutual_authentication=mode,
            preemptive=preemptive,
            login_path="/login" if logs_in else None,
            mechanism=mechanism,
            retries=retries,
            retry_interval=0,
            idempotent=idempotent or (),
            cookiejar=jar if given else None,
            max_response_bytes=LIMIT,
            timeout=DEADLINE / 2,
            context=self.context,
        )
        self.proxy = ServerProxy(self.server.url(), transport=self.transport)

    @rule(script=SCRIPTS)
    def call(self, script):
        """Make calls up to the end of a script: what one leaves behind, the next ones show."""
        while script:
            self.call_once(script)
            script = script[len(self.player.played) :]

    @rule()
    def call_honestly(self):
        self.call_once([])
        assert self.transport.parsed == values(self.player.played[-1][1].mark)

    def call_once(self, script):
        self.player.script = script[:]
        self.player.played = []
        self.transport.parsed = b""
        (result,) = Threads(self.outcome).results()
        self.player.script = []
        if self.player.failures:
            raise self.player.failures[0]
        assert len(self.player.played) <= self.most
        self.check(result, self.expected())
        self.check_trust(result)
        if self.model.is_open:
            self.close()

    @rule()
    def close(self):
        self.transport.close()
        self.model.close()

    @rule()
    def forget_the_cookies(self):
        self.transport.cookiejar.clear()
        self.model.jar.clear()

    def teardown(self):
        if not hasattr(self, "transport"):
            return
        try:
            self.call_honestly()
        finally:
            self.close()
            assert self.server.is_left(DEADLINE)
        assert len(os.listdir("/proc/self/fd")) == self.open, "something stays open"

    def outcome(self):
        """Return what comes of a call: a value or an error."""
        try:
            return self.proxy.method()
        except Exception as error:
            return error

    def expected(self):
        """Compare what was sent with the model; return what has to come of it."""
        going = self.model.call()
        due = next(going)
        for request, reply in self.player.played:
            assert due is not None, f"it sends more after {reply}"
            self.compare(request, due)
            try:
                due = going.send(reply)
            except StopIteration as end:
                due, expected = None, end.value
        assert due is None, f"it does not send {due}"
        return expected

    def compare(self, request, due):
        kind = authorization(request)
        assert kind == (due.what if due.what in ("ticket", "leg") else None)
        assert request.line.startswith("GET /login " if due.method == "GET" else "POST /xmlrpc ")
        assert cookies_in(request) == due.cookies
        assert request.token not in self.tokens or kind is None, "it sends a token twice"
        self.tokens.add(request.token)
        is_kept = request.connection == self.connection
        assert due.connection in ("kept" if is_kept else "new", "either")
        self.connection = request.connection

    def check(self, result, expected):
        """Check the outcome of a call."""
        if isinstance(result, Exception):
            found = [kind for kind in expected.kinds if kind is not str and type(result) in accepted(kind)]
            assert found, f"{result!r} instead of one of {expected.kinds}"
            assert not isinstance(result.__cause__, socket.timeout), "the server has left nothing to wait for"
            if isinstance(result, Fault):
                assert result.faultString == expected.reply.mark
            if isinstance(result, UnexpectedStatus) and expected.reply is not None:
                assert result.errcode == expected.reply.status
        else:
            assert expected.kinds == {str}
            assert result == expected.reply.mark + "x" * 200_000 * (expected.reply.body == "long")

    def check_trust(self, result):
        """Check that nothing is used of replies that are not the server's."""
        told = self.transport.parsed + f"{result} {result!r} {getattr(result, 'errmsg', '')}".encode()
        assert b"forged" not in told
        for _, reply in self.player.played:
            assert reply.number in self.model.trusted or reply.mark.encode() not in told
        assert {held.name: held.value for held in self.transport.cookiejar} == self.model.jar
        assert (self.transport.principal is not None) == self.model.proved


def accepted(kind):
    """Return a class of errors, and those that are the same, seen in another way."""
    return {kind, ClockSkewRejected} if kind is ClockSkew else {kind}


@pytest.mark.parametrize("legs", range(4))
def test_no_call_takes_more_than_seven_requests(call_server, server, monkeypatch, legs):
    """Not even where a connection is forgotten, the login takes several legs, and its session is over at once."""
    use_tickets_of(monkeypatch, Insatiable)
    session = honest(headers=[("Persistent-Auth", "true"), ("Set-Cookie", "session=1; Path=/")])
    refused = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    more = say(message(401, [("WWW-Authenticate", f"Negotiate {MORE}")]))
    proxy = call_server(login_path="/login")
    server.play(session, say(message(200, [], values("on a session"))))
    assert proxy.method() == "on a session"
    proxy("transport").cookiejar.clear()
    server.play(refused, *[more] * legs, session, *[refused] * 10)
    with pytest.raises(AuthenticationRejected):
        proxy.method()
    assert len(server.requests) - 2 <= MAX_REQUESTS


@pytest.fixture
def own_ccache(realm, monkeypatch, tmp_path):
    """A credential cache; the environment names a copy of it."""
    monkeypatch.setenv("KRB5CCNAME", f"{tmp_path}/ccache")
    return realm.ccache


def test_whatever_a_server_says_comes_to_what_it_should(server, server_context, own_ccache, monkeypatch):
    use_tickets_of(monkeypatch, Insatiable)
    gc.collect()  # of earlier tests, what still holds files
    run_state_machine_as_test(
        lambda: Conversation(server, server_context, own_ccache),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=8,
            deadline=None,
            # To make a failure smaller takes minutes: that is for when it is looked at.
            phases=[phase for phase in Phase if phase is not Phase.shrink or "MACHINE_EXAMPLES" in os.environ],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize(
    "logs_in, script",
    [
        (False, [MORE_LEGS] * 6),
        (False, [Reply(401, "leg"), MORE_LEGS]),
        (False, [*[MORE_LEGS] * 4, Reply(framing="no head"), *[MORE_LEGS] * 4, Reply()]),  # a repetition counts anew
        (False, [SESSION, RENEWED, OVER, SESSION, RENEWED]),
        (True, [*[MORE_LEGS] * 3, SESSION, OVER, *[MORE_LEGS] * 4]),
        (True, [SESSION, Reply(framing="no head"), OVER, Reply(500)]),
    ],
)
def test_what_seldom_comes_by_chance(server, server_context, own_ccache, monkeypatch, logs_in, script):
    use_tickets_of(monkeypatch, Insatiable)
    gc.collect()
    conversation = Conversation(server, server_context, own_ccache)
    conversation.begin("required", True, logs_in, "spnego", retries=2, idempotent=True, given={})
    try:
        conversation.call(script)
    finally:
        conversation.teardown()
