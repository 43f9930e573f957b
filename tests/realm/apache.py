"""A real Apache with mod_auth_gssapi on loopback, and the hub under mod_wsgi."""

import os
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import trustme

from . import kdc, software

_HERE = Path(__file__).resolve().parent
_DEADLINE = 30.0  # seconds within which Apache starts, and writes a line to its log


class Logged(NamedTuple):
    """A line of the access log."""

    status: int
    earlier: int
    """How many requests there were before on the same connection."""
    user: str
    path: str


class Apache:
    """Apache, from the call of `start` to that of `stop`.

    Attributes:
        ca: the `trustme.CA` that signed its certificates.
        cafile: the same as a file.
        ports: of ``https``; of plain ``http``; of ``othername``, whose certificate is for another name; of ``small``,
            which takes small header fields only.
    """

    def __init__(self, realm: Any, clock: Optional[str] = None) -> None:
        software.require()
        self.realm = realm
        self.ca = trustme.CA()
        self.ports: Dict[str, int] = {}
        self._environment = {**os.environ, **kdc.client_environment(realm)}
        self._environment.update(software.other_clock(clock) if clock else {})
        self._root = Path(tempfile.mkdtemp(prefix="krbxmlrpc-apache-"))
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self.cafile = str(self._root / "ca.pem")

    def url(self, path: str = "/xmlrpc", listener: str = "https", host: str = kdc.HOST) -> str:
        """Return a URL of the hub."""
        return f"{'http' if listener == 'http' else 'https'}://{host}:{self.ports[listener]}{path}"

    def start(self) -> "Apache":
        """Start it; return when it takes connections."""
        try:
            self._prepare()
            for _ in range(10):
                self._configure()
                if self._launch():
                    return self
            raise RuntimeError(f"Apache does not start:\n{self.error_log()}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, if it runs, and remove all its files."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_DEADLINE / 3)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        shutil.rmtree(self._root, ignore_errors=True)

    def error_log(self) -> str:
        """Return what Apache had to say."""
        logs = [self._root / name for name in ("start.log", "error.log")]
        return "".join(log.read_text() for log in logs if log.exists())

    def logged(self, case: str, count: int = 1) -> List[Logged]:
        """Return the access log's lines of a case, the ``case=…`` in the URLs: at least `count`, and all there are.

        Apache writes a line after the reply has left, so a last request of our own is made, and its line waited for.
        """
        self._lines(case, count)
        last = uuid.uuid4().hex
        urllib.request.urlopen(self.url(f"/open?case={last}", "http"), b"").close()
        self._lines(last, 1)
        return self._lines(case, 0)

    def executed(self, key: str) -> int:
        """Return how often the hub's method ``execute`` has run with this key."""
        note = self._root / "executed" / key
        return note.stat().st_size if note.exists() else 0

    def _lines(self, case: str, count: int) -> List[Logged]:
        """Return the lines of a case once there are `count`."""
        deadline = time.monotonic() + _DEADLINE
        while True:
            found = []
            for line in (self._root / "access.log").read_text().splitlines():
                status, earlier, user, query, _, path = line.split(" ", 5)
                if f"case={case}" in query[1:].split("&"):
                    found.append(Logged(int(status), int(earlier), user, path))
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def _prepare(self) -> None:
        """Write certificates, keytabs and passwords."""
        root = self._root
        os.chmod(root, 0o755)
        for name in ("delegated", "executed", "rcache"):
            (root / name).mkdir()
        self._environment["KRB5RCACHEDIR"] = str(root / "rcache")
        self.ca.cert_pem.write_to_path(self.cafile)
        for name, identities in (("server", (kdc.HOST, "127.0.0.1", "::1")), ("othername", ("other.example.test",))):
            self.ca.issue_cert(*identities).private_key_and_cert_chain_pem.write_to_path(str(root / f"{name}.pem"))
        (root / "passwords").write_text("user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")  # "password"
        shutil.copy(self.realm.keytab, root / "http.keytab")
        shutil.copy(_HERE / "hub.py", root)  # the children may not be allowed to read it where it is
        self._make_stale_keytab()
        self._give_to_children("delegated", "executed", "rcache", "http.keytab", "stale.keytab")

    def _make_stale_keytab(self) -> None:
        """Make a keytab that has the service's principal with a key that the KDC does not know."""
        stale = self._root / "stale.keytab"
        commands = f"addent -password -p {kdc.SERVICE}@{kdc.REALM} -k 1 -e aes256-cts\nwrong\nwkt {stale}\nq\n"
        subprocess.run(["/usr/bin/ktutil"], input=commands, text=True, check=True, capture_output=True)

    def _give_to_children(self, *names: str) -> None:
        if os.geteuid() == 0:
            for name in names:
                shutil.chown(self._root / name, "www-data", "www-data")

    def _configure(self) -> None:
        first = kdc.free_ports(4)
        self.ports = dict(zip(("https", "http", "othername", "small"), range(first, first + 4)))
        conf = string.Template((_HERE / "hub.conf").read_text()).substitute(
            root=self._root,
            modules=software.APACHE_MODULES,
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            **self.ports,
        )
        (self._root / "hub.conf").write_text(conf)

    def _launch(self) -> bool:
        """Start the program; return whether it came up, False where one of its ports was taken meanwhile."""
        with open(self._root / "start.log", "wb") as log:
            self._process = subprocess.Popen(
                [software.APACHE, "-f", str(self._root / "hub.conf"), "-DFOREGROUND"],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _DEADLINE
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.ports["https"]), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False
