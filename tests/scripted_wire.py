"""The I/O of an exchange without sockets: replies are bytes in a list, and a ticket accepts what a test says.

`ScriptedWire` stands for `krbxmlrpc._negotiate.exchange.CallWire`, `ScriptedTicket` for a ticket of the KDC's.
"""

from contextlib import suppress
from http.client import HTTPException, responses
from http.cookiejar import CookieJar
from xmlrpc.client import dumps

from cookie_jars import USER, Somebody, cookie
from fuzz.http1 import Wire

from krbxmlrpc import MutualAuthenticationError
from krbxmlrpc._http.response import Response
from krbxmlrpc._negotiate.cookies import Cookies, CookieStore
from krbxmlrpc._negotiate.exchange import Exchange, Memory
from krbxmlrpc._negotiate.policy import Allowance, Call, Expects, Sent
from krbxmlrpc._xmlrpc.decoding import body, decode, make_parser

CALL = Call("hub", "/xmlrpc", b"<methodCall/>", "hub", "HTTP@hub", Allowance())
PLACE = "https://hub/xmlrpc"

GOOD, LEG, MORE = "Z29vZA==", "bGVn", "bW9yZQ=="
"""Tokens: the first proves the server's identity, the second completes the exchange by another leg, the third asks for
another leg and proves nothing."""

LIMIT = 300_000
"""Bytes that a body may have."""

VALUE = dumps(("value",), methodresponse=True).encode()


class ScriptedTicket:
    """A ticket that knows good tokens from others.

    Args:
        mutual: whether the server is to prove its identity.
        spnego: whether the exchange can have a second leg.
    """

    service_principal = "HTTP/hub@REALM"
    holder = None
    remedy = None
    again = "run kinit again"

    def __init__(self, mutual=True, spnego=True):
        self.principal = None
        self.auth_header = "Negotiate 1"
        self._mutual = mutual
        self._spnego = spnego
        self._complete = False

    def verify_token(self, token):
        """Set the principal, or raise."""
        if token != GOOD:
            raise MutualAuthenticationError("the token proves nothing", reason="it is not the good one")
        self.principal = USER

    def answer_token(self, token):
        """Prepare the next leg, or say that the exchange is complete; raise if there is no next leg."""
        if token == GOOD and not self._complete and (self._mutual or self._spnego):
            self._complete = True
            self.principal = USER if self._mutual else None
            return False
        if token == LEG and self._spnego and not self._complete:
            self._complete = True
            self.principal = USER if self._mutual else None
        elif token == MORE:
            self._complete = False  # as if it began anew
        else:
            raise ValueError("there is no answer to this token")
        self.auth_header = f"Negotiate {int(self.auth_header.split()[1]) + 1}"
        return True


class ScriptedWire:
    """Gives these replies, one for each request, over one connection.

    Args:
        replies: their bytes.
        ticket: what there is to send.

    Attributes:
        sent: of each request, the value of ``Authorization`` or None, and that of ``Cookie`` or ``""``.
        is_given_up: whether the connection must not be used again.
    """

    def __init__(self, replies, ticket):
        self.sent = []
        self.is_given_up = False
        self.connection = self
        self._replies = list(replies)
        self._ticket = ticket
        self._response = None

    # -- what an exchange asks of its connection

    kept = is_disconnected = body_failed = False
    head_bytes = 1000
    debuglevel = 0
    request_started = False

    def begin(self, verbose):
        """Begin a request."""
        self.request_started = False

    # -- what an exchange asks of its wire

    def open(self):
        """Take the connection."""

    def close(self):
        """Give the connection back."""

    def get_ticket(self):
        """Get the ticket."""
        return self._ticket

    def send(self, authorization, cookies):
        """Send the request."""
        self.request_started = True
        self.sent.append((authorization, cookies))

    def read_head(self):
        """Read the head of the next reply."""
        self._response = Response(Wire(self._replies.pop(0)))
        self._response.begin()
        return self._response

    def read_body(self, response):
        """Decode the body."""
        pieces = body(response.read1, response.getheader("Content-Encoding", ""), LIMIT)
        return decode(pieces, *make_parser(False, False), response.getheader("Content-Type", ""))

    def drain(self):
        """Read the body to its end, if it has one."""
        self.read_rest()

    def read_rest(self):
        """Return the body, if it has an end."""
        with suppress(OSError, HTTPException):
            return self._response.read()
        return b""

    def is_reusable(self):
        """Say whether the server keeps the connection."""
        return self._response.reusable

    def is_usable(self):
        """Say whether the connection is open."""
        return True

    def give_up(self):
        """Have the connection not used again."""
        self.is_given_up = True


def reply(status, headers=(), content=VALUE, content_type="text/xml"):
    """Return a reply, as it comes over the wire."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines += [f"Content-Type: {content_type}", f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


def challenge(token):
    """Return the header with this behind Negotiate; none if it is None."""
    return [] if token is None else [("WWW-Authenticate", f"Negotiate {token}".strip())]


class Attempt:
    """An attempt at a call, with all that it needs.

    Args:
        sent: what it carries.
        mode: whether the server has to prove its identity.
        replies: what comes, as bytes.
        expects: the kind of answer.
        cookies: the session that it goes on, of the jar that the caller has given: ``"name=value"``.
        spnego: whether the exchange can have a second leg.
        deadline: the deadline of the call, or None.
        principal: the principal of the session; None if it is unknown.
    """

    def __init__(
        self, sent, mode, replies, expects=Expects.VALUES, cookies="", spnego=True, deadline=None, principal=None
    ):
        jar = CookieJar()
        if cookies:
            jar.set_cookie(cookie(*cookies.split("="), domain="hub.local"))
        self.identity = Somebody()
        self.memory = Memory(CookieStore(jar, self.identity), self.identity)
        self.wire = ScriptedWire(replies, ScriptedTicket(mode.value != "disabled", spnego))
        call = CALL._replace(allowance=Allowance(), expects=expects, deadline=deadline)
        if expects is Expects.WELCOME:
            call = call._replace(method="GET", body=b"", headers=())
        if sent is Sent.CONNECTION:
            self.memory.note_need(self.wire, call.url, Sent.CONNECTION)
        self._exchange = Exchange(call, sent, Cookies(cookies, principal), PLACE, mode, self.memory, self.wire)

    def run(self):
        """Make the attempt; return the step and what it brings."""
        return self._exchange.run()

    def jar(self):
        """Return the cookies that are kept."""
        return {held.name: held.value for held in self.memory.cookies.jar}

    def keeps_connection(self):
        """Say whether the next request can go over the same connection."""
        return self.wire.is_reusable() and not self.wire.is_given_up

    def next_cookies(self):
        """Return the cookies that go with the next call."""
        held = self.memory.cookies.cookies(PLACE).header
        return dict(one.split("=") for one in held.split("; ") if one)

    def needs(self):
        """Return what the next request on the connection has to carry."""
        return self.memory.needed(self.wire, CALL.url, Sent.NOTHING)
