"""By which name a ticket is asked for: the rule, without a KDC and without a resolver."""

import socket

import pytest

from krbxmlrpc import KDCUnreachable, KerberosXMLRPCError, ServiceUnknown
from krbxmlrpc._kerberos import service_names
from krbxmlrpc._kerberos.service_names import Renewed, ServiceNames, canonical_name
from krbxmlrpc.errors import GSSStatus

UNKNOWN = -1765328377
DNS = {"alias": "web1.test", "lb": "web1.test", "hub": "hub", "unknown": "nobody.test", "HUB": "hub"}


class KDC:
    """Gives tickets for some services, and notes all that is asked."""

    def __init__(self, *services):
        self.services = services
        self.asked = []
        self.fails_with = ServiceUnknown

    def __call__(self, service, _by_host=False, **options):
        self.asked.append(service)
        if service not in self.services:
            raise self.fails_with("not found", minor=GSSStatus("not found", UNKNOWN), hint="the usual one")
        return Ticket(service, options, self.services[0] == "by host")


class Ticket:
    """What such a KDC gives."""

    def __init__(self, service, options, is_by_host):
        self.service, self.options, self.is_by_host = service, options, is_by_host


def names(kdc, canonicalize):
    return ServiceNames(kdc, canonicalize, DNS.get)


@pytest.mark.parametrize("canonicalize", ["never", "fallback"])
def test_a_known_name_is_the_only_one_asked_for(canonicalize):
    kdc = KDC("HTTP@alias", "HTTP@web1.test")
    for _ in range(2):
        ticket = names(kdc, canonicalize).ticket("HTTP@alias", delegate=True)
        assert ticket.service == "HTTP@alias" and ticket.options == {"delegate": True}
    assert kdc.asked == ["HTTP@alias"] * 2


def test_the_canonical_name_is_tried_once_and_remembered():
    kdc = KDC("HTTP@web1.test")
    found = names(kdc, "fallback")
    assert [found.ticket("HTTP@alias").service for _ in range(3)] == ["HTTP@web1.test"] * 3
    assert kdc.asked == ["HTTP@alias", *["HTTP@web1.test"] * 3]
    assert found.ticket("HTTP@lb").service == "HTTP@web1.test" and kdc.asked[4:] == ["HTTP@lb", "HTTP@web1.test"]


def test_a_remembered_name_that_becomes_unknown_is_forgotten():
    kdc = KDC("HTTP@web1.test")
    found = names(kdc, "fallback")
    found.ticket("HTTP@alias")
    kdc.services = ("HTTP@alias",)
    assert found.ticket("HTTP@alias").service == "HTTP@alias"
    assert kdc.asked[2:] == ["HTTP@web1.test", "HTTP@alias"]


def test_a_name_can_be_forgotten():
    """A server has refused a ticket for it: the name in the DNS may be another by now."""
    kdc = KDC("HTTP@web1.test", "HTTP@web2.test")
    dns = {"lb": "web1.test"}
    found = ServiceNames(kdc, "fallback", dns.get)
    assert [found.ticket("HTTP@lb").service for _ in range(2)] == ["HTTP@web1.test"] * 2
    dns["lb"] = "web2.test"
    assert found.ticket("HTTP@lb").service == "HTTP@web1.test"
    found.forget("HTTP@lb")
    found.forget("HTTP@other")
    assert found.ticket("HTTP@lb").service == "HTTP@web2.test"


def test_other_failures_are_no_reason_for_another_name():
    kdc = KDC("HTTP@web1.test")
    found = names(kdc, "fallback")
    found.ticket("HTTP@alias")
    for service in ("HTTP@alias", "HTTP@lb"):
        kdc.asked.clear()
        kdc.fails_with = lambda text, **facts: KDCUnreachable(text)
        kdc.services = ("HTTP@nothing",)
        with pytest.raises(KDCUnreachable):
            found.ticket(service)
        assert len(kdc.asked) == 1


def test_a_realm_to_which_the_kdc_knows_no_way_is_one():
    kdc = KDC("HTTP@web1.test")
    kdc.fails_with = KDCUnreachable
    assert names(kdc, "fallback").ticket("HTTP@alias").service == "HTTP@web1.test"


def test_never_means_that_the_error_tells_the_other_name():
    kdc = KDC("HTTP@web1.test")
    with pytest.raises(ServiceUnknown) as caught:
        names(kdc, "never").ticket("HTTP@alias")
    assert kdc.asked == ["HTTP@alias"]
    for words in ("asked for HTTP/alias.", "service='HTTP@web1.test'", "canonicalize='fallback'"):
        assert words in caught.value.hint


@pytest.mark.parametrize("canonicalize", ["never", "fallback"])
@pytest.mark.parametrize("service", ["HTTP@hub", "HTTP@HUB", "HTTP@nowhere", "HTTP/alias@REALM", "HTTP/alias@"])
def test_without_another_name_the_error_is_the_usual_one(canonicalize, service):
    kdc = KDC("HTTP@web1.test", "HTTP@hub.test")
    with pytest.raises(ServiceUnknown) as caught:
        names(kdc, canonicalize).ticket(service)
    assert kdc.asked == [service] and caught.value.hint == "the usual one"


