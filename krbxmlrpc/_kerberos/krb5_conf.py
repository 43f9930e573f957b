"""Reads the section ``[libdefaults]`` of ``krb5.conf``, to show it to a person.

Kerberos reads ``krb5.conf`` for everything else, but does not report its contents. Source: MIT Kerberos documentation,
"krb5.conf".
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

DEFAULT = "/etc/krb5.conf"
"""The path of krb5.conf on most systems, if KRB5_CONFIG is not set."""

MAX_DEPTH = 8
"""Follow includes to this depth."""

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]")
_RELATION = re.compile(r"([^\s={}]+)\s*=\s*(?!\s*{)\"?([^\"]*?)\"?\s*")
_INCLUDED = re.compile(r"[A-Za-z0-9_-]+|[^.].*\.conf")


class Configuration(NamedTuple):
    """The contents of one or several files."""

    files: list[str]
    """The readable files, without the files that they include."""
    missing: list[str]
    """The unreadable files."""
    libdefaults: dict[str, str]


def paths(names: str | None) -> list[str]:
    """Return the files that KRB5_CONFIG names. None means that KRB5_CONFIG is not set."""
    return (names or DEFAULT).split(":")


def read(names: str | None) -> Configuration:
    """Read the files that KRB5_CONFIG names. None means that KRB5_CONFIG is not set."""
    found = Configuration([], [], {})
    for path in paths(names):
        (found.files if _read_file(path, found.libdefaults, 0) else found.missing).append(path)
    return found


def _read_file(path: str, libdefaults: dict[str, str], depth: int) -> bool:
    """Add a file's settings, except those that are set already. Return whether the file can be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    section = ""
    nested = 0
    for line in map(str.strip, lines):
        if line.startswith(("#", ";")):
            continue
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


def _included(directive: str, path: str) -> list[str]:
    if directive == "include":
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names if _INCLUDED.fullmatch(name)]
