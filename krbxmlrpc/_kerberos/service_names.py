"""Decides by which name the KDC is asked for a service. DNS has no say in it, unless the caller allows that.

libkrb5 looks host-based names (``HTTP@host``) up in the DNS under its own defaults, so that whoever controls the DNS
chooses which service has to prove its identity. So this module makes a principal of each name, and libkrb5 takes it as
it is. If the realm is left out, it is the host's: by ``[domain_realm]`` of krb5.conf, or else by referral (RFC 6806).
"""

from __future__ import annotations

import enum
import socket
from contextlib import suppress
from typing import Any, Callable, Literal, NamedTuple

from .._forks import no_fork
from .._hints import Hint
from ..errors import KerberosXMLRPCError
from . import krb5_conf
from .credentials import TicketMaker
from .gss_errors import is_unknown_service
from .own_cache import is_power_of_two
from .principals import asked_name, principal_name
from .ticket import Ticket
from .turns import Turns

Canonicalize = Literal["never", "fallback", "always"]

CANONICALIZE = ("never", "fallback", "always")
"""The accepted values of ``canonicalize``."""

NewTicket = Callable[..., Ticket]
"""Makes a ticket for a service. It takes the options of `KerberosTicket`, too."""


class _Known(NamedTuple):
    """The name by which the KDC knows a service."""

    service: str
    by_host: bool
    """Whether GSSAPI has to be asked by a host-based name."""
    asked: str | None = None
    """The principal to ask GSSAPI for, if it is not the usual one for the service."""


class Renewed(enum.Enum):
    """Whether the next ticket for a service is another one than the ticket that the server refused."""

    NO = enum.auto()
    MAYBE = enum.auto()
    YES = enum.auto()


