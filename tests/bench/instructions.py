"""Counts the client's instructions for one call, with valgrind's callgrind.

A worker runs under callgrind twice, and makes more calls the second time. The difference of the two totals, divided by
the difference of the calls, is the cost of one call. Both runs start Python, import, connect and log in once, so none
of this counts. The network, the hub and other processes on the machine do not count either, because callgrind counts
only the instructions of the worker. Only code in user space counts: system calls take processor time, but callgrind
does not see inside the kernel.

Strings have the same hashes in all runs (PYTHONHASHSEED), so that dictionaries behave alike.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cases import SMALL
from .processes import Process, worker_command

FEWER, MORE = 20, 420
"""The calls of the two runs."""

COUNTED = ["session", "spnego", "krb5", "spnego pykerberos", "open", "cookie", "thin spnego", "thin krb5", "freeipa"]
"""The contestants whose instructions are counted by default: krbxmlrpc, the limits, and FreeIPA's transport."""

_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def total(profile: str) -> int:
    """Return the instructions of a run.

    Args:
        profile: the text of callgrind's output file.

    Raises:
        ValueError: the file has no total, because the run did not end as it should.
    """
    found = _TOTALS.findall(profile)
    if len(found) != 1:
        raise ValueError(f"callgrind's output has {len(found)} totals; accepted is one")
    return int(found[0])


def per_call(totals: Sequence[int]) -> float:
    """Return the instructions of one call.

    Args:
        totals: those of the run with fewer calls, and those of the run with more.
    """
    fewer, more = totals
    return (more - fewer) / (MORE - FEWER)


def measure(name: str, environment: dict[str, str]) -> dict[str, Any]:
    """Return the ``instructions`` of one call of a contestant, or ``error`` alone."""
    totals = []
    for calls in (FEWER, MORE):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "profile"
            command = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={output}", *worker_command(name)]
            with Process(command, {**environment, "PYTHONHASHSEED": "0"}) as worker:
                worker.order(SMALL[0], calls)
                answer = worker.answer()
            if "error" in answer:
                return answer
            totals.append(total(output.read_text(encoding="utf-8")))
    return {"instructions": per_call(totals)}
