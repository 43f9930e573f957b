"""The recipes among the examples, run as a user runs them, against a real KDC and a real Apache.

Behind it is the tests' hub or, where an example is for a server that cannot run here, a stand-in for that one: see
`realm.standins`. What the stand-ins refuse is tested here, too: they would prove nothing if they took everything.
"""

import ssl
from xmlrpc.client import Fault, ServerProxy

import pytest
from realm import standins
from test_examples import example

from krbxmlrpc import KerberosTransport, UnexpectedStatus


@pytest.fixture(scope="module")
def servers(realm):
    """The stand-ins; see `realm.standins.StandIns`."""
    started = standins.StandIns(realm).start()
    yield started
    started.stop()


@pytest.fixture
def asked(servers):
    """Tell what was asked of the stand-ins since this was last called: ``["200 ticket GET /ipa/…", "200 POST …"]``."""

    def take(count):
        return [
            f"{line.status} {'ticket ' if line.ticket else ''}{line.method} {line.path}"
            for line in servers.asked(count)
        ]

    take(0)
    return take


@pytest.fixture
def call_standin(servers, user):
    """Open a proxy for a path of the stand-ins: ``call_standin("/ipa/session/xml", login_path=…)``."""
    opened = []

    def open_proxy(path, transport=KerberosTransport, **arguments):
        arguments["context"] = ssl.create_default_context(cafile=servers.cafile)
        opened.append(ServerProxy(servers.url(path), transport=transport(**arguments), allow_none=True))
        return opened[-1]

    yield open_proxy
    for proxy in opened:
        proxy("close")()


# -- FreeIPA ----------------------------------------------------------------------------------------------------------

REFERER = [("Referer", "https://localhost/ipa")]


def test_freeipa(servers, user, asked):
    status, printed, complaints = example("freeipa.py", servers.url(""), servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        "IPA server version 4.12.2. API version 2.254",
        "it takes you for: user user",
        "your entry: uid=user,cn=users,cn=accounts,dc=example,dc=test",
    ]
    assert asked(4) == ["200 ticket GET /ipa/session/login_kerberos"] + ["200 POST /ipa/session/xml"] * 3


@pytest.mark.parametrize(
    "referer", [None, "https://localhost/", "https://localhost/ipanema", "http://localhost/ipa", "https://else/ipa"]
)
def test_freeipa_refuses_what_does_not_come_from_its_pages(call_standin, referer):
    headers = [] if referer is None else [("Referer", referer)]
    for path in ("/ipa/session/login_kerberos", None):
        with pytest.raises(UnexpectedStatus) as refused:
            call_standin("/ipa/session/xml", login_path=path, headers=headers).ping([], {})
        assert refused.value.errcode == 400


@pytest.mark.parametrize(
    "call, code",
    [
        (lambda server: server.ping([], {"version": "3.0"}), 901),
        (lambda server: server.ping([], {"version": "two"}), 901),
        (lambda server: server.ping("convention"), 903),
        (lambda server: server.ping([], "convention"), 903),
        (lambda server: server.pong([], {}), 905),
        (lambda server: getattr(server, "ping/2")([], {}), 905),
        (lambda server: server.ping(["argument"], {}), 3003),
        (lambda server: server.user_show(["nobody"], {}), 4001),
    ],
)
def test_freeipa_refuses_calls(call_standin, call, code):
    with pytest.raises(Fault) as refused:
        call(call_standin("/ipa/session/xml", headers=REFERER))
    assert refused.value.faultCode == code


def test_freeipa_wants_a_referer_without_port(call_standin, servers):
    headers = [("Referer", servers.url("/ipa"))]
    with pytest.raises(Fault, match="invalid HTTP Referer"):
        call_standin("/ipa/session/xml", headers=headers).ping([], {})


# -- what they have in common -----------------------------------------------------------------------------------------


def test_without_a_ticket(servers, user, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    status, printed, complaints = example("freeipa.py", servers.url(""), servers.cafile)
    assert (status, printed) == (1, [])
    assert complaints.startswith("NoCredentials: ") and "kinit" in complaints and "Traceback" not in complaints
