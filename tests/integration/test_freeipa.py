"""The recipe for FreeIPA, against a real KDC and a real Apache with a stand-in: see `servers.standin_freeipa`.

The refusals of the stand-in are tested, too: a stand-in that accepts everything would prove nothing.
"""

from urllib.parse import urlsplit
from xmlrpc.client import DateTime, Fault

import pytest
from example_runner import example
from servers.standins import end_session

from krbxmlrpc import UnexpectedStatus

REFERER = [("Referer", "https://localhost/ipa")]
LOGIN = "/ipa/session/login_kerberos"
TICKET, SESSION, REFUSED = "200 ticket POST /ipa/session/xml", "200 POST /ipa/session/xml", "401 POST /ipa/session/xml"


@pytest.fixture
def freeipa(call_standin):
    """Open a proxy for FreeIPA: ``freeipa("/ipa/xml")``."""

    def open_proxy(path="/ipa/session/xml", headers=REFERER, **arguments):
        return call_standin(path, headers=headers, **arguments)

    return open_proxy


# -- tickets and sessions ---------------------------------------------------------------------------------------------


def test_freeipa(servers, user, asked):
    status, printed, complaints = example("freeipa.py", servers.url(""), servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        "IPA server version 4.13.3. API version 2.257",
        "it takes you for: user user",
        "your entry: uid=user,cn=users,cn=accounts,dc=example,dc=test",
    ]
    assert asked(3) == [TICKET, SESSION, SESSION]


def test_freeipa_has_a_login_page_too(freeipa, asked):
    server = freeipa(login_path=LOGIN)
    server.ping([], {})
    assert asked(2) == [f"200 ticket GET {LOGIN}", SESSION]


@pytest.mark.parametrize("path", ["/ipa/session/xml", "/ipa/xml"])
def test_a_call_with_a_ticket_begins_a_session(freeipa, asked, path):
    server = freeipa(path)
    assert server.whoami([], {})["arguments"] == server.whoami([], {})["arguments"] == ["user"]
    assert asked(2) == [f"200 ticket POST {path}", f"200 POST {path}"]


def test_a_session_is_for_both_paths(freeipa, asked):
    """FreeIPA's own client begins a session at one path and uses it at the other."""
    first = freeipa("/ipa/xml")
    first.ping([], {})
    freeipa(cookiejar=first("transport").cookiejar).ping([], {})
    assert asked(2) == ["200 ticket POST /ipa/xml", SESSION]


def test_the_cookie_of_freeipa(freeipa, servers):
    transport = freeipa()("transport")
    reply = transport.fetch("GET", urlsplit(servers.url("")).netloc, LOGIN)
    (line,) = reply.headers.get_all("Set-Cookie")
    name, _, value = line.partition("=")
    assert (name, value.partition("=")[0]) == ("ipa_session", "MagBearerToken")
    assert line.split(";", 1)[1] == "path=/ipa;httponly;secure;SameSite=strict;"
    (cookie,) = transport.cookiejar
    assert (cookie.name, cookie.path, cookie.secure) == ("ipa_session", "/ipa", True)


@pytest.mark.parametrize("login_path, renewal", [(None, [TICKET]), (LOGIN, [f"200 ticket GET {LOGIN}", SESSION])])
def test_a_session_at_freeipa_is_begun_again(freeipa, asked, login_path, renewal):
    server = freeipa(login_path=login_path)
    server.ping([], {})
    end_session(server)
    asked(1)
    assert server.whoami([], {})["arguments"] == ["user"]
    server.ping([], {})
    assert asked(3) == [REFUSED, *renewal, SESSION]


def test_freeipa_loses_the_credentials_of_a_session(freeipa, servers, asked):
    """The server's copy of the user's credentials is gone. It answers 401, and does not offer Negotiate."""
    server = freeipa()
    server.ping([], {})
    for cache in (servers._root / "delegated").glob("user@*"):
        cache.unlink()
    asked(1)
    assert server.whoami([], {})["arguments"] == ["user"]
    server.ping([], {})
    assert asked(3) == [REFUSED, TICKET, SESSION]


def test_a_logout_at_freeipa_ends_the_session(freeipa, asked):
    """FreeIPA's header IPASESSION empties the session, and Apache's mod_session then removes the cookie."""
    server = freeipa()
    server.ping([], {})
    assert server.session_logout([], {}) == {"result": None}
    assert list(server("transport").cookiejar) == []
    server.ping([], {})
    server.ping([], {})
    assert asked(4) == [TICKET, SESSION, TICKET, SESSION]


