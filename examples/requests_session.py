"""Call a service protected by Negotiate with the requests library, step by step.

usage: requests_session.py URL [CAFILE]

`KerberosTransport` does these steps for XML-RPC. This program does them by hand, for any request. `KerberosTicket`
works with any HTTP library. (For daily work with requests, use requests-gssapi.)
"""

import sys
from urllib.parse import urlsplit

import requests

from krbxmlrpc import KerberosTicket, www_auth


def main(url, cafile=True):
    """Make the requests and print their results."""
    # Without a ticket, the server answers 401 and offers Negotiate.
    response = requests.get(url, verify=cafile, timeout=30)
    print("without a ticket:", response.status_code, www_auth(response.headers.get("www-authenticate", "")))

    # With a ticket, the server answers, and proves that it is the service of the ticket.
    ticket = KerberosTicket(f"HTTP@{urlsplit(url).hostname}")
    response = requests.get(url, headers={"Authorization": ticket.auth_header}, verify=cafile, timeout=30)
    ticket.verify_response(response.headers.get("www-authenticate"))
    print("with a ticket:", response.status_code, "verified, as", ticket.principal)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
