"""What several tests do: work in threads and in forked processes, and look at what is open and what is parsed."""

import gc
import os
import pickle
import select
import signal
import sys
import threading
import traceback
import warnings

TESTS = os.path.dirname(os.path.abspath(__file__))
"""The folder of the helper modules, for the PYTHONPATH of programs that use them."""

COMMAND = [sys.executable, "-W", "error", "-m", "krbxmlrpc"]
"""The command ``krbxmlrpc``, in a process of its own."""

DEADLINE = 60.0
"""Seconds after which something hangs: far more than anything takes."""


class Clock:
    """A clock that a test sets: a function that returns its attribute `now`, in seconds."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Threads:
    """Threads that do some work each; `results` waits for them, and raises what one of them raised."""

    def __init__(self, *works):
        self._outcomes = [None] * len(works)
        self._threads = [
            threading.Thread(target=self._do, args=(number, work), daemon=True) for number, work in enumerate(works)
        ]
        for thread in self._threads:
            thread.start()

    def _do(self, number, work):
        try:
            self._outcomes[number] = (work(), None)
        except Exception as error:
            self._outcomes[number] = (None, error)

    def are_alive(self):
        return any(thread.is_alive() for thread in self._threads)

    def join(self):
        for thread in self._threads:
            thread.join(DEADLINE)
        assert not self.are_alive(), "a thread hangs"

    def results(self):
        self.join()
        for _, error in self._outcomes:
            if error is not None:
                raise error
        return [result for result, _ in self._outcomes]


class Recording:
    """Mixed into a transport: its parser records what reaches it."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.parsed = b""

    def getparser(self):
        parser, unmarshaller = super().getparser()
        feed = parser.feed

        def record(data):
            self.parsed += data
            feed(data)

        parser.feed = record
        return parser, unmarshaller


def in_threads(*works):
    """Do all of this at the same time, each in a thread of its own; return what each returned."""
    barrier = threading.Barrier(len(works))

    def at_once(work):
        barrier.wait(DEADLINE)
        return work()

    return Threads(*[lambda work=work: at_once(work) for work in works]).results()


def in_child(work):
    """Do this in a forked process; return what it returned. One that hangs is killed."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later warn of threads: they are the point
        child = os.fork()
    if not child:
        _report(work, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        if not select.select([pipe], [], [], DEADLINE)[0]:
            os.kill(child, signal.SIGKILL)
        report = pipe.read()
    os.waitpid(child, 0)
    assert report, "the child hangs"
    result, error = pickle.loads(report)
    assert error is None, error
    return result


def _report(work, writing):
    """Do the work of a child, tell the parent, and end without anything that the parent will do at its own end."""
    try:
        try:
            report = (work(), None)
        except BaseException:
            report = (None, traceback.format_exc())
        os.write(writing, pickle.dumps(report))
    finally:
        os._exit(0)


def descriptors():
    """Return the files that this process has open: numbers, and what they are."""
    gc.collect()
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the one by which this directory was read
    return found


def wait_until_readable(connection):
    """Wait until something has come by a connection, or its end."""
    assert select.select([connection.sock], [], [], DEADLINE)[0]
