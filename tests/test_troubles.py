"""Troubles that people have, provoked on the real realm: each is an error of its own class that says what to do."""

import datetime
import socket
import ssl
from xmlrpc.client import ProtocolError, ServerProxy

import pytest
from realm import apache, kdc, software

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    CertificateRejected,
    ClockSkew,
    InsecureKerberosTransport,
    KDCUnreachable,
    KerberosTransport,
    KerberosXMLRPCError,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    ServerUnreachable,
    ServiceUnknown,
    TicketExpired,
    UnexpectedStatus,
)

pytestmark = pytest.mark.usefixtures("library")


KRB5 = -1765328384  # the base of the krb5 error table


def trouble(proxy, kind):
    """Make a call that fails; return the error."""
    with pytest.raises(kind) as caught:
        proxy.whoami()
    assert type(caught.value) is kind or kind is ClockSkew
    assert isinstance(caught.value, KerberosXMLRPCError)
    return caught.value


@pytest.fixture
def other_realm(monkeypatch):
    """Start a realm of the test's own and put its ticket into the environment: ``other_realm(clock="-2d")``."""
    started = []

    def start(**arguments):
        realm = kdc.start(**arguments)
        started.append(realm)
        for name, value in kdc.client_environment(realm).items():
            monkeypatch.setenv(name, value)
        return realm

    yield start
    for realm in started:
        realm.stop()


# -- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_no_credential_cache(call_hub, hub, case, monkeypatch, tmp_path, mechanism, library):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    error = trouble(call_hub(mechanism=mechanism), NoCredentials)
    assert f"FILE:{tmp_path}/none" in error.hint and "kinit" in error.hint
    assert ("KRB5_CLIENT_KTNAME" if library == "pykerberos" else "keytab=") in error.hint
    assert (error.service, error.host, error.principal) == ("HTTP@localhost", "localhost", None)
    assert error.major.code == 7 << 16  # GSS_S_NO_CRED
    assert error.minor.code - KRB5 in (141, 195)  # KRB5_CC_NOTFOUND, KRB5_FCC_NOFILE
    assert error.minor.text in error.message
    assert hub.logged(case, 0) == []


@pytest.mark.parametrize("content", [b"", b"this is not a credential cache", b"\x05\x04\x00\x0c\x00\x01"])
def test_damaged_credential_cache(call_hub, monkeypatch, tmp_path, content):
    cache = tmp_path / "damaged"
    cache.write_bytes(content)
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    error = trouble(call_hub(), NoCredentials)
    assert str(cache) in error.hint
    assert str(cache) in error.message


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_principal_that_is_not_in_the_collection(call_hub, mechanism):
    error = trouble(call_hub(principal="nobody@EXAMPLE.TEST", mechanism=mechanism), NoCredentials)
    assert error.principal == "nobody@EXAMPLE.TEST"
    assert "nobody@EXAMPLE.TEST" in error.message
    assert "klist -" in error.hint


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_expired_ticket(call_hub, other_realm, mechanism):
    other_realm(clock="-2d")
    error = trouble(call_hub(mechanism=mechanism), TicketExpired)
    assert "kinit" in error.hint
    assert error.major.code
    assert error.minor.code - KRB5 == 32  # KRB5KRB_AP_ERR_TKT_EXPIRED
    now = datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=0.5) < now - error.since < datetime.timedelta(days=2)
    assert f"since {error.since:%Y-%m-%d}" in error.message


def test_expired_ticket_is_renewed_from_a_keytab(call_hub, other_realm, monkeypatch):
    realm = other_realm(clock="-2d")
    realm.stop_kdc()
    realm.start_kdc()
    trouble(call_hub(), TicketExpired)
    realm.extract_keytab(realm.user_princ, realm.client_keytab)
    # The hub is of another realm: it has another key.
    trouble(call_hub(), AuthenticationRejected)


