"""What has to come of a call, whatever the server says: the rules of the protocol, written a second time.

It shares nothing with the package but the names of errors, so that both would have to be wrong in the same way. A call
is a generator: it yields what has to be sent, is given the reply that the server played, and returns the outcome.
"""

from collections.abc import Generator
from typing import Any, NamedTuple, Optional
from xmlrpc.client import Fault

from krbxmlrpc import (
    AuthenticationRejected,
    BrokenReply,
    CallOutcomeUnknown,
    ClockSkew,
    InvalidResponse,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoSession,
    ResponseTooLarge,
    ServerUnreachable,
    UnexpectedStatus,
    UnsafeResponse,
)

MAX_LEGS = 5
"""Requests of one exchange."""

MAX_SENT = 7
"""Requests of one call, those of its logins counted; a repetition counts anew."""

BODIES: dict[str, Any] = {
    "value": str,
    "fault": Fault,
    "gzip": str,
    "long": str,
    "page": InvalidResponse,
    "garbage": InvalidResponse,
    "empty": InvalidResponse,
    "call": InvalidResponse,
    "no gzip": InvalidResponse,
    "half gzip": InvalidResponse,
    "strange coding": InvalidResponse,
    "entities": UnsafeResponse,
    "too long": ResponseTooLarge,
    "bomb": ResponseTooLarge,
}
"""Kinds of bodies, and what comes of them."""

LONG = ("long", "too long")
"""Bodies that are longer than what is read to keep a connection."""

WHOLE = ("length", "chunks", "to the end", "a forged reply behind it")
CUT = ("short", "no last chunk")
HEADLESS = ("cut head", "no head")
"""How replies are framed: their bodies can be read to the end, or cannot, or there is not even a head."""

ENDS = ("kept", "announced", "unannounced")
"""What becomes of the connection behind a reply."""

TOKENS = (None, "", "good", "another's", "flipped", "no base64", "refusal", "leg", "flipped leg", "more")
"""What stands behind Negotiate; None: it is not there. Of the last three the client can answer "leg" and "more"."""


class Reply(NamedTuple):
    """What a server plays."""

    status: int = 200
    token: Optional[str] = "good"
    body: str = "value"
    framing: str = "length"
    end: str = "kept"
    cookie: Optional[str] = None
    """Its name; with a ``-`` in front it is deleted."""
    schemes: str = "alone"
    """What stands beside Negotiate, and where."""
    interim: int = 0
    persistent: bool = False
    """Whether the server says that it knows from now on who sends by this connection."""
    late: bool = False
    """Whether its ``Date`` is years ago."""
    position: int = 0
    """Which bit of the token is flipped, from its end."""
    number: int = 0
    """Counts the replies of a run."""

    @property
    def mark(self) -> str:
        """What is found in its reason, headers, cookie and body, and nowhere else."""
        return f"mark-{self.number:06}-"

    def __repr__(self) -> str:
        told = [f"{name}={value!r}" for name, value in self._asdict().items() if value != self._field_defaults[name]]
        return f"Reply({', '.join(told)})"

    @property
    def is_clean(self) -> bool:
        """Whether the next reply can come by the same connection."""
        return self.framing in ("length", "chunks") and self.end == "kept"


class Sent(NamedTuple):
    """What has to be sent."""

    method: str
    what: str
    """A fresh ticket, the next leg of an exchange, or none of them: then a session's cookies, a connection of which the
    server knows whose it is, or nothing authenticates."""
    cookies: dict[str, str]
    connection: str
    """Whether it is a new one, the one that was kept, or either."""


class Outcome(NamedTuple):
    """What has to come of a call."""

    kinds: frozenset[Any]
    """One of these errors, or a value: str."""
    reply: Optional[Reply] = None
    """What says so, if it is a reply."""
    of_login: bool = False
    """Whether it came of a login: then the call was not sent, or not accepted."""


NOTHING_KNOWN = ("", "")

Call = Generator[Sent, Reply, Outcome]


class Ended(Exception):
    """A call has ended without a reply; holds its outcome."""


def _is_success(method: str, status: int) -> bool:
    return status == 200 or (method == "GET" and 200 <= status < 400)


def outcome(reply: Optional[Reply], *kinds: Any) -> Outcome:
    return Outcome(frozenset(kinds), reply)


