"""Ask a hub for the name under which it knows the caller.

usage: whoami.py URL [CAFILE]

CAFILE is the file of the CA's certificate. It is needed if this machine does not know the CA of the server.
"""

import sys
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport


def main(url, cafile=None):
    """Make the call and print its result."""
    transport = KerberosTransport(cafile=cafile)
    with ServerProxy(url, transport=transport) as hub:
        print("the server says you are:", hub.whoami())
        # Without the server's proof, the call raises MutualAuthenticationError, and nothing is parsed.
        print("the server was verified before its reply was read, in an exchange as:", transport.authenticated_as)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
