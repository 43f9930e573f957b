"""Turns a GSSAPI failure to get a ticket into an error with the reason and a hint.

This module knows GSSAPI's codes, but not the libraries that report them.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from .._hints import Hint
from ..errors import (
    ClockSkew,
    GSSStatus,
    KDCUnreachable,
    KerberosXMLRPCError,
    NoCredentials,
    ServiceUnknown,
    TicketExpired,
)
from . import krb5_conf
from .ccache import cache_owner, cache_state, ticket_end, ticket_start
from .files import is_forbidden
from .keytabs import keytab_file, keytab_state
from .principals import asked_name, is_same, parts, shown
from .sources import Source

# RFC 2744, section 3.9.1: bits 16 to 23 of the major code hold the routine error.
_GSS_S_NO_CRED = 7 << 16
_GSS_S_CREDENTIALS_EXPIRED = 11 << 16

_UNKNOWN_TO_KDC = -1765328377  # KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN
_NO_DEFAULT_REALM = -1765328160  # KRB5_CONFIG_NODEFREALM
_CACHE_NOT_FOUND = -1765328243  # KRB5_CC_NOTFOUND; with Heimdal also an expired ticket-granting ticket
_TYPE_NOT_AT_KDC = -1765328370  # KRB5KDC_ERR_ETYPE_NOSUPP
_TYPE_NOT_HERE = (-1765328234, -1765328184, -1765328147)  # KRB5_PROG_ETYPE_NOSUPP, _CC_NOT_KTYPE, _CONFIG_ETYPE_NOSUPP

_NOT_YET_VALID = -1765328351  # KRB5KRB_AP_ERR_TKT_NYV
_POLICY = -1765328372  # KRB5KDC_ERR_POLICY

# The account of the client: KRB5KDC_ERR_NAME_EXP, _POLICY, _CLIENT_REVOKED, _CLIENT_NOTYET, _KEY_EXP.
_ACCOUNT = (-1765328383, _POLICY, -1765328366, -1765328363, -1765328361)

# The KDC cannot read the ticket-granting ticket: KRB5KDC_ERR_TGT_REVOKED, KRB5KRB_AP_ERR_BAD_INTEGRITY, _MODIFIED,
# _BADKEYVER, _NOKEY. MIT's KDC sends KRB_ERR_GENERIC, and the step at which it failed.
_TGT_REFUSED = (-1765328364, -1765328353, -1765328343, -1765328340, -1765328339)
_GENERIC, _MIT_TGT_REFUSED = -1765328324, "PROCESS_TGS"

# Codes of the krb5 error table. MIT's and Heimdal's krb5.h have the same numbers.
_BY_MINOR: dict[int, type[KerberosXMLRPCError]] = {
    errno.ENOENT: NoCredentials,  # Heimdal, if the cache does not exist
    -1765328378: NoCredentials,  # KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN
    _UNKNOWN_TO_KDC: ServiceUnknown,
    -1765328352: TicketExpired,  # KRB5KRB_AP_ERR_TKT_EXPIRED
    _NOT_YET_VALID: ClockSkew,
    -1765328347: ClockSkew,  # KRB5KRB_AP_ERR_SKEW
    -1765328249: KDCUnreachable,  # KRB5_CONFIG_CANTOPEN
    -1765328248: KDCUnreachable,  # KRB5_CONFIG_BADFORMAT
    _CACHE_NOT_FOUND: NoCredentials,
    -1765328230: KDCUnreachable,  # KRB5_REALM_UNKNOWN
    -1765328228: KDCUnreachable,  # KRB5_KDC_UNREACH
    -1765328191: NoCredentials,  # KRB5_CC_IO
    -1765328190: NoCredentials,  # KRB5_FCC_PERM
    -1765328189: NoCredentials,  # KRB5_FCC_NOFILE
    -1765328185: NoCredentials,  # KRB5_CC_FORMAT
    -1765328172: NoCredentials,  # KRB5_CCACHE_BADVNO, of Heimdal if the cache is damaged
    -1765328167: KDCUnreachable,  # KRB5_ERR_HOST_REALM_UNKNOWN, of Heimdal if there is no krb5.conf or no realm
    -1765328164: KDCUnreachable,  # KRB5_REALM_CANT_RESOLVE
    _NO_DEFAULT_REALM: KDCUnreachable,
}
_BY_MAJOR: dict[int, type[KerberosXMLRPCError]] = {
    _GSS_S_NO_CRED: NoCredentials,
    _GSS_S_CREDENTIALS_EXPIRED: TicketExpired,
}


class GSSFailure(Exception):
    """GSSAPI refused a step of an exchange.

    Attributes:
        major, minor: GSSAPI's messages and codes.
    """

    def __init__(self, major: GSSStatus, minor: GSSStatus) -> None:
        # A minor code of 0 says only "Success".
        super().__init__(minor.text if minor.code and minor.text else major.text)
        self.major = major
        self.minor = minor

    def of_unknown_mechanism(self) -> GSSFailure:
        """Return the failure without its minor code, which is of another mechanism than Kerberos.

        The words of such codes mislead: gss-ntlmssp says "A required argument is missing" if it has no password.
        """
        return GSSFailure(self.major, GSSStatus("", 0))


def no_ticket(
    failure: GSSFailure,
    service: str,
    principal: str | None,
    source: Source,
    fallback: type[KerberosXMLRPCError] = KerberosXMLRPCError,
    unknown_realm: str | None = None,
) -> KerberosXMLRPCError:
    """Return the error for a failed ticket request.

    Args:
        failure: the failure, of the krb5 mechanism if possible, because the minor codes of other mechanisms vary.
        service: the service of the requested ticket.
        principal: the requested principal, if there is one.
        source: the credential cache and the keytab of the request.
        fallback: the class of the error if the codes do not determine it.
        unknown_realm: the realm of the service, if the KDC knows no way to this realm.
    """
    major, minor = failure.major, failure.minor
    kind = _BY_MINOR.get(minor.code) or _BY_MAJOR.get(major.code & 0xFF0000) or fallback
    facts: dict[str, Any] = {"service": service, "principal": principal, "major": major, "minor": minor}
    if minor.code == _CACHE_NOT_FOUND and not source.keytab and _expired_since(source.file):
        kind = TicketExpired
    if kind is ServiceUnknown and (unknown_realm or "krbtgt/" in minor.text):
        kind = KDCUnreachable  # MIT's KDC names the principal, and so the client's library names the missing krbtgt/
    if minor.code == errno.EACCES and _configuration_trouble():
        kind = KDCUnreachable  # GSSAPI could not read krb5.conf
    asked = f"{asked_name(service)}{f' as {principal}' if principal else ''}"
    words = str(failure)
    if kind is not NoCredentials and principal and _is_of_another(source.file, principal):
        # GSSAPI found credentials of the principal for another mechanism, and took the cache's for Kerberos.
        kind, words = NoCredentials, "the credential cache has no tickets of this principal"
    if kind is NoCredentials and source.keytab and is_forbidden(keytab_file(source.keytab) or ""):
        words = f"{keytab_state(source.keytab)}"  # libkrb5 calls it nonexistent or empty
    if kind is TicketExpired:
        facts["since"] = _expired_since(source.file)
        if facts["since"]:
            words += f" (since {facts['since']:%Y-%m-%d %H:%M:%S} UTC)"
    message = "; ".join([f"no ticket for {asked}: {words}", *_more(kind, source, minor, unknown_realm)])
    return kind(message, hint=_hint(kind, service, principal, source, failure), **facts)


def _is_of_another(cache: str | None, principal: str) -> bool:
    """Say whether a credential cache is certainly not this principal's."""
    owner = cache_owner(cache) if cache else None
    # If krb5.conf names no default realm, a name without a realm can be anybody's.
    return owner is not None and not is_same(principal, owner) and not owner.startswith(f"{principal}@")


