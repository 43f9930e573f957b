"""What can go wrong, and what to do about it.

This module only names failures; of the rest of the package it knows only how hints name arguments. Every error is a
`KerberosXMLRPCError`, and so an `xmlrpc.client.Error`; where the standard library has a class for the same trouble,
the error is one of those too, so that existing ``except`` clauses keep working.
"""

from __future__ import annotations

from datetime import datetime
from http.client import HTTPMessage
from ssl import SSLCertVerificationError
from typing import Any, ClassVar, Dict, NamedTuple, Optional, Tuple, Type
from xmlrpc.client import Error, ProtocolError, ResponseError

from ._hints import Hint


class GSSStatus(NamedTuple):
    """One of the two status values of a GSSAPI failure (RFC 2743, section 1.2.1.1)."""

    text: str
    """GSSAPI's own words, in the language of the system."""
    code: int
    """The number behind them. Where no ticket could be had, the minor code is one of MIT's and Heimdal's ``krb5.h``;
    where SPNEGO refuses a server's token it is a number of the day, which means nothing."""


class KerberosXMLRPCError(Error):
    """Anything that krbxmlrpc reports. Raised itself only for a GSSAPI failure that has no class of its own.

    Attributes:
        message: what failed, and why.
        hint: what to do next, or None.
        service: the service that the ticket was for, where known.
        host: the server's host name, where known.
        principal: the client's principal, where known.
        major, minor: GSSAPI's words and codes (`GSSStatus`), where GSSAPI reported the failure.
        at_login: whether it was the login that failed: then the call has not been sent since.
    """

    default_hint: ClassVar[Optional[str]] = None
    """The hint of errors of this class that are given none."""

    at_login: bool = False

    def __init__(
        self,
        message: str,
        *,
        hint: Optional[str] = None,
        service: Optional[str] = None,
        host: Optional[str] = None,
        principal: Optional[str] = None,
        major: Optional[GSSStatus] = None,
        minor: Optional[GSSStatus] = None,
    ) -> None:
        Exception.__init__(self, message)  # those in between, the standard library's, take other arguments
        self.message = message
        self.hint = self.default_hint if hint is None else hint
        self.service = service
        self.host = host
        self.principal = principal
        self.major = major
        self.minor = minor

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}. Hint: {self.hint}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.message}>"

    def __reduce__(self) -> Tuple[Any, ...]:
        # The default would call the class with its positional arguments only, and lose or miss the others.
        return _restored, (type(self), self.message, self.__dict__)


def _restored(cls: Type[KerberosXMLRPCError], message: str, state: Dict[str, Any]) -> KerberosXMLRPCError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


# -- the client's side of Kerberos ------------------------------------------------------------------------------------


class NoCredentials(KerberosXMLRPCError):
    """There is no credential cache, or it is empty or unreadable, or the principal asked for is not in it.

    Source: RFC 2743, GSS_S_NO_CRED.
    """


