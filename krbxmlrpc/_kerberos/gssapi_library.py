"""The library python-gssapi: whether it is there, and the calls that more than one module needs."""

from __future__ import annotations

import functools
import os
from typing import Any

from .._forks import no_fork
from .._hints import Hint
from ..errors import GSSStatus
from .gss_errors import GSSFailure

_OIDS = {"spnego": "1.3.6.1.5.5.2", "krb5": "1.2.840.113554.1.2.2"}

NO_KEYTAB = "MEMORY:krbxmlrpc-none"
"""A keytab without keys.

If no keytab is passed, GSSAPI fills an empty cache from the keytab that KRB5_CLIENT_KTNAME names, with the tickets of a
principal that nobody asked for.
"""

_STORES = ("acquire_cred_from", "store_cred_into", "set_neg_mechs")
_COPIES = ("export_cred", "import_cred")

_ENVIRONMENT = (
    "the environment names the credentials of the whole process: KRB5CCNAME names the credential cache, "
    "KRB5_CLIENT_KTNAME the keytab"
)


def _load() -> Any:
    """Load the library when it is first needed, because that takes as long as the import of the whole package."""
    import gssapi.raw

    return gssapi.raw


def library() -> Any:
    """Return the library; None if it is not installed, or has no ``set_neg_mechs`` to restrict SPNEGO to Kerberos."""
    try:
        raw = no_fork(_load)
    except (ImportError, OSError):  # OSError: it is installed, and finds no GSSAPI
        return None
    return raw if hasattr(raw, "set_neg_mechs") else None


def library_with_stores() -> Any:
    """Return the library, with the functions for credential caches and keytabs of a transport.

    Raises:
        ImportError: the library is not installed, or has no such functions.
    """
    try:
        raw = no_fork(_load)
    except (ImportError, OSError) as error:
        raise ImportError(
            Hint(
                "{args.ccache} and {args.keytab} need python-gssapi: pip install gssapi. Without it, {environment}",
                environment=_ENVIRONMENT,
            )
        ) from error
    if not all(hasattr(raw, name) for name in _STORES):
        raise ImportError(
            Hint(
                "{args.ccache} and {args.keytab} need GSSAPI's credential store extension and gss_set_neg_mechs, "
                "and python-gssapi was built without them: build it with MIT Kerberos 1.11 or newer. Without them, "
                "{environment}",
                environment=_ENVIRONMENT,
            )
        )
    return raw


def can_copy(raw: Any) -> bool:
    """Say whether the library has the functions to copy credentials."""
    return all(hasattr(raw, name) for name in (*_STORES, *_COPIES))


@functools.cache
def oid(raw: Any, mechanism: str) -> Any:
    """Return the object identifier of a mechanism."""
    return raw.OID.from_int_seq(_OIDS[mechanism])


def acquire(raw: Any, principal: str | None, mechanism: str, usage: str = "initiate", **store: str) -> Any:
    """Return credentials.

    Args:
        principal: whose; None: those that GSSAPI chooses.
        store: the names of a credential cache and a keytab (``ccache``, ``client_keytab``, ``keytab``); nothing: the
            credentials of the process.

    Raises:
        gssapi.raw.GSSError: there are none.
    """
    name = principal and raw.import_name(principal.encode(), raw.NameType.kerberos_principal)
    mechanisms = [oid(raw, mechanism)]
    if store:
        encoded = {key.encode(): os.fsencode(value) for key, value in store.items()}
        found = raw.acquire_cred_from(encoded, name or None, mechs=mechanisms, usage=usage).creds
    else:
        found = raw.acquire_cred(name or None, mechs=mechanisms, usage=usage).creds
    if mechanism == "spnego" and usage == "initiate":
        restrict_to_kerberos(raw, found)
    return found


def restrict_to_kerberos(raw: Any, credentials: Any) -> None:
    """Let SPNEGO offer no other mechanism than Kerberos."""
    raw.set_neg_mechs(credentials, [oid(raw, "krb5")])


def holder_of(raw: Any, credentials: Any) -> tuple[str, int | None]:
    """Return the principal of credentials, and their lifetime in seconds (None: unlimited)."""
    found: Any = raw.inquire_cred(credentials, mechs=False, usage=False)
    return str(raw.display_name(found.name, name_type=False).name, "utf-8"), found.lifetime


def failure_of(error: Any) -> GSSFailure:
    """Return the failure that python-gssapi reports."""
    statuses = []
    for code, is_major in ((error.maj_code, True), (error.min_code, False)):
        try:
            text = "; ".join(error.get_all_statuses(code, is_major))
        except UnicodeDecodeError:
            text = "GSSAPI's message is not UTF-8"
        statuses.append(GSSStatus(text, code if is_major else signed(code)))
    return GSSFailure(*statuses)


def signed(code: int) -> int:
    """Return a minor code as in krb5.h, with a sign. python-gssapi reports the codes without a sign."""
    return code - (1 << 32) if code >> 31 else code
