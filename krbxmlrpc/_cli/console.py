"""Writes to the terminal: text that a terminal shows as it is, JSON that a person can read, and the errors of output.

It knows nothing of options, servers and methods.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any, Union


class Wrong(Exception):
    """What the command line asks for cannot be done; the message says why."""


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
