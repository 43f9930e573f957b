"""The logins of one transport: one thread logs in for all threads. The module knows neither HTTP nor cookies."""

from __future__ import annotations

import threading
from typing import Callable

from .._forks import survives_forks


class Logins:
    """Counts the logins at each host, and lets one thread at a time log in there."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        # Reentrant: a signal handler may make a call during a login of the same thread, and that call may log in.
        self._locks: dict[str, threading.RLock] = {}
        survives_forks(self)

    def count(self, host: str) -> int:
        """Return the count of logins at a host."""
        return self._counts.get(host, 0)

    def once(self, host: str, seen: int, log_in: Callable[[], object], patience: float) -> bool:
        """Log in, unless a login has succeeded since the count of logins was `seen`.

        Args:
            host: ``host:port``.
            seen: the count of logins when the caller found that it needs one.
            log_in: logs in.
            patience: seconds to wait for the login of another thread.

        Returns:
            True if there has been a login; False if the login of another thread has not ended in time.
        """
        lock = self._locks.setdefault(host, threading.RLock())
        release = lock.release
        try:
            if not lock.acquire(timeout=patience):
                return False
            if self.count(host) == seen:
                log_in()
                self._counts[host] = self.count(host) + 1
            return True
        finally:
            # A signal handler may raise an exception just after `acquire` has returned. So only `release` itself can
            # tell whether this thread holds the lock. It raises RuntimeError if not.
            try:
                release()
            except RuntimeError:
                pass

    def after_fork(self) -> None:
        """Make new locks in a child process: the child lacks the other threads, and one may have held a lock."""
        self._locks = {}
