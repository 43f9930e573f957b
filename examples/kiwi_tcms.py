"""Log in at Kiwi TCMS, and ask who it takes the caller for and which versions of a product it knows.

usage: kiwi_tcms.py URL PRODUCT [CAFILE]

URL is that of its XML-RPC: https://tcms.example.com/xml-rpc/. CAFILE holds the CA's certificate where the server's is
not signed by one that this machine knows.

Kiwi TCMS logs in by two pages: /login/kerberos/ takes the ticket, and begins a session in which nobody is logged in
yet; it points to /complete/kerberos/, which logs in whose ticket it was, and has no proof of its own. (By the first one
alone calls would be those of somebody unknown.) Where a session has ended, or its user may not make a call, that fails
with `Fault` -32603, "Authentication failed when calling …": it did not run, and `log_in` begins a new session.

The tests call no real Kiwi TCMS, which cannot run there, but a stand-in that follows what its source publishes
(tests/servers/standin_kiwi_tcms.py).
"""

import sys
from urllib.parse import urlsplit
from urllib.request import HTTPCookieProcessor, HTTPErrorProcessor, HTTPSHandler, build_opener
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport


class Unfollowed(HTTPErrorProcessor):
    """Takes any reply for what it is, a redirection, too: the session's cookie goes to no other page."""

    def https_response(self, request, response):
        """Return the reply."""
        return response


def log_in(url, transport):
    """Log in, by both pages."""
    host = urlsplit(url).netloc
    transport.login(host)
    cookies = HTTPCookieProcessor(transport.cookiejar)
    opener = build_opener(HTTPSHandler(context=transport.context), cookies, Unfollowed)
    with opener.open(f"https://{host}/complete/kerberos/", timeout=60) as reply:
        if reply.status >= 400:
            raise OSError(f"https://{host}/complete/kerberos/ does not complete the login: {reply.status}")


def main(url, product, cafile=None):
    """Make the calls and print what came of them."""
    transport = KerberosTransport(login_path="/login/kerberos/", cafile=cafile)
    with ServerProxy(url, transport=transport, allow_none=True) as tcms:
        log_in(url, transport)
        print("Kiwi TCMS", tcms.KiwiTCMS.version())
        for user in tcms.User.filter():  # without a query: who calls
            print(f"it takes you for: {user['username']} <{user['email']}>")
        for version in tcms.Version.filter({"product__name": product}):
            print(f"version of {product}:", version["value"])


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
