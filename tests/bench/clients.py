"""What the clients of all contestants have in common.

A client is a function of a method's name and its arguments, as in ``client("whoami")``. ``client("close")`` closes its
connections.
"""

import functools
import ssl
from typing import Any, Callable
from xmlrpc.client import ServerProxy

Client = Callable[..., Any]
Make = Callable[[str, str], Client]
"""Makes a client for a URL and the file with the hub's CA."""


def proxy(url: str, transport: Any) -> Client:
    """Return a client with a standard proxy and this transport."""
    server = ServerProxy(url, transport=transport)
    return lambda method, *values: server(method)() if method == "close" else getattr(server, method)(*values)


@functools.cache
def tls_context(ca: str) -> ssl.SSLContext:
    """Return the TLS context that all clients of a process share."""
    return ssl.create_default_context(cafile=ca)
