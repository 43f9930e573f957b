"""Makes a result of samples: plain functions, without I/O. `tables` and `chart` show the result.

A sample is one measurement: ``contestant``, ``case``, ``round`` (-1: before the first round), and some quantities:
``cpu_per_call`` (seconds of the client's processor time), ``calls_per_second``, ``instructions``, ``requests`` and
``connections`` (of a call), ``memory`` (bytes), ``bytes`` (of the decoded body); or only ``error``. The contestant of
an import or of a decoder is the name of its library.
"""

from collections.abc import Iterable
from statistics import median
from typing import Any, Optional

from .cases import ONE
from .contestants import CONTESTANTS
from .goals import goals, with_rounds

_FACTS = ["title", "path", "kind", "configuration"]

Summary = dict[str, dict[str, dict[str, Any]]]
"""The median of a quantity, by contestant, case and quantity; for ``error``, the last one."""


def result(machine: dict[str, Any], versions: dict[str, str], effort: dict[str, Any], samples: Any) -> dict[str, Any]:
    """Return everything about a run."""
    medians = summary(samples)
    by_round = [summary(each) for each in rounds(samples)]
    names = [name for name in medians if name in CONTESTANTS]
    return {
        "machine": machine,
        "versions": versions,
        "effort": effort,
        "contestants": {name: {key: getattr(CONTESTANTS[name], key) for key in _FACTS} for name in names},
        "medians": medians,
        "goals": with_rounds(goals(medians), [goals(each) for each in by_round]),
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


def rounds(samples: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the samples of each round."""
    found: dict[int, list[dict[str, Any]]] = {}
    for sample in samples:
        if sample["round"] >= 0:
            found.setdefault(sample["round"], []).append(sample)
    return [found[number] for number in sorted(found)]


def spread(samples: Iterable[dict[str, Any]], name: str, case: str = ONE) -> str:
    """Return the distance between the rounds. A smaller difference between two contestants may be chance."""
    values = [each.get("cpu_per_call") for each in samples if (each["contestant"], each["case"]) == (name, case)]
    known: list[Optional[float]] = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "-"
    return f"{(max(known) - min(known)) / median(known):.0%}"
