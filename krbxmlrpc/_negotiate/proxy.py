"""Connects through HTTP proxies: chooses the proxy, and asks the proxy for a tunnel (CONNECT).

TLS goes through the tunnel to the server itself. So the proxy never sees the credentials for the server, unless the
connection uses plain HTTP. The server never sees the credentials for the proxy. Plain functions without I/O interpret a
proxy's reply. The caller provides the function that makes tickets for a proxy.
"""

from __future__ import annotations

import base64
import functools
import logging
import re
import socket
import ssl
import time
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, responses
from typing import Any, Callable
from urllib.parse import unquote

from .._hints import Hint, subject
from .._http.address import Address, authority, parse_address
from .._http.connection import Connection, unreachable
from .._http.response import MalformedReply, Response
from .._http.time_limits import waiting_hint
from .._http.www_authenticate import brings_ntlm, known_schemes, offered
from .._kerberos.principals import asked_name
from .._kerberos.ticket import Ticket
from .._secrets import Secret, type_name
from ..errors import (
    KDCUnreachable,
    KerberosXMLRPCError,
    MutualAuthenticationError,
    ProxyRefused,
    ServerUnreachable,
    ServiceUnknown,
)
from .exchange import Negotiation
from .http_errors import gssapi_facts, reason_of
from .policy import MAX_LEGS, Expects, MutualAuthentication, Sent, Step

ENVIRONMENT = "environment"
"""The value of ``proxy`` that lets environment variables name the proxy."""

DIRECT = "direct"
"""The value of ``proxy`` that means "no proxy"."""

logger = logging.getLogger("krbxmlrpc")

NewTicket = Callable[[str], Ticket]

_URL = "'http://host:port' or 'http://user:password@host:port' (user and password percent-encoded, RFC 3986)"
_URL_PARTS = re.compile(  # matches any text
    r"(?:([A-Za-z][A-Za-z0-9+.\-]*)://)?(?:(.*)@)?(\[[^\]]*\]|[^:/?#]*)(:[0-9]+(?=[/?#]|\Z))?(.*)", re.DOTALL
)
_UNFIT_FOR_BASIC = re.compile(r"[\0-\x1f\x7f-\x9f]")  # RFC 7617, section 2

_NAMED_BY = Hint("{args.proxy}, or https_proxy in the environment")
_CHECK_PROXY = Hint("check that this is an HTTP proxy ({named_by})", named_by=_NAMED_BY)
_BYPASS = "to reach a server without the proxy, add the server to no_proxy"


# -- which proxy ------------------------------------------------------------------------------------------------------


class Proxy:
    """One proxy. str() of it is ``host:port``, so that no message shows the password.

    Attributes:
        address: the host and port of the proxy.
        credentials: the value of ``Proxy-Authorization`` for the first request, or None.
    """

    def __init__(self, address: Address, credentials: str | None) -> None:
        self.address = address
        self.credentials = credentials

    def __str__(self) -> str:
        return authority(self.address)


def parse_proxy(name: str, url: str, accepted: str = _URL) -> Proxy:
    """Read the URL of a proxy, or its ``[user:password@]host:port``.

    Args:
        name: the source of the URL, for the message.
        accepted: the accepted values, for the message.

    Raises:
        ValueError: the text is not the URL of a proxy, or the URL is not one for plain HTTP. The message does not
            contain the password.
    """
    url = Secret(url)
    scheme, userinfo, host, port, rest = map(Secret, _URL_PARTS.findall(url)[0])
    try:
        # A scheme or a port is required. Without this rule, any misspelt word would be a proxy.
        if rest in ("", "/") and (scheme.lower() == "http" or (port and not scheme)):
            address = parse_address(host + port, 80)
            if address.port:
                return Proxy(address, _basic(userinfo) if userinfo.strip(":") else None)
    except ValueError:
        pass  # the message below says more
    shown = (f"{scheme}://" if scheme else "") + ("***@" if "@" in url else "") + host + port + ("…" if rest else "")
    other = "; TLS to the proxy itself, and SOCKS, are not supported" if scheme.lower() not in ("", "http") else ""
    raise ValueError(
        Hint(
            "{subject} is {shown}; accepted is {accepted}{other}",
            subject=subject(name),
            shown=repr(shown),
            accepted=accepted,
            other=other,
        )
    )


