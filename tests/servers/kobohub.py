"""A real hub of kobo's on loopback: kobo's Django applications under a real Apache with mod_auth_gssapi."""

import base64
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

from . import kdc, software
from .apache import Apache
from .daemon import HERE

PACKAGES = ("asgiref", "django", "kobo", "six", "sqlparse", "typing_extensions")
"""What the hub is made of, and what that needs: pure Python, from the environment of the tests."""

ADMIN = "admin"
"""The hub's administrator, also a principal of the realm; the password is ``password of admin``."""

WORKER = "builder.example.test"
"""The hub's worker; its principal in the realm is ``worker/`` and this."""

WORKER_KEY = "the key of the worker"
SERVICE = f"kobohub/{kdc.HOST}"
"""Another name that the hub goes by in the realm."""


class KoboHub(Apache):
    """Apache with the hub, from the call of `start` to that of `stop`. Also a client can log in with another service.

    Attributes:
        worker_keytab: with the key of the worker.
        admin_keytab: with the key of the administrator.
    """

    configuration = "kobohub.conf"
    listeners = ["https", "http"]

    def __init__(self, realm: Any) -> None:
        super().__init__(realm)
        self._realm = realm
        self.worker_keytab = str(self._root / "worker.keytab")
        self.admin_keytab = str(self._root / "admin.keytab")

    def hub_url(self, case: str, hub: str = "hub", listener: str = "https") -> str:
        """Return a ``HUB_URL``, whose requests are logged as `case`; `hub` may also be ``stale`` or ``closed``."""
        return self.url(f"/{case}/{hub}/xmlrpc", listener)

    def prepare(self) -> None:
        """Write what Apache needs, make the principals, and the hub with its database."""
        for principal, keytab in ((f"worker/{WORKER}", self.worker_keytab), (ADMIN, self.admin_keytab)):
            self._realm.addprinc(principal)
            self._realm.extract_keytab(principal, keytab)
        self._realm.addprinc(SERVICE)
        super().prepare()
        self._realm.extract_keytab(SERVICE, str(self._root / "http.keytab"))
        self.make_site()

    def make_site(self) -> None:
        """Put the hub's code where Apache's children may read it, and make its database.

        Raises:
            RuntimeError: a package is missing, or the Python that mod_wsgi has in it cannot use those that are there.
        """
        python = self._root / "python"
        shutil.copytree(HERE / "kobosite", python / "kobosite", ignore=shutil.ignore_patterns("__pycache__"))
        for name in PACKAGES:
            _copy(name, python)
        command = [software.PYTHON, "-s", "-E", "-m", "kobosite.fill", ADMIN, WORKER, WORKER_KEY]
        done = subprocess.run(command, cwd=python, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(
                f"the Python of mod_wsgi, {software.PYTHON}, cannot run the hub with the packages of {sys.prefix}: "
                f"{done.stderr or done.stdout}"
            )
        if os.geteuid() == 0:
            for path in (self._root / "data", *(self._root / "data").iterdir()):
                shutil.chown(path, "www-data", "www-data")

    def database(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement in the hub's database; return the rows."""
        with closing(sqlite3.connect(self._root / "data" / "hub.sqlite", timeout=30)) as database, database:
            return database.execute(statement, values).fetchall()

    def end_sessions(self) -> int:
        """End all sessions; return how many there were."""
        ended = self.database("SELECT count(*) FROM django_session")[0][0]
        self.database("DELETE FROM django_session")
        return int(ended)

    def session_users(self) -> list[str]:
        """Return the names of those who have a session."""
        names = []
        for (data,) in self.database("SELECT session_data FROM django_session"):
            # As django.core.signing writes it: a dot where it is compressed, and a time and a signature behind colons.
            packed = data.lstrip(".").partition(":")[0]
            content = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
            session = json.loads(zlib.decompress(content) if data.startswith(".") else content)
            names += self.database("SELECT username FROM auth_user WHERE id = ?", session["_auth_user_id"])[0]
        return names

    def file(self, *parts: str) -> Path:
        """Return the path of a file in the hub's data."""
        return self._root.joinpath("data", *parts)


def _copy(name: str, folder: Path) -> None:
    """Copy a package or module, as far as a hub needs it, to where Apache's children may read it."""
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise RuntimeError(f"missing: the Python package {name}; tests/setup.sh installs it")
    origin = Path(found.origin)
    if origin.name == "__init__.py":
        shutil.copytree(origin.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.po", "*.mo"))
    else:
        shutil.copy(origin, folder)
