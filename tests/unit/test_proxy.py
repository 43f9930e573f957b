"""Proxies, without one: which one is used, what it is told, and what its answer means."""

import base64
from urllib.parse import quote

import pytest
from helpers import Clock
from wrong_proxies import NOT_SPOKEN, WRONG

from krbxmlrpc import InsecureKerberosTransport, KerberosTransport
from krbxmlrpc._http.address import parse_address
from krbxmlrpc._http.time_limits import TimeLimit
from krbxmlrpc._negotiate.policy import Expects, MutualAuthentication, Sent, Step, next_step, to_be_verified
from krbxmlrpc._negotiate.proxy import ProxyWire, Tunnel, parse_proxy


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Clear the environment of proxies; give what sets its variables."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.delenv(variable, raising=False)
    return monkeypatch.setenv


USER, PASSWORD = "us%er@x", "p:a/s s@#\u00e9"
ANY = "http://any.example:3128"
OTHER = "http://other.example:8080/"


@pytest.mark.parametrize(
    "variables, used",
    [
        ({}, None),
        ({"https_proxy": ANY}, "any.example:3128"),
        ({"HTTPS_PROXY": ANY}, "any.example:3128"),
        ({"https_proxy": ANY, "HTTPS_PROXY": OTHER}, "any.example:3128"),
        ({"https_proxy": "", "HTTPS_PROXY": OTHER}, None),
        ({"https_proxy": "any.example:3128"}, "any.example:3128"),
        ({"https_proxy": "http://any.example"}, "any.example:80"),
        ({"https_proxy": "http://[2001:DB8::1]"}, "[2001:db8::1]:80"),
        ({"http_proxy": ANY, "all_proxy": ANY, "HTTP_PROXY": ANY}, None),
        ({"https_proxy": ANY, "no_proxy": "*"}, None),
        ({"https_proxy": ANY, "NO_PROXY": "*"}, None),
        ({"https_proxy": ANY, "no_proxy": "example.com"}, None),
        ({"https_proxy": ANY, "no_proxy": "other, .EXAMPLE.com"}, None),
        ({"https_proxy": ANY, "no_proxy": "hub.example.com:8443"}, None),
        ({"https_proxy": ANY, "no_proxy": "hub.example.com:443"}, "any.example:3128"),
        ({"https_proxy": ANY, "no_proxy": "ub.example.com, hub"}, "any.example:3128"),
        ({"https_proxy": ANY, "no_proxy": "example.com", "NO_PROXY": "other"}, None),
    ],
)
def test_proxy_variables_follow_the_rules_of_urllib(environment, variables, used):
    transport = KerberosTransport()
    for name, value in variables.items():
        environment(name, value)  # it counts when the connection is made
    connection = transport.make_connection("Hub.Example.com:8443")
    assert str(getattr(connection, "_proxy", None)) == str(used)


@pytest.mark.parametrize("transport", [KerberosTransport, InsecureKerberosTransport])
@pytest.mark.parametrize(
    "proxy, used", [(None, None), ("direct", None), (OTHER, "other.example:8080"), ("other:1", "other:1")]
)
def test_the_argument_goes_before_the_environment(environment, transport, proxy, used):
    for name in ("https_proxy", "http_proxy"):
        environment(name, ANY)
    environment("no_proxy", "*")
    connection = transport(proxy=proxy).make_connection("hub.example.com")
    assert str(getattr(connection, "_proxy", None)) == str(used)


@pytest.mark.parametrize("arguments", [{}, {"proxy": "environment"}])
def test_for_plain_http_the_environment_names_none(environment, arguments):
    for name in ("https_proxy", "http_proxy"):
        environment(name, ANY)
    connection = InsecureKerberosTransport(**arguments).make_connection("hub.example.com")
    assert not hasattr(connection, "_proxy")