def test_two_unknown_names_are_both_told():
    with pytest.raises(ServiceUnknown, match="not found; nor does the KDC know HTTP/nobody.test, the name") as caught:
        names(KDC("HTTP@other"), "fallback").ticket("HTTP@unknown")
    assert isinstance(caught.value.__cause__, KerberosXMLRPCError)


@pytest.mark.parametrize(
    "service, asked", [("HTTP@alias", "HTTP@web1.test"), ("HTTP@hub", "HTTP@hub"), ("HTTP@nowhere",) * 2]
)
def test_always_asks_only_for_the_canonical_name(service, asked):
    kdc = KDC(asked, service)
    assert names(kdc, "always").ticket(service).service == asked
    assert kdc.asked == [asked]


# -- the resolver -----------------------------------------------------------------------------------------------------


@pytest.fixture
def resolver(monkeypatch, tmp_path):
    """Let the resolver say this: ``resolver(canonical, reverse, "rdns = false")``; None stands for a failure."""

    def say(forward, reverse, setting=""):
        def getaddrinfo(host, *arguments, **options):
            if forward is None:
                raise socket.gaierror("no such host")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, forward, ("192.0.2.1", 0))]

        def getnameinfo(address, flags):
            if reverse is None:
                raise socket.gaierror("no such address")
            return reverse, "0"

        monkeypatch.setattr(service_names.socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(service_names.socket, "getnameinfo", getnameinfo)
        (tmp_path / "krb5.conf").write_text(f"[libdefaults]\n {setting}\n")
        monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
        return canonical_name("alias")

    return say


def test_the_canonical_name_is_the_one_that_libkrb5_takes(resolver):
    assert resolver("Web1.Test.", "Node1.Test.") == "node1.test"
    assert resolver("web1.test", None) == "web1.test"
    assert resolver("web1.test", "node1.test", "rdns = false") == "web1.test"
    assert resolver("web1.test", "node1.test", "rdns = yes") == "node1.test"
    assert resolver(None, "node1.test") is None
    assert resolver("", None) is None


# -- refused tickets --------------------------------------------------------------------------------------------------


class Own:
    """A cache in memory."""

    generation = 0


class Maker:
    """Gets new tickets in the place of refused ones, and notes which."""

    def __init__(self, own=None, fetched="new"):
        self.own = own
        self._fetched = fetched
        self.fetched = []

    def empty(self, seen):
        self.own.generation += 1
        return True

    def fetch(self, target):
        self.fetched.append(target)
        return self._fetched


class Cache(KDC):
    """Gives tickets, and notes by which principal they were asked for."""

    def __call__(self, service, _asked=None, delegate=True, **options):
        ticket = super().__call__(service, **options)
        self.asked[-1] = _asked or service
        ticket.fingerprint = "new"
        return ticket


def refuse(found, service="HTTP@hub"):
    """Have a server refuse a ticket; return what the transport gets for it."""
    return found.renew(service, "HTTP/hub@REALM", found.renewals(service))


def test_the_users_cache_has_two_names_for_a_service():
    kdc, maker = Cache("HTTP@hub"), Maker()
    found = ServiceNames(kdc, "never", DNS.get, maker)
    assert refuse(found) is Renewed.YES
    found.ticket("HTTP@hub")
    assert maker.fetched == ["HTTP/hub@REALM"] and kdc.asked == ["HTTP/hub@REALM"] * 2
    found.accepted("HTTP@hub")
    assert refuse(found) is Renewed.YES
    found.ticket("HTTP@hub")
    assert maker.fetched[1:] == ["HTTP/hub@"] and kdc.asked[2:] == ["HTTP/hub@"] * 2


def test_tickets_are_replaced_ever_more_seldom():
    found = ServiceNames(Cache("HTTP@hub"), "never", DNS.get, Maker(fetched="another"))
    renewed = [number for number in range(1, 20) if refuse(found) is Renewed.MAYBE]
    assert renewed == [1, 2, 4, 8, 16]
    found.accepted("HTTP@hub")
    assert refuse(found) is Renewed.MAYBE


def test_no_ticket_is_replaced_twice():
    for maker in (Maker(), Maker(own=Own())):
        found = ServiceNames(Cache("HTTP@hub"), "never", DNS.get, maker)
        seen = found.renewals("HTTP@hub")
        assert found.renew("HTTP@hub", "HTTP/hub@REALM", seen) is Renewed.YES
        count = len(maker.fetched), found.renewals("HTTP@hub")
        assert found.renew("HTTP@hub", "HTTP/hub@REALM", seen) is Renewed.MAYBE
        assert (len(maker.fetched), found.renewals("HTTP@hub")) == count


def test_a_cache_in_memory_is_emptied_each_time():
    found = ServiceNames(Cache("HTTP@hub"), "never", DNS.get, Maker(own=Own()))
    assert [refuse(found) for _ in range(5)] == [Renewed.YES] * 5


def test_only_a_ticket_replaces_a_ticket():
    assert refuse(ServiceNames(Cache("HTTP@other"), "never", DNS.get, Maker(fetched=None))) is Renewed.NO
    assert refuse(ServiceNames(Cache("HTTP@hub"), "never", DNS.get)) is Renewed.NO
