"""The process in which one contestant is measured, so that its processor time and memory are its own.

usage: python -m bench.worker CONTESTANT [CASE]

Each line of standard input is an order, a JSON object with the fields of a `bench.cases.Case` and ``calls``. Each line
of standard output is the measurement. HUB_URL and HUB_CLOSING_URL are the addresses of the hub's listeners, and HUB_CA
is the file with its CA. The hub logs the requests as CASE.
"""

import json
import logging
import os
import sys
import threading
import time
from typing import Any, Callable

from servers import samples

from .cases import WARM_UP
from .contestants import CONTESTANTS, Client, Contestant

_SMALL = "whoami"
_ADDRESSES = {"https": "HUB_URL", "closing": "HUB_CLOSING_URL"}


def _action(kind: str, length: int) -> Callable[[Client], None]:
    """Return a function that makes one call with a client, and checks the reply."""
    if kind == "small":
        return lambda client: client(_SMALL)
    argument = samples.text(length) if kind == "up" else ""

    def act(client: Client) -> None:
        found = client("size", argument) if kind == "up" else samples.length_of(client("sample", kind, length))
        if found != length:
            raise ValueError("the hub gave another answer than was due")

    return act


def _in_threads(clients: list[Client], calls: int, act: Callable[[Client], None]) -> dict[str, float]:
    """Make the calls, in one thread for each client, and measure them. Before them, each client makes small calls."""
    failures: list[BaseException] = []
    before: dict[str, float] = {}
    barrier = threading.Barrier(len(clients), lambda: before.update(_counters(), memory=_memory("VmRSS")))

    def run(client: Client, calls: int) -> None:
        try:
            for _ in range(WARM_UP):
                client(_SMALL)
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


def measure(contestant: Contestant, query: str, order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order with new clients; return the measurement.

    ``seconds`` and ``cpu`` (seconds of processor time) are those of all calls. ``memory`` is the most memory that the
    process has ever had, less the memory that it had before the calls.
    """
    act = _action(order["kind"], order["length"])
    url = os.environ[_ADDRESSES[order["listener"]]] + contestant.path + query
    clients = [contestant.make(url, os.environ["HUB_CA"]) for _ in range(1 if contestant.shared else order["threads"])]
    users = clients * order["threads"] if contestant.shared else clients
    try:
        return {"calls": order["calls"], **_in_threads(users, order["calls"], act)}
    finally:
        for client in clients:
            client("close")


def _memory(field: str) -> int:
    """Return bytes from /proc; getrusage's ru_maxrss starts with that of the parent process."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field + ":"))


def answer_orders(carry_out: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Carry out the orders on standard input until there are no more."""
    for line in sys.stdin:
        try:
            answer = carry_out(json.loads(line))
        except Exception as error:  # a failure is a result, too
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), flush=True)


def main(name: str, case: str = "") -> None:
    """Measure one contestant."""
    logging.getLogger().addHandler(logging.NullHandler())  # the peers' complaints are in their errors, too
    query = f"?case={case}" if case else ""
    answer_orders(lambda order: measure(CONTESTANTS[name], query, order))


if __name__ == "__main__":
    main(*sys.argv[1:])
