"""Errors about replies, and addresses: two bytes for the status, and the lines of a head, the reason in the first."""

import re
from datetime import datetime, timezone
from http.client import HTTPMessage

from krbxmlrpc import KerberosXMLRPCError
from krbxmlrpc._http.address import parse_address
from krbxmlrpc._http.response import MalformedReply, parse_fields
from krbxmlrpc._negotiate.http_errors import (
    clock_difference,
    denied,
    failure,
    redirect_target,
    rejected,
    session_refused,
)
from krbxmlrpc._negotiate.policy import Allowance, Call, Reply, Step

CALL = Call("hub:8443", "/xmlrpc;jsessionid=SECRET?key=SECRET", b"SECRET", "hub", "HTTP@hub", Allowance(), "user@REALM")
TICKET = "Negotiate SECRET"
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=timezone.utc)
QUOTED = ("Date", "Location", "Retry-After", "WWW-Authenticate")
"""Headers of which something is quoted though nobody has verified them."""


def one_input(data):
    reason, *lines = data[2:].decode("latin-1").split("\n")
    check_reply(200 + int.from_bytes(data[:2], "big") % 400, reason, lines)
    for text in (reason, *lines, *[line.partition(": ")[2] for line in lines]):
        check_date(text)
        check_location(text)
        check_address(text)


def check_reply(status, reason, lines):
    """Check what is said of a reply."""
    try:
        fields = parse_fields(lines)
    except MalformedReply:
        return
    for ticket in (None, TICKET):
        reply = Reply(status, reason, message(fields), ticket)
        bare = Reply(status, "", message([field for field in fields if field[0].title() in map(str.title, QUOTED)]))
        for error, plain in zip(errors(reply), errors(bare._replace(authorization=ticket))):
            check_error(error)
            assert type(error) is type(plain) and without_numbers(error) == without_numbers(plain)
        for error in errors(reply._replace(principal="other@REALM")):
            check_error(error)


def without_numbers(error):
    """Return the text of an error; the difference of the clocks may change meanwhile."""
    return re.sub("[0-9]+", "", str(error))


def message(fields):
    """Return headers."""
    headers = HTTPMessage()
    for name, value in fields:
        headers[name] = value
    return headers


def errors(reply):
    """Return all errors that there can be about a reply."""
    return [
        *[failure(step, CALL, reply) for step in Step],
        rejected(CALL, reply, ValueError("why"), "hint"),
        denied(CALL, reply),
        session_refused(CALL, reply, "/login;jsessionid=SECRET?key=SECRET"),
    ]


def check_error(error):
    """Check that an error is one of ours, and fit to be shown."""
    assert isinstance(error, KerberosXMLRPCError)
    for text in (str(error), repr(error)):
        assert text.isprintable() and text.isascii() and len(text) < 2000, text
        assert "SECRET" not in text
    assert (error.service, error.host) == ("HTTP@hub", "hub")


def check_date(text):
    """Check that any date is one, or none."""
    seconds = clock_difference(text, NOON)
    assert seconds is None or abs(seconds) < 10_000 * 366 * 86400


def check_location(text):
    """Check that what is shown of a redirection is fit for a message."""
    for verified in (True, False):
        shown = redirect_target(text, verified)
        if shown is not None:
            assert shown.isascii() and shown.isprintable() and 0 < len(shown) <= 2000
            assert not any(character in shown for character in "@?#;")


ADDRESS_FAULTS = (
    "the port is not a number up to 65535",
    "an IPv6 address needs brackets, as in [::1]",
    "the host is missing",
    "this is not the name or address of a host",
)
"""The reasons why an address is refused. None of them shows a part of the address."""


def check_address(netloc):
    """Check that what can be called is just what was written, and that nothing that could be a password is shown."""
    try:
        host, port, dns_name = parse_address.__wrapped__(netloc, 443)
    except ValueError as error:
        shown = str(error)
        assert shown.isprintable()
        if "@" in netloc:
            assert shown == refusal(f"SECRET@{netloc}")
        else:
            start, end = shown.split(" that cannot be called: ")
            if netloc.lower().startswith(("http://", "https://")):
                assert end.startswith("it has a scheme; ")
                return
            assert start == f"the URL has a server {netloc.partition(':')[0]!r}"
            assert end in [f"{fault}; accepted is host or host:port" for fault in ADDRESS_FAULTS]
        return
    name, _, zone = host.partition("%")
    assert host.isascii() and host.isprintable() and name == name.lower() and 0 <= port < 65536
    assert not zone or ":" in name
    assert not any(character in host for character in " /?#@[]") and host and not host.endswith(".")
    assert dns_name in (host, f"{host}.")
    written = f"[{dns_name}]" if ":" in dns_name else dns_name
    assert parse_address.__wrapped__(f"{written}:{port}", 443) == (host, port, dns_name)
    if netloc.isascii():
        assert netloc.lower().startswith(written.lower()) and netloc[len(written) :].lstrip(":0") in ("", f"{port}")


def refusal(netloc):
    """Return why an address is refused."""
    try:
        parse_address.__wrapped__(netloc, 443)
    except ValueError as error:
        return str(error)
    raise AssertionError("it is not refused")
