"""Decides whether a call that failed is made again: plain functions, without I/O.

XML-RPC calls change things, so a call is repeated only where it certainly did not run, or where the caller declared
that it may run twice.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, NamedTuple, Optional, Union

from .._checks import checked
from .._hints import Hint
from ..errors import (
    CallOutcomeUnknown,
    InvalidResponse,
    KerberosXMLRPCError,
    MutualAuthenticationError,
    ServerUnreachable,
    UnexpectedStatus,
)

MAX_RETRIES = 100
"""How many repetitions can be asked for."""

MAX_WAIT = 3600.0
"""Seconds that a wait before a repetition does not exceed, however often it was doubled."""

IDEMPOTENT = "a collection of method names, a function that is given a method name, or True"
"""The accepted values of ``idempotent``, for errors."""

Idempotent = Union[bool, Collection[str], Callable[[str], object]]


class Retries(NamedTuple):
    """How often, after what time, and for which methods."""

    most: int
    interval: float
    is_idempotent: Callable[[Optional[str]], object]
    """Given the method, None where it cannot be told."""

    def wait(self, error: KerberosXMLRPCError, done: int, name: Optional[str]) -> Optional[float]:
        """Return for how many seconds to wait before the call is made again; None: it must not be.

        Args:
            error: how it failed.
            done: how often it has been repeated already.
            name: the method, None where it cannot be told.
        """
        if done >= self.most:
            return None
        if isinstance(error, CallOutcomeUnknown):
            repeatable = bool(self.is_idempotent(name))
        else:
            # It was not sent. (A certificate that is refused will be refused a moment later, too.)
            repeatable = isinstance(error, ServerUnreachable)
        return min(self.interval * 2.0**done, MAX_WAIT) if repeatable else None


NEVER = Retries(0, 0.0, bool)
"""The rule that repeats nothing."""


def is_answer(error: KerberosXMLRPCError) -> bool:
    """Say whether a call failed by what the server answered to it, so that this is its outcome; no 401 is."""
    if error.at_login:
        return False
    if isinstance(error, UnexpectedStatus):
        return error.errcode != 401
    if isinstance(error, CallOutcomeUnknown):  # a broken reply is an InvalidResponse, too
        return False
    return isinstance(error, (MutualAuthenticationError, InvalidResponse))


def is_idempotent(idempotent: Any) -> Callable[[Optional[str]], object]:
    """Return the argument ``idempotent`` as a function of the method's name; TypeError if the argument is wrong."""
    if idempotent is True:
        return lambda name: True
    if callable(idempotent):
        return lambda name: name is not None and idempotent(name)
    if isinstance(idempotent, (str, bytes, bytearray)) or not isinstance(idempotent, Collection):
        shown = repr(idempotent)
        raise TypeError(Hint("{name.idempotent} is {shown}; accepted is {accepted}", shown=shown, accepted=IDEMPOTENT))
    for name in idempotent:
        checked("idempotent", name, IDEMPOTENT, (str,))
    return frozenset(idempotent).__contains__
