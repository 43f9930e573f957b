"""The request to a KDC, and the addresses of KDCs in krb5.conf. test_check_command.py sends it to a real KDC."""

import pytest

from krbxmlrpc._kerberos.kdc_messages import KDC, is_reply, parse_entry, probe


@pytest.mark.parametrize(
    "entry, kdc, shown",
    [
        ("kdc.example.test", KDC("kdc.example.test", 88, ""), "kdc.example.test:88"),
        ("kdc.example.test:750", KDC("kdc.example.test", 750, ""), "kdc.example.test:750"),
        ("udp/kdc", KDC("kdc", 88, "udp"), "kdc:88"),
        ("tcp/kdc:1", KDC("kdc", 1, "tcp"), "kdc:1"),
        ("[2001:db8::1]:88", KDC("2001:db8::1", 88, ""), "[2001:db8::1]:88"),
        ("192.0.2.1", KDC("192.0.2.1", 88, ""), "192.0.2.1:88"),
        ("https://proxy.example.test/KdcProxy", None, ""),
        ("kdc:99999", None, ""),
        ("kdc:port", None, ""),
        ("", None, ""),
    ],
)
def test_the_address_of_a_kdc(entry, kdc, shown):
    assert parse_entry(entry) == kdc
    assert kdc is None or str(kdc) == shown


@pytest.mark.parametrize("length", [1, 20, 100, 200, 3000])
def test_the_request_has_right_lengths(length):
    """Each length in DER has its shortest form, and the outermost covers the whole request."""
    request = probe("R" * length)
    assert request[0] == 0x6A
    if request[1] < 0x80:
        size, start = request[1], 2
    else:
        start = 2 + (request[1] & 0x7F)
        size = int.from_bytes(request[2:start], "big")
        assert size >= 0x80 and request[2]
    assert len(request) == start + size
    assert request.count(b"R" * length) == 2  # the realm, and the name of its krbtgt


@pytest.mark.parametrize(
    "data, expected", [(b"\x7e\x01", True), (b"\x6b", True), (b"", False), (b"HTTP", False), (b"\x6a", False)]
)
def test_replies_of_a_kdc(data, expected):
    assert is_reply(data) is expected
