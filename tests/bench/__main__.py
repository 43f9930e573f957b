"""Measure krbxmlrpc beside the limits of what is possible and beside other transports, on one Apache on loopback."""

import argparse
import importlib.metadata
import json
import os
import platform
import ssl
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from servers import apache, daemon, kdc, software

from . import features, report
from .contestants import CONTESTANTS, client_environment

_COUNTED = 50
"""Calls by which the requests and connections a call are counted."""


class Effort(NamedTuple):
    """How much is measured."""

    rounds: int
    large_rounds: int
    """Rounds for the large messages."""
    seconds: float
    """How long one measurement takes, about."""
    megabyte: int = 1024 * 1024


FULL = Effort(13, 5, 0.2)
QUICK = Effort(5, 1, 0.05)
SMOKE = Effort(1, 1, 0.0, megabyte=1024)


class Case(NamedTuple):
    """What is called, and in how many threads."""

    name: str
    kind: str
    megabytes: int = 0
    threads: int = 1


SMALL = [Case(name, "small", threads=int(name.split()[0])) for name in report.THREADS]
LARGE = [Case(name, name.split()[2], megabytes=int(name.split()[0])) for name in report.LARGE]


class Worker:
    """A process in which one contestant is measured; see `bench.worker`."""

    def __init__(self, name: str, environment: dict[str, str], case: str = "") -> None:
        self.name = name
        command = [sys.executable, "-m", "bench.worker", name, case]
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def order(self, case: Case, calls: int, megabyte: int = 0) -> None:
        """Have it make calls."""
        length = case.megabytes * megabyte
        order = {"kind": case.kind, "length": length, "threads": case.threads, "calls": calls}
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def answer(self) -> dict[str, Any]:
        """Return the measurement that was ordered, with rates; or ``error`` alone."""
        assert self._process.stdout is not None
        measured = json.loads(self._process.stdout.readline() or '{"error": "the process ended"}')
        if "error" not in measured:
            measured["calls_per_second"] = measured["calls"] / measured["seconds"]
            measured["cpu_per_call"] = measured["cpu"] / measured["calls"]
        return measured

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()  # which closes its input: it ends


class Benchmark:
    """One run: `samples` grows as it goes on."""

    def __init__(self, hub: apache.Apache, environment: dict[str, str], names: Iterable[str], effort: Effort) -> None:
        self.samples: list[dict[str, Any]] = []
        self._hub = hub
        self._environment = environment
        self._names = list(names)
        self._effort = effort
        self._calls: dict[Any, int] = {}
        self._round = -1

    def run(self) -> None:
        """Measure it all."""
        self._count_requests()
        self._measure_memory()
        workers = [Worker(name, self._environment) for name in self._names]
        try:
            self._rounds(workers)
        finally:
            for worker in workers:
                worker.__exit__()

    def _count_requests(self) -> None:
        for name in self._names:
            case = uuid.uuid4().hex
            with Worker(name, self._environment, case) as worker:
                worker.order(SMALL[0], _COUNTED - 1)  # one more comes before them, for the worker to warm up
                measured = worker.answer()
            if "error" not in measured:
                logged = self._hub.logged(case, _COUNTED)
                connections = sum(line.earlier == 0 for line in logged)
                measured = {"requests": len(logged) / _COUNTED, "connections": connections / _COUNTED}
            self._note(name, report.COUNTS, measured, "requests", "connections")

    def _measure_memory(self) -> None:
        """Measure the memory that one large call takes, each in a new process."""
        for case in LARGE:
            for name in self._names:
                with Worker(name, self._environment) as worker:
                    worker.order(case, 1, self._effort.megabyte)
                    self._note(name, case.name, worker.answer(), "memory")

    def _rounds(self, workers: list[Worker]) -> None:
        """Measure rates; the contestants take turns, each round begins with another one."""
        for number in range(-1, self._effort.rounds):
            _say("calibration" if number < 0 else f"round {number + 1} of {self._effort.rounds}")
            self._round = number
            first = max(number, 0) % len(workers)
            for case in SMALL + LARGE * (number < self._effort.large_rounds):
                for worker in workers[first:] + workers[:first]:
                    self._turn(worker, case, calibrating=number < 0)

    def _turn(self, worker: Worker, case: Case, calibrating: bool) -> None:
        key = worker.name, case.name
        if calibrating:
            calls = case.threads * (1 if case.megabytes else 4)
        elif key in self._calls:
            calls = self._calls[key]
        else:
            return  # it has failed
        worker.order(case, calls, self._effort.megabyte)
        measured = worker.answer()
        if "error" in measured:
            self._calls.pop(key, None)
            self._note(*key, measured)
        elif calibrating:
            self._calls[key] = max(case.threads, round(self._effort.seconds * measured["calls_per_second"]))
        else:
            self._note(*key, measured, "calls_per_second", "cpu_per_call")

    def _note(self, name: str, case: str, measured: dict[str, Any], *quantities: str) -> None:
        kept = ["error"] if "error" in measured else quantities
        found = {each: measured[each] for each in kept}
        self.samples.append({"contestant": name, "case": case, "round": self._round, **found})


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _machine() -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}


def _versions() -> dict[str, str]:
    server = subprocess.run([software.APACHE, "-v"], check=True, capture_output=True, text=True).stdout
    found = {
        "Python": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
        "Apache": server.split("Apache/")[1].split()[0],
    }
    packages = {"krb5": "libkrb5-3", "mod_auth_gssapi": "libapache2-mod-auth-gssapi"}
    packages["mod_wsgi"] = "libapache2-mod-wsgi-py3"
    for title, package in packages.items():
        query = ["dpkg-query", "--show", "--showformat=${Version}", package]
        found[title] = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    return {**found, **dict(_distributions())}


def _distributions() -> Iterator[Any]:
    peers = sorted({contestant.peer for contestant in CONTESTANTS.values()} - {""})
    for name in ["krbxmlrpc", "pykerberos", "requests", "urllib3", "gssapi", *peers]:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed"


def measure(names: Iterable[str], effort: Effort) -> dict[str, Any]:
    """Start realm and hub, run the benchmark; return its result, as it is written as JSON."""
    os.environ["GSS_MECH_CONFIG"] = os.devnull  # no mechanisms beside Kerberos and SPNEGO
    realm = kdc.start()
    try:
        hub = apache.Apache(realm).start()
        try:
            benchmark = Benchmark(hub, client_environment(hub, realm), names, effort)
            benchmark.run()
        finally:
            hub.stop()
    finally:
        realm.stop()
    return report.result(_machine(), _versions(), effort._asdict(), benchmark.samples)


def main() -> None:
    """Read the arguments, run, print."""
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take a minute or two, and be less exact")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements to a file")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart into a file")
    parser.add_argument("--features", action="store_true", help="measure no speed, but what each does in bad cases")
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)  # for its test: measures nothing really
    given = parser.parse_args()
    daemon.end_by_signals()
    if given.features:
        print(features.table(features.find(features.SHOWN)))
        return
    names = given.only or [name for name in CONTESTANTS if not (given.smoke and CONTESTANTS[name].peer)]
    result = measure(names, SMOKE if given.smoke else QUICK if given.quick else FULL)
    print(report.table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if given.svg:
        given.svg.write_text(report.svg(result), encoding="utf-8")


if __name__ == "__main__":
    main()
