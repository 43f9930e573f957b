"""The caches in memory that keytabs fill, for the transports of this process.

GSSAPI can neither remove a ticket from a cache nor remove a cache with a name. But it can replace the contents of a
cache with those of another one. So a spare cache gets a ticket-granting ticket from the keytab, and nothing else. Its
contents replace those of the own cache when the server refuses a service ticket. If the KDC refuses the ticket-granting
ticket, too, only a new spare cache makes GSSAPI ask for another one.
"""

from __future__ import annotations

import hashlib
from typing import Any

from .._forks import survives_forks
from .files import file_version


class OwnCache:
    """A cache in memory that a keytab fills, for all transports of this process with this keytab and principal.

    Attributes:
        name: the name of the cache.
        generation: how often the contents were replaced.
        spares: how many ticket-granting tickets the KDC has refused.
        refusals: the same, since the last one that was replaced with success.
        kept: credentials that are kept, by mechanism.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 0
        self.spares = 0
        self.refusals = 0
        self.kept: dict[str, Any] = {}
        survives_forks(self)

    def after_fork(self) -> None:
        """Let a child process acquire credentials of its own."""
        self.kept = {}

    @property
    def spare(self) -> str:
        """The name of the spare cache."""
        return f"{self.name}-{self.spares}"

    def may_replace_tgt(self) -> bool:
        """Say whether a new spare cache may be made, after the 1st, 2nd, 4th, 8th, … refusal in a row.

        Spare caches stay in memory. While the KDC refuses each ticket-granting ticket, there must not be ever more.
        """
        self.refusals += 1
        return is_power_of_two(self.refusals)


_own_caches: dict[str, OwnCache] = {}


def own_cache(keytab: str, principal: str) -> OwnCache:
    """Return the cache in memory for transports with this principal and this version of the keytab."""
    version = file_version(keytab.partition(":")[2] if keytab.startswith("FILE:") else keytab)
    name = "MEMORY:krbxmlrpc-" + hashlib.sha256(f"{keytab}\n{principal}\n{version}".encode()).hexdigest()
    return _own_caches.setdefault(name, OwnCache(name))


def is_power_of_two(count: int) -> bool:
    """Say whether a count of refusals is 1, 2, 4, 8, …"""
    return count & (count - 1) == 0
