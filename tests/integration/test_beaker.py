"""Beaker's client with transports of krbxmlrpc, as ``kobo.rst`` says: see `beaker_client` and `servers.standin_beaker`.

The stand-in verifies the AP-REQ of ``auth.login_krbv`` with its keytab, as Beaker does.
"""

from urllib.parse import urlsplit
from xmlrpc.client import Fault

import beaker_client
import pytest
import requests
from servers import kdc
from servers.standins import end_session

from krbxmlrpc import KerberosTransport, LoginPage, MutualAuthenticationError, NoCredentials
from krbxmlrpc.kobo import HubTransport

LOGIN, CALL, SELF = "302 ticket GET /bkr/login", "200 POST /bkr/client/", "GET /bkr/users/+self"
ENDED = ("IdentityFailure'>: Anonymous access denied", "IdentityFailure'>: Please log in")
GUEST = {"AUTH_METHOD": "password", "USERNAME": "guest", "PASSWORD": "password of guest"}


class BeakerTransport(KerberosTransport):
    """The transport of the document."""

    def make_authentication(self, login_path, preemptive):
        return LoginPage(login_path, lambda fault, session: fault.faultString.endswith(ENDED))


class BeakerHub(beaker_client.HubProxy):
    """The client of the document."""

    def _login_krbv(self):
        self._transport.login(urlsplit(self._hub_url).netloc)


@pytest.fixture
def connect(servers, user):
    """Open a proxy: ``connect(BeakerHub, BeakerTransport, login_path="/bkr/login", AUTH_METHOD="none")``."""
    made = []

    def open_proxy(client=BeakerHub, transport=BeakerTransport, login_path="/bkr/login", **conf):
        made.append(transport(login_path=login_path, cafile=servers.cafile))
        return client({"HUB_URL": servers.url("/bkr"), "KRB_REALM": kdc.REALM, **conf}, made[-1])

    yield open_proxy
    for transport in made:
        transport.close()


def get_self(hub, servers):
    """Tell about the caller by REST, with the cookies of the XML-RPC calls, as the command ``bkr`` does."""
    with requests.Session() as session:
        session.cookies = hub._transport.cookiejar
        return session.get(servers.url("/bkr/users/+self"), verify=servers.cafile)


def test_it_logs_in_at_the_login_page(connect, servers, asked, user):
    hub = connect()
    assert asked(1) == [LOGIN]
    assert hub._transport.principal == user
    assert hub.auth.who_am_i()["username"] == "user"
    assert get_self(hub, servers).json()["user_name"] == "user"
    assert asked(2) == [CALL, f"200 {SELF}"]


def test_a_session_that_has_ended_is_renewed(connect, asked):
    hub = connect()
    for call in (hub.auth.who_am_i, lambda: hub.jobs.upload("<job/>")):
        end_session(hub._hub)
        asked(0)
        call()
        assert asked(3) == [CALL, LOGIN, CALL]
    hub._login()
    assert asked(1) == [LOGIN]


def test_another_fault_is_the_answer(connect, asked):
    hub = connect()
    asked(1)
    with pytest.raises(Fault, match="not implemented"):
        hub.jobs.download()
    assert asked(1) == [CALL]


def test_without_a_login_rest_is_anonymous(connect, servers, asked):
    hub = connect(AUTH_METHOD="none")
    assert get_self(hub, servers).status_code == 401
    assert hub.auth.who_am_i()["username"] == "user"
    assert asked(3) == [f"401 {SELF}", LOGIN, CALL]


def test_beakers_own_kerberos_login(connect, asked):
    hub = connect(beaker_client.HubProxy, HubTransport, None)
    assert hub.auth.who_am_i()["username"] == "user"
    assert asked(2) == [CALL, CALL]
    end_session(hub._hub)
    with pytest.raises(Fault, match="Anonymous access denied"):
        hub.auth.who_am_i()
    hub._login()
    assert hub.auth.who_am_i()["username"] == "user"


def test_beakers_own_kerberos_login_needs_a_ticket(connect, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(NoCredentials):
        connect()
    with pytest.raises(Exception, match="No Kerberos credentials") as caught:
        connect(beaker_client.HubProxy, HubTransport, None)
    assert not isinstance(caught.value, NoCredentials)


def test_the_server_refuses_what_is_no_ap_req(connect):
    hub = connect(beaker_client.HubProxy, HubTransport, None, AUTH_METHOD="none")
    with pytest.raises(Fault, match="krb5 error"):
        hub.auth.login_krbv("bm90aGluZw==")
    assert hub.auth.renew_session() is True


def test_a_password_needs_no_ticket(connect, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    hub = connect(beaker_client.HubProxy, HubTransport, None, **GUEST)
    assert hub.auth.who_am_i()["username"] == "guest"
    with pytest.raises(NoCredentials):  # the transport logs in at the page first
        connect(**GUEST)


def test_proxy_user_counts_in_beakers_own_logins_only(connect):
    as_another = connect(beaker_client.HubProxy, HubTransport, None, **GUEST, PROXY_USER="another")
    assert as_another.auth.who_am_i()["username"] == "another"
    with pytest.raises(Fault, match="user does not have proxy_auth permission"):
        connect(beaker_client.HubProxy, HubTransport, None, PROXY_USER="another")
    assert connect(PROXY_USER="another").auth.who_am_i()["username"] == "user"


def test_a_transport_without_login_page_is_refused(connect, asked):
    with pytest.raises(MutualAuthenticationError):
        connect(beaker_client.HubProxy, KerberosTransport, None)
    assert asked(1) == ["200 ticket POST /bkr/client/"]
