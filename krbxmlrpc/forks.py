"""Tells objects that they are in a new process now, after `os.fork`; knows nothing of what they are."""

from __future__ import annotations

import os
import weakref
from typing import Any

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


os.register_at_fork(after_in_child=_tell)
