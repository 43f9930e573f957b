"""krbxmlrpc: XML-RPC over HTTPS with Kerberos. Client and server are authenticated before a reply is parsed.

    from xmlrpc.client import ServerProxy
    from krbxmlrpc import KerberosTransport

    hub = ServerProxy("https://hub.example.com/xmlrpc", transport=KerberosTransport())
    print(hub.whoami())

`krbxmlrpc.kobo` (extra ``kobo``), `krbxmlrpc.koji` (extra ``koji``) and `krbxmlrpc.pulp` are adapters for clients of
those systems. `krbxmlrpc.testing` (extra ``testing``) is for the tests of clients. ``python -m krbxmlrpc`` is the
command line.
"""

from ._http.www_authenticate import www_auth
from ._kerberos.channel_bindings import tls_server_end_point
from ._negotiate.call import Authentication, LoginPage, LoginSession, OutsideLogin, SessionOrTicket
from ._negotiate.policy import MutualAuthentication
from ._negotiate.resource import Resource, StreamedResource
from ._negotiate.ticket import KerberosTicket
from ._version import __version__
from ._xmlrpc.encoding import dumps
from ._xmlrpc.server_proxy import ServerProxy
from .errors import (
    AuthenticationRejected,
    BrokenReply,
    CallOutcomeUnknown,
    CertificateRejected,
    ClockSkew,
    ClockSkewRejected,
    GatewayFailed,
    GSSStatus,
    HostUnknown,
    InvalidResponse,
    KDCUnreachable,
    KerberosXMLRPCError,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    NoSession,
    ProxyRefused,
    ResponseTooLarge,
    ServerUnreachable,
    ServiceUnknown,
    TicketExpired,
    UnexpectedStatus,
    UnsafeResponse,
)
from .transport import InsecureKerberosTransport, KerberosTransport

__all__ = [
    "Authentication",
    "AuthenticationRejected",
    "BrokenReply",
    "CallOutcomeUnknown",
    "CertificateRejected",
    "ClockSkew",
    "ClockSkewRejected",
    "GSSStatus",
    "GatewayFailed",
    "HostUnknown",
    "InsecureKerberosTransport",
    "InvalidResponse",
    "KDCUnreachable",
    "KerberosTicket",
    "KerberosTransport",
    "KerberosXMLRPCError",
    "LoginPage",
    "LoginSession",
    "MutualAuthentication",
    "MutualAuthenticationError",
    "NegotiateNotOffered",
    "NoCredentials",
    "NoSession",
    "OutsideLogin",
    "ProxyRefused",
    "Resource",
    "ResponseTooLarge",
    "ServerProxy",
    "ServerUnreachable",
    "ServiceUnknown",
    "SessionOrTicket",
    "StreamedResource",
    "TicketExpired",
    "UnexpectedStatus",
    "UnsafeResponse",
    "__version__",
    "dumps",
    "tls_server_end_point",
    "www_auth",
]
