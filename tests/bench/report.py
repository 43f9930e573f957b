"""Makes a result of samples, and tables and a chart of the result: plain functions, without I/O.

A sample is what was measured once: ``contestant``, ``case``, ``round`` (-1: before the first), and any of these:
``calls_per_second``, ``cpu_per_call`` (seconds), ``memory`` (bytes), ``requests`` and ``connections`` (a call); or
``error``.
"""

from collections.abc import Iterable
from statistics import median
from typing import Any, Optional
from xml.sax.saxutils import escape

from .contestants import CONTESTANTS

THREADS = ["1 thread", "2 threads", "4 threads", "8 threads", "16 threads"]
LARGE = ["1 MB up", "1 MB down", "20 MB up", "20 MB down"]
_FACTS = ["title", "path", "kind"]
COUNTS = "counts"

Summary = dict[str, dict[str, dict[str, Any]]]
"""The median of a quantity, by contestant, case and quantity; of ``error``, the last."""


def result(machine: dict[str, Any], versions: dict[str, str], effort: dict[str, Any], samples: Any) -> dict[str, Any]:
    """Return all that there is to say about a run."""
    medians = summary(samples)
    return {
        "machine": machine,
        "versions": versions,
        "effort": effort,
        "contestants": {name: {key: getattr(CONTESTANTS[name], key) for key in _FACTS} for name in medians},
        "medians": medians,
        "goals": with_rounds(goals(medians), samples),
        "samples": samples,
    }


def summary(samples: Iterable[dict[str, Any]]) -> Summary:
    """Return the medians."""
    values: dict[tuple[str, str, str], list[Any]] = {}
    for sample in samples:
        for quantity in sample.keys() - {"contestant", "case", "round"}:
            values.setdefault((sample["contestant"], sample["case"], quantity), []).append(sample[quantity])
    medians: Summary = {}
    for (name, case, quantity), measured in values.items():
        value = measured[-1] if quantity == "error" else median(measured)
        medians.setdefault(name, {}).setdefault(case, {})[quantity] = value
    return medians


def spread(samples: Iterable[dict[str, Any]], name: str, case: str = THREADS[0]) -> str:
    """Say how far the rounds lie apart: what differs by less than that between contestants, may be chance."""
    rates = [each.get("calls_per_second") for each in samples if (each["contestant"], each["case"]) == (name, case)]
    if not rates or None in rates:
        return "-"
    return f"{(max(rates) - min(rates)) / median(rates):.0%}"


def ratio(above: Optional[float], below: Optional[float]) -> Optional[float]:
    """Divide; None where something was not measured."""
    return None if above is None or not below else above / below


def goals(medians: Summary) -> list[dict[str, Any]]:
    """Return what is to be reached, and what was measured."""

    def of(name: str, case: str = THREADS[0], quantity: str = "calls_per_second") -> Optional[float]:
        return medians.get(name, {}).get(case, {}).get(quantity)

    def speedup(name: str) -> Optional[float]:
        return ratio(of(name, "8 threads"), of(name))

    def cpu(name: str) -> Optional[float]:
        return of(name, quantity="cpu_per_call")

    def seconds(name: str, case: str) -> Optional[float]:
        return ratio(1, of(name, case))

    found = [
        _goal("session : SafeTransport with a cookie set by hand, calls/s", ratio(of("session"), of("cookie")), 1.0),
        _goal("session : kobo, calls/s", ratio(of("session"), of("kobo session")), 15.0),
        _goal("a ticket a call : kobo, calls/s", ratio(of("spnego"), of("kobo")), 4.0),
    ]
    for name, peer in ("spnego", "requests-gssapi opportunistic"), ("krb5", "requests-gssapi opportunistic krb5"):
        thin = f"thin {name}"
        what = f"a ticket a call, {name} :"
        found += [
            _goal(f"{what} thinnest preemptive, calls/s", ratio(of(name), of(thin)), 1.0),
            _goal(f"{what} requests-gssapi opportunistic, calls/s", ratio(of(name), of(peer)), 1.6),
            _goal(f"requests-gssapi opportunistic : a ticket a call, {name}, CPU", ratio(cpu(peer), cpu(name)), 2.5),
        ]
    for name, thin in ("session", "cookie"), ("spnego", "thin spnego"), ("krb5", "thin krb5"):
        what = f"8 threads : 1, {name}, calls/s, : the same of thin clients"
        found.append(_goal(what, ratio(speedup(name), speedup(thin)), 0.9))
    for case in LARGE[1::2]:
        time = ratio(seconds("session", case), seconds("open", case))
        found.append(_goal(f"{case}, session : SafeTransport, seconds", time, 1.0, at_most=True))
    memory = [of(name, LARGE[-1], "memory") for name in ("session", "open")]
    found.append(_goal(f"{LARGE[-1]}, session : SafeTransport, memory", ratio(*memory), 1.1, at_most=True))
    return found


