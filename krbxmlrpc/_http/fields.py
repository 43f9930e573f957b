"""Which header fields a request sends, if several sources name the same field. Plain functions."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from .._secrets import Secret

ONCE = frozenset(
    {
        *("authorization", "content-length", "content-location", "content-range", "content-type", "cookie", "date"),
        *("from", "host", "if-modified-since", "if-range", "if-unmodified-since", "max-forwards", "origin"),
        *("proxy-authorization", "range", "referer", "user-agent"),
    }
)
"""The fields of requests that HTTP allows once. Their values are no lists, so they cannot be joined by commas.

Accept-Encoding and the other fields of HTTP are lists, and may be repeated. Fields that HTTP does not define may be
lists, too.

Source: RFC 9110, section 5.3 and the definitions of the fields; RFC 6265, section 5.4; RFC 6454, section 7.3.
"""


@functools.lru_cache(maxsize=256)
def field_key(name: str | bytes) -> str:
    """Return the name of a field in the form in which names are compared (RFC 9110, section 5.1: without case)."""
    return (name.decode("latin-1") if isinstance(name, bytes) else name).lower()


def merged(*sources: Iterable[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return the fields to send: of each name, the fields of the first source that has the name.

    Args:
        sources: pairs (name, value). The first source takes precedence over the second one, and so on.
    """
    given = list(filter(None, sources))
    if len(given) == 1:  # usually
        return list(given[0])
    taken: set[str] = set()
    fields: list[tuple[Any, Any]] = []
    for source in given:
        added = [(name, value) for name, value in source if field_key(name) not in taken]
        taken.update([field_key(name) for name, _ in added])
        fields += added
    return fields


def repeated(fields: Iterable[tuple[Any, Any]]) -> str | None:
    """Return the name of a field that HTTP allows once and `fields` has twice; None if there is none."""
    seen: set[str] = set()
    for name, _ in fields:
        key = field_key(name)
        if key in seen:
            return str(name)
        seen.update({key} & ONCE)
    return None


def joined_cookies(first: str, second: str) -> Secret:
    """Return the value of one ``Cookie`` header with the cookies of two, each cookie once (RFC 6265, section 5.4)."""
    cookies = Secret(f"{first}; {second}").split("; ")
    return Secret("; ".join(dict.fromkeys(cookies)))
