"""Wrong arguments: each is an error that names the argument, the value and what is accepted."""

import inspect
import re
import ssl
import sys
import traceback
from http.cookiejar import CookieJar, FileCookieJar
from typing import get_type_hints
from xmlrpc.client import ServerProxy, Transport

import pytest

from krbxmlrpc import InsecureKerberosTransport, KerberosTicket, KerberosTransport
from krbxmlrpc._settings import Settings, definitions
from krbxmlrpc._unknown_arguments import _ELSEWHERE

WRONG = [
    ("service", 5, TypeError),
    ("service", "hub.example.com", ValueError),
    ("service", "HTTP@", ValueError),
    ("service", "HTTP/hub.example.com", ValueError),
    ("service", "HTTP@hub example", ValueError),
    ("service", "HTTP@hub\0", ValueError),
    ("service", "https://hub.example.com", ValueError),
    ("service", "HTTP@\ud800", ValueError),
    ("principal", b"user", TypeError),
    ("principal", "", ValueError),
    ("principal", "us\0er", ValueError),
    ("principal", "\ud800", ValueError),
    ("mutual_authentication", True, TypeError),
    ("mutual_authentication", "REQUIRED", ValueError),
    ("mutual_authentication", "", ValueError),
    ("preemptive", "no", TypeError),
    ("preemptive", None, TypeError),
    ("delegate", 1, TypeError),
    ("mechanism", None, TypeError),
    ("mechanism", "ntlm", ValueError),
    ("timeout", "5", TypeError),
    ("timeout", True, TypeError),
    ("timeout", 0, ValueError),
    ("timeout", -1.5, ValueError),
    ("timeout", float("inf"), ValueError),
    ("timeout", 1e10, ValueError),
    ("timeout", 10**400, ValueError),
    ("timeout", float("nan"), ValueError),
    ("connect_timeout", "5", TypeError),
    ("connect_timeout", 0, ValueError),
    ("connect_timeout", float("inf"), ValueError),
    ("deadline", True, TypeError),
    ("deadline", -1, ValueError),
    ("deadline", float("nan"), ValueError),
    ("max_response_bytes", 1.5, TypeError),
    ("max_response_bytes", True, TypeError),
    ("max_response_bytes", 0, ValueError),
    ("login_path", b"/login", TypeError),
    ("login_path", "login", ValueError),
    ("login_path", "https://hub/login", ValueError),
    ("login_path", "/log in", ValueError),
    ("login_path", "/login\r\n", ValueError),
    ("login_path", "", ValueError),
    ("login_path", "/login#top", ValueError),
    ("cookiejar", "cookies.txt", TypeError),
    ("cookiejar", {"session": "hidden"}, TypeError),
    ("retries", None, TypeError),
    ("retries", True, TypeError),
    ("retries", 1.0, TypeError),
    ("retries", -1, ValueError),
    ("retries", 101, ValueError),
    ("retry_interval", "1", TypeError),
    ("retry_interval", True, TypeError),
    ("retry_interval", -0.5, ValueError),
    ("retry_interval", float("nan"), ValueError),
    ("retry_interval", 1e6, ValueError),
    ("idempotent", "echo", TypeError),
    ("idempotent", b"echo", TypeError),
    ("idempotent", bytearray(b"echo"), TypeError),
    ("idempotent", None, TypeError),
    ("idempotent", False, TypeError),
    ("idempotent", 5, TypeError),
    ("idempotent", [5], TypeError),
    ("progress", 5, TypeError),
    ("progress", (print,), TypeError),
    ("progress", (print, "sent"), TypeError),
    ("headers", "X-Name: value", TypeError),
    ("headers", 5, TypeError),
    ("headers", ["X-Name"], TypeError),
    ("headers", [("X-Name",)], TypeError),
    ("headers", {"X-Name": "value"}, TypeError),
    ("headers", [(5, "value")], TypeError),
    ("headers", [("X-Name", None)], TypeError),
    ("headers", [("X Name", "value")], ValueError),
    ("headers", [("X-Name: value", "")], ValueError),
    ("headers", [("X-Name", "value\r\nAuthorization: other")], ValueError),
    ("headers", [("X-Name", "\u20ac")], ValueError),
    ("headers", [("Referer", "https://one/"), ("referer", "https://two/")], ValueError),
    ("headers", [("User-Agent", "one"), (b"USER-AGENT", "two")], ValueError),
    ("context", "cafile.pem", TypeError),
    ("context", True, TypeError),
    ("cafile", True, TypeError),
    ("cafile", b"ca.pem", TypeError),
]