# -- service and KDC --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_service_that_the_kdc_does_not_know(call_hub, mechanism):
    error = trouble(call_hub(service="HTTP@alias.example.test", mechanism=mechanism), ServiceUnknown)
    assert "HTTP/alias.example.test@EXAMPLE.TEST" in error.message
    assert "HTTP@alias.example.test" in error.hint and "service=" in error.hint
    assert error.minor.code - KRB5 == 7  # KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN


def test_url_with_an_address(call_hub):
    error = trouble(call_hub(host="127.0.0.1"), ServiceUnknown)
    assert error.service == "HTTP@127.0.0.1"
    assert "IP address" in error.hint


def test_kdc_that_is_down(call_hub, other_realm):
    other_realm().stop_kdc()
    error = trouble(call_hub(), KDCUnreachable)
    assert "EXAMPLE.TEST" in error.message
    assert "krb5.conf" in error.hint
    assert error.minor.code - KRB5 == 156  # KRB5_KDC_UNREACH


def test_realm_that_krb5_conf_does_not_know(call_hub, other_realm, monkeypatch, tmp_path):
    other_realm()
    conf = tmp_path / "krb5.conf"
    conf.write_text("[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n")
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    error = trouble(call_hub(), KDCUnreachable)
    assert "EXAMPLE.TEST" in error.message
    assert error.minor.code - KRB5 == 154  # KRB5_REALM_UNKNOWN


def test_realm_that_the_kdc_does_not_know(call_hub):
    error = trouble(call_hub(service="HTTP/localhost@NOWHERE.TEST"), KDCUnreachable)
    assert "NOWHERE.TEST" in error.message


def test_clock_of_the_kdc_is_off(call_hub, other_realm):
    realm = other_realm()
    realm.stop_kdc()
    realm.start_kdc(env={**realm.env, **software.other_clock("+20m")})
    error = trouble(call_hub(), ClockSkew)
    assert not isinstance(error, ProtocolError)
    assert error.minor.code - KRB5 == 37  # KRB5KRB_AP_ERR_SKEW
    assert error.seconds is None
    assert "NTP" in error.hint


# -- the server -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_server_whose_key_has_changed(call_hub, hub, case, mechanism):
    error = trouble(call_hub("/stale-keytab", mechanism=mechanism), AuthenticationRejected)
    assert error.errcode == 401
    assert error.service == "HTTP@localhost"
    assert "kvno HTTP/localhost" in error.hint and "klist -k" in error.hint and "clocks" in error.hint
    assert [line.status for line in hub.logged(case)] == [401]


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_user_who_is_not_let_in(call_hub, user, mechanism):
    error = trouble(call_hub("/others", mechanism=mechanism), AuthenticationRejected)
    assert f"accepted the ticket for HTTP@localhost: {user} may not" in error.message
    assert error.principal == user
    assert "Require" in error.hint and "keytab" not in error.hint


def test_clock_of_the_server_is_off(realm, user):
    hub = apache.Apache(realm, clock="+20m").start()
    try:
        transport = KerberosTransport(context=ssl.create_default_context(cafile=hub.cafile))
        with ServerProxy(hub.url(), transport=transport) as proxy:
            error = trouble(proxy, ClockSkew)
    finally:
        hub.stop()
    assert isinstance(error, ProtocolError) and error.errcode == 401
    assert 1190 < error.seconds < 1230
    assert "seconds ahead of this machine's" in error.message
    assert "NTP" in error.hint


@pytest.mark.parametrize("preemptive", [True, False])
def test_server_that_offers_basic_only(call_hub, hub, case, preemptive):
    error = trouble(call_hub("/basic", preemptive=preemptive), NegotiateNotOffered)
    assert error.schemes == ("basic",)
    assert "basic" in error.message
    assert len(hub.logged(case)) == 1


def test_server_that_takes_small_headers_only(call_hub):
    error = trouble(call_hub(listener="small"), UnexpectedStatus)
    assert error.errcode == 400
    assert "LimitRequestFieldSize" in error.hint and "bytes" in error.hint


