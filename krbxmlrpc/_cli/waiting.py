"""Shows on a terminal what a command waits for, and lets Ctrl-C end every wait.

Kerberos and the resolver wait in C, where Python handles no signals. So a second thread draws the line and watches for
Ctrl-C. The command's work stays in the main thread, which alone gets the exceptions of signal handlers.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable

from .console import harmless, write_all

DELAY = 1.0
"""Seconds that a wait, or a message, has to be under way before the line appears."""

TICK = 0.2
"""Seconds between two looks at the line."""

PATIENCE = 1.0
"""Seconds that Python has to handle an interrupt and close everything. After that, the process ends at once."""


class Activity:
    """The present activity of a command, and the line that shows it.

    Args:
        stream: the terminal to show the line on; None: show nothing.
        clock: returns the time, in seconds. Only differences count.

    Attributes:
        when_interrupted: the words to say if the user interrupts the command now.
    """

    def __init__(self, stream: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.when_interrupted = "interrupted"
        self._stream = stream
        self._clock = clock
        self._lock = threading.Lock()  # for the line
        self._text = ""
        self._bytes: tuple[int, int | None] | None = None
        self._since = clock()
        self._is_shown = False

    @property
    def is_visible(self) -> bool:
        """Whether there is a terminal to show the line on."""
        return self._stream is not None

    @contextmanager
    def during(self, text: str) -> Iterator[None]:
        """Show the text, and the seconds, if the ``with`` block takes long. Erase the line at its end."""
        self.begin(text)
        try:
            yield
        finally:
            self.begin("")
            self.hide()

    def begin(self, text: str) -> None:
        """Note that a wait begins. An empty text: there is nothing to wait for."""
        self._text, self._bytes, self._since = text, None, self._clock()

    def count(self, text: str, done: int, total: int | None) -> None:
        """Note how much of a message has been sent or received. At 0 bytes, the message begins."""
        if not done:
            self.begin(text)
        self._bytes = done, total

    def tick(self) -> None:
        """Draw the line if it is time for it."""
        if self._stream is None:
            return
        with self._lock:
            seconds = self._clock() - self._since
            if self._text and seconds >= DELAY:
                self._draw(self._line(seconds))

    def hide(self) -> None:
        """Erase the line."""
        with self._lock:
            if self._is_shown:
                self._draw("")

    def _line(self, seconds: float) -> str:
        from shutil import get_terminal_size

        width = max(20, (get_terminal_size().columns or 80) - 1)  # Python 3.9 says 0 if the size is not known
        if self._bytes is None:
            return f"{self._text}: {seconds:.0f} s (Ctrl-C ends the wait)"[:width]
        return _bar(self._text, *self._bytes, seconds, width, self._stream)[:width]

    def _draw(self, line: str) -> None:
        erase = "\r\x1b[K" if os.environ.get("TERM", "dumb") != "dumb" else f"\r{' ' * 79}\r"
        self._is_shown = bool(line)
        try:
            write_all(self._stream, erase + harmless(line))
        except OSError:  # the terminal is gone
            self._stream, self._is_shown = None, False


def _bar(text: str, done: int, total: int | None, seconds: float, width: int, stream: Any) -> str:
    """Return a progress bar, made by tqdm if it is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        of = "" if total is None else f" of {_amount(total)}"
        return f"{text}: {_amount(done)}{of}, {seconds:.0f} s"
    is_ascii = "utf" not in (stream.encoding or "").lower()
    bar: str = tqdm.format_meter(
        done, total, seconds, ncols=width, prefix=text, ascii=is_ascii, unit="B", unit_scale=True, unit_divisor=1024
    )
    return bar


def _amount(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


@contextmanager
def watching(activity: Activity, give_up: Callable[[], int]) -> Iterator[None]:
    """Show the activity, and let Ctrl-C end the process even while Kerberos waits for a KDC or DNS.

    Args:
        give_up: if Python does not handle an interrupt in time, the process ends with the status that this returns.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    over = threading.Event()

    def watch() -> None:
        ready = select.poll()
        ready.register(reading, select.POLLIN)
        while not ready.poll(TICK * 1000 if activity.is_visible else None):
            activity.tick()
        if os.read(reading, 1) == bytes([signal.SIGINT]) and not over.wait(PATIENCE):
            os._exit(give_up())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)
        with suppress(OSError):
            activity.hide()
