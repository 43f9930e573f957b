"""Which service has to prove its identity, whatever DNS says: the names of its host lie here, forward and reverse."""

import os
import re
import sys

import k5test
import pytest
import with_hosts
from internals import TicketMaker, decode_token, read_offer
from servers import kdc
from servers.scripted import ScriptedServer
from servers.scripted_proxy import Tunnel, ask

from krbxmlrpc import KerberosTicket, KerberosTransport, KerberosXMLRPCError
from krbxmlrpc.testing import KerberosXMLRPCServer, Realm, caller

HUB, OTHER = "HTTP/localhost@EXAMPLE.TEST", "HTTP/other.example.test@EXAMPLE.TEST"
LIES = "127.0.0.1 other.example.test localhost\n"
"""The canonical name of the hub's host is another's, and so is the name of its address."""

BINDINGS = {"channel_bindings": "tls-server-end-point"}


@pytest.fixture(scope="module")
def two_services():
    """A realm with the services HTTP/localhost and HTTP/other.example.test, each with a keytab of its own."""
    with Realm() as realm:
        realm.add_service("HTTP/other.example.test")
        realm.other_keytab = realm.extract_keytab("HTTP/other.example.test", f"{realm.k5.tmpdir}/other.keytab")
        realm.hub_keytab = realm.extract_keytab("HTTP/localhost", f"{realm.k5.tmpdir}/hub.keytab")
        yield realm


def configure(realm, monkeypatch, tmp_path, setting):
    """Put a realm into the environment, with a new credential cache and with these settings of libkrb5's."""
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/ccache")
    realm.get_ticket("user", os.environ["KRB5CCNAME"])
    if setting != "off":
        with open(os.environ["KRB5_CONFIG"], encoding="utf-8") as file:
            text = re.sub(r"(?m)^\s*(dns_canonicalize_hostname|rdns|qualify_shortname) *=.*\n", "", file.read())
        assert "rdns" not in text
        conf = tmp_path / "krb5.conf"
        conf.write_text(text)
        monkeypatch.setenv("KRB5_CONFIG", str(conf))


@pytest.fixture(params=["libkrb5's defaults", "off"])
def realm(request, two_services, monkeypatch, tmp_path):
    """That realm, in the environment, with libkrb5's own ideas of names, and without."""
    configure(two_services, monkeypatch, tmp_path, request.param)
    return two_services