def test_port_that_speaks_tls_only(call_hub, hub, monkeypatch):
    monkeypatch.setitem(hub.ports, "http", hub.ports["https"])
    error = trouble(call_hub(listener="http", transport=InsecureKerberosTransport), UnexpectedStatus)
    assert error.errcode == 400
    assert "plain HTTP to a TLS port" in error.hint


@pytest.mark.parametrize("preemptive", [True, False])
def test_path_that_nothing_protects(call_hub, preemptive):
    error = trouble(call_hub("/open", preemptive=preemptive), MutualAuthenticationError)
    assert "'optional'" in error.hint
    assert call_hub("/open", preemptive=preemptive, mutual_authentication="optional").whoami() == "nobody"


def test_path_that_is_not_there(call_hub, hub, case):
    proxy = call_hub("/xmlrpc?status=404")
    for _ in range(2):
        error = trouble(proxy, UnexpectedStatus)
        assert (error.errcode, error.errmsg) == (404, "said the hub")  # it has proved itself
        assert error.principal == "user@EXAMPLE.TEST" and "path" in error.hint
    assert [line.earlier for line in hub.logged(case, 2)] == [0, 1]


# -- the way there ----------------------------------------------------------------------------------------------------


def test_certificate_of_an_unknown_ca(call_hub):
    error = trouble(call_hub(context=ssl.create_default_context()), CertificateRejected)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert error.host == "localhost"
    assert error.verify_code == error.__cause__.verify_code != 0
    assert error.verify_message in error.message
    assert "self-signed certificate in certificate chain" in error.message or "issuer" in error.message
    assert "cafile" in error.hint


def test_certificate_for_another_name(call_hub):
    error = trouble(call_hub(listener="othername"), CertificateRejected)
    assert "localhost" in error.message and "not valid for" in error.message
    assert "another name" in error.hint


def test_nobody_listens(user):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = trouble(ServerProxy(f"https://localhost:{port}/", transport=KerberosTransport()), ServerUnreachable)
    assert f"localhost:{port}" in error.message and "refused" in error.message
    assert isinstance(error, ConnectionError)
    assert isinstance(error.__cause__, ConnectionRefusedError)


def test_nobody_listens_at_an_address(user):
    error = trouble(ServerProxy("https://[::1]:1/", transport=KerberosTransport()), ServerUnreachable)
    assert "cannot connect to [::1]:1: " in error.message and "listens on [::1]:1" in error.hint


def test_name_that_does_not_resolve(user):
    proxy = ServerProxy("https://nowhere.invalid/", transport=KerberosTransport(service="HTTP@localhost"))
    error = trouble(proxy, ServerUnreachable)
    assert "nowhere.invalid" in error.message
    assert "DNS" in error.hint


def test_port_that_does_not_speak_tls(call_hub, hub, monkeypatch):
    monkeypatch.setitem(hub.ports, "https", hub.ports["http"])
    error = trouble(call_hub(), ServerUnreachable)
    assert "TLS" in error.message and "speaks TLS" in error.hint
    assert isinstance(error.__cause__, ssl.SSLError)


def test_server_that_is_silent_from_the_start(user):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        error = trouble(ServerProxy(url, transport=KerberosTransport(timeout=0.2)), ServerUnreachable)
    assert "timed out" in error.message


def test_server_that_does_not_take_connections(user):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            while True:  # until its queue is full
                waiting.append(socket.create_connection(full.getsockname(), 0.2))
        except OSError:
            url = f"https://localhost:{full.getsockname()[1]}/"
            error = trouble(ServerProxy(url, transport=KerberosTransport(timeout=0.2)), ServerUnreachable)
        finally:
            for sock in waiting:
                sock.close()
    assert "timed out" in error.message and "firewall" in error.hint


def test_server_that_does_not_read(user):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://localhost:{silent.getsockname()[1]}/"
        with ServerProxy(url, transport=InsecureKerberosTransport(timeout=0.2)) as proxy:
            with pytest.raises(CallOutcomeUnknown, match="timed out"):
                proxy.store("x" * 20_000_000)
