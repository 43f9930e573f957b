"""What a person at a terminal types and reads: arguments as JSON or text, results as JSON, and text that does no harm.

Plain functions; what is written goes by `write`. It knows nothing of options and servers.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import sys
from typing import Any, List, NoReturn, Sequence, Union


class Wrong(Exception):
    """What the command line asks for cannot be done; the message says why."""


# -- arguments and results of a method --------------------------------------------------------------------------------

_NOT_IN_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, section 2.2


def read_arguments(texts: Sequence[str], allow_none: bool) -> List[Any]:
    """Return what the arguments of a method stand for, for `xmlrpc.client.dumps`; raise `Wrong` where one is wrong."""
    if texts.count("@-") > 1:
        raise Wrong("standard input, @-, can be read only once")
    values = []
    for number, text in enumerate(texts, 1):
        try:
            value = _read_argument(text)
            _check_sendable(value, allow_none)
        except RecursionError:
            raise Wrong(f"ARG {number} is nested too deep") from None
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
        raise OSError(f"names {path!r}, which cannot be read: {error.strerror}; @@ stands for an @") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON does not have {name}")


def _check_sendable(value: Any, allow_none: bool) -> None:
    """Raise ValueError where a value of JSON is none that XML-RPC has."""
    if isinstance(value, dict):
        for name, member in value.items():
            _check_sendable(name, allow_none)
            _check_sendable(member, allow_none)
    elif isinstance(value, list):
        for member in value:
            _check_sendable(member, allow_none)
    elif value is None and not allow_none:
        raise ValueError("holds null, which XML-RPC does not have: --allow-none sends <nil/>, which some servers know")
    elif isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise ValueError(f"holds {value}; the integers of XML-RPC have 32 bits. Quoted, '\"{value}\"', it is text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that is too large")
    elif isinstance(value, str) and _NOT_IN_XML.search(value):
        raise ValueError("holds a character that XML does not have: @FILE sends any bytes, as binary data")


def as_json(value: Any) -> Any:
    """Return what a method returned as values that JSON has."""
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
    return value if value is None or isinstance(value, (str, int, float)) else str(value)  # a decimal number


def _iso(text: str) -> str:
    """Return a date of XML-RPC, which is like ISO 8601 but for the hyphens; another is left as it is."""
    found = re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})(T.*)", text)
    return "{}-{}-{}{}".format(*found.groups()) if found else text


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")


# -- what is printed --------------------------------------------------------------------------------------------------

# What a terminal may take for a command, or show in another order. JSON has escaped what is below a space.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(f"[\0-\x08\x0b-\x1f]|{_UNPRINTABLE.pattern}")


def harmless(text: str) -> str:
    """Return text that a terminal shows as it is."""
    return _CONTROL.sub(_escaped, text)


def showable(text: str, stream: Any) -> str:
    """Return text that a terminal shows as it is, and that this stream can show."""
    return harmless(text) if can_show(text, stream) else ascii(text)[1:-1]


def _escaped(found: "re.Match[str]") -> str:
    return f"\\u{ord(found[0]):04x}"


def to_json(value: Any, stream: Any) -> str:
    """Return values as JSON that a person can read, as far as this stream can show it."""
    text = _UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))
    return text if can_show(text, stream) else json.dumps(value, indent=2)


def can_show(text: str, stream: Any) -> bool:
    """Say whether a stream can show this."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def give_up(stream: Any) -> None:
    """Have what a stream still holds go nowhere: Python would try again at its end, and exit with a status of its own.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write(output: Union[str, bytes], but: str = "") -> None:
    """Write to standard output; `but` is said before the reason where that cannot be done."""
    try:
        if isinstance(output, bytes):
            sys.stdout.buffer.write(output)
        else:
            sys.stdout.write(output)
        sys.stdout.flush()
    except OSError as error:
        give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise Wrong(f"{but}the output cannot be written: {error.strerror}") from error


def has_colours(stream: Any) -> bool:
    """Say whether what goes there may be coloured: to a terminal that can do it, where nobody objects (NO_COLOR)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in (None, "dumb")
