"""Shows a result as text."""

from collections.abc import Iterator
from statistics import median
from typing import Any

from . import imports
from .cases import CLOSING, COUNTS, DECODED, INSTRUCTIONS, LARGE, MEMORY, ONE, SMALL
from .decoding import DECODERS
from .report import spread

_MB = 1024 * 1024
_SMALL_NOTE = """CPU: of the client, a call, in 1 thread;
spread: of this CPU between the rounds, (highest - lowest) / median;
closing: the same, but on a server without keep-alive; instructions: of the client, a call, in millions, in user space
(only with --instructions); requests and connections: a call"""


def table(run: dict[str, Any]) -> str:
    """Return the whole report."""
    parts = [_small(run), _rates(run), *_large(run), _decoding(run), _imports(run), _goals(run), _configurations(run)]
    return "\n\n".join([*parts, _where(run)])


def _small(run: dict[str, Any]) -> str:
    rows = [["SMALL CALLS: CLIENT CPU", "path", "CPU ms", "spread", "closing ms", "instructions", "requests", "conn."]]
    for name, cases in _contestants(run):
        counts = cases.get(COUNTS, {})
        rows.append(
            [
                *_who(run, name),
                _number(cases.get(ONE, {}), "cpu_per_call", 3, 1000),
                spread(run["samples"], name),
                _number(cases.get(CLOSING.name, {}), "cpu_per_call", 3, 1000),
                _number(cases.get(INSTRUCTIONS, {}), "instructions", 3, 1e-6),
                _number(counts, "requests", 2),
                _number(counts, "connections", 2),
            ]
        )
    return f"{_aligned(rows)}\n{_SMALL_NOTE}{_errors(run)}"


def _rates(run: dict[str, Any]) -> str:
    cases = [*SMALL, CLOSING]
    rows = [["SMALL CALLS: CALLS/S", "path", *(case.name for case in cases)]]
    for name, found in _contestants(run):
        rates = [_number(found.get(case.name, {}), "calls_per_second") for case in cases]
        rows.append([*_who(run, name), *rates])
    return f"{_aligned(rows)}\nclient and server share the machine's cores: a rate depends on the server, too"


def _large(run: dict[str, Any]) -> Iterator[str]:
    """Yield the tables of the large calls, one for each quantity."""
    for title, quantity, digits, factor, cases in (
        ("ms OF CLIENT CPU", "cpu_per_call", 1, 1000, LARGE),
        ("CALLS/S", "calls_per_second", 2, 1, LARGE),
        ("MB OF MEMORY", "memory", 1, 1 / _MB, MEMORY),
    ):
        rows = [[f"LARGE CALLS: {title}", "path", *(case.name for case in cases)]]
        for name, found in _contestants(run):
            figures = [_number(found.get(case.name, {}), quantity, digits, factor) for case in cases]
            rows.append([*_who(run, name), *figures])
        yield _aligned(rows)


def _decoding(run: dict[str, Any]) -> str:
    """Return the table of the decoding alone."""
    heads = [f"{name} {unit}" for unit in ("ms", "MB/s") for name in DECODERS]
    rows = [["DECODING ALONE", "bytes", *heads]]
    for case in DECODED:
        found = [run["medians"].get(name, {}).get(case.name, {}) for name in DECODERS]
        row = [case.name, _number(found[0], "bytes")]
        row += [_number(each, "cpu_per_call", 3, 1000) for each in found]
        row += [f"{each['bytes'] / each['cpu_per_call'] / 1e6:.1f}" if each else "-" for each in found]
        rows.append(row)
    note = "CPU of a decoder, on a body in memory, in one process; xmlrpc.client's parser gets the whole body at once"
    return f"{_aligned(rows)}\n{note}"


def _imports(run: dict[str, Any]) -> str:
    rows = [["IMPORT", "CPU ms", "spread"]]
    for name in imports.PROGRAMS:
        found = run["medians"].get(name, {}).get(imports.CASE, {})
        rows.append([name, _number(found, "cpu_per_call", 1, 1000), spread(run["samples"], name, imports.CASE)])
    return f"{_aligned(rows)}\nCPU of a new process that only imports; Python's own start is part of it"


def _goals(run: dict[str, Any]) -> str:
    rows = [["GOALS", "measured", "by round: median", "from", "to", "goal", "reached"]]
    for goal in run["goals"]:
        sign = "<=" if goal["bound"] == "at most" else ">="
        reached = {None: "-", True: "yes", False: "NO"}[goal["reached"]]
        values = goal["measured_by_round"]
        shown = [f"{choose(values):.3f}" if values else "-" for choose in (median, min, max)]
        rows.append([goal["what"], _number(goal, "measured", 3), *shown, f"{sign} {goal['goal']}", reached])
    return f"{_aligned(rows)}\nmeasured: of the medians; by round: of the measurements within one round"


def _configurations(run: dict[str, Any]) -> str:
    lines = [f"{' on '.join(_who(run, name))}: {facts['configuration']}" for name, facts in run["contestants"].items()]
    return "\n".join(["CONFIGURATIONS", *lines])


def _where(run: dict[str, Any]) -> str:
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"On {machine['cores']} cores of {machine['processor']}; {machine['system']}\nWith {versions}"


def _contestants(run: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the figures of each contestant."""
    for name in run["contestants"]:
        yield name, run["medians"][name]


def _who(run: dict[str, Any], name: str) -> list[str]:
    return [run["contestants"][name]["title"], run["contestants"][name]["path"]]


def _number(found: dict[str, Any], quantity: str, digits: int = 0, factor: float = 1) -> str:
    if found.get(quantity) is not None:
        return f"{found[quantity] * factor:.{digits}f}"
    return "failed" if "error" in found else "-"


def _errors(run: dict[str, Any]) -> str:
    """Return the error of each contestant that failed, once."""
    lines = []
    for name, cases in _contestants(run):
        failed = {case: found["error"] for case, found in cases.items() if "error" in found}
        if failed:
            who = " on ".join(_who(run, name))
            lines.append(f"failed: {who} ({len(failed)} cases): {next(iter(failed.values()))}")
    return "".join(f"\n{line}" for line in lines)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(line))
        for line in (zip(row, widths) for row in rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
