"""Reads the arguments of a method as JSON or text, and converts results to JSON's types. Plain functions.

This module parses no options and calls no server.
"""

from __future__ import annotations

import errno
import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from .console import Wrong, read_all

_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, section 2.2
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})")
_KINDS = {dict: "an object", str: "a text", bool: "true or false", int: "a number", float: "a number"}


class Text(str):
    """A word of the command line that is text, even if it looks like JSON."""


def read_arguments(words: Sequence[str], allow_none: bool, allow_i8: bool) -> list[Any]:
    """Return a method's arguments as values for `dumps`. Raise `Wrong` if an argument is invalid."""
    if [word for word in words if not isinstance(word, Text)].count("@-") > 1:
        raise Wrong("standard input, @-, can be read only once")
    values = []
    for number, word in enumerate(words, 1):
        with _errors_about(f"ARG {number}"):
            values.append(_read_argument(word))
            _check_sendable(values[-1], allow_none, allow_i8)
    return values


def read_params(path: str, allow_none: bool, allow_i8: bool) -> list[Any]:
    """Return a method's arguments from a file with a JSON array; ``-`` is standard input. Raise `Wrong` on errors."""
    with _errors_about(f"--params {path}"):
        values = _from_json(_read(path))
        if not isinstance(values, list):
            kind = _KINDS.get(type(values), "null" if values is None else "a value with a $ form")
            raise ValueError(f'holds {kind}; accepted is a JSON array with one item for each argument: [1, "two"]')
    for number, value in enumerate(values, 1):
        with _errors_about(f"--params {path}, argument {number},"):
            _check_sendable(value, allow_none, allow_i8)
    return values


@contextmanager
def _errors_about(subject: str) -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise Wrong(f"{subject} is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Wrong(f"{subject} is not JSON: {_complaint(error)}") from error
    except UnicodeDecodeError as error:
        raise Wrong(f"{subject} is not JSON: it is not encoded in UTF-8") from error
    except (OSError, ValueError) as error:
        raise Wrong(f"{subject} {error}") from error


def _read_argument(word: str) -> Any:
    if isinstance(word, Text):
        return str(word)
    if word.startswith("@@"):
        return word[1:]
    if word.startswith("@"):
        return _read_file(word[1:])
    try:
        return _from_json(word)
    except _WrongForm:
        raise
    except ValueError as error:
        # A word that looks like JSON would become a text, and the call would run with it.
        first = word.lstrip()[:1]
        if first and first in '{["':
            complaint = _complaint(error) if isinstance(error, json.JSONDecodeError) else str(error)
            raise ValueError(
                f"begins with {first} and is not JSON: {complaint}; if it is meant as text, put --text before it"
            ) from error
        return word


def _complaint(error: json.JSONDecodeError) -> str:
    """Return the reason why a text is not JSON, and the place. The reason quotes at most one character."""
    at = f"column {error.colno}" if "\n" not in error.doc else f"line {error.lineno}, column {error.colno}"
    return f"{error.msg.removesuffix(' at')}, at {at}"


def _read_file(path: str) -> Any:
    from xmlrpc.client import Binary

    try:
        return Binary(_read(path))
    except OSError as error:
        raise OSError(f"{error}; to send text that begins with @, write @@") from error


def _read(path: str) -> bytes:
    try:
        if path == "-" and sys.stdin is None:
            raise OSError(errno.EBADF, "it is closed")
        if path == "-":
            return read_all(sys.stdin)
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OSError(f"names {path!r}, which cannot be read: {error.strerror}") from error


# -- JSON, with forms for the types that JSON does not have -----------------------------------------------------------


class _WrongForm(ValueError):
    """The text is JSON, but has an object that cannot be sent."""


def _from_json(text: str | bytes) -> Any:
    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_struct)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON does not have {name}")


def _struct(pairs: list[tuple[str, Any]]) -> Any:
    """Return the value of a JSON object: a struct, a date or binary data."""
    if len(pairs) == 1 and pairs[0][0] in _FORMS:
        name, value = pairs[0]
        return _FORMS[name](value)
    struct = dict(pairs)
    if len(struct) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _WrongForm(f"has an object with two members {twice!r}")
    return struct


def _date(text: Any) -> Any:
    from datetime import datetime
    from xmlrpc.client import DateTime

    found = _DATE.fullmatch(text) if isinstance(text, str) else None
    if found is not None:
        value = "{}{}{}T{}".format(*found.groups())
        with suppress(ValueError):
            datetime.strptime(value, "%Y%m%dT%H:%M:%S")
            return DateTime(value)
    raise _WrongForm(
        'has a $date that is not valid; accepted is {"$date": "2026-11-26T04:30:00"}, without a time zone, because '
        "XML-RPC has none"
    )


def _binary(text: Any) -> Any:
    import base64
    from xmlrpc.client import Binary

    try:
        return Binary(base64.b64decode(text.encode("ascii"), validate=True))
    except (AttributeError, ValueError):
        raise _WrongForm('has a $base64 that is not valid; accepted is {"$base64": "AAEC"}') from None


_FORMS = {"$date": _date, "$base64": _binary}


def _check_sendable(value: Any, allow_none: bool, allow_i8: bool) -> None:
    """Raise ValueError if XML-RPC cannot represent a value of JSON."""
    if isinstance(value, dict):
        for name, member in value.items():
            _check_sendable(name, allow_none, allow_i8)
            _check_sendable(member, allow_none, allow_i8)
    elif isinstance(value, list):
        for member in value:
            _check_sendable(member, allow_none, allow_i8)
    elif value is None and not allow_none:
        raise ValueError("holds null, which XML-RPC lacks: --allow-none sends <nil/>, which some servers accept")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(
            f"holds {value}, which does not fit into a signed integer of 64 bits. To send text, write '\"{value}\"'"
        )
    elif isinstance(value, int) and not -(2**31) <= value < 2**31 and not allow_i8:
        raise ValueError(
            f"holds {value}; the integers of XML-RPC have 32 bits: --allow-i8 sends <i8>, which some servers accept. "
            f"To send text, write '\"{value}\"'"
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is too large")
    elif isinstance(value, str) and _NOT_IN_XML.search(value):
        raise ValueError("holds a character that XML does not allow: @FILE sends any bytes as binary data")


def as_json(value: Any) -> Any:
    """Convert the result of a method to JSON's types."""
    from xmlrpc.client import Binary, DateTime

    if isinstance(value, dict):
        return _members_as_json(value)
    if isinstance(value, (list, tuple)):
        return [as_json(member) for member in value]
    if isinstance(value, DateTime):
        return _iso(value.value)
    if isinstance(value, Binary):
        return _base64(value.data)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, (str, int, float)) else str(value)  # a Decimal


def _members_as_json(struct: dict[Any, Any]) -> dict[str, Any]:
    """Convert a struct. A server may name a member by a number, or by nothing; JSON has only texts as names."""
    members: dict[str, Any] = {}
    for name, member in struct.items():
        text = name if isinstance(name, str) else json.dumps(as_json(name)).strip('"')
        while text in members:  # 1 and "1" are different members: show both
            text += f" ({'text' if isinstance(name, str) else type(name).__name__})"
        members[text] = as_json(member)
    return members


def _iso(text: str) -> str:
    """Add the hyphens of ISO 8601 to a date of XML-RPC. Return any other text unchanged."""
    found = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})(T.*)", text)
    return "{}-{}-{}{}".format(*found.groups()) if found else text


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")
