"""Make a call at the first of several servers that can be reached.

usage: several_servers.py URL[,URL...] METHOD [CAFILE]

The servers are tried in the order of their URLs. If the host of a URL begins with _, it is the name of SRV records in
the DNS, and each host in these records is a server: https://_ldap._tcp.example.com/ipa/session/xml. The port in the
records does not count, because it is that of LDAP. The DNS needs dnspython: pip install dnspython.

The next server is tried only after ServerUnreachable: no part of the call was sent, or only a login, so the call did
not run. Every other error is raised at once. After CallOutcomeUnknown the call may have run, and a second server would
run it a second time. If the KDC does not know the service of one server, somebody has to correct the list.

Each server has a service principal, a session and connections of its own, so each has a transport of its own. The
answers of the DNS prove nothing. TLS and Kerberos prove that a server is the host that the DNS has named, but not that
this host is meant to be a server of this hub. If you cannot trust the DNS, list the servers.
"""

import sys
from urllib.parse import urlsplit
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport, ServerUnreachable


class Servers:
    """Makes each call at the first server that can be reached. Any thread may call.

    Args:
        servers: a proxy for each server. Later calls begin with the server that was reached last.
    """

    def __init__(self, servers):
        self.servers = servers
        self.first = 0

    def call(self, method, *arguments):
        """Call a method and return its result. If no server can be reached, the error names all of them."""
        failures = []
        for number in [*range(self.first, len(self.servers)), *range(self.first)]:
            try:
                return getattr(self.servers[number], method)(*arguments)
            except ServerUnreachable as error:
                failures.append(error)
                self.first = (number + 1) % len(self.servers)
        raise ServerUnreachable("; ".join(failure.message for failure in failures)) from failures[-1]


def connect(url, **arguments):
    """Return a proxy for a server. The next server is tried after 5 seconds for each address of this one."""
    return ServerProxy(url, transport=KerberosTransport(connect_timeout=5, **arguments), allow_none=True)


def find_urls(text):
    """Return the URLs of all servers."""
    urls = []
    for url in map(urlsplit, text.split(",")):
        hosts = find_hosts(url.netloc) if url.netloc.startswith("_") else [url.netloc]
        urls += [url._replace(netloc=host).geturl() for host in hosts]
    return urls


def find_hosts(name):
    """Return the hosts that SRV records name, in the order in which RFC 2782 wants them tried."""
    import dns.exception
    import dns.resolver

    try:
        records = dns.resolver.resolve(f"{name}.", "SRV").rrset.processing_order()
    except dns.exception.DNSException as error:
        raise OSError(f"the DNS names no servers: {error}") from error
    return [record.target.to_text(omit_final_dot=True) for record in records]


def main(urls, method, cafile=None):
    """Make the call and print its result."""
    hub = Servers([connect(url, cafile=cafile) for url in find_urls(urls)])
    print(hub.call(method))
    print("by the server", hub.servers[hub.first]("transport").proved_service)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (Error, OSError, ValueError, ImportError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
