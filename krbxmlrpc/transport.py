"""The transports: their arguments, the hooks of `xmlrpc.client.Transport`, `fetch`, `login` and `close`.

A call leaves this module for `_negotiate.call`, which calls the hooks that subclasses may override.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Collection, Iterable, Iterator, Mapping
from http.cookiejar import CookieJar
from typing import Any, Literal, NoReturn, overload
from xmlrpc.client import SafeTransport, Transport, gzip_encode

from ._checks import checked
from ._http.address import parse_address, shown_path
from ._http.connection import Connection, Pieces
from ._http.fields import field_key, merged
from ._http.pool import Pool
from ._http.response import Response, header_of
from ._http.verbose import print_headers, shown
from ._kerberos.service_names import Canonicalize
from ._negotiate.call import Authentication, Calling, Client, LoginPage, SessionOrTicket
from ._negotiate.cookies import CookieStore, hide_cookies
from ._negotiate.exchange import Memory
from ._negotiate.logins import Logins
from ._negotiate.policy import Allowance, Call, Expects, MutualAuthentication
from ._negotiate.proxy import ENVIRONMENT
from ._negotiate.resource import Resource, StreamedResource
from ._negotiate.retries import NEVER, Idempotent
from ._negotiate.wire import TicketSource, new_connection, sending
from ._secrets import hidden, type_name
from ._settings import (
    ChannelBindings,
    Header,
    Mechanism,
    Mode,
    Progress,
    Settings,
    checked_headers,
    checked_host_info,
    checked_target,
    checked_timeout,
    definitions,
    is_http_method,
    reports_of,
    with_arguments,
)
from ._unknown_arguments import unknown_argument, unnamed_arguments
from ._version import __version__
from ._xmlrpc.calls import with_carriage_returns
from ._xmlrpc.decoding import body, decode, make_parser, shows_its_end

_WITH_CONTENT = ("POST", "PUT", "PATCH")
"""Methods that always need a ``Content-Length`` header, even if the body is empty (RFC 9110, section 8.6)."""


class _NegotiateTransport(Transport):
    """The common part of both transports. `KerberosTransport` has the description."""

    _scheme: str
    _default_port: int
    argument_names: Mapping[str, str] = {}
    user_agent = f"krbxmlrpc/{__version__}"
    verbose = False  # the standard `parse_response` reads this; here each call has its own `verbose`

    def __init__(
        self,
        *positional: NoReturn,
        service: str | None = None,
        canonicalize: Canonicalize | None = None,
        principal: str | None = None,
        ccache: str | None = None,
        keytab: str | None = None,
        mutual_authentication: Mode = MutualAuthentication.REQUIRED,
        preemptive: bool = True,
        delegate: bool = False,
        mechanism: Mechanism = "spnego",
        channel_bindings: ChannelBindings = None,
        login_path: str | None = None,
        cookiejar: CookieJar | None = None,
        timeout: float | None = 300.0,
        connect_timeout: float | None = 30.0,
        deadline: float | None = None,
        proxy: str | None = ENVIRONMENT,
        retries: int = 0,
        retry_interval: float = 1.0,
        idempotent: Idempotent = (),
        max_response_bytes: int = 256 * 1024 * 1024,
        progress: Progress = None,
        use_datetime: bool = False,
        use_builtin_types: bool = False,
        headers: Iterable[Header] = (),
        context: ssl.SSLContext | None = None,
        cafile: str | os.PathLike[str] | None = None,
        **unknown: NoReturn,
    ) -> None:
        known = [setting.name for setting in definitions()]
        positional = hidden(positional)
        if positional:
            raise TypeError(unnamed_arguments(type(self).__name__))
        if unknown:
            name = next(iter(unknown))
            unknown.clear()  # a value may be a password
            raise TypeError(unknown_argument(type(self).__name__, name, known))
        proxy, headers = hidden(proxy), hidden(headers)
        hide_cookies(cookiejar)
        arguments = {name: value for name, value in locals().items() if name in known}
        settings = Settings(self._scheme, arguments)
        lines: Any = settings.headers  # values may be numbers, too
        super().__init__(use_datetime=use_datetime, use_builtin_types=use_builtin_types, headers=lines)
        self._settings = settings
        self.context = settings.made_context or settings.context
        self._client = Client(
            scheme=self._scheme,
            mode=settings.mode,
            retries=settings.new_retries(),
            pool=Pool(),
            # The source does not refer to the transport: a connection must not keep the transport alive.
            tickets=TicketSource(settings.names_of_servers(), bound=settings.channel_bindings is not None),
            memory=Memory(CookieStore(settings.cookiejar, settings.identity), settings.identity),
            logins=Logins(),
            timeout=settings.timeout,
        )
        self._authentication = self.make_authentication(settings.login_path, settings.preemptive)
        self._last_url: tuple[str, str] | None = None

    # -- the standard transport's hooks, overridden -------------------------------------------------------------------

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call. Unlike the standard transport, never repeat a call that may have run unless told to do so.

        Args:
            host: ``host`` or ``host:port``.
            handler: the path, with a query if there is one.
            request_body: the encoded call.
            verbose: whether to print requests and replies, without secrets, to standard output.

        Raises:
            xmlrpc.client.Fault: the method failed on the server.
            TypeError, ValueError: the URL is wrong, see `KerberosTransport`.
            KerberosXMLRPCError: one of the errors of `krbxmlrpc`. Its class and ``hint`` say how to go on.
        """
        host, handler = hidden(host), hidden(handler)
        return self.single_request(host, handler, request_body, verbose)

    def single_request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call, as `KerberosTransport` describes it. The arguments are those of `request`."""
        host, handler = hidden(host), hidden(handler)
        # ServerProxy passes the URL's fragment on, and "/RPC2" for a URL without a path.
        handler = hidden(handler.partition("#")[0] or "/RPC2") if isinstance(handler, str) else handler
        call = self._call(host, handler, with_carriage_returns(request_body), bool(verbose))
        self._last_url = host, call.handler
        return Calling(call, self._client, self).made(self._authentication.make)

    @overload
    def fetch(
        self,
        method: str,
        host: str,
        path: str,
        content: bytes | Pieces = ...,
        headers: Iterable[Header] = ...,
        *,
        progress: Progress = ...,
        stream: Literal[False] = ...,
        timeout: float | None = ...,
    ) -> Resource: ...

    @overload
    def fetch(
        self,
        method: str,
        host: str,
        path: str,
        content: bytes | Pieces = ...,
        headers: Iterable[Header] = ...,
        *,
        progress: Progress = ...,
        stream: Literal[True],
        timeout: float | None = ...,
    ) -> StreamedResource: ...

    def fetch(
        self,
        method: str,
        host: str,
        path: str,
        content: bytes | Pieces = b"",
        headers: Iterable[Header] = (),
        *,
        progress: Progress = None,
        stream: bool = False,
        timeout: float | None = None,
    ) -> Resource | StreamedResource:
        """Make a request that is not an XML-RPC call, to a REST application.

        The request authenticates as calls do: with the same sessions and connections, and by the same rules. If the
        request may run twice, ``idempotent`` has to list its HTTP method.

        Args:
            method: the HTTP method, in upper case.
            host: ``host`` or ``host:port``.
            path: the path, with a query if there is one.
            content: the body of the request: bytes or, for a large body, an object that has a length in bytes and
                yields its pieces each time it is iterated.
            headers: pairs (name, value) for this request. They replace the transport's own of the same name.
                ``Content-Type`` belongs here.
            progress: as for the transport, for this request; None: the transport's.
            stream: whether to return the body in pieces as they come, and not whole. All checks and limits are the
                same, and ``deadline`` includes the reading of the pieces. What fails after the first piece is not
                repeated.
            timeout: as for the transport, for this request, in seconds; None: the transport's.

        Returns:
            The reply, as a `Resource` or, with ``stream``, as a `StreamedResource`. A reply with an error status (400
            or higher, but not 401) is returned too, if it certainly comes from the server. If that is not certain, or
            if the reply is a 401 or a redirection, `UnexpectedStatus` or a subclass is raised. After 429, 502, 503 and
            504, the request is repeated first, if ``retries`` and ``idempotent`` allow it.

        Raises:
            TypeError, ValueError: an argument is wrong, or the pieces do not add up to the length or cannot be read.
            KerberosXMLRPCError: as from a call.

        Source: RFC 9110, sections 9 and 15.
        """
        host, path, headers = hidden(host), hidden(path), hidden(headers)
        checked("method", method, "a method of HTTP, like 'GET'", (str,), is_http_method)
        # The length of a collection counts its items, not their bytes.
        if not isinstance(content, bytes) and (isinstance(content, Collection) or not isinstance(content, Pieces)):
            accepted = "bytes, or an object that has a length in bytes and yields pieces"
            raise TypeError(f"content is of type {type(content).__name__}; accepted is {accepted}")
        call = self._call(host, path, content, False)
        self._last_url = host, call.handler
        reports = call.progress if progress is None else reports_of(progress)
        lines = tuple(checked_headers(headers))
        checked("stream", stream, "True or False", (bool,))
        call = call._replace(
            method=method,
            headers=lines,
            expects=Expects.RESOURCE,
            progress=reports,
            is_streamed=stream,
            timeout=checked_timeout(timeout),
        )
        answer: Resource | StreamedResource = Calling(call, self._client, self).made(self._authentication.make)
        return answer

    def send_request(
        self,
        host: Any,
        handler: str,
        request_body: Any,
        debug: bool,
        *,
        connection: Connection | None = None,
        authorization: str | None = None,
        cookies: str = "",
        method: str = "POST",
        headers: Iterable[Header] = (),
    ) -> Any:
        """Send one request, with the hooks ``get_host_info``, ``send_headers`` and ``send_content``.

        A subclass that overrides this method needs only the standard arguments. This method then finds the others.

        Args:
            host, handler, request_body, debug: as for the standard transport.
            connection: the connection to use; default: that of the call, or else a kept or new connection to the host.
            authorization: the value of the ``Authorization`` header; None: no such header.
            cookies: the value of the ``Cookie`` header; ``""``: no such header.
            method: ``POST`` for a call; ``GET`` for a login, which has no body.
            headers: headers for this request. They take precedence over those of the transport.

        Returns:
            The ``Connection`` that carried the request.
        """
        on: Any = connection
        details = sending.get() if on is None else None
        if details is not None:
            on, authorization, cookies, method, headers = details
        elif on is None:
            on = self._client.pool.acquire(host, functools.partial(new_connection, self))
            on.begin(debug)
            on.is_call = True
        of_hooks = merged(self._extra_headers, checked_host_info(host, self.get_host_info(host)))
        defaults: list[Any] = [
            ("Accept-Encoding", "gzip" if self.accept_gzip_encoding else "identity"),
            ("User-Agent", self.user_agent),
        ]
        if not on.kept:
            defaults.append(("Connection", "keep-alive"))  # Apache announces its timeout only if asked
        if on.is_call and method == "POST":
            defaults.append(("Content-Type", "text/xml"))
        lines = merged(headers, self._headers, of_hooks, defaults)
        if cookies:
            lines.append(("Cookie", cookies))
        if authorization is not None:
            lines.append(("Authorization", authorization))
        if on.debuglevel:
            print("send:", f"{method} {shown_path(handler)}, body of {len(request_body)} bytes")
            print_headers(lines)
        on.putrequest(method, handler, skip_accept_encoding=True)
        self.send_headers(on, lines)
        if request_body or method in _WITH_CONTENT:
            self.send_content(on, request_body)
        else:
            on.endheaders()
        return on

    def send_headers(self, connection: Any, headers: Iterable[tuple[Any, Any]]) -> None:
        """Add headers to the head of a request. Headers that a subclass has added before take precedence."""
        joined = ("authorization", "cookie")  # the connection does not replace these
        added = [pair for pair in headers if field_key(pair[0]) in joined or not connection.has_header(pair[0])]
        for name, value in added:
            connection.putheader(name, value)

    def send_content(self, connection: Any, request_body: Any) -> None:
        """Send the head and the body. Compress a call of more than ``encode_threshold`` bytes, and no other content."""
        threshold = self.encode_threshold
        if threshold is not None and connection.is_call and len(request_body) > threshold:
            connection.putheader("Content-Encoding", "gzip")
            request_body = gzip_encode(request_body)
        connection.putheader("Content-Length", str(len(request_body)))
        connection.endheaders(request_body)

    def parse_response(self, response: Any) -> Any:
        """Decode a reply. The reply has already been verified as far as ``mutual_authentication`` requires."""
        parser, unmarshaller = self.getparser()
        if isinstance(response, Response):
            response.needs_clean_end = not shows_its_end(parser)
        pieces = self._pieces(response)
        if getattr(response, "debuglevel", 0):
            pieces = shown(pieces)
        is_verified = getattr(response, "is_verified", False)
        return decode(pieces, parser, unmarshaller, header_of(response, "Content-Type"), is_verified)

    def read_resource(self, response: Response) -> Resource:
        """Return the reply to a request of `fetch`."""
        content_type = str(response.getheader("Content-Type", ""))
        return Resource(response.status, content_type, b"".join(self._pieces(response)), response.headers)

    def resource_pieces(self, response: Response) -> Iterator[bytes]:
        """Yield the decoded body of the reply to a request of `fetch`, in pieces."""
        return self._pieces(response)

    def _pieces(self, response: Any) -> Iterator[bytes]:
        # A subclass can pass on a stream that decodes the reply in its own `read`.
        read = response.read1 if isinstance(response, Response) else response.read
        return body(read, header_of(response, "Content-Encoding"), self._settings.max_response_bytes)

    def getparser(self) -> tuple[Any, Any]:
        """Return an XML parser that refuses constructs that XML-RPC never needs, and the unmarshaller that it feeds."""
        return make_parser(self._use_datetime, self._use_builtin_types)

    def make_authentication(self, login_path: str | None, preemptive: bool) -> Authentication:
        """Return the way in which calls authenticate. The constructor calls this method, and adapters can override it.

        Args:
            login_path, preemptive: as passed to the constructor.
        """
        return SessionOrTicket(preemptive) if login_path is None else LoginPage(login_path)

    def make_connection(self, host: Any) -> Any:
        """Return a new ``Connection`` to a server, not yet connected."""
        address = parse_address(host, self._default_port)
        return self._settings.new_connection(host, address, self._tls())

    def login(self, host: str | None = None) -> None:
        """Log in at ``login_path`` now.

        Use this method if the client learns by something other than a 401 that the session has ended. If several
        threads call this method at the same time, one thread logs in for all.

        Args:
            host: ``host`` or ``host:port``; default: the host of the last call.

        Raises:
            TypeError, ValueError: the transport has no ``login_path``, or ``host`` is not a host, or it is missing and
                there was no call yet.
            NoSession: the login set no cookie for the URL of the calls.
            KerberosXMLRPCError: as from a call. But ``retries`` does not apply: this method does not repeat a login.
        """
        page = self._authentication
        if not isinstance(page, LoginPage):
            raise ValueError("login() needs login_path=, and this transport was built without it")
        known = self._last_url is not None and host in (None, self._last_url[0])
        url = self._last_url if known else host and (host, page.path)
        if not url:
            raise ValueError("login() does not know the host before the first call: pass host=")
        calling = Calling(self._call(*url, b"", False), self._client, self)
        calling.made(functools.partial(page.log_in_now, has_url=bool(known)), NEVER)

    def note_offer(self, host: str, path: str) -> None:
        """Note that the server has offered Negotiate for a URL: another client has seen the offer.

        If the server then refuses a ticket for this URL, and does not offer Negotiate again, the error is
        `AuthenticationRejected`, not `NegotiateNotOffered`. The note has no other effect.

        Args:
            host: ``host`` or ``host:port``.
            path: the path, with a query if there is one.

        Raises:
            TypeError, ValueError: an argument is wrong.
        """
        host, path = hidden(host), hidden(path)
        self._client.memory.note_offer(self._call(host, path, b"", False).url)

    def close(self) -> None:
        """Close the kept connections, and save the cookies if they have a file. The transport can still be used.

        Any thread may call this method. If another thread is making a call, that call goes on, and its connection is
        closed when the call ends. Later calls open new connections.

        Raises:
            OSError: the cookies cannot be saved.
        """
        self._client.pool.close()
        self._client.memory.cookies.save()

    @property
    def authenticated_as(self) -> str | None:
        """The client principal that the last verified exchange authenticated (`str`), or None.

        The argument ``principal`` chooses the ticket to use. This attribute is the principal that the server accepted.
        """
        return self._client.memory.authenticated_as

    @property
    def proved_service(self) -> str | None:
        """The principal of the service that last proved its identity (`str`, ``"HTTP/host@REALM"``), or None."""
        return self._client.memory.proved_service

    @property
    def principal(self) -> str | None:
        """The former name of `authenticated_as`. Use the new name: the argument ``principal`` means something else."""
        return self.authenticated_as

    @property
    def cookiejar(self) -> CookieJar:
        """The cookie jar, either the caller's or the transport's own."""
        return self._client.memory.cookies.jar

    def __reduce__(self) -> Any:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied, because it has connections, sessions and tickets: "
            "threads and forked processes can share it; for another process, build a transport there"
        )

    def __repr__(self) -> str:
        if "_client" not in vars(self):  # an argument is wrong, and an error reporter shows this very object
            return f"<{type(self).__name__}, not built>"
        return (
            f"<{type(self).__name__} service={self._settings.service or 'HTTP@ and the host of the URL'} "
            f"mutual_authentication={self._settings.mode.value} connections={len(self._client.pool)}>"
        )

    def _tls(self) -> ssl.SSLContext | None:
        """Return the TLS context, or None for plain HTTP."""
        raise NotImplementedError

    # -- a call -------------------------------------------------------------------------------------------------------

    def _call(self, netloc: object, handler: object, content: Any, verbose: bool) -> Call:
        if not isinstance(netloc, str):
            accepted = "'host' or 'host:port'; client certificates go into context="
            raise TypeError(f"host is of type {type_name(netloc)}; accepted is {accepted}")
        host = parse_address(netloc, self._default_port).host
        handler = checked_target(handler)
        settings = self._settings
        service = settings.service or f"HTTP@{host}"
        return Call(
            netloc,
            handler,
            content,
            host,
            service,
            Allowance(),
            settings.principal,
            verbose,
            deadline=settings.new_deadline(),
            progress=settings.reports,
            is_tls=self._scheme == "https",
        )


@with_arguments
class KerberosTransport(_NegotiateTransport, SafeTransport):
    """An XML-RPC transport over HTTPS with Kerberos and mutual authentication.

    A call carries a ticket (``Authorization: Negotiate``). The transport verifies the token of the server's reply
    before it parses the reply. If a verified reply sets cookies for the URL, the next calls use that session, without a
    ticket. When the session has ended, the transport renews it with a ticket, and the caller does not notice. Any
    number of threads can share one transport. Its method `fetch` makes requests that are not XML-RPC calls. Use the
    transport in place of `xmlrpc.client.SafeTransport`::

        hub = ServerProxy("https://hub.example.com/xmlrpc", transport=KerberosTransport())

    Args:
        {arguments}

    Raises:
        TypeError, ValueError: an argument is wrong, or the cookie file is damaged. From a call: the URL is wrong (it
            has credentials, or no host), or ``https_proxy`` is wrong, or a cookie or a header has characters that HTTP
            does not allow.
        ImportError: an argument needs a library that is not installed.
        OSError: the cookie file cannot be read or, from `close`, written.
        xmlrpc.client.Fault: from a call: the method failed on the server.
        KerberosXMLRPCError: from a call: one of the errors of `krbxmlrpc`. Its class and ``hint`` say how to go on.

    Source: the XML-RPC specification; RFC 4559 (Negotiate), RFC 4178 (SPNEGO), RFC 4120 (Kerberos), RFC 9110 and
    RFC 9112 (HTTP), RFC 6265 (cookies); RFC 6125 (the name in the certificate); RFC 5929 (channel bindings); RFC 7617
    (Basic).
    """

    _scheme = "https"
    _default_port = 443

    def _tls(self) -> ssl.SSLContext | None:
        if self.context is None:
            self.context = self._settings.tls_context()
        return self.context


class InsecureKerberosTransport(_NegotiateTransport):
    """`KerberosTransport` over plain HTTP, for loopback and lab use.

    Without TLS, anybody on the network path can read and change calls and replies. They can also hold back a ticket and
    send it with their own call. The exchange authenticates both sides, but does not protect the messages.
    ``ServerProxy`` does not tell a transport the scheme of the URL, so this transport uses plain HTTP even if the URL
    says https.

    The arguments, errors and sources are those of `KerberosTransport`, but ``context`` and ``cafile`` are not accepted.
    The environment names no proxy for this transport: ``"environment"`` is the same as ``"direct"``. If ``proxy`` names
    a proxy, the transport uses a tunnel too, and the proxy can read all traffic in the tunnel.
    """

    _scheme = "http"
    _default_port = 80

    def _tls(self) -> ssl.SSLContext | None:
        return None
