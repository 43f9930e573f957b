"""Reads from ``krb5.conf`` what stands in its section ``[libdefaults]``, to say it to a person.

Only that: Kerberos reads it for all else, and does not tell. Source: MIT Kerberos documentation, "krb5.conf".
"""

from __future__ import annotations

import os
import re
from typing import Dict, List, NamedTuple, Optional

DEFAULT = "/etc/krb5.conf"
"""Where it is, on most systems, unless KRB5_CONFIG says otherwise."""

MAX_DEPTH = 8
"""How deep files may include others."""

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]")
_RELATION = re.compile(r"([^\s={}]+)\s*=\s*(?!\s*{)\"?([^\"]*?)\"?\s*")
_INCLUDED = re.compile(r"[A-Za-z0-9_-]+|[^.].*\.conf")


class Configuration(NamedTuple):
    """What was found."""

    files: List[str]
    """Those that could be read, without those that they include."""
    missing: List[str]
    """Those that could not."""
    libdefaults: Dict[str, str]


def paths(names: Optional[str]) -> List[str]:
    """Return the files that KRB5_CONFIG names; None: it is not set."""
    return (names or DEFAULT).split(":")


def read(names: Optional[str]) -> Configuration:
    """Read the files that KRB5_CONFIG names; None: it is not set."""
    found = Configuration([], [], {})
    for path in paths(names):
        (found.files if _read_file(path, found.libdefaults, 0) else found.missing).append(path)
    return found


def _read_file(path: str, libdefaults: Dict[str, str], depth: int) -> bool:
    """Add what a file says, where no earlier one has said it; return whether it can be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    section = ""
    nested = 0
    for line in map(str.strip, lines):
        heading = _SECTION.match(line)
        relation = _RELATION.fullmatch(line)
        if line.startswith(("include ", "includedir ")) and depth < MAX_DEPTH:
            for included in _included(*line.split(None, 1)):
                _read_file(included, libdefaults, depth + 1)
        elif heading is not None:
            section, nested = heading[1], 0
        elif relation is not None and section == "libdefaults" and not nested:
            libdefaults.setdefault(*relation.groups())
        nested += line.endswith("{") - line.startswith("}")
    return True


def _included(directive: str, path: str) -> List[str]:
    if directive == "include":
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names if _INCLUDED.fullmatch(name)]