@pytest.mark.parametrize("transport", [KerberosTransport, InsecureKerberosTransport])
def test_the_signature_is_that_of_the_definitions(transport):
    others = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # these only raise a TypeError
    parameters = [each for each in inspect.signature(transport).parameters.values() if each.kind not in others]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters)
    assert [(parameter.name, parameter.default) for parameter in parameters] == [
        (setting.name, setting.default) for setting in definitions()
    ]
    if sys.version_info < (3, 10):
        return  # the annotations of the signature cannot be evaluated
    hints = get_type_hints(transport.__init__)
    assert {setting.name: hints[setting.name] for setting in definitions()} == {
        setting.name: setting.kind for setting in definitions()
    }


@pytest.mark.parametrize("setting", list(definitions()), ids=lambda setting: setting.name)
def test_a_definition_says_what_its_argument_does(setting):
    assert setting.details.endswith((".", ".)")) and setting.accepted
    assert f"\n    {setting.name}: {setting.details[:20]}" in inspect.getdoc(KerberosTransport)
    assert setting.option is None or setting.option.help


def test_an_unknown_argument_is_named():
    with pytest.raises(TypeError, match="there is no argument 'verify'"):
        Settings("https", {"verify": False})


@pytest.mark.parametrize("transport", [KerberosTransport, InsecureKerberosTransport])
@pytest.mark.parametrize("name, value, kind", WRONG)
def test_wrong_arguments_are_named(transport, name, value, kind):
    with pytest.raises(kind, match=f"^{name} ") as caught:
        transport(**{name: value})
    assert "accepted is " in str(caught.value) or "does not allow" in str(caught.value)
    if name == "headers":
        assert not any(secret in str(caught.value) for secret in ("other", "value\r", "X-Name: value"))
    elif name == "cookiejar":
        assert f"is of type {type(value).__name__}; " in str(caught.value) and "hidden" not in str(caught.value)
    elif name == "idempotent" and isinstance(value, list):
        assert "idempotent is 5" in str(caught.value)
    else:
        assert repr(value) in str(caught.value)


OWN_HEADERS = ["Authorization", "authorization", "Cookie", "COOKIE", b"Cookie", "Host", "Content-Length"]
OWN_HEADERS += ["Proxy-Authorization", "Connection", "Transfer-Encoding"]


@pytest.mark.parametrize("name", OWN_HEADERS)
def test_headers_that_are_the_transports_to_set(name):
    with pytest.raises(ValueError, match="^headers ") as caught:
        KerberosTransport(headers=[("X", "y"), (name, "secret")])
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="^headers ") as caught:
        KerberosTransport().fetch("GET", "hub", "/", headers=[(name, "secret")])
    assert "secret" not in str(caught.value)


def test_a_login_has_to_be_verified():
    with pytest.raises(ValueError, match="^login_path is '/login'; with mutual_authentication='disabled' "):
        KerberosTransport(login_path="/login", mutual_authentication="disabled")


def test_a_jar_with_a_file_needs_a_format(tmp_path):
    with pytest.raises(TypeError, match="^cookiejar .*MozillaCookieJar"):
        KerberosTransport(cookiejar=FileCookieJar(tmp_path / "cookies"))


