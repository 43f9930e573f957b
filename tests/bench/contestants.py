"""The contestants: how each of them makes a call, as its users have it do that.

A client is a function that is given a method's name and its arguments, as ``client("whoami")``. The peers are imported
only when a client of theirs is made: without them the others can still be measured.
"""

import functools
import os
import ssl
from typing import Any, Callable, NamedTuple
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, Request, build_opener
from xmlrpc.client import SafeTransport, ServerProxy, dumps, loads

import kerberos
from servers import apache, kdc

from krbxmlrpc import KerberosTicket, KerberosTransport

Client = Callable[..., Any]

# Names of other CAs in the environment would override the hub's, and proxies have no part in this.
_DROPPED = {"requests_ca_bundle", "curl_ca_bundle", "http_proxy", "https_proxy", "all_proxy"}

_OIDS = {"spnego": kerberos.GSS_MECH_OID_SPNEGO, "krb5": kerberos.GSS_MECH_OID_KRB5}


class Contestant(NamedTuple):
    """One of those that are measured."""

    title: str
    path: str
    """Which of the hub's paths it calls: /open without authentication, /xmlrpc with tickets, /session with cookies."""
    make: Callable[[str, str], Client]
    """Makes a client of a URL and of the file with the hub's CA."""
    shared: bool = False
    """Whether many threads may share a client; where not, each has its own."""
    peer: str = ""
    """The distribution that it measures, beyond what the tests need."""

    @property
    def kind(self) -> str:
        """One's own, a peer, or a limit of what is possible."""
        return "own" if self.shared else "peer" if self.peer else "limit"


def client_environment(hub: apache.Apache, realm: Any) -> dict[str, str]:
    """Return what the workers have in their environment.

    kobo's transport and tcms-api's take no TLS context; they read the machine's CAs, anew for each connection. Here
    that is one certificate instead of a hundred or two, so they are seen at their best.
    """
    environment = {name: value for name, value in os.environ.items() if name.lower() not in _DROPPED}
    environment.update(kdc.client_environment(realm), HUB_URL=hub.url(""), HUB_CA=hub.cafile)
    environment.update(SSL_CERT_FILE=hub.cafile, SSL_CERT_DIR=os.devnull, PYTHONDONTWRITEBYTECODE="1")
    return environment


def proxy(url: str, transport: Any) -> Client:
    """Return a client by way of a standard proxy and this transport."""
    server = ServerProxy(url, transport=transport)
    return lambda method, *values: server(method)() if method == "close" else getattr(server, method)(*values)


def _krbxmlrpc(**options: Any) -> Callable[[str, str], Client]:
    return lambda url, ca: proxy(url, KerberosTransport(context=_context(ca), **options))


# -- the limits of what is possible -----------------------------------------------------------------------------------


