"""Kept credentials: how long they serve, and how many there are."""

import types

import pytest

from krbxmlrpc._kerberos import kept
from krbxmlrpc._kerberos.kept import Found, Kept, KeptInOwnCache
from krbxmlrpc._kerberos.own_cache import OwnCache


@pytest.fixture
def clock(monkeypatch):
    found = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(kept, "time", types.SimpleNamespace(time=lambda: found.now))
    return found


def test_they_serve_for_half_of_the_lifetime(clock):
    credentials = Kept(object(), "user@REALM", None)
    assert not credentials.has_ticket("HTTP/hub@")
    credentials.note("HTTP/hub@", 100)
    credentials.note("HTTP/other@", None)
    for now, has in ((1000, True), (1049, True), (1050, False), (999, False)):
        clock.now = now
        assert credentials.has_ticket("HTTP/hub@") is has
    clock.now = 2000
    assert credentials.has_ticket("HTTP/other@")


def test_a_cache_that_cannot_be_copied_serves_nobody(clock):
    credentials = Kept(None, "user@REALM", None)
    credentials.note("HTTP/hub@", 100)
    assert not credentials.has_ticket("HTTP/hub@")


def test_only_so_many_services_are_remembered(clock):
    credentials = Kept(object(), "user@REALM", None)
    for number in range(3 * kept._MAX_SERVICES):
        credentials.note(f"HTTP/{number}@", 100)
        assert len(credentials._times) <= kept._MAX_SERVICES
        assert credentials.has_ticket(f"HTTP/{number}@")


def test_only_so_many_caches_are_remembered():
    known = {}
    for number in range(3 * kept._MAX_CACHES):
        kept._put(known, (f"cache {number}", None, "spnego"), number)
    assert list(known.values()) == list(range(2 * kept._MAX_CACHES, 3 * kept._MAX_CACHES))


def asked(target="HTTP/hub@"):
    return types.SimpleNamespace(mechanism="spnego", delegate=False, target=target)


def test_a_renewed_cache_in_memory_has_lost_its_service_tickets(clock):
    own = OwnCache("MEMORY:x")
    keeper = KeptInOwnCache(own)
    keeper.note(asked(), keeper.look(asked()), Found("credentials", "user@REALM", 1), 100)
    clock.now += 1
    keeper.note(asked("HTTP/other@"), keeper.look(asked()), Found("the same ones", "user@REALM", 1), 99)
    assert keeper.find(asked()) is keeper.find(asked("HTTP/other@"))
    keeper.note(asked("HTTP/other@"), keeper.look(asked()), Found("renewed", "user@REALM", 2), 500)
    assert keeper.find(asked()) is None and keeper.find(asked("HTTP/other@")).credentials == "renewed"
    own.generation += 1
    assert keeper.find(asked("HTTP/other@")) is None
