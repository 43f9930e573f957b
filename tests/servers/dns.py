"""A DNS server with the SRV records of a test, and the resolver of dnspython that asks this server."""

import socket
import threading

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


class DNS:
    """Answers on loopback while it is entered.

    Args:
        monkeypatch: replaces dnspython's default resolver.
        services: SRV records by their names, for example ``{"_kerberos._udp.EXAMPLE.TEST.": "0 0 88 kdc."}``; several
            records of one name are a list.
    """

    def __init__(self, monkeypatch, services):
        self._services = services
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self._socket.getsockname()[1]
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            data, sender = self._socket.recvfrom(4096)
            if not data:
                return
            query = dns.message.from_wire(data)
            reply = dns.message.make_response(query)
            (question,) = query.question
            records = self._services.get(str(question.name))
            if records is None:
                reply.set_rcode(dns.rcode.NXDOMAIN)
            else:
                records = [records] if isinstance(records, str) else records
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "SRV", *records))
            self._socket.sendto(reply.to_wire(), sender)
