"""Time limits, with a clock of the test's own."""

import socket

import pytest
from helpers import Clock

from krbxmlrpc._http.time_limits import Deadline, DeadlinePassed, Timed, TimeLimit, time_left


class Slow:
    """A socket whose operations take some seconds each, or as long as they may; it notes its timeouts."""

    def __init__(self, clock, seconds):
        self.timeouts = []
        self._clock = clock
        self._seconds = seconds

    def settimeout(self, seconds):
        self.timeouts.append(seconds)

    def recv(self, size):
        if self.timeouts[-1] is not None and self._seconds >= self.timeouts[-1]:
            self._clock.now += self.timeouts[-1]
            raise socket.timeout("timed out")
        self._clock.now += self._seconds
        return b"x"

    def send(self, data):
        self.recv(1)
        return min(len(data), 2)


@pytest.fixture
def clock():
    return Clock()


@pytest.mark.parametrize(
    "timeout, limits, left",
    [(None, [], None), (5, [], 5), (None, [7, 3], 3), (2, [3], 2), (4, [3], 3), (None, [None], None), (4, [None], 4)],
)
def test_the_shortest_limit_counts(clock, timeout, limits, left):
    assert time_left(timeout, [TimeLimit(seconds, clock) for seconds in limits]) == left


def test_a_limit_that_has_passed_is_an_error(clock):
    limits = [TimeLimit(9, clock), Deadline(2.5, clock)]
    clock.now += 2
    assert time_left(1, limits) == 0.5
    clock.now += 0.5
    with pytest.raises(DeadlinePassed, match=r"^the deadline of 2.5 seconds passed$"):
        time_left(1, limits)


def test_the_limit_of_a_setup_is_no_deadline(clock):
    limit = TimeLimit(2, clock)
    clock.now += 2
    with pytest.raises(socket.timeout, match="^timed out after 2 seconds$") as caught:
        time_left(None, [limit])
    assert not isinstance(caught.value, DeadlinePassed)


def test_operations_share_a_limit(clock):
    """Each operation is quick enough for a timeout, and there is no end of them."""
    sock = Slow(clock, 2)
    timed = Timed(sock, 3, [Deadline(7, clock)])
    with pytest.raises(DeadlinePassed):
        while True:
            assert timed.recv(1) == b"x"
    assert sock.timeouts == [3, 3, 3, 1]


def test_without_a_limit_each_operation_has_its_time(clock):
    timed = Timed(Slow(clock, 2), 3, [])
    assert [timed.recv(1) for _ in range(1000)] == [b"x"] * 1000


def test_a_timeout_before_the_limit_is_no_deadline(clock):
    with pytest.raises(socket.timeout, match="^timed out$"):
        Timed(Slow(clock, 9), 3, [Deadline(7, clock)]).recv(1)


def test_no_operation_begins_after_the_limit(clock):
    sock = Slow(clock, 0)
    timed = Timed(sock, None, [Deadline(7, clock)])
    clock.now += 8
    with pytest.raises(DeadlinePassed):
        timed.send(b"data")
    assert sock.timeouts == []


def test_all_is_sent_in_parts(clock):
    sock = Slow(clock, 1)
    Timed(sock, None, [Deadline(4, clock)]).sendall(b"12345")
    assert sock.timeouts == [4, 3, 2]
    with pytest.raises(DeadlinePassed):
        Timed(sock, None, [Deadline(2, clock)]).sendall(b"12345")


def test_a_pause_does_not_count(clock):
    limit = TimeLimit(5, clock)
    clock.now += 2
    with pytest.raises(ZeroDivisionError), limit.paused():
        clock.now += 100
        raise ZeroDivisionError
    assert limit.left() == 3
    clock.now += 1
    assert limit.left() == 2
