"""The rules of the Negotiate exchange of a call: plain functions, without I/O and without GSSAPI.

The central rule is `next_step`: it derives the next step from the authentication of a request and the reply to the
request. The other rules decide whether to verify a token, which cookies to keep, whether a session has ended, and which
authentication the next request on a connection needs.
"""

from __future__ import annotations

import enum
import math
from http.client import HTTPMessage
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit
from xmlrpc.client import Fault

from .._http.address import shown_path
from .._http.progress import Reports
from .._http.time_limits import Deadline
from .._kerberos.tokens import NO_REASON
from .._secrets import Secret

MAX_LEGS = 5
"""The most requests of one exchange, with its first. Kerberos needs one, SPNEGO at most three."""

MAX_REQUESTS = 7
"""The most requests that a call may take. Requests of a login count, and so do requests on a session that had ended."""


class MutualAuthentication(str, enum.Enum):
    """Whether the server has to prove its identity by Kerberos before its reply is used.

    You can pass a member of the enum or its value. Source: RFC 4559, section 4.2; RFC 2743, section 1.2.1.5.
    """

    REQUIRED = "required"
    """The reply to a ticket has to carry the server's token, and the token has to be valid. If no ticket was sent,
    the reply is used only on a session or connection that such a token began, or on a session that the caller began.
    The default."""
    OPTIONAL = "optional"
    """If a reply carries a token, the token has to be valid. A reply without one is used on the proof of TLS alone."""
    DISABLED = "disabled"
    """The server's proof is neither requested nor verified. TLS alone proves the server's identity."""


class Allowance:
    """The number of requests that a call may still take.

    Attributes:
        left: the number.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_REQUESTS


class Expects(enum.Enum):
    """The kind of answer that a request expects."""

    VALUES = enum.auto()
    """The values of an XML-RPC method: only status 200 has values."""
    WELCOME = enum.auto()
    """The reply of a login page. It may be a redirection to another page."""
    RESOURCE = enum.auto()
    """The reply of an application that uses statuses. An error status counts as an answer if the server certainly sent
    it."""
    TUNNEL = enum.auto()
    """The reply of a proxy to CONNECT (RFC 9110, section 9.3.6)."""

    @property
    def challenge_status(self) -> int:
        """The status that asks for authentication (RFC 9110, sections 15.5.2 and 15.5.8)."""
        return 407 if self is Expects.TUNNEL else 401

    @property
    def challenge_header(self) -> str:
        """The header with the challenges, in lower case (RFC 9110, sections 11.6.1 and 11.7.1)."""
        return "proxy-authenticate" if self is Expects.TUNNEL else "www-authenticate"


class Call(NamedTuple):
    """A request, and the service that has to answer it."""

    netloc: str
    """``host`` or ``host:port``, as in the URL."""
    handler: str
    """The path, with the query if there is one."""
    body: bytes
    """The encoded call."""
    host: str
    """The name of the server, without the port."""
    service: str
    """The ticket is for this service."""
    allowance: Allowance
    """The call and its login share one allowance."""
    principal: str | None = None
    """The client principal that the caller selected, or None."""
    verbose: bool = False
    """Whether to print the request and the reply."""
    method: str = "POST"
    headers: tuple[Any, ...] = ()
    """The headers that the caller named for this request."""
    expects: Expects = Expects.VALUES
    deadline: Deadline | None = None
    """The call, its login and its repetitions share one deadline; None: there is no deadline."""
    progress: Reports = Reports()
    """The functions that hear how much has been sent and received."""
    has_new_ticket: bool = False
    """Whether the server refused a ticket for this request, and the next ticket is certainly a new one."""
    is_tls: bool = True
    """Whether the call goes over TLS."""
    is_streamed: bool = False
    """Whether the caller reads the body of the reply in pieces."""
    timeout: float | None = None
    """Seconds that each send and receive of this request may take; None: the timeout of the connection."""

    def __repr__(self) -> str:
        return f"<{self.method} {self.shown}>"

    @property
    def is_login(self) -> bool:
        """Whether the request is a login, not a call."""
        return self.expects is Expects.WELCOME

    @property
    def is_resource(self) -> bool:
        """Whether the request is not XML-RPC."""
        return self.expects is Expects.RESOURCE

    @property
    def legs(self) -> int:
        """The most requests that an exchange may take now. A login leaves one request for the call itself."""
        return min(MAX_LEGS, self.allowance.left - self.is_login)

    @property
    def time_left(self) -> float:
        """The seconds until the deadline; infinite if there is none."""
        return math.inf if self.deadline is None else self.deadline.left()

    @property
    def url(self) -> str:
        """The URL without the query: it selects cookies, and the knowledge of the server's behaviour."""
        return Secret(self.netloc + self.handler.partition("?")[0])

    @property
    def shown(self) -> str:
        """The URL for messages, as the standard library's errors show it, without the parts that can hold secrets."""
        return self.netloc + shown_path(self.handler)


