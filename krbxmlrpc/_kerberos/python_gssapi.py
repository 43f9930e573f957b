"""GSSAPI through python-gssapi: credentials of the process, of one credential cache, or from a keytab.

`os.environ` stays unchanged. GSSAPI's credential store extension takes a credential cache for each exchange, and a
keytab that renews the tickets in the cache.
"""

from __future__ import annotations

import binascii
import functools
import operator
import time
from contextlib import suppress
from typing import Any

from .._forks import no_fork
from .._secrets import Secret, SecretBytes, hidden
from . import sources
from .gss import Request
from .gssapi_library import (
    NO_KEYTAB,
    acquire,
    failure_of,
    holder_of,
    oid,
    signed,
)
from .kept import Found, Keeper, KeptInCopies, KeptInOwnCache
from .own_cache import OwnCache, own_cache
from .sources import Source
from .turns import Turns
from .watch import caches_in

_NOT_FOUND = (-1765328243, -1765328189)  # KRB5_CC_NOTFOUND, KRB5_FCC_NOFILE

_FAR = 10 * 366 * 24 * 60 * 60
"""A longer lifetime, in seconds, than that of any ticket in a cache. If a context asks for it, GSSAPI asks the KDC."""

_ATTEMPTS = 5
"""How often a context is begun, if the credential cache changes meanwhile."""

_ROUTINE = 0xFF0000
_DEFECTIVE_CREDENTIAL = 10 << 16  # RFC 2744, section 3.9.1. The cache got another principal after the acquisition.


class GssapiCredentials:
    """The credentials of the process, or those of one cache; or a keytab, and a cache that the keytab fills.

    Args:
        raw: the library.
        principal: the principal of the credentials; None: that of the cache, or of the first key in the keytab.
        ccache: the cache; None: the one that the environment names, or if there is a keytab, a cache in memory, shared
            by all credentials of this process with this keytab and principal.
        keytab: the keytab; None: use the cache as it is.

    Attributes:
        own: the cache in memory, if there is a keytab and no `ccache`.
    """

    def __init__(self, raw: Any, principal: str | None, ccache: str | None = None, keytab: str | None = None) -> None:
        is_of_process = ccache is None and keytab is None
        self.gssapi = raw
        self._principal = principal
        self._keytab = keytab
        self.own = own_cache(keytab, principal or "") if keytab is not None and ccache is None else None
        self._ccache = ccache if self.own is None else self.own.name
        self._source = None if is_of_process else sources.of_arguments(principal, ccache, keytab)
        self._keeper: Keeper = (
            KeptInCopies(self.gssapi, principal, ccache) if self.own is None else KeptInOwnCache(self.own)
        )

    def source(self) -> Source:
        """Return the cache and the keytab."""
        return sources.of_environment(self._principal) if self._source is None else self._source

    def check_principal(self, request: Request) -> None:
        """Do nothing: credentials are acquired by the name of the principal."""

    def begin(self, request: Request) -> tuple[_Context, str]:
        """Return a new context and its first token."""
        try:
            return no_fork(self._begin, request)
        except self.gssapi.GSSError as error:
            raise failure_of(error) from error

    def _begin(self, request: Request) -> tuple[_Context, str]:
        kept = self._keeper.find(request)
        if kept is not None:
            with suppress(self.gssapi.GSSError):
                context = _Context(self.gssapi, request, kept.credentials)
                token = context.first()
                context.holder = kept.principal
                return context, token
            self._keeper.forget(request)  # the cache itself tells why
        return self._begin_anew(request)

    def _begin_anew(self, request: Request) -> tuple[_Context, str]:
        state = self._keeper.look(request)
        attempts = _ATTEMPTS
        while True:
            attempts -= 1
            credentials, number = self._acquired(request.mechanism)
            try:
                context = _Context(self.gssapi, request, credentials)
                token = context.first()
                found = Found(credentials, holder_of(self.gssapi, credentials)[0], number)
            except self.gssapi.GSSError as error:
                if not attempts or not self._may_succeed_now(error, request, state, number):
                    raise
                state = self._keeper.look(request)
                continue
            self._keeper.note(request, state, found, context.lifetime)
            context.holder = found.principal
            return context, token

    def _may_succeed_now(self, error: Any, request: Request, state: Any, number: int) -> bool:
        """Say whether the cache has changed, or other tickets may be in it, since the credentials were acquired.

        Args:
            state, number: the state of the cache, and the number of renewals, before.
        """
        if number != self._number_of_renewals():
            return True  # another thread has renewed the tickets: the cache was empty for a moment
        if error.maj_code & _ROUTINE == _DEFECTIVE_CREDENTIAL:
            return True
        return bool(self._keeper.look(request) != state)

    def _acquired(self, mechanism: str) -> tuple[Any, int]:
        """Return credentials, and the number of renewals of the tickets in the cache up to now."""
        if self._keytab is None:
            return self.acquire(mechanism), 0
        return _turns(self._ccache or "", self._renewed, mechanism)

    def _renewed(self, mechanism: str) -> tuple[Any, int]:
        credentials = self.acquire(mechanism)
        end = time.time() + (holder_of(self.gssapi, credentials)[1] or 0)
        number, former = _renewals.get(self._ccache or "", (0, 0.0))
        if abs(end - former) >= 1:  # GSSAPI tells whole seconds
            number += 1
            _renewals[self._ccache or ""] = number, end
        return credentials, number

    def _number_of_renewals(self) -> int:
        return _renewals.get(self._ccache or "", (0, 0.0))[0]

    def acquire(self, mechanism: str) -> Any:
        """Return credentials. The keytab renews expired tickets.

        Raises:
            gssapi.raw.GSSError: there are no credentials.
        """
        if self._ccache is None:
            return acquire(self.gssapi, self._principal, mechanism)
        first, *others = self._caches(self._ccache)
        try:
            return self._initiator(first, mechanism)
        except self.gssapi.GSSError as error:  # keep no other reference: the traceback holds a transport
            for ccache in others:
                with suppress(self.gssapi.GSSError):
                    return self._initiator(ccache, mechanism)
            if self._keytab is not None and signed(error.min_code) in _NOT_FOUND:
                acquire(self.gssapi, self._principal, mechanism, "accept", keytab=self._keytab)  # a bad keytab: raises
            raise

    def _initiator(self, ccache: str, mechanism: str) -> Any:
        keytab = self._keytab or NO_KEYTAB
        return acquire(self.gssapi, self._principal, mechanism, ccache=ccache, client_keytab=keytab)

    def _caches(self, ccache: str) -> list[str]:
        """Return the caches to search. From a directory of caches GSSAPI takes only the primary principal's cache."""
        kind, _, folder = ccache.partition(":")
        if kind != "DIR" or folder.startswith(":") or self._principal is None:
            return [ccache]
        return [ccache, *(f"DIR::{path}" for path in caches_in(folder))]

    def empty(self, seen: int, is_tgt_refused: bool = False) -> bool:
        """Replace the contents of the cache in memory with a ticket-granting ticket from the keytab."""
        if self.own is None:
            return False
        try:
            no_fork(_turns, self.own.name, self._empty, self.own, seen, is_tgt_refused)
        except self.gssapi.GSSError:
            return False
        return True

    def _empty(self, own: OwnCache, seen: int, is_tgt_refused: bool) -> None:
        if own.generation != seen:
            return
        own.spares += is_tgt_refused
        spare = self._initiator(own.spare, "krb5")
        place = {b"ccache": own.name.encode()}
        self.gssapi.store_cred_into(place, spare, usage="initiate", mech=oid(self.gssapi, "krb5"), overwrite=True)
        own.generation += 1

    def fetch(self, target: str) -> SecretBytes | None:
        """Add a new ticket for a principal to the user's cache."""
        try:
            return no_fork(self._fetch, target)
        except self.gssapi.GSSError:
            return None

    def _fetch(self, target: str) -> SecretBytes:
        raw = self.gssapi
        name = raw.import_name(target.encode(), raw.NameType.kerberos_principal)
        options = {"creds": self._acquired("krb5")[0], "mech": oid(raw, "krb5"), "lifetime": _FAR}
        return SecretBytes(raw.init_sec_context(name, **options).token)

    def holder(self) -> tuple[str, int | None] | None:
        """Return the principal, and the lifetime in seconds (None: unlimited); None if there are no credentials."""
        try:
            return no_fork(lambda: holder_of(self.gssapi, self._acquired("krb5")[0]))
        except self.gssapi.GSSError:
            return None


