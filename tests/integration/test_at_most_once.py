"""Connections that break: no call runs twice without leave, the error tells what is known, the next call works.

Between the client and Apache stands a forwarder that breaks the connection in every phase, in every way. The hub counts
on the other side how often a call has run.
"""

import gc
import random
import select
import socket
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from xmlrpc.client import Fault, MultiCall, ServerProxy

import pytest
from internals import Connection, replace_sleep
from servers.forwarder import OPENING, Break, Forwarder, How, Phase
from servers.scripted import hang_up, honest, message, say, values

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    GatewayFailed,
    InsecureKerberosTransport,
    KerberosTransport,
    ServerUnreachable,
    UnexpectedStatus,
)

NOT_RUN = (Phase.REQUEST_HEAD, Phase.REQUEST_BODY)
RUN = (Phase.EXECUTED, Phase.REPLY_HEAD, Phase.REPLY_BODY)
PLAIN = [How.FIN, How.RST, How.SILENCE]  # what there is also without TLS
BEFORE = [Break(phase, how) for phase in OPENING for how in PLAIN]
BEGUN = [Break(phase, how) for phase in NOT_RUN + RUN for how in How]
ENDS = [How.NOTIFIED, How.FIN, How.RST]
LARGE = random.Random(1).randbytes(1_500_000).hex()  # more than the sockets hold, also when it was made small by gzip
LONG, MOMENT = 60.0, 0.1  # seconds


def named(fault):
    return "-".join(part.name.lower() for part in fault) if isinstance(fault, Break) else None


def each(name, values):
    return pytest.mark.parametrize(name, values, ids=named)


def set_timeout(connection, seconds):
    connection.timeout = seconds
    connection.sock.settimeout(seconds)


class Impatient:
    """Mixed into a transport: it waits long, but only a moment where the forwarder is going to be silent.

    So on no machine an honest forwarder is too slow for it. It keeps the connections that it has made in `made`.
    """

    def __init__(self, forwarder, **arguments):
        super().__init__(**arguments)
        self.made = []
        self._forwarder = forwarder
        self._silences = 0

    def make_connection(self, host):
        self._forwarder.wait(self._silences)  # it could be slower to begin its silence than we to give up
        connection = super().make_connection(host)
        connection.connect_timeout = MOMENT if self._silence_ahead() in OPENING else LONG
        self.made.append(connection)
        return connection

    def send_content(self, connection, request_body):
        silent = self._silence_ahead()
        set_timeout(connection, MOMENT if silent in NOT_RUN else LONG)
        super().send_content(connection, request_body)
        set_timeout(connection, MOMENT if silent in NOT_RUN + RUN else LONG)

    def _silence_ahead(self):
        """Return the phase in which the forwarder is going to be silent, None where it is not what it does next."""
        ahead = self._forwarder.ahead
        if ahead is None or ahead.how is not How.SILENCE:
            return None
        self._silences = self._forwarder.breaks + 1
        return ahead.phase


class ImpatientTransport(Impatient, KerberosTransport):
    """An impatient `KerberosTransport`."""


class ImpatientInsecureTransport(Impatient, InsecureKerberosTransport):
    """An impatient `InsecureKerberosTransport`."""


