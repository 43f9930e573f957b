"""Reads the sections ``[libdefaults]``, ``[domain_realm]`` and ``[realms]`` of ``krb5.conf``.

Kerberos reads ``krb5.conf`` for everything else, but does not report its contents. Source: MIT Kerberos documentation,
"krb5.conf".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from .files import Version, file_version

DEFAULT = "/etc/krb5.conf"
"""The path of krb5.conf on most systems, if KRB5_CONFIG is not set."""

MAX_DEPTH = 8
"""Follow includes to this depth."""

_SECTION = re.compile(r"\[\s*([^\]]*?)\s*\]")
_RELATION = re.compile(r"([^\s={}]+)\s*=\s*(?!\s*{)\"?([^\"]*?)\"?\s*")
_SUBSECTION = re.compile(r"([^\s={}]+)\s*=\s*{")
_INCLUDED = re.compile(r"[A-Za-z0-9_-]+|[^.].*\.conf")


class Configuration(NamedTuple):
    """The contents of one or several files."""

    files: list[str]
    """The readable files, without the files that they include."""
    missing: list[str]
    """The unreadable files."""
    libdefaults: dict[str, str]
    domain_realm: dict[str, str]
    """Realms by hosts and domains."""
    kdcs: dict[str, list[str]]
    """The values of ``kdc`` by realms, for example ``kdc.example.com:88``."""


_TRUE = ("y", "yes", "true", "t", "1", "on")
_known: dict[str, tuple[list[tuple[str, Version]], Configuration]] = {}


def paths(names: str | None) -> list[str]:
    """Return the files that KRB5_CONFIG names. None means that KRB5_CONFIG is not set."""
    return (names or DEFAULT).split(":")


def read(names: str | None) -> Configuration:
    """Read the files that KRB5_CONFIG names. None means that KRB5_CONFIG is not set.

    The result is kept until one of the files changes, because each ticket needs it.
    """
    names = names or DEFAULT
    versions, found = _known.get(names, ([], None))
    if found is not None:
        for path, version in versions:  # a loop, because each ticket comes here
            if file_version(path) != version:
                break
        else:
            return found
    return _read_anew(names)


def _read_anew(names: str) -> Configuration:
    found = Configuration([], [], {}, {}, {})
    versions: list[tuple[str, Version]] = []
    for path in paths(names):
        (found.files if _read_file(path, found, versions, 0) else found.missing).append(path)
    _known[names] = versions, found
    return found


def current() -> Configuration:
    """Read the files that the environment names."""
    return read(os.environ.get("KRB5_CONFIG"))


def is_true(value: str) -> bool:
    """Return a value of krb5.conf as a bool."""
    return value.lower() in _TRUE


def realm_of(host: str, domain_realm: Mapping[str, str]) -> str:
    """Return the realm of a host by ``[domain_realm]``; ``""`` if the section does not name one.

    Kerberos looks for the host, then for its domain with a dot before it and without, then for the domain above.
    """
    name = host.lower().rstrip(".")
    while name:
        if name in domain_realm:
            return domain_realm[name]
        name = name[1:] if name.startswith(".") else f".{name.partition('.')[2]}".rstrip(".")
    return ""


def _read_file(path: str, found: Configuration, versions: list[tuple[str, Version]], depth: int) -> bool:
    """Add a file's settings, except those that are set already. Return whether the file can be read.

    Args:
        versions: the files and folders that have been looked at, and their versions.
    """
    versions.append((path, file_version(path)))
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return False
    section = realm = ""
    nested = 0
    for line in map(str.strip, lines):
        if line.startswith(("#", ";")):
            continue
        heading = _SECTION.match(line)
        relation, subsection = _RELATION.fullmatch(line), _SUBSECTION.fullmatch(line)
        if line.startswith(("include ", "includedir ")) and depth < MAX_DEPTH:
            directive, target = line.split(None, 1)
            if directive == "includedir":
                versions.append((target, file_version(target)))
            for included in _included(directive, target):
                _read_file(included, found, versions, depth + 1)
        elif heading is not None:
            section, nested = heading[1], 0
        elif subsection is not None and not nested:
            realm = subsection[1]
        elif relation is not None:
            _note(found, section, realm, nested, *relation.groups())
        nested += line.endswith("{") - line.startswith("}")
    return True


def _note(found: Configuration, section: str, realm: str, nested: int, name: str, value: str) -> None:
    """Note a relation.

    Args:
        realm: the name of the subsection that holds the relation.
        nested: the number of subsections around the relation.
    """
    if section == "realms" and nested == 1 and name == "kdc":
        found.kdcs.setdefault(realm, []).append(value)
    elif nested:
        return
    elif section == "libdefaults":
        found.libdefaults.setdefault(name, value)
    elif section == "domain_realm":
        found.domain_realm.setdefault(name.lower(), value)


def _included(directive: str, path: str) -> list[str]:
    if directive == "include":
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names if _INCLUDED.fullmatch(name)]
