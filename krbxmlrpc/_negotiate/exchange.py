"""One attempt at a request: the Negotiate loop for servers and proxies, and the attempt at a call.

The rules are in `policy`. All I/O goes through one interface, `Wire`. A driver for another kind of I/O needs its own
`Wire` and its own `run`, but no copy of the rules.
"""

from __future__ import annotations

import functools
import logging
import time
import weakref
import xmlrpc.client
from http.client import HTTPException
from typing import Any, Callable, NamedTuple, Protocol

from .._http.response import MalformedReply, Response
from .._http.time_limits import DeadlinePassed
from .._http.verbose import print_headers
from .._http.www_authenticate import negotiate_details
from .._kerberos.identity import Identity, Owner
from .._kerberos.ticket import Ticket
from .._kerberos.tokens import refusal_code
from .._xmlrpc.decoding import fault_in
from ..errors import InvalidResponse, KerberosXMLRPCError, MutualAuthenticationError
from .cookies import Cookies, CookieStore
from .http_errors import (
    add_server,
    closed_early,
    denied,
    failure,
    hook_failed,
    lost,
    not_proved,
    out_of_time,
    owner_changes,
    rejected,
)
from .policy import (
    PASSING,
    Call,
    Expects,
    Keep,
    MutualAuthentication,
    Page,
    Reply,
    Sent,
    Step,
    cookies_to_keep,
    is_believed,
    is_offer,
    may_have_ended,
    needed_next,
    next_step,
    redirected_to,
    to_be_verified,
)
from .resource import StreamedResource

logger = logging.getLogger("krbxmlrpc")

MAX_TICKETS = 3
"""The most tickets that an attempt gets, if the connection ends or the principal changes while a ticket is fetched."""

MAX_LOGIN_PAGES = 16
"""The most URLs for which login pages are remembered, and the most pages for each."""

MAX_OFFERS = 256
"""The most URLs for which a transport remembers that Negotiate was offered."""


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

    def give_up(self) -> None:
        """Do not use the connection again."""


class Negotiation:
    """The Negotiate loop: a request, and one more for each leg of the exchange (RFC 4559, section 4; RFC 4178).

    A subclass knows the other side: it sends the requests, and makes the errors that name the server or proxy.

    Args:
        expects: the kind of answer. It also tells a server from a proxy.
        mode: whether the server or proxy has to prove its identity.
        wire: the I/O.
    """

    _own_session = False
    """Whether requests with a ticket also carry the cookies of this transport's own session; see `next_step`."""

    def __init__(self, expects: Expects, mode: MutualAuthentication, wire: Wire) -> None:
        self._expects = expects
        self._mode = mode
        self._wire = wire
        self._token = ""  # of the last reply

    def negotiate(self, sent: Sent, ticket: Ticket | None, legs: int) -> tuple[Step, Response]:
        """Send requests until the exchange has ended; return the last reply, and the step that follows it.

        If the exchange breaks off, its connection is given up: the other side may still wait for the next leg.

        Args:
            sent: the authentication that the requests carry.
            ticket: the ticket, if the requests carry one.
            legs: the most requests that the exchange may take.

        Raises:
            MutualAuthenticationError: a token does not prove the identity of the server or proxy.
            KerberosXMLRPCError: the exchange cannot continue.
        """
        try:
            for _ in range(legs):
                response = self._ask(sent, ticket)
                step = self._judge(sent, ticket, response)
                if step is not Step.ANOTHER_LEG or ticket is None:
                    return step, response
                self._wire.drain()
                if not self._prepare_leg(ticket, response):
                    break
            else:
                why = ValueError(f"the exchange goes on after {legs} requests")
                hint = "tell the server's operator: Kerberos takes one request, SPNEGO at most three"
                raise self._refused(response, ticket, why, hint)
        except BaseException:
            self._wire.give_up()
            raise
        raise self._denied(response, ticket)

    def _judge(self, sent: Sent, ticket: Ticket | None, response: Response) -> Step:
        """Verify the reply's token if it has to be verified; return the step that follows the reply."""
        values = response.values(self._expects.challenge_header)
        negotiate = negotiate_details(values) if values else None
        self._token = negotiate or ""
        if ticket is not None and to_be_verified(sent, response.status, negotiate, self._mode, self._expects):
            self._verify(ticket)
        verified = response.is_verified = ticket is not None and ticket.principal is not None
        step = next_step(
            sent,
            response.status,
            negotiate,
            verified,
            self._mode,
            self._expects,
            own_session=self._own_session and ticket is not None,
            to_login=self._is_to_login(sent, response),
            was_offered=self._was_offered(),
        )
        if is_offer(response.status, negotiate, verified, self._expects):
            self._note_offer()
        self._learn(sent, ticket, response, step)
        return step

    def _verify(self, ticket: Ticket) -> None:
        if ticket.principal is not None:  # set by an earlier leg
            raise self._not_proved(ticket, ValueError("it sent a token when the exchange was complete"))
        try:
            ticket.verify_token(self._token)
        except (ValueError, RuntimeError, MutualAuthenticationError) as error:
            raise self._not_proved(ticket, error) from error

    def _prepare_leg(self, ticket: Ticket, response: Response) -> bool:
        """Answer the server's token, so that the ticket holds the next leg. Return False if the exchange is complete.

        Raises:
            KerberosXMLRPCError: the exchange cannot continue.
        """
        if not self._wire.is_reusable():
            why = ValueError("the connection ended between two legs of the exchange")
            hint = "the server, or a proxy before it, has to keep connections: KeepAlive On, in Apache"
            raise self._refused(response, ticket, why, hint)
        if ticket.principal is not None:
            raise self._refused(response, ticket, ValueError("the server asks for more when the exchange is complete"))
        try:
            return ticket.answer_token(self._token)
        except (ValueError, RuntimeError, MutualAuthenticationError) as error:
            raise self._refused(response, ticket, error, ticket.remedy) from error

    # -- for subclasses to define -------------------------------------------------------------------------------------

    def _ask(self, sent: Sent, ticket: Ticket | None) -> Response:
        """Send the request, read the head of the reply, and return the reply."""
        raise NotImplementedError

    def _is_to_login(self, sent: Sent, response: Response) -> bool:
        """Say whether a reply redirects to a page where sessions begin."""
        return False

    def _was_offered(self) -> bool:
        """Say whether Negotiate has been offered before."""
        return False

    def _note_offer(self) -> None:
        """Note that Negotiate has been offered."""

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