def _basic(userinfo: Secret) -> Secret:
    """Return ``user:password`` of a URL as credentials for Basic authentication (RFC 7617, in UTF-8)."""
    user, _, password = map(_unquoted, map(Secret, userinfo.partition(":")))
    if ":" in user or _UNFIT_FOR_BASIC.search(user + password) or re.search(r"[/?#\s]", userinfo):
        raise ValueError("not allowed in Basic credentials, or in a URL")
    return Secret(f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}")


def _unquoted(part: Secret) -> Secret:
    return Secret(unquote(part, errors="strict"))


class Proxies:
    """Chooses the proxy for a server, and makes connections to the server.

    Args:
        proxy: the argument of the same name of `KerberosTransport`.
        variable: the environment variable that names proxies; None: no variable does.
        new_ticket: a function that makes a ticket for the service of a proxy. It must not refer to the transport:
            connections refer to `new_ticket`, and would keep the transport alive.

    Raises:
        TypeError, ValueError: `proxy` is wrong. The message does not contain a password.
    """

    def __init__(self, proxy: str | None, variable: str | None, new_ticket: NewTicket) -> None:
        accepted = Hint("'{environment}', {phrase.direct}, {url}", environment=ENVIRONMENT, url=_URL)
        if not isinstance(proxy, (str, type(None))):  # the value is not shown: it may hold a password
            given = type_name(proxy)
            message = Hint("{name.proxy} is of type {given}; accepted is {accepted}", given=given, accepted=accepted)
            raise TypeError(message)
        self._variable = variable if proxy == ENVIRONMENT else None
        self._new_ticket = new_ticket
        self._proxy: Proxy | None = None
        if proxy is not None and proxy not in (ENVIRONMENT, DIRECT):
            self._proxy = parse_proxy("proxy", proxy, accepted)

    def connection(
        self,
        netloc: str,
        address: Address,
        timeout: float | None,
        context: ssl.SSLContext | None,
        connect_timeout: float | None = None,
    ) -> Connection:
        """Return a new connection to a server, not yet connected.

        Args:
            netloc: the server, as written in the URL. The rules of ``no_proxy`` apply to this text.
            address, timeout, context, connect_timeout: as for `Connection`.

        Raises:
            ValueError: the environment's value is not the URL of a proxy.
        """
        proxy = self.proxy_for(netloc)
        if proxy is None:
            return Connection(address, timeout, context, connect_timeout)
        return Tunnel(address, timeout, context, proxy, self._new_ticket, connect_timeout)

    def proxy_for(self, netloc: str) -> Proxy | None:
        """Return the proxy for ``host:port``, or None if there is none. Raise the errors of `connection`."""
        if self._variable is None:
            return self._proxy
        url = Secret(urllib.request.getproxies().get(self._variable.partition("_")[0], ""))
        if not url or urllib.request.proxy_bypass(netloc):
            return None
        return parse_proxy(f"{self._variable} (or {self._variable.upper()}) of the environment", url)


# -- the errors ------------------------------------------------------------------------------------------------------


def refusal(
    proxy: Proxy,
    server: Address,
    authorization: str | None,
    status: int,
    challenges: Sequence[str],
    error: Exception | None = None,
    service: str | None = None,
) -> KerberosXMLRPCError:
    """Return the error for a reply that opens no tunnel. The error does not quote the proxy's own words.

    Args:
        authorization: the ``Proxy-Authorization`` of the request, or None.
        status: the HTTP status of the reply.
        challenges: the reply's ``Proxy-Authenticate`` values.
        error: the fault in the reply's token or in the exchange; None if there is none.
        service: the principal of the service that the ticket was for; None if there was no ticket.
    """
    values = list(challenges)
    schemes = known_schemes(values)
    what = f"the proxy {proxy} answered {status} {responses.get(status, '')}".rstrip()
    if status >= 500:
        return ServerUnreachable(
            f"{what}: it cannot connect to {authority(server)}",
            host=server.host,
            hint=f"check host and port of the URL: the proxy resolves the name; {_BYPASS}",
        )
    if status == 407:
        what += _sent(authorization, service)
        if brings_ntlm(values):
            what += ": it wants NTLM"
        else:
            what += f" ({reason_of(error)})" if error else f" (it offers: {offered(values)})"
    return ProxyRefused(
        f"{what}; {authority(server)} was not reached",
        proxy=str(proxy),
        status=status,
        schemes=schemes,
        host=server.host,
        hint=_hint(status, schemes, authorization, server),
        **gssapi_facts(error),
    )


