"""python-bugzilla from PyPI, with `KerberosTransport` by the one line of ``moving.rst``.

The server is `servers.standin_bugzilla`. Apache authenticates the calls at ``/bugzilla`` and ``/bugzilla-sessions``,
and none at ``/bugzilla-open``.
"""

import socket
import sys
from xmlrpc.client import Fault

import pytest
from bugzilla import Bugzilla, BugzillaError, _backendxmlrpc, _cli
from requests.exceptions import HTTPError

from krbxmlrpc import (
    AuthenticationRejected,
    CertificateRejected,
    HostUnknown,
    KerberosTransport,
    MutualAuthenticationError,
    NoCredentials,
    OutsideLogin,
    ServerUnreachable,
    UnexpectedStatus,
)

SESSION = "200 POST /bugzilla-sessions/xmlrpc.cgi"
TICKET = "200 ticket POST /bugzilla/xmlrpc.cgi"


@pytest.fixture
def connect(servers, user, monkeypatch):
    """Connect as a program does that has the line: ``connect("/bugzilla", api_key="…")``."""
    monkeypatch.setenv("SSL_CERT_FILE", servers.cafile)
    made = []

    def open_bugzilla(path="/bugzilla", transport=KerberosTransport, url=None, **options):
        def new_transport(session):
            made.append(transport())
            return made[-1]

        monkeypatch.setattr(_backendxmlrpc, "_BugzillaXMLRPCTransport", new_transport)
        return Bugzilla(url or servers.url(f"{path}/xmlrpc.cgi"), **{"use_creds": False, **options})

    yield open_bugzilla
    for transport in made:
        transport.close()


class TokenTransport(KerberosTransport):
    """A transport for a Bugzilla without Kerberos."""

    def make_authentication(self, login_path, preemptive):
        return OutsideLogin()


def carried(bz):
    """Tell which token and key a call carries in its parameters, and which User-Agent it has."""
    bug = bz.getbug(1)
    return bug.cf_token, bug.cf_api_key, bug.cf_user_agent


def test_calls_carry_a_ticket(connect, asked):
    assert connect().logged_in
    assert asked(2) == [TICKET] * 2


def test_bugs(connect, user):
    bz = connect()
    assert bz.getbug(1).summary == "The coffee is cold"
    created = bz.createbug(
        bz.build_createbug(product="P", component="C", version="1", summary="a\r\nb", description="")
    )
    assert bz.getbug(created.id).summary == "a\r\nb"
    assert bz.getbug(created.id).creator == user


def test_a_session_of_apache_is_used(connect, asked):
    bz = connect("/bugzilla-sessions")
    assert bz.logged_in and bz.logged_in
    assert asked(3) == [SESSION.replace("POST", "ticket POST"), SESSION, SESSION]


def test_a_fault_is_as_before(connect):
    bz = connect()
    with pytest.raises(Fault, match="Bug #99 does not exist") as caught:
        bz.getbug(99)
    assert BugzillaError.get_bugzilla_error_code(caught.value) == 101
    with pytest.raises(BugzillaError, match="Login failed: The username or password .* is not valid"):
        bz.login("guest@example.test", "wrong")


def test_login_hides_the_class_of_an_error(connect, monkeypatch, tmp_path):
    bz = connect()
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(NoCredentials):
        bz.getbug(1)
    with pytest.raises(BugzillaError, match="Login failed: .*kinit"):
        bz.login("guest@example.test", "password of guest")


def test_a_server_without_proof_is_refused(connect, asked):
    with pytest.raises(MutualAuthenticationError):
        connect("/bugzilla-open")
    assert asked(1) == ["200 ticket POST /bugzilla-open/xmlrpc.cgi"]


def test_a_stale_keytab_is_named(connect, servers, monkeypatch):
    with pytest.raises(AuthenticationRejected, match="keytab"):
        connect("/bugzilla-stale")
    monkeypatch.undo()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", servers.cafile)
    with pytest.raises(HTTPError, match="401"):  # what python-bugzilla says without the line
        Bugzilla(servers.url("/bugzilla-stale/xmlrpc.cgi"), use_creds=False)


def test_tokens_and_keys_stay_in_the_parameters(connect, asked):
    bz = connect("/bugzilla-open", TokenTransport)
    assert not bz.logged_in
    bz.login("guest@example.test", "password of guest")
    assert bz.logged_in and carried(bz)[0]
    assert carried(connect("/bugzilla-open", TokenTransport, api_key="a key"))[:2] == ("", "a key")


def test_the_user_agent_is_the_transports(connect):
    assert carried(connect())[2] == KerberosTransport.user_agent


def test_a_key_for_red_hats_bugzilla_is_not_sent(connect, servers):
    bz = connect(url=servers.url("/bugzilla/xmlrpc.cgi") + "?.redhat.com", api_key="a key")
    assert bz.get_requests_session().headers["Authorization"] == "Bearer a key"
    assert carried(bz)[:2] == ("", "")


@pytest.mark.parametrize("options", [{"sslverify": False}, {"cert": "/nowhere/client.pem"}])
def test_options_of_requests_have_no_effect(connect, monkeypatch, options):
    assert connect(**options).logged_in
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(CertificateRejected):
        connect(**options)


def test_the_timeout_is_the_transports(connect, monkeypatch):
    monkeypatch.setenv("PYTHONBUGZILLA_REQUESTS_TIMEOUT", "0.000001")
    assert connect().logged_in


def test_a_url_without_path_is_probed_by_requests(connect, servers, asked, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", servers.cafile)
    for options, probes in (({}, ["404 HEAD /xmlrpc.cgi"] * 2), ({"force_xmlrpc": True}, [])):
        with pytest.raises(UnexpectedStatus, match="404"):  # the stand-in is at another path
            connect(url=servers.url(""), **options)
        assert asked(1) == [*probes, "404 ticket POST /xmlrpc.cgi"]


@pytest.mark.parametrize(
    "url, kind", [("https://nowhere.invalid/xmlrpc.cgi", HostUnknown), ("https://localhost:1/xmlrpc.cgi", None)]
)
def test_the_command_reports_errors_of_the_connection(connect, monkeypatch, capsys, url, kind):
    with pytest.raises(kind or ServerUnreachable) as caught:
        connect(url=url)
    assert isinstance(caught.value, socket.gaierror) == (kind is HostUnknown)
    monkeypatch.setattr(sys, "argv", ["bugzilla", "--bugzilla", url, "info", "--products"])
    with pytest.raises(SystemExit) as ended:
        _cli.main()
    assert ended.value.code == 2
    assert "Connection lost/failed: cannot connect to" in capsys.readouterr().out
