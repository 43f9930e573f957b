"""Tells whether a credential cache has changed, at next to no cost: one look at its files.

Only caches in files can be watched like this. Source: MIT Kerberos documentation, "Credential cache types".
"""

from __future__ import annotations

import os
import pwd
import re
import time
from typing import NamedTuple

from . import krb5_conf
from .ccache import cache_owner
from .files import Version, file_version
from .principals import is_same

MAX_PRIMARY = 1024
"""The most bytes that the file ``primary`` of a directory of credential caches can have."""

_SUBSIDIARY = re.compile(r"tkt[^/\n]*")

_TICK, _SECONDS = 0.02, 2.0
"""The longest time, in seconds, in which two changes of a file can leave the same time in its status: for file systems
that have fractions of seconds, and for others."""


class Signature(NamedTuple):
    """The state of a credential cache. If two states are equal, the cache has not changed in between."""

    name: str
    file: str
    """The file of the cache; ``""`` if the cache cannot be watched."""
    versions: tuple[tuple[str, Version], ...]
    """The files to watch, and their versions."""

    def is_current(self, name: str) -> bool:
        """Say whether the cache with this name is still the same, and has not changed."""
        if name != self.name:
            return False
        for path, version in self.versions:  # a loop, because each call comes here
            if file_version(path) != version:
                return False
        return True


class Sight:
    """The first look at a state. Two changes in the same moment can look the same, so a new state counts for little.

    Args:
        signature: the state.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        has_fractions = all(version is None or version[-1] % 1_000_000_000 for _, version in signature.versions)
        self._settles = time.monotonic() + (_TICK if has_fractions else _SECONDS)

    def is_settled(self) -> bool:
        """Say whether each later change certainly leads to another signature."""
        return time.monotonic() >= self._settles


def cache_name(ccache: str | None) -> str:
    """Return the name of a credential cache; None stands for the one that the environment, or krb5.conf, names."""
    name = os.environ.get("KRB5CCNAME") if ccache is None else ccache
    return name or default_cache(krb5_conf.current().libdefaults)


def default_cache(libdefaults: dict[str, str]) -> str:
    """Return the name of the default credential cache. A name with an unknown parameter in it cannot be watched.

    Source: MIT Kerberos documentation, "krb5.conf", default_ccache_name and "Parameter expansion".
    """
    name = libdefaults.get("default_ccache_name", "FILE:/tmp/krb5cc_%{uid}")
    for parameter, value in (("uid", os.getuid()), ("euid", os.geteuid()), ("null", "")):
        name = name.replace(f"%{{{parameter}}}", str(value))
    return "UNKNOWN:" if "%{" in name else name


def signature(name: str, principal: str | None = None) -> Signature:
    """Return a value that changes when a credential cache changes.

    Args:
        name: the cache, as in KRB5CCNAME.
        principal: the principal whose cache to watch in a directory of caches; None: the primary one.
    """
    kind, colon, rest = name.partition(":")
    if not colon:
        kind, rest = "FILE", name
    if kind == "DIR" and not rest.startswith(":"):
        return _signature_of_folder(name, rest, principal)
    path = rest.removeprefix(":") if kind == "DIR" else rest if kind == "FILE" else ""
    return Signature(name, path, _versions(path) if path else ())


def _signature_of_folder(name: str, folder: str, principal: str | None) -> Signature:
    # The versions come first: a change during the search then leads to another signature.
    primary = os.path.join(folder, "primary")
    versions = _versions(folder, primary, *_selection())
    path = os.path.join(folder, _primary(primary))
    if principal is not None:
        paths = [path, *caches_in(folder)]
        path = next((each for each in paths if is_same(principal, cache_owner(each) or "")), path)
    return Signature(name, path, (*versions, *_versions(path)))


def caches_in(folder: str) -> list[str]:
    """Return the files of the caches in a directory of credential caches."""
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.startswith("tkt")]
    except OSError:
        return []


def _selection() -> list[str]:
    """Return the file by which the user selects caches of a collection for services ("k5identity")."""
    try:
        return [os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".k5identity")]
    except KeyError:  # the user is in no list of users
        return []


def _versions(*paths: str) -> tuple[tuple[str, Version], ...]:
    return tuple((path, file_version(path)) for path in paths)


def _primary(path: str) -> str:
    """Return the name of the cache that the file ``primary`` names."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            first = file.read(MAX_PRIMARY).partition("\n")[0]
    except OSError:
        first = ""
    return first if _SUBSIDIARY.fullmatch(first) else "tkt"
