"""Decides what a reply means for the Negotiate exchange of a call: plain functions, without I/O and without GSSAPI.

The table of what is sent, what comes back and what happens then is `next_step`; everything else here serves it.
"""

from __future__ import annotations

import enum
from http.client import HTTPMessage
from typing import Any, List, NamedTuple, Optional, Tuple

MAX_LEGS = 5
"""How many requests one exchange may take, the first one counted. Kerberos takes one, SPNEGO at most three."""

MAX_REQUESTS = 7
"""How many requests a call may take in all, with those of a login, and with those that told that a session has ended.
"""


class MutualAuthentication(str, enum.Enum):
    """Whether the server has to prove itself by Kerberos before its reply is used.

    It may be given as the enum's member or as its value. Source: RFC 4559, section 4.2; RFC 2743, section 1.2.1.5.
    """

    REQUIRED = "required"
    """Every reply has to carry the server's token, and the token has to verify. The default."""
    OPTIONAL = "optional"
    """A token that is there has to verify; a reply without one is used, as TLS alone vouches for the server."""
    DISABLED = "disabled"
    """The server's token is neither asked for nor read. TLS alone vouches for the server."""


class Allowance:
    """What is left of the requests that a call may take.

    Attributes:
        left: how many.
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_REQUESTS


class Expects(enum.Enum):
    """What the answer to a request is to be."""

    VALUES = enum.auto()
    """That of an XML-RPC method: only status 200 has values."""
    WELCOME = enum.auto()
    """That of a login page, which may point to another page."""
    RESOURCE = enum.auto()
    """That of an application that speaks by statuses: an error is its answer, too, if it is certain that it is its own.
    """
    TUNNEL = enum.auto()
    """That of a proxy to CONNECT (RFC 9110, section 9.3.6)."""

    @property
    def challenge_status(self) -> int:
        """The status that asks for authentication (RFC 9110, sections 15.5.2 and 15.5.8)."""
        return 407 if self is Expects.TUNNEL else 401

    @property
    def challenge_header(self) -> str:
        """The header with the challenges, in lower case (RFC 9110, sections 11.6.1 and 11.7.1)."""
        return "proxy-authenticate" if self is Expects.TUNNEL else "www-authenticate"


class Call(NamedTuple):
    """What is to be called, and who is to answer."""

    netloc: str
    """``host`` or ``host:port``, as in the URL."""
    handler: str
    """The path, and the query if there is one."""
    body: bytes
    """The encoded call."""
    host: str
    """The name of the server alone."""
    service: str
    """The service whose ticket is sent."""
    allowance: Allowance
    """Shared with the login that is made for the call."""
    principal: Optional[str] = None
    """Whose ticket was asked for, if it was."""
    verbose: bool = False
    """Whether to print what is sent and received."""
    method: str = "POST"
    headers: Tuple[Any, ...] = (("Content-Type", "text/xml"),)
    """What is said of the body, and of what is accepted."""
    expects: Expects = Expects.VALUES

    @property
    def is_login(self) -> bool:
        """Whether it is a login, not a call."""
        return self.expects is Expects.WELCOME

    @property
    def is_resource(self) -> bool:
        """Whether it is a request that is not XML-RPC."""
        return self.expects is Expects.RESOURCE

    @property
    def legs(self) -> int:
        """How many requests an exchange may take now; a login leaves one for the call itself."""
        return min(MAX_LEGS, self.allowance.left - self.is_login)

    @property
    def url(self) -> str:
        """The URL for messages, as the standard library's errors have it; without a query, which may hold secrets."""
        return self.netloc + self.handler.partition("?")[0]


class Reply(NamedTuple):
    """The head of a reply, and what it answers."""

    status: int
    reason: str
    headers: HTTPMessage
    authorization: Optional[str] = None
    """The ``Authorization`` header of the request; None if there was none."""
    principal: Optional[str] = None
    """Whom the exchange authenticated; None unless the server has proved that the reply is its own."""

    @property
    def verified(self) -> bool:
        """Whether the server has proved that the reply is its own."""
        return self.principal is not None


