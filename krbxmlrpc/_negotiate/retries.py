"""Decides whether to repeat a failed call: plain functions, without I/O.

XML-RPC calls can change things. So a call is repeated only if it certainly did not run, or if the caller declared that
it may run twice.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple, Union

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
from .http_errors import retry_after
from .policy import PASSING

MAX_RETRIES = 100
"""The most repetitions that a caller can ask for."""

MAX_WAIT = 3600.0
"""The longest wait before a repetition, in seconds. Waits double up to this limit."""

MAX_RETRY_AFTER = 300.0
"""The longest wait that a server can ask for by ``Retry-After``, in seconds. If it asks for more, the call fails.

Nobody may have verified the reply, so this bounds how long somebody on the way can hold up a call with one reply.
"""

IDEMPOTENT = "a collection of method names, a function that is given a method name, or True"
"""The accepted values of ``idempotent``, for errors."""

Idempotent = Union[bool, Collection[str], Callable[[str], object]]


class Retries(NamedTuple):
    """How often to repeat a call, how long to wait before that, and which methods may run twice."""

    most: int
    interval: float
    is_idempotent: Callable[[str | None], object]
    """Says whether a method may run twice. Its argument is the method's name, or None if the name is unknown."""

    def wait(
        self, error: KerberosXMLRPCError, done: int, name: str | None, time_left: float = math.inf
    ) -> float | None:
        """Return how many seconds to wait before the call is repeated; None if it must not be repeated.

        Args:
            error: the failure of the call.
            done: the number of repetitions so far.
            name: the method's name; None if it is unknown.
            time_left: seconds until the deadline of the call. No wait is longer.
        """
        if done >= self.most or not self._may_repeat(error, name):
            return None
        seconds = min(self.interval * 2.0**done, MAX_WAIT)
        asked = retry_after(error.headers, datetime.now(timezone.utc)) if isinstance(error, UnexpectedStatus) else None
        if asked is not None and asked > seconds:
            seconds = asked if asked <= MAX_RETRY_AFTER else math.inf
        return seconds if seconds < time_left and seconds < math.inf else None

    def _may_repeat(self, error: KerberosXMLRPCError, name: str | None) -> bool:
        if isinstance(error, UnexpectedStatus):
            return error.errcode in PASSING and (error.at_login or bool(self.is_idempotent(name)))
        if isinstance(error, CallOutcomeUnknown):
            return error.hook is None and bool(self.is_idempotent(name))
        # The call was not sent. (CertificateRejected is not ServerUnreachable: a repetition would fail again.)
        return isinstance(error, ServerUnreachable)


NEVER = Retries(0, 0.0, bool)
"""The rule that repeats nothing."""


def is_answer(error: KerberosXMLRPCError) -> bool:
    """Say whether the server's answer made the call fail, so that the error is the outcome.

    A 401 is no outcome, nor is a status that passes: such a reply does not tell what became of an earlier attempt.
    """
    if error.at_login:
        return False
    if isinstance(error, UnexpectedStatus):
        return error.errcode != 401 and error.errcode not in PASSING
    if isinstance(error, CallOutcomeUnknown):  # a broken reply is an InvalidResponse, too
        return False
    return isinstance(error, (MutualAuthenticationError, InvalidResponse))


def is_idempotent(idempotent: Any) -> Callable[[str | None], object]:
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
