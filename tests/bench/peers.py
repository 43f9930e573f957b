"""The peers: other transports, configured as their users configure them.

Each function makes a client, and imports its peer only then. The other contestants can be measured without the peer.
"""

from typing import Any
from urllib.parse import urljoin, urlsplit
from xmlrpc.client import dumps, loads

from .clients import Client, Make, proxy


def kobo(url: str, ca: str) -> Client:
    """Return a client with kobo's transport, which gets a ticket for each 401."""
    from kobo.xmlrpc import SafeCookieTransport

    class OnAnyPort(SafeCookieTransport):
        def _kerberos_client_request(self, host: str, *facts: Any) -> Any:
            """Get a ticket without the port in the service's name. The original only works with port 443."""
            return super()._kerberos_client_request(host.partition(":")[0], *facts)

    return proxy(url, OnAnyPort())


def kobo_login(url: str, ca: str) -> Client:
    """Return a client like that of kobo's ``HubProxy`` (AUTH_METHOD gssapi): log in at a page, then call by cookie."""
    from gssapi import Name, NameType
    from kobo.xmlrpc import SafeCookieTransport, retry_request_decorator
    from requests import Session
    from requests_gssapi import OPTIONAL, HTTPSPNEGOAuth

    transport = retry_request_decorator(SafeCookieTransport)()
    service = Name(f"HTTP@{urlsplit(url).hostname}", NameType.hostbased_service)
    with Session() as session:
        session.cookies = transport.cookiejar
        # kobo sends cookies for the path "/" only.
        page, auth = urljoin(url, "/login?path=/"), HTTPSPNEGOAuth(OPTIONAL, target_name=service)
        session.get(page, auth=auth, allow_redirects=False, verify=ca).raise_for_status()
    return proxy(url, transport)


def tcms(url: str, ca: str) -> Client:
    """Return the client of Kiwi TCMS."""
    from tcms_api.xmlrpc import KerbTransport, TCMSProxy

    server = TCMSProxy(url, transport=KerbTransport(), allow_none=1)
    # Each of its connections serves one call, so there is nothing to close.
    return lambda method, *values: None if method == "close" else getattr(server, method)(*values)


def freeipa(url: str, ca: str) -> Client:
    """Return a client with FreeIPA's transport."""
    from ipalib import api, constants, rpc
    from ipalib.request import context
    from ipalib.util import create_https_connection

    if "tls_version_min" not in api.env:  # otherwise its configuration says so
        api.env.tls_version_min = constants.TLS_VERSION_DEFAULT_MIN
        api.env.tls_version_max = constants.TLS_VERSION_DEFAULT_MAX

    class OnAnyPort(rpc.KerbTransport):
        def make_connection(self, host: str) -> Any:
            """Connect to the port of the URL. The original only works with port 443."""
            name, _, port = host.partition(":")
            rpc.create_https_connection = lambda host, _, ca, **options: create_https_connection(
                name, int(port), ca, **options
            )
            context.ca_certfile = ca  # of each thread
            return super().make_connection(host)

    return proxy(url, OnAnyPort())


def requests_gssapi(**options: Any) -> Make:
    """Return the function that makes a client with requests-gssapi."""

    def make(url: str, ca: str) -> Client:
        import gssapi
        from requests_gssapi import REQUIRED, HTTPSPNEGOAuth

        mech = gssapi.MechType.kerberos if options.get("mechanism") == "krb5" else None
        opportunistic = options.get("opportunistic", False)
        return _by_requests(url, ca, HTTPSPNEGOAuth(REQUIRED, opportunistic_auth=opportunistic, mech=mech))

    return make


def requests_kerberos(url: str, ca: str) -> Client:
    """Return a client with requests-kerberos."""
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
