"""One ticket for one service: it makes the client's tokens, and checks the server's tokens.

A ticket knows tokens, but nothing of HTTP and XML-RPC. Credentials (`gss.Credentials`) choose the GSSAPI library that
makes the tokens. This module alone decides whether the server's tokens prove its identity.
"""

from __future__ import annotations

import binascii
import functools
import re
from contextlib import suppress

from .._checks import checked
from .._hints import Hint
from .._secrets import Secret, SecretBytes
from ..errors import GSSStatus, KerberosXMLRPCError, MutualAuthenticationError, NoCredentials
from . import kept_context, krb5_conf
from .gss import Context, Credentials, Request
from .gss_errors import GSSFailure, is_refused_tgt, is_unknown_service, no_ticket, other_mechanism
from .libraries import credentials_of_process
from .principals import asked_name, has_no_realm, host_based_name, is_ticket_for, principal_name, shown
from .tokens import NO_REASON, Offer, check_reply, decode_token, read_offer, refusal_code, requests_checksum

MECHANISMS = ("spnego", "krb5")

NOT_DELEGATED = (
    "klist -f has to show F (forwardable) at the ticket-granting ticket: run kinit -f again. If the F is missing then, "
    "the account may not be delegated: ask the realm's administrator"
)
"""The remedy if the caller asked for delegation, and the ticket does not delegate."""

SERVICE = "'HTTP@host', 'HTTP/host@REALM' or 'HTTP/host@' (the host's realm)"
PRINCIPAL = Hint("a name like 'user' or 'user@REALM', or {phrase.left_out}")
"""The accepted values of ``service`` and ``principal``, for errors."""

_NO_CHECKSUM = Hint(
    "update the Kerberos libraries of this machine: MIT krb5 1.21.0 to 1.22.1 overlooks the server's checksum, and so "
    "makes none; or, if the server takes tickets without SPNEGO, pass {args.mechanism:krb5}"
)
"""The remedy if GSSAPI does not answer a server that requests the checksums of the negotiation."""

_NO_KERBEROS = (
    "the server has no key: its keytab is missing, or is not readable for the server (GssapiCredStore); or its list of "
    "mechanisms lacks Kerberos (GssapiAllowedMech has to name krb5); the server's error log gives the reason"
)
"""The remedy if the server refuses Kerberos as a mechanism."""

_UNPROVEN_HINT = (
    "use no part of the reply: somebody may stand between this machine and the server; or it is the reply to another "
    "request: the ticket of a request has to verify its reply"
)

_SERVICE = re.compile(r"[^@/\s]+(?:@[^@/\s]+|/[^@/\s]+@[^@/\s]*)")


