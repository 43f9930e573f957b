"""One attempt to have a request answered: the Negotiate loop for servers and proxies, and the attempt at a call.

The rules are those of `policy`. All I/O goes through one seam, `Wire`: a driver of another kind needs a `Wire` and a
`run` of its own, and no copy of the rules.
"""

from __future__ import annotations

import logging
import time
import weakref
from http.client import HTTPException
from typing import Any, Optional, Protocol, Tuple

from .._http.response import Response
from .._http.verbose import print_headers
from .._http.www_authenticate import negotiate_details
from .._kerberos.ticket import Ticket
from ..errors import KerberosXMLRPCError, MutualAuthenticationError
from .cookies import CookieStore
from .http_errors import closed_early, denied, failure, lost, not_proved, rejected, undecoded
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

    def send(self, authorization: Optional[str], cookies: str) -> None:
        """Send the request.

        Args:
            authorization: the value of the header that authenticates, or None.
            cookies: the value of the ``Cookie`` header, or ``""``.
        """

    def read_head(self) -> Response:
        """Read the head of the reply. The body is read by pieces, with `Response.read`."""

    def drain(self) -> None:
        """Read an unwanted body to its end, within bounds."""

    def is_reusable(self) -> bool:
        """Say whether the next request can go over the same connection."""


class Negotiation:
    """The Negotiate loop: a request, and one more for each leg of the exchange (RFC 4559, section 4; RFC 4178).

    A subclass knows the other side: how it is asked, and the errors that name it.

    Args:
        expects: the kind of answer; also tells a server from a proxy.
        mode: whether the other side has to prove its identity.
        wire: the I/O.
    """

    def __init__(self, expects: Expects, mode: MutualAuthentication, wire: Wire) -> None:
        self._expects = expects
        self._mode = mode
        self._wire = wire
        self._token = ""  # of the last reply

    def negotiate(self, sent: Sent, ticket: Optional[Ticket], legs: int) -> Tuple[Step, Response]:
        """Send the request until the exchange has ended; return what to do with the last reply.

        Args:
            sent: what the requests carry.
            ticket: the ticket, if they carry one.
            legs: how many requests the exchange may take.

        Raises:
            MutualAuthenticationError: a token does not prove the identity of the other side.
            KerberosXMLRPCError: the exchange cannot go on.
        """
        for _ in range(legs):
            response = self._ask(sent, ticket)
            step = self._judge(sent, ticket, response)
            if step is not Step.ANOTHER_LEG or ticket is None:
                return step, response
            self._wire.drain()
            self._prepare_leg(ticket, response)
        why = ValueError(f"the exchange goes on after {legs} requests")
        hint = "tell the server's operator: Kerberos takes one request, SPNEGO three"
        raise self._refused(response, ticket, why, hint)

    def _judge(self, sent: Sent, ticket: Optional[Ticket], response: Response) -> Step:
        """Verify the token that has to be verified; return what to do with the reply."""
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
        if ticket.principal is not None:  # by an earlier leg
            raise self._not_proved(ticket, ValueError("it sent a token when the exchange was complete"))
        try:
            ticket.verify_token(self._token)
        except (ValueError, RuntimeError, MutualAuthenticationError) as error:
            raise self._not_proved(ticket, error) from error

    def _prepare_leg(self, ticket: Ticket, response: Response) -> None:
        """Give the ticket the server's token, so that it has the next leg; raise if there is none."""
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

    # -- what a subclass knows ----------------------------------------------------------------------------------------

    def _ask(self, sent: Sent, ticket: Optional[Ticket]) -> Response:
        """Send the request, and return the reply, its head read."""
        raise NotImplementedError

    def _learn(self, sent: Sent, ticket: Optional[Ticket], response: Response, step: Step) -> None:
        """Note what a reply tells for later calls."""

    def _not_proved(self, ticket: Ticket, error: Exception) -> KerberosXMLRPCError:
        """Return the error for a token that proves nothing."""
        raise NotImplementedError

    def _refused(
        self, response: Response, ticket: Optional[Ticket], error: Exception, hint: Optional[str] = None
    ) -> KerberosXMLRPCError:
        """Return the error for an exchange that cannot go on."""
        raise NotImplementedError

    def _denied(self, response: Response, ticket: Ticket) -> KerberosXMLRPCError:
        """Return the error for a ticket that was accepted, and a request that was refused all the same."""
        raise NotImplementedError


# -- the attempt at a call --------------------------------------------------------------------------------------------


