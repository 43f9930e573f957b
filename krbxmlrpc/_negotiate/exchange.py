"""One attempt at a request: the Negotiate loop for servers and proxies, and the attempt at a call.

The rules are in `policy`. All I/O goes through one interface, `Wire`. A driver for another kind of I/O needs its own
`Wire` and its own `run`, but no copy of the rules.
"""

from __future__ import annotations

import logging
import time
import weakref
from http.client import HTTPException
from typing import Any, Protocol

from .._http.response import Response
from .._http.verbose import print_headers
from .._http.www_authenticate import negotiate_details
from .._kerberos.ticket import Ticket
from ..errors import KerberosXMLRPCError, MutualAuthenticationError
from .cookies import CookieStore
from .http_errors import add_server, closed_early, denied, failure, lost, not_proved, rejected
from .policy import (
    Call,
    Expects,
    MutualAuthentication,
    Reply,
    Sent,
    Step,
    may_keep_cookies,
    needed_next,
    next_step,
    to_be_verified,
)

logger = logging.getLogger("krbxmlrpc")


class Wire(Protocol):
    """The I/O of one attempt: a connection, and a source of tickets."""

    def get_ticket(self) -> Ticket:
        """Get a ticket for the service."""

    def send(self, authorization: str | None, cookies: str) -> None:
        """Send the request.

        Args:
            authorization: the value of the header that authenticates, or None.
            cookies: the value of the ``Cookie`` header, or ``""``.
        """

    def read_head(self) -> Response:
        """Read the head of the reply. `Response.read` then reads the body in pieces."""

    def drain(self) -> None:
        """Read an unwanted body to its end, within limits."""

    def is_reusable(self) -> bool:
        """Say whether the next request can go over the same connection."""


class Negotiation:
    """The Negotiate loop: a request, and one more for each leg of the exchange (RFC 4559, section 4; RFC 4178).

    A subclass knows the other side: it sends the requests, and makes the errors that name the server or proxy.

    Args:
        expects: the kind of answer. It also tells a server from a proxy.
        mode: whether the server or proxy has to prove its identity.
        wire: the I/O.
    """

    def __init__(self, expects: Expects, mode: MutualAuthentication, wire: Wire) -> None:
        self._expects = expects
        self._mode = mode
        self._wire = wire
        self._token = ""  # of the last reply

    def negotiate(self, sent: Sent, ticket: Ticket | None, legs: int) -> tuple[Step, Response]:
        """Send requests until the exchange has ended; return the last reply, and the step that follows it.

        Args:
            sent: the authentication that the requests carry.
            ticket: the ticket, if the requests carry one.
            legs: the most requests that the exchange may take.

        Raises:
            MutualAuthenticationError: a token does not prove the identity of the server or proxy.
            KerberosXMLRPCError: the exchange cannot continue.
        """
        for _ in range(legs):
            response = self._ask(sent, ticket)
            step = self._judge(sent, ticket, response)
            if step is not Step.ANOTHER_LEG or ticket is None:
                return step, response
            self._wire.drain()
            self._prepare_leg(ticket, response)
        why = ValueError(f"the exchange goes on after {legs} requests")
        hint = "tell the server's operator: Kerberos takes one request, SPNEGO at most three"
        raise self._refused(response, ticket, why, hint)

    def _judge(self, sent: Sent, ticket: Ticket | None, response: Response) -> Step:
        """Verify the reply's token if it has to be verified; return the step that follows the reply."""
        values = response.values(self._expects.challenge_header)
        negotiate = negotiate_details(values) if values else None
        self._token = negotiate or ""
        if ticket is not None and to_be_verified(sent, response.status, negotiate, self._mode, self._expects):
            self._verify(ticket)
        verified = ticket is not None and ticket.principal is not None
        step = next_step(sent, response.status, negotiate, verified, self._mode, self._expects)
        self._learn(sent, ticket, response, step)
        return step

    def _verify(self, ticket: Ticket) -> None:
        if ticket.principal is not None:  # set by an earlier leg
            raise self._not_proved(ticket, ValueError("it sent a token when the exchange was complete"))
        try:
            ticket.verify_token(self._token)
        except (ValueError, RuntimeError, MutualAuthenticationError) as error:
            raise self._not_proved(ticket, error) from error

    def _prepare_leg(self, ticket: Ticket, response: Response) -> None:
        """Answer the server's token, so that the ticket holds the next leg; raise if there is no next leg."""
        if not self._wire.is_reusable():
            why = ValueError("the connection ended between two legs of the exchange")
            hint = "the server, or a proxy before it, has to keep connections: KeepAlive On, in Apache"
            raise self._refused(response, ticket, why, hint)
        if ticket.principal is not None:
            raise self._refused(response, ticket, ValueError("the server asks for more when the exchange is complete"))
        try:
            answered = ticket.answer_token(self._token)
        except (ValueError, RuntimeError, MutualAuthenticationError) as error:
            raise self._refused(response, ticket, error) from error
        if not answered:
            raise self._denied(response, ticket)

    # -- for subclasses to define -------------------------------------------------------------------------------------

    def _ask(self, sent: Sent, ticket: Ticket | None) -> Response:
        """Send the request, read the head of the reply, and return the reply."""
        raise NotImplementedError

    def _learn(self, sent: Sent, ticket: Ticket | None, response: Response, step: Step) -> None:
        """Note the facts in a reply that later calls need."""

    def _not_proved(self, ticket: Ticket, error: Exception) -> KerberosXMLRPCError:
        """Return the error for a token that proves nothing."""
        raise NotImplementedError

    def _refused(
        self, response: Response, ticket: Ticket | None, error: Exception, hint: str | None = None
    ) -> KerberosXMLRPCError:
        """Return the error for an exchange that cannot continue."""
        raise NotImplementedError

    def _denied(self, response: Response, ticket: Ticket) -> KerberosXMLRPCError:
        """Return the error for a request that was refused although its ticket was accepted."""
        raise NotImplementedError


