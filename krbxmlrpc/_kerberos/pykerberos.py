"""Tickets from the credentials of the process, through pykerberos. Only this module uses pykerberos."""

from __future__ import annotations

import os
import shlex
from typing import Any

import kerberos

from .._forks import no_fork
from .._secrets import Secret
from ..errors import GSSStatus
from .gss_errors import GSSFailure, Source
from .ticket import Ticket

_SHORTEST_TICKET = 128
"""A ticket has more characters in base64: its encrypted part alone has a session key, two principals and five times."""

_MECHANISMS = {"spnego": kerberos.GSS_MECH_OID_SPNEGO, "krb5": kerberos.GSS_MECH_OID_KRB5}


class PykerberosTicket(Ticket):
    """A ticket from the credentials that the environment names."""

    def _check_principal(self, mechanism: str) -> None:
        if self._asked_principal is not None and mechanism == "krb5":
            # If another mechanism is installed, GSSAPI may find credentials of the principal only for that mechanism.
            # krb5 then takes the default credentials, which are another principal's. SPNEGO raises an error instead.
            self._opened("spnego")

    def _begin(self, mechanism: str) -> tuple[Any, str]:
        flags = kerberos.GSS_C_MUTUAL_FLAG if self.mutual else 0
        flags |= kerberos.GSS_C_DELEG_FLAG if self.is_to_delegate else 0
        try:
            _, context = no_fork(
                kerberos.authGSSClientInit,
                self._target,
                principal=self._asked_principal,
                gssflags=flags,
                mech_oid=_MECHANISMS[mechanism],
            )
        except kerberos.GSSError as error:
            raise _failure(error) from error
        return context, self._step(context, "")[1]

    def _step(self, context: Any, token: str) -> tuple[bool, str]:
        bindings = {}
        if self._channel_bindings is not None:
            bindings["channel_bindings"] = kerberos.channelBindings(application_data=self._channel_bindings)
        try:
            state = no_fork(kerberos.authGSSClientStep, context, token, **bindings)
        except kerberos.GSSError as error:
            raise _failure(error) from error
        return state == kerberos.AUTH_GSS_COMPLETE, Secret(kerberos.authGSSClientResponse(context) or "")

    def _client(self, context: Any) -> str:
        return str(kerberos.authGSSClientUserName(context))

    def _delegates(self, context: Any, mechanism: str, token: str) -> bool | None:
        # pykerberos does not tell the flags of a context. A token that delegates holds a ticket-granting ticket. So it
        # is longer than a token that does not, by more than the shortest ticket.
        self.is_to_delegate = False
        try:
            plain = self._begin(mechanism)[1]
        except GSSFailure:
            return None
        finally:
            self.is_to_delegate = True
        return len(token) - len(plain) > _SHORTEST_TICKET

    def _source(self) -> Source:
        cache, keytab = (os.environ.get(name, "") for name in ("KRB5CCNAME", "KRB5_CLIENT_KTNAME"))
        looked = f"KRB5CCNAME names {cache}" if cache else "KRB5CCNAME is not set, so it was the default one"
        looked += f"; KRB5_CLIENT_KTNAME names the keytab {keytab}" if keytab else ""
        kinit, several = "run kinit", ""
        if self._asked_principal is not None:
            kinit = f"run kinit {shlex.quote(self._asked_principal)}"
            several = "; a collection, KRB5CCNAME=DIR:/path, keeps those of several principals"
        again = f"{kinit} again"
        if keytab:
            again += " (or kdestroy: the keytab then fills the cache)"
        return Source(
            cache,
            f"{kinit}, or set KRB5_CLIENT_KTNAME to a keytab; klist -A shows which principals there are tickets for"
            f"{several}. The credential cache looked at: {looked}",
            default_keytab=keytab or None,
            again=again,
        )


def _failure(error: kerberos.GSSError) -> GSSFailure:
    """Return the failure that pykerberos reports."""
    try:
        major, minor = error.args
        return GSSFailure(GSSStatus(*major), GSSStatus(*minor))
    except (TypeError, ValueError):  # pykerberos loses both statuses if GSSAPI's messages are not UTF-8
        unknown = GSSStatus("GSSAPI failed without a readable message", 0)
        return GSSFailure(unknown, unknown)