def with_rounds(found: list[dict[str, Any]], samples: Any) -> list[dict[str, Any]]:
    """Add to each goal what was ``measured_by_round``: where it lies on both sides, another run may say otherwise."""
    rounds = sorted({sample["round"] for sample in samples} - {-1})
    each = [goals(summary(sample for sample in samples if sample["round"] == number)) for number in rounds]
    by_round = [[goal["measured"] for goal in column if goal["measured"] is not None] for column in zip(*each)]
    return [{**goal, "measured_by_round": values} for goal, values in zip(found, by_round or [[]] * len(found))]


def _goal(what: str, measured: Optional[float], goal: float, at_most: bool = False) -> dict[str, Any]:
    reached = measured is not None and (measured <= goal if at_most else measured >= goal)
    return {"what": what, "measured": measured, "bound": "at most" if at_most else "at least", "goal": goal} | {
        "reached": None if measured is None else reached
    }


# -- tables -----------------------------------------------------------------------------------------------------------


def table(run: dict[str, Any]) -> str:
    """Return the whole report as text."""
    return "\n\n".join([_small(run), _large(run, "seconds"), _large(run, "memory"), _goals(run), _where(run)])


def _small(run: dict[str, Any]) -> str:
    head = ["SMALL CALLS", "path", "requests", "conn.", "CPU ms", "spread", *THREADS]
    rows = []
    for name, cases in run["medians"].items():
        counts, one = cases.get(COUNTS, {}), cases.get(THREADS[0], {})
        row = [*_who(run, name), _number(counts, "requests", 2), _number(counts, "connections", 2)]
        row.append(_number(one, "cpu_per_call", 3, 1000))
        row.append(spread(run["samples"], name))
        rows.append(row + [_number(cases.get(case, {}), "calls_per_second") for case in THREADS])
    note = "requests, connections and client CPU: a call, in 1 thread; then calls/s, by the number of threads;\n"
    note += "spread: of the calls/s in 1 thread between the rounds, (highest - lowest) / median"
    return f"{_aligned([head, *rows])}\n{note}{_errors(run)}"


def _large(run: dict[str, Any], quantity: str) -> str:
    head = [f"LARGE CALLS, {'seconds' if quantity == 'seconds' else 'MB of memory'}", "path", *LARGE]
    rows = []
    for name, cases in run["medians"].items():
        row = _who(run, name)
        for case in LARGE:
            found = cases.get(case, {})
            if quantity == "seconds" and "calls_per_second" in found:
                found = {"seconds": 1 / found["calls_per_second"]}
            row.append(_number(found, quantity, *((3, 1) if quantity == "seconds" else (1, 1 / 1024 / 1024))))
        rows.append(row)
    return _aligned([head, *rows])


