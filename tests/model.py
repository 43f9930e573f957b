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
    GatewayFailed,
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

ENDINGS = (403, 419, 440, 498, 500)
"""Statuses by which a server may say that a session has ended."""

GATEWAY = (502, 504)
"""Statuses by which a gateway says that it does not know what became of a call."""

PASSING = (429, 502, 503, 504)
"""Statuses after which a call may be sent again, if it may run twice."""

MAX_PAGES = 16
"""Pages that are remembered because the server redirected a request without a session to them."""

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

CUT_OFF = ("empty", "half gzip")
"""Bodies that end too early: if only the end of the connection ends them, more may have been meant to come."""

REFUSED_EARLY = ("page", "garbage", "call", "entities", "strange coding", "no gzip", "too long", "bomb")
"""Bodies that may be refused before their end is missed."""

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
    to: str = "elsewhere"
    """Where a redirection points: to a page of its own, to the page of single sign-on, or to the login page."""
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


def page_of(reply: Reply) -> str:
    """Return the page to which a reply redirects."""
    return f"elsewhere {reply.number}" if reply.to == "elsewhere" else reply.to


def outcome(reply: Optional[Reply], *kinds: Any) -> Outcome:
    return Outcome(frozenset(kinds), reply)


def unexpected(reply: Reply, method: str = "POST") -> Outcome:
    """Return the outcome of a call for a status that is no success. A gateway that refuses a login hides no call."""
    return outcome(reply, GatewayFailed if reply.status in GATEWAY and method == "POST" else UnexpectedStatus)


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
        answers_legs: bool,
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
        self._answers_legs = answers_legs
        self._retries = retries
        self._idempotent = idempotent
        self.connection = "new"
        self._wanted = NOTHING_KNOWN
        self._sent = 0
        self._late = False
        self._untried: list[dict[str, str]] = []  # set by verified exchanges, and no call has ridden on them yet
        self._over: dict[str, str] = {}  # what these cookies began has ended
        self._is_over_in_doubt = False
        self._ignored: dict[str, str] = {}  # of these cookies a server has shown that it does not look at them
        self._doubted: set[str] = set()  # values of cookies that are not sent any more
        self._refusals = 0
        self._rest = 0  # so many calls do not try the cookies
        self._may_be_old = False  # the ticket that was refused last
        self._refused = 0  # so many tickets in a row were refused
        self._pages: list[str] = []  # to which calls without a session were redirected
        self._offers: set[str] = set()  # methods, each with a URL of its own, for which the server takes tickets

    def note_offer(self, method: str) -> None:
        """Note that the server takes tickets for such requests."""
        self._offers.add(method)

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
            passes = result.kinds <= {UnexpectedStatus, GatewayFailed} and result.reply.status in PASSING
            unsent = result.kinds == {ServerUnreachable} or (passes and result.of_login)
            lost = result.kinds <= {CallOutcomeUnknown, BrokenReply, GatewayFailed}
            if not left or not (unsent or ((lost or passes) and self._idempotent)):
                break
            unknown = result if lost else unknown
        answered = result.reply is not None and not result.of_login and result.reply.status != 401 and not passes
        answered |= lost
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
        if cookies and not self._is_over() and not self._rest:
            reply = yield from self._send("POST", "session")
            if not self._has_ended(reply):
                return self._answer_on_session(reply, cookies)  # rows 9, 11, 12, 17 and 18
            self._over, self._is_over_in_doubt = cookies, False  # rows 10 and 16
            if cookies in self._untried:
                self._untried = [each for each in self._untried if each != cookies]
                self._refusals += 1
                self._rest = min(2**self._refusals, 1024) if self._refusals > 1 else 0
            self._remove(reply)
        elif not self._preemptive and self._wants("POST") in ("", "nothing"):
            reply = yield from self._send("POST", "nothing")
            self._wanted = "POST", "nothing" if reply.status != 401 or reply.token is None else "ticket"
            if reply.status == 200:  # row 8
                return self._unproven(reply) if self._mode == "required" else self._decoded(reply)
            if reply.status != 401:  # rows 11 and 12
                if not self.cookies():
                    self._note_page(reply)
                return unexpected(reply)
            if reply.token is None:  # row 6
                return outcome(reply, NegotiateNotOffered)
        return (yield from self._authenticated("POST"))  # rows 1 to 5 and 7

    def _on_session_of_login(self) -> Call:
        if not self.cookies() or self._is_over():
            refused = yield from self._log_in()
            if refused.kinds:
                return refused
        cookies = self.cookies()
        reply = yield from self._send("POST", "session")
        if self._has_ended(reply):
            self._remove(reply)
            if self._sent > MAX_SENT - 3:  # a login may take two, and then there is the call
                return outcome(reply, AuthenticationRejected)
            refused = yield from self._log_in()
            if refused.kinds:
                return refused
            cookies = self.cookies()
            reply = yield from self._send("POST", "session")
            if self._has_ended(reply):
                self._remove(reply)
                return outcome(reply, AuthenticationRejected)
        return self._answer_on_session(reply, cookies)

    def _log_in(self) -> Call:
        """Log in; the outcome is that of the call, none where there is a session."""
        result = yield from self._authenticated("GET")
        if not result.kinds and not self.cookies():
            result = outcome(result.reply, NoSession)
        return result._replace(of_login=True)

    def _has_ended(self, reply: Reply) -> bool:
        """Say whether a reply asks for a new session."""
        pages = ["login", *self._pages] if self._logs_in else self._pages
        return reply.status == 401 or (300 <= reply.status < 400 and page_of(reply) in pages)

    def _answer_on_session(self, reply: Reply, cookies: dict[str, str]) -> Outcome:
        if reply.status != 200:
            self._remove(reply)
            if reply.status in ENDINGS or 300 <= reply.status < 400:
                self._doubted.update(self.cookies().values() if self.cookies() == cookies else ())
            return unexpected(reply)
        self._carried_a_call()
        self._keep(reply)
        return self._decoded(reply)

    def _carried_a_call(self) -> None:
        self._untried.clear()
        self._refusals = self._rest = 0

    def _is_over(self) -> bool:
        """Say whether the present cookies are some of those that have ended."""
        return bool(self._over) and self.cookies().items() <= self._over.items()

    def _note_page(self, reply: Reply) -> None:
        if 300 <= reply.status < 400 and page_of(reply) not in self._pages:
            self._pages = [page_of(reply), *self._pages][:MAX_PAGES]

    def _wants(self, method: str) -> str:
        """Return what is known of the connection: with what the server takes such a request there."""
        known, what = self._wanted
        return what if self.connection == "kept" and known == method else ""

    def _authenticated(self, method: str) -> Call:
        result = yield from self._with_ticket(method)
        is_old = self._may_be_old and result.kinds == {AuthenticationRejected}
        if is_old and self._sent < MAX_SENT - (method == "GET"):
            self._refused += 1
            if self._refused in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):  # a new ticket may help
                result = yield from self._exchange(method)
        if result.kinds <= {str, Fault}:
            self._refused = 0
        return result

    def _with_ticket(self, method: str) -> Call:
        if self._wants(method) == "connection":
            reply = yield from self._send(method, "connection")
            if reply.status != 401:
                if _is_success(method, reply.status):
                    self._keep(reply, fresh=method == "GET")
                return self._answer_to_ticket(method, reply, proven=True)
            self._wanted = method, "ticket"
        return (yield from self._exchange(method))

    # -- an exchange --------------------------------------------------------------------------------------------------

    def _exchange(self, method: str) -> Call:
        proven = complete = self._may_be_old = False
        cookies = self.cookies() if method == "POST" else {}
        is_ignored = cookies.items() <= self._ignored.items()
        on_session = bool(cookies) and not is_ignored and self._given.isdisjoint(cookies.values())
        for _ in range(MAX_LEGS):
            reply = yield from self._send(method, "leg" if complete else "ticket", cookies)
            if reply.token and reply.status != 401 and self._mode != "disabled":
                if reply.token != "good" or complete:  # row 3
                    return self._unproven(reply, also_redirected=method == "POST")
                proven = True
                self.note_offer(method)
            self._wanted = method, "connection" if proven and reply.persistent else "ticket"
            believed = self._learn(method, reply, proven, on_session, cookies)
            if reply.status != 401:
                return self._answer_to_ticket(method, reply, believed)
            if reply.token is None:  # rows 6 and 15
                self._may_be_old = not proven
                return self._rejected(reply) if method in self._offers else outcome(reply, NegotiateNotOffered)
            answerable = {"more": not proven, "leg": self._answers_legs and not complete}.get(reply.token, False)
            if reply.end == "unannounced" and reply.framing in ("length", "chunks") and reply.body not in LONG:
                self.connection = "dead"  # which shows only when something is sent by it
            if not answerable or self.connection not in ("kept", "dead"):  # row 5
                denied = reply.token == "good" and not complete
                has_no_proof = self._mode == "disabled" and not self._spnego  # then a good token is none
                self._may_be_old = not proven and reply.token in ("", "refusal", "good" if has_no_proof else "")
                return self._rejected(reply) if denied or not reply.token else self._broken_off(reply)
            complete = reply.token == "leg"  # row 4
            proven = complete and self._mode != "disabled"
        return self._broken_off(reply)

    def _learn(self, method: str, reply: Reply, proven: bool, on_session: bool, cookies: dict[str, str]) -> bool:
        """Note what a reply to a ticket says of cookies and pages; say whether it is believed."""
        accepted = _is_success(method, reply.status)
        if method == "POST" and not cookies:
            self._note_page(reply)
        if proven:
            self.proved = True
            self._rest = max(0, self._rest - 1)
            self.trusted.add(reply.number)
            if method == "POST":
                self._ignored = cookies or self._ignored
            if method == "POST" or accepted:
                self._keep(reply, fresh=True)
        elif on_session and accepted and reply.status < 300:  # row 14
            self._carried_a_call()
            self._over = {} if self._is_over_in_doubt else self._over
            self._is_over_in_doubt = True
            self._keep(reply)
            return True
        elif on_session:
            self._remove(reply)
        return proven

    def _answer_to_ticket(self, method: str, reply: Reply, proven: bool) -> Outcome:
        if not _is_success(method, reply.status):  # rows 11, 12, 20 and 21
            return unexpected(reply, method)
        if self._mode == "required" and not proven:  # row 2
            return self._unproven(reply)
        return outcome(reply) if method == "GET" else self._decoded(reply)  # rows 1 and 13

    def _broken_off(self, reply: Reply) -> Outcome:
        """The server may still wait for the next leg."""
        self.connection = "new"
        return self._rejected(reply)

    def _rejected(self, reply: Reply) -> Outcome:
        self.connection = "new" if self.connection == "dead" else self.connection
        if reply.token == "good" and self._mode != "disabled":
            self.trusted.add(reply.number)
        if reply.late:  # where the server has accepted the ticket, it is not for the clocks
            return outcome(reply, ClockSkew, *[AuthenticationRejected] * (reply.token == "good"))
        return outcome(reply, AuthenticationRejected)

    # -- requests, replies, cookies -----------------------------------------------------------------------------------

    def _send(self, method: str, what: str, cookies: Optional[dict[str, str]] = None) -> Generator[Sent, Reply, Reply]:
        if self._sent >= MAX_SENT - (method == "GET"):  # after a login, there is the call
            self.connection = "new"
            raise Ended(outcome(None, AuthenticationRejected, *[ClockSkew] * self._late))
        if self.connection == "dead":
            self.connection = "new"
            raise Ended(self._lost(method, CallOutcomeUnknown))
        self._sent += 1
        self._wanted = NOTHING_KNOWN if self.connection == "new" else self._wanted
        if cookies is None:  # all legs of an exchange carry the same
            cookies = self.cookies() if method == "POST" else {}  # a login begins a new session
        reply = yield Sent(method, what, cookies, self.connection)
        self.connection = "kept" if reply.is_clean else "new"
        if reply.body in LONG and reply.status != 204:
            self.connection = "new"
        self._late = reply.late
        if reply.framing in HEADLESS:
            raise Ended(self._lost(method, BrokenReply if reply.framing == "cut head" else CallOutcomeUnknown))
        if reply.status == 401 and reply.token is not None:
            self.note_offer(method)
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
        if reply.framing in CUT or (reply.framing == "to the end" and reply.body in CUT_OFF):
            return outcome(None, BrokenReply, *[BODIES[reply.body]] * (reply.body in REFUSED_EARLY))
        kind = BODIES[reply.body]
        if reply.is_clean:
            self.connection = "kept" if kind in (str, Fault) else "either"
        return outcome(reply, kind)

    def cookies(self) -> dict[str, str]:
        """Return what goes to the server: what it set when it had proved itself, or what the caller vouches for."""
        sent = {name: value for name, value in self.jar.items() if value not in self._doubted}
        return sent if self.proved or self._given.issuperset(sent.values()) else {}

    def _keep(self, reply: Reply, fresh: bool = False) -> None:
        if reply.cookie is None:
            return
        if reply.cookie.startswith("-"):
            self.jar.pop(reply.cookie[1:], None)
        else:
            self.jar[reply.cookie] = reply.mark
        if fresh:
            self._over = self._ignored = {}
            if self.cookies() not in self._untried:
                self._untried.append(self.cookies())

    def _remove(self, reply: Reply) -> None:
        """Remove what a reply on a session removes: that much it may always say."""
        if reply.cookie is not None and reply.cookie.startswith("-"):
            self._keep(reply)
