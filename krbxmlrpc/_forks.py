"""Tells objects that they are in a new process now, after `os.fork`, and lets no fork come where that would not help.

It knows nothing of what they are.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any, Set

# Weak, so that nothing global keeps a transport, and with it its connections, from being forgotten.
_survivors: "weakref.WeakSet[Any]" = weakref.WeakSet()


def survives_forks(survivor: Any) -> None:
    """Have the method `after_fork` of an object called in every child process that is forked while the object lives.

    It is called before anything else runs in the child. There the thread that forked is the only one: what others held
    stays held, so locks have to be made anew.
    """
    _survivors.add(survivor)


def _tell() -> None:
    for survivor in list(_survivors):
        survivor.after_fork()


PATIENCE = 10.0
"""Seconds that a fork waits, at most, for threads inside `no_fork`: one may wait for a KDC that is not there."""


class _NoFork:
    """What `no_fork` is. To enter and to leave it costs next to nothing: it is the fork that takes the trouble."""

    def __init__(self) -> None:
        self._inside: Set[int] = set()  # threads
        self._open = threading.Event()
        self._open.set()
        self._forking = threading.Lock()

    def __enter__(self) -> None:
        thread = threading.get_ident()
        self._inside.add(thread)
        while not self._open.is_set():  # looked at only after the line above: no fork can miss this thread
            self._inside.discard(thread)
            waited = self._open.wait(PATIENCE)
            self._inside.add(thread)
            if not waited:
                break  # the fork may be waiting for this thread itself, by a lock that it holds

    def __exit__(self, *error: object) -> None:
        self._inside.discard(threading.get_ident())

    def before_fork(self) -> None:
        """Let no thread in, and wait until those that are inside have left."""
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
        """Begin anew, in a child process."""
        self.__init__()  # type: ignore[misc]


no_fork = _NoFork()
"""Entered by ``with`` for a call to a library that lets other threads run meanwhile and has locks of its own: a child
could not make those anew, so a fork waits for the end of the call.
"""

survives_forks(no_fork)
os.register_at_fork(before=no_fork.before_fork, after_in_parent=no_fork.after_fork_in_parent, after_in_child=_tell)
