"""One Negotiate exchange: the only module that talks to GSSAPI. It knows nothing of HTTP connections and XML-RPC.

A `KerberosTicket` takes header values and gives header values, so it can be used with any HTTP library.
"""

from __future__ import annotations

import binascii
import os
import re
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Tuple, Type

import kerberos

from .arguments import checked
from .ccache import default_file, ticket_end
from .challenge import HeaderValues, negotiate_details
from .errors import (
    ClockSkew,
    GSSStatus,
    KDCUnreachable,
    KerberosXMLRPCError,
    MutualAuthenticationError,
    NoCredentials,
    ServiceUnknown,
    TicketExpired,
)
from .forks import no_fork
from .tokens import Offer, check_reply, decode_token, read_offer

_MECHANISMS = {"spnego": kerberos.GSS_MECH_OID_SPNEGO, "krb5": kerberos.GSS_MECH_OID_KRB5}

# RFC 2744, section 3.9.1: routine errors stand in bits 16 to 23 of the major code.
_GSS_S_NO_CRED = 7 << 16
_GSS_S_CREDENTIALS_EXPIRED = 11 << 16

# Codes of the krb5 error table, the same numbers in MIT's and Heimdal's krb5.h.
_BY_MINOR: Dict[int, Type[KerberosXMLRPCError]] = {
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

_SERVICE = re.compile(r"[^@/\s]+(?:@[^@/\s]+|/[^@/\s]+@[^@/\s]+)")


class KerberosTicket:
    """One ticket for one service, to be sent once, and the check that the answer comes from that service.

    It frees the caller from GSSAPI, and makes no assumption about the HTTP library::

        ticket = KerberosTicket("HTTP@hub.example.com")
        response = requests.get(url, headers={"Authorization": ticket.auth_header})
        ticket.verify_response(response.headers.get("www-authenticate"))

    Args:
        service: ``"HTTP@host"`` or ``"HTTP/host@REALM"``.
        principal: whose ticket to use, from the collection of credential caches; default: the default cache's.
        delegate: whether the server receives a ticket with which it can act as the user (RFC 4120, section 2.8).
            It needs a forwardable ticket-granting ticket.
        mutual: whether the server is asked for a proof of its own; without, no reply can be verified.
        mechanism: ``"spnego"`` (RFC 4178, what RFC 4559 asks for) or ``"krb5"`` (RFC 4121, a bare Kerberos token).

    Attributes:
        service, mutual: as given.
        auth_header: the value of the ``Authorization`` header to send, ``"Negotiate …"``.
        principal: the client's principal once the server has proved itself, else None.

    Raises:
        TypeError, ValueError: an argument is not as described.
        NoCredentials, TicketExpired, ServiceUnknown, KDCUnreachable, ClockSkew: no ticket could be had.
        KerberosXMLRPCError: no ticket could be had, for a reason that GSSAPI names in `major` and `minor`.

    Source: RFC 4559, section 4.
    """

    auth_header: str
    principal: Optional[str]

    def __init__(
        self,
        service: str,
        *,
        principal: Optional[str] = None,
        delegate: bool = False,
        mutual: bool = True,
        mechanism: str = "spnego",
    ) -> None:
        check_ticket_arguments(service, principal, delegate, mechanism)
        checked("mutual", mutual, "True or False", (bool,))
        self.service = service
        self.mutual = mutual
        self.principal = None
        self._asked_principal = principal
        flags = (kerberos.GSS_C_MUTUAL_FLAG if mutual else 0) | (kerberos.GSS_C_DELEG_FLAG if delegate else 0)
        try:
            if principal is not None and mechanism == "krb5":
                # Where another mechanism is installed, GSSAPI may find credentials of the principal for that one only,
                # and krb5 then takes the default ones: somebody else's. SPNEGO does not let that happen.
                _first_step(service, principal, flags, "spnego")
            context, token, self._offer = _first_step(service, principal, flags, mechanism)
        except kerberos.GSSError as error:
            raise _explained(error, service, principal, flags, mechanism) from error
        except ValueError as error:
            raise NoCredentials(
                f"no ticket for {service}: GSSAPI would use another mechanism than Kerberos",
                hint=_hint(NoCredentials, service),
                service=service,
                principal=principal,
            ) from error
        self.auth_header = f"Negotiate {token}"
        # A list, because taking its only element is atomic: no two threads get hold of one GSSAPI context.
        self._context: List[Any] = [context]

    def verify_response(self, www_authenticate: Optional[HeaderValues]) -> None:
        """Return if the reply with this header comes from the service, else raise. Can be called once.

        It returns only when the exchange is complete; whatever the outcome, the ticket is used up.

        Args:
            www_authenticate: the value of the reply's ``WWW-Authenticate`` header with any number of challenges, or a
                list of such values, or None: there was no such header.

        Raises:
            TypeError: it is anything else.
            ValueError: the header has no Negotiate challenge, or that has no token, or one that is not base64.
            RuntimeError: the ticket has been used before.
            MutualAuthenticationError: the token does not prove that it comes from the service.

        Source: RFC 4559, section 4.2; RFC 4178, section 4.2.2; RFC 4120, section 3.2.5.
        """
        context = self._take_context()
        self._verify(context, _required_token(www_authenticate))

    def verify_token(self, token: str) -> None:
        """Do what `verify_response` does, given the token alone: for a caller who has read the header already."""
        self._verify(self._take_context(), token)

    def _verify(self, context: Any, token: str) -> None:
        data = decode_token(token)  # before GSSAPI sees it: pykerberos takes what is not base64 for an empty token
        if not self.mutual:
            raise self._unproven("the ticket was made with mutual=False, so no reply to it proves anything")
        if not self._step(context, token):
            raise self._unproven("the server's token does not complete the exchange")
        self._check(data, final=True)
        self.principal = kerberos.authGSSClientUserName(context)

    def answer_challenge(self, www_authenticate: Optional[HeaderValues]) -> bool:
        """Take the token of a 401; return whether there is an answer to it, another leg: `auth_header` then is it.

        That has to go out on the same connection. Without an answer the exchange has ended: the server accepted the
        ticket, and yet says 401. Where the exchange is complete on this side, with an answer or without, the server
        has proved itself, and `principal` is set. Where this raises, the ticket is used up.

        Args:
            www_authenticate: as for `verify_response`.

        Raises:
            TypeError, ValueError, RuntimeError: as for `verify_response`.
            MutualAuthenticationError: GSSAPI refuses the token, or it is not as the standards prescribe.

        Source: RFC 4559, section 4.2; RFC 4178, sections 4.2 and 5.
        """
        context = self._take_context()
        token = _required_token(www_authenticate)
        data = decode_token(token)
        complete = self._step(context, token)
        answer = kerberos.authGSSClientResponse(context)
        self._check(data, final=not answer)
        if complete and self.mutual:
            self.principal = kerberos.authGSSClientUserName(context)
        if not complete:
            self._context.append(context)
        if answer:
            self.auth_header = f"Negotiate {answer}"
        return bool(answer)

    def _take_context(self) -> Any:
        try:
            return self._context.pop()
        except IndexError:
            raise RuntimeError("the ticket has been used: each request needs a KerberosTicket of its own") from None

    def _step(self, context: Any, token: str) -> bool:
        """Give GSSAPI the server's token; return whether the exchange is complete."""
        try:
            with no_fork:
                state = kerberos.authGSSClientStep(context, token)
        except kerberos.GSSError as error:
            major, minor = _statuses(error)
            why = f"GSSAPI refuses the server's token: {_words(major, minor)}"
            raise self._unproven(why, major=major, minor=minor) from error
        return bool(state == kerberos.AUTH_GSS_COMPLETE)

    def _check(self, token: bytes, *, final: bool) -> None:
        """Check of a token what GSSAPI does not; after GSSAPI, because where both refuse, its words tell more."""
        try:
            check_reply(token, self._offer, final=final)
        except ValueError as error:
            raise self._unproven(f"the server's token is not as the standards prescribe: {error}") from error

    def _unproven(
        self, reason: str, *, major: Optional[GSSStatus] = None, minor: Optional[GSSStatus] = None
    ) -> MutualAuthenticationError:
        return MutualAuthenticationError(
            f"{self.service} has not proved itself: {reason}",
            reason=reason,
            service=self.service,
            principal=self._asked_principal,
            major=major,
            minor=minor,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self.service}{'' if self._context else ', used'}>"


def check_ticket_arguments(service: object, principal: object, delegate: object, mechanism: object) -> None:
    """Raise TypeError or ValueError where one of these is not as `KerberosTicket` describes it."""
    checked("service", service, "'HTTP@host' or 'HTTP/host@REALM'", (str,), _is_service)
    checked("principal", principal, "a name like 'user' or 'user@REALM', or None", (str, type(None)), _is_principal)
    checked("delegate", delegate, "True or False", (bool,))
    checked("mechanism", mechanism, "'spnego' or 'krb5'", (str,), _MECHANISMS.__contains__)


def _is_service(name: str) -> bool:
    return bool(_SERVICE.fullmatch(name)) and name.isprintable()


def _is_principal(name: Optional[str]) -> bool:
    return name is None or (name != "" and name.isprintable())


def _required_token(www_authenticate: Optional[HeaderValues]) -> str:
    """Return the token of the Negotiate challenge."""
    # None is what HTTP libraries give for a header that is not there.
    token = None if www_authenticate is None else negotiate_details(www_authenticate)
    if token is None:
        raise ValueError("WWW-Authenticate has no Negotiate challenge")
    if not token:
        raise ValueError("the Negotiate challenge in WWW-Authenticate has no token")
    return token


def _first_step(service: str, principal: Optional[str], flags: int, mechanism: str) -> Tuple[Any, str, Offer]:
    """Return the GSSAPI context of a new exchange, its first token, and what that offers.

    Raises:
        kerberos.GSSError: there is no ticket.
        ValueError: the token is not a Kerberos one.
    """
    with no_fork:
        _, context = kerberos.authGSSClientInit(
            service, principal=principal, gssflags=flags, mech_oid=_MECHANISMS[mechanism]
        )
        kerberos.authGSSClientStep(context, "")
    token = kerberos.authGSSClientResponse(context)
    return context, token, read_offer(binascii.a2b_base64(token))


def _statuses(error: kerberos.GSSError) -> Tuple[GSSStatus, GSSStatus]:
    """Return the major and the minor status of a failure."""
    try:
        major, minor = error.args
        return GSSStatus(*major), GSSStatus(*minor)
    except (TypeError, ValueError):  # pykerberos loses both where GSSAPI's words are not UTF-8
        unknown = GSSStatus("GSSAPI failed without words", 0)
        return unknown, unknown


def _words(major: GSSStatus, minor: GSSStatus) -> str:
    """Return what GSSAPI says; a minor code of 0 says only "Success"."""
    return minor.text if minor.code and minor.text else major.text


def _explained(
    error: kerberos.GSSError, service: str, principal: Optional[str], flags: int, mechanism: str
) -> KerberosXMLRPCError:
    """Say why there is no ticket, in an error of the right class."""
    major, minor = _statuses(error)
    fallback = KerberosXMLRPCError
    if mechanism == "spnego" or principal is not None:  # then it was SPNEGO that failed, or may have been
        # SPNEGO's minor codes are numbers of the day; those of the krb5 mechanism are fixed. So fail once more by that.
        try:
            _first_step(service, principal, flags, "krb5")
            if principal is not None:
                fallback = NoCredentials  # what it found is another's
        except kerberos.GSSError as plain:
            major, minor = _statuses(plain)
    kind = _BY_MINOR.get(minor.code) or _BY_MAJOR.get(major.code & 0xFF0000) or fallback
    if kind is ServiceUnknown and "krbtgt/" in minor.text:
        kind = KDCUnreachable  # what the KDC does not know is the way to the service's realm
    message = f"no ticket for {service}: {_words(major, minor)}"
    facts: Dict[str, Any] = {"service": service, "principal": principal, "major": major, "minor": minor}
    if kind is TicketExpired:
        facts["since"] = _expired_since()
        if facts["since"]:
            message += f" (since {facts['since']:%Y-%m-%d %H:%M:%S} UTC)"
    return kind(message, hint=_hint(kind, service), **facts)


def _expired_since() -> Optional[datetime]:
    path = default_file()
    end = ticket_end(path) if path else None
    return end if end and end < datetime.now(timezone.utc) else None


def _hint(kind: Type[KerberosXMLRPCError], service: str) -> Optional[str]:
    if kind is NoCredentials:
        cache = os.environ.get("KRB5CCNAME")
        looked = f"KRB5CCNAME names {cache}" if cache else "KRB5CCNAME is not set, so it was the default one"
        return (
            "run kinit, or set KRB5_CLIENT_KTNAME to a keytab; klist -A shows which principals there are tickets for. "
            f"The credential cache looked at: {looked}"
        )
    if kind is ServiceUnknown:
        return (
            f"the KDC was asked for {service}: if the host is an alias, an IP address or behind a load balancer, pass "
            "the name that is in the server's keytab with service=; it holds no port; krb5.conf's "
            "dns_canonicalize_hostname, rdns and qualify_shortname change the name on its way"
        )
    return None