def _more(
    kind: type[KerberosXMLRPCError], source: Source, minor: GSSStatus, unknown_realm: str | None
) -> Iterator[str]:
    """Yield what is known beside GSSAPI's words."""
    if kind in (NoCredentials, TicketExpired):
        yield from _states(kind, source)
    elif minor.code == _NOT_YET_VALID:
        start = ticket_start(source.file) if source.file else None
        if start:
            yield f"it is valid from {start:%Y-%m-%d %H:%M:%S} UTC, and this machine's clock is behind that"
    elif kind is KDCUnreachable:
        trouble = _configuration_trouble()
        if unknown_realm:
            yield f"the KDC knows no way to the realm {unknown_realm}"
        elif trouble:
            yield trouble


def _states(kind: type[KerberosXMLRPCError], source: Source) -> Iterator[str]:
    """Yield the state of the credential cache and of the keytabs, if it explains why there are no credentials."""
    state = source.file and cache_state(source.file)
    if source.keytab and kind is NoCredentials:
        yield f"the keytab is {source.keytab}"
    elif state and kind is NoCredentials:
        yield state
    if source.fault and kind is NoCredentials:
        yield source.fault.why
    state = source.default_keytab and keytab_state(source.default_keytab)
    if state:
        yield f"KRB5_CLIENT_KTNAME names a keytab, but {state}"


