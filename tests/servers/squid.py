"""A real Squid on loopback, as a proxy: one that is open, one that wants to know its users, and one that is closed."""

import os
import shutil
import signal
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from . import kdc, software
from .daemon import Daemon

USER, PASSWORD = "us%er@x", "p:a/s s@#\u00e9"
"""Whom it knows by Basic."""


class Logged(NamedTuple):
    """A line of the access log: a tunnel that has ended, or a refusal."""

    user: str
    status: int
    request: str


class Squid(Daemon):
    """Squid, from the call of `start` to that of `stop`.

    Attributes:
        host: where it is, on loopback too: so its service is another than the hub's, without any name of its own.
        ports: ``open``; ``known``, which offers Negotiate and Basic; ``closed``, which lets nobody through.
    """

    configuration = "squid.conf"
    host = "127.0.0.2"
    listeners = ["open", "known", "closed"]
    needs = software.SQUID_NEEDS

    def __init__(self, realm: Any) -> None:
        super().__init__(kdc.client_environment(realm))
        self._realm = realm
        self._name = f"krbxmlrpc{uuid.uuid4().hex[:16]}"  # in shared memory, where another Squid may be

    def url(self, listener: str, credentials: str = "") -> str:
        """Return the URL of the proxy."""
        return f"http://{credentials}{self.host}:{self.ports[listener]}"

    def command(self, configuration: str) -> list[str]:
        """Return what starts it in the foreground."""
        return [software.SQUID, "-N", "-n", self._name, "-f", configuration]

    def words(self) -> dict[str, object]:
        """Return what stands for the words in its configuration."""
        user = "cache_effective_user proxy" if os.geteuid() == 0 else ""
        return {"host": self.host, "helpers": software.SQUID_HELPERS, "user": user}

    def prepare(self) -> None:
        """Write keytab, passwords and the names of hosts."""
        root = self._root
        os.chmod(root, 0o755)
        (root / "rcache").mkdir()
        self._environment["KRB5RCACHEDIR"] = str(root / "rcache")
        self._realm.addprinc(f"HTTP/{self.host}")
        self._realm.extract_keytab(f"HTTP/{self.host}", str(root / "proxy.keytab"))
        (root / "passwords").write_text(f"{USER}:$apr1$FVpLMrI1$4cLuVzj.pgPXR3kd8cz2m/\n")  # that of PASSWORD
        (root / "hosts").write_text("127.0.0.1 localhost\n")
        if os.geteuid() == 0:
            for name in ("", "rcache", "proxy.keytab", "passwords"):
                shutil.chown(root / name, "proxy", "proxy")

    def halt(self) -> None:
        """End the program, and its helpers, if it runs: it has nothing to save, and would take its time."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for left in Path("/dev/shm").glob(f"{self._name}-*"):
            left.unlink()

    def logged(self, client_port: int, count: int) -> list[Logged]:
        """Return the access log's lines about the connection from this port, once there are `count`."""

        def find() -> list[Logged]:
            log = self._root / "access.log"
            lines = [line.split(" ", 3) for line in (log.read_text() if log.exists() else "").splitlines()]
            return [Logged(user, int(status), what) for port, user, status, what in lines if port == str(client_port)]

        return self.awaited(find, count)