class Reply(NamedTuple):
    """The head of a reply, and the authentication of its request."""

    status: int
    reason: str
    headers: HTTPMessage
    authorization: str | None = None
    """The ``Authorization`` header of the request; None if there was none."""
    principal: str | None = None
    """The client principal, if the server has proved that it sent the reply; else None."""
    on_session: bool = False
    """Whether the request relied on a session."""
    service: str | None = None
    """The principal of the service that the ticket of the request was for; None if there was none."""
    head_bytes: int = 0
    """The number of bytes of the request's head; 0 if it is unknown."""
    fault: Fault | None = None
    """The Fault in the body of an error status, if the reply counts as the server's."""
    again: str | None = None
    """How the user gets a new ticket in the place of the one of the request; None if there is no way."""
    refusal: int | None = None
    """The error code of Kerberos in the reply's token; see `tokens.refusal_code`."""

    @property
    def verified(self) -> bool:
        """Whether the server has proved that it sent the reply."""
        return self.principal is not None


class Sent(enum.Enum):
    """The authentication that a request carried."""

    NOTHING = "no ticket"
    COOKIES = "session"
    CONNECTION = "connection"
    """Nothing, because the server has announced that the connection is authenticated (``Persistent-Auth``)."""
    TICKET = "ticket"
    PASSWORD = "password"
    """User and password, for a proxy only (RFC 7617)."""

    @property
    def rides(self) -> bool:
        """Whether the request relies on an earlier exchange: a verified one, or one that the caller vouches for."""
        return self in (Sent.COOKIES, Sent.CONNECTION)


class Step(enum.Enum):
    """The next step after a reply."""

    ACCEPT = enum.auto()
    RENEW = enum.auto()
    """Send the call again with a ticket, or with the cookies of a new login."""
    ANOTHER_LEG = enum.auto()
    UNPROVEN = enum.auto()
    REJECTED = enum.auto()
    NOT_OFFERED = enum.auto()
    UNEXPECTED = enum.auto()


def to_be_verified(
    sent: Sent,
    status: int,
    negotiate: str | None,
    mode: MutualAuthentication,
    expects: Expects = Expects.VALUES,
) -> bool:
    """Say whether the token of a reply has to be verified before the reply is used.

    Args:
        sent: the authentication that the request carried.
        status: the reply's HTTP status.
        negotiate: the token of the reply's Negotiate challenge; ``""`` if it has no token, None if there is no such
            challenge.
        mode: whether the server has to prove its identity.
        expects: the kind of answer. The token of a proxy is verified only if the proxy opens the tunnel.
    """
    if not negotiate or sent is not Sent.TICKET or mode is MutualAuthentication.DISABLED:
        return False
    return status < 300 if expects is Expects.TUNNEL else status != expects.challenge_status


def next_step(
    sent: Sent,
    status: int,
    negotiate: str | None,
    verified: bool,
    mode: MutualAuthentication,
    expects: Expects = Expects.VALUES,
    own_session: bool = False,
    to_login: bool = False,
    was_offered: bool = False,
) -> Step:
    """Return the next step after a reply. The other arguments are those of `to_be_verified`.

    A server may look at the cookies of a request first, and ignore its ticket. A success without a token is then an
    answer on the session. It is as good as the answer to a request with the same cookies and without a ticket.

    Some servers do not offer Negotiate again after they have refused a ticket: mod_auth_kerb, and mod_auth_gssapi with
    GssapiNegotiateOnce. An earlier offer tells such a refusal from a URL that takes no tickets. Nobody has verified
    that offer, so it must decide nothing but the error.

    Args:
        verified: whether the server has proved its identity, by this reply or in an earlier leg.
        expects: the kind of answer.
        own_session: whether the request carried, besides a ticket, the cookies of a session that a verified exchange of
            this transport began, and no reply has shown that the server ignores these cookies.
        to_login: whether the reply redirects to a page where sessions begin.
        was_offered: whether the server has offered Negotiate for this URL before; see `is_offer`.
    """
    if status == expects.challenge_status:
        if sent.rides:
            return Step.RENEW
        if sent is Sent.PASSWORD:
            return Step.REJECTED
        if negotiate is None:
            return Step.REJECTED if sent is Sent.TICKET and was_offered else Step.NOT_OFFERED
        if sent is Sent.NOTHING:
            return Step.RENEW
        return Step.ANOTHER_LEG if negotiate else Step.REJECTED
    if to_login and sent is Sent.COOKIES and 300 <= status < 400:
        return Step.RENEW
    believed = is_believed(sent, verified, mode) or (own_session and 200 <= status < 300)
    if not _is_answer(status, expects, believed):
        return Step.UNEXPECTED
    return Step.ACCEPT if believed else Step.UNPROVEN


def is_believed(sent: Sent, verified: bool, mode: MutualAuthentication) -> bool:
    """Say whether a reply counts as the server's. The arguments are those of `next_step`."""
    return verified or sent.rides or mode is not MutualAuthentication.REQUIRED


