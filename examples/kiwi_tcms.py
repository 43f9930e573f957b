"""Log in at Kiwi TCMS, and ask for its version and the versions of a product.

usage: kiwi_tcms.py URL PRODUCT [CAFILE]

URL is the URL of its XML-RPC: https://tcms.example.com/xml-rpc/. CAFILE holds the CA's certificate, if this machine
does not know the CA.

Kiwi TCMS logs in by two pages. ``/login/kerberos/`` takes the ticket, proves the server's identity, and begins a
session in which nobody is logged in yet. ``/complete/kerberos/`` then logs in the owner of the ticket. The session has
a new cookie after that, which comes over TLS without a proof of its own.

* The server keeps the GSSAPI context of the first page in the memory of one process. With several worker processes, the
  second page failed in six of six tries. Such a server needs a single process; it may have several threads.
* A login that ends between the two pages spoils its session: each later login in that session fails. For this reason,
  the cookies are removed before a login.
* From social-auth-app-django 6.0 on, the first page takes only POST, and then checks Django's CSRF token.
* If nobody is logged in, a call is answered by HTTP 403 (Kiwi TCMS 12.4), by Fault -32603 (13 to 16.0) or by Fault
  -32098 (16.2). The call did not run, so the example logs in and makes it once more. The server answers in the same
  way if the user lacks a permission.
* Each new user belongs to the group Tester. This group may not call ``User.filter``, and it has no other method that
  only reads and tells who the caller is. The transport knows whose ticket the server took.
"""

import copy
import secrets
import sys
from http.cookies import SimpleCookie
from xmlrpc.client import Error, Fault, ServerProxy

from krbxmlrpc import KerberosTransport, UnexpectedStatus

NOT_LOGGED_IN = (-32603, -32098)
NO_USER = "Authentication failed when calling"
"""The text tells this Fault from the other internal errors, which have the code -32603, too."""


class KiwiTransport(KerberosTransport):
    """Makes calls to one Kiwi TCMS, for one thread at a time. The arguments are those of `KerberosTransport`."""

    session = None
    csrf_headers = ()

    def single_request(self, host, handler, request_body, verbose=False):
        """Make a call. If the server says that nobody is logged in, log in and make the call once more."""
        for is_last in (False, True):
            if self.session not in self.cookiejar or self.session.is_expired():
                self.begin_session(host)
            try:
                return super().single_request(host, handler, request_body, verbose)
            except Fault as fault:
                if is_last or fault.faultCode not in NOT_LOGGED_IN or not fault.faultString.startswith(NO_USER):
                    raise
            except UnexpectedStatus as error:
                self.session = None  # the transport does not use a cookie again after a 403
                if is_last or error.errcode != 403:
                    raise
            self.session = None

    def begin_session(self, host):
        """Log in, by both pages."""
        self.session = None
        self.cookiejar.clear()
        reply = self.redirection("GET", host, "/login/kerberos/")
        if reply.errcode == 405 and "POST" in reply.headers.get("Allow", ""):
            reply = self.post_login(host)
        # The transport keeps the cookies of this reply only if the reply proves the server's identity.
        session = next((cookie for cookie in self.cookiejar if cookie.name == "sessionid"), None)
        if reply.errcode != 302 or session is None:
            raise reply
        reply = self.redirection("GET", host, "/complete/kerberos/")
        for line in reply.headers.get_all("Set-Cookie", []):
            if "sessionid" in SimpleCookie(line):
                self.session = copy.copy(session)  # it still belongs to the owner of the ticket
                self.session.value = SimpleCookie(line)["sessionid"].value
                self.cookiejar.set_cookie(self.session)
        if self.session is None:
            raise reply

    def post_login(self, host):
        """Ask for the first page by POST. Django compares the CSRF token in a header with a cookie that we choose."""
        token = secrets.token_hex(16)
        origin = ("Referer", f"https://{host}/")
        self.csrf_headers = [("Cookie", f"csrftoken={token}"), ("X-CSRFToken", token), origin]
        try:
            return self.redirection("POST", host, "/login/kerberos/")
        finally:
            self.csrf_headers = ()

    def send_headers(self, connection, headers):
        """Send the headers of a request."""
        super().send_headers(connection, [*headers, *self.csrf_headers])

    def redirection(self, method, host, path):
        """Ask for a page. Return the error that stands for its redirection: `fetch` follows none."""
        try:
            page = self.fetch(method, host, path)
        except UnexpectedStatus as reply:
            return reply
        raise OSError(f"https://{host}{path} does not go on with the login: {page.status}")


def main(url, product, cafile=None):
    """Make the calls and print their results."""
    transport = KiwiTransport(cafile=cafile)
    with ServerProxy(url, transport=transport, allow_none=True) as tcms:
        print("Kiwi TCMS", tcms.KiwiTCMS.version())
        print("logged in by the ticket of", transport.authenticated_as)
        for version in tcms.Version.filter({"product__name": product}):
            print(f"version of {product}:", version["value"])


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
