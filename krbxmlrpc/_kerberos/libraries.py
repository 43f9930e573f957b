"""Chooses the library for GSSAPI: python-gssapi if it is installed, otherwise pykerberos."""

from __future__ import annotations

from .._hints import Hint
from .gss import Credentials
from .gssapi_library import library
from .pykerberos import PykerberosCredentials
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
        return GssapiCredentials(principal)
    try:
        return PykerberosCredentials(principal)
    except ImportError as error:
        raise ImportError(_NONE) from error
