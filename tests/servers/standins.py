"""An Apache with stand-ins for servers that cannot run here: each follows what its server's source publishes.

They are strict: what the real one refuses they refuse, in its words. Each is an application of its own beside this
module, and names what it follows; ``standins.conf`` protects them as the real ones are protected.
"""

import shutil
import urllib.error
import urllib.request
import uuid
from contextlib import suppress
from typing import NamedTuple

from .apache import Apache
from .daemon import HERE


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

    def prepare(self) -> None:
        """Write what Apache has, and the stand-ins."""
        super().prepare()
        self._seen = 0
        (self._root / "access.log").touch()  # Apache takes connections before it opens its log
        self.end_koji_sessions()
        for script in HERE.glob("standin_*.py"):
            shutil.copy(script, self._root)

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
        """Have the sessions at Koji end that there are."""
        (self._root / "sessions").write_text(uuid.uuid4().hex)

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
