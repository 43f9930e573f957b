"""The transports: their arguments, the hooks of `xmlrpc.client.Transport`, `fetch`, `login` and `close`.

A call leaves this module for `_negotiate.call`, and comes back to it by the hooks that subclasses may override.
"""

from __future__ import annotations

import functools
import ssl
from http.cookiejar import CookieJar
from typing import (
    Any,
    Collection,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)
from xmlrpc.client import SafeTransport, Transport

from ._checks import checked
from ._http.address import parse_address
from ._http.connection import Connection, Pieces
from ._http.pool import Pool
from ._http.response import Response
from ._http.verbose import print_headers, shown
from ._negotiate.call import Authentication, Calling, Client, LoginPage, SessionOrTicket
from ._negotiate.cookies import CookieStore
from ._negotiate.exchange import Memory
from ._negotiate.policy import Allowance, Call, Expects, MutualAuthentication
from ._negotiate.proxy import ENVIRONMENT
from ._negotiate.retries import NEVER, Idempotent
from ._negotiate.wire import TicketSource
from ._settings import (
    PATH,
    ChannelBindings,
    Header,
    Mechanism,
    Mode,
    Settings,
    checked_headers,
    is_http_method,
    tls_context,
    with_arguments,
)
from ._version import __version__
from ._xmlrpc.decoding import body, decode, make_parser

_WITH_CONTENT = ("POST", "PUT", "PATCH")
"""Methods whose requests say how long their body is, also where it is empty (RFC 9110, section 8.6)."""


class Resource(NamedTuple):
    """What an application that is no XML-RPC hub has answered; see `KerberosTransport.fetch`."""

    status: int
    """The HTTP status."""
    content_type: str
    """What it says that the body is; ``""`` where it does not say."""
    content: bytes
    """The body, its ``Content-Encoding`` undone."""