_RESULTS = operator.attrgetter("context", "flags", "token", "lifetime", "more_steps")
"""The results of a step, without the mechanism's identifier: python-gssapi can fail to display it."""

_turns = Turns()
"""The threads that acquire credentials from keytabs, by the cache. GSSAPI may ask a KDC for them."""

_renewals: dict[str, tuple[int, float]] = {}
"""How often keytabs have renewed the tickets in a cache, and when these end, in seconds since 1970."""


class _Context:
    """A GSSAPI context, with the arguments of its steps.

    Attributes:
        holder: the principal of the credentials.
        lifetime: the seconds for which the context is valid; None: there is no limit.
    """

    def __init__(self, raw: Any, request: Request, credentials: Any) -> None:
        self._raw = raw
        self._arguments = {
            "target_name": _name(raw, request.target, request.is_by_host),
            "creds": credentials,
            "mech": oid(raw, request.mechanism),
            "flags": _flags(raw, request.mutual, request.delegate),
        }
        if request.channel_bindings is not None:
            bindings = raw.ChannelBindings(application_data=request.channel_bindings)
            self._arguments["channel_bindings"] = bindings
        self.handle: Any = None
        self.lifetime: int | None = None
        self.holder = ""
        self._delegates = False

    def first(self) -> str:
        """Return the first token, in base64."""
        return self._step("")[1]

    def step(self, token: str) -> tuple[bool, str]:
        try:
            return no_fork(self._step, token)
        except self._raw.GSSError as error:
            raise failure_of(error) from error

    def _step(self, token: str) -> tuple[bool, str]:
        given = SecretBytes(binascii.a2b_base64(token))
        self.handle, flags, answer, self.lifetime, has_more = map(
            hidden,
            _RESULTS(
                self._raw.init_sec_context(**self._arguments, context=self.handle, input_token=given or None),
            ),
        )
        self._delegates = self._raw.RequirementFlag.delegate_to_peer in flags
        return not has_more, Secret(binascii.b2a_base64(answer or b"", newline=False).decode("ascii"))

    def client(self) -> str:
        return self.holder  # of the credentials, because GSSAPI tells nothing of a context that has just expired

    def delegates(self) -> bool | None:
        return self._delegates


@functools.lru_cache(maxsize=256)
def _name(raw: Any, target: str, is_by_host: bool) -> Any:
    """Return a name as GSSAPI takes it. Cached, because the same names recur."""
    kind = raw.NameType.hostbased_service if is_by_host else raw.NameType.kerberos_principal
    return raw.import_name(target.encode(), kind)


@functools.cache
def _flags(raw: Any, mutual: bool, delegate: bool) -> list[Any]:
    flags = [raw.RequirementFlag.transferable]  # has no effect; an empty list would mean python-gssapi's defaults
    flags += [raw.RequirementFlag.mutual_authentication] * mutual
    flags += [raw.RequirementFlag.delegate_to_peer] * delegate
    return flags