# -- the attempt at a call --------------------------------------------------------------------------------------------


class Memory:
    """The state that a transport keeps between calls: cookies, the client principal, and the need of each connection.

    The need of a connection is the authentication that the next request for a URL needs on it.

    Attributes:
        cookies: the cookies.
        authenticated_as: the client principal of the last verified exchange, or None.
    """

    def __init__(self, cookies: CookieStore) -> None:
        self.cookies = cookies
        self.authenticated_as: str | None = None
        self._needs: weakref.WeakKeyDictionary[Any, tuple[str, Sent]] = weakref.WeakKeyDictionary()

    def note_need(self, connection: object, url: str, sent: Sent) -> None:
        """Note the authentication that the next request for a URL needs on a connection."""
        self._needs[connection] = url, sent

    def needed(self, connection: object, url: str, sent: Sent) -> Sent:
        """Return the authentication that a request carries on a connection, when the caller asks for `sent`.

        CONNECTION and NOTHING depend on the connection. If the last need that was noted for the connection is for this
        URL, the request carries that authentication. If not, CONNECTION becomes TICKET, and NOTHING stays NOTHING.
        """
        if sent not in (Sent.NOTHING, Sent.CONNECTION):
            return sent
        known_url, known = self._needs.get(connection, ("", sent))
        if known_url == url:
            return known
        return Sent.NOTHING if sent is Sent.NOTHING else Sent.TICKET


class CallWire(Wire, Protocol):
    """The I/O of an attempt at a call: it takes a connection, uses the connection, and gives the connection back."""

    @property
    def connection(self) -> Any:
        """The connection, or None."""

    def open(self) -> None:
        """Take a connection that can carry a request."""

    def close(self) -> None:
        """Give the connection back. The pool keeps a connection if its reply has been read to the end."""

    def is_usable(self) -> bool:
        """Say whether the connection can still carry a request."""

    def give_up(self) -> None:
        """Do not use the connection again."""

    def read_body(self, response: Response) -> Any:
        """Decode the body of a verified reply."""