def _sent(authorization: str | None, service: str | None) -> str:
    if service is not None:
        return f" to a ticket for {service}"
    return "" if authorization is None else " to user and password"


def _hint(status: int, schemes: tuple[str, ...], authorization: str | None, server: Address) -> str:
    if status != 407:
        return Hint(
            "{check}, and that its rules allow CONNECT to {server}; {bypass}",
            check=_CHECK_PROXY,
            server=authority(server),
            bypass=_BYPASS,
        )
    if authorization is None:
        if "basic" in schemes:
            return Hint(
                "put user:password@ in front of the proxy's host, in {named_by}, percent-encoded", named_by=_NAMED_BY
            )
        return "krbxmlrpc can send a proxy only a ticket (Negotiate), or user and password (Basic)"
    if authorization.startswith("Basic "):
        return Hint(
            "check user and password in {named_by}: characters special in a URL have to be percent-encoded{more}",
            named_by=_NAMED_BY,
            more="; or leave both out: the proxy takes tickets, too" if "negotiate" in schemes else "",
        )
    return (
        "most often the proxy's keytab lacks the current key, or its rules do not let this user pass; if its key has "
        "been changed, run kinit again: the cached ticket is for the former key"
    )


def service_of(proxy: Proxy) -> str:
    """Return the service that tickets for a proxy are for."""
    return f"HTTP@{proxy.address.host}"


# -- the tunnel -------------------------------------------------------------------------------------------------------


class TunnelNegotiation(Negotiation):
    """The exchange with a proxy that opens a tunnel. If the proxy sends a proof of its identity, the proof is verified.

    The proof is optional, because TLS proves the identity of the server.
    """

    def __init__(self, wire: ProxyWire, proxy: Proxy, server: Address, statuses: list[str]) -> None:
        super().__init__(Expects.TUNNEL, MutualAuthentication.OPTIONAL, wire)
        self._proxy = proxy
        self._server = server
        self._statuses = statuses
        self.has_reply = False

    def _ask(self, sent: Sent, ticket: Ticket | None) -> Response:
        credentials = self._proxy.credentials if sent is Sent.PASSWORD else None
        started = time.monotonic()
        status = "no reply"
        try:
            self._wire.send(credentials if ticket is None else ticket.auth_header, "")
            response = self._wire.read_head()
            status = str(response.status)
            self.has_reply = True
            return response
        finally:
            self._statuses.append(status)
            target, seconds = authority(self._server), time.monotonic() - started
            logger.debug("CONNECT %s by the proxy %s %s %.3f s", target, self._proxy, status, seconds)

    def refusal(self, response: Response, ticket: Ticket | None, error: Exception | None = None) -> KerberosXMLRPCError:
        """Return the error for a reply that opens no tunnel."""
        challenges = response.values(self._expects.challenge_header)
        authorization = self._proxy.credentials if ticket is None else ticket.auth_header
        service = None if ticket is None else ticket.service_principal
        return refusal(self._proxy, self._server, authorization, response.status, challenges, error, service)

    def _not_proved(self, ticket: Ticket, error: Exception) -> KerberosXMLRPCError:
        return MutualAuthenticationError(
            f"the proxy {self._proxy} has not proved that it is {ticket.service_principal}: {reason_of(error)}",
            hint="somebody may stand between this machine and the proxy",
            reason=reason_of(error),
            service=ticket.service_principal,
            host=self._proxy.address.host,
        )

    def _refused(
        self, response: Response, ticket: Ticket | None, error: Exception, hint: str | None = None
    ) -> KerberosXMLRPCError:
        refused = self.refusal(response, ticket, error)
        if ticket is not None and ticket.remedy is not None:
            refused.hint = ticket.remedy
        return refused

    def _denied(self, response: Response, ticket: Ticket) -> KerberosXMLRPCError:
        why = ValueError("it accepted the ticket, and does not let its owner pass")
        return self.refusal(response, ticket, why)


