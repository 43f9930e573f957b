"""Checks one value. The error names the argument, its value and the accepted values. The module knows no arguments."""

from __future__ import annotations

from typing import Any, Callable, TypeVar

from ._hints import Hint, subject

Value = TypeVar("Value")


def checked(
    name: str,
    value: Value,
    accepted: str,
    types: tuple[type[Any], ...],
    valid: Callable[[Any], object] = lambda value: True,
) -> Value:
    """Return `value` if it has one of the `types` and `valid` accepts it, else raise TypeError or ValueError.

    Args:
        name, accepted: the argument's name and the accepted values, for the message.
        types: the accepted types. A bool is accepted only if bool is among them; int does not include it.
    """
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise TypeError(_message(name, value, accepted))
    if not valid(value):
        raise ValueError(_message(name, value, accepted))
    return value


def _message(name: str, value: object, accepted: str) -> Hint:
    shown = repr(value)
    return Hint("{subject} is {shown}; accepted is {accepted}", subject=subject(name), shown=shown, accepted=accepted)
