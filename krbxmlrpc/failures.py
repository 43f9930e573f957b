"""Turns what GSSAPI says when there is no ticket into the error that says why, and what to do about it.

It knows GSSAPI's codes, and none of the libraries that report them.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, NamedTuple, Optional, Type

from .ccache import cache_file, ticket_end
from .errors import (
    ClockSkew,
    GSSStatus,
    KDCUnreachable,
    KerberosXMLRPCError,
    NoCredentials,
    ServiceUnknown,
    TicketExpired,
)

# RFC 2744, section 3.9.1: routine errors stand in bits 16 to 23 of the major code.
_GSS_S_NO_CRED = 7 << 16
_GSS_S_CREDENTIALS_EXPIRED = 11 << 16

# Codes of the krb5 error table, the same numbers in MIT's and Heimdal's krb5.h.
_BY_MINOR: Dict[int, Type[KerberosXMLRPCError]] = {
    -1765328378: NoCredentials,  # KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN
    -1765328377: ServiceUnknown,  # KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN
    -1765328352: TicketExpired,  # KRB5KRB_AP_ERR_TKT_EXPIRED
    -1765328347: ClockSkew,  # KRB5KRB_AP_ERR_SKEW
    -1765328243: NoCredentials,  # KRB5_CC_NOTFOUND
    -1765328230: KDCUnreachable,  # KRB5_REALM_UNKNOWN
    -1765328228: KDCUnreachable,  # KRB5_KDC_UNREACH
    -1765328191: NoCredentials,  # KRB5_CC_IO
    -1765328190: NoCredentials,  # KRB5_FCC_PERM
    -1765328189: NoCredentials,  # KRB5_FCC_NOFILE
    -1765328185: NoCredentials,  # KRB5_CC_FORMAT
    -1765328164: KDCUnreachable,  # KRB5_REALM_CANT_RESOLVE
}
_BY_MAJOR: Dict[int, Type[KerberosXMLRPCError]] = {
    _GSS_S_NO_CRED: NoCredentials,
    _GSS_S_CREDENTIALS_EXPIRED: TicketExpired,
}


class GSSFailure(Exception):
    """A step that GSSAPI refused.

    Attributes:
        major, minor: its words and codes.
    """

    def __init__(self, major: GSSStatus, minor: GSSStatus) -> None:
        # A minor code of 0 says only "Success".
        super().__init__(minor.text if minor.code and minor.text else major.text)
        self.major = major
        self.minor = minor


class Source(NamedTuple):
    """Where tickets were looked for, as far as messages need it."""

    cache: str
    """The credential cache, as in KRB5CCNAME; ``""`` where it is not known."""
    remedy: str
    """What to do where there are no credentials."""
    renewal: Optional[str] = None
    """What to do where they have expired; None: what `TicketExpired` says."""


def no_ticket(
    failure: GSSFailure,
    service: str,
    principal: Optional[str],
    source: Source,
    fallback: Type[KerberosXMLRPCError] = KerberosXMLRPCError,
) -> KerberosXMLRPCError:
    """Return the error for a ticket that could not be had.

    Args:
        failure: what the krb5 mechanism said; another's minor codes are numbers of the day.
        service: whom the ticket was for.
        principal: whose ticket was asked for, if that was said.
        source: where it was looked for.
        fallback: the class where the codes do not tell.
    """
    major, minor = failure.major, failure.minor
    kind = _BY_MINOR.get(minor.code) or _BY_MAJOR.get(major.code & 0xFF0000) or fallback
    if kind is ServiceUnknown and "krbtgt/" in minor.text:
        kind = KDCUnreachable  # what the KDC does not know is the way to the service's realm
    message = f"no ticket for {service}{f' as {principal}' if principal else ''}: {failure}"
    facts: Dict[str, Any] = {"service": service, "principal": principal, "major": major, "minor": minor}
    if kind is TicketExpired:
        facts["since"] = _expired_since(source.cache)
        if facts["since"]:
            message += f" (since {facts['since']:%Y-%m-%d %H:%M:%S} UTC)"
    return kind(message, hint=_hint(kind, service, source), **facts)


def other_mechanism(service: str, principal: Optional[str], source: Source) -> NoCredentials:
    """Return the error where GSSAPI would talk to the server in another way than by Kerberos."""
    return NoCredentials(
        f"no ticket for {service}: GSSAPI would use another mechanism than Kerberos",
        hint=source.remedy,
        service=service,
        principal=principal,
    )


def _expired_since(cache: str) -> Optional[datetime]:
    path = cache_file(cache)
    end = ticket_end(path) if path else None
    return end if end and end < datetime.now(timezone.utc) else None


def _hint(kind: Type[KerberosXMLRPCError], service: str, source: Source) -> Optional[str]:
    if kind is NoCredentials:
        return source.remedy
    if kind is TicketExpired:
        return source.renewal
    if kind is ServiceUnknown:
        return (
            f"the KDC was asked for {service}: if the host is an alias, an IP address or behind a load balancer, pass "
            "the name that is in the server's keytab with service=; it holds no port; krb5.conf's "
            "dns_canonicalize_hostname, rdns and qualify_shortname change the name on its way"
        )
    return None
