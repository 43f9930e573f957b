"""Opens, keeps, checks and drops the HTTP(S) connections to servers; knows nothing of how calls authenticate.

A connection belongs to one call at a time: it is taken out of the idle ones, used, and released once the reply has
been read to its end; in any other state it is dropped. So the next call never meets a half-read reply.
"""

from __future__ import annotations

import functools
import select
import socket
import ssl
import time
from collections import deque
from http.client import HTTPConnection
from typing import Any, Callable, Deque, Dict, NamedTuple, Optional
from urllib.parse import urlsplit

from .errors import CertificateRejected, ServerUnreachable
from .http1 import MalformedReply, Response

MAX_IDLE = 32
"""How many idle connections are kept for one server."""

DRAIN_LIMIT = 64 * 1024
"""How many bytes of an unwanted body are read to keep the connection; more than that costs more than a new one."""

DRAIN_SECONDS = 5.0
"""How long to wait for an unwanted body."""


class Address(NamedTuple):
    """Where a server is."""

    host: str
    """Its name: ASCII, lower case, without brackets and trailing dot; for Host, SNI, certificate and service."""
    port: int
    """Its TCP port."""
    dns_name: str
    """The name to resolve; a trailing dot (which keeps search domains out) is still there."""


@functools.lru_cache(maxsize=256)
def parse_address(netloc: str, default_port: int) -> Address:
    """Read the ``host:port`` of a URL (RFC 3986, section 3.2).

    Raises:
        ValueError: there is no host, the port is not one, or there are credentials, which are not in the message.
    """
    if "@" in netloc:
        shown = netloc.rpartition("@")[2]
        raise ValueError(
            f"the URL of {shown} holds credentials (user:password@): take them out, the Kerberos ticket authenticates"
        )
    try:
        parts = urlsplit(f"//{netloc}")
        dns_name, port = parts.hostname or "", default_port if parts.port is None else parts.port
        if not dns_name.isascii():
            dns_name = dns_name.encode("idna").decode("ascii")
    except ValueError:
        dns_name, port, parts = "", 0, urlsplit("")
    host = dns_name[:-1] if dns_name.endswith(".") else dns_name
    if not host or parts.netloc != netloc or not host.isprintable() or " " in host:
        # Not shown from the colon on: a password with / in it makes "user:pass" of a URL's "user:pass/word@host".
        raise ValueError(
            f"the URL has a server {netloc.partition(':')[0]!r} that cannot be called; accepted is host or host:port"
        )
    return Address(host, port, dns_name)


class Connection(HTTPConnection):
    """A connection to one server, with TLS if there is a context.

    Attributes:
        request_started: whether anything of a request has left since `begin`.
        kept: whether an earlier call has used it.
    """

    response_class = Response  # type: ignore[assignment]  # it need not be http.client's, if it does the same
    auto_open = 0  # never reconnects by itself: a ticket or a leg must not go out on another connection unnoticed

    def __init__(self, address: Address, timeout: Optional[float], context: Optional[ssl.SSLContext]) -> None:
        self.default_port = 80 if context is None else 443
        super().__init__(address.host, address.port, timeout=timeout)
        self.address = address
        self.request_started = False
        self.kept = False
        self._context = context

    def connect(self) -> None:
        """Connect, and set up TLS; each step may take the timeout.

        Raises:
            ServerUnreachable: it cannot be done.
            CertificateRejected: the server's certificate is not good for it.
        """
        host, port, dns_name = self.address
        where = f"{host}:{port}"
        try:
            sock = socket.create_connection((dns_name, port), self.timeout)
        except (OSError, UnicodeError) as error:
            raise ServerUnreachable(
                f"cannot connect to {where}: {error}", host=host, hint=_connect_hint(error, where)
            ) from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = sock if self._context is None else self._context.wrap_socket(sock, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise CertificateRejected(
                f"the certificate of {where} is not accepted: {error.verify_message.rstrip('.')}",
                verify_code=error.verify_code,
                verify_message=error.verify_message,
                host=host,
                hint="if the server's own CA signed it, pass context=ssl.create_default_context(cafile=...); if it is "
                "for another name, call the server by that name",
            ) from error
        except (OSError, ValueError) as error:
            sock.close()
            raise ServerUnreachable(
                f"cannot set up TLS with {where}: {error}",
                host=host,
                hint=f"check that port {port} speaks TLS, in a version and with the ciphers that this machine allows",
            ) from error

    def begin(self) -> None:
        """Note that a new request starts."""
        self.kept = self.request_started
        self.request_started = False

    def send(self, data: Any) -> None:
        """Send bytes of a request."""
        self.request_started = True
        super().send(data)

    def getresponse(self) -> Response:  # type: ignore[override]
        """Read the head of the reply to the request that was sent; errors as of `Response.begin`."""
        response: Any = super().getresponse()
        assert isinstance(response, Response)  # the response_class
        return response

    def is_usable(self) -> bool:
        """Say whether an idle connection can take a request: it is open, and nothing has come that nobody asked for."""
        if self.sock is None or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


def _connect_hint(error: Exception, where: str) -> str:
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return "check the host name in the URL, and this machine's DNS"
    if isinstance(error, socket.timeout):
        return f"check that no firewall stands between this machine and {where}; timeout= sets how long to wait"
    return f"check the port in the URL, and that the server listens on {where}"


def drain(connection: Connection, response: Response) -> bool:
    """Read an unwanted body to its end, within bounds; return whether the connection can be used again."""
    if not response.persistent:
        return False
    deadline = time.monotonic() + DRAIN_SECONDS
    left = DRAIN_LIMIT
    try:
        connection.sock.settimeout(min(DRAIN_SECONDS, connection.timeout or DRAIN_SECONDS))
        while left > 0 and time.monotonic() < deadline:
            data = response.read(left)
            if not data:
                break
            left -= len(data)
        connection.sock.settimeout(connection.timeout)
    except (OSError, MalformedReply):
        return False
    return response.reusable


class Connections:
    """The idle connections of one transport. Any thread may take one: it is then that thread's alone."""

    def __init__(self) -> None:
        self._idle: Dict[str, Deque[Connection]] = {}

    def acquire(self, netloc: str, opener: Callable[[str], Connection]) -> Connection:
        """Return a connection to ``host:port`` that can take a request: the last one released, or a new one.

        Args:
            opener: makes a new one. It is not kept: a reference cycle with the transport would keep both alive.

        Raises:
            ServerUnreachable, CertificateRejected: a new one is needed and cannot be had.
        """
        idle = self._idle.get(netloc)
        while idle:
            try:
                connection = idle.pop()
            except IndexError:  # another thread was quicker
                break
            if connection.is_usable():
                connection.begin()
                return connection
            connection.close()
        connection = opener(netloc)
        connection.connect()
        return connection

    def release(self, netloc: str, connection: Connection) -> None:
        """Keep a connection whose reply has been read to its end."""
        idle = self._idle.setdefault(netloc, deque())
        if len(idle) >= MAX_IDLE:
            connection.close()
        else:
            idle.append(connection)

    def close(self) -> None:
        """Close all idle connections; later calls open new ones."""
        for idle in list(self._idle.values()):
            while idle:
                try:
                    idle.pop().close()
                except IndexError:
                    break

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    __del__ = close
