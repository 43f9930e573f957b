"""A temporary Kerberos realm and a temporary XML-RPC server protected by Negotiate, for the tests of clients.

Both are real: an MIT KDC issues the tickets, and the server verifies them.

    from krbxmlrpc.testing import KerberosXMLRPCServer, Realm, caller

    with Realm() as realm, realm.in_environment(), KerberosXMLRPCServer(realm) as server:
        server.register_function(caller, "whoami")
        hub = ServerProxy(server.url(), transport=KerberosTransport(cafile=server.cafile))
        assert hub.whoami() == realm.user

`krbxmlrpc.testing.fixtures` provides both as pytest fixtures. ``python -m krbxmlrpc.testing`` runs both to play with.
The package needs the extra ``testing`` and the programs of MIT Kerberos, including the KDC. Do not use the package in
production.
"""

try:
    import k5test  # type: ignore[import-untyped]  # noqa: F401  # used by the modules below
    import trustme  # noqa: F401
except ImportError as error:
    raise ImportError("krbxmlrpc.testing needs k5test and trustme: pip install k5test trustme") from error

from .realm import Realm
from .server import Failure, KerberosXMLRPCServer, Logged, caller

__all__ = ["Failure", "KerberosXMLRPCServer", "Logged", "Realm", "caller"]
