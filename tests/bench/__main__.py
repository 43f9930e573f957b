"""Measure krbxmlrpc beside the limits of what is possible and beside other transports, on one Apache on loopback."""

import argparse
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from servers import apache, daemon, kdc

from . import chart, features, instructions, report, tables
from .benchmark import FULL, QUICK, SMOKE, Benchmark, Effort
from .contestants import CONTESTANTS
from .machine import machine, versions
from .processes import client_environment


def measure(names: Iterable[str], effort: Effort, counted: Iterable[str] = ()) -> dict[str, Any]:
    """Start realm and hub, run the benchmark; return its result, as it is written as JSON."""
    os.environ["GSS_MECH_CONFIG"] = os.devnull  # no mechanisms beside Kerberos and SPNEGO
    realm = kdc.start()
    try:
        hub = apache.Apache(realm).start()
        try:
            benchmark = Benchmark(hub, client_environment(hub, realm), names, effort, counted)
            benchmark.run()
        finally:
            hub.stop()
    finally:
        realm.stop()
    return report.result(machine(), versions(), effort._asdict(), benchmark.samples)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="take a few minutes, and be less exact")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument(
        "--instructions",
        action="store_true",
        help="also count the instructions of a call with valgrind: of the contestants in --only, or else of "
        f"{', '.join(instructions.COUNTED)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measurements to a file")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart into a file")
    parser.add_argument("--features", action="store_true", help="measure no speed, but what each does in bad cases")
    parser.add_argument("--smoke", action="store_true", help=argparse.SUPPRESS)  # for its test: measures nothing really
    return parser


def main() -> None:
    """Read the arguments, run, print."""
    parser = _parser()
    given = parser.parse_args()
    daemon.end_by_signals()
    if given.features:
        print(features.table(features.find(features.SHOWN)))
        return
    if given.instructions and not shutil.which("valgrind"):
        parser.error("--instructions needs valgrind; tests/setup.sh bench installs it")
    names = given.only or [name for name in CONTESTANTS if not (given.smoke and CONTESTANTS[name].peer)]
    counted = (given.only or instructions.COUNTED) if given.instructions else []
    result = measure(names, SMOKE if given.smoke else QUICK if given.quick else FULL, counted)
    print(tables.table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if given.svg:
        given.svg.write_text(chart.svg(result), encoding="utf-8")


if __name__ == "__main__":
    main()
