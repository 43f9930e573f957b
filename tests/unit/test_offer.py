"""What ``krbxmlrpc check`` finds in the reply to a request without a ticket."""

import pytest

from krbxmlrpc._cli.findings import State
from krbxmlrpc._cli.offer import Asked, judged, login_page
from krbxmlrpc._cli.options import TERMS
from krbxmlrpc._hints import told

HOST = "hub.example.test"
CALL = Asked(HOST, f"HTTP@{HOST}", "/xmlrpc", "/xmlrpc", is_login=False, is_https=True, needs_proof=True)
LOGIN = CALL._replace(path="/login", is_login=True)


def found(asked, status, challenges=(), location=None):
    """Return the state, the words and the remedy on the command line."""
    finding = judged(asked, status, list(challenges), location)
    assert finding.facts["status"] == status and finding.found.startswith(f"without a ticket it answers {status}")
    return finding.state, finding.found, told(finding.remedy, TERMS)


def test_negotiate_is_offered():
    for asked in (CALL, LOGIN):
        assert found(asked, 401, ['Basic realm="x"', "Negotiate"])[0] is State.OK


def test_negotiate_is_not_offered():
    state, words, remedy = found(CALL, 401, ["Basic"])
    assert state is State.FAILED and words.endswith("does not offer Negotiate (it offers: Basic)")
    assert "AuthType GSSAPI" in remedy and "--login-path" in remedy
    assert "--login-path" not in found(LOGIN, 401, ["Basic"])[2]


def test_ntlm_is_offered():
    state, words, remedy = found(CALL, 401, ["NTLM"])
    assert state is State.FAILED and "the server wants NTLM" in words
    assert "HTTP/hub.example.test" in remedy and "NTLM does not prove" in remedy


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_login_path_that_does_not_exist(status):
    state, words, remedy = found(LOGIN, status)
    assert state is State.FAILED and "there is no login page at /login" in words
    assert "check --login-path" in remedy and "/hub/auth/krb5login/" in found(LOGIN._replace(handler="/x"), status)[2]


@pytest.mark.parametrize("needs_proof, state", [(True, State.FAILED), (False, State.WARNING)])
def test_a_login_path_that_is_open(needs_proof, state):
    is_state, words, remedy = found(LOGIN._replace(needs_proof=needs_proof), 200)
    assert is_state is state and "the login page /login is open" in words and "--login-path" in remedy


@pytest.mark.parametrize(
    "status, words",
    [
        (200, "Negotiate does not protect this path"),
        (400, "check the path"),
        (403, "access rules"),
        (404, "nothing to call at this path"),
        (405, "nothing to call at this path"),
        (418, "check the path"),
        (429, "too many requests"),
        (500, "error log"),
        (501, "error log"),
        (502, "application behind it"),
        (503, "down or overloaded"),
        (504, "application behind it"),
    ],
)
def test_each_status_has_its_remedy(status, words):
    state, _, remedy = found(CALL, status)
    assert state is State.WARNING and words in remedy


def test_plain_http_at_a_port_for_tls():
    assert "the port may speak TLS" in found(CALL._replace(is_https=False), 400)[2]


@pytest.mark.parametrize(
    "location, shown, words",
    [
        ("https://sso.example.test/auth?x=1", "sso.example.test/auth", "single sign-on"),
        ("https://sso.example.test:8443/auth", "sso.example.test:8443/auth", "single sign-on"),
        ("https://hub.example.test/xmlrpc/", "hub.example.test/xmlrpc/", "with or without /"),
        ("https://hub.example.test:8443/xmlrpc/", "hub.example.test:8443/xmlrpc/", "with or without /"),
        ("https://HUB.example.test/xmlrpc/", "HUB.example.test/xmlrpc/", "with or without /"),
        ("/login", "/login", "with or without /"),
        (None, "", "check the path"),
        ("https://user@hub\\x/", "", "check the path"),
    ],
)
def test_redirections(location, shown, words):
    state, said, remedy = found(CALL, 302, location=location)
    assert state is State.WARNING and words in remedy and "--login-path" in remedy
    assert said.endswith(f"points, unverified, to {shown}") if shown else "points" not in said


@pytest.mark.parametrize("location", ["https://[::1]/xmlrpc/", "https://[::1]:8443/xmlrpc/"])
def test_a_redirection_within_an_ipv6_address(location):
    assert "with or without /" in found(CALL._replace(host="::1"), 302, location=location)[2]


@pytest.mark.parametrize(
    "path, page",
    [
        ("/ipa/session/xml", "FreeIPA, which has its login page at /ipa/session/login_kerberos"),
        ("/kojihub", "Koji, which has its login page at /kojihub/ssllogin"),
        ("/staging/kojihub/?x=1", "Koji, which has its login page at /staging/kojihub/ssllogin"),
        ("/xml-rpc/", "Kiwi TCMS, which has its login page at /login/kerberos/, and then needs a second page: see "),
        ("/hub/xmlrpc", "kobo, which has its login page at /hub/auth/krb5login/"),
        ("/covscanhub/xmlrpc/client/", "kobo, which has its login page at /covscanhub/auth/krb5login/"),
        ("/RPC2", "kobo has it at /hub/auth/krb5login/"),
    ],
)
def test_known_login_pages(path, page):
    assert page in login_page(path)
