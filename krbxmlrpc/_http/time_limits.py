"""Limits for the time that several operations take together. The module knows sockets only as objects with methods.

``timeout`` limits one operation on a socket. A peer that sends a byte now and then can stretch a reply without end.
So a `TimeLimit` counts the seconds of all operations, and `Timed` applies it to each of them.
"""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Callable

from .._hints import Hint
from .._secrets import SecretBytes

Clock = Callable[[], float]


class DeadlinePassed(socket.timeout):
    """The deadline of a call has passed."""


class TimeLimit:
    """Seconds that several operations may take together. They count from now on.

    Args:
        seconds: the seconds; None: the limit never passes.
        clock: returns the time, in seconds. Only differences count.
    """

    def __init__(self, seconds: float | None, clock: Clock = time.monotonic) -> None:
        self.seconds = math.inf if seconds is None else seconds
        self._clock = clock
        self._end = clock() + self.seconds

    def left(self) -> float:
        """Return the seconds that are left; 0 or less if the limit has passed."""
        return self._end - self._clock()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time inside the ``with`` block."""
        left = self.left()
        try:
            yield
        finally:
            self._end = self._clock() + left

    def error(self) -> OSError:
        """Return the error for an operation that meets the limit."""
        return socket.timeout(f"timed out after {self.seconds:g} seconds")


class Deadline(TimeLimit):
    """The time limit of a whole call, with its repetitions and logins."""

    def error(self) -> OSError:
        """Return the error for an operation that meets the deadline."""
        return DeadlinePassed(f"the deadline of {self.seconds:g} seconds passed")


def waiting_hint(error: Exception) -> Hint:
    """Return the part of a hint that names the argument which limits the setup of a connection."""
    if isinstance(error, DeadlinePassed):
        return Hint("{args.deadline} sets how long a call may take")
    return Hint("{args.connect_timeout} sets how long to wait")


def time_left(timeout: float | None, limits: Iterable[TimeLimit]) -> float | None:
    """Return the seconds that the next operation may take; None if nothing limits it.

    Args:
        timeout: the seconds that any operation may take, or None.
        limits: the limits for this operation and others together.

    Raises:
        OSError: a limit has passed; see `TimeLimit.error`.
    """
    seconds = math.inf if timeout is None else timeout
    for limit in limits:
        left = limit.left()
        if left <= 0:
            raise limit.error()
        seconds = min(left, seconds)
    return None if seconds == math.inf else seconds


class Timed:
    """A socket that sets its timeout before each operation, to the time that is left.

    Args:
        sock: the socket.
        timeout, limits: as for `time_left`.
    """

    def __init__(self, sock: Any, timeout: float | None, limits: Iterable[TimeLimit]) -> None:
        self._sock = sock
        self._timeout = timeout
        self._limits = tuple(limits)

    def run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        """Run an operation of the socket within the time that is left.

        Raises:
            OSError: from the operation; or from a limit that has passed, see `TimeLimit.error`.
        """
        self._sock.settimeout(time_left(self._timeout, self._limits))
        try:
            return operation(*arguments)
        except socket.timeout:
            time_left(self._timeout, self._limits)  # raises the error of a limit that has passed
            raise

    def recv(self, size: int) -> bytes:
        """Receive bytes."""
        return SecretBytes(self.run(self._sock.recv, size))

    def send(self, data: Any) -> int:
        """Send a part of the data; return the number of bytes."""
        sent: int = self.run(self._sock.send, data)
        return sent

    def sendall(self, data: Any) -> None:
        """Send all of the data."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self.send(left) :]
