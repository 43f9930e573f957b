"""The credentials of one transport: the source of its tickets, and the replacement of refused tickets."""

from __future__ import annotations

from typing import Any

from .._hints import Hint
from .libraries import credentials_of
from .own_cache import OwnCache
from .ticket import Ticket
from .tokens import read_offer

STORE = Hint("a path, or a type and a name, like 'FILE:/path', or {phrase.left_out}")
"""The accepted values of ``ccache`` and ``keytab``, for errors."""


def is_store(name: str | None) -> bool:
    """Say whether a text can name a credential cache or a keytab, or is None."""
    return name is None or (name != "" and name.isprintable())


class TicketMaker:
    """Makes tickets with the credentials of a transport, from a service and `KerberosTicket`'s options.

    The server can refuse a cached ticket because the key of the service has changed. There is no function of GSSAPI
    that removes a ticket from a cache. A cache in memory that the keytab fills is the transport's own, so it can be
    emptied. Every other cache is the user's: a new ticket can only be added to it.

    Args:
        principal, mechanism, ccache, keytab: as for `KerberosTransport`.

    Attributes:
        credentials: the credentials.
        options: the options of each ticket.

    Raises:
        ImportError: a library is needed, and is not installed.
    """

    def __init__(self, principal: str | None, mechanism: str, ccache: str | None, keytab: str | None) -> None:
        self.options: dict[str, Any] = {"principal": principal, "mechanism": mechanism}
        self.credentials = credentials_of(principal, ccache, keytab)

    def __call__(self, service: str, **options: Any) -> Ticket:
        return Ticket(service, _credentials=self.credentials, **self.options, **options)

    @property
    def own(self) -> OwnCache | None:
        """The cache in memory, if the transport's tickets are in one that the keytab fills."""
        return self.credentials.own

    def empty(self, seen: int) -> bool:
        """Remove the service tickets from the transport's own cache. Return False if no new ticket can be had.

        Args:
            seen: the generation of the cache before the refused ticket was made.
        """
        return self.credentials.empty(seen)

    def fetch(self, target: str) -> str | None:
        """Add a new ticket for a principal to the user's cache, even if the cache has one for it.

        Return the fingerprint of the ticket; None if the KDC gives none, or if python-gssapi is not installed.
        """
        token = self.credentials.fetch(target)
        return None if token is None else read_offer(token).fingerprint


def holder(principal: str | None, ccache: str | None, keytab: str | None) -> tuple[str, int | None] | None:
    """Return the principal of these credentials, and their lifetime in seconds (None: unlimited).

    Return None if there are no credentials, or python-gssapi is not installed.
    """
    return credentials_of(principal, ccache, keytab).holder()
