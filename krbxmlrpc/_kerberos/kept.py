"""Credentials that are kept for later tickets, as long as they certainly are the present ones.

A kept credential serves only services whose ticket it has. libkrb5 locks a credential while it asks a KDC, so a service
without a ticket gets a credential of its own for its first ticket. The credential cache then has that ticket.
"""

from __future__ import annotations

import os
import time
from typing import Any, NamedTuple, Optional, Protocol

from .._forks import survives_forks
from . import copies
from .gss import Request
from .gssapi_library import can_copy
from .krb5_conf import Configuration
from .own_cache import OwnCache
from .watch import Sight, Signature, cache_name, signature

_MAX_CACHES, _MAX_SERVICES = 64, 1000
"""How many caches and, for each, how many services are remembered."""

_UNLIMITED = 3600
"""The lifetime in seconds that is assumed if a ticket has no limit."""


class Kept:
    """A kept credential, and the services whose tickets it has.

    Args:
        credentials: GSSAPI's credentials; None: none can be kept.
        principal: their principal.
        state: the state of the cache, and of all else that decides whether the credentials are the present ones.
    """

    def __init__(self, credentials: Any, principal: str, state: Any) -> None:
        self.credentials = credentials
        self.principal = principal
        self.state = state
        self._times: dict[str, tuple[float, float]] = {}

    def has_ticket(self, target: str) -> bool:
        """Say whether the credential has a ticket for a service."""
        if self.credentials is None:
            return False
        start, end = self._times.get(target, (0.0, 0.0))
        return start <= time.time() < end

    def note(self, target: str, lifetime: int | None) -> None:
        """Note that the credential has a ticket for a service.

        After half of the lifetime, GSSAPI has to look at the cache again. If a keytab fills the cache, GSSAPI then
        renews the tickets before they end.

        Args:
            lifetime: the seconds for which the ticket is valid; None: there is no limit.
        """
        if len(self._times) >= _MAX_SERVICES:
            self._times.clear()
        now = time.time()
        self._times[target] = now, now + (_UNLIMITED if lifetime is None else lifetime) / 2


class Found(NamedTuple):
    """Credentials that GSSAPI has acquired from a credential cache."""

    credentials: Any
    principal: str
    renewals: int
    """How often a keytab had renewed the tickets in the cache."""


class Keeper(Protocol):
    """Keeps credentials."""

    def find(self, request: Request) -> Kept | None:
        """Return credentials that have the ticket for a request; None if none are kept."""

    def look(self, request: Request) -> Any:
        """Return the present state of the cache, for `note`."""

    def note(self, request: Request, state: Any, found: Found, lifetime: int | None) -> None:
        """Note the credentials that yielded a ticket.

        Args:
            state: the state of the cache before.
            lifetime: the seconds for which the ticket is valid; None: there is no limit.
        """

    def forget(self, request: Request) -> None:
        """Forget credentials that have failed."""


class KeptInOwnCache:
    """Keeps the credentials of a cache in memory that a keytab fills. They have this cache, and no copy of it."""

    def __init__(self, own: OwnCache) -> None:
        self._own = own

    def find(self, request: Request) -> Kept | None:
        kept = self._own.kept.get(request.mechanism)
        if kept is None or request.delegate or kept.state[0] != self._own.generation:
            return None
        return kept if kept.has_ticket(request.target) else None

    def look(self, request: Request) -> Any:
        return self._own.generation

    def note(self, request: Request, state: Any, found: Found, lifetime: int | None) -> None:
        if request.delegate:
            return
        state = state, found.renewals  # a renewal removes the service tickets from the cache
        kept = self._own.kept.get(request.mechanism)
        if kept is None or kept.state != state:
            kept = self._own.kept[request.mechanism] = Kept(found.credentials, found.principal, state)
        kept.note(request.target, lifetime)

    def forget(self, request: Request) -> None:
        self._own.kept.pop(request.mechanism, None)


class _State(NamedTuple):
    """What a copy of a credential cache depends on."""

    signature: Signature
    configuration: Configuration
    keytab: str | None
    """The keytab that KRB5_CLIENT_KTNAME names. It can renew the tickets in the cache."""

    def is_current(self, name: str, configuration: Configuration) -> bool:
        return (
            self.configuration is configuration
            and self.keytab == os.environ.get("KRB5_CLIENT_KTNAME")
            and self.signature.is_current(name)
        )


_Key = tuple[str, Optional[str], str]
"""A credential cache, the principal that the caller named, and the mechanism."""


class _Copies:
    """The copies of this process."""

    def __init__(self) -> None:
        self.kept: dict[_Key, Kept] = {}
        self.sights: dict[_Key, tuple[_State, Sight]] = {}
        survives_forks(self)

    def after_fork(self) -> None:
        """Forget the copies in a child process: it makes its own."""
        self.kept, self.sights = {}, {}


_copies = _Copies()


class KeptInCopies:
    """Keeps copies of the user's credential caches in memory, for all transports of the process.

    A copy lasts until the cache changes. GSSAPI writes the tickets that it fetches into the cache, never into a copy.

    Args:
        raw: the library.
        principal: the principal that the caller named, if any.
        ccache: the cache; None: the one that the environment names.
    """

    def __init__(self, raw: Any, principal: str | None, ccache: str | None) -> None:
        self._raw = raw
        self._principal = principal
        self._ccache = ccache
        self._can_copy = can_copy(raw)

    def find(self, request: Request) -> Kept | None:
        key = self._key(request)
        kept = _copies.kept.get(key)
        if kept is None or request.delegate:
            return None
        if not kept.state.is_current(key[0], request.configuration):
            self.forget(request)
            return None
        return kept if kept.has_ticket(request.target) else None

    def look(self, request: Request) -> Any:
        if request.delegate or not self._can_copy:
            return None
        seen = signature(cache_name(self._ccache), self._principal)
        if not seen.file:
            return None
        return _State(seen, request.configuration, os.environ.get("KRB5_CLIENT_KTNAME"))

    def note(self, request: Request, state: Any, found: Found, lifetime: int | None) -> None:
        key = self._key(request)
        if state is None or not state.is_current(key[0], request.configuration):
            return  # the cache got the ticket just now, or somebody else has changed it
        kept = _copies.kept.get(key)
        if kept is None or kept.state != state:
            kept = self._copy(key, state, found.principal)
        if kept is not None:
            kept.note(request.target, lifetime)

    def forget(self, request: Request) -> None:
        _copies.kept.pop(self._key(request), None)

    def _key(self, request: Request) -> _Key:
        return cache_name(self._ccache), self._principal, request.mechanism

    def _copy(self, key: _Key, state: _State, principal: str) -> Kept | None:
        """Copy the cache, if each later change of it can be noticed."""
        seen, sight = _copies.sights.get(key, (None, None))
        if sight is None or seen != state:
            _put(_copies.sights, key, (state, Sight(state.signature)))
            return None
        if not sight.is_settled():
            return None
        copied = copies.copy(self._raw, state.signature.file, key[2], principal)
        if not state.is_current(key[0], state.configuration):
            return None
        kept = Kept(copied, principal, state)  # also if there is no copy: it would fail again
        _put(_copies.kept, key, kept)
        return kept


def _put(known: dict[_Key, Any], key: _Key, value: Any) -> None:
    """Remember a value. Forget the oldest one if there are too many."""
    known[key] = value
    if len(known) > _MAX_CACHES:
        known.pop(list(known)[0], None)
