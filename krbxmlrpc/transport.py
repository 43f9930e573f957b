"""Decides what one call does: the XML-RPC transports that authenticate with Kerberos.

What a reply means is decided in `exchange`, connections are opened and kept by `connections`, bodies are decoded by
`decoding`, and GSSAPI is behind `ticket`; here they are put together.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from http.client import HTTPException
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Type, Union
from xmlrpc.client import SafeTransport, Transport

from ._version import __version__
from .arguments import checked
from .challenge import TOKEN, negotiate_details
from .connections import Connection, Connections, drain, parse_address
from .decoding import PIECE, decode, decompressed, limited, make_parser
from .errors import KerberosXMLRPCError, MutualAuthenticationError
from .exchange import MAX_REQUESTS, Call, MutualAuthentication, Reply, Sent, Step, next_step, to_be_verified
from .http1 import Response
from .refusals import denied, failure, not_proved, outcome_unknown, rejected
from .ticket import KerberosTicket, check_ticket_arguments

logger = logging.getLogger("krbxmlrpc")

MAX_TIMEOUT = 2_000_000
"""Seconds that a timeout may have: some more and the system cannot count them."""

_HEADER_NAME = re.compile(TOKEN)
_HEADER_VALUE = re.compile(r"[^\0-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]*")
_HANDLER = re.compile(r"/[!-~]*")
_OWN_HEADERS = {"authorization", "cookie", "content-length", "host", "transfer-encoding"}
_SHOWN_HEADERS = {
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "server",
    "transfer-encoding",
    "user-agent",
}

Header = Tuple[Union[str, bytes], Union[str, bytes, int]]


class _NegotiateTransport(Transport):
    """What both transports share; `KerberosTransport` describes it."""

    _scheme: str
    _default_port: int
    _accepted_context: Tuple[str, Tuple[Type[Any], ...]]
    user_agent = f"krbxmlrpc/{__version__}"
    verbose = False

    def __init__(
        self,
        *,
        service: Optional[str] = None,
        principal: Optional[str] = None,
        mutual_authentication: Union[str, MutualAuthentication] = MutualAuthentication.REQUIRED,
        preemptive: bool = True,
        delegate: bool = False,
        mechanism: str = "spnego",
        timeout: Optional[float] = 300.0,
        max_response_bytes: int = 256 * 1024 * 1024,
        use_datetime: bool = False,
        use_builtin_types: bool = False,
        headers: Iterable[Header] = (),
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        check_ticket_arguments("HTTP@host" if service is None else service, principal, delegate, mechanism)
        checked("preemptive", preemptive, "True or False", (bool,))
        seconds = f"a number of seconds over 0 and up to {MAX_TIMEOUT}, or None"
        checked("timeout", timeout, seconds, (int, float, type(None)), _is_timeout)
        checked("max_response_bytes", max_response_bytes, "a positive number of bytes", (int,), (0).__lt__)
        checked("context", context, *self._accepted_context)
        super().__init__(
            use_datetime=use_datetime, use_builtin_types=use_builtin_types, headers=_checked_headers(headers)
        )
        self.context = context
        self.principal: Optional[str] = None
        self._service = service
        self._mode = _checked_mode(mutual_authentication)
        self._preemptive = preemptive
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._ticket_arguments: Dict[str, Any] = {
            "principal": principal,
            "delegate": delegate,
            "mechanism": mechanism,
            "mutual": self._mode is not MutualAuthentication.DISABLED,
        }
        self._connections = Connections()

    # -- what the standard transport does, done otherwise -------------------------------------------------------------

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call. Unlike the standard transport's, it never sends the call again when the connection breaks.

        Args:
            host: ``host`` or ``host:port``.
            handler: the path, with a query if there is one.
            request_body: the encoded call.
            verbose: whether to print what is sent and received, secrets left out, to standard output.

        Raises:
            xmlrpc.client.Fault: the method failed on the server.
            TypeError, ValueError: the URL cannot be called, see `KerberosTransport`.
            KerberosXMLRPCError: one of the errors of `krbxmlrpc`; its class and `hint` say what to do.
        """
        return self.single_request(host, handler, request_body, verbose)

    def single_request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call: send it with a ticket, verify the reply, decode it; arguments as for `request`."""
        self.verbose = verbose
        call = self._call(host, handler, request_body)
        if not self._preemptive:
            step, values = self._attempt(call, None)
            if step is Step.DECODE:
                return values
        return self._attempt(call, self._new_ticket(call))[1]

    def send_request(
        self,
        host: Any,
        handler: str,
        request_body: Any,
        debug: bool,
        *,
        connection: Optional[Connection] = None,
        authorization: Optional[str] = None,
    ) -> Connection:
        """Send one request, by way of the hooks `send_headers` and `send_content`.

        A subclass that overrides this has to take the last two arguments too, and to pass them on.

        Args:
            host, handler, request_body, debug: as the standard transport has them.
            connection: where to send it; default: a kept or a new connection to the host.
            authorization: the value of the ``Authorization`` header, if there is to be one.
        """
        if connection is None:
            connection = self._connections.acquire(host, self.make_connection)
        headers: List[Any] = self._headers + self._extra_headers
        connection.putrequest("POST", handler, skip_accept_encoding=bool(self.accept_gzip_encoding))
        if self.accept_gzip_encoding:
            headers.append(("Accept-Encoding", "gzip"))
        headers.append(("Content-Type", "text/xml"))
        headers.append(("User-Agent", self.user_agent))
        if authorization is not None:
            headers.append(("Authorization", authorization))
        if debug:
            print("send:", f"POST {handler.partition('?')[0]}, body of {len(request_body)} bytes")
            _print_headers(headers)
        self.send_headers(connection, headers)
        self.send_content(connection, request_body)
        return connection

    def parse_response(self, response: Any) -> Any:
        """Decode a reply, which has been verified as far as the mode asks for it."""
        pieces = limited(iter(lambda: response.read(PIECE), b""), self._max_response_bytes, "encoded")
        plain = decompressed(pieces, response.getheader("Content-Encoding", ""))
        parser, unmarshaller = self.getparser()
        return decode(
            limited(self._shown(plain), self._max_response_bytes, "decoded"),
            parser,
            unmarshaller,
            response.getheader("Content-Type", ""),
        )

    def getparser(self) -> Tuple[Any, Any]:
        """Return an XML parser that refuses what XML-RPC never needs, and the unmarshaller that it feeds."""
        return make_parser(self._use_datetime, self._use_builtin_types)

    def make_connection(self, host: Any) -> Connection:
        """Return a new connection to a server, not yet connected."""
        return Connection(parse_address(host, self._default_port), self._timeout, self._tls())

    def close(self) -> None:
        """Close the kept connections. The transport can still be used: later calls open new ones."""
        self._connections.close()

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} service={self._service or 'HTTP@ and the host of the URL'} "
            f"mutual_authentication={self._mode.value} connections={len(self._connections)}>"
        )

    def _tls(self) -> Optional[ssl.SSLContext]:
        """Return what TLS is set up with; None where there is none."""
        raise NotImplementedError

    # -- the parts of a call ------------------------------------------------------------------------------------------

    def _call(self, netloc: object, handler: object, body: Any) -> Call:
        if not isinstance(netloc, str):
            accepted = "'host' or 'host:port'; client certificates go into context="
            raise TypeError(f"host is of type {type(netloc).__name__}; accepted is {accepted}")
        host = parse_address(netloc, self._default_port).host
        if not isinstance(handler, str) or not _HANDLER.fullmatch(handler):
            raise ValueError("the path of the URL has to start with / and be printable ASCII: percent-encode the rest")
        service = self._service or f"HTTP@{host}"
        return Call(netloc, handler, body, host, service, self._ticket_arguments["principal"])

    def _new_ticket(self, call: Call) -> KerberosTicket:
        try:
            return KerberosTicket(call.service, **self._ticket_arguments)
        except KerberosXMLRPCError as error:
            error.host = call.host
            raise

    def _attempt(self, call: Call, ticket: Optional[KerberosTicket]) -> Tuple[Step, Any]:
        """Send the call, with a ticket or without; return DECODE and the values, or SEND_TICKET.

        All legs of the ticket's exchange go over one connection, which is kept if it can be.
        """
        connection = self._connections.acquire(call.netloc, self.make_connection)
        keep = False
        try:
            for request in range(1, MAX_REQUESTS + 1):
                response = self._round_trip(call, connection, ticket)
                step, reply = self._judge(call, ticket, response)
                if step is Step.DECODE:
                    try:
                        return step, self._decode(call, response)
                    finally:
                        keep = response.reusable
                keep = step is not Step.UNPROVEN and drain(connection, response)
                if step is Step.SEND_TICKET:
                    return step, None
                if ticket is None or step is not Step.ANOTHER_LEG:
                    raise failure(step, call, reply)
                if not keep:
                    why = ValueError("the connection ended between two legs of the exchange")
                    hint = "the server, or a proxy before it, has to keep connections: KeepAlive On, in Apache"
                    raise rejected(call, reply, why, hint)
                self._answer(call, ticket, reply)
                connection.begin()
            why = ValueError(f"the exchange goes on after {request} requests")
            raise rejected(call, reply, why, "tell the server's operator: Kerberos takes one request, SPNEGO three")
        finally:
            if keep:
                self._connections.release(call.netloc, connection)
            else:
                connection.close()

    def _round_trip(self, call: Call, connection: Connection, ticket: Optional[KerberosTicket]) -> Response:
        """Send one request and return the reply, its head read."""
        started = time.monotonic()
        status: Any = "no reply"
        try:
            self.send_request(
                call.netloc,
                call.handler,
                call.body,
                self.verbose,
                connection=connection,
                authorization=None if ticket is None else ticket.auth_header,
            )
            response = connection.getresponse()
            status = response.status
        except (OSError, HTTPException) as error:
            if connection.request_started:
                raise outcome_unknown(call, "when the call was on its way", error) from error
            raise
        finally:
            if logger.isEnabledFor(logging.DEBUG):
                logger.debug(
                    "POST %s://%s %s %.3f s, %s connection, %s",
                    self._scheme,
                    call.url,
                    status,
                    time.monotonic() - started,
                    "kept" if connection.kept else "new",
                    "no ticket" if ticket is None else "ticket",
                )
        if self.verbose:
            print("reply:", response.status)
            _print_headers(response.getheaders())
        return response

    def _judge(self, call: Call, ticket: Optional[KerberosTicket], response: Response) -> Tuple[Step, Reply]:
        """Verify what has to be verified, and return what to do with the reply."""
        sent = Sent.NOTHING if ticket is None else Sent.TICKET
        values = response.headers.get_all("WWW-Authenticate", [])
        negotiate = negotiate_details(values)
        if ticket is not None and to_be_verified(sent, response.status, negotiate, self._mode):
            if ticket.principal is not None:  # by an earlier leg
                raise not_proved(call, ValueError("it sent a token when the exchange was complete"))
            try:
                ticket.verify_response(values)
            except (ValueError, MutualAuthenticationError) as error:
                raise not_proved(call, error) from error
        reply = Reply(response.status, response.reason, response.headers)
        if ticket is not None:
            reply = reply._replace(authorization=ticket.auth_header, principal=ticket.principal)
            self.principal = reply.principal or self.principal
        return next_step(sent, response.status, negotiate, reply.verified, self._mode), reply

    def _answer(self, call: Call, ticket: KerberosTicket, reply: Reply) -> None:
        """Prepare the next leg of an exchange that takes several; raise where there is none."""
        if ticket.principal is not None:
            raise rejected(call, reply, ValueError("the server asks for more when the exchange is complete"))
        try:
            answered = ticket.answer_challenge(reply.headers.get_all("WWW-Authenticate", []))
        except (ValueError, RuntimeError, MutualAuthenticationError) as error:
            raise rejected(call, reply, error) from error
        if not answered:
            raise denied(call, reply._replace(principal=ticket.principal))

    def _decode(self, call: Call, response: Response) -> Any:
        try:
            return self.parse_response(response)
        except KerberosXMLRPCError:
            raise
        except (OSError, HTTPException) as error:
            raise outcome_unknown(call, "while the reply was read", error) from error

    def _shown(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.verbose:
                print("body:", repr(piece))
            yield piece


class KerberosTransport(_NegotiateTransport, SafeTransport):  # type: ignore[misc]  # of make_connection
    """An XML-RPC transport over HTTPS that authenticates with Kerberos, both ways.

    Each call carries a ticket (``Authorization: Negotiate``), and the server's answering token is verified before the
    reply is parsed. Wherever `xmlrpc.client.SafeTransport` does, it works::

        hub = ServerProxy("https://hub.example.com/xmlrpc", transport=KerberosTransport())

    Args:
        service: whom to get tickets for, ``"HTTP@host"`` or ``"HTTP/host@REALM"``; default: ``HTTP@`` and the host of
            the URL.
        principal: whose tickets, from the collection of credential caches; default: the default cache's.
        mutual_authentication: ``"required"``, ``"optional"`` or ``"disabled"``; see `MutualAuthentication`.
        preemptive: whether a ticket goes along at once. With False every call is first sent without one, whole, and
            sent again when the server asks for a ticket.
        delegate: whether the server receives a ticket with which it can act as the user.
        mechanism: ``"spnego"``, or ``"krb5"`` for a bare Kerberos token.
        timeout: seconds that each socket operation may take (to connect, to set up TLS, each one that sends or
            receives), or None: no limit.
        max_response_bytes: bytes that a reply's body may have, as it is sent and, by itself, as it is decoded.
        use_datetime, use_builtin_types, headers, context: as in `xmlrpc.client.SafeTransport`; ``Authorization`` and
            ``Cookie`` are not accepted among the headers. `ServerProxy` ignores its own arguments of these names where
            it is given a transport.

    Attributes:
        principal: whom the last verified exchange authenticated, or None.

    Raises:
        TypeError, ValueError: an argument is wrong, or (from a call) the URL is: it has credentials, or no host.
        xmlrpc.client.Fault: from a call, the method failed on the server.
        KerberosXMLRPCError: from a call, one of the errors of `krbxmlrpc`; its class and `hint` say what to do.

    Source: the XML-RPC specification; RFC 4559 (Negotiate), RFC 4178 (SPNEGO), RFC 4120 (Kerberos), RFC 9110 and
    RFC 9112 (HTTP); RFC 6125 (the name in the certificate).
    """

    _scheme = "https"
    _default_port = 443
    _accepted_context = ("an ssl.SSLContext, or None", (ssl.SSLContext, type(None)))

    def _tls(self) -> Optional[ssl.SSLContext]:
        if self.context is None:
            self.context = ssl.create_default_context()
        return self.context


class InsecureKerberosTransport(_NegotiateTransport):
    """`KerberosTransport` over plain HTTP, for loopback and lab use.

    Without TLS anybody on the way can read and change a call and its reply, and keep back a ticket to send it with a
    call of his own: the exchange authenticates both sides, and does not protect the messages. `ServerProxy` does not
    tell a transport the scheme of its URL, so this is plain HTTP also where the URL says https.

    Arguments, errors and sources as for `KerberosTransport`, but no `context`.
    """

    _scheme = "http"
    _default_port = 80
    _accepted_context = ("None: TLS is for KerberosTransport", (type(None),))

    def _tls(self) -> Optional[ssl.SSLContext]:
        return None


def _is_timeout(seconds: Optional[float]) -> bool:
    return seconds is None or 0 < seconds <= MAX_TIMEOUT


def _checked_mode(mode: Union[str, MutualAuthentication]) -> MutualAuthentication:
    modes = [member.value for member in MutualAuthentication]
    accepted = " or ".join(map(repr, modes))
    return MutualAuthentication(checked("mutual_authentication", mode, accepted, (str,), modes.__contains__))


def _checked_headers(headers: Iterable[Header]) -> List[Any]:
    """Return the headers as a list. Where they are wrong, the error has no value in it: it could be a secret."""
    accepted = "a list of pairs (name, value)"
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(f"headers is of type {type(headers).__name__}; accepted is {accepted}")
    pairs = list(headers)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"headers holds what is not a pair; accepted is {accepted}")
        name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
        if not isinstance(name, str) or not isinstance(value, (str, int)):
            raise TypeError(f"headers holds a name or a value that is not text; accepted is {accepted}")
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers holds a name that HTTP does not allow (RFC 9110, 5.1); accepted is {accepted}")
        if not _HEADER_VALUE.fullmatch(str(value)):
            raise ValueError(f"headers holds a value of {name} that HTTP does not allow (RFC 9110, section 5.5)")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"headers holds {name}, which is the transport's to set: take it out")
    return pairs


def _print_headers(headers: Iterable[Tuple[Any, Any]]) -> None:
    """Print headers for `verbose`; where a value could be a secret, only how long it is."""
    for name, value in headers:
        name = name if isinstance(name, str) else name.decode("latin-1")
        shown = value if name.lower() in _SHOWN_HEADERS else f"({len(str(value))} characters, not shown)"
        print("header:", ascii(f"{name}: {shown}")[1:-1])
