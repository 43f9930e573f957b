"""TLS with a real Apache: client certificates, CAs, and ports that speak the other scheme.

The failures that a user meets are provoked through the library, ``krbxmlrpc call`` and ``krbxmlrpc check``.
"""

import json
import ssl
import weakref
from xmlrpc.client import ProtocolError, SafeTransport, ServerProxy

import pytest
import trustme
from cryptography.x509.oid import ExtendedKeyUsageOID
from helpers import wait_until_readable
from internals import run_command
from servers.client_certificates import ClientCertificates
from servers.faulty_certificates import Authority
from servers.scripted import ScriptedServer
from servers.scripted_proxy import Tunnel

from krbxmlrpc import (
    BrokenReply,
    CallOutcomeUnknown,
    InsecureKerberosTransport,
    KerberosTransport,
    ServerUnreachable,
    UnexpectedStatus,
)
from krbxmlrpc.pulp import KerberosServerWrapper
from krbxmlrpc.testing.loopback import Hangup

pytestmark = pytest.mark.usefixtures("user")

PARTIAL_CHAIN = 0x80000  # ssl.VERIFY_X509_PARTIAL_CHAIN, since Python 3.10; the default since 3.13

PREEMPTIVE = pytest.mark.parametrize("preemptive", [True, False])


@pytest.fixture(scope="session")
def apache(realm):
    """An Apache that asks for client certificates."""
    started = ClientCertificates(realm).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def certificates(apache, tmp_path_factory):
    """Files with client certificates: of the CA that Apache knows, and of another one."""
    folder = tmp_path_factory.mktemp("certificates")
    files = {name: str(folder / f"{name}.pem") for name in ("known", "foreign")}
    for ca, file in zip((apache.ca, trustme.CA()), files.values()):
        ca.issue_cert("client@example.test").private_key_and_cert_chain_pem.write_to_path(file)
    return files


@pytest.fixture
def context(apache, certificates):
    """Return a context with a client certificate: ``context("known", asked_later=True)``."""

    def make(name=None, asked_later=False):
        made = ssl.create_default_context(cafile=apache.cafile)
        if name is not None:
            made.load_cert_chain(certificates[name])
        made.post_handshake_auth = asked_later
        return made

    return make


@pytest.fixture
def call(apache, case, opened):
    """Open a proxy for a path of that Apache. For a client certificate, pass a `context`."""

    def open_proxy(path="/xmlrpc", listener="required", transport=KerberosTransport, **arguments):
        if "context" not in arguments:
            arguments["cafile"] = apache.cafile
        made = transport(**arguments)
        return opened.enter_context(ServerProxy(apache.url(f"{path}?case={case}", listener), transport=made))

    return open_proxy


@pytest.fixture
def command(capsys):
    """Run a command, ``command("call", url)``; return the complaint of ``call``, or the failed step of ``check``."""

    def run(name, *words):
        status = run_command([name, *words, *(["whoami"] if name == "call" else ["--json"])])
        printed, complaints = capsys.readouterr()
        if name == "call":
            assert status == 2
            return complaints
        failed = [step for step in json.loads(printed)["steps"] if step["state"] == "failed"]
        assert status == 1 and len(failed) == 1
        return f"{failed[0]['found']}\n{failed[0]['remedy']}"

    return run


COMMANDS = pytest.mark.parametrize("name", ["call", "check"])


# -- a client certificate for each connection -------------------------------------------------------------------------


@pytest.mark.row("a required client certificate")
@PREEMPTIVE
def test_a_server_that_wants_a_client_certificate(call, trouble, apache, case, preemptive):
    error = trouble(call(preemptive=preemptive).execute, case)
    assert error.__cause__.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    assert (apache.executed(case), apache.logged(case, 0), error.host) == (0, [], "localhost")


class Patient(KerberosTransport):
    """Waits until the server says something. A slow KDC has the same effect."""

    def make_connection(self, host):
        """Return a connection whose `connect` waits."""
        made = super().make_connection(host)
        connect = made.connect

        def connect_and_wait():
            connect()
            wait_until_readable(made)

        made.connect = connect_and_wait
        return made


def test_a_refusal_that_comes_while_the_ticket_is_fetched(call):
    proxy = call(transport=Patient)
    with pytest.raises(ServerUnreachable, match="wants a client certificate.*context.load_cert_chain") as caught:
        proxy.whoami()
    assert "KDC" not in caught.value.hint


