"""The request that shows whether a KDC answers, and the form of a KDC's reply and address. Plain functions, no I/O.

GSSAPI cannot tell which KDC it asked, nor how long the KDC took. Source: RFC 4120, sections 5.4.1, 5.9.1 and 7.2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PORT = 88
"""The port of a KDC, if krb5.conf does not name one (RFC 4120, section 7.2.1)."""

NOBODY = "krbxmlrpc-check"
"""The client principal of the request. It does not exist, so the KDC answers with an error and makes no ticket."""

MAX_REPLY = 64 * 1024
"""Read at most this many bytes of a KDC's reply."""

# DER tags.
_INTEGER, _BITS, _SEQUENCE, _STRING, _TIME = 0x02, 0x03, 0x30, 0x1B, 0x18
_AS_REQ, _AS_REP, _KRB_ERROR = 0x6A, 0x6B, 0x7E

_NT_PRINCIPAL, _NT_SRV_INST = 1, 2
_ENCTYPES = (18, 17, 20, 19, 23)  # AES with SHA-1, AES with SHA-2, RC4
_FOREVER = b"20370913024805Z"  # the end time that most clients ask for

_ENTRY = re.compile(r"(?:(udp|tcp)/)?(\[[0-9A-Fa-f:.%]+\]|[^\[\]/:\s]+)(?::([0-9]{1,5}))?")


class KDC(NamedTuple):
    """The address of a KDC."""

    host: str
    port: int
    protocol: str
    """``"udp"`` or ``"tcp"``; ``""``: both."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_entry(entry: str) -> KDC | None:
    """Read a value of ``kdc`` in krb5.conf. Return None if it is no host, for example the URL of a KDC proxy."""
    found = _ENTRY.fullmatch(entry)
    if found is None or int(found[3] or PORT) > 0xFFFF:
        return None
    return KDC(found[2].strip("[]"), int(found[3] or PORT), found[1] or "")


def probe(realm: str) -> bytes:
    """Return a request for the first ticket of `NOBODY` in a realm (AS-REQ)."""
    body = _sequence(
        _field(0, _der(_BITS, bytes(5))),
        _field(1, _principal(_NT_PRINCIPAL, NOBODY)),
        _field(2, _text(realm)),
        _field(3, _principal(_NT_SRV_INST, "krbtgt", realm)),
        _field(5, _der(_TIME, _FOREVER)),
        _field(7, _number(1)),
        _field(8, _sequence(*map(_number, _ENCTYPES))),
    )
    return _der(_AS_REQ, _sequence(_field(1, _number(5)), _field(2, _number(10)), _field(4, body)))


def is_reply(data: bytes) -> bool:
    """Say whether these bytes begin as a KDC's reply to the request does: an error, or a ticket."""
    return data[:1] in (bytes([_KRB_ERROR]), bytes([_AS_REP]))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _field(number: int, content: bytes) -> bytes:
    return _der(0xA0 | number, content)


def _sequence(*parts: bytes) -> bytes:
    return _der(_SEQUENCE, b"".join(parts))


def _number(value: int) -> bytes:
    return _der(_INTEGER, bytes([value]))


def _text(value: str) -> bytes:
    return _der(_STRING, value.encode())


def _principal(kind: int, *components: str) -> bytes:
    return _sequence(_field(0, _number(kind)), _field(1, _sequence(*map(_text, components))))