@pytest.fixture(params=["pykerberos", "python-gssapi", "ccache="])
def credentials(request, monkeypatch, tmp_path):
    """The arguments of a transport; it gets its tickets by one library or the other, in child processes, too."""
    if request.param == "pykerberos":
        (tmp_path / "gssapi.py").write_text("raise ImportError('it is not installed')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setitem(sys.modules, "gssapi", None)
    return {"ccache": f"FILE:{tmp_path}/ccache"} if request.param == "ccache=" else {}


def serve(realm, keytab):
    """Return a server at localhost with the keys of a keytab."""
    server = KerberosXMLRPCServer(realm, keytab=keytab)
    server.register_function(caller, "whoami")
    return server


def tickets(server):
    """Return how many tickets have reached a server."""
    return [request.credentials for request in server.requests].count("ticket")


MECHANISMS = pytest.mark.parametrize("mechanism", ["spnego", "krb5"])


@MECHANISMS
def test_the_right_service_proves_itself_whatever_dns_says(realm, credentials, mechanism):
    with serve(realm, realm.hub_keytab) as server:
        outcome = with_hosts.call(LIES, server.url(), server.cafile, mechanism=mechanism, **credentials)
        assert outcome == ([realm.user], None, "", HUB)


STRICT = [{}, {"delegate": True}, BINDINGS, {"canonicalize": "never"}, {"canonicalize": "fallback"}]


@MECHANISMS
@pytest.mark.parametrize("arguments", STRICT)
def test_the_key_of_another_service_is_no_proof(realm, credentials, mechanism, arguments):
    """Even where DNS says that the other service is meant, and a certificate is trusted."""
    with serve(realm, realm.other_keytab) as server:
        outcome = with_hosts.call(LIES, server.url(), server.cafile, mechanism=mechanism, **arguments, **credentials)
    assert (outcome.values, outcome.error, outcome.service) == ([], "AuthenticationRejected", None)
    assert HUB in outcome.text and "other.example.test" not in outcome.text


@MECHANISMS
@pytest.mark.parametrize("arguments", [{}, {"delegate": True}, BINDINGS])
def test_only_who_asks_for_it_is_fooled(realm, credentials, mechanism, arguments):
    """The twin of the test above: DNS says which service is meant, and the transport says which one that was."""
    with serve(realm, realm.other_keytab) as server:
        outcome = with_hosts.call(
            LIES, server.url(), server.cafile, canonicalize="always", mechanism=mechanism, **arguments, **credentials
        )
        assert outcome == ([realm.user], None, "", OTHER)


def test_a_service_that_is_named_has_to_prove_itself(realm, credentials):
    for keytab, service, proved in (
        (realm.other_keytab, "HTTP@other.example.test", OTHER),
        (realm.other_keytab, "HTTP/other.example.test@", OTHER),
        (realm.other_keytab, OTHER, OTHER),
        (realm.hub_keytab, "HTTP@localhost", HUB),
        (realm.hub_keytab, "HTTP/localhost@", HUB),
    ):
        with serve(realm, keytab) as server:
            outcome = with_hosts.call(LIES, server.url(), server.cafile, service=service, **credentials)
            assert outcome == ([realm.user], None, "", proved)


# -- aliases and load balancers ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def only_the_canonical_name():
    """A realm that does not know HTTP/localhost, but HTTP/web1.example.test."""
    with Realm() as realm:
        realm.k5.run_kadminl("delprinc -force HTTP/localhost")
        realm.add_service("HTTP/web1.example.test")
        realm.add_service("HTTP/lb.example.test")
        yield realm


WEB1, BALANCER = "HTTP/web1.example.test@EXAMPLE.TEST", "HTTP/lb.example.test@EXAMPLE.TEST"
ALIAS = "127.0.0.1 web1.example.test localhost lb.example.test\n"


@pytest.fixture(params=["libkrb5's defaults", "off"])
def alias(request, only_the_canonical_name, monkeypatch, tmp_path):
    """That realm, in the environment; its settings do not matter but for rdns, and here forward and reverse agree."""
    configure(only_the_canonical_name, monkeypatch, tmp_path, request.param)
    return only_the_canonical_name


@pytest.mark.parametrize("arguments", [{}, {"canonicalize": "fallback"}, {"canonicalize": "always"}])
def test_an_alias_works_by_its_canonical_name(alias, credentials, arguments):
    with serve(alias, None) as server:
        outcome = with_hosts.call(ALIAS, server.url(), server.cafile, calls=3, **arguments, **credentials)
        assert outcome == ([alias.user] * 3, None, "", WEB1)


@pytest.mark.parametrize("arguments", [{"delegate": True}, BINDINGS, {"canonicalize": "never"}])
def test_an_alias_has_to_be_allowed_where_more_is_at_stake(alias, credentials, arguments):
    with serve(alias, None) as server:
        outcome = with_hosts.call(ALIAS, server.url(), server.cafile, **arguments, **credentials)
        assert (outcome.values, outcome.error) == ([], "ServiceUnknown") and server.requests == []
        assert "asked for HTTP/localhost" in outcome.text
        assert "pass service='HTTP@web1.example.test'" in outcome.text
        assert "canonicalize='fallback' allows" in outcome.text
        for more in ({"service": "HTTP@web1.example.test"}, {"canonicalize": "fallback"}):
            outcome = with_hosts.call(ALIAS, server.url(), server.cafile, **{**arguments, **more}, **credentials)
            assert outcome == ([alias.user], None, "", WEB1)


def test_plain_http_needs_the_name(alias):
    """Nothing else says there whose server it is."""
    with serve(alias, None) as server:
        url = server.url().replace("https", "http")
        outcome = with_hosts.call(ALIAS, url, None)
        assert outcome.error == "ServiceUnknown" and "HTTP@web1.example.test" in outcome.text


def test_a_load_balancers_name_has_effect(alias, credentials):
    with serve(alias, None) as server:
        outcome = with_hosts.call(ALIAS, server.url(), server.cafile, service="HTTP@lb.example.test", **credentials)
        assert outcome == ([alias.user], None, "", BALANCER)


def test_a_principal_is_never_replaced(alias, credentials):
    with serve(alias, None) as server:
        for canonicalize in (None, "fallback", "always"):
            outcome = with_hosts.call(
                ALIAS,
                server.url(),
                server.cafile,
                service="HTTP/localhost@EXAMPLE.TEST",
                canonicalize=canonicalize,
                **credentials,
            )
            assert outcome.error == "ServiceUnknown"


def test_names_that_no_kdc_knows_are_both_told(alias, credentials):
    hosts = "127.0.0.1 unknown.example.test localhost\n"
    with serve(alias, None) as server:
        outcome = with_hosts.call(hosts, server.url(), server.cafile, **credentials)
        assert outcome.error == "ServiceUnknown"
        assert "HTTP/localhost" in outcome.text and "unknown.example.test" in outcome.text


# -- proxies ----------------------------------------------------------------------------------------------------------


def ticket_for_proxy(realm, credentials, **arguments):
    """Return the service of the ticket that a proxy at localhost gets, and what comes of the call."""
    with serve(realm, realm.hub_keytab) as server, ScriptedServer(None) as proxy:
        proxy.play(ask("Negotiate"), Tunnel())
        outcome = with_hosts.call(
            LIES, server.url(), server.cafile, proxy=f"http://localhost:{proxy.port}", **arguments, **credentials
        )
        tickets = [request.token for request in proxy.requests if request.token]
    return [read_offer(decode_token(ticket)).service for ticket in tickets], outcome


def test_a_proxy_gets_a_ticket_for_its_own_name(realm, credentials):
    """A ticket for another service could be passed on to that service, as the way to the proxy is not encrypted."""
    for arguments in ({}, {"canonicalize": "never"}, {"canonicalize": "fallback"}):
        services, outcome = ticket_for_proxy(realm, credentials, **arguments)
        assert services == [HUB] and outcome == ([realm.user], None, "", HUB)
    services, _ = ticket_for_proxy(realm, credentials, canonicalize="always")
    assert services == [OTHER]


# -- the ticket's own name --------------------------------------------------------------------------------------------


@pytest.fixture
def forged_cache(two_services, monkeypatch, tmp_path):
    """Put a cache into the environment in which the ticket for one service is filed under the name of another."""
    configure(two_services, monkeypatch, tmp_path, "off")
    two_services.add_service("HTTP/otherhost")
    KerberosTicket("HTTP@otherhost")
    path = tmp_path / "ccache"
    content = path.read_bytes()
    length = len("localhost").to_bytes(4, "big")
    assert length + b"otherhost" in content
    path.write_bytes(content.replace(length + b"otherhost", length + b"localhost"))  # the ticket itself stays
    return two_services


@MECHANISMS
def test_the_ticket_of_another_service_is_not_sent(forged_cache, credentials, mechanism):
    with serve(forged_cache, forged_cache.keytab) as server:
        transport = KerberosTransport(context=server.context, mechanism=mechanism, **credentials)
        with pytest.raises(KerberosXMLRPCError, match="found for HTTP/localhost is for HTTP/otherhost@EXAMPLE.TEST"):
            transport.fetch("GET", server.url("").partition("//")[2], "/xmlrpc")
        assert tickets(server) == 0
        transport.close()


def test_the_service_of_a_ticket_is_known(two_services, monkeypatch, tmp_path):
    configure(two_services, monkeypatch, tmp_path, "off")
    for service in ("HTTP@localhost", "HTTP/localhost@", HUB):
        assert KerberosTicket(service).service_principal == HUB


# -- other realms -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_realms():
    """Two realms that trust each other; the first knows which hosts are the second's."""
    trust, domains = {}, {"domain_realm": {".referred.test": "TWO.TEST"}}
    started = []
    for name in ("ONE.TEST", "TWO.TEST"):
        port = kdc.free_ports(10)
        trust[name] = {"kdc": f"127.0.0.1:{port}"}
        settings = {"realms": {"$realm": {"kdc_listen": f"127.0.0.1:{port}", "kdc_tcp_listen": f"127.0.0.1:{port}"}}}
        started.append((name, port, settings))
    realms = []
    for name, port, settings in started:
        conf = {"realms": {**trust, "$realm": trust[name]}, "libdefaults": {"rdns": "false"}, **domains}
        realm = k5test.K5Realm(realm=name, portbase=port, krb5_conf=conf, kdc_conf=settings, start_kdc=False)
        for way in ("krbtgt/TWO.TEST@ONE.TEST", "krbtgt/ONE.TEST@TWO.TEST"):
            realm.addprinc(way, "shared")
        realms.append(realm)
        realm.start_kdc()
    for service in ("HTTP/hub.mapped.test", "HTTP/hub.two.test", "HTTP/hub.referred.test"):
        realms[1].addprinc(service)
    yield realms
    for realm in realms:
        realm.stop()


@pytest.mark.parametrize("host", ["hub.mapped.test", "hub.two.test", "hub.referred.test"])
def test_a_host_of_another_realm(two_realms, monkeypatch, tmp_path, credentials, host):
    """By krb5.conf of the client, by its own domain, or by what its KDC knows."""
    one, _ = two_realms
    conf = tmp_path / "krb5.conf"
    with open(one.env["KRB5_CONFIG"], encoding="utf-8") as file:
        conf.write_text(file.read().replace(".referred.test", ".mapped.test"))
    cache = f"FILE:{tmp_path}/ccache"
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    monkeypatch.setenv("KRB5CCNAME", cache)
    one.kinit(one.user_princ, one.password("user"), env={**one.env, "KRB5CCNAME": cache})
    ticket = TicketMaker(None, "spnego", credentials.get("ccache"), None)(f"HTTP@{host}")
    assert ticket.service_principal == f"HTTP/{host}@TWO.TEST"