@pytest.mark.parametrize("transport", [KerberosTransport, Patient])
def test_a_refusal_leaves_no_transport_behind(apache, without_collector, transport):
    made = transport(cafile=apache.cafile)
    with pytest.raises(ServerUnreachable):
        made.request(f"localhost:{apache.ports['required']}", "/xmlrpc", b"")
    gone = weakref.ref(made)
    del made
    assert gone() is None


def test_a_refusal_at_a_login_page(call):
    with pytest.raises(ServerUnreachable, match="wants a client certificate.*context.load_cert_chain") as caught:
        call(login_path="/xmlrpc").whoami()
    assert caught.value.at_login


def test_a_refusal_behind_a_proxy(call):
    with ScriptedServer(None, Tunnel()) as proxy:
        with pytest.raises(ServerUnreachable, match="through the proxy .*wants a client certificate"):
            call(proxy=f"localhost:{proxy.port}").whoami()


def test_a_refusal_is_met_again_only_if_the_caller_says_so(call):
    connections = []

    class Counting(KerberosTransport):
        def make_connection(self, host):
            connections.append(super().make_connection(host))
            return connections[-1]

    for retries in (0, 2):
        connections.clear()
        with pytest.raises(ServerUnreachable):
            call(transport=Counting, retries=retries, retry_interval=0).whoami()
        assert len(connections) == 1 + retries


def test_up_to_tls_12_the_refusal_comes_in_the_handshake(call):
    with pytest.raises(
        ServerUnreachable, match="cannot set up TLS .*or the server wants a client certificate"
    ) as caught:
        call(listener="required12").whoami()
    assert "context.load_cert_chain" in caught.value.hint


@pytest.mark.parametrize("listener", ["required", "required12"])
def test_a_client_certificate(call, context, user, listener):
    assert call(listener=listener, context=context("known")).whoami() == user


@pytest.mark.parametrize("listener", ["required", "required12"])
def test_a_client_certificate_of_an_unknown_ca(call, context, listener):
    with pytest.raises(ServerUnreachable, match="does not accept the client's certificate") as caught:
        call(listener=listener, context=context("foreign")).whoami()
    assert "from a CA that it knows" in caught.value.hint
    assert "context.load_cert_chain" in caught.value.hint


@COMMANDS
def test_commands_say_that_a_client_certificate_is_wanted(command, apache, name):
    text = command(name, "--cafile", apache.cafile, apache.url("/xmlrpc", "required"))
    assert "wants a client certificate" in text
    assert "no option does that, but a program can pass KerberosTransport(context=...)" in text
    assert "context.load_cert_chain" in text


@COMMANDS
def test_the_commands_say_the_same_for_tls_12(command, apache, name):
    text = command(name, "--cafile", apache.cafile, apache.url("/xmlrpc", "required12"))
    assert "wants a client certificate" in text and "context.load_cert_chain" in text


# -- a client certificate for a path ----------------------------------------------------------------------------------


@PREEMPTIVE
@pytest.mark.parametrize("listener", ["https", "paths12"])
def test_a_path_where_a_client_certificate_is_optional(call, user, listener, preemptive):
    assert call("/optional", listener, preemptive=preemptive).whoami() == user


def test_a_standard_transport_comes_as_far_there(apache, monkeypatch):
    """It has no ticket, so the reply is 401, not 403."""
    monkeypatch.setenv("SSL_CERT_FILE", apache.cafile)
    with ServerProxy(apache.url("/optional"), transport=SafeTransport()) as proxy:
        with pytest.raises(ProtocolError) as caught:
            proxy.whoami()
    assert caught.value.errcode == 401


@pytest.mark.parametrize("path", ["/optional", "/certificate"])
@pytest.mark.parametrize("listener", ["https", "paths12"])
def test_a_client_certificate_for_a_path(call, context, user, path, listener):
    assert call(path, listener, context=context("known", asked_later=True)).whoami() == user


@pytest.mark.row("no post_handshake_auth in context")
def test_a_context_that_cannot_be_asked_after_the_handshake(call, trouble, context):
    """A context of the caller's is used as it is, as `http.client` does."""
    error = trouble(call("/certificate", "https", context=context("known")).whoami)
    assert error.errcode == 403


@pytest.mark.parametrize("name, reason", [(None, "CERTIFICATE_REQUIRED"), ("foreign", "UNKNOWN_CA")])
def test_a_path_that_refuses_the_client_certificate(call, context, apache, case, name, reason):
    proxy = call("/certificate", "https", context=context(name, asked_later=True))
    with pytest.raises(ServerUnreachable, match="context.load_cert_chain") as caught:
        proxy.execute(case)
    assert caught.value.__cause__.reason.endswith(reason)
    assert apache.executed(case) == 0


