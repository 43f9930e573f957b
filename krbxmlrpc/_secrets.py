"""Text and bytes whose `repr` is blank.

Error reporters collect the `repr` of the local variables of each frame. So a token, a cookie or a password has one of
these types from the line where it comes into being. The types are text and bytes in every other respect: `str`,
f-strings, slices and joins give the plain value, and have to be wrapped again.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

Value = TypeVar("Value")


class Secret(str):
    """A text that `repr` does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class SecretBytes(bytes):
    """Bytes that `repr` does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class SecretBuffer(bytearray):
    """A buffer that `repr` does not show."""

    def __repr__(self) -> str:
        return "<secret>"


def hidden(value: Value) -> Value:
    """Return a text or bytes as a secret, and a list or tuple with all texts and bytes in it as secrets."""
    found: Any = value
    if type(found) is str:
        found = Secret(found)
    elif type(found) is bytes:
        found = SecretBytes(found)
    elif type(found) in (list, tuple):
        found = type(found)(map(hidden, found))
    return cast(Value, found)


def type_name(value: object) -> str:
    """Return the name of the type of a value, for a message. A secret is text or bytes there."""
    kind = type(value)
    return (kind.__bases__[0] if kind in (Secret, SecretBytes) else kind).__name__
