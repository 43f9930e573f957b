"""Reads from a credential cache in a file when its ticket-granting ticket ends, to say since when a ticket has expired.

Only that: GSSAPI reads caches for all else, but has no way to tell it through pykerberos. A cache of another type, or
one that cannot be read, gives None. Source: MIT Kerberos documentation, "Credential cache file format", version 4.
"""

from __future__ import annotations

import struct
from datetime import datetime, timezone
from typing import List, Optional, Tuple


def cache_file(name: str) -> Optional[str]:
    """Return the file of a credential cache, of which the name is as in KRB5CCNAME; None where it is of another type.

    Where there is no name, krb5.conf may have one, which is not read here: None.
    """
    kind, colon, path = name.partition(":")
    if not colon:
        return kind or None
    return path if kind == "FILE" else None


def ticket_end(path: str) -> Optional[datetime]:
    """Return when the ticket-granting ticket in a cache ends; None where that cannot be read."""
    try:
        with open(path, "rb") as file:
            return _ticket_end(_Fields(file.read(1 << 20)))
    except (OSError, ValueError, struct.error, OverflowError):
        return None


def _ticket_end(fields: _Fields) -> Optional[datetime]:
    (version,) = fields.numbers(">H")
    if version != 0x0504:
        return None
    fields.skip(*fields.numbers(">H"))
    fields.principal()
    while fields.left():
        fields.principal()
        service = fields.principal()
        fields.skip(2)
        fields.data()  # the session key
        _, _, end, _ = fields.numbers(">IIII")
        fields.skip(5)
        for _ in range(2):  # addresses, authorization data
            for _ in range(*fields.numbers(">I")):
                fields.skip(2)
                fields.data()
        fields.data()
        fields.data()
        if service[1][:1] == [b"krbtgt"]:
            return datetime.fromtimestamp(end, timezone.utc)
    return None


class _Fields:
    """The fields of the file, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def left(self) -> bool:
        return self._position < len(self._data)

    def numbers(self, layout: str) -> Tuple[int, ...]:
        found = struct.unpack_from(layout, self._data, self._position)
        self._position += struct.calcsize(layout)
        return found

    def skip(self, length: int) -> None:
        self._position += length

    def data(self) -> bytes:
        (length,) = self.numbers(">I")
        start = self._position
        self.skip(length)
        return self._data[start : self._position]

    def principal(self) -> Tuple[bytes, List[bytes]]:
        """Return realm and components."""
        _, count = self.numbers(">II")
        realm = self.data()
        return realm, [self.data() for _ in range(min(count, len(self._data)))]