@pytest.fixture
def call_through(forwarder, server_context, user, opened):
    """Open a proxy for the hub behind a forwarder: ``call_through(retries=3)``; no repetition is waited for."""

    def open_proxy(path="/xmlrpc", *, through=forwarder, transport=ImpatientTransport, **arguments):
        if transport is ImpatientTransport:
            arguments.setdefault("context", server_context)
        arguments.setdefault("retry_interval", 0)
        return opened.enter_context(ServerProxy(through.url(path), transport=transport(through, **arguments)))

    return open_proxy


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited for before repetitions, in place of waiting."""
    seconds = []
    replace_sleep(monkeypatch, seconds.append)
    return seconds


def prepare(proxy, forwarder, kept, *plan):
    """Let the plan begin with the first request of a proxy, or with the second, on a kept connection."""
    if kept:
        proxy.whoami()
    forwarder.play(*plan)
    return len(forwarder.requests)


def assert_works(proxy, hub, case):
    """Check that the next call of a proxy is a call like any other."""
    before = hub.executed(case)
    assert proxy.execute(case) == "done"
    assert hub.executed(case) == before + 1


# -- after the request has begun --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@each("fault", BEGUN)
def test_a_call_that_broke_on_its_way_is_not_repeated(call_through, forwarder, hub, case, fault, kept):
    proxy = call_through(retries=3)
    earlier = prepare(proxy, forwarder, kept, fault)
    with pytest.raises(CallOutcomeUnknown) as caught:
        proxy.execute(case)
    forwarder.wait(1)
    assert len(forwarder.requests) == earlier + 1
    assert forwarder.connections == 1
    assert hub.executed(case) == (fault.phase in RUN)
    assert isinstance(caught.value, ConnectionError) and not isinstance(caught.value, ServerUnreachable)
    assert_works(proxy, hub, case)
    assert forwarder.connections == 2


@pytest.mark.parametrize(
    "fault, kept", [(fault, False) for fault in BEGUN] + [(Break(phase, How.FIN), True) for phase in NOT_RUN + RUN]
)
def test_an_idempotent_call_that_broke_on_its_way_is_repeated(call_through, forwarder, hub, case, fault, kept):
    proxy = call_through(retries=1, idempotent=True)
    earlier = prepare(proxy, forwarder, kept, fault)
    assert proxy.execute(case) == "done"
    forwarder.wait(1)
    assert len(forwarder.requests) == earlier + 2
    assert hub.executed(case) == (fault.phase in RUN) + 1
    assert_works(proxy, hub, case)
    assert forwarder.connections == 2


def test_the_error_has_its_cause_and_holds_nothing(call_through, forwarder):
    forwarder.play(Break(Phase.EXECUTED, How.FIN))
    with pytest.raises(CallOutcomeUnknown) as caught:
        call_through().whoami()
    assert isinstance(caught.value.__cause__, OSError) and caught.value.__cause__ is not caught.value


def test_a_transport_is_forgotten_at_once_after_a_failure(forwarder, server_context, user, case, without_collector):
    """No error keeps a frame in which it still is."""
    transport = KerberosTransport(context=server_context, retries=1, retry_interval=0)
    forwarder.play(Break(Phase.EXECUTED, How.FIN))
    try:
        ServerProxy(forwarder.url(), transport=transport).execute(case)
    except CallOutcomeUnknown:
        pass
    watched = weakref.ref(transport)
    del transport
    assert watched() is None


@pytest.mark.row("a connection that breaks")
def test_the_error_says_what_would_repeat_it(call_through, trouble, forwarder):
    def prepare(others):
        forwarder.play(*[None] * others, Break(Phase.EXECUTED, How.FIN))

    prepare(0)
    trouble(call_through().whoami, prepare=prepare)


@pytest.mark.parametrize(
    "idempotent",
    [True, ["execute"], ("whoami", "execute"), {"execute"}, {"execute": 1}.keys(), lambda name: name == "execute"],
)
def test_what_declares_a_method_idempotent(call_through, forwarder, hub, case, idempotent):
    proxy = call_through(retries=1, idempotent=idempotent)
    forwarder.play(Break(Phase.EXECUTED, How.FIN))
    assert proxy.execute(case) == "done"
    assert hub.executed(case) == 2


@pytest.mark.parametrize(
    "idempotent",
    [(), ["whoami"], {"execut", "hub.execute", "EXECUTE"}, lambda name: name == "whoami", lambda name: None],
)
def test_what_does_not_declare_a_method_idempotent(call_through, forwarder, hub, case, idempotent):
    proxy = call_through(retries=1, idempotent=idempotent)
    forwarder.play(Break(Phase.EXECUTED, How.FIN))
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case)
    assert hub.executed(case) == 1
    assert_works(proxy, hub, case)


def test_an_idempotent_call_is_not_repeated_without_retries(call_through, forwarder, hub, case):
    proxy = call_through(idempotent=True)
    forwarder.play(Break(Phase.EXECUTED, How.FIN))
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case)
    assert hub.executed(case) == 1


@pytest.mark.parametrize("retries", [1, 3])
def test_an_idempotent_call_is_not_repeated_for_ever(call_through, forwarder, hub, case, retries):
    proxy = call_through(retries=retries, idempotent=True)
    forwarder.play(*[Break(Phase.EXECUTED, How.RST)] * 10)
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case)
    assert len(forwarder.requests) == hub.executed(case) == retries + 1
    forwarder.play()
    assert_works(proxy, hub, case)


@pytest.mark.parametrize("preemptive", [False, True])
def test_without_preemption_it_is_the_same(call_through, forwarder, hub, case, preemptive):
    """The first of the two requests of a call, which asks for the first leg, is also one that may have run."""
    proxy = call_through(retries=3, preemptive=False)
    forwarder.play(*[None] * preemptive, Break(Phase.EXECUTED, How.FIN))
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case)
    assert len(forwarder.requests) == 1 + preemptive
    assert hub.executed(case) == preemptive
    assert_works(proxy, hub, case)
    again = call_through(retries=1, preemptive=False, idempotent=True)
    forwarder.play(*[None] * preemptive, Break(Phase.EXECUTED, How.FIN))
    assert again.execute(case) == "done"


@each("fault", [Break(Phase.ACCEPTED, How.FIN)] + [fault for fault in BEGUN if fault.how in (How.FIN, How.RST)])
def test_over_plain_http_a_call_begins_with_the_connection(hub, call_through, case, fault, monkeypatch):
    """A server that takes a connection and closes it could have read the request first.

    (Where it resets it at once, it depends on who is quicker whether there has been a connection.)
    """
    # Where the end is seen before anything is sent, another connection is opened: here it always comes after that.
    monkeypatch.setattr(Connection, "is_usable", lambda self: True)
    with Forwarder(None, hub) as plain:
        plain.play(fault)
        proxy = call_through(through=plain, transport=ImpatientInsecureTransport, retries=3)
        with pytest.raises(CallOutcomeUnknown):
            proxy.execute(case)
        assert plain.connections == 1
        assert hub.executed(case) == (fault.phase in RUN)
        assert_works(proxy, hub, case)


def test_an_answer_is_not_asked_for_again(call_through, forwarder, hub, case):
    anything = {"retries": 3, "idempotent": True}
    with pytest.raises(Fault):
        call_through(**anything).fail(4, "no")
    with pytest.raises(UnexpectedStatus):
        call_through("/xmlrpc?status=500", **anything).whoami()
    with pytest.raises(AuthenticationRejected):
        call_through("/stale-keytab", **anything).whoami()
    assert len(forwarder.requests) == 4  # the last one with a new ticket


class Hooked(ImpatientTransport):
    """A transport with a hook that fails, before or after it has sent the request; with `PermissionError`, once."""

    is_sent = False
    fails = True

    def send_content(self, connection, request_body):
        if self.is_sent:
            super().send_content(connection, request_body)
        if self.fails:
            self.fails = False
            raise PermissionError("the hook may not read its file")
        if not self.is_sent:
            super().send_content(connection, request_body)


def test_a_hook_that_fails_before_the_request_leaves_no_doubt(call_through, forwarder, hub, server_context, case):
    """Nothing was sent. Its error is the hook's own, and no repetition would mend it."""
    proxy = call_through(transport=Hooked, retries=3, idempotent=True, context=server_context)
    with pytest.raises(PermissionError) as caught:
        proxy.execute(case)
    assert not isinstance(caught.value, CallOutcomeUnknown)
    assert len(forwarder.requests) == hub.executed(case) == 0
    assert_works(proxy, hub, case)


