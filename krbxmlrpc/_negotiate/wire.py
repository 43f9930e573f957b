"""The driver of exchanges for blocking sockets: it takes connections from the pool and calls the transport's hooks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Callable, NamedTuple, Protocol

from .._hints import Hint
from .._http.connection import Connection
from .._http.pool import Pool
from .._http.response import Response, header_of
from .._kerberos.channel_bindings import tls_server_end_point
from .._kerberos.principals import shown
from .._kerberos.service_names import ServiceNames
from .._kerberos.ticket import NOT_DELEGATED, Ticket
from ..errors import KerberosXMLRPCError
from .http_errors import not_bindable
from .policy import Call, Expects
from .resource import Resource, StreamedResource


class Details(NamedTuple):
    """The parts of a request that the hook ``send_request`` of `xmlrpc.client.Transport` has no arguments for."""

    connection: Any
    authorization: str | None
    cookies: str
    method: str
    headers: Iterable[Any]


sending: ContextVar[Details | None] = ContextVar("sending", default=None)
"""The details of the request that this thread is sending; None if ``send_request`` is called by itself."""

logger = logging.getLogger("krbxmlrpc")


class Hooks(Protocol):
    """The methods of a transport that a call runs. Subclasses of the transport may override these methods."""

    argument_names: Mapping[str, str]

    def make_connection(self, host: Any) -> Any:
        """Return a new connection, not yet connected."""

    def send_request(self, host: Any, handler: str, request_body: Any, debug: bool) -> Any:
        """Send a request, with the `Details` that `sending` holds."""

    def parse_response(self, response: Any) -> Any:
        """Decode the reply to a call."""

    def read_resource(self, response: Response) -> Resource:
        """Return the answer to a request that is not a call."""

    def resource_pieces(self, response: Response) -> Iterator[bytes]:
        """Yield the decoded body of the answer to a request that is not a call."""


def new_connection(hooks: Hooks, netloc: str) -> Connection:
    """Return a new connection from the hook `make_connection`.

    Raises:
        TypeError: the hook returned another object, or a connection that is in use.
    """
    connection = hooks.make_connection(netloc)
    if not isinstance(connection, Connection):
        kind = type(connection)
        raise TypeError(
            Hint(
                "make_connection returned an object of type {kind}; accepted is a connection that "
                "super().make_connection(host) has returned, because its replies are verified, and a ticket never goes "
                "to another server; {args.timeout}, {args.proxy} and {args.context} change how it connects",
                kind=f"{kind.__module__}.{kind.__qualname__}",
            )
        )
    if connection.sock is not None:
        raise TypeError(
            "make_connection returned a connection that is in use; accepted is a new connection each time: the "
            "transport keeps connections by itself"
        )
    return connection


class TicketSource:
    """Gets tickets for servers, with channel bindings if the caller wants them.

    Args:
        names: gets tickets by the names that the transport allows. It must not refer to the transport.
        bound: whether to bind tickets to the server's certificate.
    """

    def __init__(self, names: ServiceNames, bound: bool) -> None:
        self.names = names
        self._bound = bound
        self._warned: set[str] = set()  # the services that got no delegated ticket

    def get(self, call: Call, connection: Connection) -> Ticket:
        """Get a ticket for the service of a call. The call goes over this connection."""
        bindings = None
        if self._bound:
            try:
                bindings = tls_server_end_point(connection.certificate())
            except ValueError as error:
                raise not_bindable(call, error) from error
        try:
            ticket = self.names.ticket(call.service, channel_bindings=bindings)
        except KerberosXMLRPCError as error:
            error.host = call.host
            raise
        if ticket.delegates is False and ticket.is_to_delegate and call.service not in self._warned:
            self._warned.add(call.service)
            logger.warning("no ticket is delegated to %s: %s", shown(ticket.service_principal), NOT_DELEGATED)
        return ticket


class BlockingWire:
    """The I/O of one attempt at a call (`exchange.CallWire`)."""

    def __init__(self, call: Call, hooks: Hooks, pool: Pool, tickets: TicketSource) -> None:
        self.connection: Any = None
        self._call = call
        self._hooks = hooks
        self._pool = pool
        self._tickets = tickets

    def open(self) -> None:
        """Take a connection that can carry a request."""
        opener = functools.partial(new_connection, self._hooks)
        self.connection = self._pool.acquire(self._call.netloc, opener, self._call.deadline)
        if self._call.timeout is not None:
            self._own_timeout = self.connection.timeout
            self.connection.set_timeout(self._call.timeout)

    def close(self) -> None:
        """Give the connection back."""
        if self._call.timeout is not None:
            self.connection.set_timeout(self._own_timeout)
        self._pool.release(self._call.netloc, self.connection)

    def get_ticket(self) -> Ticket:
        """Get a ticket for the service of the call."""
        return self._tickets.get(self._call, self.connection)

    def send(self, authorization: str | None, cookies: str) -> None:
        """Send the request."""
        call = self._call
        self.connection.report = call.progress.sent
        self.connection.is_call = call.expects is Expects.VALUES
        before = sending.set(Details(self.connection, authorization, cookies, call.method, call.headers))
        try:
            self._hooks.send_request(call.netloc, call.handler, call.body, call.verbose)
        finally:
            sending.reset(before)
        if not self.connection.request_started:
            raise TypeError(
                "send_request has sent nothing on the connection of the transport: call super().send_request(), which "
                "authenticates the request"
            )

    def read_head(self) -> Response:
        """Read the head of the reply."""
        response: Response = self.connection.getresponse()
        return response

    def read_body(self, response: Response) -> Any:
        """Decode the body of a verified reply."""
        self._report(response)
        if not self._call.is_resource:
            return self._hooks.parse_response(response)
        answer = self._hooks.read_resource(response)
        if not self._call.is_streamed:
            return answer
        return StreamedResource(*answer[:2], answer.headers, iter([answer.content]), lambda: None, {})

    def stream(self, response: Response, read: Callable[..., Any]) -> StreamedResource:
        """Return a verified reply in pieces. The stream gives the connection back, and not the attempt."""
        self._report(response)
        whole = self._hooks.resource_pieces(response)
        pieces = iter(lambda: read(next, whole, None), None)
        content_type = header_of(response, "Content-Type")
        names = self._hooks.argument_names
        return StreamedResource(response.status, content_type, response.headers, pieces, self.close, names)

    def _report(self, response: Response) -> None:
        """Tell the caller's function from now on how much of the body has been read."""
        if self._call.progress.received is not None:
            response.report_to(self._call.progress.received)

    def drain(self) -> None:
        """Read an unwanted body to its end, within limits."""
        self.connection.drain()

    def read_rest(self) -> bytes:
        """Read the body of an error status, within the limits of `drain`. Return no bytes if it does not end there."""
        rest: bytes = self.connection.read_rest()
        return rest

    def is_reusable(self) -> bool:
        """Say whether the next request can go over the same connection."""
        return bool(self.connection.is_reusable())

    def is_usable(self) -> bool:
        """Say whether the connection can still carry a request."""
        return bool(self.connection.is_usable())

    def give_up(self) -> None:
        """Do not use the connection again."""
        self.connection.give_up()
