"""Hosts and ports of URLs: what is read as an address, and what is refused."""

import re

import pytest
from fuzz.replies import check_address
from hypothesis import given, strategies as st

from krbxmlrpc import KerberosTransport
from krbxmlrpc._http.address import Address, parse_address


@pytest.mark.parametrize(
    "netloc, address",
    [
        ("hub.example.com", Address("hub.example.com", 443, "hub.example.com")),
        ("HUB.Example.COM:8443", Address("hub.example.com", 8443, "hub.example.com")),
        ("hub.example.com.:1", Address("hub.example.com", 1, "hub.example.com.")),
        ("[2001:DB8::1]:8443", Address("2001:db8::1", 8443, "2001:db8::1")),
        ("192.0.2.1", Address("192.0.2.1", 443, "192.0.2.1")),
    ],
)
def test_addresses(netloc, address):
    assert parse_address(netloc, 443) == address
    assert KerberosTransport()._call(netloc, "/", b"", False).service == f"HTTP@{address.host}"


@pytest.mark.parametrize("netloc", ["[::1]x:443", "x[::1]", "[::1]]", "hub..", "..", "hub%2E", "hub:\u0661", "[::1"])
def test_what_is_no_address_is_not_taken_for_another(netloc):
    with pytest.raises(ValueError, match="cannot be called"):
        parse_address(netloc, 443)


@pytest.mark.parametrize(
    "netloc, reason",
    [
        ("hub:https", "the port is not a number up to 65535"),
        ("hub:-1", "the port is not a number"),
        ("hub:65536", "the port is not a number"),
        ("hub:443000000000000000000443", "the port is not a number"),
        ("hub:\u0661", "the port is not a number"),
        ("[::1]:x", "the port is not a number"),
        ("::1", "an IPv6 address needs brackets, as in [::1]"),
        (":443", "the host is missing"),
        ("", "the host is missing"),
        ("hub..", "not the name or address of a host"),
        (f"{'x' * 64}\xfc", "not the name or address of a host"),
    ],
)
def test_an_address_that_is_refused_has_a_reason(netloc, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_address(netloc, 443)


PARTS = ["hub", "HUB", ".", ":", "443", "99999", "[", "]", "::1", "%", "@", "/", "\xfc", "\u3002", "secret", " "]


@given(st.text() | st.lists(st.sampled_from(PARTS)).map("".join))
def test_any_text_is_an_address_or_refused_without_a_password(netloc):
    check_address(netloc)
