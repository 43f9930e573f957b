"""Copies of credential caches in memory. A copy leaves memory together with its credentials.

GSSAPI can copy a credential cache only into a cache with a name, and it can remove no such cache. But if it imports a
credential that was exported from a cache in memory, the credential gets a cache of its own, which ends with it. So the
tickets pass through a cache with a name, and the "tickets" of nobody then take their place there.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from contextlib import suppress
from typing import Any

from .ccache import cache_of_nobody, time_offset
from .gssapi_library import NO_KEYTAB, acquire, holder_of, oid, restrict_to_kerberos

MAX_OFFSET = 60
"""The most seconds between the clocks of this machine and of the KDC.

A cache in a file knows the difference, and libkrb5 corrects the times in its tokens by it. A copy does not know it.
Servers accept 300 seconds.
"""

_TEN_YEARS = 10 * 365 * 24 * 60 * 60
_NOBODY = "MEMORY:krbxmlrpc-nobody"

_numbers = itertools.count()
_free: list[str] = []
"""The caches with a name that no thread uses. They hold no tickets of the user."""
_nobody: list[Any] = []
"""The credentials of nobody, once they are needed."""


def copy(raw: Any, file: str, mechanism: str, principal: str) -> Any:
    """Return credentials that have a copy of a credential cache; None if it cannot be copied.

    Args:
        raw: the library.
        file: the file of the cache.
        principal: the principal whose cache it has to be.
    """
    if abs(time_offset(file)) > MAX_OFFSET:
        return None
    try:
        source = acquire(raw, None, "krb5", ccache=f"FILE:{file}", client_keytab=NO_KEYTAB)
        if holder_of(raw, source)[0] != principal:
            return None
        return _copied(raw, source, mechanism)
    except raw.GSSError:
        return None


def _copied(raw: Any, source: Any, mechanism: str) -> Any:
    nobody = _credentials_of_nobody(raw)
    place = _free_place()
    _store(raw, source, place)
    try:
        found = acquire(raw, None, mechanism, ccache=place, client_keytab=NO_KEYTAB)
        copied = raw.import_cred(raw.export_cred(found))
    finally:
        _store(raw, nobody, place)
        _free.append(place)
    if mechanism == "spnego":
        restrict_to_kerberos(raw, copied)
    return copied


def _free_place() -> str:
    with suppress(IndexError):
        return _free.pop()
    return f"MEMORY:krbxmlrpc-copy-{next(_numbers)}"


def _store(raw: Any, credentials: Any, place: str) -> None:
    """Replace the contents of a cache."""
    store = {b"ccache": place.encode()}
    raw.store_cred_into(store, credentials, usage="initiate", mech=oid(raw, "krb5"), overwrite=True)


def _credentials_of_nobody(raw: Any) -> Any:
    if not _nobody:
        with tempfile.NamedTemporaryFile() as file:
            file.write(cache_of_nobody(int(time.time()) + _TEN_YEARS))
            file.flush()
            found = acquire(raw, None, "krb5", ccache=f"FILE:{file.name}", client_keytab=NO_KEYTAB)
            _store(raw, found, _NOBODY)
        _nobody.append(acquire(raw, None, "krb5", ccache=_NOBODY, client_keytab=NO_KEYTAB))
    return _nobody[0]
