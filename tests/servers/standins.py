"""An Apache with stand-ins for servers that are on no package index. Each follows the source of its server.

A stand-in refuses everything that its server refuses, in the same words. Each is an application of its own beside this
module, and names the release that it follows. ``standins.conf`` protects them as the servers are protected.
"""

import json
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from . import software
from .apache import Apache
from .daemon import HERE

KOJI_HUBS = ("/kojihub", "/kojihub-1.31", "/kojihub-old")
"""The paths of the Koji hubs: the newest release, one of the releases 1.31 to 1.35, and one before 1.31."""


class Asked(NamedTuple):
    """A line of the access log."""

    status: int
    ticket: bool
    """Whether it had an Authorization header."""
    user: str
    method: str
    path: str


class StandIns(Apache):
    """The Apache, from the call of `start` to that of `stop`."""

    configuration = "standins.conf"
    listeners = ["https", "http"]
    needs = (*software.APACHE_NEEDS, software.PYTHON_GSSAPI)

    def prepare(self) -> None:
        """Write what Apache has, and the stand-ins."""
        super().prepare()
        self._seen = 0
        (self._root / "access.log").touch()  # Apache takes connections before it opens its log
        self.end_koji_sessions()
        self.drop_koji_sessions()
        (self._root / "koji").mkdir()
        self._give_to_children("koji")
        for script in HERE.glob("standin_*.py"):
            shutil.copy(script, self._root)
        self.switch_kiwi()

    def asked(self, count: int) -> list[Asked]:
        """Return what was asked since this was last called: at least `count` requests, and all there were.

        Apache writes a line after the reply has left, so a last request of our own is made, and its line waited for.
        """
        self.awaited(self._lines, count)
        last = f"/{uuid.uuid4().hex}"
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(self.url(last, "http")).close()
        self.awaited(lambda: [line for line in self._lines() if line.path == last], 1)
        lines = self._lines()
        self._seen += len(lines)
        return [line for line in lines if line.path != last]

    def end_koji_sessions(self) -> None:
        """Let all sessions at the Koji hubs expire. They can be renewed."""
        (self._root / "koji-expired").write_text(uuid.uuid4().hex)

    def drop_koji_sessions(self) -> None:
        """Make the Koji hubs forget all sessions."""
        (self._root / "koji-dropped").write_text(uuid.uuid4().hex)

    @contextmanager
    def stale_keytab(self) -> Iterator[None]:
        """Give Apache a keytab with another key than the KDC has, inside a ``with`` block."""
        shutil.copy(self._root / "stale.keytab", self._root / "http.keytab")
        self._give_to_children("http.keytab")
        try:
            yield
        finally:
            self.copy_keytab()

    def koji_offline(self, offline: bool) -> None:
        """Take the Koji hubs offline, or bring them back."""
        switch = self._root / "koji-offline"
        if offline:
            switch.touch()
        else:
            switch.unlink(missing_ok=True)

    def koji_upload(self, hub: str, folder: str, name: str) -> bytes:
        """Return a file that was uploaded to the Koji hub at this path."""
        return (self._root / "koji" / hub.strip("/") / folder / name).read_bytes()

    def switch_kiwi(self, **switches: object) -> None:
        """Choose the kind of Kiwi TCMS: see `SWITCHES` of its stand-in. What is not named has its default."""
        new = self._root / "kiwi.json.new"
        new.write_text(json.dumps(switches))
        new.replace(self._root / "kiwi.json")

    def _lines(self) -> list[Asked]:
        """Return the lines that are new."""
        found = []
        for line in (self._root / "access.log").read_text().splitlines()[self._seen :]:
            status, ticket, user, method, path = line.split(" ", 4)
            found.append(Asked(int(status), ticket != "-", user, method, path))
        return found


def end_session(proxy):
    """Have a cookie that the server does not know any more."""
    (cookie,) = proxy("transport").cookiejar
    cookie.value = uuid.uuid4().hex
