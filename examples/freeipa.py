"""Ask a FreeIPA server who it takes the caller for, and for that entry.

usage: freeipa.py URL [CAFILE]

URL is the server's: https://ipa.example.com. CAFILE holds its CA's certificate; members of the domain have it in
/etc/ipa/ca.crt.

FreeIPA needs no login: the first call carries a ticket, and its reply begins a session. The server refuses a request
without a Referer that names a page of its own. A method takes a list (its arguments) and a struct (its options), and
returns a struct. XML-RPC has no integers of more than 32 bits, so FreeIPA sends these as strings.

The tests call a stand-in that follows FreeIPA's source (tests/servers/standin_freeipa.py).
"""

import sys
from urllib.parse import urlsplit
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport

# The version of FreeIPA's API that this program was written for. Servers of the same major version answer as that one.
OPTIONS = {"version": "2.230"}


def connect(url, cafile=None):
    """Return a proxy for a server. The first call carries a ticket, and later calls go on the session."""
    # FreeIPA wants a Referer without a port.
    transport = KerberosTransport(headers=[("Referer", f"https://{urlsplit(url).hostname}/ipa")], cafile=cafile)
    return ServerProxy(f"{url.rstrip('/')}/ipa/session/xml", transport=transport, allow_none=True)


def main(url, cafile=None):
    """Make the calls and print what came of them."""
    with connect(url, cafile) as server:
        print(server.ping([], OPTIONS)["summary"])
        caller = server.whoami([], OPTIONS)
        print(f"it takes you for: {caller['object']} {' '.join(caller['arguments'])}")
        # The reply also names the method that looks up the caller, in the server's version of it: user_show/1
        entry = getattr(server, caller["command"])(caller["arguments"], OPTIONS)["result"]
        print("your entry:", entry["dn"])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