class Memory:
    """What a transport remembers between calls: cookies, who was authenticated, and what connections need.

    Attributes:
        cookies: the cookies.
        authenticated_as: the client principal of the last verified exchange, or None.
    """

    def __init__(self, cookies: CookieStore) -> None:
        self.cookies = cookies
        self.authenticated_as: Optional[str] = None
        self._needs: "weakref.WeakKeyDictionary[Any, Tuple[str, Sent]]" = weakref.WeakKeyDictionary()

    def note_need(self, connection: object, url: str, sent: Sent) -> None:
        """Note what the next request for a URL needs to carry on a connection."""
        self._needs[connection] = url, sent

    def needed(self, connection: object, url: str, sent: Sent) -> Sent:
        """Return what a request carries on a connection, if it is to carry `sent` on any.

        If the connection is known to need something else than CONNECTION or NOTHING, it gets that. On other
        connections CONNECTION is a ticket.
        """
        if sent not in (Sent.NOTHING, Sent.CONNECTION):
            return sent
        known_url, known = self._needs.get(connection, ("", sent))
        if known_url == url:
            return known
        return Sent.NOTHING if sent is Sent.NOTHING else Sent.TICKET


class CallWire(Wire, Protocol):
    """The I/O of an attempt at a call: it takes a connection, uses it and gives it back."""

    @property
    def connection(self) -> Any:
        """The connection, or None."""

    def open(self) -> None:
        """Take a connection that can take a request."""

    def close(self) -> None:
        """Give the connection back: it is kept if its reply has been read to its end, and it was not given up."""

    def is_usable(self) -> bool:
        """Say whether the connection can still take a request."""

    def give_up(self) -> None:
        """Have the connection not used again."""

    def read_body(self, response: Response) -> Any:
        """Decode the body of a verified reply."""


class Exchange(Negotiation):
    """One attempt at a call: what it carries, its connection and its ticket. `run` makes it.

    Args:
        call: the call.
        sent: what the attempt carries; on some connections it is something else, see `Memory.needed`.
        cookies: the value of the ``Cookie`` header, or ``""``.
        place: the URL that cookies are chosen by.
        mode: whether the server has to prove its identity.
        memory: what the transport remembers.
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

    def run(self) -> Tuple[Step, Any]:
        """Make the attempt; return ACCEPT and the values, or RENEW and the reply.

        All legs of an exchange go over one connection, which is kept if it can be.

        Raises:
            KerberosXMLRPCError: whatever else comes of the attempt.
        """
        for _ in range(2):
            self._wire.open()
            try:
                sent = self._memory.needed(self._wire.connection, self._call.url, self._sent)
                ticket = self._wire.get_ticket() if sent is Sent.TICKET else None
                if ticket is None or self._wire.is_usable():  # to get a ticket may have taken long
                    step, response = self.negotiate(sent, ticket, self._call.legs)
                    return step, self._result(step, response, ticket)
                self._wire.give_up()
            except MutualAuthenticationError:
                self._wire.give_up()
                raise
            finally:
                self._wire.close()
        raise closed_early(self._call)

    def _result(self, step: Step, response: Response, ticket: Optional[Ticket]) -> Any:
        """Return what the last reply brings: the values, nothing from a login page, or the reply to send again after.
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

    def _ask(self, sent: Sent, ticket: Optional[Ticket]) -> Response:
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
                raise lost(call, "when it was on its way", error) from error
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

    def _learn(self, sent: Sent, ticket: Optional[Ticket], response: Response, step: Step) -> None:
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
            raise undecoded(self._call, error)
        except (OSError, HTTPException) as error:
            raise lost(self._call, "while the reply was read", error) from error

    def _not_proved(self, ticket: Ticket, error: Exception) -> KerberosXMLRPCError:
        return not_proved(self._call, error)

    def _refused(
        self, response: Response, ticket: Optional[Ticket], error: Exception, hint: Optional[str] = None
    ) -> KerberosXMLRPCError:
        return rejected(self._call, _reply(response, ticket), error, hint)

    def _denied(self, response: Response, ticket: Ticket) -> KerberosXMLRPCError:
        return denied(self._call, _reply(response, ticket))


def _reply(response: Response, ticket: Optional[Ticket]) -> Reply:
    if ticket is None:
        return Reply(response.status, response.reason, response.headers)
    return Reply(response.status, response.reason, response.headers, ticket.auth_header, ticket.principal)
