"""Calls to a real Apache: what a user of `KerberosTransport` lives by."""

import datetime
import http.client
import logging
import socket
from xmlrpc.client import Binary, DateTime, Fault, MultiCall, ServerProxy, dumps

import pytest
from internals import idle_connections_of

from krbxmlrpc import InsecureKerberosTransport, KerberosTransport, MutualAuthentication

pytestmark = pytest.mark.usefixtures("library")


def test_one_call_is_one_request_on_a_kept_connection(call_hub, hub, user, case):
    proxy = call_hub()
    for _ in range(5):
        assert proxy.whoami() == user
    logged = hub.logged(case, 5)
    assert [line.status for line in logged] == [200] * 5
    assert [line.earlier for line in logged] == [0, 1, 2, 3, 4]
    assert proxy("transport").principal == user


def test_without_preemption_a_connection_is_challenged_once(call_hub, hub, user, case):
    proxy = call_hub(preemptive=False)
    assert [proxy.whoami(), proxy.whoami()] == [user, user]
    proxy("close")()
    assert proxy.whoami() == user
    logged = hub.logged(case, 5)
    assert [line.status for line in logged] == [401, 200, 200, 401, 200]
    assert [line.earlier for line in logged] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("mode", [*MutualAuthentication, "required", "optional", "disabled"])
def test_every_mechanism_in_every_mode(call_hub, user, mechanism, mode):
    assert call_hub(mechanism=mechanism, mutual_authentication=mode).whoami() == user


@pytest.mark.parametrize("path", ["/negotiate-or-basic", "/session"])
@pytest.mark.parametrize("preemptive", [True, False])
def test_other_protections_that_offer_negotiate(call_hub, user, path, preemptive):
    proxy = call_hub(path, preemptive=preemptive)
    assert [proxy.whoami(), proxy.whoami()] == [user, user]


def test_plain_http(call_hub, user):
    proxy = call_hub(listener="http", transport=InsecureKerberosTransport)
    assert [proxy.whoami(), proxy.whoami()] == [user, user]


@pytest.mark.parametrize("service", ["HTTP@localhost", "HTTP/localhost@EXAMPLE.TEST"])
def test_an_address_authenticates_by_the_name_of_its_service(call_hub, user, service):
    assert call_hub(host="127.0.0.1", service=service).whoami() == user


def test_case_and_trailing_dot_of_the_host_do_not_matter(call_hub, user, monkeypatch):
    resolve = socket.getaddrinfo
    asked = []

    def resolve_with_dot(host, *arguments, **options):
        asked.append(host)
        return resolve(host.rstrip("."), *arguments, **options)  # not every resolver knows "localhost."

    monkeypatch.setattr(socket, "getaddrinfo", resolve_with_dot)
    proxy = call_hub(host="LocalHost.")
    assert proxy.whoami() == user
    assert asked == ["localhost."]
    assert proxy.header("Host").startswith("localhost:")


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_principal_of_a_collection(call_hub, realm, user, monkeypatch, tmp_path, mechanism):
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}")
    env = {**realm.env, "KRB5CCNAME": f"DIR:{tmp_path}"}
    for principal, name in ((realm.admin_princ, "admin"), (user, "user")):
        realm.kinit(principal, realm.password(name), env=env)
    assert call_hub(mechanism=mechanism).whoami() == user  # the default: the last one
    for principal in (realm.admin_princ, user):
        proxy = call_hub(principal=principal, mechanism=mechanism)
        assert proxy.whoami() == principal
        assert proxy("transport").principal == principal


def test_a_keytab_takes_the_place_of_kinit(call_hub, realm, user, monkeypatch, tmp_path):
    realm.extract_keytab(user, str(tmp_path / "client.keytab"))
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(tmp_path / "client.keytab"))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/new")
    assert call_hub().whoami() == user


def test_delegation_only_where_it_was_asked_for(call_hub, user):
    assert call_hub("/delegation", delegate=True).delegated() is True
    assert call_hub("/delegation").delegated() is False