@pytest.mark.parametrize("transport", [KerberosTransport, InsecureKerberosTransport])
@pytest.mark.parametrize("proxy, shown", WRONG)
def test_a_wrong_argument_is_named_and_its_password_is_not(transport, proxy, shown):
    with pytest.raises(ValueError, match="^proxy is .*accepted is 'environment', 'direct', None, 'http://") as caught:
        transport(proxy=proxy)
    assert str(caught.value).startswith(f"proxy is {shown!r}; ")
    assert "secret" not in str(caught.value) and "TLS" not in str(caught.value)


@pytest.mark.parametrize("proxy", [b"http://user:secret@any:80", True, 3128, ["http://user:secret@any:80"]])
def test_an_argument_of_a_wrong_type_is_named_and_not_shown(proxy):
    with pytest.raises(TypeError, match=f"^proxy is of type {type(proxy).__name__}; accepted is ") as caught:
        KerberosTransport(proxy=proxy)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("proxy", NOT_SPOKEN)
def test_other_kinds_of_proxies_are_refused(proxy):
    with pytest.raises(ValueError, match="^proxy is .*TLS to the proxy itself, and SOCKS, are not supported") as caught:
        KerberosTransport(proxy=proxy)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "userinfo, sent",
    [
        ("user:password@", "user:password"),
        (f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@", f"{USER}:{PASSWORD}"),
        ("user:a:b@", "user:a:b"),
        ("user:a@b@", "user:a@b"),
        ("user@", "user:"),
        (":token@", ":token"),
        ("us\u00e9r:%E2%82%AC@", "us\u00e9r:\u20ac"),
        ("user:100%@", "user:100%"),
        ("", None),
        ("@", None),
        (":@", None),
    ],
)
def test_credentials_are_decoded_and_sent_as_basic(userinfo, sent):
    credentials = parse_proxy("proxy", f"http://{userinfo}any:80").credentials
    assert credentials == (None if sent is None else f"Basic {base64.b64encode(sent.encode()).decode()}")


@pytest.mark.parametrize(
    "sent, status, negotiate, expected",
    [
        (Sent.NOTHING, 200, None, Step.ACCEPT),
        (Sent.PASSWORD, 204, None, Step.ACCEPT),
        (Sent.TICKET, 299, "token", Step.ACCEPT),
        (Sent.NOTHING, 407, "", Step.RENEW),
        (Sent.NOTHING, 407, "token", Step.RENEW),
        (Sent.NOTHING, 407, None, Step.NOT_OFFERED),
        (Sent.PASSWORD, 407, "", Step.REJECTED),
        (Sent.PASSWORD, 407, "token", Step.REJECTED),
        (Sent.TICKET, 407, "", Step.REJECTED),
        (Sent.TICKET, 407, None, Step.NOT_OFFERED),
        (Sent.TICKET, 407, "token", Step.ANOTHER_LEG),
        (Sent.NOTHING, 401, "", Step.UNEXPECTED),
        (Sent.NOTHING, 302, None, Step.UNEXPECTED),
        (Sent.NOTHING, 500, None, Step.UNEXPECTED),
        (Sent.TICKET, 503, "token", Step.UNEXPECTED),
    ],
)
def test_what_an_answer_means(sent, status, negotiate, expected):
    mode = MutualAuthentication.OPTIONAL
    assert next_step(sent, status, negotiate, False, mode, Expects.TUNNEL) is expected
    proves = sent is Sent.TICKET and expected is Step.ACCEPT
    assert to_be_verified(sent, status, negotiate, mode, Expects.TUNNEL) is proves


def test_the_wait_for_a_ticket_is_no_setup_of_the_tunnel():
    """The KDC is slow, not the proxy."""
    clock = Clock()

    def new_ticket(service, **options):
        clock.now += 100
        return service

    proxy = parse_proxy("proxy", ANY)
    tunnel = Tunnel(parse_address("hub", 443), None, None, proxy, new_ticket, 5.0)
    tunnel.setup_limit = TimeLimit(5.0, clock)
    assert ProxyWire(tunnel, proxy, new_ticket).get_ticket() == "HTTP@any.example"
    assert tunnel.setup_limit.left() == 5.0
