"""The recipe for FreeIPA, against a real KDC and a real Apache with a stand-in: see `servers.standin_freeipa`.

What the stand-in refuses is tested, too: it would prove nothing if it took everything.
"""

from xmlrpc.client import Fault

import pytest
from example_runner import example
from servers.standins import end_session

from krbxmlrpc import UnexpectedStatus

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


def test_a_session_at_freeipa_is_begun_again(call_standin, asked):
    server = call_standin("/ipa/session/xml", login_path="/ipa/session/login_kerberos", headers=REFERER)
    server.ping([], {})
    end_session(server)
    asked(2)
    server.ping([], {})
    login, call = "200 ticket GET /ipa/session/login_kerberos", "200 POST /ipa/session/xml"
    assert asked(3) == ["401 POST /ipa/session/xml", login, call]


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