class _Known(NamedTuple):
    """What is known of a connection."""

    url: str
    """The URL of the last request with a ticket, or without authentication."""
    need: Sent
    """The authentication that the next request for this URL needs."""
    principal: str | None
    """The client principal of the last verified exchange on the connection."""


class Memory:
    """The state that a transport keeps between calls.

    It consists of the cookies, the principals, the need of each connection, the pages where sessions begin, and the
    URLs for which Negotiate was offered. The need of a connection is the authentication that the next request for a URL
    needs on it.

    Attributes:
        cookies: the cookies.
        identity: tells whose tickets the transport uses now.
        authenticated_as: the client principal of the last verified exchange, or of the last session that was used, or
            None.
        proved_service: the principal of the service that last proved its identity, or None.
    """

    def __init__(self, cookies: CookieStore, identity: Identity) -> None:
        self.cookies = cookies
        self.identity = identity
        self.authenticated_as: str | None = None
        self.proved_service: str | None = None
        self._known: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()
        self._login_pages: dict[str, tuple[Page, ...]] = {}
        self._offers: set[str] = set()

    def note_need(self, connection: object, url: str, sent: Sent, principal: str | None = None) -> None:
        """Note the authentication that the next request for a URL needs on a connection.

        Args:
            principal: the principal of a verified exchange on the connection; None: as before.
        """
        self._known[connection] = _Known(url, sent, principal or self.principal_on(connection))

    def principal_on(self, connection: object) -> str | None:
        """Return the client principal of the last verified exchange on a connection."""
        known = self._known.get(connection)
        return None if known is None else known.principal

    def needed(self, connection: object, url: str, sent: Sent) -> Sent:
        """Return the authentication that a request carries on a connection, when the caller asks for `sent`.

        CONNECTION and NOTHING depend on the connection. If the last need that was noted for the connection is for this
        URL, the request carries that authentication. If not, CONNECTION becomes TICKET, and NOTHING stays NOTHING.
        """
        if sent not in (Sent.NOTHING, Sent.CONNECTION):
            return sent
        known = self._known.get(connection)
        if known is not None and known.url == url:
            return known.need
        return Sent.NOTHING if sent is Sent.NOTHING else Sent.TICKET

    def is_login_page(self, url: str, page: Page) -> bool:
        """Say whether the server redirected a request for a URL to this page when it carried no session."""
        return page in self._login_pages.get(url, ())

    def note_login_page(self, url: str, page: Page) -> None:
        """Note that the server redirected a request for a URL to a page when it carried no session."""
        pages = self._login_pages.get(url, ())
        if page not in pages:
            if len(self._login_pages) >= MAX_LOGIN_PAGES:
                self._login_pages = {}
            self._login_pages[url] = (page, *pages)[:MAX_LOGIN_PAGES]

    def was_offered(self, url: str) -> bool:
        """Say whether the server has offered Negotiate for a URL."""
        return url in self._offers

    def note_offer(self, url: str) -> None:
        """Note that the server has offered Negotiate for a URL."""
        if url not in self._offers and len(self._offers) >= MAX_OFFERS:
            self._offers = set()
        self._offers.add(url)


