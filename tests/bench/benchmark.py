"""One run of the benchmark: the order and the number of the measurements."""

import sys
import uuid
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, NamedTuple

from servers import apache

from . import imports, instructions
from .cases import CLOSING, COUNTS, DECODED, INSTRUCTIONS, LARGE, MEMORY, SMALL, WARM_UP, Case
from .processes import Process, worker_command

_COUNTED = 50
"""The calls that are made to count the requests and connections of a call."""
_TRIED = 20
"""The small calls of each thread that are made to find out how long a call takes."""


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int
    large_rounds: int
    """The rounds for large messages."""
    seconds: float
    """How long one measurement takes, about."""
    scale: float = 1.0
    """The size of the large messages."""


FULL = Effort(13, 5, 0.2)
QUICK = Effort(5, 1, 0.05)
SMOKE = Effort(1, 1, 0.0, scale=1 / 1024)


class Benchmark:
    """One run. `samples` grows while it runs.

    Args:
        hub: the server.
        environment: of the processes.
        names: the contestants.
        effort: how much is measured.
        counted: the contestants whose instructions are counted.
    """

    def __init__(
        self,
        hub: apache.Apache,
        environment: dict[str, str],
        names: Iterable[str],
        effort: Effort,
        counted: Iterable[str] = (),
    ) -> None:
        self.samples: list[dict[str, Any]] = []
        self._hub = hub
        self._environment = environment
        self._names = list(names)
        self._effort = effort
        self._counted = list(counted)
        self._calls: dict[Any, int] = {}
        self._round = -1

    def run(self) -> None:
        """Measure everything."""
        _say("requests of a call")
        self._count_requests()
        _say("memory")
        self._measure_memory()
        for name in self._counted:
            _say(f"instructions of {name}")
            self._note(name, INSTRUCTIONS, instructions.measure(name, self._environment), "instructions")
        with ExitStack() as stack:
            commands = {name: worker_command(name) for name in self._names}
            workers = {
                name: stack.enter_context(Process(command, self._environment)) for name, command in commands.items()
            }
            decoders = stack.enter_context(Process([sys.executable, "-m", "bench.decoding"], self._environment))
            self._rounds(workers, decoders)

    def _count_requests(self) -> None:
        for name in self._names:
            case = uuid.uuid4().hex
            with Process(worker_command(name, case), self._environment) as worker:
                worker.order(SMALL[0], _COUNTED - WARM_UP)  # the worker makes the others before them
                measured = worker.answer()
            if "error" not in measured:
                logged = self._hub.logged(case, _COUNTED)
                connections = sum(line.earlier == 0 for line in logged)
                measured = {"requests": len(logged) / _COUNTED, "connections": connections / _COUNTED}
            self._note(name, COUNTS, measured, "requests", "connections")

    def _measure_memory(self) -> None:
        """Measure the memory of large calls. Each call has a new process."""
        for case in MEMORY:
            for name in self._names:
                with Process(worker_command(name), self._environment) as worker:
                    worker.order(self._scaled(case), 1)
                    self._note(name, case.name, worker.answer(), "memory")

    def _rounds(self, workers: dict[str, Process], decoders: Process) -> None:
        """Measure processor time and rates. The contestants take turns; each round begins with another one."""
        for number in range(-1, self._effort.rounds):
            _say("calibration" if number < 0 else f"round {number + 1} of {self._effort.rounds}")
            self._round = number
            first = max(number, 0) % len(workers)
            names = list(workers)
            for case in [*SMALL, CLOSING] + LARGE * (number < self._effort.large_rounds):
                for name in names[first:] + names[:first]:
                    self._turn(name, workers[name], case)
            for case in DECODED:
                self._decode(decoders, case)
            self._import()

    def _turn(self, name: str, worker: Process, case: Case) -> None:
        """Measure one case of one contestant; in the round of calibration, find out how many calls that takes."""
        key = name, case.name
        calibrating = self._round < 0
        if calibrating:
            calls = case.threads * (1 if case.length else _TRIED)
        elif key in self._calls:
            calls = self._calls[key]
        else:
            return  # it has failed
        worker.order(self._scaled(case), calls)
        measured = worker.answer()
        if "error" in measured:
            self._calls.pop(key, None)
            self._note(*key, measured)
        elif calibrating:
            self._calls[key] = max(case.threads, round(self._effort.seconds * calls / measured["seconds"]))
        else:
            rates = {"calls_per_second": calls / measured["seconds"], "cpu_per_call": measured["cpu"] / calls}
            self._note(*key, rates, *rates)

    def _decode(self, decoders: Process, case: Case) -> None:
        """Let the decoders decode one reply; in the round of calibration, find out how often."""
        decoders.order(self._scaled(case), self._calls.get(case.name, 1))
        measured = decoders.answer()
        if "error" in measured:
            raise RuntimeError(measured["error"])
        if self._round < 0:
            slowest = max(measured["cpu_per_call"].values())
            self._calls[case.name] = max(1, round(self._effort.seconds / slowest))
            return
        for name, cpu in measured["cpu_per_call"].items():
            self._note(name, case.name, {"cpu_per_call": cpu, "bytes": measured["bytes"]}, "cpu_per_call", "bytes")

    def _import(self) -> None:
        for name, cpu in imports.measure(self._environment):
            if self._round >= 0:  # the first time, the bytecode is written
                self._note(name, imports.CASE, {"cpu_per_call": cpu}, "cpu_per_call")

    def _scaled(self, case: Case) -> Case:
        return case._replace(length=max(1, round(case.length * self._effort.scale))) if case.length else case

    def _note(self, name: str, case: str, measured: dict[str, Any], *quantities: str) -> None:
        kept = ["error"] if "error" in measured else quantities
        found = {each: measured[each] for each in kept}
        self.samples.append({"contestant": name, "case": case, "round": self._round, **found})


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)
