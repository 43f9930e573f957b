"""A real Apache with mod_auth_gssapi on loopback, and the hub under mod_wsgi."""

import os
import secrets
import shutil
import subprocess
import urllib.request
import uuid
from typing import Any, NamedTuple, Optional

import trustme

from . import kdc, software
from .daemon import HERE, Daemon

EXAMPLES = HERE.parent.parent / "examples" / "apache"


class Logged(NamedTuple):
    """A line of the access log."""

    status: int
    earlier: int
    """How many requests there were before on the same connection."""
    ticket: bool
    """Whether it had an Authorization header."""
    user: str
    path: str


class Apache(Daemon):
    """Apache, from the call of `start` to that of `stop`.

    Args:
        realm: where its service is.
        clock: how far the clock is off that it sees, for example ``+20m``.
        keytab: with the keys of its service; default: the realm's.
        session_key: 32 bytes, with which sessions are encrypted; default: a key of its own.

    Attributes:
        ca: the `trustme.CA` that signed its certificates.
        cafile: the same as a file.
        ports: the port of each listener. ``https`` is TLS, and ``http`` is not. The certificate of ``othername`` is for
            another name. ``closing`` closes each connection after one request.
        session_key: with which sessions are encrypted from the next start on.
    """

    configuration = "hub.conf"
    listeners = ["https", "http", "othername", "closing"]
    needs = software.APACHE_NEEDS
    defines = "Define tls_ends_before_apache"
    """What else `EXAMPLES` lets its user define: take tickets without TLS, too."""

    def __init__(
        self,
        realm: Any,
        clock: Optional[str] = None,
        keytab: Optional[str] = None,
        session_key: Optional[bytes] = None,
    ) -> None:
        super().__init__({**kdc.client_environment(realm), **(software.other_clock(clock) if clock else {})})
        self.ca = trustme.CA()
        self.cafile = str(self._root / "ca.pem")
        self.session_key = session_key or secrets.token_bytes(32)
        self._keytab = keytab or realm.keytab

    def url(self, path: str = "/xmlrpc", listener: str = "https", host: str = kdc.HOST) -> str:
        """Return a URL of the hub."""
        return f"{'http' if listener == 'http' else 'https'}://{host}:{self.ports[listener]}{path}"

    def command(self, configuration: str) -> list[str]:
        """Return what starts it in the foreground."""
        return [software.APACHE, "-f", configuration, "-DFOREGROUND"]

    def template(self) -> str:
        """Return its configuration, behind what all have in common."""
        return (HERE / "apache.conf").read_text() + super().template()

    def words(self) -> dict[str, object]:
        """Return what stands for the words in its configuration."""
        return {
            "modules": software.APACHE_MODULES,
            "examples": EXAMPLES,
            "defines": self.defines,
            "user": "User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        }

    def prepare(self) -> None:
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
        self.copy_keytab()
        for name in ("hub.py", "samples.py"):
            shutil.copy(HERE / name, root)  # the children may not be allowed to read it where it is
        self._make_stale_keytab()
        self._give_to_children("delegated", "executed", "rcache", "stale.keytab")

    def copy_keytab(self) -> None:
        """Let the hub have the keys that are now in its keytab. It reads them for each ticket."""
        shutil.copy(self._keytab, self._root / "http.keytab")
        self._give_to_children("http.keytab")

    def _launch(self) -> bool:
        key = self._root / "session.key"
        key.touch(mode=0o600)
        key.write_bytes(self.session_key)
        return super()._launch()

    def logged(self, case: str, count: int = 1) -> list[Logged]:
        """Return the access log's lines of a case, the ``case=…`` or a part of the path in the URLs, `count` or more.

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

    def _lines(self, case: str, count: int) -> list[Logged]:
        """Return the lines of a case once there are `count`."""

        def find() -> list[Logged]:
            found = []
            for line in (self._root / "access.log").read_text().splitlines():
                status, earlier, ticket, user, query, _, path = line.split(" ", 6)
                if f"case={case}" in query[1:].split("&") or case in path.split("/"):
                    found.append(Logged(int(status), int(earlier), ticket != "-", user, path))
            return found

        return self.awaited(find, count)

    def _make_stale_keytab(self) -> None:
        """Make a keytab that has the service's principal with a key that the KDC does not know."""
        stale = self._root / "stale.keytab"
        commands = f"addent -password -p {kdc.SERVICE}@{kdc.REALM} -k 1 -e aes256-cts\nwrong\nwkt {stale}\nq\n"
        subprocess.run(["/usr/bin/ktutil"], input=commands, text=True, check=True, capture_output=True)

    def _give_to_children(self, *names: str) -> None:
        if os.geteuid() == 0:
            for name in names:
                shutil.chown(self._root / name, "www-data", "www-data")
