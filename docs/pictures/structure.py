"""Draws the parts of the package and their imports, from the source, with the path of one call."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from .drawing import Picture
from .imports import at_bottom, imports_of_parts, needed

PACKAGE = Path(__file__).resolve().parents[2] / "krbxmlrpc"
TITLE = "The parts of krbxmlrpc, their imports, and the path of one call"

PATH = [
    ("transport.py", "request"),
    ("_negotiate/call.py", "made"),
    ("_negotiate/exchange.py", "run"),
    ("_http/pool.py", "acquire"),
    ("_kerberos/ticket.py", "__init__"),
    ("_negotiate/wire.py", "send"),
    ("_http/connection.py", "send"),
    ("_http/response.py", "begin"),
    ("_kerberos/tokens.py", "check_reply"),
    ("_negotiate/policy.py", "next_step"),
    ("_xmlrpc/decoding.py", "decode"),
]
"""The files and functions that a call with a ticket enters, in this order. A test makes a call, and compares."""

SENT = 7
"""The steps of the path until the request is sent. In the rest, the reply comes back."""

BOTTOM = "the bottom"
"""The name of the box for all modules that import none of the package, or only such modules."""


class Place(NamedTuple):
    """A box of the picture."""

    row: int
    x: float
    width: float
    about: str


PLACES = {
    "__main__": Place(0, 16, 118, ""),
    "_cli": Place(0, 230, 340, "the command line"),
    "kobo": Place(1, 160, 150, "adapter"),
    "koji": Place(1, 325, 150, "adapter"),
    "pulp": Place(1, 490, 150, "adapter"),
    "__init__": Place(2, 160, 480, "the public names"),
    "transport": Place(3, 230, 340, "the hooks of ServerProxy"),
    "_settings": Place(4, 230, 340, "all arguments, checked"),
    "testing": Place(5, 16, 118, ""),
    "_negotiate": Place(5, 160, 624, "who sends what, and what a reply means"),
    "_kerberos": Place(6, 16, 246, "knows GSSAPI"),
    "_http": Place(6, 277, 246, "knows sockets"),
    "_xmlrpc": Place(6, 538, 246, "knows bodies"),
    BOTTOM: Place(7, 16, 768, ""),
}
WIDTH, GAP, HEAD, LINE = 800, 30, 36, 26


class _Structure:
    """The picture.

    Attributes:
        imports: the imports to draw, of all parts. The modules at the bottom are one part.
    """

    def __init__(self, package: Path) -> None:
        self.package = package
        found = imports_of_parts(package)
        self.bottom = sorted(at_bottom(found), key=lambda name: (name.startswith("_"), name))
        self.imports = {name: others for name, others in found.items() if name not in self.bottom}
        for name, others in self.imports.items():
            if others & set(self.bottom):
                self.imports[name] = others - set(self.bottom) | {BOTTOM}
        self.imports[BOTTOM] = set()
        if set(self.imports) != set(PLACES):
            raise ValueError(f"PLACES has to have a place for each of {sorted(self.imports)}")
        for name, others in self.imports.items():
            if min((PLACES[other].row for other in others), default=math.inf) < PLACES[name].row:
                raise ValueError(f"PLACES has {name} below a part that it imports: {sorted(others)}")
        self.picture = Picture(TITLE, self._description(), WIDTH)
        self.tops = self._tops()

    def _description(self) -> str:
        """Return the structure and the path as text."""
        parts = [
            f"{self.file(name)} imports {', '.join(self.file(other) for other in sorted(others))}."
            for name, others in self.imports.items()
            if others
        ]
        steps = [f"{number}: {file}, {function}" for number, (file, function) in enumerate(PATH, 1)]
        return (
            f"{' '.join(parts)} The bottom are the modules {', '.join(self.bottom)}. "
            f"The path of one call with a ticket: {'; '.join(steps)}."
        )

    def file(self, name: str) -> str:
        """Return the name of a part as a file or folder."""
        if name == BOTTOM:
            return name
        return f"{name}/" if (self.package / name).is_dir() else f"{name}.py"

    def steps(self, name: str) -> list[tuple[int, str, str]]:
        """Return the steps of the path in a part: number, file, function."""
        found = []
        for number, (path, function) in enumerate(PATH, 1):
            folder, _, file = path.rpartition("/")
            if (folder or file[:-3]) == name:
                found.append((number, file, function))
        return found

    def height(self, name: str) -> float:
        """Return the height of a box. All boxes of a row are as high as its highest."""
        row = PLACES[name].row
        lines = max(-(-len(self.steps(other)) // self.columns(other)) for other, it in PLACES.items() if it.row == row)
        return HEAD + LINE * lines + 6 * bool(lines)

    def columns(self, name: str) -> int:
        """Return how many steps stand side by side in a box."""
        return max(1, int(PLACES[name].width // 300))

    def _tops(self) -> list[float]:
        """Return the upper end of each row, and the lower end of the last row."""
        tops, top = [], 16.0
        for row in range(1 + max(place.row for place in PLACES.values())):
            tops.append(top)
            top += GAP + next(self.height(name) for name, place in PLACES.items() if place.row == row)
        return [*tops, top]

    def part(self, name: str) -> None:
        """Draw a box with the steps of the path."""
        row, x, width, about = PLACES[name]
        top = self.tops[row]
        self.picture.box(x, top, width, self.height(name))
        if name == BOTTOM:
            self.picture.text(x + width / 2, top + 23, ", ".join(self.bottom), "ink mono small", "middle")
            return
        self.picture.text(x + 12, top + 23, self.file(name), "ink mono bold small")
        if about:
            self.picture.text(x + width - 12, top + 23, about, "soft small", "end")
        columns = self.columns(name)
        for index, (number, file, function) in enumerate(self.steps(name)):
            left = x + 24 + index % columns * (width / columns)
            y = top + HEAD + 12 + LINE * (index // columns)
            self.picture.circle(left, y, 12, "own" if number <= SENT else "back")
            self.picture.text(left, y + 5, str(number), "bright bold small", "middle")
            shown = f"{file} {function}" if not function.startswith("__") else file
            self.picture.text(left + 20, y + 5, shown, "ink small mono")

    def arrow(self, name: str, other: str) -> None:
        """Draw an arrow for an import: down to a lower row, or to the side."""
        row, x, width, _ = PLACES[name]
        below, left, other_width, _ = PLACES[other]
        if below == row:
            y = self.tops[row] + HEAD / 2
            ends = [(x + width, y), (left - 2, y)] if x < left else [(x, y), (left + other_width + 2, y)]
        else:
            middle = (max(x, left) + min(x + width, left + other_width)) / 2
            ends = [(middle, self.tops[row] + self.height(name)), (middle, self.tops[below] - 2)]
        self.picture.line(ends, "line", "head")


def draw(package: Path = PACKAGE) -> str:
    """Return the picture of a package."""
    drawn = _Structure(package)
    for name, other in needed(drawn.imports):
        drawn.arrow(name, other)
    for name in PLACES:
        drawn.part(name)
    y = drawn.tops[-1] - 2
    for x, fill, text in ((27, "own", "a call on its way to the server"), (280, "back", "its reply on the way back")):
        drawn.picture.circle(x, y, 9, fill)
        drawn.picture.text(x + 18, y + 5, text, "ink small")
    drawn.picture.line([(540, y), (580, y)], "line", "head")
    drawn.picture.text(590, y + 5, "imports", "ink small")
    return drawn.picture.svg(y + 24)
