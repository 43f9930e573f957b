"""Tells whose tickets a transport uses, as far as that is possible without asking for a ticket.

A session belongs to the principal that began it. So a transport has to notice when its principal changes, at next to no
cost: one look at the files of the credential cache for each call. Only caches in files can be watched like this.
"""

from __future__ import annotations

import functools
import os
import re
from typing import Callable, NamedTuple

from . import krb5_conf
from .ccache import cache_owner
from .files import Version, file_version

MAX_PRIMARY = 1024
"""The most bytes that the file ``primary`` of a directory of credential caches can have."""

_REALM = re.compile(r"(?<!\\)(?:\\\\)*@")
_SUBSIDIARY = re.compile(r"tkt[^/\n]*")


class Signature(NamedTuple):
    """The state of a credential cache. If two states are equal, the cache has not changed in between."""

    name: str
    file: str
    """The file of the cache; ``""`` if the cache cannot be watched."""
    versions: tuple[tuple[str, Version], ...]
    """The files to watch, and their versions."""

    def is_current(self, name: str) -> bool:
        """Say whether the cache with this name is still the same, and has not changed."""
        return name == self.name and all(file_version(path) == version for path, version in self.versions)


class Owner:
    """The principal that a transport acts as, from one change of the principal to the next.

    Args:
        cache: the principal of the credential cache; None if it is unknown.
        is_asked: whether the caller chose an identity. A session of an unknown principal is then nobody's.
        is_named: says whether a principal is the one that the caller named; None if the caller named none.
        ask: asks GSSAPI for the principal, and returns None if GSSAPI does not tell.
    """

    def __init__(
        self,
        cache: str | None,
        is_asked: bool,
        is_named: Callable[[str], bool] | None,
        ask: Callable[[], str | None],
    ) -> None:
        self.cache = cache
        self._is_asked = is_asked
        self._is_named = is_named
        self._ask = ask
        self._told: list[str | None] = []
        self._proved: set[str] = set()

    @property
    def known(self) -> int:
        """A number that changes when `holds` may answer differently."""
        return len(self._proved)

    def note(self, principal: str) -> None:
        """Note the principal that a verified exchange authenticated with this owner's credentials.

        It can be another principal than the cache's: GSSAPI searches a collection of caches for the server's realm.
        """
        self._proved.add(principal)

    def holds(self, principal: str | None) -> bool:
        """Say whether a session of this principal is the owner's. None is the session of an unknown principal.

        If nobody asked for an identity, and nothing tells the present one, the session goes on.
        """
        if principal is None:
            return not self._is_asked
        if principal == self.cache or principal in self._proved:
            return True
        if self._is_named is not None:
            return self._is_named(principal)
        if self.cache is not None or self._proved:
            return False
        if not self._told:
            self._told.append(self._ask())
        return principal == self._told[0] or (self._told[0] is None and not self._is_asked)


class Identity:
    """The identity of a transport: the arguments that choose it, and the files to watch.

    Args:
        principal, ccache, keytab: the arguments of the transport.
        ask: asks GSSAPI for the principal, and returns None if GSSAPI does not tell.

    Attributes:
        owner: the owner at the last look.
    """

    def __init__(
        self, principal: str | None, ccache: str | None, keytab: str | None, ask: Callable[[], str | None]
    ) -> None:
        self._ask = ask
        self._principal = principal
        self._ccache = ccache
        self._keytab = keytab
        self._default: tuple[str | None, str] | None = None  # KRB5_CONFIG, and the cache that it names
        self._seen: Signature | None = None
        self.owner = self._new_owner(None)

    def look(self) -> Owner:
        """Return the present owner. The same object is returned until the principal changes.

        A cache that is missing or unreadable is no change: it names no other principal.
        """
        if self._principal is not None or (self._ccache is None and self._keytab is not None):
            return self.owner
        name = self._name()
        if self._seen is None or not self._seen.is_current(name):
            seen = signature(name)
            principal = cache_owner(seen.file) if seen.file else None
            if not seen.file or (principal and principal != self.owner.cache):
                self.owner = self._new_owner(principal)
            self._seen = seen  # last: until then, other threads look themselves
        return self.owner

    def _name(self) -> str:
        """Return the name of the credential cache."""
        name = os.environ.get("KRB5CCNAME") if self._ccache is None else self._ccache
        return name or self._default_name()

    def _default_name(self) -> str:
        named = os.environ.get("KRB5_CONFIG")
        if self._default is None or self._default[0] != named:
            self._default = named, default_cache(krb5_conf.read(named).libdefaults)
        return self._default[1]

    def _new_owner(self, cache: str | None) -> Owner:
        is_asked = (self._principal, self._ccache, self._keytab) != (None, None, None)
        return Owner(
            cache, is_asked, None if self._principal is None else functools.partial(is_same, self._principal), self._ask
        )


def signature(name: str) -> Signature:
    """Return a value that changes when a credential cache changes.

    Source: MIT Kerberos documentation, "Credential cache types".
    """
    kind, colon, rest = name.partition(":")
    if not colon:
        kind, rest = "FILE", name
    watched = []
    path = ""
    if kind == "DIR" and not rest.startswith(":"):
        primary = os.path.join(rest, "primary")
        watched.append((primary, file_version(primary)))
        path = os.path.join(rest, _primary(primary))
    elif kind in ("FILE", "DIR"):
        path = rest.removeprefix(":") if kind == "DIR" else rest
    if path:
        watched.append((path, file_version(path)))
    return Signature(name, path, tuple(watched))


def _primary(path: str) -> str:
    """Return the name of the cache that the file ``primary`` names."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            first = file.read(MAX_PRIMARY).partition("\n")[0]
    except OSError:
        first = ""
    return first if _SUBSIDIARY.fullmatch(first) else "tkt"


def default_cache(libdefaults: dict[str, str]) -> str:
    """Return the name of the default credential cache. A name with an unknown parameter in it cannot be watched.

    Source: MIT Kerberos documentation, "krb5.conf", default_ccache_name and "Parameter expansion".
    """
    name = libdefaults.get("default_ccache_name", "FILE:/tmp/krb5cc_%{uid}")
    for parameter, value in (("uid", os.getuid()), ("euid", os.geteuid()), ("null", "")):
        name = name.replace(f"%{{{parameter}}}", str(value))
    return "UNKNOWN:" if "%{" in name else name


def is_same(named: str, principal: str) -> bool:
    """Say whether a principal is the one that the caller named, with or without its realm.

    If krb5.conf does not name the default realm, a name without a realm could be any principal.
    """
    if _REALM.search(named):
        return principal == named
    realm = krb5_conf.current().libdefaults.get("default_realm")
    return realm is not None and principal == f"{named}@{realm}"
