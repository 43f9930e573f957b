"""A real HAProxy on loopback, before Apaches or others that serve plain HTTP."""

import trustme

from . import kdc, software
from .daemon import Daemon

HOST = "balancer.example.test"
SERVICE = f"HTTP/{HOST}"
"""The service behind it, for which the realm has no principal yet."""


class HAProxy(Daemon):
    """HAProxy, from the call of `start` to that of `stop`.

    Args:
        ca: who signs its certificate for localhost.
        servers: the ports of those behind it.

    Attributes:
        ports: the port of each listener. ``alternating`` sends each request to the next server. ``sticky`` sets its own
            cookie, which keeps a client at the server of its first request.
    """

    configuration = "haproxy.cfg"
    listeners = ["alternating", "sticky"]
    needs = (software.HAPROXY,)

    def __init__(self, ca: trustme.CA, *servers: int) -> None:
        super().__init__({})
        self._certificate = ca.issue_cert(kdc.HOST).private_key_and_cert_chain_pem
        self._servers = servers

    def url(self, path: str = "/xmlrpc", listener: str = "alternating") -> str:
        """Return a URL of the servers behind it."""
        return f"https://{kdc.HOST}:{self.ports[listener]}{path}"

    def command(self, configuration: str) -> list[str]:
        """Return what starts it in the foreground."""
        return [software.HAPROXY, "-db", "-f", configuration]

    def words(self) -> dict[str, object]:
        """Return what stands for the words in its configuration."""
        lines = [f"    server {port} 127.0.0.1:{port} cookie {port}" for port in self._servers]
        return {"servers": "\n".join(lines)}

    def prepare(self) -> None:
        """Write its certificate."""
        self._certificate.write_to_path(str(self._root / "server.pem"))
