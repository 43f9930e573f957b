"""Prints messages for ``verbose``, without possible secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_SHOWN_HEADERS = {
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
    "user-agent",
}


def print_headers(headers: Iterable[tuple[Any, Any]]) -> None:
    """Print headers; if a value could be a secret, print only its length."""
    for name, value in headers:
        name = name if isinstance(name, str) else name.decode("latin-1")
        shown = value if name.lower() in _SHOWN_HEADERS else f"({len(str(value))} characters, not shown)"
        print("header:", ascii(f"{name}: {shown}")[1:-1])


def shown(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Print the pieces of a body as they pass."""
    for piece in pieces:
        print("body:", repr(piece))
        yield piece
