"""Reads facts from a credential cache in a file: its principal, the times of its tickets, its defects.

GSSAPI reads the caches for everything else. But GSSAPI cannot report these facts through pykerberos, or does not report
them at all. For caches of other types the functions return None. Source: MIT Kerberos documentation, "Credential cache
file format", version 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from .._secrets import SecretBytes
from .files import why_unread
from .principals import shown, unparsed

_VERSION = 0x0504
_OLDER = (b"\5\1", b"\5\2", b"\5\3")
"""The first bytes of caches of older versions. GSSAPI reads such a cache; this module does not."""

_DELTA_TIME = 1
"""The tag of the field in the head that holds the difference of the clocks."""

_SETTINGS = b"X-CACHECONF:"
"""The realm of those entries of a cache that are settings, not tickets."""


def cache_file(name: str) -> str | None:
    """Return the file of a credential cache, from a name as in KRB5CCNAME; None if the cache is of another type.

    If the name is empty, return None: krb5.conf may name a cache, but this function does not read krb5.conf.
    """
    kind, colon, path = name.partition(":")
    if not colon:
        return kind or None
    return path if kind == "FILE" else None


def ticket_end(path: str) -> datetime | None:
    """Return the end time of the first ticket-granting ticket in a cache; None if none can be read."""
    return _time_of_tgt(path, "end")


def _time_of_tgt(path: str, which: str) -> datetime | None:
    try:
        fields = _Fields(_content(path))
        _owner(fields)
        times = (getattr(ticket, which) for ticket in _tickets(fields) if ticket.service[:1] == [b"krbtgt"])
        return datetime.fromtimestamp(next(times), timezone.utc)
    except (OSError, ValueError, struct.error, OverflowError, StopIteration):
        return None


def ticket_start(path: str) -> datetime | None:
    """Return the start time of the first ticket-granting ticket in a cache; None if none can be read."""
    return _time_of_tgt(path, "start")


def cache_owner(path: str) -> str | None:
    """Return the principal of a cache, as GSSAPI displays it; None if the cache cannot be read."""
    try:
        return _owner(_Fields(_content(path)))
    except (OSError, ValueError, struct.error):
        return None


def cache_state(path: str) -> str | None:
    """Describe the state of a credential cache in a file, for a message. Return None if the state is unknown."""
    try:
        data = _content(path)
    except IsADirectoryError as error:
        return f"{why_unread(path, error)}; a directory of credential caches is named DIR:{path}"
    except (OSError, ValueError) as error:
        return why_unread(path, error)
    if not data:
        return f"{path} is empty"
    if data[:2] in _OLDER:
        return None
    try:
        fields = _Fields(data)
        owner = _owner(fields)
        empty = next(_tickets(fields), None) is None
    except (ValueError, struct.error):
        return f"{path} is not a credential cache, or is damaged"
    owner = shown(owner)
    return f"{path} is empty; its principal is {owner}" if empty else f"{path} has tickets of {owner}"


def time_offset(path: str) -> int:
    """Return the seconds that the KDC's clock was ahead of this machine's, as the cache says; 0 if it does not say."""
    try:
        fields = _Fields(_content(path))
        _, length = fields.numbers(">HH")
        end = fields.position + length
        while fields.position < end:
            tag, size = fields.numbers(">HH")
            if tag == _DELTA_TIME:
                return fields.numbers(">i")[0]
            fields.skip(size)
    except (OSError, struct.error, ValueError):
        pass
    return 0


def cache_of_nobody(end: int) -> bytes:
    """Return the contents of a cache with one "ticket", which no KDC made. GSSAPI takes no cache without tickets.

    Args:
        end: the end time of the ticket, in seconds since 1970.
    """
    nobody = _packed_principal(b"NONE", b"nobody")
    service = _packed_principal(b"NONE", b"krbtgt", b"NONE")
    key = struct.pack(">H", 18) + _packed(bytes(32))
    times = struct.pack(">IIII", 0, 0, end, 0)
    nothing = bytes(1 + 4 + 4 + 4)  # flags, addresses, authorization data
    head = struct.pack(">HH", _VERSION, 0)
    return head + nobody + nobody + service + key + times + nothing + _packed(b"none") + _packed(b"")


def _packed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _packed_principal(realm: bytes, *components: bytes) -> bytes:
    return struct.pack(">II", 1, len(components)) + b"".join(map(_packed, (realm, *components)))


def _content(path: str) -> SecretBytes:
    with open(path, "rb") as file:
        return SecretBytes(file.read(1 << 20))


def _owner(fields: _Fields) -> str:
    """Read the head of a cache and return the principal. Raise ValueError if the cache has another format."""
    (version,) = fields.numbers(">H")
    if version != _VERSION:
        raise ValueError("not a credential cache of version 4")
    fields.skip(*fields.numbers(">H"))
    realm, components = fields.principal()
    return unparsed(realm, components)


class _Entry(NamedTuple):
    """A ticket in a cache: the components of its service, and its times in seconds since 1970."""

    service: list[bytes]
    start: int
    end: int


def _tickets(fields: _Fields) -> Iterator[_Entry]:
    """Read the entries after the head of a cache; yield the tickets."""
    while fields.left():
        fields.principal()
        realm, service = fields.principal()
        fields.skip(2)
        fields.data()  # the session key
        authenticated, start, end, _ = fields.numbers(">IIII")
        fields.skip(5)
        for _ in range(2):  # addresses, authorization data
            for _ in range(*fields.numbers(">I")):
                fields.skip(2)
                fields.data()
        fields.data()
        fields.data()
        if realm != _SETTINGS:
            yield _Entry(service, start or authenticated, end)


class _Fields:
    """The fields of the file, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def left(self) -> bool:
        return self.position < len(self._data)

    def numbers(self, layout: str) -> tuple[int, ...]:
        found = struct.unpack_from(layout, self._data, self.position)
        self.position += struct.calcsize(layout)
        return found

    def skip(self, length: int) -> None:
        self.position += length
        if self.position > len(self._data):
            raise ValueError("the cache is cut off")

    def data(self) -> bytes:
        (length,) = self.numbers(">I")
        start = self.position
        self.skip(length)
        return self._data[start : self.position]

    def principal(self) -> tuple[bytes, list[bytes]]:
        """Return the realm and the components."""
        _, count = self.numbers(">II")
        realm = self.data()
        return realm, [self.data() for _ in range(min(count, len(self._data)))]
