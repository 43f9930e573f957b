"""Chooses the library for GSSAPI: python-gssapi if it is installed, otherwise pykerberos.

The module for the chosen library is loaded when it is first needed, so that the import of the package is cheaper.
"""

from __future__ import annotations

from typing import Any

from .._forks import no_fork
from .._hints import Hint
from .gss import Credentials
from .gssapi_library import library, library_with_stores

_NONE = Hint("Kerberos needs pykerberos or python-gssapi: pip install pykerberos, or pip install gssapi")


def credentials_of(principal: str | None, ccache: str | None, keytab: str | None) -> Credentials:
    """Return the credentials of a transport with these arguments.

    Raises:
        ImportError: a library is needed, and is not installed, or lacks functions.
    """
    if ccache is None and keytab is None:
        return credentials_of_process(principal)
    return no_fork(_by_python_gssapi, library_with_stores(), principal, ccache, keytab)


def credentials_of_process(principal: str | None) -> Credentials:
    """Return the credentials that the environment names.

    Args:
        principal: as for `KerberosTicket`.

    Raises:
        ImportError: no library is installed.
    """
    raw = library()
    if raw is not None:
        return no_fork(_by_python_gssapi, raw, principal)
    try:
        return no_fork(_by_pykerberos, principal)
    except ImportError as error:
        raise ImportError(_NONE) from error


def _by_python_gssapi(raw: Any, principal: str | None, *store: str | None) -> Credentials:
    from .python_gssapi import GssapiCredentials

    return GssapiCredentials(raw, principal, *store)


def _by_pykerberos(principal: str | None) -> Credentials:
    from .pykerberos import PykerberosCredentials

    return PykerberosCredentials(principal)