def test_faults_keep_the_connection(call_hub, hub, case):
    proxy = call_hub()
    for _ in range(2):
        with pytest.raises(Fault) as caught:
            proxy.fail(7, "seven")
        assert (caught.value.faultCode, caught.value.faultString) == (7, "seven")
    assert [line.earlier for line in hub.logged(case, 2)] == [0, 1]


def test_multicall_and_introspection(call_plain, krb_user):
    proxy = call_plain()
    many = MultiCall(proxy)
    many.whoami()
    many.echo([1, "two"])
    assert list(many()) == [krb_user, [1, "two"]]
    assert "whoami" in proxy.system.listMethods()


def test_types_come_as_they_were_asked_for(call_plain):
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert isinstance(call_plain().echo(moment), DateTime)
    assert isinstance(call_plain().echo(b"bytes"), Binary)
    assert call_plain(use_datetime=True).echo(moment) == moment
    assert call_plain(use_builtin_types=True).echo([moment, b"bytes"]) == [moment, b"bytes"]


def test_none_where_the_proxy_allows_it(call_plain):
    with call_plain(allow_none=True) as proxy:
        assert proxy.echo(None) is None
    assert repr(proxy("transport")).endswith("connections=0>")
    with pytest.raises(TypeError):
        call_plain().echo(None)


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "\r", "\n", "\r\n\r\n", "a\tb\n\r", "\r<&]]>\r&#13;"])
def test_carriage_returns_arrive(call_hub, text):
    """A parser of XML makes line feeds of them, unless they are written as references."""
    assert call_hub().codes(text) == [ord(character) for character in text]


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "us-ascii"])
def test_carriage_returns_arrive_in_each_encoding(hub, hub_context, user, encoding):
    with ServerProxy(hub.url(), transport=KerberosTransport(context=hub_context), encoding=encoding) as proxy:
        assert proxy.codes("\u00e9\r\n\u20ac") == [0xE9, 13, 10, 0x20AC]


def test_carriage_returns_arrive_in_a_compressed_call(call_hub):
    class Compressing(KerberosTransport):
        encode_threshold = 0

    assert call_hub(transport=Compressing).codes("\r\n") == [13, 10]


def test_large_replies_come_compressed_or_not(call_hub):
    text = "compresses well " * 100_000

    class Plain(KerberosTransport):
        accept_gzip_encoding = False

    assert call_hub().header("Accept-Encoding") == "gzip"
    assert call_hub().echo(text) == text
    assert call_hub(transport=Plain).header("Accept-Encoding") == "identity"
    assert call_hub(transport=Plain).echo(text) == text


def test_encode_threshold_compresses_requests(call_hub):
    class Compressing(KerberosTransport):
        encode_threshold = 1000

    proxy = call_hub(transport=Compressing)
    assert proxy.header("Content-Encoding") is None
    assert proxy.echo("x" * 5000) == "x" * 5000


def test_headers_and_the_hooks_of_subclasses(call_hub):
    class Signed(KerberosTransport):
        user_agent = "signed/1"

        def send_headers(self, connection, headers):
            assert [value[:10] for name, value in headers if name == "Authorization"] == ["Negotiate "]
            super().send_headers(connection, [*headers, ("X-Signed", "yes")])

        def send_content(self, connection, request_body):
            connection.putheader("X-Length", str(len(request_body)))
            super().send_content(connection, request_body)

    proxy = call_hub(transport=Signed, headers=[("X-Given", "one")])
    assert proxy.header("X-Given") == "one"
    assert proxy.header("X-Signed") == "yes"
    assert int(proxy.header("X-Length")) > 100
    assert proxy.header("User-Agent") == "signed/1"


@pytest.mark.parametrize("value", ["a\r\nX-Injected: yes", "a\nb", "\0", "\u20ac"])
def test_what_a_hook_adds_cannot_break_the_request(call_hub, hub, case, value):
    class Careless(KerberosTransport):
        value = "good"

        def send_headers(self, connection, headers):
            super().send_headers(connection, [*headers, ("X-Hook", self.value)])

    proxy = call_hub(transport=Careless)
    proxy("transport").value = value
    with pytest.raises(ValueError, match="a header of the request") as caught:
        proxy.whoami()
    assert value not in str(caught.value)
    proxy("transport").value = "good"
    assert proxy.header("X-Hook") == "good"
    assert len(hub.logged(case, 1)) == 1