class PassingAnswer(Exception):
    """An application answered with a status that passes, so the request may be repeated.

    Attributes:
        answer: the answer, if the request is not repeated.
        error: the same reply as an error, which decides whether to repeat the request.
    """

    def __init__(self, answer: Any, error: KerberosXMLRPCError) -> None:
        super().__init__()
        self.answer = answer
        self.error = error


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

    def read_rest(self) -> bytes:
        """Read the body of an error status, within the limits of `drain`. Return no bytes if it does not end there."""

    def read_body(self, response: Response) -> Any:
        """Decode the body of a verified reply."""

    def stream(self, response: Response, read: Callable[..., Any]) -> StreamedResource:
        """Return a verified reply in pieces. The stream gives the connection back, and not the attempt.

        Args:
            read: calls a function with its arguments, and turns its errors into those of the call.
        """


class Exchange(Negotiation):
    """One attempt at a call, with its authentication, its connection and its ticket. `run` makes the attempt.

    Args:
        call: the call.
        sent: the authentication that the attempt carries. The connection can require another: see `Memory.needed`.
        cookies: the cookies that the request carries.
        place: the URL that selects the cookies.
        mode: whether the server has to prove its identity.
        memory: the state that the transport keeps between calls.
        wire: the I/O.
        login_page: the URL of the page where sessions begin, or None.
    """

    def __init__(
        self,
        call: Call,
        sent: Sent,
        cookies: Cookies,
        place: str,
        mode: MutualAuthentication,
        memory: Memory,
        wire: CallWire,
        login_page: str | None = None,
    ) -> None:
        super().__init__(call.expects, mode, wire)
        self._call = call
        self._sent = sent
        self._cookies = cookies
        self._own_session = cookies.is_own_session
        self._place = place
        self._memory = memory
        self._wire: CallWire = wire
        self._login_page = login_page
        self._owner: Owner

    def run(self) -> tuple[Step, Any]:
        """Make the attempt; return ACCEPT and the values, or RENEW and the reply.

        All legs of an exchange go over one connection. The connection is kept afterwards if possible.

        Raises:
            xmlrpc.client.Fault: the method failed on the server.
            PassingAnswer: an application answered with a status that passes.
            KerberosXMLRPCError: the attempt has any other outcome.
        """
        for _ in range(MAX_TICKETS):
            self._open()
            started = time.monotonic()
            result: Any = None
            try:
                sent = self._memory.needed(self._wire.connection, self._call.url, self._sent)
                ticket = self._wire.get_ticket() if sent is Sent.TICKET else None
                seconds = time.monotonic() - started
                is_open = ticket is None or self._wire.is_usable()
                if is_open and (ticket is None or self._is_owners(ticket)):
                    step, response = self.negotiate(sent, ticket, self._call.legs)
                    result = self._result(step, response, sent, ticket)
                    return step, result
                self._wire.give_up()
            finally:
                if not isinstance(result, StreamedResource):
                    self._wire.close()
        raise owner_changes(self._call) if is_open else closed_early(self._call, seconds)

    def _open(self) -> None:
        """Take a connection on which no exchange has authenticated another principal.

        The server may attribute all requests on a connection to the principal of an earlier exchange. If the principal
        has changed since the call took its cookies, the cookies of the former principal are left out.
        """
        self._owner = self._memory.identity.owner  # the call has looked when it took its cookies
        principal = self._cookies.principal
        if principal is not None and not self._owner.holds(principal):
            self._cookies, self._own_session = Cookies(), False
        self._wire.open()
        while not self._is_connection_of_owner():
            self._wire.give_up()
            self._wire.close()
            self._wire.open()

    def _is_connection_of_owner(self) -> bool:
        principal = self._memory.principal_on(self._wire.connection)
        return principal is None or self._owner.holds(principal)

    def _is_owners(self, ticket: Ticket) -> bool:
        """Say whether a ticket is the owner's. The principal may have changed in the time that it took to get it."""
        if ticket.holder is not None and ticket.holder == self._owner.cache:
            return True
        return self._memory.identity.look() is self._owner

    def _result(self, step: Step, response: Response, sent: Sent, ticket: Ticket | None) -> Any:
        """Take the step that follows the last reply: return the values (None for a login), or the reply if the call
        has to be sent again.
        """
        if step is Step.ACCEPT and not self._call.is_login:
            if response.status in PASSING:
                answer = self._decoded(response)
                raise PassingAnswer(answer, failure(Step.UNEXPECTED, self._call, self._reply(response, ticket, sent)))
            return (
                self._wire.stream(response, functools.partial(self._read, response))
                if self._call.is_streamed
                else self._decoded(response)
            )
        fault = None
        if step is Step.UNPROVEN:
            self._wire.give_up()
        elif self._may_hold_fault(step, response, sent):
            fault = fault_in(self._wire.read_rest(), response.getheader("Content-Encoding", ""))
        else:
            self._wire.drain()
        if step is Step.ACCEPT:
            return None
        reply = self._reply(response, ticket, sent, fault)
        if step is Step.RENEW:
            return reply
        raise failure(step, self._call, reply)

    def _may_hold_fault(self, step: Step, response: Response, sent: Sent) -> bool:
        """Say whether to look for a Fault in the body of a reply: it is an error status, and counts as the server's."""
        is_error = step is Step.UNEXPECTED and self._expects is Expects.VALUES and response.status >= 400
        return is_error and is_believed(sent, response.is_verified, self._mode)

    def _ask(self, sent: Sent, ticket: Ticket | None) -> Response:
        call, connection = self._call, self._wire.connection
        call.allowance.left -= 1
        connection.begin(call.verbose)
        started = time.monotonic()
        status: Any = "no reply"
        try:
            self._wire.send(None if ticket is None else ticket.auth_header, self._cookies.header)
            response = self._wire.read_head()
            status = response.status
        except (OSError, HTTPException) as error:
            if isinstance(error, KerberosXMLRPCError):  # the connection has found out that nothing ran
                raise
            if connection.request_started:
                raise self._lost("while the request was under way", error) from error
            if isinstance(error, DeadlinePassed):
                raise out_of_time(call, "before the request was sent", error, begun=False) from error
            raise
        except xmlrpc.client.Error:
            raise
        except Exception as error:
            if not connection.request_started or connection.body_failed or call.is_login:
                raise
            raise hook_failed(call, error, answered=False) from error
        finally:
            if logger.isEnabledFor(logging.DEBUG):
                seconds = time.monotonic() - started
                kept = "kept" if connection.kept else "new"
                scheme = self._place.partition(":")[0]
                logger.debug(
                    "%s %s://%s %s %.3f s, %s connection, %s", call.method, scheme, call.shown, status, seconds, kept,
                    sent.value,
                )  # fmt: skip
        if connection.debuglevel:
            print(f"reply: {response.status} (not verified yet)")
            print_headers(response.getheaders())
        return response

    def _judge(self, sent: Sent, ticket: Ticket | None, response: Response) -> Step:
        try:
            return super()._judge(sent, ticket, response)
        except xmlrpc.client.Error:
            raise
        except Exception as error:  # of the caller's cookie jar
            if self._call.is_login:
                raise
            raise hook_failed(self._call, error, answered=False) from error

    def _prepare_leg(self, ticket: Ticket, response: Response) -> bool:
        # If the deadline has ended the drain of the reply, the server is not to blame for the lost connection.
        deadline = self._call.deadline
        if deadline is not None and deadline.left() <= 0:
            raise out_of_time(self._call, "between two legs of the exchange", deadline.error(), begun=False)
        return super()._prepare_leg(ticket, response)

    def _is_to_login(self, sent: Sent, response: Response) -> bool:
        if not 300 <= response.status < 400:
            return False
        page = redirected_to(self._place, response.getheader("Location"))
        if page is None:
            return False
        if sent is not Sent.COOKIES and not self._cookies.header:
            self._memory.note_login_page(self._call.url, page)
        login_page = self._login_page and redirected_to(self._place, self._login_page)
        return page == login_page or self._memory.is_login_page(self._call.url, page)

    def _was_offered(self) -> bool:
        return self._memory.was_offered(self._call.url)

    def _note_offer(self) -> None:
        self._memory.note_offer(self._call.url)

    def _learn(self, sent: Sent, ticket: Ticket | None, response: Response, step: Step) -> None:
        call, memory, connection = self._call, self._memory, self._wire.connection
        verified = response.is_verified
        principal = self._cookies.principal
        if ticket is not None and ticket.principal is not None:
            principal = ticket.principal
            memory.proved_service = ticket.service_principal
            self._owner.note(principal)
            memory.cookies.prove(call.netloc)
        elif sent is Sent.CONNECTION:
            principal = memory.principal_on(connection)
        if principal is not None and (verified or step is Step.ACCEPT):
            memory.authenticated_as = principal
        if sent is not Sent.COOKIES:
            need = needed_next(sent, verified, step, response.values("persistent-auth"))
            memory.note_need(connection, call.url, need, principal if verified else None)
        own_session = self._own_session and ticket is not None
        if verified and self._cookies.header:
            memory.cookies.ignored(self._place, self._cookies)
        elif step is Step.ACCEPT and sent is Sent.COOKIES:
            memory.cookies.accepted(call.netloc)
        elif step is Step.ACCEPT and own_session:
            memory.cookies.accepted_beside_ticket(self._place)
        keep = cookies_to_keep(sent, verified, step, call.expects, own_session)
        lines = response.values("set-cookie")
        if lines and keep is not Keep.NONE:
            before = None if verified or call.is_login else self._cookies.header
            memory.cookies.keep(self._place, lines, principal, sent=before, all_of=keep is Keep.ALL)
        if may_have_ended(sent, response.status, step):
            memory.cookies.doubted(self._place, self._cookies)

    def _decoded(self, response: Response) -> Any:
        return self._read(response, self._wire.read_body, response)

    def _read(self, response: Response, read: Callable[..., Any], *arguments: Any) -> Any:
        """Read the body of a verified reply, or a piece, by this function. Turn its errors into those of the call."""
        try:
            return read(*arguments)
        except KerberosXMLRPCError as error:
            if isinstance(error, InvalidResponse) and error.is_cut_off and response.ends_with_connection:
                why = MalformedReply(f"the connection ended before the end of the body: {error.message}")
                raise lost(self._call, "while the reply was read", why) from error
            add_server(self._call, error)
            raise
        except (OSError, HTTPException) as error:
            raise self._lost("while the reply was read", error) from error
        except xmlrpc.client.Error:  # a Fault, for example: that is the answer
            raise
        except Exception as error:
            raise hook_failed(self._call, error, answered=True) from error

    def _reply(
        self,
        response: Response,
        ticket: Ticket | None,
        sent: Sent = Sent.TICKET,
        fault: xmlrpc.client.Fault | None = None,
    ) -> Reply:
        """Return the head of a reply, with the facts about its request that errors tell."""
        return Reply(
            response.status,
            response.reason,
            response.headers,
            ticket.auth_header if ticket is not None else None,
            ticket.principal if ticket is not None else None,
            on_session=sent is Sent.COOKIES,
            service=ticket.service_principal if ticket is not None else None,
            again=ticket.again if ticket is not None else None,
            refusal=refusal_code(self._token) if response.status == self._expects.challenge_status else None,
            head_bytes=self._wire.connection.head_bytes,
            fault=fault,
        )

    def _lost(self, when: str, error: Exception) -> KerberosXMLRPCError:
        if self._wire.connection.is_disconnected:
            error = ConnectionError(
                "this process was forked during the call, and only its parent goes on with the call"
            )
        return lost(self._call, when, error)

    def _not_proved(self, ticket: Ticket, error: Exception) -> KerberosXMLRPCError:
        return not_proved(self._call, ticket.service_principal, error)

    def _refused(
        self, response: Response, ticket: Ticket | None, error: Exception, hint: str | None = None
    ) -> KerberosXMLRPCError:
        return rejected(self._call, self._reply(response, ticket), error, hint)

    def _denied(self, response: Response, ticket: Ticket) -> KerberosXMLRPCError:
        return denied(self._call, self._reply(response, ticket))
