"""GSSAPI through pykerberos, which knows only the credentials that the environment names.

Only this module uses pykerberos.
"""

from __future__ import annotations

import binascii
from typing import Any

import kerberos

from .._forks import no_fork
from .._secrets import Secret, SecretBytes
from ..errors import GSSStatus
from . import sources
from .gss import Request
from .gss_errors import GSSFailure
from .own_cache import OwnCache
from .sources import Source
from .tokens import read_offer

_SHORTEST_TICKET = 128
"""A ticket has more characters in base64: its encrypted part alone has a session key, two principals and five times."""


class PykerberosCredentials:
    """The credentials that the environment names.

    Args:
        principal: as for `KerberosTicket`.
    """

    own: OwnCache | None = None

    def __init__(self, principal: str | None) -> None:
        self._principal = principal

    def check_principal(self, request: Request) -> None:
        """If another mechanism is installed, GSSAPI may find credentials of the principal only for that mechanism.

        krb5 then takes the default credentials, which are another principal's. SPNEGO raises an error instead.
        """
        if self._principal is not None and request.mechanism == "krb5":
            read_offer(SecretBytes(binascii.a2b_base64(self.begin(request._replace(mechanism="spnego"))[1])))

    def begin(self, request: Request) -> tuple[_Context, str]:
        """Return a new context and its first token."""
        flags = kerberos.GSS_C_MUTUAL_FLAG if request.mutual else 0
        flags |= kerberos.GSS_C_DELEG_FLAG if request.delegate else 0
        oid = kerberos.GSS_MECH_OID_SPNEGO if request.mechanism == "spnego" else kerberos.GSS_MECH_OID_KRB5
        options = {"principal": self._principal, "gssflags": flags, "mech_oid": oid}
        try:
            _, handle = no_fork(kerberos.authGSSClientInit, request.target, **options)
        except kerberos.GSSError as error:
            raise failure_of(error) from error
        context = _Context(self, request, handle)
        return context, context.step("")[1]

    def empty(self, seen: int, is_tgt_refused: bool = False) -> bool:
        """Return False: the cache is the user's."""
        return False

    def fetch(self, target: str) -> SecretBytes | None:
        """Return None: pykerberos cannot ask for a ticket that the cache has."""
        return None

    def holder(self) -> tuple[str, int | None] | None:
        """Return None: pykerberos does not tell."""
        return None

    def source(self) -> Source:
        """Return what the environment names."""
        return sources.of_environment(self._principal)


class _Context:
    holder: str | None = None

    def __init__(self, credentials: PykerberosCredentials, request: Request, handle: Any) -> None:
        self._credentials = credentials
        self._request = request
        self.handle = handle
        self._length: int | None = None  # of the first token

    def step(self, token: str) -> tuple[bool, str]:
        bindings = {}
        if self._request.channel_bindings is not None:
            bindings["channel_bindings"] = kerberos.channelBindings(application_data=self._request.channel_bindings)
        try:
            state = no_fork(kerberos.authGSSClientStep, self.handle, token, **bindings)
        except kerberos.GSSError as error:
            raise failure_of(error) from error
        answer = Secret(kerberos.authGSSClientResponse(self.handle) or "")
        if self._length is None:
            self._length = len(answer)
        return state == kerberos.AUTH_GSS_COMPLETE, answer

    def client(self) -> str:
        return str(kerberos.authGSSClientUserName(self.handle))

    def delegates(self) -> bool | None:
        # pykerberos does not tell the flags of a context. A token that delegates holds a ticket-granting ticket. So it
        # is longer than a token that does not, by more than the shortest ticket.
        try:
            plain = self._credentials.begin(self._request._replace(delegate=False))[1]
        except GSSFailure:
            return None
        return (self._length or 0) - len(plain) > _SHORTEST_TICKET


def failure_of(error: Any) -> GSSFailure:
    """Return the failure that pykerberos reports."""
    try:
        major, minor = error.args
        return GSSFailure(GSSStatus(*major), GSSStatus(*minor))
    except (TypeError, ValueError):  # pykerberos loses both statuses if GSSAPI's messages are not UTF-8
        unknown = GSSStatus("GSSAPI failed without a readable message", 0)
        return GSSFailure(unknown, unknown)