class Sent(enum.Enum):
    """What a request carried to authenticate."""

    NOTHING = "no ticket"
    COOKIES = "session"
    CONNECTION = "connection"
    """Nothing, on a connection of which the server has said that it knows by now who calls (``Persistent-Auth``)."""
    TICKET = "ticket"
    PASSWORD = "password"
    """User and password, for a proxy only (RFC 7617)."""

    @property
    def rides(self) -> bool:
        """Whether it counts on an earlier exchange, which was verified."""
        return self in (Sent.COOKIES, Sent.CONNECTION)


class Step(enum.Enum):
    """What to do with a reply."""

    ACCEPT = enum.auto()
    RENEW = enum.auto()
    """Send the call again with what authenticates: a ticket, or the cookies of a new login."""
    ANOTHER_LEG = enum.auto()
    UNPROVEN = enum.auto()
    REJECTED = enum.auto()
    NOT_OFFERED = enum.auto()
    UNEXPECTED = enum.auto()


def to_be_verified(
    sent: Sent,
    status: int,
    negotiate: Optional[str],
    mode: MutualAuthentication,
    expects: Expects = Expects.VALUES,
) -> bool:
    """Say whether the token of a reply has to be verified before anything else is done with the reply.

    Args:
        sent: what the request carried.
        status: the reply's HTTP status.
        negotiate: what stands behind Negotiate in its WWW-Authenticate: a token, ``""``, or None where it is absent.
        mode: whether the server has to prove itself.
        expects: what the answer is to be. Only a proxy that opens the tunnel has something to prove.
    """
    if not negotiate or sent is not Sent.TICKET or mode is MutualAuthentication.DISABLED:
        return False
    return status < 300 if expects is Expects.TUNNEL else status != expects.challenge_status


def next_step(
    sent: Sent,
    status: int,
    negotiate: Optional[str],
    verified: bool,
    mode: MutualAuthentication,
    expects: Expects = Expects.VALUES,
) -> Step:
    """Say what to do with a reply; arguments as for `to_be_verified`.

    Args:
        verified: whether the server has proved itself, by this reply or in an earlier leg.
        expects: what the answer is to be.
    """
    if status == expects.challenge_status:
        if sent.rides:
            return Step.RENEW
        if sent is Sent.PASSWORD:
            return Step.REJECTED
        if negotiate is None:
            return Step.NOT_OFFERED
        if sent is Sent.NOTHING:
            return Step.RENEW
        return Step.ANOTHER_LEG if negotiate else Step.REJECTED
    believed = verified or sent.rides or mode is not MutualAuthentication.REQUIRED
    if not _is_answer(status, expects, believed):
        return Step.UNEXPECTED
    return Step.ACCEPT if believed else Step.UNPROVEN


def _is_answer(status: int, expects: Expects, believed: bool) -> bool:
    """Say whether a status is that of an answer; a redirection is none but of a login page."""
    if expects is Expects.VALUES:
        return status == 200
    if expects is Expects.TUNNEL:
        return 200 <= status < 300
    if expects is Expects.WELCOME:
        return 200 <= status < 400
    return 200 <= status < 300 or (status >= 400 and believed)


def may_keep_cookies(sent: Sent, verified: bool, step: Step) -> bool:
    """Say whether the cookies of a reply are the server's: it has proved itself, or the reply came on a session."""
    return verified or (sent.rides and step is Step.ACCEPT)


def needed_next(sent: Sent, verified: bool, step: Step, values: List[str]) -> Sent:
    """Return what the next request on this connection, to the same URL, has to carry unless it rides on a session.

    Kerberos authenticates each request unless a server announces that it takes all requests of the connection for the
    user's. The announcement counts only from a server that has proved its identity, and need not be repeated. A server
    may also do so without an announcement: if a server has once asked for a ticket, it gets one each time.

    Args:
        sent, verified, step: as of `may_keep_cookies`.
        values: the reply's ``Persistent-Auth`` header, as mod_auth_gssapi's GssapiSignalPersistentAuth has it sent.
    """
    said = [value.strip().lower() for value in values]
    if sent is Sent.CONNECTION and step is not Step.RENEW and (not said or said == ["true"]):
        return Sent.CONNECTION
    if sent is Sent.TICKET and verified and said == ["true"]:
        return Sent.CONNECTION
    return Sent.NOTHING if sent is Sent.NOTHING and step is not Step.RENEW else Sent.TICKET
