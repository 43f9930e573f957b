"""The recipe for several servers of one hub: real servers, one that refuses connections, and one that hangs up."""

import ssl
from xmlrpc.client import Fault, dumps

import pytest
from example_runner import example, recipe
from servers import scripted
from servers.dns import DNS

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    CertificateRejected,
    ServerUnreachable,
    ServiceUnknown,
    UnexpectedStatus,
)

CALL = "execute"


@pytest.fixture
def other(ca):
    """A second scripted server."""
    with scripted.ScriptedServer(ca) as started:
        yield started


@pytest.fixture
def servers_at(server_context, user, opened):
    """Open proxies for URLs: ``servers_at(url, other_url)``."""

    def open_proxies(*urls, **arguments):
        module = recipe("several_servers")
        arguments.setdefault("context", server_context)
        return module.Servers([opened.enter_context(module.connect(url, **arguments)) for url in urls])

    return open_proxies


# -- which server gets the call ---------------------------------------------------------------------------------------


def test_the_first_server_gets_all_calls(servers_at, server, other):
    hub = servers_at(server.url(), other.url())
    assert [hub.call(CALL), hub.call(CALL)] == ["an honest answer"] * 2
    assert (len(server.requests), len(other.requests)) == (2, 0)


def test_a_call_goes_on_to_the_next_server(servers_at, server, nobody_listens):
    """And later calls begin there: the closed port is not tried again."""
    hub = servers_at(nobody_listens, server.url())
    assert hub.call(CALL) == "an honest answer"
    hub.servers[0] = None
    assert hub.call(CALL) == "an honest answer"
    assert len(server.requests) == 2


def test_a_real_hub_behind_a_server_that_is_down(hub, user, nobody_listens, case):
    urls = f"{nobody_listens},{hub.url(f'/xmlrpc?case={case}')}"
    status, printed, complaints = example("several_servers.py", urls, "whoami", hub.cafile)
    assert (status, printed, complaints) == (0, [user, "by the server HTTP/localhost@EXAMPLE.TEST"], "")
    assert [line.ticket for line in hub.logged(case)] == [True]


def test_a_server_that_goes_down_is_left(servers_at, ca, other):
    with scripted.ScriptedServer(ca) as server:
        hub = servers_at(server.url(), other.url())
        hub.call(CALL)
        assert (len(server.requests), len(other.requests)) == (1, 0)
    assert hub.call(CALL) == "an honest answer"
    assert (len(server.requests), len(other.requests)) == (1, 1)


def test_after_the_last_server_the_first_is_tried(servers_at, server, other, nobody_listens):
    hub = servers_at(server.url(), nobody_listens)
    hub.first = 1
    assert hub.call(CALL) == "an honest answer"
    assert hub.first == 0


def test_a_login_that_breaks_off_is_no_call(servers_at, server, other):
    server.play(scripted.hang_up)
    hub = servers_at(server.url(), other.url(), login_path="/login")
    other.play(
        scripted.honest(headers=[("Set-Cookie", "session=1; Path=/; Secure")]),
        scripted.say(scripted.message(body=scripted.values())),
    )
    assert hub.call(CALL) == "an honest answer"
    assert [request.line.split()[0] for request in server.requests + other.requests] == ["GET", "GET", "POST"]


# -- when no other server may get the call ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, error",
    [
        (scripted.hang_up, CallOutcomeUnknown),
        (scripted.honest(status=503), UnexpectedStatus),
        (scripted.honest(status=502), CallOutcomeUnknown),
        (scripted.say(scripted.message(401, [("WWW-Authenticate", "Negotiate")])), AuthenticationRejected),
        (scripted.honest(body=dumps(Fault(1, "refused")).encode()), Fault),
    ],
)
def test_a_call_that_was_sent_goes_to_no_other_server(servers_at, server, other, answer, error):
    server.otherwise = answer
    hub = servers_at(server.url(), other.url())
    with pytest.raises(error) as caught:
        hub.call(CALL)
    assert not isinstance(caught.value, ServerUnreachable)
    assert server.requests and other.connections == 0 and hub.first == 0


def test_a_wrong_certificate_is_no_reason_to_go_on(servers_at, server, other):
    hub = servers_at(server.url(), other.url(), context=ssl.create_default_context())
    with pytest.raises(CertificateRejected):
        hub.call(CALL)
    assert other.connections == 0


def test_a_server_that_the_kdc_does_not_know_is_an_error(servers_at, server, other):
    unknown, known = servers_at(server.url(), service="HTTP@unknown.example.test"), servers_at(other.url())
    hub = type(known)(unknown.servers + known.servers)
    with pytest.raises(ServiceUnknown):
        hub.call(CALL)
    assert other.connections == 0


def test_if_no_server_is_reached_the_error_names_all(servers_at, nobody_listens):
    urls = [nobody_listens, nobody_listens.replace("localhost", "none.invalid")]
    hub = servers_at(*urls, service="HTTP@localhost")
    with pytest.raises(ServerUnreachable) as caught:
        hub.call(CALL)
    assert nobody_listens.split("/")[2] in str(caught.value) and "none.invalid" in str(caught.value)
    assert "none.invalid" in str(caught.value.__cause__) and hub.first == 0


# -- the DNS ----------------------------------------------------------------------------------------------------------


def test_servers_of_the_dns_in_their_order(monkeypatch):
    records = ["20 0 389 c.example.test.", "0 0 389 a.example.test.", "10 0 389 b.example.test."]
    with DNS(monkeypatch, {"_ldap._tcp.example.test.": records}):
        find_urls = recipe("several_servers").find_urls
        found = find_urls("https://d.example.test/xmlrpc,https://_ldap._tcp.example.test/ipa/xml")
        assert found == ["https://d.example.test/xmlrpc", *(f"https://{name}.example.test/ipa/xml" for name in "abc")]
        with pytest.raises(OSError, match="the DNS names no servers: .*_kerberos"):
            find_urls("https://_kerberos._tcp.example.test/ipa/xml")


def test_the_recipe_says_what_is_missing(user, tmp_path):
    (tmp_path / "dns.py").write_text("raise ImportError('it is not installed')")
    arguments = "https://_ldap._tcp.example.test/xmlrpc", "whoami"
    status, printed, complaints = example("several_servers.py", *arguments, PYTHONPATH=str(tmp_path))
    assert (status, printed, complaints) == (1, [], "ImportError: it is not installed\n")
