"""Log in at a Koji hub, and ask who it takes the caller for.

usage: koji.py URL [CAFILE]

URL is the hub's: https://koji.example.com/kojihub. CAFILE holds the CA's certificate where the server's is not signed
by one that this machine knows.

Koji begins a session by a call, sslLogin, at a path that wants a ticket. All other calls go to a path that is open, and
say which session they belong to, and which of its calls they are: to newer hubs in headers, to older ones in the URL.
By its number a hub knows a call that has changed something already, and refuses it (RetryError). So a call whose
connection broke can be sent again, whatever it does.

The tests call no real Koji, which cannot run there, but a stand-in that follows what its source publishes
(tests/servers/standin_koji.py).
"""

import sys
import threading
from urllib.parse import urlencode
from xmlrpc.client import Error, Fault, ServerProxy

from krbxmlrpc import KerberosTransport

AUTH_EXPIRED = 1007


class KojiTransport(KerberosTransport):
    """Makes the calls of one session at a time, which is begun anew when it has ended; any thread may call.

    Where the calls go nobody proves anything. The hub has done that at the login; now TLS vouches for it, as it does on
    any session, and no ticket is sent: hence the arguments here.
    """

    def __init__(self, url, **arguments):
        arguments = {"retries": 3, "idempotent": True, **arguments}
        super().__init__(preemptive=False, mutual_authentication="optional", **arguments)
        self.koji_url = url
        self.koji_turn = threading.Lock()  # a hub refuses a call with a lower number than the last one's
        self.koji_session = None
        self.koji_headers = []

    def begin_session(self):
        """Log in, by a transport that wants the hub's proof."""
        with ServerProxy(f"{self.koji_url}/ssllogin", transport=KerberosTransport(context=self.context)) as hub:
            self.koji_session = hub.sslLogin()
        self.koji_calls = 0

    def single_request(self, host, handler, request_body, verbose=False):
        """Make a call; where the hub says that the session has ended, it did not run, and is made in a new one."""
        with self.koji_turn:
            if self.koji_session is None:
                self.begin_session()
            try:
                return self.numbered_request(host, handler, request_body, verbose)
            except Fault as fault:
                if fault.faultCode != AUTH_EXPIRED:
                    raise
            self.begin_session()
            return self.numbered_request(host, handler, request_body, verbose)

    def numbered_request(self, host, handler, request_body, verbose):
        """Make the next call of the session."""
        key, number = self.koji_session["session-key"], str(self.koji_calls)
        said = {"session-id": str(self.koji_session["session-id"]), "session-key": key, "callnum": number}
        self.koji_calls += 1
        if self.koji_session.get("header-auth"):
            self.koji_headers = [(f"Koji-{name.title()}", value) for name, value in said.items()]
            self.koji_headers.append(("Koji-Session-Callnum", number))  # so Koji's own client calls it
        else:
            handler += f"?{urlencode(said)}"
        return super().single_request(host, handler, request_body, verbose)

    def send_headers(self, connection, headers):
        """Send the headers of a request; a repeated one has the same number."""
        super().send_headers(connection, [*headers, *self.koji_headers])


def main(url, cafile=None):
    """Make the calls and print what came of them."""
    transport = KojiTransport(url.rstrip("/"), cafile=cafile)
    with ServerProxy(url, transport=transport, allow_none=True) as hub:
        transport.begin_session()
        try:
            print("version of its API:", hub.getAPIVersion())
            user = hub.getLoggedInUser()
            print(f"it takes you for: {user['name']}, who is {', '.join(user['krb_principals'])}")
        finally:
            hub.logout()


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