class Exchange(Negotiation):
    """One attempt at a call, with its authentication, its connection and its ticket. `run` makes the attempt.

    Args:
        call: the call.
        sent: the authentication that the attempt carries. The connection can require another: see `Memory.needed`.
        cookies: the value of the ``Cookie`` header, or ``""``.
        place: the URL that selects the cookies.
        mode: whether the server has to prove its identity.
        memory: the state that the transport keeps between calls.
        wire: the I/O.
    """

    def __init__(
        self,
        call: Call,
        sent: Sent,
        cookies: str,
        place: str,
        mode: MutualAuthentication,
        memory: Memory,
        wire: CallWire,
    ) -> None:
        super().__init__(call.expects, mode, wire)
        self._call = call
        self._sent = sent
        self._cookies = cookies
        self._place = place
        self._memory = memory
        self._wire: CallWire = wire

    def run(self) -> tuple[Step, Any]:
        """Make the attempt; return ACCEPT and the values, or RENEW and the reply.

        All legs of an exchange go over one connection. The connection is kept afterwards if possible.

        Raises:
            xmlrpc.client.Fault: the method failed on the server.
            KerberosXMLRPCError: the attempt has any other outcome.
        """
        for _ in range(2):
            self._wire.open()
            try:
                sent = self._memory.needed(self._wire.connection, self._call.url, self._sent)
                ticket = self._wire.get_ticket() if sent is Sent.TICKET else None
                if ticket is None or self._wire.is_usable():  # getting a ticket can take longer than the server waits
                    step, response = self.negotiate(sent, ticket, self._call.legs)
                    return step, self._result(step, response, ticket)
                self._wire.give_up()
            except MutualAuthenticationError:
                self._wire.give_up()
                raise
            finally:
                self._wire.close()
        raise closed_early(self._call)

    def _result(self, step: Step, response: Response, ticket: Ticket | None) -> Any:
        """Take the step that follows the last reply: return the values (None for a login), or the reply if the call
        has to be sent again.
        """
        if step is Step.ACCEPT and not self._call.is_login:
            return self._decoded(response)
        if step is Step.UNPROVEN:
            self._wire.give_up()
        else:
            self._wire.drain()
        if step is Step.ACCEPT:
            return None
        reply = _reply(response, ticket)
        if step is Step.RENEW:
            return reply
        raise failure(step, self._call, reply)

    def _ask(self, sent: Sent, ticket: Ticket | None) -> Response:
        call, connection = self._call, self._wire.connection
        call.allowance.left -= 1
        connection.begin(call.verbose)
        started = time.monotonic()
        status: Any = "no reply"
        try:
            self._wire.send(None if ticket is None else ticket.auth_header, self._cookies)
            response = self._wire.read_head()
            status = response.status
        except (OSError, HTTPException) as error:
            if connection.request_started:
                raise lost(call, "while the request was under way", error) from error
            raise
        finally:
            if logger.isEnabledFor(logging.DEBUG):
                seconds = time.monotonic() - started
                kept = "kept" if connection.kept else "new"
                scheme = self._place.partition(":")[0]
                logger.debug(
                    "%s %s://%s %s %.3f s, %s connection, %s", call.method, scheme, call.url, status, seconds, kept,
                    sent.value,
                )  # fmt: skip
        if call.verbose:
            print("reply:", response.status)
            print_headers(response.getheaders())
        return response

    def _learn(self, sent: Sent, ticket: Ticket | None, response: Response, step: Step) -> None:
        call, memory = self._call, self._memory
        verified = ticket is not None and ticket.principal is not None
        if ticket is not None and verified:
            memory.authenticated_as = ticket.principal
            memory.cookies.prove(call.netloc)
        if sent is not Sent.COOKIES:
            need = needed_next(sent, verified, step, response.values("persistent-auth"))
            memory.note_need(self._wire.connection, call.url, need)
        elif step is Step.ACCEPT:
            memory.cookies.accepted(call.netloc)
        lines = response.values("set-cookie")
        if lines and may_keep_cookies(sent, verified, step):
            memory.cookies.keep(self._place, lines, fresh=ticket is not None, sent=self._cookies)

    def _decoded(self, response: Response) -> Any:
        try:
            return self._wire.read_body(response)
        except KerberosXMLRPCError as error:
            add_server(self._call, error)
            raise
        except (OSError, HTTPException) as error:
            raise lost(self._call, "while the reply was read", error) from error

    def _not_proved(self, ticket: Ticket, error: Exception) -> KerberosXMLRPCError:
        return not_proved(self._call, error)

    def _refused(
        self, response: Response, ticket: Ticket | None, error: Exception, hint: str | None = None
    ) -> KerberosXMLRPCError:
        return rejected(self._call, _reply(response, ticket), error, hint)

    def _denied(self, response: Response, ticket: Ticket) -> KerberosXMLRPCError:
        return denied(self._call, _reply(response, ticket))


def _reply(response: Response, ticket: Ticket | None) -> Reply:
    if ticket is None:
        return Reply(response.status, response.reason, response.headers)
    return Reply(response.status, response.reason, response.headers, ticket.auth_header, ticket.principal)
