"""Call a service protected by Negotiate with the requests library, step by step.

usage: requests_session.py URL [CAFILE]

What `KerberosTransport` does for XML-RPC is done here by hand for any request: `KerberosTicket` makes no assumption
about the HTTP library. (For daily work with requests there is requests-gssapi.)
"""

import sys
from urllib.parse import urlsplit

import requests

from krbxmlrpc import KerberosTicket, www_auth


def main(url, cafile=True):
    """Make the requests and print what came of them."""
    # Without a ticket the server says what it wants.
    response = requests.get(url, verify=cafile, timeout=30)
    print("without a ticket:", response.status_code, www_auth(response.headers.get("www-authenticate", "")))

    # With one it answers, and proves that it is the service that the ticket was for.
    ticket = KerberosTicket(f"HTTP@{urlsplit(url).hostname}")
    response = requests.get(url, headers={"Authorization": ticket.auth_header}, verify=cafile, timeout=30)
    ticket.verify_response(response.headers.get("www-authenticate"))
    print("with a ticket:", response.status_code, "verified, as", ticket.principal)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
