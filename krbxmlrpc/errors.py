"""The errors of the package. Each has a message, and nearly each a hint that says how to solve the problem.

This module only defines the classes. From the rest of the package it uses only `_hints`. Every error is a
`KerberosXMLRPCError`, and so an `xmlrpc.client.Error`. If the standard library has a class for the same failure, the
error is also an instance of that class, so that existing ``except`` clauses keep working.
"""

from __future__ import annotations

from datetime import datetime
from http.client import HTTPMessage
from socket import gaierror
from ssl import SSLCertVerificationError
from typing import Any, ClassVar, NamedTuple
from xmlrpc.client import Error, Fault, ProtocolError, ResponseError

from ._hints import Hint


class GSSStatus(NamedTuple):
    """One of the two status values of a GSSAPI failure (RFC 2743, section 1.2.1.1)."""

    text: str
    """GSSAPI's message, in the language of the system."""
    code: int
    """The number of the message. After a failed request for a ticket, the minor code is usually one of the error codes
    in ``krb5.h``, which MIT Kerberos and Heimdal share. If SPNEGO refused a server's token, the minor code varies and
    means nothing."""


class KerberosXMLRPCError(Error):
    """The base class of all errors of krbxmlrpc.

    krbxmlrpc raises this class itself only if no subclass fits: for other failures of GSSAPI, and for a server
    certificate that no ticket can be bound to.

    Attributes:
        message: the failure and its reason.
        hint: the next step for the user, or None.
        service: the service of the ticket, if known.
        host: the server's host name, if known.
        principal: the client's principal, if known.
        major, minor: GSSAPI's messages and codes (`GSSStatus`), if GSSAPI reported the failure.
        at_login: whether a login failed. If so, the call has not been sent after that login.
    """

    default_hint: ClassVar[str | None] = None
    """The hint of an error of this class that is created without a hint."""

    at_login: bool = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        service: str | None = None,
        host: str | None = None,
        principal: str | None = None,
        major: GSSStatus | None = None,
        minor: GSSStatus | None = None,
    ) -> None:
        Exception.__init__(self, message)  # the standard library's classes in between take other arguments
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

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class without keyword arguments, but some classes require them.
        return _restored, (type(self), self.message, self.__dict__)


def _restored(cls: type[KerberosXMLRPCError], message: str, state: dict[str, Any]) -> KerberosXMLRPCError:
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


# -- the client's side of Kerberos ------------------------------------------------------------------------------------


class NoCredentials(KerberosXMLRPCError):
    """There is no credential cache, or the cache is empty or unreadable or lacks the requested principal.

    Source: RFC 2743, GSS_S_NO_CRED.
    """


