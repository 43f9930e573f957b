"""The contestants: krbxmlrpc, the limits of what is possible, and the peers, each with its configuration."""

from typing import Any, NamedTuple

from krbxmlrpc import KerberosTransport

from . import limits, peers
from .clients import Client, Make, proxy, tls_context

__all__ = ["CONTESTANTS", "Client", "Contestant"]


class Contestant(NamedTuple):
    """One of those that are measured."""

    title: str
    path: str
    """The path on the hub. /open: no authentication. /xmlrpc: a ticket for each call. /session: a cookie of Apache's,
    begun by a ticket. /member: a cookie of the application's, begun at a login page."""
    make: Make
    configuration: str
    """The configuration, for the report."""
    shared: bool = False
    """Whether many threads may share a client. If not, each thread has its own."""
    peer: str = ""
    """The distribution that it measures, if the tests do not need it."""
    without: str = ""
    """The package that its process cannot import."""

    @property
    def kind(self) -> str:
        """``own``, ``peer``, or ``limit`` for a limit of what is possible."""
        return "own" if self.shared else "peer" if self.peer else "limit"


def _own(title: str, path: str, configuration: str, without: str = "", **options: Any) -> Contestant:
    def make(url: str, ca: str) -> Client:
        return proxy(url, KerberosTransport(context=tls_context(ca), **options))

    return Contestant(f"krbxmlrpc, {title}", path, make, configuration, shared=True, without=without)


def _by_requests(title: str, path: str, configuration: str, **options: Any) -> Contestant:
    make = peers.requests_gssapi(**options)
    configuration = f"a requests.Session for all calls, mutual authentication REQUIRED{configuration}"
    return Contestant(title, path, make, configuration, peer="requests-gssapi")


_ASKS_FIRST = "asks without a ticket, and repeats the request with one"

CONTESTANTS: dict[str, Contestant] = {
    "session": _own("session", "/session", "KerberosTransport() with python-gssapi installed"),
    "login page": _own("login page", "/member", "KerberosTransport(login_path='/login')", login_path="/login"),
    "spnego": _own("a ticket a call", "/xmlrpc", "KerberosTransport() with python-gssapi installed"),
    "krb5": _own(
        "a ticket a call, krb5",
        "/xmlrpc",
        "KerberosTransport(mechanism='krb5') with python-gssapi installed",
        mechanism="krb5",
    ),
    "spnego pykerberos": _own(
        "a ticket a call, pykerberos alone", "/xmlrpc", "KerberosTransport() without python-gssapi", without="gssapi"
    ),
    "open": Contestant(
        "SafeTransport, no authentication",
        "/open",
        limits.without_authentication,
        "xmlrpc.client.SafeTransport with one TLS context",
    ),
    "cookie": Contestant(
        "SafeTransport, cookie set by hand",
        "/session",
        limits.with_cookie,
        "xmlrpc.client.SafeTransport with one TLS context and a Cookie header",
    ),
    "thin spnego": Contestant(
        "thinnest preemptive",
        "/xmlrpc",
        limits.thin("spnego"),
        "SafeTransport with pykerberos: a new SPNEGO exchange in send_headers, its check in parse_response",
    ),
    "thin krb5": Contestant(
        "thinnest preemptive, krb5",
        "/xmlrpc",
        limits.thin("krb5"),
        "SafeTransport with pykerberos: a new krb5 exchange in send_headers, its check in parse_response",
    ),
    "kobo login": Contestant(
        "kobo, login page",
        "/member",
        peers.kobo_login,
        "as kobo.client.HubProxy does it: a login by requests-gssapi, then kobo's retrying SafeCookieTransport",
        peer="kobo",
    ),
    "kobo session": Contestant(
        "kobo", "/session", peers.kobo, "kobo.xmlrpc.SafeCookieTransport; one CA certificate to read", peer="kobo"
    ),
    "kobo": Contestant(
        "kobo",
        "/xmlrpc",
        peers.kobo,
        f"kobo.xmlrpc.SafeCookieTransport: {_ASKS_FIRST}; one CA certificate to read",
        peer="kobo",
    ),
    "tcms-api": Contestant(
        "tcms-api",
        "/xmlrpc",
        peers.tcms,
        "TCMSProxy with its KerbTransport: a ticket and a new connection for each call; one CA certificate to read",
        peer="tcms-api",
    ),
    "freeipa": Contestant(
        "FreeIPA's KerbTransport",
        "/xmlrpc",
        peers.freeipa,
        "ipalib.rpc.KerbTransport, preemptive, with python-gssapi: a krb5 ticket for each call",
        peer="ipalib",
    ),
    "requests-gssapi session": _by_requests("requests-gssapi", "/session", ""),
    "requests-gssapi": _by_requests("requests-gssapi", "/xmlrpc", f": {_ASKS_FIRST}"),
    "requests-gssapi opportunistic": _by_requests(
        "requests-gssapi, opportunistic", "/xmlrpc", ", opportunistic_auth=True", opportunistic=True
    ),
    "requests-gssapi opportunistic krb5": _by_requests(
        "requests-gssapi, opportunistic, krb5",
        "/xmlrpc",
        ", opportunistic_auth=True, mech=krb5",
        opportunistic=True,
        mechanism="krb5",
    ),
    "requests-kerberos": Contestant(
        "requests-kerberos",
        "/xmlrpc",
        peers.requests_kerberos,
        f"a requests.Session for all calls, mutual authentication REQUIRED: {_ASKS_FIRST}",
        peer="requests-kerberos",
    ),
}
