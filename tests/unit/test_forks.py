"""The gate that lets no fork happen in the middle of certain steps, also when signal handlers fork, call or raise."""

import concurrent.futures.thread  # noqa: F401  # its function for forks takes a lock
import gc
import itertools
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from helpers import DEADLINE, Threads, in_child
from interruptions import interrupt

from krbxmlrpc import _forks as forks
from krbxmlrpc._forks import no_fork

MAIN = threading.main_thread().ident


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let nothing pass because a wait is bounded."""
    monkeypatch.setattr(forks, "PATIENCE", 10 * DEADLINE)


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def while_a_fork_waits(do):
    """Start a thread that enters the gate, and does something inside as soon as a fork has begun to wait."""
    inside = threading.Event()

    def hold():
        inside.set()
        wait_until(lambda: forks._forks)
        return do()

    holder = Threads(lambda: no_fork(hold))
    assert inside.wait(DEADLINE)
    return holder


@pytest.fixture
def handle():
    """Set the handler of SIGUSR1: ``handle(function)``; return a function that sends the signal to the main thread."""
    former = signal.getsignal(signal.SIGUSR1)

    def use(function):
        signal.signal(signal.SIGUSR1, lambda number, frame: function())
        return lambda: signal.pthread_kill(MAIN, signal.SIGUSR1)

    yield use
    signal.signal(signal.SIGUSR1, former)


@pytest.fixture
def unraisable(monkeypatch):
    """Collect the exceptions that Python only prints."""
    found = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: found.append(unraisable.exc_type))
    return found


@pytest.fixture
def pauses(monkeypatch, patience):
    """Collect the pauses of waiting threads, and leave them out."""
    found = []
    monkeypatch.setattr(forks, "PATIENCE", 0.01)
    monkeypatch.setattr(forks, "time", SimpleNamespace(monotonic=time.monotonic, sleep=found.append))
    return found


# -- who waits --------------------------------------------------------------------------------------------------------


def test_a_fork_waits_for_the_end_of_what_it_must_not_divide():
    """The locks of the Kerberos libraries can be made anew by nobody."""
    order = []
    holder = while_a_fork_waits(lambda: order.append("left"))
    assert in_child(lambda: order) == ["left"]
    holder.results()
    assert forks._forks == []


def test_a_fork_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.01)
    inside, forked, order = threading.Event(), threading.Event(), []

    def hold():
        inside.set()
        assert forked.wait(DEADLINE)
        order.append("left")

    holder = Threads(lambda: no_fork(hold))
    assert inside.wait(DEADLINE)
    assert in_child(lambda: order) == []
    forked.set()
    holder.results()


def test_no_thread_enters_during_the_fork_of_another():
    def enter():
        return [no_fork._inside(int, (), {}, in_any_case) for in_any_case in (False, True)]

    holder = while_a_fork_waits(lambda: Threads(enter).results())
    assert in_child(enter) == [0, 0]
    assert holder.results() == [[[forks._CLOSED, 0]]]
    assert Threads(enter).results() == [[0, 0]]


def test_a_thread_waits_for_a_fork_only_so_long(monkeypatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.01)
    monkeypatch.setattr(forks, "_forks", [None])
    assert no_fork(int, "7") == 7


def test_a_thread_does_not_wait_for_its_own_step(pauses):
    """It forks inside, for example in a signal handler."""
    assert no_fork(in_child, lambda: forks._forks) == []
    assert no_fork(no_fork, in_child, lambda: no_fork.is_inside(threading.get_ident())) is True
    assert not no_fork.is_inside(threading.get_ident())
    assert pauses == []


def test_a_thread_inside_can_enter_again_during_a_fork():
    order = []

    def enter_again():
        no_fork(order.append, "again")
        order.append("left")

    holder = while_a_fork_waits(enter_again)
    assert in_child(lambda: order) == ["again", "left"]
    holder.results()


# -- signal handlers --------------------------------------------------------------------------------------------------


def test_a_signal_handler_can_fork_while_a_fork_waits(handle):
    report = []
    send = handle(lambda: report.append(in_child(lambda: "inner")))

    def leave():
        send()
        wait_until(lambda: len(forks._forks) == 2)

    holder = while_a_fork_waits(leave)
    assert in_child(lambda: "outer") == "outer"
    holder.results()
    assert report == ["inner"]
    assert forks._forks == []


def test_a_signal_handler_can_enter_while_a_fork_waits(handle):
    entered = threading.Event()
    send = handle(lambda: no_fork(entered.set))

    def leave():
        send()
        assert entered.wait(DEADLINE)

    holder = while_a_fork_waits(leave)
    assert in_child(lambda: "outer") == "outer"
    holder.results()


def in_forked_process(work=int):
    """Do work, and end this process, which runs the tests a second time otherwise."""
    try:
        work()
    finally:
        os._exit(0)


def interrupted_fork(send):
    """Fork, and send a signal while the fork waits; let the child make another child. Return what the child says."""
    reading, writing = os.pipe()

    def leave():
        send()
        wait_until(lambda: no_fork._interruptions)

    holder = while_a_fork_waits(leave)
    try:
        if not os.fork():
            in_forked_process(lambda: os.write(writing, in_child(lambda: b"no exception")))
    finally:
        os.wait()
        os.close(writing)
        with open(reading, "rb") as pipe:
            assert pipe.read() == b"no exception"
        holder.results()


def interrupt_main():
    signal.pthread_kill(MAIN, signal.SIGINT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork with threads
class TestInterruptions:
    def test_an_interrupt_while_a_fork_waits_comes_after_the_fork(self, unraisable):
        former = signal.getsignal(signal.SIGINT)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                interrupted_fork(interrupt_main)
            assert in_child(lambda: "a later fork") == "a later fork"
        assert signal.getsignal(signal.SIGINT) is former
        assert unraisable == []

    def test_any_exception_of_a_signal_handler_comes_after_the_fork(self, unraisable, handle):
        error = TimeoutError("it took too long")

        def raise_it():
            raise error

        with pytest.raises(TimeoutError) as caught:
            interrupted_fork(handle(raise_it))
        assert caught.value is error
        assert unraisable == []

    def test_an_interrupt_would_be_lost_without_its_second_coming(self, monkeypatch):
        former = signal.getsignal(signal.SIGINT)
        monkeypatch.setattr(no_fork, "_interrupt_after_fork", lambda: None)
        try:
            interrupted_fork(interrupt_main)
        finally:
            signal.signal(signal.SIGINT, former)

    def test_an_interrupt_cuts_off_no_later_function_for_forks(self, unraisable):
        """Such a function of the standard library releases the lock of `logging`."""

        def with_a_later_function():
            called = []
            os.register_at_fork(after_in_parent=lambda: called.extend(range(1000)))
            with pytest.raises(KeyboardInterrupt):
                interrupted_fork_of_one_thread()
            return len(called), unraisable

        assert in_child(with_a_later_function) == (1000, [])

    def test_an_interrupt_without_a_handler_of_python_is_printed(self, monkeypatch, unraisable):
        monkeypatch.setattr(forks.signal, "getsignal", lambda number: None)
        monkeypatch.setattr(no_fork, "_interrupt_after_fork", lambda: None)
        interrupted_fork(interrupt_main)
        assert unraisable == [KeyboardInterrupt]

    def test_another_exception_in_a_thread_is_printed(self, monkeypatch, unraisable):
        """Only the main thread handles signals."""
        monkeypatch.setattr(no_fork, "_has_to_wait", lambda: 1 / 0)
        assert Threads(lambda: in_child(lambda: "child")).results() == ["child"]
        assert unraisable == [ZeroDivisionError]
        assert no_fork._interruptions == {}


def interrupted_fork_of_one_thread():
    """Fork, and get a signal before the fork; a child has no other thread that could send it."""
    usual = no_fork._has_to_wait

    def has_to_wait():
        no_fork._has_to_wait = usual
        signal.raise_signal(signal.SIGINT)

    no_fork._has_to_wait = has_to_wait
    try:
        if not os.fork():
            in_forked_process()
    finally:
        os.wait()


# -- exceptions at any step -------------------------------------------------------------------------------------------


class Counting:
    """A gate that counts the threads inside."""

    def __init__(self):
        self._threads = set()

    def __call__(self, step):
        self._threads.add(threading.get_ident())
        result = step()
        self._threads.discard(threading.get_ident())
        return result

    def is_inside(self, thread):
        return thread in self._threads


@pytest.mark.parametrize("gate, is_safe", [(no_fork, True), (Counting(), False)], ids=["ours", "one that counts"])
def test_an_interrupted_thread_is_not_inside(gate, is_safe):
    functions = [type(gate).__call__] + [forks._NoFork._inside] * (gate is no_fork)
    found = []
    for number in itertools.count():
        if not interrupt(lambda: gate(int), functions, number):
            break
        found += Threads(lambda: gate.is_inside(MAIN)).results()
    assert len(found) > 10
    assert any(found) is not is_safe


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_interrupted_fork_leaves_the_gate_open(unraisable):
    def fork():
        child = 0
        try:
            child = os.fork()
            if not child:
                in_forked_process()
        finally:
            os.waitpid(child or -1, 0)

    former = signal.getsignal(signal.SIGINT)
    gc.disable()  # a destructor could run at a step
    functions = [forks._NoFork.before_fork, forks._NoFork._has_to_wait, forks._NoFork.after_fork_in_parent]
    raised = []
    try:
        for number in itertools.count():
            interruptions = len(unraisable)
            was_raised = interrupt(fork, functions, number)
            if not was_raised and len(unraisable) == interruptions:
                break
            raised.append(was_raised)
            assert forks._forks == []
            signal.signal(signal.SIGINT, former)
            no_fork._interruptions.clear()
    finally:
        gc.enable()
        signal.signal(signal.SIGINT, former)
    assert raised.count(True) > 20


def test_an_interrupted_child_notifies_all_objects(unraisable):
    class Survivor:
        told = 0

        def after_fork(self):
            self.told += 1
            if self is survivors[0] and self.told == 1:
                raise KeyboardInterrupt

    survivors = [Survivor() for _ in range(8)]
    for survivor in survivors:
        forks.survives_forks(survivor)
    told, printed = in_child(lambda: ([survivor.told for survivor in survivors], unraisable))
    assert all(told) and told[0] == 2
    assert printed == [KeyboardInterrupt]