class TicketExpired(KerberosXMLRPCError):
    """The ticket-granting ticket in the credential cache has expired.

    Attributes:
        since: when it ended (`datetime.datetime`, UTC), where that can be known: where KRB5CCNAME names a
            credential cache in a file.

    Source: RFC 4120, KRB_AP_ERR_TKT_EXPIRED.
    """

    default_hint = "run kinit again, or set KRB5_CLIENT_KTNAME to a keytab from which tickets are renewed"

    def __init__(self, message: str, *, since: Optional[datetime] = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.since = since


class ServiceUnknown(KerberosXMLRPCError):
    """The KDC has no principal for the service that was asked for.

    Source: RFC 4120, KDC_ERR_S_PRINCIPAL_UNKNOWN.
    """


class KDCUnreachable(KerberosXMLRPCError):
    """No KDC of the realm could be found or reached; or krb5.conf, which says where it is, could not be read.

    Source: RFC 4120, section 7.2.3.
    """


class ClockSkew(KerberosXMLRPCError):
    """The clocks of this machine and of the KDC or the server differ by more than Kerberos tolerates.

    Where a 401 told so, the error is also an `xmlrpc.client.ProtocolError`.

    Attributes:
        seconds: how far the other clock is ahead of this one (negative: behind), where it is known.

    Source: RFC 4120, section 3.2.3.
    """

    default_hint = "set the clocks of both machines by NTP; Kerberos tolerates a difference of 5 minutes"

    def __init__(self, message: str, *, seconds: Optional[float] = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.seconds = seconds


# -- the way to the server --------------------------------------------------------------------------------------------


class ServerUnreachable(KerberosXMLRPCError, ConnectionError):
    """No connection: the name does not resolve, nobody listens, TLS could not be set up, or it broke at the login.

    The same where a proxy on the way is at fault. No call has run.

    The `OSError` behind it is its ``__cause__``.
    """


class ProxyRefused(KerberosXMLRPCError, ConnectionError):
    """The proxy does not let this client through to the server. No call was sent.

    Attributes:
        proxy: the proxy, ``host:port``.
        status: the HTTP status of its answer.
        schemes: the authentication schemes that it offers, in lower case.

    Source: RFC 9110, sections 9.3.6 and 15.5.8.
    """

    def __init__(self, message: str, *, proxy: str, status: int, schemes: Tuple[str, ...] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.proxy = proxy
        self.status = status
        self.schemes = schemes


class CertificateRejected(KerberosXMLRPCError, SSLCertVerificationError):
    """The server's certificate is not trusted, has expired or is for another host. No call was sent.

    Attributes:
        verify_code, verify_message: OpenSSL's number and words, as in `ssl.SSLCertVerificationError`.

    Source: RFC 5280; RFC 6125.
    """

    def __init__(self, message: str, *, verify_code: int, verify_message: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.verify_code = verify_code
        self.verify_message = verify_message


class CallOutcomeUnknown(KerberosXMLRPCError, ConnectionError):
    """The connection failed after (part of) the call had been sent: the call may have run on the server, or not."""

    default_hint = Hint(
        "the call may have run: look on the server whether it did before you repeat it; a method that may run twice is "
        "repeated for you if {args.idempotent} says so and {args.retries} allows it"
    )


# -- what the server answered -----------------------------------------------------------------------------------------


class UnexpectedStatus(KerberosXMLRPCError, ProtocolError):
    """The server answered with an HTTP status other than 200.

    Attributes:
        url: host and path of the call, as in `xmlrpc.client.ProtocolError`; a query is left out, it may hold secrets.
        errcode: the HTTP status.
        errmsg: the reason; the server's own only where the server has proved itself, else the standard phrase.
        headers: the reply's headers; finds names without case and keeps repeated lines.
        location: for a redirection, where to (without query), else None.

    Source: RFC 9110, section 15.
    """

    headers: HTTPMessage  # type: ignore[assignment]  # typeshed says dict, which would lose repeated lines

    def __init__(
        self,
        message: str,
        *,
        url: str,
        errcode: int,
        errmsg: str,
        headers: HTTPMessage,
        location: Optional[str] = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.url = url
        self.errcode = errcode
        self.errmsg = errmsg
        self.headers = headers
        self.location = location


class AuthenticationRejected(UnexpectedStatus):
    """The server answered 401 to a ticket: it cannot use it, or does not let its owner make the call.

    Source: RFC 4559, section 4.1; RFC 9110, section 15.5.2.
    """


class NegotiateNotOffered(UnexpectedStatus):
    """The server answered 401 and does not offer Negotiate.

    Attributes:
        schemes: the authentication schemes that it does offer, in lower case.

    Source: RFC 9110, section 11.6.1.
    """

    def __init__(self, message: str, *, schemes: Tuple[str, ...], **facts: Any) -> None:
        super().__init__(message, **facts)
        self.schemes = schemes


class ClockSkewRejected(ClockSkew, UnexpectedStatus):
    """A `ClockSkew` that showed itself in a 401 to a ticket."""


class NoSession(KerberosXMLRPCError):
    """The server accepted a login, and set no cookie that goes with the call. No call has run.

    Source: RFC 6265, sections 5.3 and 5.4.
    """


class MutualAuthenticationError(KerberosXMLRPCError):
    """The server did not prove that it is the service that was asked for (RFC 4559, section 4.2).

    Nothing of its reply was used.

    Attributes:
        reason: what is wrong with the proof.
    """

    def __init__(self, message: str, *, reason: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.reason = reason


# -- the body of a reply ----------------------------------------------------------------------------------------------


class InvalidResponse(KerberosXMLRPCError, ResponseError):
    """The body of the reply is not an XML-RPC response."""


class BrokenReply(CallOutcomeUnknown, InvalidResponse):
    """The reply is not HTTP/1.1, or not all of it: the call may have run on the server, or not.

    Its head is cut off or cannot be read, its chunks are not in order, or its body is shorter than announced.

    Source: RFC 9112, sections 4 to 8.
    """


class ResponseTooLarge(InvalidResponse):
    """The body of the reply is over a limit.

    Attributes:
        limit: the limit, in bytes.
    """

    def __init__(self, message: str, *, limit: int, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.limit = limit


class UnsafeResponse(InvalidResponse):
    """The XML of the reply has a document type declaration or entities, which XML-RPC never needs."""
