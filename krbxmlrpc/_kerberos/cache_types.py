"""The types of credential caches, and the faults of a cache's name that depend on the type.

GSSAPI reports such faults only as missing credentials. Source: MIT Kerberos documentation, "Credential cache".
"""

from __future__ import annotations

import os
from typing import NamedTuple

from .._hints import Hint
from . import krb5_conf

TYPES = ("API", "DIR", "FILE", "KCM", "KEYRING", "MEMORY", "MSLSA")
"""The types that MIT Kerberos knows. Some exist on some systems only."""

_KCM_SOCKET = "/var/run/.heim_org.h5l.kcm-socket"


class Fault(NamedTuple):
    """Why a cache cannot be used, and the remedy."""

    why: str
    remedy: Hint


def fault_of(name: str) -> Fault | None:
    """Return the fault of a cache's name; None if none is known. A cache of type FILE has no such fault.

    If the name is empty, krb5.conf names the cache.
    """
    name = name or krb5_conf.current().libdefaults.get("default_ccache_name", "")
    kind, colon, _ = name.partition(":")
    if not colon:
        return None
    if kind not in TYPES:
        return Fault(
            f"{kind!a} in {name!a} is no type of credential cache",
            Hint(
                "correct KRB5CCNAME or {args.ccache}: a cache is a path, or a type and a name; the types are {types}",
                types=", ".join(TYPES),
            ),
        )
    socket = krb5_conf.current().libdefaults.get("kcm_socket", _KCM_SOCKET)
    if kind == "KCM" and socket != "-" and not os.path.exists(socket):
        return Fault(
            f"the daemon for caches of type KCM does not run: there is no {socket}",
            Hint(
                "start the daemon, for example by systemctl start sssd-kcm.socket; or name another cache by KRB5CCNAME "
                "or {args.ccache}, for example FILE:/path, and run kinit"
            ),
        )
    return None
