"""The interface of the two implementations of GSSAPI access, `python_gssapi` and `pykerberos`."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from .._secrets import SecretBytes
from .krb5_conf import Configuration
from .own_cache import OwnCache
from .sources import Source


class Request(NamedTuple):
    """The request for a GSSAPI context with a service."""

    target: str
    """The name to ask GSSAPI for: a principal, or a host-based name (``HTTP@host``)."""
    is_by_host: bool
    mechanism: str
    """``"spnego"`` or ``"krb5"``."""
    mutual: bool
    delegate: bool
    channel_bindings: bytes | None
    configuration: Configuration
    """The present contents of krb5.conf."""


class Context(Protocol):
    """A GSSAPI context."""

    @property
    def holder(self) -> str | None:
        """The principal of the credentials; None if the library does not tell it."""

    @property
    def handle(self) -> Any:
        """The library's own object, which refers to no credentials."""

    def step(self, token: str) -> tuple[bool, str]:
        """Give GSSAPI the server's token in base64. Return whether the exchange is complete, and the answer.

        Raises:
            GSSFailure: GSSAPI refuses the token.
        """

    def client(self) -> str:
        """Return the client's principal after a complete exchange."""

    def delegates(self) -> bool | None:
        """Say whether the first token delegates; None if that is unknown."""


class Credentials(Protocol):
    """The credentials of a transport.

    Attributes:
        own: the cache in memory that a keytab fills, if the transport has its own; else None.
    """

    own: OwnCache | None

    def begin(self, request: Request) -> tuple[Context, str]:
        """Return a new context and its first token in base64.

        Raises:
            GSSFailure: there is no ticket.
        """

    def check_principal(self, request: Request) -> None:
        """Raise the errors of `begin` if the principal has no credentials, but `begin` would not notice that."""

    def empty(self, seen: int, is_tgt_refused: bool = False) -> bool:
        """Replace the contents of `own` with a ticket-granting ticket from the keytab.

        Do nothing if another thread has done so since the generation of the cache was `seen`.

        Args:
            is_tgt_refused: whether the KDC refuses the present ticket-granting ticket.

        Returns: False if there is no such cache, or the keytab yields no ticket.
        """

    def fetch(self, target: str) -> SecretBytes | None:
        """Add a new ticket for a principal to the user's cache, even if the cache has one for it.

        Return a token with the ticket; None if there is no new ticket.
        """

    def holder(self) -> tuple[str, int | None] | None:
        """Return the principal, and the lifetime in seconds (None: unlimited); None if the library does not tell."""

    def source(self) -> Source:
        """Return the credential cache and the keytab, for messages."""
