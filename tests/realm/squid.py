"""A real Squid on loopback, as a proxy: one that is open, one that wants to know its users, and one that is closed."""

import os
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

from . import kdc, software

HOST = "127.0.0.2"
"""Where it is, on loopback too: so its service is another than the hub's, without any name of its own."""

USER, PASSWORD = "us%er@x", "p:a/s s@#\u00e9"
"""Whom it knows by Basic."""

_HERE = Path(__file__).resolve().parent
_DEADLINE = 30.0  # seconds within which Squid starts, and writes a line to its log
_NAMES = ("open", "known", "closed")


class Logged(NamedTuple):
    """A line of the access log: a tunnel that has ended, or a refusal."""

    user: str
    status: int
    request: str


class Squid:
    """Squid, from the call of `start` to that of `stop`.

    Attributes:
        ports: ``open``; ``known``, which offers Negotiate and Basic; ``closed``, which lets nobody through.
    """

    def __init__(self, realm: Any) -> None:
        software.require()
        self.realm = realm
        self.ports: Dict[str, int] = {}
        self._environment = {**os.environ, **kdc.client_environment(realm)}
        self._root = Path(tempfile.mkdtemp(prefix="krbxmlrpc-squid-"))
        self._process: Optional["subprocess.Popen[bytes]"] = None

    def url(self, listener: str, credentials: str = "") -> str:
        """Return the URL of the proxy."""
        return f"http://{credentials}{HOST}:{self.ports[listener]}"

    def start(self) -> "Squid":
        """Start it; return when it takes connections."""
        try:
            self._prepare()
            for _ in range(10):
                self._configure()
                if self._launch():
                    return self
            raise RuntimeError(f"Squid does not start:\n{self.cache_log()}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, if it runs, and remove all its files."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)  # it has nothing to save, and would take its time
            self._process.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def cache_log(self) -> str:
        """Return what Squid had to say."""
        logs = [self._root / name for name in ("start.log", "cache.log")]
        return "".join(log.read_text() for log in logs if log.exists())

    def logged(self, client_port: int, count: int) -> List[Logged]:
        """Return the access log's lines about the connection from this port, once there are `count`."""
        deadline = time.monotonic() + _DEADLINE
        while True:
            log = self._root / "access.log"
            lines = [line.split(" ", 3) for line in (log.read_text() if log.exists() else "").splitlines()]
            found = [Logged(user, int(status), what) for port, user, status, what in lines if port == str(client_port)]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def _prepare(self) -> None:
        """Write keytab and passwords."""
        root = self._root
        os.chmod(root, 0o755)
        (root / "rcache").mkdir()
        self._environment["KRB5RCACHEDIR"] = str(root / "rcache")
        self.realm.addprinc(f"HTTP/{HOST}")
        self.realm.extract_keytab(f"HTTP/{HOST}", str(root / "proxy.keytab"))
        (root / "passwords").write_text(f"{USER}:$apr1$FVpLMrI1$4cLuVzj.pgPXR3kd8cz2m/\n")  # that of PASSWORD
        if os.geteuid() == 0:
            for name in ("", "rcache", "proxy.keytab", "passwords"):
                shutil.chown(root / name, "proxy", "proxy")

    def _configure(self) -> None:
        first = kdc.free_ports(len(_NAMES), HOST)
        self.ports = dict(zip(_NAMES, range(first, first + len(_NAMES))))
        conf = string.Template((_HERE / "squid.conf").read_text()).substitute(
            root=self._root,
            host=HOST,
            helpers=software.SQUID_HELPERS,
            user="cache_effective_user proxy" if os.geteuid() == 0 else "",
            **self.ports,
        )
        (self._root / "squid.conf").write_text(conf)

    def _launch(self) -> bool:
        """Start the program; return whether it came up, False where one of its ports was taken meanwhile."""
        with open(self._root / "start.log", "wb") as log:
            self._process = subprocess.Popen(
                [software.SQUID, "-N", "-f", str(self._root / "squid.conf")],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _DEADLINE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                for port in self.ports.values():
                    socket.create_connection((HOST, port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False
