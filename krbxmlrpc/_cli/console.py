"""Writes harmless text and readable JSON to the terminal. If the output cannot be written, `write` raises `Wrong`.

This module knows nothing about options, servers or methods.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
from typing import Any

READ = 64 * 1024
"""Read this many bytes of the input at a time."""


class Wrong(Exception):
    """The command cannot do its work. The message gives the reason."""


# Characters that a terminal may take for a command, that end a line or change the order of text, or that UTF-8 cannot
# encode. json.dumps itself escapes the characters below the space.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(f"[\0-\x08\x0b-\x1f]|{_UNPRINTABLE.pattern}")


def harmless(text: str) -> str:
    """Escape the characters that a terminal may not show as text."""
    return _CONTROL.sub(_escaped, text)


def showable(text: str, stream: Any) -> str:
    """Return harmless text in characters that the stream can encode."""
    return harmless(text) if can_show(text, stream) else ascii(text)[1:-1]


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def to_json(value: Any, stream: Any) -> str:
    """Return a value as readable JSON. If the stream cannot encode the text, escape all non-ASCII characters."""
    text = _UNPRINTABLE.sub(_escaped, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))
    return text if can_show(text, stream) else json.dumps(value, indent=2)


def can_show(text: str, stream: Any) -> bool:
    """Say whether a stream can encode a text."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def give_up(stream: Any) -> None:
    """Discard the output that a stream still holds.

    Otherwise, Python would try to write the output again at exit, and would exit with another status.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write(output: str | bytes, but: str = "") -> None:
    """Write all of it to standard output. If that fails, raise `Wrong` with a message that begins with `but`.

    If the reader has closed the pipe, raise BrokenPipeError instead.
    """
    try:
        write_all(sys.stdout, output)
    except OSError as error:
        give_up(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        raise Wrong(f"{but}the output cannot be written: {error.strerror}") from error


def write_all(stream: Any, output: str | bytes) -> None:
    """Write all of a text, or of bytes, to a stream of text. Raise OSError if a part cannot be written.

    A file may take only a part of the data: if it does not block, and if a signal interrupts the system call. Python
    writes the rest only if the stream has a buffer, and PYTHONUNBUFFERED takes the buffer away.
    """
    stream.flush()
    file = getattr(stream.buffer, "raw", stream.buffer)
    data = output.encode(stream.encoding, stream.errors) if isinstance(output, str) else output
    left = memoryview(data)
    while left:
        written = file.write(left)
        if written is None:  # the file does not block, and takes nothing now
            _wait(file, select.POLLOUT)
        left = left[written or 0 :]


def read_all(stream: Any) -> bytes:
    """Read all bytes of a stream of text that nobody has read from. A file that does not block may have none now."""
    file = getattr(stream.buffer, "raw", stream.buffer)
    data = bytearray()
    while True:
        part = file.read(READ)
        if part is None:
            _wait(file, select.POLLIN)
        elif not part:
            return bytes(data)
        else:
            data += part


def _wait(file: Any, event: int) -> None:
    ready = select.poll()
    ready.register(file, event)
    ready.poll()


def has_colours(stream: Any) -> bool:
    """Say whether output may be coloured: if the stream is a capable terminal and NO_COLOR is not set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in (None, "dumb")