@pytest.mark.parametrize("name", ["signed/1\rX-Injected: yes", "signed/1\nX-Injected: yes", "signed/1\r"])
def test_the_user_agent_cannot_break_the_request(call_hub, hub, case, name):
    class Signed(KerberosTransport):
        user_agent = name

    with pytest.raises(ValueError, match="a header of the request"):
        call_hub(transport=Signed).whoami()
    assert hub.logged(case, 0) == []


def test_values_of_a_hook_may_be_anything_that_makes_a_header(call_hub):
    class Odd(KerberosTransport):
        def send_headers(self, connection, headers):
            super().send_headers(connection, headers)
            connection.putheader(b"X-Bytes", b"\xe9")
            connection.putheader("X-Number", 5)
            connection.putheader("X-Two", "a", "b")
            connection.putheader("X-None")

    proxy = call_hub(transport=Odd)
    assert [proxy.header(name) for name in ("X-Number", "X-Two", "X-None")] == ["5", "a, b", ""]


def test_chunked_replies(call_hub, hub, case):
    proxy = call_hub("/xmlrpc?chunked=1")
    assert [proxy.echo("a" * 3000), proxy.echo("b")] == ["a" * 3000, "b"]
    assert [line.earlier for line in hub.logged(case, 2)] == [0, 1]


def test_the_transport_works_again_after_close(call_hub, user):
    proxy = call_hub()
    for _ in range(2):
        assert proxy.whoami() == user
        assert "connections=1" in repr(proxy("transport"))
        proxy("close")()
        assert "connections=0" in repr(proxy("transport"))


def test_a_forgotten_transport_closes_its_connection_at_once(hub, hub_context, user, without_collector):
    transport = KerberosTransport(context=hub_context)
    ServerProxy(hub.url(), transport=transport).whoami()
    (connection,) = idle_connections_of(transport)
    del transport
    assert connection.sock is None


def test_a_connection_does_not_reconnect_by_itself(hub, hub_context, user):
    """A ticket, or a leg of an exchange, must not go out on another connection unnoticed."""
    transport = KerberosTransport(context=hub_context)
    connection = transport.make_connection(f"localhost:{hub.ports['https']}")
    with pytest.raises(http.client.NotConnected):
        transport.send_request("localhost", "/xmlrpc", b"", False, connection=connection)


def test_send_request_opens_a_connection_where_it_is_given_none(hub, hub_context, user):
    transport = KerberosTransport(context=hub_context)
    body = dumps((), "whoami").encode()
    connection = transport.send_request(f"localhost:{hub.ports['https']}", "/open", body, False)
    assert transport.parse_response(connection.getresponse()) == ("nobody",)
    connection.close()


def test_each_request_is_one_debug_line_without_secrets(call_hub, case, caplog):
    caplog.set_level(logging.DEBUG, logger="krbxmlrpc")
    proxy = call_hub(preemptive=False)
    proxy.whoami()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(line.startswith("POST https://localhost:") and case not in line for line in lines)
    assert "/xmlrpc 401 " in lines[0] and lines[0].endswith(" s, new connection, no ticket")
    assert "/xmlrpc 200 " in lines[1] and lines[1].endswith(" s, kept connection, ticket")


def test_verbose_shows_the_conversation_without_secrets(hub, hub_context, user, case, capsys):
    transport = KerberosTransport(context=hub_context, headers=[("X-Key", "hidden")])
    with ServerProxy(hub.url(f"/session?case={case}"), transport=transport, verbose=True) as proxy:
        assert proxy.echo("shown") == "shown"
    printed = capsys.readouterr().out
    assert "send: POST /session, body of" in printed
    assert "header: Content-Type: text/xml" in printed
    assert "characters, not shown)" in printed
    assert "reply: 200" in printed
    assert "body: " in printed and "shown" in printed
    assert not any(secret in printed for secret in ("YII", "oYG", "MagBearerToken", "hidden", case))
