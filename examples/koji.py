"""Log in at a Koji hub, and ask the hub who the caller is.

usage: koji.py URL [CAFILE]

URL is the URL of the hub: https://koji.example.com/kojihub. CAFILE holds the CA's certificate, if this machine does not
know the CA.

This recipe is for programs that do not use the package ``koji``. For those that do, ``krbxmlrpc.koji`` has a session.

A call of ``sslLogin``, at a path that asks for a ticket, begins a session. All other calls go to a path without
authentication. They name their session, and each has a number: in headers for newer hubs, in the URL for older ones. A
hub refuses a call that has the number of a call which has changed something (RetryError). So it is safe to send a call
again if the connection broke, whatever the call does.

The tests call a stand-in for Koji's hubs (tests/servers/standin_koji.py).
"""

import sys
import threading
from urllib.parse import urlencode
from xmlrpc.client import Error, Fault, ServerProxy

from krbxmlrpc import KerberosTransport

ENDED = (1002, 1007)
"""The Faults of a session that has ended: it was closed elsewhere ("Invalid session"), or has expired."""


class KojiTransport(KerberosTransport):
    """Makes the calls of one session at a time. If the session has ended, a new one begins. Any thread may call.

    The arguments are those of `KerberosTransport`. They apply to the login and to the calls. At the login, the hub has
    to prove its identity. The calls carry no ticket, so there the hub is known by TLS alone, as on any session.
    """

    def __init__(self, url, **arguments):
        self.koji_login = KerberosTransport(**arguments)
        calls = {"retries": 3, "idempotent": True, **arguments}
        super().__init__(**{**calls, "preemptive": False, "mutual_authentication": "optional"})
        self.koji_url = url
        self.koji_turn = threading.Lock()  # a hub refuses a call with a lower number than that of the last one
        self.koji_session = None
        self.koji_headers = []

    def begin_session(self):
        """Log in. The hub has to prove its identity."""
        with ServerProxy(f"{self.koji_url}/ssllogin", transport=self.koji_login) as hub:
            self.koji_session = hub.sslLogin()
        self.koji_calls = 0

    def single_request(self, host, handler, request_body, verbose=False):
        """Make a call. If the hub says that the session has ended, the call did not run: make it in a new session."""
        make = super().single_request
        with self.koji_turn:
            if self.koji_session is None:
                self.begin_session()
            try:
                return make(host, self.numbered(handler), request_body, verbose)
            except Fault as fault:
                if fault.faultCode not in ENDED:
                    raise
            self.begin_session()
            return make(host, self.numbered(handler), request_body, verbose)

    def fetch(self, method, host, path, *arguments, **options):
        """Make a request that is not a call. It belongs to the session, too, and has a number of its own."""
        with self.koji_turn:
            if self.koji_session is None:
                self.begin_session()
            return super().fetch(method, host, self.numbered(path), *arguments, **options)

    def numbered(self, path):
        """Give the next request the next number of the session; return its path."""
        key, number = self.koji_session["session-key"], str(self.koji_calls)
        said = {"session-id": str(self.koji_session["session-id"]), "session-key": key, "callnum": number}
        self.koji_calls += 1
        if not self.koji_session.get("header-auth"):
            return f"{path}{'&' if '?' in path else '?'}{urlencode(said)}"
        # Hubs of Koji 1.31 to 1.35 read the number from the first of these two headers, and newer hubs from the second.
        self.koji_headers = [(f"Koji-{name.title()}", value) for name, value in said.items()]
        self.koji_headers.append(("Koji-Session-Callnum", number))
        return path

    def send_headers(self, connection, headers):
        """Send the headers of a request. If it is sent again, it has the same number."""
        super().send_headers(connection, [*headers, *self.koji_headers])

    def close(self):
        """Close the connections of the login, too."""
        self.koji_login.close()
        super().close()


def main(url, cafile=None):
    """Make the calls and print their results."""
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
