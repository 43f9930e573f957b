"""Draws the pictures of the documents into ``docs/_static``. Run it if a test says that a picture is out of date."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pictures import exchange, paths, performance, structure  # after they can be found

STATIC = Path(__file__).resolve().parents[1] / "_static"


def pictures() -> dict[str, str]:
    """Return the pictures by the names of their files."""
    return {
        "exchange.svg": exchange.draw(),
        "paths.svg": paths.draw(),
        "performance.svg": performance.draw(),
        "structure.svg": structure.draw(),
    }


if __name__ == "__main__":
    for name, picture in pictures().items():
        (STATIC / name).write_text(picture, encoding="utf-8")