class _NegotiateTransport(Transport):
    """What both transports share; `KerberosTransport` describes it."""

    _scheme: str
    _default_port: int
    argument_names: Mapping[str, str] = {}
    user_agent = f"krbxmlrpc/{__version__}"
    verbose = False  # for a `parse_response` like the standard one; here it goes along with each call

    def __init__(
        self,
        *,
        service: Optional[str] = None,
        principal: Optional[str] = None,
        ccache: Optional[str] = None,
        keytab: Optional[str] = None,
        mutual_authentication: Mode = MutualAuthentication.REQUIRED,
        preemptive: bool = True,
        delegate: bool = False,
        mechanism: Mechanism = "spnego",
        channel_bindings: ChannelBindings = None,
        login_path: Optional[str] = None,
        cookiejar: Optional[CookieJar] = None,
        timeout: Optional[float] = 300.0,
        proxy: Optional[str] = ENVIRONMENT,
        retries: int = 0,
        retry_interval: float = 1.0,
        idempotent: Idempotent = (),
        max_response_bytes: int = 256 * 1024 * 1024,
        use_datetime: bool = False,
        use_builtin_types: bool = False,
        headers: Iterable[Header] = (),
        context: Optional[ssl.SSLContext] = None,
    ) -> None:
        arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        settings = Settings(self._scheme, arguments)
        lines: Any = settings.headers  # values may be numbers, too
        super().__init__(use_datetime=use_datetime, use_builtin_types=use_builtin_types, headers=lines)
        self._settings = settings
        self.context = settings.context
        self._client = Client(
            scheme=self._scheme,
            mode=settings.mode,
            retries=settings.new_retries(),
            pool=Pool(),
            # Made without the transport: what a connection refers to must not keep that alive.
            tickets=TicketSource(settings.ticket_for_servers(), bound=settings.channel_bindings is not None),
            memory=Memory(CookieStore(settings.cookiejar)),
        )
        self._authentication = self.make_authentication(settings.login_path, settings.preemptive)
        self._last_url: Optional[Tuple[str, str]] = None

    # -- what the standard transport does, done otherwise -------------------------------------------------------------

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call. Unlike the standard transport's, it repeats none that may have run, unless it was told to.

        Args:
            host: ``host`` or ``host:port``.
            handler: the path, with a query if there is one.
            request_body: the encoded call.
            verbose: whether to print what is sent and received, secrets left out, to standard output.

        Raises:
            xmlrpc.client.Fault: the method failed on the server.
            TypeError, ValueError: the URL cannot be called, see `KerberosTransport`.
            KerberosXMLRPCError: one of the errors of `krbxmlrpc`; its class and ``hint`` say what to do.
        """
        return self.single_request(host, handler, request_body, verbose)

    def single_request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call, as `KerberosTransport` describes it; arguments as for `request`."""
        call = self._call(host, handler, request_body, bool(verbose))
        self._last_url = host, handler
        return Calling(call, self._client, self).made(self._authentication.make)

    def fetch(
        self, method: str, host: str, path: str, content: Union[bytes, Pieces] = b"", headers: Iterable[Header] = ()
    ) -> Resource:
        """Make a request that is no XML-RPC call, to an application that speaks by methods and statuses (REST).

        It authenticates as calls do, with the same sessions and connections, by the same rules. It is not a call, so
        ``idempotent`` is asked for the HTTP method.

        Args:
            method: of HTTP, in upper case.
            host: ``host`` or ``host:port``.
            path: with a query if there is one.
            content: the body of the request; a large one may be an object that has a length, in bytes, and gives its
                pieces whenever it is iterated.
            headers: of this request, beside the transport's own: pairs (name, value), ``Content-Type`` among them.

        Returns:
            The answer. One that reports an error (a status from 400 on) is an answer like others where it is certain
            that it is the server's; where it is not, and where the answer is a redirection, it is `UnexpectedStatus`.

        Raises:
            TypeError, ValueError: an argument is wrong; pieces are more or less than their length, or cannot be read.
            KerberosXMLRPCError: as from a call.

        Source: RFC 9110, sections 9 and 15.
        """
        checked("method", method, "a method of HTTP, like 'GET'", (str,), is_http_method)
        # The length of a collection is not that of what is in it.
        if not isinstance(content, bytes) and (isinstance(content, Collection) or not isinstance(content, Pieces)):
            raise TypeError(f"content is of type {type(content).__name__}; accepted is bytes, or an object of pieces")
        call = self._call(host, path, content, False)
        self._last_url = host, path
        call = call._replace(method=method, headers=tuple(checked_headers(headers)), expects=Expects.RESOURCE)
        answer: Resource = Calling(call, self._client, self).made(self._authentication.make)
        return answer

    def send_request(
        self,
        host: Any,
        handler: str,
        request_body: Any,
        debug: bool,
        *,
        connection: Optional[Connection] = None,
        authorization: Optional[str] = None,
        cookies: str = "",
        method: str = "POST",
        headers: Iterable[Header] = (("Content-Type", "text/xml"),),
    ) -> Any:
        """Send one request, by way of the hooks ``send_headers`` and ``send_content``.

        A subclass that overrides this has to take the last five arguments too, and to pass them on.

        Args:
            host, handler, request_body, debug: as the standard transport has them.
            connection: where to send it; default: a kept or a new connection to the host.
            authorization: the value of the ``Authorization`` header, if there is to be one.
            cookies: the value of the ``Cookie`` header, if there is to be one.
            method: ``POST`` for a call; ``GET`` for a login, which has no body.
            headers: what is said of the body, and of what is accepted.

        Returns:
            The ``Connection`` that it was sent on.
        """
        on: Any = connection
        if on is None:
            on = self._client.pool.acquire(host, self.make_connection)
            on.begin(debug)
        lines: List[Any] = self._headers + self._extra_headers
        on.putrequest(method, handler, skip_accept_encoding=bool(self.accept_gzip_encoding))
        if not on.kept:
            lines.append(("Connection", "keep-alive"))  # Apache says for how long only to those who ask
        if self.accept_gzip_encoding:
            lines.append(("Accept-Encoding", "gzip"))
        lines.extend(headers)
        lines.append(("User-Agent", self.user_agent))
        if cookies:
            lines.append(("Cookie", cookies))
        if authorization is not None:
            lines.append(("Authorization", authorization))
        if debug:
            print("send:", f"{method} {handler.partition('?')[0]}, body of {len(request_body)} bytes")
            print_headers(lines)
        self.send_headers(on, lines)
        if request_body or method in _WITH_CONTENT:
            self.send_content(on, request_body)
        else:
            on.endheaders()
        return on

    def parse_response(self, response: Any) -> Any:
        """Decode a reply, which has been verified as far as the mode asks for it."""
        pieces = self._pieces(response)
        parser, unmarshaller = self.getparser()
        if getattr(response, "debuglevel", 0):
            pieces = shown(pieces)
        return decode(pieces, parser, unmarshaller, response.getheader("Content-Type", ""))

    def read_resource(self, response: Response) -> Resource:
        """Return the answer to `fetch`."""
        content_type = response.getheader("Content-Type", "")
        return Resource(response.status, content_type, b"".join(self._pieces(response)))

    def _pieces(self, response: Any) -> Iterator[bytes]:
        return body(response.read, response.getheader("Content-Encoding", ""), self._settings.max_response_bytes)

    def getparser(self) -> Tuple[Any, Any]:
        """Return an XML parser that refuses what XML-RPC never needs, and the unmarshaller that it feeds."""
        return make_parser(self._use_datetime, self._use_builtin_types)

    def make_authentication(self, login_path: Optional[str], preemptive: bool) -> Authentication:
        """Return the way in which calls authenticate; the constructor asks for it. An adapter overrides this.

        Args:
            login_path, preemptive: as the constructor was given them.
        """
        return SessionOrTicket(preemptive) if login_path is None else LoginPage(login_path)

    def make_connection(self, host: Any) -> Any:
        """Return a new ``Connection`` to a server, not yet connected."""
        address = parse_address(host, self._default_port)
        return self._settings.proxies.connection(host, address, self._settings.timeout, self._tls())

    def login(self, host: Optional[str] = None) -> None:
        """Log in at ``login_path`` now: for clients that learn in another way than by 401 that the session has ended.

        Where several threads call this at a time, one of them logs in for all.

        Args:
            host: ``host`` or ``host:port``; default: that of the last call.

        Raises:
            TypeError, ValueError: the transport has no ``login_path``, no host is given and none is known yet, or it is
                not a host.
            NoSession: the login set no cookie that goes with the calls.
            KerberosXMLRPCError: as from a call. ``retries`` is for calls: this is not repeated.
        """
        page = self._authentication
        if not isinstance(page, LoginPage):
            raise ValueError("login() logs in at login_path=, and this transport was built without")
        known = self._last_url is not None and host in (None, self._last_url[0])
        url = self._last_url if known else host and (host, page.path)
        if not url:
            raise ValueError("login() does not know where before the first call: pass host=")
        calling = Calling(self._call(*url, b"", False), self._client, self)
        calling.made(functools.partial(page.log_in_now, has_url=bool(known)), NEVER)

    def close(self) -> None:
        """Close the kept connections, and save the cookies if they have a file. The transport can still be used.

        It may be called from any thread. A call that another thread makes meanwhile goes on, and its connection is
        closed at its end; later calls open new ones.

        Raises:
            OSError: the cookies cannot be saved.
        """
        self._client.pool.close()
        self._client.memory.cookies.save()

    @property
    def authenticated_as(self) -> Optional[str]:
        """The client principal that the last verified exchange authenticated (`str`), or None.

        The argument ``principal`` tells whose ticket to use; this tells whom the server let in.
        """
        return self._client.memory.authenticated_as

    @property
    def principal(self) -> Optional[str]:
        """The former name of `authenticated_as`. Use that: the constructor has a ``principal`` that means another."""
        return self.authenticated_as

    @property
    def cookiejar(self) -> CookieJar:
        """The jar with the cookies, the caller's own or the transport's."""
        return self._client.memory.cookies.jar

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} service={self._settings.service or 'HTTP@ and the host of the URL'} "
            f"mutual_authentication={self._settings.mode.value} connections={len(self._client.pool)}>"
        )

    def _tls(self) -> Optional[ssl.SSLContext]:
        """Return what TLS is set up with; None where there is none."""
        raise NotImplementedError

    # -- a call -------------------------------------------------------------------------------------------------------

    def _call(self, netloc: object, handler: object, content: Any, verbose: bool) -> Call:
        if not isinstance(netloc, str):
            accepted = "'host' or 'host:port'; client certificates go into context="
            raise TypeError(f"host is of type {type(netloc).__name__}; accepted is {accepted}")
        host = parse_address(netloc, self._default_port).host
        if not isinstance(handler, str) or not PATH.fullmatch(handler):
            raise ValueError("the path of the URL has to start with / and be printable ASCII: percent-encode the rest")
        service = self._settings.service or f"HTTP@{host}"
        return Call(netloc, handler, content, host, service, Allowance(), self._settings.principal, verbose)