def _goals(run: dict[str, Any]) -> str:
    rows = [["GOALS", "measured", "by round: median", "from", "to", "goal", "reached"]]
    for goal in run["goals"]:
        sign = "<=" if goal["bound"] == "at most" else ">="
        reached = {None: "-", True: "yes", False: "NO"}[goal["reached"]]
        values = goal["measured_by_round"]
        shown = [f"{choose(values):.3f}" if values else "-" for choose in (median, min, max)]
        rows.append([goal["what"], _number(goal, "measured", 3), *shown, f"{sign} {goal['goal']}", reached])
    return f"{_aligned(rows)}\nmeasured: ratio of the medians; by round: ratios of what was measured within one round"


def _where(run: dict[str, Any]) -> str:
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"On {machine['cores']} cores of {machine['processor']}; {machine['system']}\nWith {versions}"


def _who(run: dict[str, Any], name: str) -> list[str]:
    return [run["contestants"][name]["title"], run["contestants"][name]["path"]]


def _number(found: dict[str, Any], quantity: str, digits: int = 0, factor: float = 1) -> str:
    if found.get(quantity) is not None:
        return f"{found[quantity] * factor:.{digits}f}"
    return "failed" if "error" in found else "-"


def _errors(run: dict[str, Any]) -> str:
    """Say of each contestant that failed why it did, once."""
    said = []
    for name, cases in run["medians"].items():
        failed = {case: found["error"] for case, found in cases.items() if "error" in found}
        if failed:
            who = " on ".join(_who(run, name))
            said.append(f"failed: {who} ({len(failed)} cases): {next(iter(failed.values()))}")
    return "".join(f"\n{line}" for line in said)


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(line))
        for line in (zip(row, widths) for row in rows)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


# -- the chart --------------------------------------------------------------------------------------------------------

_WIDTH, _LABELS, _BAR, _STEP = 920, 340, 15, 21
_STYLE = """<style>
text { font: 13px sans-serif; fill: #1f2328; } .title { font-weight: bold; } .value { fill: #59636e; }
.own { fill: #0969da; } .limit { fill: #818b98; } .peer { fill: #d1842f; }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc; } .value { fill: #9198a1; } .own { fill: #4493f8; } }
</style>"""


def svg(run: dict[str, Any]) -> str:
    """Return a chart: horizontal bars of calls a second and of processor time a call, in one thread."""
    parts = []
    top = _STEP
    for title, quantity, factor, digits in (
        ("Small calls a second, one thread (more is better)", "calls_per_second", 1, 0),
        ("Client's processor time a call, ms (less is better)", "cpu_per_call", 1000, 2),
    ):
        rows = []
        for name, cases in run["medians"].items():
            value = cases.get(THREADS[0], {}).get(quantity)
            rows.append((" on ".join(_who(run, name)), run["contestants"][name]["kind"], value and value * factor))
        parts.append(_bars(title, rows, digits, top))
        top += (len(rows) + 2) * _STEP
    parts.append(f'<text x="0" y="{top}">blue: krbxmlrpc; grey: the limits of what is possible; orange: others</text>')
    top += _STEP // 2
    view = f'viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {view} role="img">\n{_STYLE}\n' + "\n".join(parts) + "\n</svg>\n"


def _bars(title: str, rows: list[tuple[str, str, Optional[float]]], digits: int, top: int) -> str:
    scale = (_WIDTH - _LABELS - 70) / max((value or 0 for _, _, value in rows), default=1)
    lines = [f'<text class="title" x="0" y="{top}">{escape(title)}</text>']
    for number, (label, kind, value) in enumerate(rows, 1):
        y = top + number * _STEP
        width = (value or 0) * scale
        shown = "failed" if value is None else f"{value:.{digits}f}"
        lines.append(f'<text x="{_LABELS - 8}" y="{y}" text-anchor="end">{escape(label)}</text>')
        lines.append(f'<rect class="{kind}" x="{_LABELS}" y="{y - 12}" width="{width:.1f}" height="{_BAR}" rx="2"/>')
        lines.append(f'<text class="value" x="{_LABELS + width + 6:.1f}" y="{y}">{shown}</text>')
    return "\n".join(lines)
