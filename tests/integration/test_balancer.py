"""A real HAProxy before two Apaches, which share the key of their sessions and the service that is named after it."""

import secrets
import time
from contextlib import contextmanager
from xmlrpc.client import ServerProxy

import pytest
from helpers import DEADLINE
from servers import balancer
from servers.apache import Apache
from servers.forwarder import Break, Forwarder, How, Phase

from krbxmlrpc import AuthenticationRejected, CallOutcomeUnknown, GatewayFailed, KerberosTransport, UnexpectedStatus

BOTH = pytest.mark.parametrize("listener", ["alternating", "sticky"])


@pytest.fixture(scope="module")
def start_apache(realm, tmp_path_factory):
    """Start an Apache that has only the keys of the balancer's service: ``start_apache(session_key)``."""
    keytab = str(tmp_path_factory.mktemp("balancer") / "keytab")
    realm.addprinc(balancer.SERVICE)
    realm.extract_keytab(balancer.SERVICE, keytab)
    started = []

    def start(session_key):
        started.append(Apache(realm, keytab=keytab, session_key=session_key).start())
        return started[-1]

    yield start
    for apache in started:
        apache.stop()


@pytest.fixture(scope="module")
def apaches(start_apache):
    """Two Apaches that share the key of their sessions."""
    key = secrets.token_bytes(32)
    return [start_apache(key), start_apache(key)]


@pytest.fixture(scope="module")
def start_balancer(ca):
    """Start an HAProxy before these ports."""
    started = []

    def start(*ports):
        started.append(balancer.HAProxy(ca, *ports).start())
        return started[-1]

    yield start
    for haproxy in started:
        haproxy.stop()


@pytest.fixture(scope="module")
def haproxy(start_balancer, apaches):
    """The balancer of the two."""
    return start_balancer(*[apache.ports["http"] for apache in apaches])


@pytest.fixture
def call(haproxy, server_context, user, case, opened):
    """Open a proxy for a path behind a balancer; the requests are logged as `case`."""

    def open_proxy(path, listener="alternating", by=haproxy, **arguments):
        arguments = {"context": server_context, "service": f"HTTP@{balancer.HOST}", **arguments}
        url = by.url(f"{path}?case={case}", listener)
        return opened.enter_context(ServerProxy(url, transport=KerberosTransport(**arguments)))

    return open_proxy


@contextmanager
def halted(*apaches):
    """Have these down for a while."""
    for apache in apaches:
        apache.halt()
    try:
        yield
    finally:
        for apache in apaches:
            apache.resume()


def served(apaches, case, count, status=None):
    """Return status, ticket and user of the requests that each has answered, once there are `count` together.

    If there is a status, only the requests that were answered with it count. Apache logs a request after its answer.
    """
    deadline = time.monotonic() + DEADLINE
    answers = []
    while sum(status in (None, found) for found, _, _ in sum(answers, [])) < count and time.monotonic() < deadline:
        answers = [[(line.status, line.ticket, line.user) for line in apache.logged(case, 0)] for apache in apaches]
    return answers


def test_a_session_goes_on_from_one_apache_to_the_other(call, apaches, user, case):
    proxy = call("/session")
    assert [proxy.whoami() for _ in range(6)] == [user] * 6
    on_session = (200, False, user)
    assert sorted(served(apaches, case, 6)) == [[on_session] * 3, [(200, True, user), on_session, on_session]]


@pytest.mark.parametrize("service", [f"HTTP@{balancer.HOST}", f"{balancer.SERVICE}@EXAMPLE.TEST"])
def test_a_ticket_for_the_balancer_works_at_each_apache(call, apaches, user, case, service):
    proxy = call("/xmlrpc", service=service)
    assert [proxy.whoami() for _ in range(4)] == [user] * 4
    assert served(apaches, case, 4) == [[(200, True, user)] * 2] * 2


def test_the_error_for_an_unknown_service_says_what_to_do(call, apaches, case):
    with pytest.raises(AuthenticationRejected, match="401 to a ticket for HTTP/localhost@.*another name: see service="):
        call("/session", service=None).whoami()
    assert sorted(served(apaches, case, 1)) == [[], [(401, True, "-")]]


@BOTH
@pytest.mark.parametrize("down", [0, 1])
def test_a_session_outlives_its_apache(call, apaches, user, case, listener, down):
    proxy = call("/session", listener)
    assert [proxy.whoami() for _ in range(2)] == [user] * 2
    served(apaches, case, 2)  # who goes down logs nothing any more
    with halted(apaches[down]):
        assert [proxy.whoami() for _ in range(4)] == [user] * 4
    assert [proxy.whoami() for _ in range(2)] == [user] * 2
    assert sorted(sum(served(apaches, case, 8), [])) == [(200, False, user)] * 7 + [(200, True, user)]


