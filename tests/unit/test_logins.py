"""The logins of a transport: one thread logs in for all, no thread waits for ever, and no thread waits for itself."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from helpers import DEADLINE, Threads, in_child
from interruptions import interrupt

from krbxmlrpc import NoCredentials
from krbxmlrpc._negotiate.logins import Logins


class Watched:
    """A lock that tells when somebody comes for it."""

    def __init__(self):
        self.came = threading.Semaphore(0)
        self._lock = threading.RLock()
        self.release = self._lock.release

    def acquire(self, timeout):
        self.came.release()
        return self._lock.acquire(timeout=timeout)


@pytest.mark.parametrize("fails", [False, True])
def test_threads_share_one_login_unless_it_fails(fails):
    logins = Logins()
    lock = logins._locks["hub"] = Watched()
    began = []

    def log_in():
        began.append(None)
        if len(began) == 1:
            for _ in range(8):
                assert lock.came.acquire(timeout=DEADLINE)  # all have come before it ends
            if fails:
                raise NoCredentials("no ticket")

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(logins.once, "hub", 0, log_in, DEADLINE) for _ in range(8)]
    assert len([each for each in done if each.exception()]) == fails
    assert [each.result() for each in done if not each.exception()] == [True] * (8 - fails)
    assert len(began) == 1 + fails
    assert logins.once("hub", 0, log_in, DEADLINE)
    assert len(began) == 1 + fails
    assert logins.once("hub", logins.count("hub"), log_in, DEADLINE)
    assert len(began) == 2 + fails


@contextmanager
def login_of_another_thread(logins):
    """Inside the ``with`` block, another thread logs in at ``hub``. At the end of the block, that login succeeds."""
    began, over = threading.Event(), threading.Event()

    def log_in():
        began.set()
        assert over.wait(DEADLINE)

    other = Threads(lambda: logins.once("hub", 0, log_in, DEADLINE))
    assert began.wait(DEADLINE)
    try:
        yield
    finally:
        over.set()
    assert other.results() == [True]


def test_no_thread_waits_for_ever_for_the_login_of_another():
    logins = Logins()
    with login_of_another_thread(logins):
        assert not logins.once("hub", 0, pytest.fail, 0.001)
        assert logins.once("other", 0, int, 0.001)
    assert logins.once("hub", 0, pytest.fail, 0.001)


def test_a_thread_does_not_wait_for_its_own_login():
    """A signal handler makes a call during a login."""
    logins, began = Logins(), []

    def log_in():
        began.append(logins.count("hub"))
        if len(began) == 1:
            assert logins.once("hub", 0, log_in, DEADLINE)

    assert logins.once("hub", 0, log_in, DEADLINE)
    assert began == [0, 0]
    assert logins.count("hub") == 2


class Leaking(Logins):
    """Does the same, in the usual way."""

    def once(self, host, seen, log_in, patience):
        lock = self._locks.setdefault(host, threading.RLock())
        if not lock.acquire(timeout=patience):
            return False
        with lock:
            lock.release()
            return log_in()


@pytest.mark.parametrize("kind, is_safe", [(Logins, True), (Leaking, False)])
def test_an_interrupted_login_is_over(kind, is_safe):
    free = []
    for number in itertools.count():
        logins = kind()
        work = lambda logins=logins: logins.once("hub", 0, int, DEADLINE)  # noqa: E731
        if not interrupt(work, [kind.once], number, after_calls=True):
            break
        free += Threads(lambda logins=logins: logins.once("hub", logins.count("hub"), lambda: True, 0.001)).results()
    assert len(free) >= 4
    assert all(free) is is_safe


def test_a_login_of_another_thread_is_over_in_a_child():
    logins = Logins()
    with login_of_another_thread(logins):
        assert in_child(lambda: logins.once("hub", 0, int, 0.001))