def test_a_hook_that_fails_after_the_request_leaves_a_doubt(call_through, forwarder, hub, server_context, case):
    proxy = call_through(transport=Hooked, context=server_context)
    proxy("transport").is_sent = True
    with pytest.raises(CallOutcomeUnknown, match="the hook may not read its file"):
        proxy.execute(case)
    again = call_through(transport=Hooked, retries=1, idempotent=True, context=server_context)
    again("transport").is_sent = True
    assert again.execute(case) == "done"


# -- before the request -----------------------------------------------------------------------------------------------


@each("fault", BEFORE)
def test_a_call_that_has_not_left_is_repeated_whatever_it_is(call_through, forwarder, hub, case, fault):
    proxy = call_through(retries=2)
    forwarder.play(fault, fault)
    assert proxy.execute(case) == "done"
    forwarder.wait(2)
    assert forwarder.connections == 3
    assert hub.executed(case) == 1
    assert_works(proxy, hub, case)
    assert forwarder.connections == 3


@pytest.mark.parametrize("retries", [0, 2])
@each("fault", BEFORE)
def test_a_call_that_cannot_leave_ends_with_that(call_through, forwarder, hub, case, fault, retries):
    proxy = call_through(retries=retries, idempotent=True)
    forwarder.play(*[fault] * (retries + 1))
    with pytest.raises(ServerUnreachable) as caught:
        proxy.execute(case)
    forwarder.wait(retries + 1)
    assert isinstance(caught.value, ConnectionError)
    assert forwarder.connections == retries + 1
    assert hub.executed(case) == len(forwarder.requests) == 0
    assert_works(proxy, hub, case)


