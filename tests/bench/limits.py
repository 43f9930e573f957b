"""The limits of what is possible: the standard library's transport, with as little around it as a call needs."""

import functools
import ssl
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPSHandler, Request, build_opener
from xmlrpc.client import SafeTransport, dumps

import kerberos

from krbxmlrpc import KerberosTicket

from .clients import Client, Make, proxy, tls_context

_OIDS = {"spnego": kerberos.GSS_MECH_OID_SPNEGO, "krb5": kerberos.GSS_MECH_OID_KRB5}


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


def thin(mechanism: str) -> Make:
    """Return the function that makes a client with a ticket for each call."""
    return lambda url, ca: proxy(url, ThinTransport(mechanism, tls_context(ca)))


def without_authentication(url: str, ca: str) -> Client:
    """Return a client that does not authenticate."""
    return proxy(url, SafeTransport(context=tls_context(ca)))


def with_cookie(url: str, ca: str) -> Client:
    """Return a client that sends the cookie of a session with each call."""
    cookie = _session(url.partition("?")[0], ca)
    return proxy(url, SafeTransport(context=tls_context(ca), headers=[("Cookie", cookie)]))


@functools.cache
def _session(url: str, ca: str) -> str:
    """Return the cookie of a session, made by one verified exchange."""
    ticket = KerberosTicket(f"HTTP@{urlsplit(url).hostname}")
    call = Request(url, dumps((), "whoami").encode(), {"Authorization": ticket.auth_header})
    with build_opener(HTTPSHandler(context=tls_context(ca))).open(call) as reply:
        ticket.verify_response(reply.headers.get_all("WWW-Authenticate"))
        return str(reply.headers["Set-Cookie"]).partition(";")[0]