def is_unknown_service(error: GSSFailure | KerberosXMLRPCError) -> bool:
    """Say whether there is no ticket because the KDC does not know the service, or the way to the realm of its host."""
    return error.minor is not None and error.minor.code == _UNKNOWN_TO_KDC


def is_refused_tgt(failure: GSSFailure | KerberosXMLRPCError) -> bool:
    """Say whether the KDC refused the ticket-granting ticket. Most likely the key of the KDC has changed."""
    major, minor = failure.major, failure.minor
    if major is None or minor is None or major.code & 0xFF0000 == _GSS_S_NO_CRED:
        return False  # there was no ticket-granting ticket
    return minor.code in _TGT_REFUSED or (minor.code == _GENERIC and _MIT_TGT_REFUSED in minor.text)


def other_mechanism(service: str, principal: str | None, source: Source) -> NoCredentials:
    """Return the error for a GSSAPI token of another mechanism than Kerberos."""
    return NoCredentials(
        f"no ticket for {asked_name(service)}: GSSAPI would use another mechanism than Kerberos",
        hint=source.remedy,
        service=service,
        principal=principal,
    )


def _expired_since(path: str | None) -> datetime | None:
    """Return the end of the ticket-granting ticket in a cache, if it has expired."""
    end = ticket_end(path) if path else None
    return end if end and end < datetime.now(timezone.utc) else None


def _configuration_trouble() -> str | None:
    """Return the first unreadable krb5.conf and the reason; None if all files are readable."""
    named = os.environ.get("KRB5_CONFIG")
    for path in krb5_conf.paths(named):
        why = ""
        if os.path.isdir(path):
            why = "is a folder, not a file"
        elif not os.access(path, os.R_OK):
            why = "may not be read by this user" if os.path.exists(path) else "does not exist"
        if why:
            return f"{path}{', which KRB5_CONFIG names,' if named else ''} {why}"
    return None


def _hint(
    kind: type[KerberosXMLRPCError], service: str, principal: str | None, source: Source, failure: GSSFailure
) -> str | None:
    code = failure.minor.code
    if code in _ACCOUNT:
        return _account_hint(principal, source, code)
    if code == _NOT_YET_VALID:
        return (
            "set this machine's clock by NTP; if it is right, the ticket is for later: klist shows its start, and "
            "kinit gets one for now"
        )
    if kind is NoCredentials:
        return _credentials_hint(source)
    if kind is TicketExpired:
        return source.renewal
    if kind is ServiceUnknown:
        return Hint(
            "the KDC was asked for {service}: {remedy}", service=asked_name(service), remedy=_service_hint(service)
        )
    if kind is KDCUnreachable:
        return _realm_hint(failure.minor)
    if is_refused_tgt(failure):
        return _tgt_hint(source)
    return _type_hint(service, code) or (_TRACE if kind is KerberosXMLRPCError else None)


_TRACE = "set KRB5_TRACE=/dev/stderr in the environment: MIT's Kerberos then logs its steps and the failure"


def _credentials_hint(source: Source) -> str:
    """Return the hint if there are no credentials."""
    keytab = source.keytab or source.default_keytab
    if keytab and is_forbidden(keytab_file(keytab) or ""):
        return Hint(
            "let this user read the keytab {keytab}, or name another keytab by {args.keytab} or KRB5_CLIENT_KTNAME",
            keytab=keytab,
        )
    if source.file and is_forbidden(source.file):
        return Hint(
            "name a credential cache of this user with KRB5CCNAME or {args.ccache}, and run kinit; after su or sudo "
            "KRB5CCNAME may still name another user's cache"
        )
    return source.remedy if source.fault is None else source.fault.remedy