def test_a_connection_that_is_reset_before_tls_begins(call_through, forwarder, hub, case, monkeypatch):
    """Python's ssl leaves such a one open, or without TLS, where it is not looked after."""
    connect = socket.socket.connect

    def connect_and_wait(self, address):
        """Return from connecting to the forwarder when the connection's end has come, if it is to be broken."""
        broken = forwarder.ahead is not None
        connect(self, address)
        if address[1] == forwarder.port and broken:
            assert select.select([self], [], [], LONG)[0]

    monkeypatch.setattr(socket.socket, "connect", connect_and_wait)
    for how in (How.RST, How.FIN):
        forwarder.play(Break(Phase.ACCEPTED, how))
        with pytest.raises(ServerUnreachable):
            call_through().execute(case)
        gc.collect()
    assert forwarder.requests == []
    assert_works(call_through(), hub, case)


def test_a_refused_call_is_repeated_whatever_it_is(hub, ca, call_through, case, monkeypatch):
    with ExitStack() as stack:
        late = Forwarder(ca, hub)
        waits = []

        def wait(seconds):
            """The server begins to listen when the client waits for the second time."""
            waits.append(seconds)
            if len(waits) == 2:
                stack.enter_context(late)

        replace_sleep(monkeypatch, wait)
        proxy = call_through(through=late, retries=3, retry_interval=0.25)
        assert proxy.execute(case) == "done"
        assert waits == [0.25, 0.5]
        assert hub.executed(case) == 1
        assert_works(proxy, hub, case)


@pytest.mark.parametrize("retries", [0, 4])
def test_the_wait_before_a_repetition_doubles(user, server_context, nobody_listens, waits, retries):
    transport = KerberosTransport(context=server_context, retries=retries, idempotent=True)
    proxy = ServerProxy(nobody_listens, transport=transport)
    for _ in range(2):  # each call begins anew
        with pytest.raises(ServerUnreachable):
            proxy.execute("never")
        assert waits == [1.0, 2.0, 4.0, 8.0][:retries]
        waits.clear()


def test_both_kinds_of_repetition_count_together(call_through, forwarder, hub, case, waits):
    plan = [Break(Phase.ACCEPTED, How.RST), Break(Phase.EXECUTED, How.FIN), Break(Phase.HANDSHAKE, How.FIN)]
    proxy = call_through(retries=3, idempotent=True, retry_interval=0.5)
    forwarder.play(*plan)
    assert proxy.execute(case) == "done"
    assert hub.executed(case) == 2
    assert waits == [0.5, 1.0, 2.0]
    forwarder.play(*plan)
    proxy = call_through(retries=1, idempotent=True)
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case)
    assert hub.executed(case) == 3


def refused(status, **headers):
    """Answer as a gateway does: with a status, and without a proof."""
    return say(message(status, [(name.replace("_", "-"), value) for name, value in headers.items()]))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_statuses_that_pass_are_repeated(call_server, server, waits, status):
    proxy = call_server(retries=3, idempotent={"get"})
    server.play(refused(status), refused(status, Retry_After="7"), refused(status, Retry_After="1"))
    assert proxy.get() == "an honest answer"
    assert waits == [1.0, 7.0, 4.0]
    assert len({request.token for request in server.requests}) == 4  # a fresh ticket each time
    server.play(refused(status))
    with pytest.raises(UnexpectedStatus) as caught:
        proxy.set()
    assert isinstance(caught.value, CallOutcomeUnknown) is (status in (502, 504))
    assert len(server.requests) == 5


