"""Lets one thread do what several threads want, while the others wait for it.

No lock is held meanwhile, because the thread may wait for a KDC. So the other threads wait only if they need the same.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, TypeVar

from .._forks import survives_forks

Result = TypeVar("Result")


_LOOK_AFTER = 1.0
"""The seconds after which a waiting thread looks whether the other thread is still there."""


class _Turn:
    """A thread that is at work, and the event that its work is done."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.done = threading.Event()


class Turns:
    """The threads that are at work, by what they do."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}
        survives_forks(self)

    def __call__(self, what: str, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call a function. If another thread is at the same work, wait for its end, and then call the function."""
        own = _Turn()
        try:
            other = self._turns.setdefault(what, own)
            # A signal handler can interrupt this thread at its work, and want the same: it must not wait for itself.
            if other.thread != own.thread:
                # In a child that a signal handler has forked during this wait, the other thread does not exist.
                while self._turns.get(what) is other and not other.done.wait(_LOOK_AFTER):
                    pass
            return function(*arguments)
        finally:
            if self._turns.get(what) is own:
                del self._turns[what]
            own.done.set()

    def after_fork(self) -> None:
        """Forget the other threads in a child process."""
        self._turns = {}
