"""Bodies: a byte that says how they are encoded and how to decode them, one for the size of pieces, and the body."""

import gzip
import xmlrpc.client
from typing import NamedTuple
from xmlrpc.client import Fault, ResponseError

from decoders import expat_alone, form, small_windows

from krbxmlrpc import InvalidResponse, KerberosTransport, ResponseTooLarge

LIMIT = 1024
GZIPPED, TO_BE_GZIPPED, DATETIME, BUILTIN = 1, 2, 4, 8


class Body:
    """What `parse_response` takes for a reply."""

    def __init__(self, data, size, encoding):
        self._data = data
        self._size = size
        self._encoding = encoding

    def read(self, amount):
        size = min(amount, self._size)
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def getheader(self, name, default=None):
        return {"Content-Encoding": self._encoding, "Content-Type": "text/xml"}.get(name, default)


def transport(flags):
    """Return a transport that decodes as the flags say."""
    return KerberosTransport(
        max_response_bytes=LIMIT, use_datetime=bool(flags & DATETIME), use_builtin_types=bool(flags & BUILTIN)
    )


TRANSPORTS = [transport(flags) for flags in range(16)]


def one_input(data):
    flags, size, body = (data[0] % 16, 1 + data[1], data[2:]) if len(data) > 2 else (0, 1, b"")
    sent = gzip.compress(body) if flags & TO_BE_GZIPPED else body
    encoding = "gzip" if flags & (GZIPPED | TO_BE_GZIPPED) else ""
    ours = decoded(TRANSPORTS[flags], sent, size, encoding)
    with small_windows():
        whole = decoded(TRANSPORTS[flags], sent, len(sent) + 1, encoding)
    assert is_same(whole, ours), (whole, ours)
    with expat_alone():
        for amount, found in ((size, ours), (len(sent) + 1, whole)):
            expats = decoded(TRANSPORTS[flags], sent, amount, encoding)
            assert found == expats or (is_same(found, expats) and is_broken_off(found, expats)), (found, expats)
    if not isinstance(ours, Refusal):
        plain = gzip.decompress(sent) if encoding else sent
        theirs = decoded_by_the_standard_library(plain, flags)
        assert theirs in (None, ours), (ours, theirs)
        assert len(plain) <= LIMIT and len(sent) <= LIMIT


class Refusal(NamedTuple):
    """All that an error says."""

    kind: type
    message: str
    hint: str
    has_run: bool
    is_cut_off: bool
    cause: str


def is_same(one, other):
    """Say whether both are the same values, or refusals. The size of pieces decides which of two errors is first."""
    return one == other or (isinstance(one, Refusal) and isinstance(other, Refusal))


def is_broken_off(*refusals):
    """Say whether one of them is not about XML. Small pieces wait, so such an error can come before one about XML."""
    return any(refusal.kind is ResponseTooLarge or "gzip" in refusal.message for refusal in refusals)


def decoded(transport, sent, size, encoding):
    """Return what is in a body, in a form that can be compared, or its refusal."""
    try:
        return form(transport.parse_response(Body(sent, size, encoding)))
    except Fault as fault:
        return "fault", form(fault.faultCode), form(fault.faultString)
    except InvalidResponse as error:
        assert isinstance(error, ResponseError) and str(error).isprintable() and len(str(error)) < 1000
        cause = repr(error.__cause__)
        return Refusal(type(error), str(error), str(error.hint), error.has_run, error.is_cut_off, cause)


def decoded_by_the_standard_library(body, flags):
    """Return the same of what the standard library finds; None where it refuses it."""
    try:
        return form(xmlrpc.client.loads(body, bool(flags & DATETIME), bool(flags & BUILTIN))[0])
    except Fault as fault:
        return "fault", form(fault.faultCode), form(fault.faultString)
    except Exception:  # of any kind, for what is not XML-RPC
        return None