def test_tls_is_not_for_the_insecure_transport():
    with pytest.raises(TypeError, match="^context .*TLS is for KerberosTransport"):
        InsecureKerberosTransport(context=ssl.create_default_context())


def test_cafile_is_not_for_the_insecure_transport():
    with pytest.raises(TypeError, match="^cafile .*TLS is for KerberosTransport"):
        InsecureKerberosTransport(cafile="ca.pem")


def test_a_context_and_a_cafile_exclude_each_other():
    with pytest.raises(ValueError, match="^cafile and context exclude each other") as caught:
        KerberosTransport(context=ssl.create_default_context(), cafile="ca.pem")
    assert "context.load_verify_locations" in str(caught.value)


# -- arguments that do not exist --------------------------------------------------------------------------------------


class OwnTransport(KerberosTransport):
    """A subclass as in a program."""


TRANSPORTS = [KerberosTransport, InsecureKerberosTransport, OwnTransport]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "name, advice",
    [
        ("verify", "pass cafile=, a file or folder of CAs"),
        ("verify_ssl", "pass cafile=, .* or context= for a context of your own"),
        ("ca_certs", "pass cafile="),
        ("ssl_context", "pass context="),
        ("cert", "context.load_cert_chain.* pass context="),
        ("certfile", "context.load_cert_chain.* pass context="),
        ("keyfile", "context.load_cert_chain.* pass context="),
        ("auth", "principal=, ccache= and keytab= choose the ticket"),
        ("username", "a Kerberos ticket authenticates"),
        ("password", "a Kerberos ticket authenticates"),
        ("kerberos", "leave it out: the transport always uses Kerberos"),
        ("krbv", "leave it out"),
        ("mutual", "pass mutual_authentication="),
        ("hostname_override", "pass service='HTTP@host'"),
        ("target_name", "pass service="),
        ("opportunistic_auth", "pass preemptive="),
        ("force_preemptive", "pass preemptive="),
        ("sanitize_mutual_error_response", "leave it out"),
        ("send_cbt", "pass channel_bindings='tls-server-end-point'"),
        ("proxies", "pass proxy="),
        ("cookies", "pass cookiejar="),
        ("retry_count", "pass retries="),
        ("retry_timeout", "pass retry_interval="),
        ("allow_none", "pass it to ServerProxy"),
        ("allow_i8", r"pass it to krbxmlrpc\.ServerProxy"),
        ("Verify", "pass cafile="),
        ("mutual_authentification", r"did you mean mutual_authentication=\?"),
        ("time_out", r"did you mean timeout=\?"),
        ("zzzzzz", rf"help\({'{owner}'}\) lists the arguments"),
    ],
)
def test_an_argument_of_another_library_names_ours(transport, name, advice):
    with pytest.raises(TypeError) as caught:
        transport(**{name: "a secret"})
    owner = transport.__name__
    assert re.search(f"^{owner} has no argument '{name}': .*{advice.replace('{owner}', owner)}", str(caught.value))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[-1].locals
    assert not any("a secret" in value for value in shown.values())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_arguments_are_keywords(transport):
    with pytest.raises(TypeError, match=f"^{transport.__name__} takes arguments by their names only") as caught:
        transport("a secret", 2)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack[-1].locals
    assert not any("a secret" in value for value in shown.values())


def test_there_is_no_advice_against_an_argument_that_exists():
    known = {setting.name for setting in definitions()}
    assert not known & _ELSEWHERE.keys()
    assert all(name == name.lower() for name in _ELSEWHERE)


# -- the rest ---------------------------------------------------------------------------------------------------------