def _tgt_hint(source: Source) -> str:
    """Return the hint if the KDC refuses the ticket-granting ticket."""
    if source.again is None:
        return "the KDC refuses even a new ticket-granting ticket: ask the realm's administrator to look at its log"
    return Hint(
        "{again}: the KDC refuses the ticket-granting ticket of the cache; its key has changed", again=source.again
    )


def _type_hint(service: str, code: int) -> str | None:
    """Return the hint for a failure because of encryption types."""
    if code == _TYPE_NOT_AT_KDC:
        return (
            f"the KDC probably has no key of {asked_name(service)} with an allowed encryption type (permitted_enctypes "
            "and allow_weak_crypto in krb5.conf, on this machine and on the KDC, set the allowed types): ask the KDC's "
            "administrator for a new key, of aes256-cts, and with it a new keytab for the server"
        )
    if code in _TYPE_NOT_HERE:
        return (
            "krb5.conf on this machine does not allow the encryption type of the tickets in the credential cache: look "
            "at permitted_enctypes, default_tgs_enctypes and allow_weak_crypto, then run kinit again"
        )
    return None


def _account_hint(principal: str | None, source: Source, code: int) -> str:
    """Return the hint if the KDC refuses to give this account a ticket."""
    owner = principal or (cache_owner(source.file) if source.file and not source.keytab else None)
    account = f"the account {shown(owner)}" if owner else "the account"
    more = "; or a rule of the KDC forbids this ticket" if code == _POLICY else ""
    return (
        f"ask the realm's administrator whether {account} is disabled, locked or expired, or whether its password has "
        f"expired{more}"
    )


def _service_hint(service: str) -> str:
    """Return the hint for a service that the KDC does not know."""
    name, host, _ = parts(service)
    port = re.fullmatch(r"(?:\[.*\]|[^:]*)(:[0-9]+)", host)
    if port:
        return Hint("a service has no port: leave {port} out of {args.service}", port=port[1])
    with suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        return Hint(
            "the host is an IP address, but the KDC knows servers by name: call the server by its name, or pass the "
            "name from its keytab with {args.service}"
        )
    if name != "HTTP" and name.upper() == "HTTP":
        return Hint("write HTTP in capitals in {args.service}")
    return Hint(
        "'klist -k' on the server shows the names in its keytab: pass one of them with {args.service}; for an alias or "
        "a load balancer, the keytab often has another name"
    )


def _realm_hint(minor: GSSStatus) -> str:
    """Return the hint if no KDC of a realm was found or reached."""
    code = minor.code
    if code == _NO_DEFAULT_REALM:
        return Hint("pass {args.principal} with its realm, like 'user@REALM', or set default_realm in krb5.conf")
    if code == _UNKNOWN_TO_KDC:
        return Hint(
            "the KDC knows no way to that realm: check the realm in {args.service}, and [domain_realm] in krb5.conf, "
            "which maps hosts to realms"
        )
    if _configuration_trouble():
        return "get krb5.conf from your realm's administrator; set KRB5_CONFIG to its path if it is not in /etc"
    named = os.environ.get("KRB5_CONFIG")
    read = f"KRB5_CONFIG names {named}" if named else f"KRB5_CONFIG is not set, so it is usually {krb5_conf.DEFAULT}"
    return (
        f"check that krb5.conf is well-formed and has the realm and its KDC{_kdcs_in(minor.text)}, that the KDC's name "
        "resolves, and that this machine can reach that KDC (no firewall blocks the way): 'krbxmlrpc check' asks each "
        f"KDC. The krb5.conf looked at: {read}"
    )


def _kdcs_in(text: str) -> str:
    """Return the KDCs that krb5.conf has for the realm that a message names, in words."""
    kdcs = next((kdcs for realm, kdcs in krb5_conf.current().kdcs.items() if f"'{realm}'" in text), [])
    return f", {', '.join(kdcs)}" if kdcs else ""
