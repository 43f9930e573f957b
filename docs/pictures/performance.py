"""Draws the ratios of ``docs/performance.rst``: krbxmlrpc beside other transports. The figures are the page's own."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import NamedTuple

from .drawing import Picture, width_of

PAGE = Path(__file__).resolve().parents[1] / "performance.rst"
HEADING = "Ratio of the medians"
TITLE = "krbxmlrpc beside other transports: ratios of processor time and of calls a second"
WIDTH, LEFT, RIGHT, VALUES, ROW = 800, 356, 596, 612, 28
LEAST, MOST = 0.5, 16.0
TICKS = (0.5, 1, 2, 4, 8, 16)


class Ratio(NamedTuple):
    """A row of the table."""

    label: str
    note: str
    measured: str
    wanted: str
    is_cost: bool
    """Whether less is better."""

    @property
    def values(self) -> list[float]:
        """The measured ratios."""
        return _numbers(self.measured)

    @property
    def goal(self) -> float:
        """The wanted ratio."""
        return _numbers(self.wanted)[0]

    def is_better(self, value: float) -> bool:
        """Say whether krbxmlrpc is better than the other transport."""
        return value < 1 if self.is_cost else value > 1


def ratios(page: str) -> list[Ratio]:
    """Return the rows of the table of a page."""
    lines = page.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(HEADING))
    columns = [slice(*match.span()) for match in re.finditer("=+", lines[start - 1])]
    columns[-1] = slice(columns[-1].start, None)
    found = []
    for line in lines[start + 2 :]:
        if line.startswith("==="):
            break
        label, measured, wanted = (line[column].strip() for column in columns)
        label, _, note = label.replace(")", "").partition(" (")
        name = re.sub(", (CPU|calls/s)$", "", label)
        found.append(Ratio(name, note, measured, wanted, label.endswith(", CPU")))
    return found


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]


def _x(value: float) -> float:
    """Return the place of a ratio on the axis, which is logarithmic."""
    value = min(max(value, LEAST), MOST)
    return LEFT + (RIGHT - LEFT) * math.log(value / LEAST) / math.log(MOST / LEAST)


class _Chart:
    """The picture, from top to bottom."""

    def __init__(self, rows: list[Ratio]) -> None:
        self.picture = Picture(TITLE, description(rows), WIDTH)
        self.y = 0.0

    def panel(self, title: str, rows: list[Ratio]) -> None:
        """Draw the rows of one kind, with an axis."""
        self.y += 30
        self.picture.text(16, self.y, title, "ink bold small")
        top = self.y + 14
        bottom = top + sum(_height(row) for row in rows)
        for tick in TICKS:
            self.picture.line([(_x(tick), top), (_x(tick), bottom)], "line" if tick == 1 else "edge")
            self.picture.text(_x(tick), bottom + 16, f"{tick:g}", "soft small", "middle")
        self.y = top
        for row in rows:
            self._row(row)
        self.y = bottom + 24

    def _row(self, row: Ratio) -> None:
        height = _height(row)
        y = self.y + height / 2
        first, second = _lines(row)
        if second:
            self.picture.text(16, y - 4, first, "ink small")
            self.picture.text(16, y + 14, second, "soft small")
        else:
            self.picture.text(16, y + 5, first, "ink small")
        self.picture.rect(_x(row.goal) - 1.5, y - 10, 3, 20, "head")
        for value in row.values:
            ends = sorted([_x(1), _x(value)])
            fill = "own" if row.is_better(value) else "soft"
            self.picture.rect(ends[0], y - 2, ends[1] - ends[0], 4, fill)
        for value in row.values:
            self.picture.circle(_x(value), y, 6, "own" if row.is_better(value) else "soft")
        self.picture.text(VALUES, y + 5, row.measured, "ink small")
        self.picture.text(WIDTH - 16, y + 5, row.wanted, "soft small", "end")
        self.y += height


def _lines(row: Ratio) -> tuple[str, str]:
    """Return the two lines of a row's label. The second line may be empty."""
    if width_of(row.label, "small") < LEFT - 24:
        return row.label, row.note
    one, _, other = row.label.partition(" : ")
    return f"{one} :", f"{other} ({row.note})" if row.note else other


def _height(row: Ratio) -> int:
    return ROW + 14 * bool(_lines(row)[1])


def draw(page: str | None = None) -> str:
    """Return the picture of a page's table."""
    rows = ratios(PAGE.read_text(encoding="utf-8") if page is None else page)
    chart = _Chart(rows)
    chart.picture.text(VALUES, 30, "measured", "soft small")
    chart.picture.text(WIDTH - 16, 30, "wanted", "soft small", "end")
    chart.panel("Processor time of a call (less is better)", [row for row in rows if row.is_cost])
    chart.panel("Calls a second (more is better)", [row for row in rows if not row.is_cost])
    y = chart.y + 16
    for x, fill, text in ((24, "own", "krbxmlrpc is better"), (212, "soft", "the other transport is better, or equal")):
        chart.picture.circle(x, y, 6, fill)
        chart.picture.text(x + 14, y + 5, text, "ink small")
    chart.picture.rect(540, y - 10, 3, 20, "head")
    chart.picture.text(552, y + 5, "wanted", "ink small")
    return chart.picture.svg(y + 24)


def description(rows: list[Ratio]) -> str:
    """Return the figures as text."""
    sentences = []
    for row in rows:
        kind = "processor time" if row.is_cost else "calls a second"
        note = f" ({row.note})" if row.note else ""
        sentences.append(f"{row.label}{note}, {kind}: {row.measured}; wanted: {row.wanted}.")
    return " ".join(sentences)