def is_offer(status: int, negotiate: str | None, verified: bool, expects: Expects = Expects.VALUES) -> bool:
    """Say whether a reply shows that the server takes tickets for the URL. The arguments are those of `next_step`."""
    return verified or (status == expects.challenge_status and negotiate is not None)


def _is_answer(status: int, expects: Expects, believed: bool) -> bool:
    """Say whether a status is an answer. A redirection is an answer only from a login page."""
    if expects is Expects.VALUES:
        return status == 200
    if expects is Expects.TUNNEL:
        return 200 <= status < 300
    if expects is Expects.WELCOME:
        return 200 <= status < 400
    return 200 <= status < 300 or (status >= 400 and believed)


class Keep(enum.Enum):
    """The part of a reply's cookies that is kept."""

    NONE = enum.auto()
    REMOVALS = enum.auto()
    """Only the cookies that the reply removes are removed."""
    ALL = enum.auto()


def cookies_to_keep(sent: Sent, verified: bool, step: Step, expects: Expects, own_session: bool = False) -> Keep:
    """Return the part of a reply's cookies to keep. The arguments are those of `next_step`.

    Cookies are kept if the server has proved its identity, or has accepted a request that relied on an earlier proof. A
    login page has to accept the login, too: the cookies of a refused login are no session. A server can remove the
    cookies of a session in any reply on that session.
    """
    accepted = step is Step.ACCEPT
    if verified:
        return Keep.ALL if accepted or expects is not Expects.WELCOME else Keep.NONE
    if accepted and (sent.rides or own_session):
        return Keep.ALL
    return Keep.REMOVALS if sent is Sent.COOKIES or own_session else Keep.NONE


ENDINGS = (403, 419, 440, 498, 500)
"""Statuses besides 401 by which servers say that a session has ended: Forbidden, and those of some frameworks."""


def may_have_ended(sent: Sent, status: int, step: Step) -> bool:
    """Say whether a reply on a session may mean that the session has ended, although the server does not ask for more.

    The call is not repeated, because it may have run. But the session is not used again before it is renewed.
    """
    return sent is Sent.COOKIES and step is not Step.RENEW and (status in ENDINGS or 300 <= status < 400)


GATEWAY = (502, 504)
"""Statuses of a gateway that passed the request on, and got no reply or no valid one (RFC 9110, section 15.6). The
call may have run on the server behind the gateway."""

PASSING = (429, 502, 503, 504)
"""Statuses that pass: the same request may succeed later. 429 is of RFC 6585, section 4."""

Page = tuple[str, int, str]


def redirected_to(url: str, location: str | None) -> Page | None:
    """Return the page to which a reply redirects: host, port and path; None if the ``Location`` cannot be read.

    The query and parameters are left out: the address of a login page often has the page that was wanted in them.

    Args:
        url: the URL of the request.
        location: the reply's ``Location`` (RFC 9110, section 10.2.2), which may be relative.
    """
    try:
        target = Secret(urljoin(url, location or ""))
        host, port = urlsplit(target).hostname, urlsplit(target).port
    except ValueError:
        return None
    if not location or not host:
        return None
    port = port or (443 if urlsplit(target).scheme == "https" else 80)
    return host.rstrip("."), port, urlsplit(target).path.partition(";")[0]


# KRB_AP_ERR_BAD_INTEGRITY, _MODIFIED, _BADKEYVER, _NOKEY, KRB_ERR_GENERIC
_OF_FORMER_KEYS = (NO_REASON, 31, 41, 44, 45, 60)


def new_ticket_may_help(refusal: int | None) -> bool:
    """Say whether a server may have refused a ticket because it is for a former key of the service.

    Many servers do not say why they refuse a ticket.

    Args:
        refusal: the code of the refusal (RFC 4120, section 7.5.9); see `tokens.refusal_code`.
    """
    return refusal in _OF_FORMER_KEYS


def needed_next(sent: Sent, verified: bool, step: Step, values: list[str]) -> Sent:
    """Return the authentication that the next request on this connection to the same URL needs.

    A request with the cookies of a session does not need that authentication.

    Kerberos authenticates each request. But a server can announce that it attributes all requests of the connection to
    the user. The announcement counts only from a server that has proved its identity, and need not be repeated. Some
    servers attribute requests to the user without an announcement. Therefore a server that has asked for a ticket once
    gets a ticket each time.

    Args:
        sent, verified, step: as for `cookies_to_keep`.
        values: the reply's ``Persistent-Auth`` values. mod_auth_gssapi sends one with GssapiSignalPersistentAuth on.
    """
    said = [value.strip().lower() for value in values]
    if sent is Sent.CONNECTION and step is not Step.RENEW and (not said or said == ["true"]):
        return Sent.CONNECTION
    if sent is Sent.TICKET and verified and said == ["true"]:
        return Sent.CONNECTION
    return Sent.NOTHING if sent is Sent.NOTHING and step is not Step.RENEW else Sent.TICKET
