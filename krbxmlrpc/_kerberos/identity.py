"""Tells whose tickets a transport uses, as far as that is possible without asking for a ticket.

A session belongs to the principal that began it. So a transport has to notice when its principal changes, at next to no
cost: one look at the files of the credential cache for each call. Only caches in files can be watched like this.
"""

from __future__ import annotations

import functools
import threading
from typing import Callable

from .._forks import survives_forks
from .ccache import cache_owner
from .principals import is_same
from .watch import Sight, cache_name, signature


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
        self._seen: Sight | None = None
        self.after_fork()
        survives_forks(self)
        self.owner = self._new_owner(None)

    def after_fork(self) -> None:
        """Replace the lock in a child process."""
        self._lock = threading.RLock()

    def look(self) -> Owner:
        """Return the present owner. The same object is returned until the principal changes.

        A cache that is missing or unreadable is no change: it names no other principal.
        """
        if self._principal is not None or (self._ccache is None and self._keytab is not None):
            return self.owner
        if not self._is_current():
            with self._lock:  # one after the other, so that no thread goes back to what it saw before another one
                if not self._is_current():
                    self._look_anew()
        return self.owner

    def _is_current(self) -> bool:
        seen = self._seen
        if seen is None or not seen.signature.is_current(cache_name(self._ccache)):
            return False
        return seen.is_settled() or not seen.signature.file

    def _look_anew(self) -> None:
        name, seen = cache_name(self._ccache), self._seen
        if seen is None or not seen.signature.is_current(name):
            seen = Sight(signature(name))
        file = seen.signature.file
        principal = cache_owner(file) if file else None
        if not file or (principal and principal != self.owner.cache):
            self.owner = self._new_owner(principal)
        self._seen = seen  # last: until then, other threads look themselves

    def _new_owner(self, cache: str | None) -> Owner:
        is_asked = (self._principal, self._ccache, self._keytab) != (None, None, None)
        return Owner(
            cache, is_asked, None if self._principal is None else functools.partial(is_same, self._principal), self._ask
        )