@BOTH
def test_sessions_with_a_lost_key_are_renewed_with_one_ticket(call, apaches, user, case, listener):
    proxy = call("/session", listener)
    assert [proxy.whoami() for _ in range(2)] == [user] * 2
    served(apaches, case, 2)  # who goes down logs nothing any more
    key = secrets.token_bytes(32)
    with halted(*apaches):
        for apache in apaches:
            apache.session_key = key
    assert [proxy.whoami() for _ in range(4)] == [user] * 4
    answers = sorted(sum(served(apaches, case, 7), []))
    assert answers == [(200, False, user)] * 4 + [(200, True, user)] * 2 + [(401, False, "-")]


def test_apaches_that_do_not_share_the_key(call, start_apache, start_balancer, apaches, user, case):
    """Each server accepts only its own sessions. The number of extra requests is limited, and no call fails."""
    strangers = [apaches[0], start_apache(secrets.token_bytes(32))]
    proxy = call("/session", by=start_balancer(*[apache.ports["http"] for apache in strangers]))
    assert [proxy.whoami() for _ in range(20)] == [user] * 20
    statuses = [status for status, _, _ in sum(served(strangers, case, 20, status=200), [])]
    assert statuses.count(200) == 20 and statuses.count(401) <= 10


def test_a_balancers_cookie_costs_one_round_trip_and_goes_along(call, apaches, user, case):
    proxy = call("/xmlrpc", "sticky")
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    proxy("close")()
    assert [proxy.whoami() for _ in range(2)] == [user] * 2
    with_ticket = (200, True, user)
    assert sorted(served(apaches, case, 6)) == [[], [with_ticket, (401, False, "-"), *[with_ticket] * 4]]
    assert [cookie.name for cookie in proxy("transport").cookiejar] == ["SRV"]


@BOTH
def test_a_balancers_cookie_beside_that_of_a_session(call, apaches, user, case, listener):
    proxy = call("/session", listener)
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    proxy("close")()
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert sorted(sum(served(apaches, case, 6), [])) == [(200, False, user)] * 5 + [(200, True, user)]


@pytest.mark.parametrize("listener, wasted", [("alternating", 1), ("sticky", 0)])
def test_connections_that_stay_authenticated_behind_a_balancer(call, apaches, user, case, listener, wasted):
    """Apache sees connections of HAProxy's, and those to the other are new; whoever gets 401 is kept at that Apache."""
    proxy = call("/persistent", listener)
    assert [proxy.whoami() for _ in range(5)] == [user] * 5
    tickets = 1 + wasted
    assert sorted(sum(served(apaches, case, 5 + wasted), [])) == (
        [(200, False, user)] * (5 - tickets) + [(200, True, user)] * tickets + [(401, False, "-")] * wasted
    )


@pytest.mark.parametrize("path", ["/session", "/xmlrpc"])
def test_a_large_call_reaches_either_apache(call, apaches, user, case, path):
    proxy = call(path)
    assert [proxy.size("x" * 5_000_000) for _ in range(4)] == [5_000_000] * 4
    assert [len(answers) for answers in served(apaches, case, 4)] == [2, 2]


def test_while_all_apaches_are_down_the_error_is_the_balancers(call, apaches, user):
    proxy = call("/session")
    assert proxy.whoami() == user
    with halted(*apaches):
        with pytest.raises(UnexpectedStatus, match="down or overloaded: try again later") as caught:
            proxy.whoami()
        assert caught.value.errcode == 503
    assert proxy.whoami() == user


@pytest.mark.parametrize(
    "fault, before, error, message",
    [
        (Break(Phase.EXECUTED, How.FIN), 0, GatewayFailed, "answered 502"),
        (Break(Phase.EXECUTED, How.RST), 0, GatewayFailed, "answered 502"),
        (Break(Phase.EXECUTED, How.FIN), 1, CallOutcomeUnknown, "connection was closed without a reply"),
        (Break(Phase.EXECUTED, How.RST), 1, CallOutcomeUnknown, "connection was closed without a reply"),
        (Break(Phase.REPLY_BODY, How.FIN), 0, CallOutcomeUnknown, "body ends before its announced end"),
    ],
)
@pytest.mark.parametrize("path", ["/session", "/xmlrpc"])
def test_a_call_whose_apache_goes_down_has_run_once(
    call, start_balancer, apaches, case, path, fault, before, error, message
):
    """Where a connection to Apache has been good for a call before, HAProxy counts on clients that repeat the next."""
    with Forwarder(None, apaches[0]) as forwarder:
        proxy = call(path, by=start_balancer(forwarder.port), retries=3, retry_interval=0)
        for _ in range(before):
            assert proxy.echo("before") == "before"
        forwarder.play(fault)
        with pytest.raises(error, match=message):
            proxy.execute(case)
        forwarder.wait(1)
        assert proxy.echo("after") == "after"
    assert apaches[0].executed(case) == 1


@pytest.mark.parametrize("how", [How.FIN, How.RST])
def test_an_idempotent_call_is_repeated_after_a_502(call, start_balancer, apaches, case, how):
    with Forwarder(None, apaches[0]) as forwarder:
        proxy = call("/xmlrpc", by=start_balancer(forwarder.port), retries=1, retry_interval=0, idempotent={"execute"})
        forwarder.play(Break(Phase.EXECUTED, how))
        assert proxy.execute(case) == "done"
        forwarder.wait(1)
    assert apaches[0].executed(case) == 2
