"""Proxies: two bytes for the status of an answer, then URLs and values of ``Proxy-Authenticate``, a line each."""

import base64
import unicodedata

from krbxmlrpc import KerberosXMLRPCError, ProxyRefused, ServerUnreachable
from krbxmlrpc._http.address import Address, parse_address
from krbxmlrpc._http.www_authenticate import negotiate_details
from krbxmlrpc._negotiate.policy import Expects, MutualAuthentication, Sent, Step, next_step
from krbxmlrpc._negotiate.proxy import parse_proxy, refusal

SERVER = Address("hub", 443, "hub")
PROXY = parse_proxy("proxy", "http://user:5ECRET@proxy:3128")
SENT = {Sent.NOTHING: None, Sent.PASSWORD: PROXY.credentials, Sent.TICKET: "Negotiate 5ECRET"}


def one_input(data):
    lines = tuple(data[2:].decode("latin-1").split("\n"))
    check_answer(200 + int.from_bytes(data[:2], "big") % 400, lines)
    for line in lines:
        for url in (line, f"http://{line}", f"http://user:5ECRET{line}@proxy:1", f"{line}://user:5ECRET@proxy:1"):
            check_url(url)


def check_answer(status, challenges):
    """Check what an answer means, and what is said of it."""
    negotiate = negotiate_details(list(challenges))
    for sent, authorization in SENT.items():
        step = next_step(sent, status, negotiate, False, MutualAuthentication.OPTIONAL, Expects.TUNNEL)
        assert (step is Step.ACCEPT) is (status < 300)
        if step in (Step.RENEW, Step.ANOTHER_LEG):
            assert status == 407 and sent is not Sent.PASSWORD
        elif step is not Step.ACCEPT:
            error = refusal(PROXY, SERVER, authorization, status, challenges)
            assert isinstance(error, ServerUnreachable if status >= 500 else ProxyRefused)
            check_text(f"{error} {error!r}")
            assert isinstance(error, KerberosXMLRPCError) and "proxy:3128" in str(error)


def check_url(url):
    """Check that the URL of a proxy is read, or that an error says that it is none, without its password."""
    try:
        proxy = parse_proxy("proxy", url)
    except ValueError as error:
        assert "5ECRET" not in str(error)
        return
    assert parse_address(str(proxy), 80)[:2] == proxy.address[:2] and proxy.address.port
    check_text(str(proxy))
    if proxy.credentials is not None:
        user, colon, _ = base64.b64decode(proxy.credentials.partition(" ")[2]).decode().partition(":")
        assert proxy.credentials.startswith("Basic ") and colon
        assert not any(unicodedata.category(letter) == "Cc" for letter in user)  # RFC 7617, section 2


def check_text(text):
    assert text.isascii() and text.isprintable() and len(text) < 2000 and "5ECRET" not in text
