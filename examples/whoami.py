"""Ask a hub who it takes the caller for.

usage: whoami.py URL [CAFILE]

CAFILE holds the CA's certificate where the server's is not signed by one that this machine knows.
"""

import sys
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport


def main(url, cafile=None):
    """Make the call and print what came of it."""
    transport = KerberosTransport(cafile=cafile)
    with ServerProxy(url, transport=transport) as hub:
        print("the server says you are:", hub.whoami())
        # Without the server's proof the call would have raised MutualAuthenticationError, and nothing been parsed.
        print("the server was verified before its reply was read, in an exchange as:", transport.authenticated_as)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
