"""A temporary realm for a test: its users and services, their tickets and keytabs, and the environment they need."""

import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Optional

from .._kerberos.ccache import ticket_end
from . import kdc

_DAY = 24 * 60 * 60  # seconds


class Realm:
    """A Kerberos realm, EXAMPLE.TEST, with an MIT KDC on loopback.

    The realm runs in a ``with`` block, or from `start` to `stop`. It has the principal ``user`` with a ticket in the
    realm's credential cache, and the service ``HTTP/localhost`` with its key in the realm's keytab. All files of the
    realm are in a temporary folder.

    Methods accept names of users and services without the realm, ``alice``, or with it, ``alice@EXAMPLE.TEST``.

    Args:
        clock: the offset of the clock that the KDC and ``kinit`` see, for example ``-2d`` or ``+20m``. An offset needs
            libfaketime.

    Raises:
        RuntimeError: at the start: programs are missing (the message has the commands that install them), or the realm
            is already running.
    """

    name = kdc.REALM
    """The name of the realm, which follows the ``@`` in its principals."""

    def __init__(self, *, clock: Optional[str] = None) -> None:
        self._clock = clock
        self._k5: Any = None

    def start(self) -> "Realm":
        """Start the realm, and return it."""
        if self._k5 is not None:
            raise RuntimeError("the realm is already running: a with block also starts it")
        self._k5 = kdc.start(self._clock)
        return self

    def stop(self) -> None:
        """Stop the realm if it is running, and remove its files."""
        if self._k5 is not None:
            self._k5.stop()
            self._k5 = None

    def __enter__(self) -> "Realm":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def k5(self) -> Any:
        """The underlying `k5test.K5Realm`, for everything that this class does not do.

        Raises:
            RuntimeError: the realm is not running.
        """
        if self._k5 is None:
            raise RuntimeError("the realm is not running: use it in its with block, or between start() and stop()")
        return self._k5

    # -- the environment ----------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that a client needs, such as KRB5_CONFIG and KRB5CCNAME, and ``no_proxy``."""
        return kdc.client_environment(self.k5)

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Put `environment` into this process's environment for a ``with`` block, and then restore the old values.

        All threads of a process share its environment, so only one realm at a time can be in it.
        """
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    # -- principals and keytabs ---------------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """The principal with the ticket, ``user@EXAMPLE.TEST``."""
        return str(self.k5.user_princ)

    @property
    def keytab(self) -> str:
        """The file with the keys of the services."""
        return str(self.k5.keytab)

    def password(self, name: str) -> str:
        """Return the password of a user."""
        return str(self.k5.password(self._without_realm(name)))

    def add_user(self, name: str) -> str:
        """Add a user, and return the principal. The user has no ticket until `get_ticket`."""
        self.k5.addprinc(self._principal(name), self.password(name))
        return self._principal(name)

    def add_service(self, service: str) -> str:
        """Add a service, for example ``HTTP/hub.example.test``, and its key to `keytab`. Return its principal."""
        self.k5.addprinc(self._principal(service))
        self.extract_keytab(service, self.keytab)
        return self._principal(service)

    def extract_keytab(self, name: str, path: str) -> str:
        """Add the key of a user or a service to the keytab at this path, and return the path.

        If KRB5_CLIENT_KTNAME names a user's keytab and the cache has no ticket, clients get tickets with that keytab.

        Raises:
            ValueError: the principal does not exist, or the key cannot be written. The message has the
                output of ``kadmin.local``.
        """
        said = self.k5.run_kadminl(f'ktadd -k "{path}" -norandkey "{self._principal(name)}"').decode()
        if "added to keytab" not in said:  # the exit status is always 0
            raise ValueError(f"cannot add the key of {name} to {path}: {said.splitlines()[0]}")
        return path

    # -- tickets ------------------------------------------------------------------------------------------------------

    def get_ticket(self, name: str = "user", cache: Optional[str] = None) -> None:
        """Get a new ticket for a user, and replace the contents of a credential cache with it.

        Args:
            name: the user.
            cache: the name of the cache, as in KRB5CCNAME. The default is the realm's cache, which `environment` names.
        """
        environment = self.k5.env if cache is None else {**self.k5.env, "KRB5CCNAME": cache}
        self.k5.kinit(self._principal(name), self.password(name), env=environment)

    def destroy_ticket(self) -> None:
        """Remove the realm's credential cache, as ``kdestroy`` does."""
        with suppress(FileNotFoundError):
            os.unlink(self.k5.ccache)

    def expire_ticket(self) -> None:
        """Change the tickets in the realm's credential cache so that they expired a day ago.

        This method changes the expiry times in the cache file, so no test has to wait or change a clock. The copy of
        the times that the KDC has sealed into the tickets does not change.

        Raises:
            RuntimeError: the cache has no ticket.
        """
        end = ticket_end(self.k5.ccache)
        if end is None:
            raise RuntimeError(f"there is no ticket in {self.k5.ccache}")
        # Four other bytes with the value of the time are very unlikely in such a short file.
        old, new = (struct.pack(">I", int(seconds)) for seconds in (end.timestamp(), time.time() - _DAY))
        with open(self.k5.ccache, "r+b") as file:
            changed = file.read().replace(old, new)
            file.seek(0)
            file.write(changed)

    # -- names --------------------------------------------------------------------------------------------------------

    def _without_realm(self, name: str) -> str:
        ending = f"@{self.name}"
        return name[: -len(ending)] if name.endswith(ending) else name

    def _principal(self, name: str) -> str:
        return f"{self._without_realm(name)}@{self.name}"
