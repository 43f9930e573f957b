"""Keeps the open connections of one transport between calls.

A connection belongs to one call at a time. The call takes the connection out of the pool, uses it, and releases it.
The pool keeps the connection only if its reply has been read to the end, else drops it. So the next call never meets a
half-read reply.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import Callable, NamedTuple

from .._forks import survives_forks
from .connection import Connection
from .time_limits import Deadline

MAX_IDLE = 32
"""Keep at most this many idle connections for one server."""

LOOK_AFTER = 5.0
"""Check unused connections after this many seconds. Apache's default is to close them by then."""


class _Idle(NamedTuple):
    """A connection that no call uses."""

    connection: Connection
    since: float
    """The time when the connection became idle, by the monotonic clock (seconds)."""


class Pool:
    """The connections of one transport. Any thread may take an idle connection, and then uses it alone.

    There is no lock: every change of shared data is a single step that the interpreter does not divide.
    """

    def __init__(self) -> None:
        self._idle: dict[str, deque[_Idle]] = {}
        self._open: weakref.WeakSet[Connection] = weakref.WeakSet()  # including those in use
        self._current: weakref.WeakSet[Connection] = weakref.WeakSet()  # those opened since the last `close`
        survives_forks(self)

    def acquire(self, netloc: str, opener: Callable[[str], Connection], deadline: Deadline | None = None) -> Connection:
        """Return a connection to ``host:port`` that can take a request: the last one released, or a new one.

        Args:
            opener: makes a new connection. The pool does not keep the opener, because a reference cycle with the
                transport would keep both alive.
            deadline: the deadline of the call, or None. It limits the setup of a new connection, and all operations
                until the connection is released.

        Raises:
            ServerUnreachable, CertificateRejected: a new connection is needed, and connecting failed.
        """
        limits = () if deadline is None else (deadline,)
        idle = self._idle.get(netloc)
        while idle:
            try:
                connection = idle.pop().connection
            except IndexError:  # another thread was quicker
                break
            if connection.is_usable():
                connection.limits = limits
                return connection
            self._drop(connection)
        current = self._current
        connection = opener(netloc)
        connection.limits = limits
        self._open.add(connection)
        current.add(connection)
        connection.connect()
        return connection

    def release(self, netloc: str, connection: Connection) -> None:
        """Take a connection back. Keep it if its reply has been read to the end, else drop it."""
        if not connection.is_reusable():
            self._drop(connection)
            return
        connection.rest()
        idle = self._idle.setdefault(netloc, deque())
        idle.append(_Idle(connection, time.monotonic()))
        self._drop_oldest_if_over(idle)
        # Check the limit and `close` only now, when other threads can see this connection. If another thread has
        # added a connection or called `close` before this point, this thread sees the change. If another thread does so
        # later, that thread sees this connection.
        while len(idle) > MAX_IDLE:
            self._drop_oldest(idle)
        if connection not in self._current:
            self._close_idle()

    def _drop_oldest_if_over(self, idle: deque[_Idle]) -> None:
        """Drop the connection that has been idle for longest if it is no longer usable. Later calls check the next one.

        Each check costs a system call, so check only one connection at a time, and only after `LOOK_AFTER`.
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

    def _drop_oldest(self, idle: deque[_Idle]) -> None:
        try:
            self._drop(idle.popleft().connection)
        except IndexError:  # another thread was quicker
            pass

    def _drop(self, connection: Connection) -> None:
        """Close a connection for good."""
        self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close all idle connections now, and those in use when their calls end. Later calls open new connections."""
        self._current = weakref.WeakSet()
        self._close_idle()

    def _close_idle(self) -> None:
        for idle in list(self._idle.values()):
            while idle:
                self._drop_oldest(idle)

    def after_fork(self) -> None:
        """Let a child process go on without the parent's connections, and leave these open in the parent.

        The thread that forked may be making a call. In the child, this call fails.
        """
        self._close_idle()
        for connection in list(self._open):
            connection.disconnect()

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    __del__ = close
