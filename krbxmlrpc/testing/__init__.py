"""For the tests of clients: a Kerberos realm and a Negotiate-protected XML-RPC server, both real and both throwaway.

    from krbxmlrpc.testing import KerberosXMLRPCServer, Realm, caller

    with Realm() as realm, realm.in_environment(), KerberosXMLRPCServer(realm) as server:
        server.register_function(caller, "whoami")
        hub = ServerProxy(server.url(), transport=KerberosTransport(context=server.context))
        assert hub.whoami() == realm.user

`krbxmlrpc.testing.fixtures` has them as fixtures of pytest. Needs the extra ``testing``, and the programs of MIT
Kerberos, a KDC among them. Nothing of it is for production.
"""

try:
    import k5test  # type: ignore[import-untyped]  # noqa: F401
    import trustme  # noqa: F401
except ImportError as error:
    raise ImportError("krbxmlrpc.testing needs k5test and trustme: pip install 'krbxmlrpc[testing]'") from error

from .realm import Realm
from .server import Failure, KerberosXMLRPCServer, Logged, caller

__all__ = ["Failure", "KerberosXMLRPCServer", "Logged", "Realm", "caller"]
