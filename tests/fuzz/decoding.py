"""Bodies: a byte that says how they are encoded and how to decode them, one for the size of pieces, and the body."""

import gzip
import xmlrpc.client
from xmlrpc.client import Fault, ResponseError

from krbxmlrpc import InvalidResponse, KerberosTransport

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
    assert decoded(TRANSPORTS[flags], sent, len(sent) + 1, encoding) == ours
    if ours is not None:
        plain = gzip.decompress(sent) if encoding else sent
        theirs = decoded_by_the_standard_library(plain, flags)
        assert theirs in (None, ours), (ours, theirs)
        assert len(plain) <= LIMIT and len(sent) <= LIMIT


def decoded(transport, sent, size, encoding):
    """Return what is in a body, in a form that can be compared; None where it is refused."""
    try:
        return form(transport.parse_response(Body(sent, size, encoding)))
    except Fault as fault:
        return "fault", form(fault.faultCode), form(fault.faultString)
    except InvalidResponse as error:
        assert isinstance(error, ResponseError) and str(error).isprintable() and len(str(error)) < 1000
        return None


def decoded_by_the_standard_library(body, flags):
    """Return the same of what the standard library finds; None where it refuses it."""
    try:
        return form(xmlrpc.client.loads(body, bool(flags & DATETIME), bool(flags & BUILTIN))[0])
    except Fault as fault:
        return "fault", form(fault.faultCode), form(fault.faultString)
    except Exception:  # of any kind, for what is not XML-RPC
        return None


def form(value):
    """Return a value in a form that can be compared: types count, and what is not a number is equal to itself."""
    if isinstance(value, dict):
        return "dict", [(form(key), form(value)) for key, value in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [form(each) for each in value]
    if isinstance(value, (xmlrpc.client.DateTime, xmlrpc.client.Binary)):
        return type(value).__name__, str(value)
    return type(value).__name__, repr(value)
