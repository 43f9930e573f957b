"""One Negotiate exchange. The class `KerberosTicket` is the only place that talks to pykerberos.

A ticket takes header values and gives header values, so it can be used with any HTTP library: it knows nothing of HTTP
connections and XML-RPC. Which GSSAPI library makes the tokens is the subclass's affair; what they prove is decided in
the base class, once.
"""

from __future__ import annotations

import binascii
import os
import re
from typing import Any, List, Optional, Tuple

import kerberos

from .arguments import checked
from .challenge import HeaderValues, negotiate_details
from .errors import GSSStatus, KerberosXMLRPCError, MutualAuthenticationError, NoCredentials
from .failures import GSSFailure, Source, no_ticket, other_mechanism
from .forks import no_fork
from .tokens import Offer, check_reply, decode_token, read_offer

_MECHANISMS = {"spnego": kerberos.GSS_MECH_OID_SPNEGO, "krb5": kerberos.GSS_MECH_OID_KRB5}

_SERVICE = re.compile(r"[^@/\s]+(?:@[^@/\s]+|/[^@/\s]+@[^@/\s]+)")


class Ticket:
    """One ticket, whichever library gets it; `KerberosTicket` describes it.

    A subclass says how a GSSAPI context begins, how it takes a step, and whose it is: `_begin`, `_step` and `_client`.
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
        channel_bindings: Optional[bytes] = None,
    ) -> None:
        check_ticket_arguments(service, principal, delegate, mechanism)
        checked("mutual", mutual, "True or False", (bool,))
        accepted = "bytes, as tls_server_end_point() returns them, or None"
        checked("channel_bindings", channel_bindings, accepted, (bytes, type(None)))
        self.service = service
        self.mutual = mutual
        self.principal = None
        self._asked_principal = principal
        self._delegate = delegate
        self._channel_bindings = channel_bindings
        try:
            self._check_principal(mechanism)
            context, token, self._offer = self._opened(mechanism)
        except GSSFailure as failure:
            raise self._no_ticket(failure, mechanism) from failure
        except ValueError as error:
            raise other_mechanism(service, principal, self._source()) from error
        self.auth_header = f"Negotiate {token}"
        # A list, because taking its only element is atomic: no two threads get hold of one GSSAPI context.
        self._context: List[Any] = [context]

    def _opened(self, mechanism: str) -> Tuple[Any, str, Offer]:
        """Return a new GSSAPI context, its first token, and what that offers; ValueError where it is not Kerberos."""
        context, token = self._begin(mechanism)
        return context, token, read_offer(binascii.a2b_base64(token))

    def _check_principal(self, mechanism: str) -> None:
        """Raise as `_opened` where that would not notice that the principal has no credentials."""

    def _begin(self, mechanism: str) -> Tuple[Any, str]:
        """Return a new GSSAPI context and its first token, in base64; raise `GSSFailure`."""
        raise NotImplementedError

    def _step(self, context: Any, token: str) -> Tuple[bool, str]:
        """Give GSSAPI the server's token; return whether the exchange is complete, and the answer; or `GSSFailure`."""
        raise NotImplementedError

    def _client(self, context: Any) -> str:
        """Return the client's principal in a complete exchange."""
        raise NotImplementedError

    def _source(self) -> Source:
        """Return where the ticket was looked for."""
        raise NotImplementedError

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
        complete, _ = self._stepped(context, token)
        if not complete:
            raise self._unproven("the server's token does not complete the exchange")
        self._check(data, final=True)
        self.principal = self._client(context)

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
        complete, answer = self._stepped(context, token)
        self._check(data, final=not answer)
        if complete and self.mutual:
            self.principal = self._client(context)
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

    def _stepped(self, context: Any, token: str) -> Tuple[bool, str]:
        """Do what `_step` does; a token that GSSAPI refuses proves nothing."""
        try:
            return self._step(context, token)
        except GSSFailure as failure:
            why = f"GSSAPI refuses the server's token: {failure}"
            raise self._unproven(why, major=failure.major, minor=failure.minor) from failure

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

    def _no_ticket(self, failure: GSSFailure, mechanism: str) -> KerberosXMLRPCError:
        """Return the error that says why there is no ticket."""
        fallback = KerberosXMLRPCError
        if mechanism == "spnego" or self._asked_principal is not None:  # then SPNEGO failed, or may have
            # SPNEGO's minor codes are numbers of the day; those of the krb5 mechanism are fixed. So fail by that, too.
            try:
                self._begin("krb5")
                if self._asked_principal is not None:
                    fallback = NoCredentials  # what it found is another's
            except GSSFailure as plain:  # kept by no other name: it holds this frame, and with it a transport
                return no_ticket(plain, self.service, self._asked_principal, self._source(), fallback)
        return no_ticket(failure, self.service, self._asked_principal, self._source(), fallback)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self.service}{'' if self._context else ', used'}>"