class Ticket:
    """One ticket for one service, to be sent once, and the check that the reply comes from that service.

    The ticket is for exactly the service that was asked for: DNS has no say in the name.

    Attributes:
        is_by_host: whether GSSAPI was asked by a host-based name.
        remedy: the remedy for the error that `answer_token` has raised; None if only the server can know the cause.
        fingerprint: a hash of the service ticket: it tells whether two tickets came from one entry of the cache.
        is_to_delegate: whether the caller asked for delegation.
        holder: the principal of the credentials; None if it is unknown until the exchange is complete.
        delegates: whether the ticket delegates; None if that is unknown. The ticket can fail to delegate although
            `is_to_delegate` is set: the ticket-granting ticket may not be forwardable, or the KDC may not forward it.
    """

    auth_header: str
    holder: str | None
    principal: str | None
    service_principal: str
    remedy: str | None = None

    def __init__(
        self,
        service: str,
        *,
        principal: str | None = None,
        delegate: bool = False,
        mutual: bool = True,
        mechanism: str = "spnego",
        channel_bindings: bytes | None = None,
        _by_host: bool = False,
        _asked: str | None = None,
        _credentials: Credentials | None = None,
    ) -> None:
        checked("service", service, SERVICE, (str,), is_service)
        if _credentials is None:  # otherwise the transport has checked its arguments, once for all tickets
            check_options(principal, delegate, mutual, mechanism, channel_bindings)
        self.service = service
        self.mutual = mutual
        self.principal = None
        self._context: list[Context] = []
        self._asked_principal = principal
        self.is_to_delegate = delegate
        self._channel_bindings = channel_bindings
        self._asked = _asked  # the principal to ask GSSAPI for, if it is not the usual one for the service
        self.is_by_host = _by_host
        self._configuration = krb5_conf.current()
        self._credentials = _credentials or credentials_of_process(principal)
        try:
            context, token, self._offer = self._found(mechanism)
        except ValueError as error:
            raise self._other_mechanism() from error
        self.holder = context.holder
        self.service_principal = self._offer.service
        self.fingerprint = self._offer.fingerprint
        if not is_ticket_for(service, self.service_principal):
            raise self._other_service()
        self.auth_header = Secret(f"Negotiate {token}")
        self.delegates = context.delegates() if delegate else False
        # A list, because taking its only element is atomic: no two threads can take the same GSSAPI context.
        self._context.append(context)

    def _found(self, mechanism: str) -> tuple[Context, str, Offer]:
        """Do the same as `_granted`. If the KDC refuses the ticket-granting ticket of an own cache, get a new one."""
        own = self._credentials.own
        if own is None:
            return self._granted(mechanism)
        seen = own.generation
        try:
            return self._granted(mechanism)
        except KerberosXMLRPCError as error:
            if not is_refused_tgt(error) or not own.may_replace_tgt():
                raise
            if not self._credentials.empty(seen, True):
                raise
        found = self._granted(mechanism)
        own.refusals = 0
        return found

    def _granted(self, mechanism: str) -> tuple[Context, str, Offer]:
        """Do the same as `_opened`, but raise the error that says why there is no ticket.

        If the KDC does not know the principal, try the host-based name as well. MIT's KDC refers clients to the realm
        of a host only if they ask by that name. libkrb5 may replace the host by a name from the DNS. So the ticket
        counts only if it is for the service that was asked for.
        """
        try:
            return self._opened(mechanism)
        except GSSFailure as failure:
            error = self._no_ticket(failure, mechanism)
            error.__cause__ = failure
        try:
            if not self.is_by_host and has_no_realm(self.service) and is_unknown_service(error):
                self.is_by_host = True
                with suppress(GSSFailure):
                    found = self._opened(mechanism)
                    if is_ticket_for(self.service, found[2].service):
                        return found
            raise error
        finally:
            del error  # its traceback holds this frame

    @property
    def _target(self) -> str:
        """The name to ask GSSAPI for: a principal, or a host-based name (``HTTP@host``)."""
        if self.is_by_host:
            return host_based_name(self.service)
        if self._asked is not None:
            return self._asked
        return principal_name(self.service, self._configuration.domain_realm)

    def _request(self, mechanism: str) -> Request:
        return Request(
            self._target,
            self.is_by_host,
            mechanism,
            self.mutual,
            self.is_to_delegate,
            self._channel_bindings,
            self._configuration,
        )

    def _opened(self, mechanism: str) -> tuple[Context, str, Offer]:
        """Return a new GSSAPI context, its first token and its offer. Raise ValueError if it is no Kerberos token."""
        request = self._request(mechanism)
        self._credentials.check_principal(request)
        context, token = self._begin(request)
        return context, token, read_offer(SecretBytes(binascii.a2b_base64(token)))

    def _begin(self, request: Request) -> tuple[Context, str]:
        """Return a new GSSAPI context and its first token in base64, or raise `GSSFailure`."""
        kept_context.release_if_changed(self._configuration)
        context, token = self._credentials.begin(request)
        kept_context.keep(self._configuration, context.handle)
        return context, token

    @property
    def again(self) -> str | None:
        """The remedy if the server refuses the ticket; None if the cache is the transport's own."""
        return self._credentials.source().again

    def verify_token(self, token: str) -> None:
        """Return if this token comes from the service, else raise. You can call this once.

        The method returns only when the exchange is complete. After the call the ticket is used up, even if the method
        raises.

        Args:
            token: the server's token, in base64.

        Raises:
            ValueError: the token is not base64.
            RuntimeError: the ticket has been used before.
            MutualAuthenticationError: the token does not prove that the service sent it.

        Source: RFC 4559, section 4.2; RFC 4178, section 4.2.2; RFC 4120, section 3.2.5.
        """
        self._verify(self._take_context(), token)

    def _verify(self, context: Context, token: str) -> None:
        data = decode_token(token)  # first, because pykerberos takes invalid base64 for an empty token
        if not self.mutual:
            why = "the ticket was made with mutual=False, so no reply can prove the server's identity"
            raise self._unproven(why, hint="do not verify this reply, or make the ticket with mutual=True")
        complete, _ = self._stepped(context, token)
        if not complete:
            why = "the server's token does not complete the exchange"
            raise self._unproven(
                why, hint=f"if the reply is a 401, answer it by answer_challenge; if not, {_UNPROVEN_HINT}"
            )
        self._check(data, final=True)
        self.principal = context.client()

    def answer_token(self, token: str) -> bool:
        """Take the token of a 401 reply. Return whether there is an answer, for another leg of the exchange.

        `auth_header` then holds the answer, which has to go out on the same connection. Without an answer the exchange
        has ended: the server accepted the ticket, but replied 401. If the exchange is complete on this side, with or
        without an answer, and ``mutual`` is set, the server has proved its identity, and `principal` is set. If the
        method raises, the ticket is used up.

        Args:
            token: the server's token, in base64.

        Raises:
            ValueError, RuntimeError: as for `verify_token`.
            MutualAuthenticationError: GSSAPI refuses the token, or the token violates the standards.

        Source: RFC 4559, section 4.2; RFC 4178, sections 4.2 and 5.
        """
        return self._answer(self._take_context(), token)

    def _answer(self, context: Context, token: str) -> bool:
        data = decode_token(token)
        complete, answer = self._stepped(context, token)
        if not answer and requests_checksum(data, self._offer):
            # GSSAPI has not looked at the server's checksum: if the checksum is right, there is an answer, and if not,
            # an error (RFC 4178, section 5). So nobody has verified the checksum, and the server waits for the answer.
            self.remedy = _NO_CHECKSUM
            why = "the server asks for a checksum of the negotiation (RFC 4178, section 5), and GSSAPI makes none"
            raise self._unproven(why)
        self._check(data, final=not answer)
        if complete and self.mutual:
            self.principal = context.client()
        if not complete:
            self._context.append(context)
        if answer:
            self.auth_header = Secret(f"Negotiate {answer}")
        return bool(answer)

    def _take_context(self) -> Context:
        try:
            return self._context.pop()
        except IndexError:
            raise RuntimeError("the ticket has been used: each request needs a KerberosTicket of its own") from None

    def _stepped(self, context: Context, token: str) -> tuple[bool, str]:
        """Do the same as `Context.step`, but raise MutualAuthenticationError if GSSAPI refuses the token."""
        try:
            return context.step(token)
        except GSSFailure as failure:
            why = f"GSSAPI refuses the server's token: {failure}"
            if token and refusal_code(token) == NO_REASON:
                why = "the server does not take Kerberos: its SPNEGO refuses each mechanism"
                self.remedy = _NO_KERBEROS
            raise self._unproven(why, major=failure.major, minor=failure.minor) from failure

    def _check(self, token: bytes, *, final: bool) -> None:
        """Check the parts of a token that GSSAPI ignores. Call GSSAPI first, because its messages say more."""
        try:
            check_reply(token, self._offer, final=final)
        except ValueError as error:
            raise self._unproven(f"the server's token violates the standards: {error}") from error

    def _unproven(
        self,
        reason: str,
        *,
        hint: str | None = None,
        major: GSSStatus | None = None,
        minor: GSSStatus | None = None,
    ) -> MutualAuthenticationError:
        return MutualAuthenticationError(
            f"{self.service_principal} has not proved its identity: {reason}",
            hint=hint or self.remedy or _UNPROVEN_HINT,
            reason=reason,
            service=self.service_principal,
            principal=self._asked_principal,
            major=major,
            minor=minor,
        )

    def _other_service(self) -> KerberosXMLRPCError:
        """Return the error for a ticket of another service than the one that was asked for. It must not be sent."""
        return KerberosXMLRPCError(
            f"the ticket that was found for {asked_name(self.service)} is for {shown(self.service_principal)}: it was "
            "not sent",
            hint=Hint(
                "if you mean {ticket}, pass {args.service:{ticket}}; if not, somebody may have changed the credential "
                "cache: run kdestroy and kinit",
                ticket=shown(self.service_principal),
            ),
            service=self.service,
            principal=self._asked_principal,
        )

    def _no_ticket(self, failure: GSSFailure, mechanism: str) -> KerberosXMLRPCError:
        """Return the error that says why there is no ticket."""
        fallback = KerberosXMLRPCError
        if mechanism == "spnego" or self._asked_principal is not None:  # then SPNEGO failed, or may have failed
            # SPNEGO's minor codes vary. krb5's are fixed, so retry with krb5 to get one we can interpret.
            try:
                self._begin(self._request("krb5"))
                if self._asked_principal is not None:
                    fallback = NoCredentials  # krb5 found credentials of another principal
                failure = failure.of_unknown_mechanism()
            except GSSFailure as plain:  # keep no other reference: the traceback holds a transport
                return self._named(plain, fallback)
        return self._named(failure, fallback)

    def _other_mechanism(self) -> KerberosXMLRPCError:
        """Return the error for a token of another mechanism. SPNEGO takes one if Kerberos has no ticket."""
        try:
            self._begin(self._request("krb5"))
        except GSSFailure as failure:
            return self._named(failure, NoCredentials)
        return other_mechanism(self.service, self._asked_principal, self._credentials.source())

    def _named(self, failure: GSSFailure, fallback: type[KerberosXMLRPCError]) -> KerberosXMLRPCError:
        """Return the error for a failure to get a ticket."""
        realm = self._unknown_realm() if is_unknown_service(failure) else None
        return no_ticket(failure, self.service, self._asked_principal, self._credentials.source(), fallback, realm)

    def _unknown_realm(self) -> str | None:
        """Return the realm of the service if the KDC knows no way to it. The KDC has said that a service is unknown.

        KDCs say the same of a service that they do not know and of a realm to which they know no way. So ask for a
        service that each realm has, its ticket-granting service. If the realm is the client's, the cache has that
        ticket.
        """
        target = self._target
        realm = "" if self.is_by_host else target.rpartition("@")[2]
        if not realm:
            return None
        asked, self._asked = self._asked, f"krbtgt/{realm}@{realm}"
        try:
            self._begin(self._request("krb5"))
        except GSSFailure as failure:
            return realm if is_unknown_service(failure) else None
        finally:
            self._asked = asked
        return None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self.service}{'' if self._context else ', used'}>"


def check_options(
    principal: object, delegate: object, mutual: object, mechanism: object, channel_bindings: object
) -> None:
    """Raise TypeError or ValueError if an option is not as `KerberosTicket` describes it."""
    if principal is not None:
        checked("principal", principal, PRINCIPAL, (str,), is_principal)
    checked("delegate", delegate, "True or False", (bool,))
    checked("mutual", mutual, "True or False", (bool,))
    checked("mechanism", mechanism, "'spnego' or 'krb5'", (str,), MECHANISMS.__contains__)
    accepted = "bytes, as tls_server_end_point() returns them, or None"
    checked("channel_bindings", channel_bindings, accepted, (bytes, type(None)))


@functools.lru_cache(maxsize=256)
def is_service(name: str) -> bool:
    """Say whether a text is a service: ``"HTTP@host"``, ``"HTTP/host@REALM"`` or ``"HTTP/host@"``."""
    return bool(_SERVICE.fullmatch(name)) and name.isprintable()


def is_principal(name: str) -> bool:
    """Say whether a text can be a principal."""
    return name != "" and name.isprintable()
