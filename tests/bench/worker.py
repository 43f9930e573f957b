"""The process in which one contestant is measured, so that processor time and memory are its own.

usage: python -m bench.worker CONTESTANT [CASE]

Orders come on standard input, a JSON object a line, and so do measurements go to standard output. An order has ``kind``
(``small``, ``up``: a large argument, ``down``: a large reply), ``length`` of what is large, ``calls`` and ``threads``.
HUB_URL and HUB_CA tell where to call; the requests are logged as CASE.
"""

import json
import logging
import os
import sys
import threading
import time
from typing import Any, Callable

from servers import hub

from .contestants import CONTESTANTS, Client, Contestant

_SMALL = "whoami"


def _action(kind: str, length: int) -> Callable[[Client], None]:
    """Return what makes one call with a client, and looks at the reply."""
    argument = hub.text(length) if kind == "up" else ""

    def act(client: Client) -> None:
        if kind == "small":
            client(_SMALL)
        elif (client("size", argument) if kind == "up" else len(client("text", length))) != length:
            raise ValueError("the hub gave another answer than was due")

    return act


def _in_threads(clients: list[Client], calls: int, act: Callable[[Client], None]) -> dict[str, float]:
    """Make the calls, in one thread a client, and measure them; each client makes a small one before."""
    failures: list[BaseException] = []
    before: dict[str, float] = {}
    barrier = threading.Barrier(len(clients), lambda: before.update(_counters(), memory=_memory("VmRSS")))

    def run(client: Client, calls: int) -> None:
        try:
            client(_SMALL)  # connects, and gets what session there is
            barrier.wait()
            for _ in range(calls):
                act(client)
        except threading.BrokenBarrierError:
            pass  # another thread failed
        except Exception as error:
            failures.append(error)
            barrier.abort()

    shares = [calls // len(clients) + (number < calls % len(clients)) for number in range(len(clients))]
    threads = [threading.Thread(target=run, args=pair) for pair in zip(clients, shares)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    after = {**_counters(), "memory": _memory("VmHWM")}
    return {name: after[name] - before[name] for name in after}


def _counters() -> dict[str, float]:
    return {"seconds": time.monotonic(), "cpu": time.process_time()}


def measure(contestant: Contestant, url: str, ca: str, order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order with new clients; return the measurement.

    ``seconds`` and ``cpu`` (seconds of processor time) are of all calls; ``memory`` is by how many bytes the most that
    the process has ever had in memory is over what it had before them.
    """
    act = _action(order["kind"], order["length"])
    clients = [contestant.make(url, ca) for _ in range(1 if contestant.shared else order["threads"])]
    users = clients * order["threads"] if contestant.shared else clients
    try:
        return {**order, **_in_threads(users, order["calls"], act)}
    finally:
        for client in clients:
            client("close")


def _memory(field: str) -> int:
    """Return bytes from /proc; getrusage's ru_maxrss starts with what the parent process had."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":"))


def main(name: str, case: str = "") -> None:
    """Carry out orders until there are no more."""
    logging.getLogger().addHandler(logging.NullHandler())  # what peers complain of is in their errors
    contestant = CONTESTANTS[name]
    url = os.environ["HUB_URL"] + contestant.path + (f"?case={case}" if case else "")
    for line in sys.stdin:
        try:
            answer = measure(contestant, url, os.environ["HUB_CA"], json.loads(line))
        except Exception as error:  # what one cannot do is a result, too
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