def test_good_arguments_are_taken():
    KerberosTransport(timeout=None, principal=None, service=None, context=None, headers=iter([["X", b"y"], (b"Z", 5)]))
    KerberosTransport(timeout=1, principal="user@REALM", service="HTTP/hub@REALM", mutual_authentication="optional")
    KerberosTransport(login_path="/login?next=/", cookiejar=CookieJar(), retries=100, retry_interval=0, idempotent=True)
    for idempotent in ((), ["echo"], {"echo": 1}, frozenset(), str.islower, lambda name: False):
        KerberosTransport(idempotent=idempotent)
    assert isinstance(InsecureKerberosTransport(), Transport)


@pytest.mark.parametrize("name, value, kind", [row for row in WRONG if row[0] in ("service", "principal", "mechanism")])
def test_wrong_arguments_of_a_ticket(name, value, kind):
    with pytest.raises(kind, match=f"^{name} "):
        KerberosTicket(**{"service": "HTTP@hub", name: value})


def test_wrong_flags_of_a_ticket():
    for name in ("mutual", "delegate"):
        with pytest.raises(TypeError, match=f"^{name} "):
            KerberosTicket("HTTP@hub", **{name: "yes"})


@pytest.mark.parametrize("transport", [KerberosTransport, InsecureKerberosTransport])
def test_credentials_in_the_url_are_refused_and_not_shown(transport):
    with pytest.raises(ValueError, match="hub.example.com:8443.*credentials") as caught:
        ServerProxy("https://user:secret@hub.example.com:8443/", transport=transport()).method()
    assert "secret" not in str(caught.value)


WRONG_HOSTS = ["", ":443", "hub:port", "hub:70000", "a b", "[::1", "hub\n", "hub\t.x", ".", "a/b", "h?q", "\u00fc" * 70]


@pytest.mark.parametrize("netloc", WRONG_HOSTS)
def test_urls_without_a_good_host(netloc):
    with pytest.raises(ValueError, match="^the URL "):
        KerberosTransport().request(netloc, "/", b"")


@pytest.mark.parametrize("handler", ["xmlrpc", "/a b", "?a b", "/a\r\nX: y", "/\u00e9", None])
def test_urls_without_a_good_path(handler):
    with pytest.raises(ValueError, match="^the path of the URL "):
        KerberosTransport().request("hub", handler, b"")
    with pytest.raises(ValueError, match="^the path of the URL "):
        KerberosTransport().fetch("GET", "hub", handler)


def test_a_path_of_fetch_has_no_fragment():
    """If it were cut off, a PUT of "/files/a#b" would replace another file."""
    with pytest.raises(ValueError, match="without #: percent-encode"):
        KerberosTransport().fetch("PUT", "hub", "/files/a#b")


def test_hosts_are_text():
    with pytest.raises(TypeError, match="^host .*context=") as caught:
        KerberosTransport().request(("user:secret@hub", {"cert_file": "x"}), "/", b"")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["se/cret", "se?cret", "se#cret"])
def test_passwords_that_urls_do_not_allow_are_not_shown(password):
    with pytest.raises(ValueError, match="^the URL has a server 'user'") as caught:
        ServerProxy(f"https://user:{password}@hub/", transport=KerberosTransport()).method()
    assert "cret" not in str(caught.value)


def test_international_names_are_encoded():
    assert KerberosTransport()._call("b\u00fccher.example", "/", b"", False).service == "HTTP@xn--bcher-kva.example"


def test_the_service_can_be_given():
    call = KerberosTransport(service="HTTP/hub@REALM")._call("alias", "/path?key=secret", b"", False)
    assert (call.service, call.host, call.url) == ("HTTP/hub@REALM", "alias", "alias/path")


def test_a_transport_that_was_not_built_has_a_repr():
    assert repr(KerberosTransport.__new__(KerberosTransport)) == "<KerberosTransport, not built>"


def test_repr_shows_no_more_than_it_should():
    transport = KerberosTransport(service="HTTP@hub", headers=[("X", "secret")])
    assert repr(transport) == "<KerberosTransport service=HTTP@hub mutual_authentication=required connections=0>"
    assert "HTTP@ and the host" in repr(InsecureKerberosTransport())
