"""A throwaway realm for a test: its users and services, their tickets and keytabs, and the environment they need."""

import os
import struct
import time
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, Optional

from .._kerberos.ccache import ticket_end
from . import kdc

_DAY = 24 * 60 * 60  # seconds


class Realm:
    """A Kerberos realm, EXAMPLE.TEST, with an MIT KDC on loopback: in a ``with`` block, or from `start` to `stop`.

    It has the principal ``user``, whose ticket is in a credential cache of the realm's, and the service
    ``HTTP/localhost``, whose key is in the realm's keytab. All of its files are in a temporary folder.

    Args:
        clock: how far the clock is off that the KDC and ``kinit`` see, for example ``-2d`` or ``+20m``; that needs
            libfaketime.

    Names of users and services are taken without the realm, ``alice``, and with it, ``alice@EXAMPLE.TEST``.

    Raises:
        RuntimeError: when it starts: programs are missing, with the command that installs them; or it runs already.
    """

    name = kdc.REALM
    """What stands behind the ``@`` of its principals."""

    def __init__(self, *, clock: Optional[str] = None) -> None:
        self._clock = clock
        self._k5: Any = None

    def start(self) -> "Realm":
        """Start it; return it."""
        if self._k5 is not None:
            raise RuntimeError("the realm runs already: a with block starts it, too")
        self._k5 = kdc.start(self._clock)
        return self

    def stop(self) -> None:
        """Stop it, if it runs, and remove its files."""
        if self._k5 is not None:
            self._k5.stop()
            self._k5 = None

    def __enter__(self) -> "Realm":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def k5(self) -> Any:
        """The `k5test.K5Realm` behind it, for all that this class does not do.

        Raises:
            RuntimeError: the realm does not run.
        """
        if self._k5 is None:
            raise RuntimeError("the realm does not run: use it in its with block, or between start() and stop()")
        return self._k5

    # -- the environment ----------------------------------------------------------------------------------------------

    @property
    def environment(self) -> Dict[str, str]:
        """What a client needs in its environment, KRB5_CONFIG, KRB5CCNAME and the like, and ``no_proxy``."""
        return kdc.client_environment(self.k5)

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Have `environment` in that of this process, in a ``with`` block; then all is again as it was before.

        A process has one environment: only one realm at a time can be in it, for all threads.
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
        """The principal who has the ticket, ``user@EXAMPLE.TEST``."""
        return str(self.k5.user_princ)

    @property
    def keytab(self) -> str:
        """The file with the keys of the services."""
        return str(self.k5.keytab)

    def password(self, name: str) -> str:
        """Return the password of a user."""
        return str(self.k5.password(self._without_realm(name)))

    def add_user(self, name: str) -> str:
        """Add a user; return his principal. He has no ticket yet: `get_ticket`."""
        self.k5.addprinc(self._principal(name), self.password(name))
        return self._principal(name)

    def add_service(self, service: str) -> str:
        """Add a service, for example ``HTTP/hub.example.test``, and its key to `keytab`; return its principal."""
        self.k5.addprinc(self._principal(service))
        self.extract_keytab(service, self.keytab)
        return self._principal(service)

    def extract_keytab(self, name: str, path: str) -> str:
        """Add the key of a user or a service to the keytab at this path; return the path.

        A client gets its tickets from a user's keytab when KRB5_CLIENT_KTNAME names it and the cache has no ticket.

        Raises:
            ValueError: the key is not there, or cannot be written; in the words of ``kadmin.local``.
        """
        said = self.k5.run_kadminl(f'ktadd -k "{path}" -norandkey "{self._principal(name)}"').decode()
        if "added to keytab" not in said:  # its exit status is 0, whatever happens
            raise ValueError(f"no key of {name} goes to {path}: {said.splitlines()[0]}")
        return path

    # -- tickets ------------------------------------------------------------------------------------------------------

    def get_ticket(self, name: str = "user", cache: Optional[str] = None) -> None:
        """Get a new ticket for a user, in place of what there is in a cache.

        Args:
            cache: its name as in KRB5CCNAME; default: the realm's, which `environment` names.
        """
        environment = self.k5.env if cache is None else {**self.k5.env, "KRB5CCNAME": cache}
        self.k5.kinit(self._principal(name), self.password(name), env=environment)

    def destroy_ticket(self) -> None:
        """Remove the realm's credential cache, as ``kdestroy`` does."""
        with suppress(FileNotFoundError):
            os.unlink(self.k5.ccache)

    def expire_ticket(self) -> None:
        """Let the tickets in the realm's credential cache have expired a day ago.

        Nobody waits for that, nor turns a clock: their ends are written anew in the file. The copy of them that the KDC
        has sealed into the tickets stays as it was.

        Raises:
            RuntimeError: there is no ticket.
        """
        end = ticket_end(self.k5.ccache)
        if end is None:
            raise RuntimeError(f"there is no ticket in {self.k5.ccache}")
        # Four bytes that are not a time, but just the same number, would be a strange chance in so short a file.
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