# -- the Referer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "referer",
    [
        None,
        "https://localhost/",
        "https://localhost/ipanema",
        "http://localhost/ipa",
        "https://else/ipa",
        "https://localhost/ipa https://else/ipa",
    ],
)
def test_freeipa_refuses_what_does_not_come_from_its_pages(freeipa, referer):
    headers = [] if referer is None else [("Referer", referer)]
    for path in (LOGIN, None):
        with pytest.raises(UnexpectedStatus) as refused:
            freeipa(headers=headers, login_path=path).ping([], {})
        assert refused.value.errcode == 400


@pytest.mark.parametrize("referer", [None, "https://localhost/", "https://else/ipa"])
def test_a_wrong_referer_is_a_fault_at_another_path(freeipa, referer):
    headers = [] if referer is None else [("Referer", referer)]
    with pytest.raises(Fault, match=f"Missing or invalid HTTP Referer, {referer or 'missing'}") as refused:
        freeipa("/ipa/xml", headers=headers).ping([], {})
    assert refused.value.faultCode == 911


def test_freeipa_wants_a_referer_without_port(freeipa, servers):
    for path in ("/ipa/session/xml", "/ipa/xml"):
        with pytest.raises(Fault, match="invalid HTTP Referer"):
            freeipa(path, headers=[("Referer", servers.url("/ipa"))]).ping([], {})


# -- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, code",
    [
        (lambda server: server.ping([], {"version": "3.0"}), 901),
        (lambda server: server.ping([], {"version": "two"}), 901),
        (lambda server: server.ping(1), 903),
        (lambda server: server.ping([], "convention"), 903),
        (lambda server: server.pong([], {}), 905),
        (lambda server: getattr(server, "ping/2")([], {}), 905),
        (lambda server: server.system.multicall([]), 905),
        (lambda server: server.ping("convention"), 3003),
        (lambda server: server.ping(["argument"], {}), 3003),
        (lambda server: server.user_show(["user", "argument"], {}), 3004),
        (lambda server: server.ping([], {"option": 1}), 3005),
        (lambda server: server.user_show([], {}), 3007),
        (lambda server: server.user_show(["nobody"], {}), 4001),
    ],
)
def test_freeipa_refuses_calls(freeipa, call, code):
    with pytest.raises(Fault) as refused:
        call(freeipa())
    assert refused.value.faultCode == code


def test_freeipa_takes_calls_without_options(freeipa):
    server = freeipa()
    for arguments in [(), ([],), ([], {}), ([], {"version": "2"}), ([], {}, "ignored")]:
        assert server.ping(*arguments)["summary"].startswith("IPA server version 4.13.3")


@pytest.mark.parametrize("options, is_date", [({}, False), ({"version": "2.83"}, False), ({"version": "2.84"}, True)])
def test_a_call_without_a_version_means_an_old_one(freeipa, options, is_date):
    (until,) = freeipa().user_show(["user"], options)["result"]["krbprincipalexpiration"]
    assert until == (DateTime("20371231T23:59:59") if is_date else "20371231235959Z")
    assert isinstance(until, DateTime) == is_date


def test_large_integers_of_freeipa_are_strings(freeipa):
    found = freeipa().cert_find([], {"pkey_only": True})
    assert found["count"] == 3 and found["truncated"] is False
    numbers = [entry["serial_number"] for entry in found["result"]]
    assert numbers == [268304385, "2147483648", "170141183460469231731687303715884105729"]


# -- introspection ----------------------------------------------------------------------------------------------------


def test_freeipa_lists_its_methods(freeipa):
    methods = freeipa().system.listMethods()
    assert {"ping", "user_show", "system.listMethods", "system.methodHelp", "system.methodSignature"} < set(methods)


def test_freeipa_describes_its_methods(freeipa):
    system = freeipa().system
    assert system.methodSignature("user_show") == [["struct", "array", "struct"]]
    assert system.methodSignature("system.methodHelp") == "undef"
    assert system.methodHelp("user_show/1") == "Display information about a user."
    assert system.methodHelp("system.listMethods") == ""


@pytest.mark.parametrize(
    "call, code",
    [
        (lambda system: system.listMethods([], {}), 3003),
        (lambda system: system.methodHelp(), 3007),
        (lambda system: system.methodHelp("ping", "whoami"), 3004),
        (lambda system: system.methodSignature("pong"), 905),
    ],
)
def test_freeipa_refuses_questions_about_methods(freeipa, call, code):
    with pytest.raises(Fault) as refused:
        call(freeipa().system)
    assert refused.value.faultCode == code
