"""Ask a FreeIPA server who it takes the caller for, and for that entry.

usage: freeipa.py URL [CAFILE]

URL is the server's: https://ipa.example.com. CAFILE holds its CA's certificate; members of the domain have it in
/etc/ipa/ca.crt.

FreeIPA begins a session at a page of its own, and refuses what does not come from its pages: a Referer has to say so. A
method takes a list (its arguments) and a struct (its options), and returns a struct.

The tests call no real FreeIPA, which cannot run there, but a stand-in that follows what its source publishes
(tests/servers/standin_freeipa.py).
"""

import sys
from urllib.parse import urlsplit
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport

# The version of FreeIPA's API that this was written for: servers of the same major version answer as that one does.
OPTIONS = {"version": "2.230"}


def connect(url, cafile=None):
    """Return a proxy for a server; the first call logs in."""
    transport = KerberosTransport(
        login_path="/ipa/session/login_kerberos",
        headers=[("Referer", f"https://{urlsplit(url).hostname}/ipa")],  # without the port: so FreeIPA wants it
        cafile=cafile,
    )
    return ServerProxy(f"{url.rstrip('/')}/ipa/session/xml", transport=transport, allow_none=True)


def main(url, cafile=None):
    """Make the calls and print what came of them."""
    with connect(url, cafile) as server:
        print(server.ping([], OPTIONS)["summary"])
        caller = server.whoami([], OPTIONS)
        print(f"it takes you for: {caller['object']} {' '.join(caller['arguments'])}")
        # It also says by which method that is looked up, in the version that the server has: user_show/1
        entry = getattr(server, caller["command"])(caller["arguments"], OPTIONS)["result"]
        print("your entry:", entry["dn"])


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
