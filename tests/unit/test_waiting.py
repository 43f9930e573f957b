"""The line that shows what a command waits for."""

import io
import sys

import pytest
from helpers import Clock

from krbxmlrpc._cli.waiting import Activity


class Terminal(io.TextIOWrapper):
    """A terminal that keeps what it gets."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding)

    def shown(self):
        """Return what is shown now."""
        return self.buffer.getvalue().decode(self.encoding).rpartition("\r\x1b[K")[2]


@pytest.fixture(autouse=True)
def terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def terminal():
    return Terminal()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def activity(terminal, clock):
    return Activity(terminal, clock)


def later(activity, clock, seconds):
    """Let some time pass, and the line be drawn."""
    clock.now += seconds
    activity.tick()


def test_a_wait_is_shown_after_a_second(activity, terminal, clock):
    later(activity, clock, 5)
    assert terminal.shown() == ""
    with activity.during("testing tls"):
        later(activity, clock, 0.9)
        assert terminal.shown() == ""
        later(activity, clock, 0.2)
        assert terminal.shown() == "testing tls: 1 s (Ctrl-C ends the wait)"
        later(activity, clock, 30)
        assert terminal.shown() == "testing tls: 31 s (Ctrl-C ends the wait)"
    assert terminal.shown() == ""
    written = terminal.buffer.getvalue()
    activity.tick()
    activity.hide()
    assert terminal.buffer.getvalue() == written


def test_each_wait_begins_anew(activity, terminal, clock):
    with activity.during("a"):
        later(activity, clock, 0.9)
    with activity.during("b"):
        later(activity, clock, 0.9)
        assert terminal.buffer.getvalue() == b""


def test_a_wait_that_fails_leaves_no_line(activity, terminal, clock):
    with pytest.raises(KeyboardInterrupt), activity.during("a"):
        later(activity, clock, 2)
        raise KeyboardInterrupt
    assert terminal.shown() == ""


def test_a_message_is_shown_a_second_after_its_start(activity, terminal, clock):
    with activity.during("connecting"):
        later(activity, clock, 60)
        activity.count("sent", 0, 4 * 2**20)
        later(activity, clock, 0.9)
        activity.count("sent", 2**20, 4 * 2**20)
        later(activity, clock, 1.1)
        assert terminal.shown().startswith("sent:  25%|")
        assert terminal.shown().endswith("| 1.00M/4.00M [00:02<00:06, 524kB/s]")
        assert len(terminal.shown()) <= 79


@pytest.mark.parametrize("total, shown", [(4 * 2**20, "sent: 1.5 MiB of 4.0 MiB, 2 s"), (None, "sent: 1.5 MiB, 2 s")])
def test_a_message_without_tqdm(activity, terminal, clock, monkeypatch, total, shown):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    activity.count("sent", 0, total)
    activity.count("sent", 3 * 2**19, total)
    later(activity, clock, 2)
    assert terminal.shown() == shown


def test_a_message_of_unknown_size(activity, terminal, clock):
    activity.count("received", 0, None)
    activity.count("received", 2**20, None)
    later(activity, clock, 2)
    assert terminal.shown().startswith("received: 1.00M")


def test_a_bar_is_of_characters_that_the_terminal_has(clock):
    terminal = Terminal("ascii")
    activity = Activity(terminal, clock)
    activity.count("sent", 0, 100)
    activity.count("sent", 55, 100)
    later(activity, clock, 2)
    assert "55%|#" in terminal.shown()


def test_a_line_fits_the_terminal_and_is_harmless(activity, terminal, clock):
    with activity.during("\x1b[31m" + "x" * 200):
        later(activity, clock, 2)
        assert terminal.shown().startswith("\\u001b[31mxxx")
        assert len(terminal.shown()) < 90


def test_a_simple_terminal_gets_blanks(activity, terminal, clock, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with activity.during("a"):
        later(activity, clock, 2)
    assert terminal.buffer.getvalue().endswith(b"wait)\r" + b" " * 79 + b"\r")


def test_without_a_terminal_nothing_is_shown(clock):
    activity = Activity(None, clock)
    with activity.during("a"):
        later(activity, clock, 2)
    assert not activity.is_visible


def test_a_terminal_that_is_gone_does_not_matter(clock):
    with open("/dev/full", "w") as full:
        activity = Activity(full, clock)
        with activity.during("a"):
            later(activity, clock, 2)
        assert not activity.is_visible
