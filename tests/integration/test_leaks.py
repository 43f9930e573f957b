"""Nothing leaks: neither files nor memory, over many calls and many threads."""

import gc
import os
import sys
import warnings
import weakref
from xmlrpc.client import ServerProxy

import pytest
from helpers import descriptors, in_threads
from internals import TicketMaker, forget_credentials, idle_connections, kept_copies

from krbxmlrpc import KerberosTransport, KerberosXMLRPCError

CALLS = 10_000
WARM = 2_000
TICKETS = 600
MANY_TICKETS = 100_000
CHANGES = 100
THREADS = 200
TRANSPORTS = 100


@pytest.fixture(autouse=True)
def every_warning():
    """A ResourceWarning in a destructor reaches pytest as an unraisable exception."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
        gc.collect()


def python_blocks():
    """Return how many pieces of memory Python's objects have."""
    gc.collect()
    return sys.getallocatedblocks()


def resident_kilobytes():
    """Return how much memory the process has, that of the Kerberos library included."""
    gc.collect()
    with open("/proc/self/status") as status:
        return int(next(line.split()[1] for line in status if line.startswith("VmRSS:")))


def repeat(call, times):
    for _ in range(times):
        call()


def test_many_calls_on_a_session_leave_nothing_behind(call_hub, user):
    proxy = call_hub("/session")
    repeat(proxy.whoami, WARM)
    files, blocks = descriptors(), python_blocks()
    repeat(proxy.whoami, CALLS - WARM)
    assert python_blocks() - blocks < (CALLS - WARM) // 8  # one piece that stays of each call would be 8 times that
    assert len(descriptors()) == len(files)
    assert len(idle_connections(proxy)) == 1


@pytest.mark.parametrize("preemptive", [True, False])
def test_many_tickets_leave_nothing_behind(call_hub, user, preemptive):
    proxy = call_hub(preemptive=preemptive)
    repeat(proxy.whoami, TICKETS // 3)
    files, blocks, resident = descriptors(), python_blocks(), resident_kilobytes()
    repeat(proxy.whoami, TICKETS)
    assert python_blocks() - blocks < TICKETS // 4
    assert resident_kilobytes() - resident < 2 * TICKETS  # what GSSAPI keeps of an exchange is several times that
    assert len(descriptors()) == len(files)
    assert len(idle_connections(proxy)) == 1


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_a_hundred_thousand_tickets_leave_nothing_behind(user, mechanism):
    make = TicketMaker(None, mechanism, None, None)
    repeat(lambda: make("HTTP@localhost"), MANY_TICKETS // 10)
    blocks, resident = python_blocks(), resident_kilobytes()
    repeat(lambda: make("HTTP@localhost"), MANY_TICKETS)
    assert python_blocks() - blocks < 1000
    assert resident_kilobytes() - resident < 1000


def test_many_changes_of_a_cache_leave_nothing_behind(user, realm, alice, monkeypatch, tmp_path):
    """Copies of a cache leave memory."""
    monkeypatch.setenv("KRB5CCNAME", alice.kinit(f"FILE:{tmp_path}/cache"))
    make = TicketMaker(None, "spnego", None, None)
    forget_credentials()

    def change():
        os.utime(tmp_path / "cache")
        while not kept_copies():
            make("HTTP@localhost")
        forget_credentials()

    repeat(change, CHANGES // 2)
    blocks, resident = python_blocks(), resident_kilobytes()
    repeat(change, CHANGES)
    assert python_blocks() - blocks < CHANGES
    assert resident_kilobytes() - resident < CHANGES  # a copy has several times that


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "just forgotten"])
def test_many_transports_leave_nothing_behind(hub, hub_context, user, closed):
    def once():
        proxy = ServerProxy(hub.url("/session"), transport=KerberosTransport(context=hub_context))
        proxy.whoami()
        if closed:
            proxy("close")()

    repeat(once, 20)
    files, blocks = descriptors(), python_blocks()
    repeat(once, TRANSPORTS)
    assert len(descriptors()) == len(files)
    assert python_blocks() - blocks < 5 * TRANSPORTS  # a transport has hundreds


def test_many_short_lived_threads_leave_nothing_behind(call_hub, user):
    proxy = call_hub("/session")
    repeat(lambda: in_threads(proxy.whoami), 20)
    files, blocks = descriptors(), python_blocks()
    repeat(lambda: in_threads(proxy.whoami), THREADS)
    assert len(idle_connections(proxy)) == 1
    assert len(descriptors()) == len(files)
    assert python_blocks() - blocks < THREADS
    for _ in range(THREADS // 20):
        assert in_threads(*[proxy.whoami] * 20) == [user] * 20
        assert len(idle_connections(proxy)) <= 20
        assert len(descriptors()) <= len(files) + 19
    proxy("close")()
    assert len(descriptors()) == len(files) - 1


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"service": "HTTP@unknown.example.test"},
        {"principal": "nobody@EXAMPLE.TEST"},
        {"ccache": "FILE:/nowhere"},
        {"ccache": "FILE:/nowhere", "principal": "user@EXAMPLE.TEST"},
        {"keytab": "/nowhere", "principal": "user@EXAMPLE.TEST"},
        {"proxy": "localhost:1"},
    ],
)
def test_a_transport_whose_call_failed_is_freed_at_once(
    hub, hub_context, user, without_collector, arguments, mechanism
):
    """No error keeps a frame in which it still is."""
    transport = KerberosTransport(context=hub_context, mechanism=mechanism, **arguments)
    with pytest.raises(KerberosXMLRPCError):
        ServerProxy(hub.url(), transport=transport).whoami()
    watched = weakref.ref(transport)
    del transport
    assert watched() is None


@pytest.mark.parametrize("url", ["https://localhost:1/", "https://nowhere.invalid/"])
def test_without_a_server_a_transport_is_forgotten_at_once(url, without_collector):
    transport = KerberosTransport()
    with pytest.raises(KerberosXMLRPCError):
        ServerProxy(url, transport=transport).method()
    watched = weakref.ref(transport)
    del transport
    assert watched() is None