class Tunnel(Connection):
    """A connection to a server through a proxy (RFC 9110, section 9.3.6). The proxy resolves the server's name."""

    def __init__(
        self,
        address: Address,
        timeout: float | None,
        context: ssl.SSLContext | None,
        proxy: Proxy,
        new_ticket: NewTicket,
        connect_timeout: float | None = None,
    ) -> None:
        super().__init__(address, timeout, context, connect_timeout)
        self._where += f" through the proxy {proxy}"
        self._proxy = proxy
        self._new_ticket = new_ticket
        self._statuses: list[str] = []  # for `verbose`

    def begin(self, debuglevel: int = 0) -> None:
        """Note that a new request starts."""
        super().begin(debuglevel)
        if debuglevel and not self.kept:
            print(f"proxy: {self._proxy}, CONNECT {authority(self.address)}: {', '.join(self._statuses)}")

    def _open(self) -> socket.socket:
        """Return a socket that reaches the server. If the connection uses TLS, the socket is ready for TLS.

        Raises:
            ServerUnreachable: the proxy cannot be reached, cannot reach the server, or sends no valid reply.
            ProxyRefused: the proxy refuses the tunnel.
            KerberosXMLRPCError: there is no ticket for the proxy, or the proxy has not proved its identity.
        """
        opened = False
        try:
            self._open_tunnel()
            opened = True
        except (OSError, HTTPException) as error:
            if isinstance(error, KerberosXMLRPCError):
                raise
            why = str(error) or type(error).__name__
            raise ServerUnreachable(
                f"the proxy {self._proxy} opens no tunnel to {authority(self.address)}: {why}",
                host=self.address.host,
                hint=Hint("{check}; {waiting}", check=_CHECK_PROXY, waiting=waiting_hint(error)),
            ) from error
        finally:
            if not opened:
                self.close()
        sock: socket.socket = self.sock
        return sock

    def _open_tunnel(self) -> None:
        """Make the proxy open the tunnel. Send user and password if there are any, else a ticket if the proxy asks."""
        credentials = self._proxy.credentials
        self._dial()
        wire, negotiation = self._new_exchange()
        step, response = negotiation.negotiate(Sent.NOTHING if credentials is None else Sent.PASSWORD, None, 1)
        if step is Step.RENEW:
            self._negotiate(wire.is_reusable())
        elif step is not Step.ACCEPT:
            raise negotiation.refusal(response, None)

    def _negotiate(self, kept: bool) -> None:
        """Make the proxy open the tunnel with a ticket. All legs of the exchange go over one connection.

        Args:
            kept: whether the proxy kept the connection of the first request. If not, the exchange needs a new one.
        """
        wire, negotiation = self._new_exchange()
        ticket = wire.get_ticket()
        if not kept:
            self._dial()
        try:
            step, response = negotiation.negotiate(Sent.TICKET, ticket, MAX_LEGS)
        except (BrokenPipeError, ConnectionResetError):
            if not kept or negotiation.has_reply:
                raise
            # The proxy closed the connection without an announcement.
            ticket = wire.get_ticket()
            self._dial()
            step, response = negotiation.negotiate(Sent.TICKET, ticket, MAX_LEGS)
        if step is not Step.ACCEPT:
            raise negotiation.refusal(response, ticket)

    def _new_exchange(self) -> tuple[ProxyWire, TunnelNegotiation]:
        wire = ProxyWire(self, self._proxy, self._new_ticket)
        return wire, TunnelNegotiation(wire, self._proxy, self.address, self._statuses)

    def _dial(self) -> None:
        """Connect to the proxy."""
        self.close()
        address = self._proxy.address
        try:
            self._open_socket(address.dns_name, address.port)
        except (OSError, ValueError) as error:
            hint = Hint(
                "check {named_by}, and that the proxy listens there; {bypass}", named_by=_NAMED_BY, bypass=_BYPASS
            )
            if isinstance(error, socket.timeout):
                hint = Hint("{hint}; {waiting}", hint=hint, waiting=waiting_hint(error))
            raise unreachable(error)(
                f"cannot connect to the proxy {self._proxy}: {error}", host=self.address.host, hint=hint
            ) from error