class ServiceNames:
    """Gets tickets for services by the names that a transport allows, and remembers the name that the KDC knows.

    Args:
        new_ticket: makes a ticket.
        canonicalize: whether the canonical name in the DNS may take the place of a host's name: never; if the KDC does
            not know the host's name; or always.
        lookup: returns the canonical name of a host; None if there is none.
        maker: gets new tickets in the place of refused ones; None: nothing does.
    """

    def __init__(
        self,
        new_ticket: NewTicket,
        canonicalize: Canonicalize,
        lookup: Callable[[str], str | None] | None = None,
        maker: TicketMaker | None = None,
    ) -> None:
        self.new_ticket = new_ticket
        self._canonicalize = canonicalize
        self._lookup = lookup or canonical_name
        self._maker = maker
        self._known: dict[str, _Known] = {}
        self._refusals: dict[str, int] = {}
        self._renewals: dict[str, int] = {}
        self._turns = Turns()

    def ticket(self, service: str, **options: Any) -> Ticket:
        """Return a ticket for a service. The options are those of `KerberosTicket`.

        Raises:
            KerberosXMLRPCError: there is no ticket.
        """
        known = self._known.get(service)
        if known is not None:
            other = {} if known.asked is None else {"_asked": known.asked}
            try:
                return self.new_ticket(known.service, _by_host=known.by_host, **other, **options)
            except KerberosXMLRPCError as error:
                if not is_unknown_service(error):
                    raise
            self._known.pop(service, None)  # the KDC has forgotten it: begin anew
        if self._canonicalize == "always":
            return self._remembered(service, self._canonical(service) or service, options)
        try:
            return self._remembered(service, service, options)
        except KerberosXMLRPCError as error:
            canonical = self._canonical(service) if is_unknown_service(error) else None
            if canonical is None:
                raise
            if self._canonicalize == "never":
                error.hint = offered(service, canonical)
                raise
            unknown = error
        try:
            return self._remembered(service, canonical, options)
        except KerberosXMLRPCError as error:
            if not is_unknown_service(error):
                raise
            unknown.message += f"; nor does the KDC know {asked_name(canonical)}, the name in the DNS"
            raise unknown from error
        finally:
            del unknown  # its traceback holds this frame

    def forget(self, service: str) -> None:
        """Forget the name of a service, because the server refused a ticket for it: its name in the DNS may be new."""
        self._known.pop(service, None)

    def renewals(self, service: str) -> int:
        """Return a number that changes when refused tickets for a service are replaced."""
        own = self._maker and self._maker.own
        return own.generation if own else self._renewals.get(service, 0)

    def renew(self, service: str, principal: str | None, seen: int) -> Renewed:
        """Replace the ticket for a service, because the server refused it. Say whether the next ticket is a new one.

        The transport's own cache is emptied. A ticket cannot be removed from the user's cache. But GSSAPI keeps
        tickets by the principal that was asked for, and there are two names for the principal of a service: with its
        realm and, by referral (RFC 6806), without. So a new ticket is added to the cache by the other name, and the
        next tickets are asked for by that name. If the server refuses these tickets, too, the next one is added after
        the 2nd, 4th, 8th, … refusal, so that the cache does not grow with each call.

        Args:
            principal: the principal that the refused ticket was for.
            seen: `renewals` before the refused ticket was made. If it has changed, another thread has replaced it.
        """
        return self._turns(service, self._renew, service, principal, seen)

    def _renew(self, service: str, principal: str | None, seen: int) -> Renewed:
        if self.renewals(service) != seen:
            return Renewed.MAYBE
        if self._maker is None or principal is None:
            return Renewed.NO
        if self._maker.own is not None:
            self.forget(service)
            return Renewed.YES if self._maker.empty(seen) else Renewed.NO
        count = self._refusals[service] = self._refusals.get(service, 0) + 1
        return self._by_other_name(self._maker, service, principal) if is_power_of_two(count) else Renewed.NO

    def _by_other_name(self, maker: TicketMaker, service: str, principal: str) -> Renewed:
        known = self._known.get(service) or _Known(service, False)
        usual = principal_name(known.service, krb5_conf.current().domain_realm)
        other = f"{principal.rpartition('@')[0]}@" if principal in (usual, known.asked) else principal
        fetched = maker.fetch(other)
        found = self._fingerprint(known.service, other)
        if found is None:
            return Renewed.NO
        self._known[service] = _Known(known.service, False, other)
        self._renewals[service] = self._renewals.get(service, 0) + 1
        # If the cache already had a ticket by this name, GSSAPI finds that one. It may be new, too: another program may
        # have got it after the key had changed.
        return Renewed.YES if fetched == found else Renewed.MAYBE

    def accepted(self, service: str) -> None:
        """Note that the server accepted a ticket for a service."""
        self._refusals.pop(service, None)

    def _fingerprint(self, service: str, asked: str) -> str | None:
        """Return the fingerprint of the ticket that is found by a name; None if there is none."""
        try:
            return self.new_ticket(service, _asked=asked, delegate=False).fingerprint
        except KerberosXMLRPCError:
            return None

    def _remembered(self, service: str, name: str, options: dict[str, Any]) -> Ticket:
        """Return a ticket for a name of a service. If that name differs from the usual one, remember it."""
        ticket = self.new_ticket(name, **options)
        if ticket.is_by_host or name != service:
            self._known[service] = _Known(name, ticket.is_by_host)
        return ticket

    def _canonical(self, service: str) -> str | None:
        """Return the service at the canonical name of its host; None if that is the same, or the service is exact."""
        kind, at, host = service.partition("@")
        if "/" in kind or not at:
            return None
        name = self._lookup(host)
        return None if name is None or name == host.lower() else f"{kind}@{name}"


def offered(service: str, canonical: str) -> Hint:
    """Return the hint for a name that the KDC does not know, while the DNS has another name for the host."""
    return Hint(
        "the KDC was asked for {asked}. The DNS has another name for this host: if you trust that name, pass "
        "{args.service:{canonical}}; {args.canonicalize:fallback} allows any name that the DNS gives",
        asked=asked_name(service),
        canonical=canonical,
    )


def canonical_name(host: str) -> str | None:
    """Return the canonical name of a host as libkrb5 finds it; None if the host does not resolve.

    libkrb5 also looks up the name of the address, unless krb5.conf says ``rdns = false``. Source: MIT Kerberos
    documentation, "Principal names and DNS".
    """
    options = {"type": socket.SOCK_STREAM, "flags": socket.AI_CANONNAME}
    try:
        first = no_fork(socket.getaddrinfo, host.strip("[]"), None, **options)[0]  # the resolver has locks of its own
        name = first[3]
        if krb5_conf.is_true(krb5_conf.current().libdefaults.get("rdns", "true")):
            with suppress(OSError):  # no reverse lookup: the forward one counts
                name = no_fork(socket.getnameinfo, first[4], socket.NI_NAMEREQD)[0]
    except (OSError, UnicodeError):
        return None
    return name.rstrip(".").lower() or None
