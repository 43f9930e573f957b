"""Turns: one thread works, others that want the same wait, and nobody else does."""

import threading

import pytest
from helpers import DEADLINE, Threads, in_child

from krbxmlrpc._kerberos.turns import Turns


def test_a_thread_waits_only_for_the_same_work():
    turns, begun, may_end, done = Turns(), threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        assert may_end.wait(DEADLINE)
        done.append("slow")

    first = Threads(lambda: turns("one", slow))
    assert begun.wait(DEADLINE)
    second = Threads(lambda: turns("one", done.append, "after it"))
    turns("another", done.append, "beside it")
    assert done == ["beside it"] and second.are_alive()
    may_end.set()
    first.join()
    second.join()
    assert done == ["beside it", "slow", "after it"]


def test_a_thread_does_not_wait_for_itself():
    """A signal handler can want the same as the code that it interrupts."""
    turns = Turns()
    assert turns("one", turns, "one", str, 17) == "17"
    assert turns("one", str, 18) == "18"


def test_work_that_fails_is_over():
    turns = Turns()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            turns("one", lambda: 1 // 0)
    assert turns("one", str, 17) == "17"


def test_a_child_does_not_wait_for_threads_of_its_parent():
    turns, begun, may_end = Turns(), threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert may_end.wait(DEADLINE)

    other = Threads(lambda: turns("one", slow))
    assert begun.wait(DEADLINE)
    assert in_child(lambda: turns("one", str, 17)) == "17"
    may_end.set()
    other.join()


def test_a_wait_ends_in_a_child_that_is_forked_meanwhile():
    """A signal handler can fork while the thread that it interrupts waits, and then the wait goes on in the child."""

    class Forked(threading.Event):
        def wait(self, timeout=None):
            turns.after_fork()
            return False  # the other thread does not exist here

    turns, begun, may_end = Turns(), threading.Event(), threading.Event()
    other = Threads(lambda: turns("one", lambda: begun.set() or may_end.wait(DEADLINE)))
    assert begun.wait(DEADLINE)
    turns._turns["one"].done = Forked()
    assert turns("one", str, 17) == "17"
    may_end.set()
    assert other.results() == [True]
