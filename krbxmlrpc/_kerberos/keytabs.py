"""Reads facts for errors from a keytab in a file: why GSSAPI cannot use it.

GSSAPI reads the keytabs for everything else. But libkrb5 says "nonexistent or empty" of each keytab that it cannot use.
Source: MIT Kerberos documentation, "Keytab file format".
"""

from __future__ import annotations

from .files import why_unread

_VERSIONS = (b"\5\1", b"\5\2")
"""The first bytes of keytabs."""


def keytab_file(name: str) -> str | None:
    """Return the file of a keytab, from a name as in KRB5_CLIENT_KTNAME; None if the keytab is of another type."""
    kind, colon, path = name.partition(":")
    if not colon or kind.startswith("/"):
        return name or None
    return path if kind in ("FILE", "WRFILE") else None


def keytab_state(name: str) -> str | None:
    """Describe the defect of a keytab in a file, for a message. Return None if none is known."""
    path = keytab_file(name)
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            start = file.read(2)
    except (OSError, ValueError) as error:
        return why_unread(path, error)
    if not start:
        return f"{path} is empty"
    return None if start in _VERSIONS else f"{path} is not a keytab, or is damaged"