def test_a_refusal_on_a_used_connection_proves_nothing(call, apache, case):
    transport = call("/xmlrpc", "https")("transport")
    url = f"localhost:{apache.ports['https']}"
    assert transport.fetch("GET", url, "/xmlrpc").status == 200
    with pytest.raises(CallOutcomeUnknown, match="may have run.*wants a client certificate.*context.load_cert_chain"):
        transport.fetch("POST", url, f"/certificate?case={case}")


def test_other_alerts_prove_nothing(call):
    """Up to TLS 1.2, the alert for a missing certificate has other meanings, too."""
    with pytest.raises(CallOutcomeUnknown, match="may have run.*wants a client certificate.*context.load_cert_chain"):
        call("/certificate", "paths12").whoami()


# -- certificates that are refused ------------------------------------------------------------------------------------


@pytest.fixture
def refused(trouble):
    """Call a server with such a certificate, which is refused; return the error."""

    def call_it(authority, **arguments):
        with ScriptedServer(authority) as server:
            with ServerProxy(server.url(), transport=KerberosTransport(**arguments)) as proxy:
                error = trouble(proxy.whoami)
            assert server.requests == []
        return error

    return call_it


@pytest.mark.row("a certificate of another CA")
def test_a_ca_that_did_not_sign(refused, tmp_path):
    refused(Authority("one"), cafile=Authority("another").write_to(tmp_path / "ca.pem"))


@pytest.mark.row("a CA of the same name, another key")
def test_a_ca_of_the_same_name_and_another_key(refused):
    """As after a new installation of the CA. With key identifiers, OpenSSL would not take one for the other."""
    old, new = Authority(is_strict=False), Authority(is_strict=False)
    context = old.context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    assert refused(new, context=context).verify_code == 7


@pytest.mark.row("an intermediate CA without its root")
def test_an_intermediate_ca_without_its_root(refused):
    intermediate = Authority(root=Authority("root"))
    context = intermediate.context()
    context.verify_flags &= ~PARTIAL_CHAIN
    refused(intermediate, context=context)


@pytest.mark.row("a certificate against RFC 5280")
def test_a_certificate_without_an_authority_key_identifier(refused):
    authority = Authority(is_strict=False)
    context = authority.context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    refused(authority, context=context)


def test_the_strict_rules_can_be_turned_off_as_the_hint_says():
    authority = Authority(is_strict=False)
    context = authority.context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with ScriptedServer(authority) as server:
        with ServerProxy(server.url(), transport=KerberosTransport(context=context)) as proxy:
            assert proxy.whoami() == "an honest answer"


@pytest.mark.row("a certificate with a short key")
def test_a_certificate_with_a_short_key(refused):
    authority = Authority(bits=1024)
    context = authority.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=2")
    refused(authority, context=context)


