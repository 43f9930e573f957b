"""Draws a chart of a result, as SVG."""

from typing import Any, NamedTuple, Optional
from xml.sax.saxutils import escape

from .cases import DECODED, ONE
from .decoding import DECODERS

_WIDTH, _LABELS, _BAR, _STEP, _MARGIN = 980, 390, 15, 21, 12
_STYLE = """<style>
text { font: 13px sans-serif; fill: #1f2328; } .title { font-weight: bold; } .value { fill: #59636e; }
.paper { fill: #ffffff; } .own { fill: #0969da; } .limit { fill: #818b98; } .peer { fill: #bc6c25; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .value { fill: #9198a1; } .paper { fill: #0d1117; } .own { fill: #4493f8; }
.peer { fill: #d1842f; } }
</style>"""
_TITLE = "Processor time of a call on the client, for krbxmlrpc and for other transports"


class _Bar(NamedTuple):
    """A bar with its label. Without a value, the measurement failed."""

    label: str
    kind: str
    value: Optional[float]


def svg(run: dict[str, Any]) -> str:
    """Return the chart: horizontal bars, with the processor time of a call first, then the decoding, then rates."""
    panels = [
        ("Client's processor time for a small call, ms (less is better)", _calls(run, "cpu_per_call", 1000), 3),
        ("Processor time to decode a reply, ns a byte (less is better)", _decoding(run), 1),
        ("Small calls a second, one thread, client and server on the same cores", _calls(run, "calls_per_second"), 0),
    ]
    parts, top = [], _MARGIN + _STEP
    for title, bars, digits in panels:
        parts.append(_panel(title, bars, digits, top))
        top += (len(bars) + 2) * _STEP
    legend = (
        "blue: krbxmlrpc; grey: xmlrpc.client, and the limits of what is possible with it; orange: other transports"
    )
    parts.append(f'<text x="{_MARGIN}" y="{top}">{legend}</text>')
    return _document("\n".join(parts), _description(panels), top + _STEP)


def _calls(run: dict[str, Any], quantity: str, factor: float = 1) -> list[_Bar]:
    """Return a bar for each contestant."""
    bars = []
    for name, facts in run["contestants"].items():
        value = run["medians"][name].get(ONE, {}).get(quantity)
        bars.append(_Bar(f"{facts['title']} on {facts['path']}", facts["kind"], value and value * factor))
    return bars


def _decoding(run: dict[str, Any]) -> list[_Bar]:
    """Return a bar for each decoder and each reply."""
    bars = []
    for case in DECODED:
        for name, kind in zip(DECODERS, ("limit", "own")):
            found = run["medians"].get(name, {}).get(case.name)
            if found is not None:
                label = f"{name}, {case.name.partition(' ')[2]}"
                bars.append(_Bar(label, kind, found["cpu_per_call"] / found["bytes"] * 1e9))
    return bars


def _document(content: str, description: str, height: int) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    labels = f'<title id="title">{escape(_TITLE)}</title>\n<desc id="description">{escape(description)}</desc>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">\n{labels}\n'
        f'{_STYLE}\n<rect class="paper" width="{_WIDTH}" height="{height}"/>\n{content}\n</svg>\n'
    )


def _description(panels: list[tuple[str, list[_Bar], int]]) -> str:
    """Return the figures of the chart as text, for readers who do not see it."""
    sentences = []
    for title, bars, digits in panels:
        figures = "; ".join(f"{bar.label}: {_shown(bar, digits)}" for bar in bars)
        sentences.append(f"{title}: {figures}.")
    return " ".join(sentences)


def _panel(title: str, bars: list[_Bar], digits: int, top: int) -> str:
    scale = (_WIDTH - _LABELS - 70) / max((bar.value or 0 for bar in bars), default=1)
    lines = [f'<text class="title" x="{_MARGIN}" y="{top}">{escape(title)}</text>']
    for number, bar in enumerate(bars, 1):
        y = top + number * _STEP
        width = (bar.value or 0) * scale
        lines.append(f'<text x="{_LABELS - 8}" y="{y}" text-anchor="end">{escape(bar.label)}</text>')
        lines.append(
            f'<rect class="{bar.kind}" x="{_LABELS}" y="{y - 12}" width="{width:.1f}" height="{_BAR}" rx="2"/>'
        )
        lines.append(f'<text class="value" x="{_LABELS + width + 6:.1f}" y="{y}">{_shown(bar, digits)}</text>')
    return "\n".join(lines)


def _shown(bar: _Bar, digits: int) -> str:
    return "failed" if bar.value is None else f"{bar.value:.{digits}f}"