class ProxyWire:
    """The I/O of an exchange with a proxy (`exchange.Wire`): CONNECT requests on the socket of a tunnel, before TLS.

    Args:
        tunnel: the connection that becomes the tunnel.
        proxy, new_ticket: as for `Tunnel`.
    """

    def __init__(self, tunnel: Connection, proxy: Proxy, new_ticket: NewTicket) -> None:
        self._tunnel = tunnel
        self._proxy = proxy
        self._new_ticket = new_ticket
        self._talk = Connection(proxy.address, None, None)
        self._kept = False
        self._target = authority(tunnel.address)

    def get_ticket(self) -> Ticket:
        """Get a ticket for the service of the proxy. The time for this does not count as setup of the connection."""
        service = service_of(self._proxy)
        try:
            with self._tunnel.setup_limit.paused():
                return self._new_ticket(service)
        except KerberosXMLRPCError as error:
            error.host = self._proxy.address.host
            error.message = f"the proxy {self._proxy} asks for Negotiate: {error.message}"
            if isinstance(error, (ServiceUnknown, KDCUnreachable)):  # KDCUnreachable: an IP address has no realm
                error.hint = Hint(
                    "the KDC was asked for {service}: name the proxy, in {named_by}, as its keytab does; "
                    "or put user:password@ there, if the proxy takes Basic",
                    service=asked_name(service),
                    named_by=_NAMED_BY,
                )
            raise

    def send(self, authorization: str | None, cookies: str) -> None:
        """Send a CONNECT. A proxy gets no cookies."""
        self._talk = Connection(self._proxy.address, None, None)
        self._talk.limits = self._tunnel.setup_limits
        self._talk.use(_BeforeTLS(self._tunnel.sock))
        self._talk.putrequest("CONNECT", self._target, skip_host=True, skip_accept_encoding=True)
        self._talk.putheader("Host", self._target)
        if authorization is not None:
            self._talk.putheader("Proxy-Authorization", authorization)
        try:
            self._talk.endheaders()
        except BaseException:
            self._talk.close()
            raise

    def read_head(self) -> Response:
        """Read the reply: the head, and the body if there is one."""
        try:
            response = self._talk.getresponse()
            self._talk.drain()
            self._kept = self._talk.is_reusable()
        finally:
            self._talk.close()  # the connection may hold an error, and so the error's frames
        if response.status < 300 and not self._kept:
            raise MalformedReply("data follows the reply, and nothing was requested yet")
        return response

    def drain(self) -> None:
        """Do nothing: the body has been read."""

    def is_reusable(self) -> bool:
        """Say whether the reply was read to its end, so that the next reply or the tunnel can follow."""
        return self._kept

    def give_up(self) -> None:
        """Do not use the connection again."""
        self._tunnel.close()


class _BeforeTLS:
    """The socket of a tunnel, without the TLS layer that is already prepared on this socket.

    TLS is prepared before the socket connects (see `Connection._open_socket_at`). If it were prepared later, on a
    socket that the proxy has just closed, ssl would silently leave TLS out.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.fileno = sock.fileno
        self.settimeout = sock.settimeout
        self.recv: Callable[[int], bytes] = functools.partial(socket.socket.recv, sock)
        self.send: Callable[[Any], int] = functools.partial(socket.socket.send, sock)
        self.sendall: Callable[[Any], None] = functools.partial(socket.socket.sendall, sock)

    def close(self) -> None:
        """Do nothing: the tunnel closes the socket."""
