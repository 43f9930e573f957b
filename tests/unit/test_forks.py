"""The gate that lets no fork happen in the middle of certain steps."""

import threading
import time

from helpers import DEADLINE, Threads, in_child

from krbxmlrpc import _forks as forks
from krbxmlrpc._forks import no_fork


def test_a_fork_waits_for_the_end_of_what_it_must_not_divide():
    """The locks of the Kerberos libraries can be made anew by nobody."""
    order = []
    inside = threading.Event()

    def hold():
        with no_fork:
            inside.set()
            deadline = time.monotonic() + DEADLINE
            while no_fork._open.is_set() and time.monotonic() < deadline:  # until the fork has begun to wait
                time.sleep(0.001)
            order.append("left")

    holder = Threads(hold)
    assert inside.wait(DEADLINE)
    assert in_child(lambda: [*order, no_fork._inside]) == ["left", set()]
    holder.results()
    assert no_fork._inside == set() and no_fork._open.is_set()


def test_a_fork_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.01)
    with no_fork:
        assert in_child(lambda: no_fork._inside) == set()
        assert no_fork._inside == {threading.get_ident()}
    assert no_fork._inside == set() and no_fork._open.is_set()
