"""Keeps the open connections of one transport between calls.

A connection belongs to one call at a time: it is taken out of the idle ones, used, and released once the reply has
been read to its end; in any other state it is dropped. So the next call never meets a half-read reply.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import Callable, Deque, Dict, NamedTuple

from .._forks import survives_forks
from .connection import Connection

MAX_IDLE = 32
"""How many idle connections are kept for one server."""

LOOK_AFTER = 5.0
"""Seconds after which it is looked whether a connection that nobody needs is still open; Apache closes it by then."""


class _Idle(NamedTuple):
    """A connection that no call uses."""

    connection: Connection
    since: float
    """When it became idle, by the monotonic clock (seconds)."""


class Pool:
    """The connections of one transport. Any thread may take an idle one: it is then that thread's alone.

    There is no lock: all that threads share is changed in single steps that the interpreter does not divide.
    """

    def __init__(self) -> None:
        self._idle: Dict[str, Deque[_Idle]] = {}
        self._open: "weakref.WeakSet[Connection]" = weakref.WeakSet()  # those in use, too
        self._current: "weakref.WeakSet[Connection]" = weakref.WeakSet()  # those opened since all were closed
        survives_forks(self)

    def acquire(self, netloc: str, opener: Callable[[str], Connection]) -> Connection:
        """Return a connection to ``host:port`` that can take a request: the last one released, or a new one.

        Args:
            opener: makes a new one. It is not kept: a reference cycle with the transport would keep both alive.

        Raises:
            ServerUnreachable, CertificateRejected: a new one is needed and cannot be had.
        """
        idle = self._idle.get(netloc)
        while idle:
            try:
                connection = idle.pop().connection
            except IndexError:  # another thread was quicker
                break
            if connection.is_usable():
                return connection
            self._drop(connection)
        current = self._current
        connection = opener(netloc)
        self._open.add(connection)
        current.add(connection)
        connection.connect()
        return connection

    def release(self, netloc: str, connection: Connection) -> None:
        """Take a connection back: keep it if its reply has been read to its end, else drop it."""
        if not connection.is_reusable():
            self._drop(connection)
            return
        connection.rest()
        idle = self._idle.setdefault(netloc, deque())
        idle.append(_Idle(connection, time.monotonic()))
        self._drop_oldest_if_over(idle)
        # Only now, when nothing is held that another thread could not see, is it certain what others have changed.
        while len(idle) > MAX_IDLE:
            self._drop_oldest(idle)
        if connection not in self._current:
            self._close_idle()

    def _drop_oldest_if_over(self, idle: Deque[_Idle]) -> None:
        """Drop the connection that nobody has needed for longest, if the server has closed it: others get their turn.

        Not more than one at a time, and not before it may well be over, because to look costs a system call.
        """
        try:
            if time.monotonic() < idle[0].since + LOOK_AFTER:
                return
            oldest = idle.popleft()
        except IndexError:
            return
        if oldest.connection.is_usable():
            idle.appendleft(oldest)
        else:
            self._drop(oldest.connection)

    def _drop_oldest(self, idle: Deque[_Idle]) -> None:
        try:
            self._drop(idle.popleft().connection)
        except IndexError:  # another thread was quicker
            pass

    def _drop(self, connection: Connection) -> None:
        """Close a connection that is not to be used again."""
        self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close all idle connections now, and those in use when their calls end; later calls open new ones."""
        self._current = weakref.WeakSet()
        self._close_idle()

    def _close_idle(self) -> None:
        for idle in list(self._idle.values()):
            while idle:
                self._drop_oldest(idle)

    def after_fork(self) -> None:
        """Let go, in a child process, of the parent's connections: closing them here leaves them open there."""
        self._idle = {}
        for connection in list(self._open):
            self._drop(connection)

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    __del__ = close
