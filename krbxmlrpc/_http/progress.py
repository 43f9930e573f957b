"""Reports how much of a message has been sent or received, to functions of the caller."""

from __future__ import annotations

import logging
from typing import Callable, NamedTuple, Optional

logger = logging.getLogger("krbxmlrpc")

Report = Callable[[int, Optional[int]], object]
"""A function of the bytes so far and the total; the total is None if it is not known."""


class Reports(NamedTuple):
    """The functions that hear of the body of a request, and of the body of its reply."""

    sent: Report | None = None
    received: Report | None = None


class Meter:
    """Counts the bytes of one message. Reports the start, and each piece.

    An exception of the function does not end the call: the call may have run by then, and its result would be lost. The
    meter logs a warning, and does not call the function again. KeyboardInterrupt and its like do end the call.
    """

    def __init__(self, report: Report, total: int | None) -> None:
        self._report: Report | None = report
        self._done = 0
        self._total = total
        self.add(0)

    def add(self, count: int) -> None:
        """Count more bytes, and report."""
        self._done += count
        if self._report is None:
            return
        try:
            self._report(self._done, self._total)
        except Exception as error:
            self._report = None
            logger.warning(
                "the progress function raised %s, and hears no more of this message: %s", type(error).__name__, error
            )