@with_arguments
class KerberosTransport(_NegotiateTransport, SafeTransport):
    """An XML-RPC transport over HTTPS that authenticates with Kerberos, both ways.

    A call carries a ticket (``Authorization: Negotiate``), and the server's answering token is verified before the
    reply is parsed. Where a verified reply set cookies for the URL, the next calls ride on that session, without a
    ticket; one that has ended is renewed with a ticket, and the caller does not notice. One transport serves any number
    of threads, and its `fetch` makes other requests than calls. It works wherever `xmlrpc.client.SafeTransport` does::

        hub = ServerProxy("https://hub.example.com/xmlrpc", transport=KerberosTransport())

    Args:
        {arguments}

    Raises:
        TypeError, ValueError: an argument is wrong (a damaged file of cookies, too), or (from a call)
            the URL is: it has credentials, or no host; or ``https_proxy`` is; or a cookie or a header has what HTTP
            does not allow.
        ImportError: an argument needs a library that is not there.
        OSError: the file of the jar cannot be read, or (from `close`) written.
        xmlrpc.client.Fault: from a call, the method failed on the server.
        KerberosXMLRPCError: from a call, one of the errors of `krbxmlrpc`; its class and ``hint`` say what to do.

    Source: the XML-RPC specification; RFC 4559 (Negotiate), RFC 4178 (SPNEGO), RFC 4120 (Kerberos), RFC 9110 and
    RFC 9112 (HTTP), RFC 6265 (cookies); RFC 6125 (the name in the certificate); RFC 5929 (channel bindings); RFC 7617
    (Basic).
    """

    _scheme = "https"
    _default_port = 443

    def _tls(self) -> Optional[ssl.SSLContext]:
        if self.context is None:
            self.context = tls_context()
        return self.context


class InsecureKerberosTransport(_NegotiateTransport):
    """`KerberosTransport` over plain HTTP, for loopback and lab use.

    Without TLS anybody on the way can read and change a call and its reply, and keep back a ticket to send it with a
    call of his own: the exchange authenticates both sides, and does not protect the messages. ``ServerProxy`` does
    not tell a transport the scheme of its URL, so this is plain HTTP also where the URL says https.

    Arguments, errors and sources as for `KerberosTransport`, but no ``context``. The environment names no proxy for
    it: ``"environment"`` is the same as ``"direct"``; through one that ``proxy`` names there is a tunnel, too, and the
    proxy can read all of it.
    """

    _scheme = "http"
    _default_port = 80

    def _tls(self) -> Optional[ssl.SSLContext]:
        return None