@pytest.mark.parametrize("status", [429, 503])
def test_a_status_that_passes_does_not_hide_an_earlier_attempt(call_server, server, waits, status):
    server.play(hang_up, refused(status))
    with pytest.raises(CallOutcomeUnknown, match="closed without a reply"):
        call_server(retries=1, idempotent=True).get()
    server.play(refused(502), refused(status))
    with pytest.raises(GatewayFailed):
        call_server(retries=1, idempotent=True).get()
    server.play(refused(502), refused(500))
    with pytest.raises(UnexpectedStatus, match="answered 500"):
        call_server(retries=1, idempotent=True).get()


def test_a_server_that_asks_for_a_long_wait_is_not_waited_for(call_server, server, waits):
    server.play(refused(503, Retry_After="7200"))
    with pytest.raises(UnexpectedStatus, match="asks you to wait 7200 seconds"):
        call_server(retries=3, idempotent=True).get()
    server.play(refused(503, Retry_After="30"))
    with pytest.raises(UnexpectedStatus, match="answered 503"):
        call_server(retries=3, idempotent=True, deadline=20).get()
    assert waits == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_login_that_meets_such_a_status_is_repeated(call_server, server, waits, status):
    session = honest(headers=[("Set-Cookie", "session=1; Path=/")])
    on_session = say(message(200, [], values("on a session")))
    server.play(refused(status, Retry_After="5"), session, on_session)
    assert call_server(retries=1, login_path="/login").set() == "on a session"
    assert waits == [5.0]
    server.play(refused(status))
    with pytest.raises(UnexpectedStatus, match="no call has run") as caught:
        call_server(login_path="/login").set()
    assert caught.value.at_login and not isinstance(caught.value, CallOutcomeUnknown)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("is_verified", [True, False])
def test_fetch_repeats_statuses_that_pass(call_server, server, waits, status, is_verified):
    """When there is no repetition left, an answer of the application is an answer, as any other status is."""
    transport = call_server(retries=2, idempotent={"GET"})("transport")
    answer = honest(status=status, body=b"busy", headers=[("Retry-After", "3")]) if is_verified else refused(status)
    server.play(answer)
    assert transport.fetch("GET", f"localhost:{server.port}", "/").status == 200
    assert waits == [3.0 if is_verified else 1.0]
    for method, sent in (("GET", 3), ("PUT", 1)):
        server.play(*[answer] * 3)
        before = len(server.requests)
        if is_verified:
            found = transport.fetch(method, f"localhost:{server.port}", "/")
            assert (found.status, found.content) == (status, b"busy")
        else:
            with pytest.raises(UnexpectedStatus):
                transport.fetch(method, f"localhost:{server.port}", "/")
        assert len(server.requests) - before == sent


def test_fetch_does_not_hide_an_earlier_attempt(call_server, server, waits):
    transport = call_server(retries=1, idempotent={"GET"})("transport")
    server.play(honest(status=502), *[say(message(401, [("WWW-Authenticate", "Negotiate")]))] * 2)
    with pytest.raises(GatewayFailed, match="idempotent="):
        transport.fetch("GET", f"localhost:{server.port}", "/")


@each("fault", BEFORE)
def test_a_call_that_may_have_run_is_not_called_unsent_later(call_through, forwarder, hub, case, fault):
    """Where the last repetition could not leave, an earlier one had left: the error must not say otherwise."""
    proxy = call_through(retries=1, idempotent=True)
    forwarder.play(Break(Phase.EXECUTED, How.FIN), fault)
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case)
    forwarder.wait(2)
    assert hub.executed(case) == 1
    assert_works(proxy, hub, case)


# -- between calls ----------------------------------------------------------------------------------------------------


def end_idle(proxy, forwarder):
    """Let the forwarder break the connection of the last call, and wait until the client's side has heard of it."""
    forwarder.end_idle()
    assert select.select([proxy("transport").made[-1].sock], [], [], 60)[0]


@pytest.mark.parametrize("size", [0, 200_000])
@pytest.mark.parametrize("how", ENDS, ids=[how.name.lower() for how in ENDS])
def test_an_idle_connection_that_ended_is_never_an_error(call_through, forwarder, hub, case, how, size):
    proxy = call_through()
    forwarder.play(*[Break(Phase.IDLE, how)] * 3)
    for number in range(1, 4):
        assert proxy.execute(case, LARGE[:size]) == LARGE[:size]
        assert hub.executed(case) == number == forwarder.connections
        end_idle(proxy, forwarder)
    assert proxy.execute(case) == "done"
    assert forwarder.connections == 4


