"""Shapes, texts and colours for SVG, with a light and a dark set of colours.

A picture has a background of its own. So it is readable on any page, whether or not the page follows the reader's
colour scheme. It has no scripts, no fonts from elsewhere, and no links.
"""

from __future__ import annotations

from html import escape

COLOURS = {
    # class: purpose, colour in the light theme, colour in the dark theme
    "paper": ("fill", "#ffffff", "#161b22"),
    "box": ("fill", "#f6f8fa", "#21262d"),
    "good": ("fill", "#dafbe1", "#12361f"),
    "bad": ("fill", "#ffebe9", "#48201f"),
    "again": ("fill", "#ddf4ff", "#0f2d4d"),
    "own": ("fill", "#0969da", "#4493f8"),
    "back": ("fill", "#1a7f37", "#3fb950"),
    "ink": ("fill", "#1f2328", "#f0f6fc"),
    "soft": ("fill", "#57606a", "#9da7b3"),
    "blue": ("fill", "#0550ae", "#79c0ff"),
    "bright": ("fill", "#ffffff", "#0d1117"),
    "edge": ("stroke", "#d0d7de", "#3d444d"),
    "line": ("stroke", "#6e7781", "#8b949e"),
    "way": ("stroke", "#0969da", "#4493f8"),
    "head": ("fill", "#6e7781", "#8b949e"),
}
"""The colours of each class: on a light screen and on a dark one."""

_SHAPES = """text { font: 16px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
.mono { font-family: ui-monospace, "SFMono-Regular", "DejaVu Sans Mono", Menlo, monospace; }
.bold { font-weight: 600; } .small { font-size: 14px; }
.edge, .line, .way { fill: none; } .dashed { stroke-dasharray: 5 4; }"""

NARROW, WIDE = frozenset(" !'(),.:;fijlrt|"), frozenset("MWmw@%")


def style() -> str:
    """Return the style sheet of a picture."""
    light = " ".join(f".{name} {{ {kind}: {value}; }}" for name, (kind, value, _) in COLOURS.items())
    dark = " ".join(f".{name} {{ {kind}: {value}; }}" for name, (kind, _, value) in COLOURS.items())
    return f"<style>\n{_SHAPES}\n{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n</style>"


def size_of(classes: str) -> int:
    """Return the size of a text's font, in the units of the picture."""
    names = classes.split()
    return 14 if "small" in names else 16


def width_of(text: str, classes: str = "") -> float:
    """Return the width of a text in DejaVu Sans, roughly. Most other fonts are narrower."""
    names = classes.split()
    if "mono" in names:
        return 0.61 * len(text) * size_of(classes)
    bold = 1.1 if "bold" in names else 1
    return bold * size_of(classes) * sum(map(_width, text))


def _width(character: str) -> float:
    if character in NARROW:
        return 0.38
    return 0.93 if character in WIDE else 0.7 if character.isupper() else 0.64 if character.isdigit() else 0.61


class Picture:
    """A picture, made of elements from the back to the front.

    Args:
        title: the name of the picture.
        description: the contents of the picture, for readers who do not see it.
        width: the width. The height comes with `svg`.
    """

    def __init__(self, title: str, description: str, width: int) -> None:
        self.width = width
        self._title = title
        self._description = description
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, classes: str = "ink", anchor: str = "start") -> None:
        """Write a text; `y` is its base line."""
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(f'<text class="{classes}" x="{_n(x)}" y="{_n(y)}"{where}>{escape(text, quote=False)}</text>')

    def box(self, x: float, y: float, width: float, height: float, fill: str = "box", edge: str = "edge") -> None:
        """Draw a box with round corners."""
        size = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="6"'
        self._parts.append(f'<rect class="{fill}" {size}/>')
        if edge:
            self._parts.append(f'<rect class="{edge}" {size}/>')

    def rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        """Draw a bar or a ground without an edge."""
        size = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" rx="3"'
        self._parts.append(f'<rect class="{fill}" {size}/>')

    def circle(self, x: float, y: float, radius: float, fill: str) -> None:
        """Draw a disc."""
        self._parts.append(f'<circle class="{fill}" cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}"/>')

    def line(self, points: list[tuple[float, float]], classes: str = "line", arrow: str = "") -> None:
        """Draw a line through points. `arrow` is the class of the arrow head at its end, ``""`` for none."""
        way = "M" + " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self._parts.append(f'<path class="{classes}" d="{way}"/>')
        if arrow:
            (x0, y0), (x, y) = points[-2:]
            dx, dy = _sign(x - x0), _sign(y - y0)  # all arrows are level or upright
            corners = [(x, y), (x - 9 * dx - 4 * dy, y - 9 * dy - 4 * dx), (x - 9 * dx + 4 * dy, y - 9 * dy + 4 * dx)]
            shown = " ".join(f"{_n(a)},{_n(b)}" for a, b in corners)
            self._parts.append(f'<polygon class="{arrow}" points="{shown}"/>')

    def svg(self, height: float) -> str:
        """Return the picture as a file."""
        size = f'viewBox="0 0 {self.width} {_n(height)}" width="{self.width}" height="{_n(height)}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
                f'<title id="title">{escape(self._title, quote=False)}</title>',
                f'<desc id="desc">{escape(self._description, quote=False)}</desc>',
                style(),
                f'<rect class="paper" width="{self.width}" height="{_n(height)}" rx="8"/>',
                *self._parts,
                "</svg>\n",
            ]
        )


def _n(value: float) -> str:
    """Return a number without needless digits."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
