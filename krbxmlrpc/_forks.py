"""Notifies objects in a child process after `os.fork`, and delays forks while libraries hold locks.

This module knows only the method `after_fork` of the objects.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any

# Weak references, so that no global object keeps a transport and its connections alive.
_survivors: weakref.WeakSet[Any] = weakref.WeakSet()


def survives_forks(survivor: Any) -> None:
    """Call the method `after_fork` of an object in every child process that is forked while the object lives.

    The call comes before `os.fork` returns in the child. The thread that forked is the only one in the child. A
    lock that another thread held stays held forever, so `after_fork` has to replace locks.
    """
    _survivors.add(survivor)


def _tell() -> None:
    for survivor in list(_survivors):
        survivor.after_fork()


PATIENCE = 10.0
"""A fork waits at most this many seconds for threads inside `no_fork`: a thread may wait for an unreachable KDC. A
thread that wants to enter waits at most as long for a fork."""


class _NoFork:
    """The class of `no_fork`. Entering and leaving are cheap: the fork does the work."""

    def __init__(self) -> None:
        self._inside: set[int] = set()  # threads
        self._open = threading.Event()
        self._open.set()
        self._forking = threading.Lock()

    def __enter__(self) -> None:
        thread = threading.get_ident()
        self._inside.add(thread)
        while not self._open.is_set():  # checked only after the line above, so no fork can miss this thread
            self._inside.discard(thread)
            waited = self._open.wait(PATIENCE)
            self._inside.add(thread)
            if not waited:
                break  # the forking thread may wait for a lock that this thread holds

    def __exit__(self, *error: object) -> None:
        self._inside.discard(threading.get_ident())

    def before_fork(self) -> None:
        """Let no thread in, and wait until all threads inside have left."""
        self._forking.acquire()
        self._open.clear()
        deadline = time.monotonic() + PATIENCE
        while self._inside - {threading.get_ident()} and time.monotonic() < deadline:
            time.sleep(0.001)

    def after_fork_in_parent(self) -> None:
        """Let threads in again."""
        self._open.set()
        self._forking.release()

    def after_fork(self) -> None:
        """Start afresh in a child process."""
        self.__init__()  # type: ignore[misc]


no_fork = _NoFork()
"""Use ``with no_fork:`` for a call to a library that has locks of its own and lets other threads run during the call.
A child process could not replace these locks, so a fork waits for the end of the call.
"""

survives_forks(no_fork)
os.register_at_fork(before=no_fork.before_fork, after_in_parent=no_fork.after_fork_in_parent, after_in_child=_tell)