def test_an_idle_connection_that_ended_takes_no_repetition(call_through, forwarder, hub, case):
    proxy = call_through(retries=1)
    forwarder.play(Break(Phase.IDLE, How.FIN), Break(Phase.HANDSHAKE, How.RST))
    proxy.execute(case)
    end_idle(proxy, forwarder)
    assert proxy.execute(case) == "done"
    assert hub.executed(case) == 2
    assert forwarder.connections == 3


# -- many calls in one, and large ones --------------------------------------------------------------------------------


def many(proxy, case):
    """Make several calls in one."""
    calls = MultiCall(proxy)
    calls.execute(case)
    calls.whoami()
    calls.execute(case)
    return list(calls())


@each("fault", [fault for fault in BEGUN if fault.how in (How.FIN, How.RST)])
def test_several_calls_in_one_run_at_most_once(call_through, forwarder, hub, user, case, fault):
    proxy = call_through(retries=3, idempotent={"execute", "whoami"})
    forwarder.play(fault)
    with pytest.raises(CallOutcomeUnknown):
        many(proxy, case)
    forwarder.wait(1)
    assert len(forwarder.requests) == 1
    assert hub.executed(case) == 2 * (fault.phase in RUN)
    assert many(proxy, case) == ["done", user, "done"]


def test_several_calls_in_one_are_repeated_by_their_own_name(call_through, forwarder, hub, user, case):
    asked = []
    declarations = ({"system.multicall"}, True, lambda name: asked.append(name) or True)
    for count, idempotent in enumerate(declarations, 1):
        proxy = call_through(retries=1, idempotent=idempotent)
        forwarder.play(Break(Phase.REPLY_BODY, How.RST))
        assert many(proxy, case) == ["done", user, "done"]
        assert hub.executed(case) == 4 * count
    assert set(asked) == {"system.multicall"}


@pytest.mark.parametrize("path", ["/xmlrpc", "/xmlrpc?chunked=1"])
@each("fault", [Break(phase, how) for phase in (Phase.REQUEST_BODY, Phase.EXECUTED, Phase.REPLY_BODY) for how in PLAIN])
def test_large_calls_are_the_same(call_through, forwarder, hub, case, fault, path):
    proxy = call_through(path, retries=3)
    forwarder.play(fault)
    with pytest.raises(CallOutcomeUnknown):
        proxy.execute(case, LARGE)
    forwarder.wait(1)
    assert len(forwarder.requests) == 1
    assert hub.executed(case) == (fault.phase in RUN)
    again = call_through(path, retries=1, idempotent=["execute"])
    forwarder.play(fault)
    assert again.execute(case, LARGE) == LARGE
    forwarder.wait(2)
    assert hub.executed(case) == 2 * (fault.phase in RUN) + 1


# -- many threads -----------------------------------------------------------------------------------------------------


def test_in_many_threads_each_call_runs_at_most_once(call_through, forwarder, hub, case):
    """Each call has its own count, and its outcome agrees with it."""
    proxy = call_through(retries=1)
    before, begun = ([fault for fault in faults if fault.how is not How.SILENCE] for faults in (BEFORE, BEGUN))
    chance = random.Random(1)
    # Where a connection broke, the next one is opened, and it may break too; then some calls go well.
    plan = []
    for fault in chance.choices(begun, k=30):
        plan += [fault, *chance.choices(before, k=chance.randrange(3)), None, None]
    forwarder.play(*plan)
    outcomes = {}

    def make(number):
        try:
            outcomes[number] = proxy.execute(f"{case}-{number}")
        except ServerUnreachable:
            outcomes[number] = ServerUnreachable
        except CallOutcomeUnknown:  # a broken reply, too
            outcomes[number] = CallOutcomeUnknown

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(100)))
    seen = {(outcome, hub.executed(f"{case}-{number}")) for number, outcome in outcomes.items()}
    assert len(outcomes) == 100
    assert {("done", 1), (CallOutcomeUnknown, 1)} <= seen
    assert seen <= {("done", 1), (CallOutcomeUnknown, 1), (CallOutcomeUnknown, 0), (ServerUnreachable, 0)}
    forwarder.play()  # what is left
    assert_works(proxy, hub, case)