class ThinTransport(SafeTransport):
    """The least that a ticket a call takes: a new exchange for each request, and its one step on the server's token."""

    def __init__(self, mechanism: str, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._oid = _OIDS[mechanism]

    def send_headers(self, connection: Any, headers: Any) -> None:
        _, self._exchange = kerberos.authGSSClientInit(
            f"HTTP@{connection.host}", gssflags=kerberos.GSS_C_MUTUAL_FLAG, mech_oid=self._oid
        )
        kerberos.authGSSClientStep(self._exchange, "")
        headers.append(("Authorization", f"Negotiate {kerberos.authGSSClientResponse(self._exchange)}"))
        super().send_headers(connection, headers)

    def parse_response(self, response: Any) -> Any:
        kerberos.authGSSClientStep(self._exchange, response.getheader("WWW-Authenticate").partition(" ")[2])
        return super().parse_response(response)


def _thin(mechanism: str) -> Callable[[str, str], Client]:
    return lambda url, ca: proxy(url, ThinTransport(mechanism, _context(ca)))


def _open(url: str, ca: str) -> Client:
    return proxy(url, SafeTransport(context=_context(ca)))


def _cookie(url: str, ca: str) -> Client:
    return proxy(url, SafeTransport(context=_context(ca), headers=[("Cookie", _session(url.partition("?")[0], ca))]))


@functools.cache
def _session(url: str, ca: str) -> str:
    """Return the cookie of a session that one verified exchange has made."""
    ticket = KerberosTicket(f"HTTP@{urlsplit(url).hostname}")
    call = Request(url, dumps((), "whoami").encode(), {"Authorization": ticket.auth_header})
    with build_opener(HTTPSHandler(context=_context(ca))).open(call) as reply:
        ticket.verify_response(reply.headers.get_all("WWW-Authenticate"))
        return str(reply.headers["Set-Cookie"]).partition(";")[0]


@functools.cache
def _context(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)


# -- the peers --------------------------------------------------------------------------------------------------------


def _kobo(url: str, ca: str) -> Client:
    from kobo.xmlrpc import SafeCookieTransport

    class OnAnyPort(SafeCookieTransport):
        def _kerberos_client_request(self, host: str, *facts: Any) -> Any:
            """Ask for a ticket without the port in the service's name: it only ever meets 443, which is not there."""
            return super()._kerberos_client_request(host.partition(":")[0], *facts)

    return proxy(url, OnAnyPort())


def _tcms(url: str, ca: str) -> Client:
    from tcms_api.xmlrpc import KerbTransport, TCMSProxy

    server = TCMSProxy(url, transport=KerbTransport(), allow_none=1)
    # Each of its connections serves one call, so there is nothing to close.
    return lambda method, *values: None if method == "close" else getattr(server, method)(*values)


def _freeipa(url: str, ca: str) -> Client:
    from ipalib import api, constants, rpc
    from ipalib.request import context
    from ipalib.util import create_https_connection

    if "tls_version_min" not in api.env:  # else its configuration says so
        api.env.tls_version_min = constants.TLS_VERSION_DEFAULT_MIN
        api.env.tls_version_max = constants.TLS_VERSION_DEFAULT_MAX

    class OnAnyPort(rpc.KerbTransport):
        def make_connection(self, host: str) -> Any:
            """Connect to the port of the URL: it only ever meets 443, which is not there."""
            name, _, port = host.partition(":")
            rpc.create_https_connection = lambda host, _, ca, **options: create_https_connection(
                name, int(port), ca, **options
            )
            context.ca_certfile = ca  # of each thread
            return super().make_connection(host)

    return proxy(url, OnAnyPort())


def _requests_gssapi(**options: Any) -> Callable[[str, str], Client]:
    def make(url: str, ca: str) -> Client:
        import gssapi
        from requests_gssapi import REQUIRED, HTTPSPNEGOAuth

        mech = gssapi.MechType.kerberos if options.get("mechanism") == "krb5" else None
        opportunistic = options.get("opportunistic", False)
        return _by_requests(url, ca, HTTPSPNEGOAuth(REQUIRED, opportunistic_auth=opportunistic, mech=mech))

    return make


def _requests_kerberos(url: str, ca: str) -> Client:
    from requests_kerberos import REQUIRED, HTTPKerberosAuth

    return _by_requests(url, ca, HTTPKerberosAuth(REQUIRED))


def _by_requests(url: str, ca: str, auth: Any) -> Client:
    """Return the XML-RPC client that people write around a session of requests."""
    import requests

    session = requests.Session()
    session.auth = auth
    session.verify = ca
    session.headers["Content-Type"] = "text/xml"

    def client(method: str, *values: Any) -> Any:
        if method == "close":
            return session.close()
        reply = session.post(url, data=dumps(values, method).encode())
        reply.raise_for_status()
        return loads(reply.content)[0][0]

    return client


CONTESTANTS: dict[str, Contestant] = {
    "session": Contestant("krbxmlrpc, session", "/session", _krbxmlrpc(), shared=True),
    "spnego": Contestant("krbxmlrpc, a ticket a call", "/xmlrpc", _krbxmlrpc(), shared=True),
    "krb5": Contestant("krbxmlrpc, a ticket a call, krb5", "/xmlrpc", _krbxmlrpc(mechanism="krb5"), shared=True),
    "open": Contestant("SafeTransport, no authentication", "/open", _open),
    "cookie": Contestant("SafeTransport, cookie set by hand", "/session", _cookie),
    "thin spnego": Contestant("thinnest preemptive", "/xmlrpc", _thin("spnego")),
    "thin krb5": Contestant("thinnest preemptive, krb5", "/xmlrpc", _thin("krb5")),
    "kobo session": Contestant("kobo", "/session", _kobo, peer="kobo"),
    "kobo": Contestant("kobo", "/xmlrpc", _kobo, peer="kobo"),
    "tcms-api": Contestant("tcms-api", "/xmlrpc", _tcms, peer="tcms-api"),
    "freeipa": Contestant("FreeIPA's KerbTransport", "/xmlrpc", _freeipa, peer="ipalib"),
    "requests-gssapi session": Contestant("requests-gssapi", "/session", _requests_gssapi(), peer="requests-gssapi"),
    "requests-gssapi": Contestant("requests-gssapi", "/xmlrpc", _requests_gssapi(), peer="requests-gssapi"),
    "requests-gssapi opportunistic": Contestant(
        "requests-gssapi, opportunistic", "/xmlrpc", _requests_gssapi(opportunistic=True), peer="requests-gssapi"
    ),
    "requests-gssapi opportunistic krb5": Contestant(
        "requests-gssapi, opportunistic, krb5",
        "/xmlrpc",
        _requests_gssapi(opportunistic=True, mechanism="krb5"),
        peer="requests-gssapi",
    ),
    "requests-kerberos": Contestant("requests-kerberos", "/xmlrpc", _requests_kerberos, peer="requests-kerberos"),
}