@pytest.mark.row("a certificate for another purpose")
def test_a_certificate_for_clients(refused, tmp_path):
    authority = Authority(purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    refused(authority, cafile=authority.write_to(tmp_path / "ca.pem"))


@pytest.mark.row("a certificate signed by no CA")
def test_a_certificate_that_no_ca_signed(refused, tmp_path):
    authority = Authority(is_ca=False)
    refused(authority, cafile=authority.write_to(tmp_path / "ca.pem"))


@pytest.mark.row("a revoked certificate")
def test_a_revoked_certificate(refused, tmp_path):
    authority = Authority()
    context = authority.context()
    (tmp_path / "crl.pem").write_bytes(authority.revoke())
    context.load_verify_locations(tmp_path / "crl.pem")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    refused(authority, context=context)


@pytest.mark.row("no CRL for the CA")
def test_a_ca_without_a_crl(refused):
    authority = Authority()
    context = authority.context()
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    refused(authority, context=context)


# -- the CAs of the system --------------------------------------------------------------------------------------------


@pytest.mark.row("SSL_CERT_FILE names no file")
def test_ssl_cert_file_is_missing(hub, trouble, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/none.pem")
    with ServerProxy(hub.url(), transport=KerberosTransport()) as proxy:
        error = trouble(proxy.whoami)
    assert f"SSL_CERT_FILE names '{tmp_path}/none.pem', which does not exist" in error.hint


@COMMANDS
def test_the_commands_say_that_ssl_cert_file_is_missing(command, hub, monkeypatch, tmp_path, name):
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/none.pem")
    text = command(name, hub.url())
    assert f"SSL_CERT_FILE names '{tmp_path}/none.pem', which does not exist" in text
    assert "correct or unset SSL_CERT_FILE" in text and "pass --cafile with that CA's certificate" in text


def test_the_cas_of_the_system_are_trusted(hub, user, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", hub.cafile)
    with ServerProxy(hub.url(), transport=KerberosTransport()) as proxy:
        assert proxy.whoami() == user


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_cas_of_an_argument_are_trusted(hub, user, tmp_path, kind, command, capsys):
    ca = tmp_path / "ca.crt"
    hub.ca.cert_pem.write_to_path(ca)
    path = ca if kind == "file" else tmp_path
    with ServerProxy(hub.url(), transport=KerberosTransport(cafile=path)) as proxy:
        assert proxy.whoami() == user
    assert run_command(["call", "--cafile", str(path), hub.url(), "whoami"]) == 0
    assert capsys.readouterr().out == f'"{user}"\n'


# -- the other scheme -------------------------------------------------------------------------------------------------


@COMMANDS
def test_the_commands_say_that_a_port_does_not_speak_tls(command, hub, name):
    text = command(name, hub.url(listener="http").replace("http:", "https:"))
    assert "it does not speak TLS" in text and f"port {hub.ports['http']}" in text and "plain HTTP" in text
    assert "check the port in the URL" in text and "http:// and --insecure-http ask for plain HTTP" in text


@COMMANDS
def test_the_commands_say_that_a_port_speaks_tls(command, hub, name):
    text = command(name, "--insecure-http", hub.url().replace("https:", "http:"))
    assert "a TLS port answers plain HTTP like this" in text and "https:// in the URL asks for TLS" in text


@PREEMPTIVE
def test_plain_http_to_a_tls_port_is_named(hub, preemptive):
    transport = InsecureKerberosTransport(preemptive=preemptive)
    with ServerProxy(hub.url().replace("https:", "http:"), transport=transport) as proxy:
        with pytest.raises(UnexpectedStatus, match="a TLS port answers plain HTTP like this: KerberosTransport speaks"):
            proxy.whoami()


def test_a_tls_port_that_only_closes_the_connection_is_named(plain):
    with ServerProxy(plain.url().replace("https:", "http:"), transport=InsecureKerberosTransport()) as proxy:
        with pytest.raises(CallOutcomeUnknown, match="a TLS port ends plain HTTP like this: KerberosTransport speaks"):
            proxy.whoami()


@pytest.mark.parametrize("alert", [b"\x15\x03\x01\x00\x02\x02\x0a", b"\x15\x03\x03\x00\x02\x02\x46"])
def test_a_tls_port_that_answers_by_an_alert_is_named(alert):
    def answer(request, send):
        send(alert)
        raise Hangup

    with ScriptedServer(None, answer) as server:
        with ServerProxy(server.url(), transport=InsecureKerberosTransport()) as proxy:
            with pytest.raises(
                BrokenReply, match="it is a TLS alert, so the port speaks TLS.*KerberosTransport speaks"
            ):
                proxy.whoami()


def test_a_redirection_to_tls_names_the_transport(hub):
    url = hub.url("/open?status=301&location=https://localhost/xmlrpc", "http")
    with ServerProxy(url, transport=InsecureKerberosTransport()) as proxy:
        with pytest.raises(UnexpectedStatus, match="from http:// to https://: KerberosTransport speaks TLS"):
            proxy.whoami()


@pytest.mark.parametrize("transport", [KerberosTransport, InsecureKerberosTransport])
@pytest.mark.parametrize("url", ["http://hub.example.com", "https://hub.example.com/xmlrpc"])
def test_a_url_in_the_place_of_a_host_is_named(transport, url):
    made = transport(login_path="/login")
    for fail in (
        lambda: made.login(url),
        lambda: made.fetch("GET", url, "/"),
        lambda: made.request(url, "/", b""),
        lambda: KerberosServerWrapper(url, made),
    ):
        with pytest.raises(
            ValueError, match=r"^the URL has a server 'https?://\.\.\.' .* without scheme and path; Kerb"
        ):
            fail()


def test_a_url_in_the_place_of_a_path_is_named():
    with pytest.raises(ValueError, match="^the path is a whole URL: pass the host and the path of the URL apart"):
        KerberosTransport().fetch("GET", "hub.example.com", "https://hub.example.com/")
