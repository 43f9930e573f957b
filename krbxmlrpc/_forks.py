"""Notifies objects in a child process after `os.fork`, and delays forks while libraries hold locks.

This module knows only the method `after_fork` of the objects. A signal handler can run at any point of this module, and
can fork, make a call, or raise an exception. So there is no lock here. A thread's stack shows whether the thread is
inside, and C code counts the forks, so that no exception can leave wrong data behind.
"""

from __future__ import annotations

import _thread
import concurrent.futures.thread
import functools
import itertools
import os
import signal
import sys
import threading
import time
import weakref
from types import CodeType, FrameType
from typing import Any, Callable, TypeVar

# Weak references, so that no global object keeps a transport and its connections alive.
_survivors: weakref.WeakSet[Any] = weakref.WeakSet()


def survives_forks(survivor: Any) -> None:
    """Call the method `after_fork` of an object in every child process that is forked while the object lives.

    The call comes before `os.fork` returns in the child. The thread that forked is the only one in the child. A
    lock that another thread held stays held forever, so `after_fork` has to replace locks. If a signal handler raises
    an exception during the calls, all calls come again.
    """
    _survivors.add(survivor)


def _notify() -> None:
    for survivor in list(_survivors):
        survivor.after_fork()


def _notify_in_child() -> None:
    try:
        _notify()
    except BaseException:
        _notify()
        raise


PATIENCE = 10.0
"""A fork waits at most this many seconds for threads inside `no_fork`: a thread may wait for an unreachable KDC. A
thread that wants to enter waits at most as long for a fork."""

PAUSE = 0.001
"""Seconds between two looks of a waiting thread. It waits for no `threading.Event`: an event has a lock, and a signal
handler that needs the lock would wait for the code that it interrupts."""

Result = TypeVar("Result")

_CLOSED: Any = object()

_forks: list[None] = []
"""One entry for each fork that has begun and not ended in this process. The functions of `os.register_at_fork` change
it below. They are written in C, so no signal handler can interrupt them."""


class _NoFork:
    """The class of `no_fork`. Calls are cheap: the fork does the work."""

    def __init__(self) -> None:
        self._interruptions: dict[int, list[BaseException]] = {}  # by thread
        self._armed: list[tuple[()]] = []

    def __call__(self, step: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Call a function, and let no fork happen during the call.

        If another thread is about to fork, the call comes after the fork.
        """
        result: Result = self._inside(step, arguments, options)
        if result is _CLOSED:
            deadline = time.monotonic() + PATIENCE
            while result is _CLOSED:
                time.sleep(PAUSE)
                # After the deadline, call anyway: the forking thread may wait for a lock that this thread holds.
                result = self._inside(step, arguments, options, in_any_case=time.monotonic() >= deadline)
        return result

    def _inside(self, step: Callable[..., Any], arguments: Any, options: Any, in_any_case: bool = False) -> Any:
        """Call a function, or return `_CLOSED`. While a thread executes this method, it is inside."""
        # Check this only here: a fork that begins after the check finds this thread inside. If this thread has been
        # inside before, the fork waits for it; if this thread forks, it must not wait for itself.
        if _forks and not in_any_case and not _runs(sys._getframe(1), _INSIDE, _BEFORE_FORK):
            return _CLOSED
        return step(*arguments, **options)

    def is_inside(self, thread: int) -> bool:
        """Say whether a thread is inside."""
        return _runs(sys._current_frames().get(thread), _INSIDE)

    def before_fork(self) -> None:
        """Wait until all other threads inside have left.

        Python would only print an exception that leaves this method. So if a signal handler raises an exception, go on
        waiting, because the child has to be sound, and raise the exception in the parent after the fork.
        """
        deadline = time.monotonic() + PATIENCE
        is_over = False
        while not is_over:
            try:
                is_over = time.monotonic() >= deadline or not self._has_to_wait()
                if not is_over:
                    time.sleep(PAUSE)
            except BaseException as error:
                if threading.get_ident() != threading.main_thread().ident:  # the error comes from no signal handler
                    raise
                self._interrupt_after_fork()
                self._interruptions[threading.get_ident()] = [error]

    def _has_to_wait(self) -> bool:
        """Say whether a thread is inside that does not wait for a fork itself."""
        frames = sys._current_frames().values()
        return any(_runs(frame, _INSIDE) and not _runs(frame, _BEFORE_FORK) for frame in frames)

    def _interrupt_after_fork(self) -> None:
        """Let the process get SIGINT at the very end of the fork, in the parent.

        Python runs a signal handler as soon as it executes Python code. So the interrupt has to come after all other
        functions for forks. A function that is registered now is the last one. This function must not be Python code,
        either: `next` calls `interrupt_main` once, and does nothing in later forks.
        """
        self._armed = [()]
        interrupt = itertools.starmap(_thread.interrupt_main, self._armed)
        os.register_at_fork(after_in_parent=functools.partial(next, interrupt, None))

    def after_fork_in_parent(self) -> None:
        """Prepare the interrupt, if a signal handler has raised an exception before the fork."""
        interruption = self._interruptions.pop(threading.get_ident(), None)
        if interruption is not None:
            _raise_at_interrupt(interruption)

    def after_fork(self) -> None:
        """Forget the interruption in a child process: only the parent raises it."""
        self._armed.clear()
        self._interruptions.clear()


no_fork = _NoFork()
"""Use ``no_fork(function, …)`` to call a function of a library that has locks of its own and lets other threads run
during the call. A child process could not replace these locks, so a fork waits for the end of the call.
"""

_INSIDE = _NoFork._inside.__code__
_BEFORE_FORK = _NoFork.before_fork.__code__


def _runs(frame: FrameType | None, *codes: CodeType) -> bool:
    """Say whether a frame, or a frame that has called it, executes one of these functions."""
    while frame is not None and frame.f_code not in codes:
        frame = frame.f_back
    return frame is not None


def _raise_at_interrupt(interruption: list[BaseException]) -> None:
    """Raise an exception in the main thread at the next SIGINT, instead of the usual reaction.

    Args:
        interruption: the exception. It is taken out of this list, because its traceback would refer to the list.
    """

    def raise_it(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, former)
        raise interruption.pop()

    former = signal.getsignal(signal.SIGINT)
    if former is None:  # the handler is not Python's, and could not be restored
        raise interruption.pop()
    signal.signal(signal.SIGINT, raise_it)


survives_forks(no_fork)
# concurrent.futures holds a lock during a fork. If a fork held it while it waits in `before_fork`, a fork in a signal
# handler of the same thread would wait for it forever. Of the functions `before`, the one registered last runs first,
# so that module has to be loaded before this point.
assert concurrent.futures.thread
# The functions `before` run in the opposite order, so the entry in `_forks` comes first and also goes first.
os.register_at_fork(after_in_parent=functools.partial(_forks.__delitem__, slice(-1, None)), after_in_child=_forks.clear)
os.register_at_fork(
    before=no_fork.before_fork, after_in_parent=no_fork.after_fork_in_parent, after_in_child=_notify_in_child
)
os.register_at_fork(before=functools.partial(_forks.append, None))