class TicketExpired(KerberosXMLRPCError):
    """The ticket-granting ticket in the credential cache has expired.

    Attributes:
        since: when the ticket expired (`datetime.datetime`, UTC). Known only if ``ccache`` or KRB5CCNAME names a
            credential cache in a file, else None.

    Source: RFC 4120, KRB_AP_ERR_TKT_EXPIRED.
    """

    default_hint = "run kinit again, or set KRB5_CLIENT_KTNAME to a keytab from which tickets are renewed"

    def __init__(self, message: str, *, since: datetime | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.since = since


class ServiceUnknown(KerberosXMLRPCError):
    """The KDC has no principal for the requested service.

    Source: RFC 4120, KDC_ERR_S_PRINCIPAL_UNKNOWN.
    """


class KDCUnreachable(KerberosXMLRPCError):
    """No KDC of the realm could be found or reached, or krb5.conf, which names the KDC, could not be read.

    Source: RFC 4120, section 7.2.3.
    """


class ClockSkew(KerberosXMLRPCError):
    """The clocks of this machine and of the KDC or the server differ by more than Kerberos tolerates.

    If the server reported the difference by a 401, the error is also an `xmlrpc.client.ProtocolError`.

    Attributes:
        seconds: how far the other clock is ahead of this one (negative: behind), if known.

    Source: RFC 4120, section 3.2.3.
    """

    default_hint = "set the clocks of both machines by NTP; Kerberos tolerates a difference of 5 minutes"

    def __init__(self, message: str, *, seconds: float | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.seconds = seconds


# -- the way to the server --------------------------------------------------------------------------------------------


class ServerUnreachable(KerberosXMLRPCError, ConnectionError):
    """Name resolution, the TCP connection or TLS setup failed, or the connection broke during a login.

    It is also the error of a call whose deadline passed before any part of the call was sent, or during a login; and of
    a call that needs the login of another thread if that login does not end in time. The failure may be the server's or
    a proxy's. No call has run.

    The ``__cause__`` of the error is the `OSError` that caused it, if there was one.
    """


class HostUnknown(ServerUnreachable, gaierror):
    """The host name of the server or of the proxy has no address. No call was sent.

    The error is a `socket.gaierror`, as in clients built on `xmlrpc.client`. Its ``__cause__`` is the resolver's own
    `socket.gaierror`, which has the number (``errno``).

    Source: RFC 3493, section 6.1.
    """


class ProxyRefused(KerberosXMLRPCError, ConnectionError):
    """The proxy does not let this client through to the server. No call was sent.

    Attributes:
        proxy: the proxy, ``host:port``.
        status: the HTTP status of the proxy's reply.
        schemes: the known authentication schemes that the proxy offers, in lower case.

    Source: RFC 9110, sections 9.3.6 and 15.5.8.
    """

    def __init__(self, message: str, *, proxy: str, status: int, schemes: tuple[str, ...] = (), **facts: Any) -> None:
        super().__init__(message, **facts)
        self.proxy = proxy
        self.status = status
        self.schemes = schemes


class CertificateRejected(KerberosXMLRPCError, SSLCertVerificationError):
    """The server's certificate is not trusted, has expired or is for another host. No call was sent.

    Attributes:
        verify_code, verify_message: OpenSSL's error number and message, as in `ssl.SSLCertVerificationError`.

    Source: RFC 5280; RFC 6125.
    """

    def __init__(self, message: str, *, verify_code: int, verify_message: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.verify_code = verify_code
        self.verify_message = verify_message


class CallOutcomeUnknown(KerberosXMLRPCError, ConnectionError):
    """The connection or a hook failed, or the deadline passed, after the call or a part of it was sent.

    The call may or may not have run on the server. Subclasses are `BrokenReply` and `GatewayFailed`.

    Attributes:
        hook: the hook of a subclass that failed, or None; a method of your cookie jar counts, too. The ``__cause__`` of
            the error is then the hook's exception. The call is not repeated, even if it is idempotent, because the hook
            would fail again.
    """

    hook: str | None = None

    default_hint = Hint(
        "the call may have run: check on the server before you repeat it; krbxmlrpc repeats a call for you if "
        "{args.idempotent} says that the method may run twice and {args.retries} allows a repetition"
    )


# -- the status of a reply --------------------------------------------------------------------------------------------


class UnexpectedStatus(KerberosXMLRPCError, ProtocolError):
    """The HTTP status of the server's reply is not 200.

    Attributes:
        url: host and path of the call, as in `xmlrpc.client.ProtocolError`, without the query and the parameters
            (``;jsessionid=…``), which may hold secrets.
        errcode: the HTTP status.
        errmsg: the reason phrase. If the server has proved its identity, the phrase is the server's own. If not, the
            phrase is HTTP's standard one.
        headers: the reply's headers. Lookup ignores the case of names, and repeated headers are kept. The values are
            texts with a blank ``repr``, because some of them can be secrets.
        location: the target of a redirection (without query; only host and path if unverified), or None.
        fault: the `xmlrpc.client.Fault` in the body of a 4xx or 5xx, or None. It is as believable as the answer to a
            call: the server has proved its identity, or the call was on a session, or ``mutual_authentication`` demands
            no proof. The message has its text only if the server has proved its identity.

    Source: RFC 9110, section 15.
    """

    headers: HTTPMessage  # type: ignore[assignment]  # typeshed says dict, which would lose repeated headers

    def __init__(
        self,
        message: str,
        *,
        url: str,
        errcode: int,
        errmsg: str,
        headers: HTTPMessage,
        location: str | None = None,
        fault: Fault | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message, **facts)
        self.url = url
        self.errcode = errcode
        self.errmsg = errmsg
        self.headers = headers
        self.location = location
        # A Fault cannot be pickled.
        self._fault = None if fault is None else (fault.faultCode, fault.faultString)

    @property
    def fault(self) -> Fault | None:
        """The Fault in the body, or None."""
        return None if self._fault is None else Fault(*self._fault)


class GatewayFailed(UnexpectedStatus, CallOutcomeUnknown):
    """A gateway on the way answered 502 or 504: it got no reply, or no valid one, from the server behind it.

    The call may or may not have run on the server. At a login, the error is a plain `UnexpectedStatus`, because no call
    has run.

    Source: RFC 9110, sections 15.6.3 and 15.6.5.
    """


class AuthenticationRejected(UnexpectedStatus):
    """The server answered 401 to a ticket: it cannot use the ticket, or does not let the principal make the call.

    Attributes:
        new_ticket_may_help: whether the ticket may have been refused because it is for a former key of the server. Then
            a new ticket may help, for example after ``kinit``. No call has run.

    Source: RFC 4559, section 4.1; RFC 9110, section 15.5.2.
    """

    new_ticket_may_help: bool = False


class NegotiateNotOffered(UnexpectedStatus):
    """The server answered 401 and does not offer Negotiate.

    Either the server takes no tickets for the path, or it refused a ticket that was sent before the server asked for
    one, and does not offer Negotiate again. If the server has offered Negotiate for the URL before, the error is
    `AuthenticationRejected`.

    Attributes:
        schemes: the known authentication schemes that the server offers, in lower case.

    Source: RFC 9110, section 11.6.1.
    """

    def __init__(self, message: str, *, schemes: tuple[str, ...], **facts: Any) -> None:
        super().__init__(message, **facts)
        self.schemes = schemes


class ClockSkewRejected(ClockSkew, UnexpectedStatus):
    """A `ClockSkew` that the server reported by a 401 to a ticket."""


class NoSession(KerberosXMLRPCError):
    """The server accepted a login, but set no cookie for the URL of the call. No call has run.

    Source: RFC 6265, sections 5.3 and 5.4.
    """


class MutualAuthenticationError(KerberosXMLRPCError):
    """The server did not prove that it is the requested service (RFC 4559, section 4.2).

    Nothing of the server's reply was used.

    Attributes:
        reason: why the proof is not valid.
    """

    def __init__(self, message: str, *, reason: str, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.reason = reason


# -- the body of a reply ----------------------------------------------------------------------------------------------


class InvalidResponse(KerberosXMLRPCError, ResponseError):
    """The body of the reply is not an XML-RPC response, or it is one that cannot be decoded.

    Attributes:
        is_cut_off: whether the body ends too early, although the reply is complete according to its head.
        has_run: whether the body begins as an XML-RPC response. Then the call has run, and only its answer is lost. The
            message says at which value: ``result['builds'][2]``.
    """

    is_cut_off: bool = False
    has_run: bool = False


class BrokenReply(CallOutcomeUnknown, InvalidResponse):
    """The reply is not valid HTTP/1.1 or is incomplete. The call may or may not have run on the server.

    The reply's head is cut off or cannot be parsed, its chunks are malformed, or its body is shorter than announced. Or
    the head announces no length, and the connection broke off before the body was certainly complete.

    Source: RFC 9112, sections 4 to 8, and 9.8.
    """


class ResponseTooLarge(InvalidResponse):
    """The body of the reply is larger than the limit.

    Attributes:
        limit: the limit, in bytes.
    """

    def __init__(self, message: str, *, limit: int, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.limit = limit


class UnsafeResponse(InvalidResponse):
    """The XML of the reply has a document type declaration or entities. XML-RPC never needs them."""
