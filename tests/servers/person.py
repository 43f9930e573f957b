"""A principal of the realm who is not the one in the environment."""

from pathlib import Path
from typing import Any


class Person:
    """A principal, with a keytab of its own.

    Args:
        realm: a k5test.K5Realm.
        principal: the name, with its realm.
        folder: the folder for the keytab.

    Attributes:
        keytab: its path.
    """

    def __init__(self, realm: Any, principal: str, folder: Path) -> None:
        self._realm = realm
        self.principal = principal
        self.keytab = str(folder / f"{principal}.keytab")
        realm.addprinc(principal)
        realm.extract_keytab(principal, self.keytab)

    def kinit(self, ccache: str, *flags: str) -> str:
        """Get tickets into a cache; return its name."""
        environment = {**self._realm.env, "KRB5CCNAME": ccache}
        self._realm.kinit(self.principal, flags=["-k", "-t", self.keytab, *flags], env=environment)
        return ccache