class KerberosTicket(Ticket):
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
        channel_bindings: what ties the exchange to the TLS connection that it goes over, as `tls_server_end_point`
            returns it; None: nothing.

    Attributes:
        service, mutual: as given.
        auth_header: the value of the ``Authorization`` header to send, ``"Negotiate …"``.
        principal: the client's principal once the server has proved itself, else None.

    Raises:
        TypeError, ValueError: an argument is not as described.
        NoCredentials, TicketExpired, ServiceUnknown, KDCUnreachable, ClockSkew: no ticket could be had.
        KerberosXMLRPCError: no ticket could be had, for a reason that GSSAPI names in ``major`` and ``minor``.

    Source: RFC 4559, section 4.
    """

    def _check_principal(self, mechanism: str) -> None:
        if self._asked_principal is not None and mechanism == "krb5":
            # Where another mechanism is installed, GSSAPI may find credentials of the principal for that one only, and
            # krb5 then takes the default ones: somebody else's. SPNEGO does not let that happen.
            self._opened("spnego")

    def _begin(self, mechanism: str) -> Tuple[Any, str]:
        flags = kerberos.GSS_C_MUTUAL_FLAG if self.mutual else 0
        flags |= kerberos.GSS_C_DELEG_FLAG if self._delegate else 0
        try:
            with no_fork:
                _, context = kerberos.authGSSClientInit(
                    self.service, principal=self._asked_principal, gssflags=flags, mech_oid=_MECHANISMS[mechanism]
                )
        except kerberos.GSSError as error:
            raise _failure(error) from error
        return context, self._step(context, "")[1]

    def _step(self, context: Any, token: str) -> Tuple[bool, str]:
        bindings = {}
        if self._channel_bindings is not None:
            bindings["channel_bindings"] = kerberos.channelBindings(application_data=self._channel_bindings)
        try:
            with no_fork:
                state = kerberos.authGSSClientStep(context, token, **bindings)
        except kerberos.GSSError as error:
            raise _failure(error) from error
        return state == kerberos.AUTH_GSS_COMPLETE, kerberos.authGSSClientResponse(context) or ""

    def _client(self, context: Any) -> str:
        return str(kerberos.authGSSClientUserName(context))

    def _source(self) -> Source:
        cache, keytab = (os.environ.get(name, "") for name in ("KRB5CCNAME", "KRB5_CLIENT_KTNAME"))
        looked = f"KRB5CCNAME names {cache}" if cache else "KRB5CCNAME is not set, so it was the default one"
        looked += f"; KRB5_CLIENT_KTNAME names the keytab {keytab}" if keytab else ""
        kinit, several = "run kinit", ""
        if self._asked_principal is not None:
            kinit = f"run kinit {self._asked_principal}"
            several = "; a collection, KRB5CCNAME=DIR:/path, keeps those of several principals"
        return Source(
            cache,
            f"{kinit}, or set KRB5_CLIENT_KTNAME to a keytab; klist -A shows which principals there are tickets for"
            f"{several}. The credential cache looked at: {looked}",
        )


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


def _failure(error: kerberos.GSSError) -> GSSFailure:
    """Return what pykerberos reports."""
    try:
        major, minor = error.args
        return GSSFailure(GSSStatus(*major), GSSStatus(*minor))
    except (TypeError, ValueError):  # it loses both where GSSAPI's words are not UTF-8
        unknown = GSSStatus("GSSAPI failed without words", 0)
        return GSSFailure(unknown, unknown)