class Model:
    """A transport, and what it knows.

    Args:
        given: cookies that are in its jar from the beginning.

    Attributes:
        jar: the cookies.
        proved: whether the server has proved itself.
        trusted: numbers of the replies of which text may be used: the server has proved itself, or they were decoded.
    """

    def __init__(
        self,
        mode: str,
        preemptive: bool,
        logs_in: bool,
        spnego: bool,
        retries: int,
        idempotent: bool,
        given: dict[str, str],
    ) -> None:
        self.jar = dict(given)
        self.proved = False
        self.trusted: set[int] = set()
        self._given = frozenset(given.values())
        self._mode = mode
        self._preemptive = preemptive
        self._logs_in = logs_in
        self._spnego = spnego
        self._retries = retries
        self._idempotent = idempotent
        self.connection = "new"
        self._wanted = NOTHING_KNOWN
        self._sent = 0
        self._late = False
        self._untried: list[dict[str, str]] = []  # set by verified exchanges, and no call has ridden on them yet
        self._over: Optional[dict[str, str]] = None
        self._sticky = False  # cookies of this server do not authenticate

    def close(self) -> None:
        """Close the connections."""
        self.connection = "new"

    @property
    def is_open(self) -> bool:
        """Whether it is not determined what the next request carries."""
        return self.connection == "either" and (not self._preemptive or self._wanted[1] == "connection")

    def call(self) -> Call:
        """Make a call, and repeat it where that is allowed."""
        unknown: Optional[Outcome] = None
        for left in range(self._retries, -1, -1):
            result = yield from self._once()
            unsent = result.kinds == {ServerUnreachable}
            lost = result.kinds <= {CallOutcomeUnknown, BrokenReply}
            if not left or not (unsent or (lost and self._idempotent)):
                break
            unknown = result if lost else unknown
        answered = lost or (result.reply is not None and result.reply.status != 401 and not result.of_login)
        return result if answered or unknown is None else unknown

    def _once(self) -> Call:
        self._sent = 0
        try:
            return (yield from self._on_session_of_login() if self._logs_in else self._by_itself())
        except Ended as end:
            return end.args[0]

    def attempt(self, what: str, method: str) -> Call:
        """Make one attempt at a request on a new connection, or on one that the server knows; what it yields next, if
        that is no further leg of a ticket, belongs to the next attempt.

        Args:
            what: what it carries; for a session the cookies have to be given.
            method: GET for a login.
        """
        if what == "ticket":
            return self._exchange(method)
        if what == "connection":
            self.connection, self._wanted = "kept", (method, "connection")
            return self._authenticated(method)
        return self._by_itself()

    @property
    def wanted(self) -> str:
        """What the next request on the connection has to carry, as far as it is known."""
        return self._wanted[1]

    # -- the ways of a call -------------------------------------------------------------------------------------------

    def _by_itself(self) -> Call:
        cookies = self.cookies()
        if cookies and cookies != self._over and not self._sticky:
            reply = yield from self._send("POST", "session")
            if reply.status != 401:
                return self._answer_on_session(reply)  # rows 9, 11 and 12
            self._sticky |= cookies in self._untried  # row 10
            self._over = cookies
        elif not self._preemptive and self._wants("POST") in ("", "nothing"):
            reply = yield from self._send("POST", "nothing")
            self._wanted = "POST", "nothing" if reply.status != 401 or reply.token is None else "ticket"
            if reply.status == 200:  # row 8
                return self._unproven(reply) if self._mode == "required" else self._decoded(reply)
            if reply.status != 401:  # rows 11 and 12
                return outcome(reply, UnexpectedStatus)
            if reply.token is None:  # row 6
                return outcome(reply, NegotiateNotOffered)
        return (yield from self._authenticated("POST"))  # rows 1 to 5 and 7

    def _on_session_of_login(self) -> Call:
        if not self.cookies():
            refused = yield from self._log_in()
            if refused.kinds:
                return refused
        reply = yield from self._send("POST", "session")
        if reply.status == 401:
            if self._sent > MAX_SENT - 3:  # a login may take two, and then there is the call
                return outcome(reply, AuthenticationRejected)
            refused = yield from self._log_in()
            if refused.kinds:
                return refused
            reply = yield from self._send("POST", "session")
            if reply.status == 401:
                return outcome(reply, AuthenticationRejected)
        return self._answer_on_session(reply)

    def _log_in(self) -> Call:
        """Log in; the outcome is that of the call, none where there is a session."""
        result = yield from self._authenticated("GET")
        if not result.kinds and not self.cookies():
            result = outcome(result.reply, NoSession)
        return result._replace(of_login=True)

    def _answer_on_session(self, reply: Reply) -> Outcome:
        if reply.status != 200:
            return outcome(reply, UnexpectedStatus)
        self._untried.clear()
        self._keep(reply)
        return self._decoded(reply)

    def _wants(self, method: str) -> str:
        """Return what is known of the connection: with what the server takes such a request there."""
        known, what = self._wanted
        return what if self.connection == "kept" and known == method else ""

    def _authenticated(self, method: str) -> Call:
        if self._wants(method) == "connection":
            reply = yield from self._send(method, "connection")
            if reply.status != 401:
                if _is_success(method, reply.status):
                    self._keep(reply)
                return self._answer_to_ticket(method, reply, proven=True)
            self._wanted = method, "ticket"
        return (yield from self._exchange(method))

    # -- an exchange --------------------------------------------------------------------------------------------------

    def _exchange(self, method: str) -> Call:
        proven = complete = False
        for _ in range(MAX_LEGS):
            reply = yield from self._send(method, "leg" if complete else "ticket")
            if reply.token and reply.status != 401 and self._mode != "disabled":
                if reply.token != "good" or complete:  # row 3
                    return self._unproven(reply, also_redirected=method == "POST")
                proven = True
            self._wanted = method, "connection" if proven and reply.persistent else "ticket"
            if proven:
                self.proved = True
                self.trusted.add(reply.number)
                self._keep(reply, fresh=True)
            if reply.status != 401:
                return self._answer_to_ticket(method, reply, proven)
            if reply.token is None:  # row 6
                return outcome(reply, NegotiateNotOffered)
            answerable = {"more": not proven, "leg": self._spnego and not complete}.get(reply.token, False)
            if reply.end == "unannounced" and reply.framing in ("length", "chunks") and reply.body not in LONG:
                self.connection = "dead"  # which shows only when something is sent by it
            if not answerable or self.connection not in ("kept", "dead"):  # row 5
                return self._rejected(reply)
            complete = reply.token == "leg"  # row 4
            proven = complete and self._mode != "disabled"
        return self._rejected(reply)

    def _answer_to_ticket(self, method: str, reply: Reply, proven: bool) -> Outcome:
        if not _is_success(method, reply.status):  # rows 11 and 12
            return outcome(reply, UnexpectedStatus)
        if self._mode == "required" and not proven:  # row 2
            return self._unproven(reply)
        return outcome(reply) if method == "GET" else self._decoded(reply)  # rows 1 and 13

    def _rejected(self, reply: Reply) -> Outcome:
        self.connection = "new" if self.connection == "dead" else self.connection
        if reply.token == "good" and self._mode != "disabled":
            self.trusted.add(reply.number)
        if reply.late:  # where the server has accepted the ticket, it is not for the clocks
            return outcome(reply, ClockSkew, *[AuthenticationRejected] * (reply.token == "good"))
        return outcome(reply, AuthenticationRejected)

    # -- requests, replies, cookies -----------------------------------------------------------------------------------

    def _send(self, method: str, what: str) -> Generator[Sent, Reply, Reply]:
        if self._sent >= MAX_SENT - (method == "GET"):  # after a login, there is the call
            raise Ended(outcome(None, AuthenticationRejected, *[ClockSkew] * self._late))
        if self.connection == "dead":
            self.connection = "new"
            raise Ended(self._lost(method, CallOutcomeUnknown))
        self._sent += 1
        self._wanted = NOTHING_KNOWN if self.connection == "new" else self._wanted
        reply = yield Sent(method, what, self.cookies(), self.connection)
        self.connection = "kept" if reply.is_clean else "new"
        if reply.body in LONG and reply.status != 204:
            self.connection = "new"
        self._late = reply.late
        if reply.framing in HEADLESS:
            raise Ended(self._lost(method, BrokenReply if reply.framing == "cut head" else CallOutcomeUnknown))
        return reply

    def _lost(self, method: str, kind: Any) -> Outcome:
        return outcome(None, kind if method == "POST" else ServerUnreachable)

    def _unproven(self, reply: Reply, also_redirected: bool = False) -> Outcome:
        if also_redirected and 300 <= reply.status < 400:  # a matter of rows 3 and 11
            self.connection = "either" if reply.is_clean else "new"
            return outcome(reply, MutualAuthenticationError, UnexpectedStatus)
        self.connection = "new"
        return outcome(reply, MutualAuthenticationError)

    def _decoded(self, reply: Reply) -> Outcome:
        self.trusted.add(reply.number)
        if reply.framing in CUT:
            return outcome(None, BrokenReply)
        kind = BODIES[reply.body]
        if reply.is_clean:
            self.connection = "kept" if kind in (str, Fault) else "either"
        return outcome(reply, kind)

    def cookies(self) -> dict[str, str]:
        """Return what goes to the server: what it set when it had proved itself, or what the caller vouches for."""
        return dict(self.jar) if self.proved or self._given.issuperset(self.jar.values()) else {}

    def _keep(self, reply: Reply, fresh: bool = False) -> None:
        if reply.cookie is None:
            return
        if reply.cookie.startswith("-"):
            self.jar.pop(reply.cookie[1:], None)
        else:
            self.jar[reply.cookie] = reply.mark
        if fresh:
            self._over = None
            self._untried.append(self.cookies())
