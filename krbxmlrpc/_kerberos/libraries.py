"""Chooses the library for GSSAPI: python-gssapi if it is installed, otherwise pykerberos.

Only the module for the chosen library is loaded, and only when it is needed: the import of the package gains by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._forks import no_fork
from .._hints import Hint
from .gss import Credentials
from .gssapi_library import library

if TYPE_CHECKING:
    from .python_gssapi import GssapiCredentials

_NONE = Hint("Kerberos needs pykerberos or python-gssapi: pip install pykerberos, or pip install gssapi")


def credentials_of_process(principal: str | None) -> Credentials:
    """Return the credentials that the environment names.

    Args:
        principal: as for `KerberosTicket`.

    Raises:
        ImportError: no library is installed.
    """
    if library() is not None:
        return gssapi_credentials(principal)
    try:
        return no_fork(_by_pykerberos, principal)
    except ImportError as error:
        raise ImportError(_NONE) from error


def gssapi_credentials(
    principal: str | None, ccache: str | None = None, keytab: str | None = None
) -> GssapiCredentials:
    """Return credentials by python-gssapi. The arguments, and the errors, are those of `GssapiCredentials`."""
    return no_fork(_by_python_gssapi, principal, ccache, keytab)


def _by_python_gssapi(principal: str | None, ccache: str | None, keytab: str | None) -> GssapiCredentials:
    from .python_gssapi import GssapiCredentials

    return GssapiCredentials(principal, ccache, keytab)


def _by_pykerberos(principal: str | None) -> Credentials:
    from .pykerberos import PykerberosCredentials

    return PykerberosCredentials(principal)
