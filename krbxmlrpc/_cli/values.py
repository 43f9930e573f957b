"""Reads the arguments of a method as JSON or text, and converts results to JSON's types. Plain functions.

This module parses no options and calls no server.
"""

from __future__ import annotations

import errno
import json
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .console import Wrong

_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, section 2.2


def read_arguments(texts: Sequence[str], allow_none: bool) -> list[Any]:
    """Return a method's arguments as values for `xmlrpc.client.dumps`. Raise `Wrong` if an argument is invalid."""
    if texts.count("@-") > 1:
        raise Wrong("standard input, @-, can be read only once")
    values = []
    for number, text in enumerate(texts, 1):
        try:
            value = _read_argument(text)
            _check_sendable(value, allow_none)
        except RecursionError:
            raise Wrong(f"ARG {number} is nested too deeply") from None
        except (OSError, ValueError) as error:
            raise Wrong(f"ARG {number} {error}") from error
        values.append(value)
    return values


def _read_argument(text: str) -> Any:
    if text.startswith("@") and not text.startswith("@@"):
        return _read_file(text[1:])
    if text.startswith("@"):
        return text[1:]
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _read_file(path: str) -> Any:
    from xmlrpc.client import Binary

    try:
        if path == "-" and sys.stdin is None:
            raise OSError(errno.EBADF, "it is closed")
        if path == "-":
            return Binary(sys.stdin.buffer.read())
        with open(path, "rb") as file:
            return Binary(file.read())
    except OSError as error:
        raise OSError(
            f"names {path!r}, which cannot be read: {error.strerror}; to send text that begins with @, write @@"
        ) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON does not have {name}")


def _check_sendable(value: Any, allow_none: bool) -> None:
    """Raise ValueError if XML-RPC cannot represent a value of JSON."""
    if isinstance(value, dict):
        for name, member in value.items():
            _check_sendable(name, allow_none)
            _check_sendable(member, allow_none)
    elif isinstance(value, list):
        for member in value:
            _check_sendable(member, allow_none)
    elif value is None and not allow_none:
        raise ValueError("holds null, which XML-RPC lacks: --allow-none sends <nil/>, which some servers accept")
    elif isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise ValueError(f"holds {value}; the integers of XML-RPC have 32 bits. To send text, write '\"{value}\"'")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is too large")
    elif isinstance(value, str) and _NOT_IN_XML.search(value):
        raise ValueError("holds a character that XML does not allow: @FILE sends any bytes as binary data")


def as_json(value: Any) -> Any:
    """Convert the result of a method to JSON's types."""
    from xmlrpc.client import Binary, DateTime

    if isinstance(value, dict):
        return {name: as_json(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(member) for member in value]
    if isinstance(value, DateTime):
        return _iso(value.value)
    if isinstance(value, Binary):
        return _base64(value.data)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, (str, int, float)) else str(value)  # a Decimal


def _iso(text: str) -> str:
    """Add the hyphens of ISO 8601 to a date of XML-RPC. Return any other text unchanged."""
    found = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})(T.*)", text)
    return "{}-{}-{}{}".format(*found.groups()) if found else text


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")
