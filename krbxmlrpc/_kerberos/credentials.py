"""Credentials for one transport only, instead of those of the process. Only this module uses python-gssapi.

pykerberos knows only the credentials that the environment names. GSSAPI's credential store extension takes a credential
cache for each exchange, and a keytab that renews the tickets in the cache. `os.environ` stays unchanged.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shlex
import threading
import weakref
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Callable

from .._forks import no_fork, survives_forks
from .._hints import Hint
from .._secrets import Secret, SecretBytes, hidden
from ..errors import GSSStatus, KerberosXMLRPCError
from .ccache import cache_file
from .files import file_version
from .gss_errors import GSSFailure, Source, is_refused_tgt
from .pykerberos import PykerberosTicket
from .ticket import Ticket
from .tokens import Offer, read_offer

_OIDS = {"spnego": "1.3.6.1.5.5.2", "krb5": "1.2.840.113554.1.2.2"}

_NOT_FOUND = (-1765328243, -1765328189)  # KRB5_CC_NOTFOUND, KRB5_FCC_NOFILE

# A keytab without keys. If no keytab were passed, GSSAPI would fill an empty cache from the keytab that
# KRB5_CLIENT_KTNAME names, with the tickets of an unrequested principal.
_NO_KEYTAB = "MEMORY:krbxmlrpc-none"

_ENVIRONMENT = (
    "the environment names the credentials of the whole process: KRB5CCNAME names the credential cache, "
    "KRB5_CLIENT_KTNAME the keytab"
)

_FAR = 10 * 366 * 24 * 60 * 60
"""A longer lifetime, in seconds, than that of any ticket in a cache. If a context asks for it, GSSAPI asks the KDC."""

STORE = Hint("a path, or a type and a name, like 'FILE:/path', or {phrase.left_out}")
"""The accepted values of ``ccache`` and ``keytab``, for errors."""


def is_store(name: str | None) -> bool:
    """Say whether a text can name a credential cache or a keytab, or is None."""
    return name is None or (name != "" and name.isprintable())


class TicketMaker:
    """Makes tickets with the credentials of a transport, from a service and `KerberosTicket`'s options.

    The server can refuse a cached ticket because the key of the service has changed. There is no function of GSSAPI
    that removes a ticket from a cache. A cache in memory that the keytab fills is the transport's own, so it can be
    emptied. Every other cache is the user's: a new ticket can only be added to it.

    Args:
        principal, mechanism, ccache, keytab: as for `KerberosTransport`.

    Attributes:
        store: the credentials of the transport's own, or None.

    Raises:
        ImportError: python-gssapi is needed, and is not installed.
    """

    def __init__(self, principal: str | None, mechanism: str, ccache: str | None, keytab: str | None) -> None:
        self._principal = principal
        self.store: CredentialStore | None = None
        self._make: Callable[..., Ticket] = PykerberosTicket
        if ccache is not None or keytab is not None:
            self.store = CredentialStore(principal, ccache, keytab)
            self._make = functools.partial(StoreTicket, self.store)
        self._options = {"principal": principal, "mechanism": mechanism}

    def __call__(self, service: str, **options: Any) -> Ticket:
        return self._make(service, **self._options, **options)

    @property
    def own(self) -> OwnCache | None:
        """The cache in memory, if the transport's tickets are in one that the keytab fills."""
        return None if self.store is None else self.store.own

    def empty(self, seen: int) -> bool:
        """Remove the service tickets from the transport's own cache. Return False if no new ticket can be had.

        Args:
            seen: the generation of the cache before the refused ticket was made.
        """
        assert self.store is not None
        try:
            no_fork(self.store.empty, seen)
        except self.store.gssapi.GSSError:
            return False
        return True

    def fetch(self, target: str) -> str | None:
        """Add a new ticket for a principal to the user's cache, even if the cache has one for it.

        Return the fingerprint of the ticket; None if the KDC gives none, or if python-gssapi is not installed.
        """
        try:
            import gssapi.raw as raw
        except ImportError:
            return None
        try:
            return read_offer(no_fork(self._fetch, raw, target)).fingerprint
        except raw.GSSError:
            return None

    def _fetch(self, raw: Any, target: str) -> SecretBytes:
        """Return a token with a new ticket."""
        name = raw.import_name(target.encode(), raw.NameType.kerberos_principal)
        krb5 = raw.OID.from_int_seq(_OIDS["krb5"])
        with nullcontext() if self.store is None else self.store.turn():
            credentials = _default(raw, self._principal) if self.store is None else self.store.credentials("krb5")[0]
            return SecretBytes(raw.init_sec_context(name, creds=credentials, mech=krb5, lifetime=_FAR).token)


def holder(principal: str | None, ccache: str | None, keytab: str | None) -> tuple[str, int | None] | None:
    """Return the principal of these credentials, and their lifetime in seconds (None: unlimited).

    Return None if there are no credentials, or python-gssapi is not installed.
    """
    try:
        import gssapi.raw as raw
    except ImportError:
        return None
    try:
        return no_fork(_holder, raw, principal, ccache, keytab)
    except raw.GSSError:
        return None


def _holder(raw: Any, principal: str | None, ccache: str | None, keytab: str | None) -> tuple[str, int | None]:
    if ccache is None and keytab is None:
        credentials = _default(raw, principal)
    else:
        store = CredentialStore(principal, ccache, keytab)
        with store.turn():
            credentials = store.credentials("krb5")[0]
    found: Any = raw.inquire_cred(credentials, mechs=False, usage=False)
    return str(raw.display_name(found.name, name_type=False).name, "utf-8"), found.lifetime


def _default(raw: Any, principal: str | None) -> Any:
    """Return the credentials of the process."""
    name = principal and raw.import_name(principal.encode(), raw.NameType.kerberos_principal)
    return raw.acquire_cred(name or None, mechs=[raw.OID.from_int_seq(_OIDS["krb5"])], usage="initiate").creds


class CredentialStore:
    """A credential cache; or a keytab and a cache. The keytab fills the cache, and refills it when its tickets expire.

    Args:
        principal: the principal of the credentials; None: that of the cache, or of the first key in the keytab.
        ccache: the cache; None: a cache in memory, shared by all stores of this process with this keytab and principal.
        keytab: the keytab; None: use the cache as it is.

    Attributes:
        gssapi: the library, `gssapi.raw`.
        own: the cache in memory, if `ccache` is None.
        source: the cache and the keytab, for messages.
    """

    def __init__(self, principal: str | None, ccache: str | None, keytab: str | None) -> None:
        try:
            import gssapi.raw
        except ImportError as error:
            raise ImportError(
                Hint(
                    "{args.ccache} and {args.keytab} need python-gssapi: pip install 'krbxmlrpc[gssapi]'. Without it, "
                    "{environment}",
                    environment=_ENVIRONMENT,
                )
            ) from error
        if not all(hasattr(gssapi.raw, name) for name in ("acquire_cred_from", "store_cred_into", "set_neg_mechs")):
            raise ImportError(
                Hint(
                    "{args.ccache} and {args.keytab} need GSSAPI's credential store extension and gss_set_neg_mechs, "
                    "and python-gssapi was built without them: build it with MIT Kerberos 1.11 or newer. Without them, "
                    "{environment}",
                    environment=_ENVIRONMENT,
                )
            )
        self.gssapi: Any = gssapi.raw
        self._oids = {name: self.gssapi.OID.from_int_seq(oid) for name, oid in _OIDS.items()}
        self._principal = principal
        self.own = _own_cache(keytab or "", principal or "") if ccache is None else None
        self._ccache: str = self.own.name if self.own is not None else ccache or ""
        self._keytab = keytab
        self._turns = None if keytab is None else _turns_at(self._ccache)
        self.source = _source(principal, ccache, keytab)

    def turn(self) -> AbstractContextManager[Any]:
        """Return a context for getting a ticket. If a keytab renews the tickets, one thread at a time enters."""
        return nullcontext() if self._turns is None else self._turns.lock

    def empty(self, seen: int, is_tgt_refused: bool = False) -> None:
        """Replace the contents of the store's own cache with a ticket-granting ticket from the keytab.

        Do nothing if another thread has done so since the generation of the cache was `seen`.

        Args:
            is_tgt_refused: whether the KDC refuses the present ticket-granting ticket.

        Raises:
            gssapi.raw.GSSError: the keytab yields no ticket.
        """
        assert self.own is not None
        with self.turn():
            if self.own.generation != seen:
                return
            self.own.spares += is_tgt_refused
            oid = self._oids["krb5"]
            spare = self._acquire({"ccache": self.own.spare, "client_keytab": self._keytab}, oid, "initiate")
            place = {b"ccache": self._ccache.encode()}
            self.gssapi.store_cred_into(place, spare, usage="initiate", mech=oid, overwrite=True)
            self.own.generation += 1

    def credentials(self, mechanism: str) -> tuple[Any, Any]:
        """Return the credentials and the OID of their mechanism. The keytab renews expired ones.

        Raises:
            gssapi.raw.GSSError: there are no credentials.
        """
        oid = self._oids[mechanism]
        first, *others = self._caches()
        try:
            return self._initiator(first, oid), oid
        except self.gssapi.GSSError as error:  # keep no other reference: the traceback holds a transport
            for ccache in others:
                with suppress(self.gssapi.GSSError):
                    return self._initiator(ccache, oid), oid
            if self._keytab is not None and _signed(error.min_code) in _NOT_FOUND:
                self._acquire({"keytab": self._keytab}, oid, "accept")  # raises if the keytab is bad
            raise

    def _initiator(self, ccache: str, oid: Any) -> Any:
        store = {"ccache": ccache, "client_keytab": self._keytab or _NO_KEYTAB}
        credentials = self._acquire(store, oid, "initiate")
        if oid == self._oids["spnego"]:
            self.gssapi.set_neg_mechs(credentials, [self._oids["krb5"]])
        return credentials

    def _acquire(self, store: Any, oid: Any, usage: str) -> Any:
        raw = self.gssapi
        name = self._principal and raw.import_name(self._principal.encode(), raw.NameType.kerberos_principal)
        encoded = {key.encode(): os.fsencode(value) for key, value in store.items()}
        return raw.acquire_cred_from(encoded, name or None, mechs=[oid], usage=usage).creds

    def _caches(self) -> list[str]:
        """Return the caches to search. From a directory of caches GSSAPI takes only the primary principal's cache."""
        kind, _, folder = self._ccache.partition(":")
        if kind != "DIR" or folder.startswith(":") or self._principal is None:
            return [self._ccache]
        try:
            files = sorted(name for name in os.listdir(folder) if name.startswith("tkt"))
        except OSError:  # GSSAPI reports the reason
            files = []
        return [self._ccache, *(f"DIR::{os.path.join(folder, name)}" for name in files)]


class StoreTicket(Ticket):
    """A ticket from a `CredentialStore`, otherwise like a `PykerberosTicket`."""

    def __init__(self, store: CredentialStore, service: str, **arguments: Any) -> None:
        self._store = store
        super().__init__(service, **arguments)

    def _found(self, mechanism: str) -> tuple[Any, str, Offer]:
        own = self._store.own
        if own is None:
            return super()._found(mechanism)
        seen = own.generation
        try:
            return super()._found(mechanism)
        except KerberosXMLRPCError as error:
            if not is_refused_tgt(error) or not own.may_replace_tgt():
                raise
            try:
                no_fork(self._store.empty, seen, True)
            except self._store.gssapi.GSSError:
                raise error from None
        found = super()._found(mechanism)
        own.refusals = 0
        return found

    def _begin(self, mechanism: str) -> tuple[Any, str]:
        try:
            return no_fork(self._begin_undivided, mechanism)
        except self._store.gssapi.GSSError as error:
            raise _failure(error) from error

    def _begin_undivided(self, mechanism: str) -> tuple[Any, str]:
        raw = self._store.gssapi
        flags = [raw.RequirementFlag.transferable]  # has no effect; an empty list would mean python-gssapi's defaults
        flags += [raw.RequirementFlag.mutual_authentication] * self.mutual
        flags += [raw.RequirementFlag.delegate_to_peer] * self.is_to_delegate
        bindings = None
        if self._channel_bindings is not None:
            bindings = raw.ChannelBindings(application_data=self._channel_bindings)
        kind = raw.NameType.hostbased_service if self.is_by_host else raw.NameType.kerberos_principal
        with self._store.turn():
            target = raw.import_name(self._target.encode(), kind)
            credentials, oid = self._store.credentials(mechanism)
            context = _Context(raw, target, creds=credentials, mech=oid, flags=flags, channel_bindings=bindings)
            return context, context.step("")[1]

    def _step(self, context: Any, token: str) -> tuple[bool, str]:
        try:
            stepped: tuple[bool, str] = no_fork(context.step, token)
            return stepped
        except self._store.gssapi.GSSError as error:
            raise _failure(error) from error

    def _client(self, context: Any) -> str:
        return str(context.initiator())

    def _delegates(self, context: Any, mechanism: str, token: str) -> bool | None:
        return bool(context.delegates)

    def _source(self) -> Source:
        return self._store.source


class _Context:
    """A GSSAPI context, with the arguments of its steps.

    Attributes:
        delegates: whether the context delegates, as far as its steps have come.
    """

    def __init__(self, raw: Any, target: Any, **arguments: Any) -> None:
        self._raw = raw
        self._init = functools.partial(raw.init_sec_context, target, **arguments)
        self._context: Any = None
        self.delegates = False

    def step(self, token: str) -> tuple[bool, str]:
        """Take a token in base64. Return whether the exchange is complete, and the next token."""
        given = SecretBytes(base64.b64decode(token))
        self._context, _, flags, answer, _, has_more = map(
            hidden, self._init(context=self._context, input_token=given or None)
        )
        self.delegates = self._raw.RequirementFlag.delegate_to_peer in flags
        return not has_more, Secret(base64.b64encode(answer or b"").decode("ascii"))

    def initiator(self) -> str:
        """Return the client's principal after a complete exchange."""
        name = self._raw.inquire_context(self._context, initiator_name=True).initiator_name
        return str(self._raw.display_name(name, name_type=False).name, "utf-8")


class Turns:
    """A lock for tickets: while one thread renews them, another thread would find none, or the former ones."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        survives_forks(self)

    def after_fork(self) -> None:
        """Replace the lock in a child process."""
        self.lock = threading.RLock()


_turns: weakref.WeakValueDictionary[str, Turns] = weakref.WeakValueDictionary()
_making = Turns()  # a weak dictionary's setdefault is not atomic: two threads could get two locks


def _turns_at(ccache: str) -> Turns:
    """Return the lock of a cache. All stores with this cache share the lock."""
    with _making.lock:
        return _turns.setdefault(cache_file(ccache) or ccache, Turns())


class OwnCache:
    """A cache in memory that a keytab fills, for all stores of this process with this keytab and principal.

    GSSAPI can neither remove a ticket from a cache nor remove a cache in memory. But it can replace the contents of a
    cache with those of another one. So a spare cache gets a ticket-granting ticket from the keytab, and nothing else.
    Its contents replace those of this cache when the server refuses a service ticket. If the KDC refuses the
    ticket-granting ticket, too, only a new spare cache makes GSSAPI ask for another one.

    Attributes:
        name: the name of the cache.
        generation: how often the contents were replaced.
        spares: how many ticket-granting tickets the KDC has refused.
        refusals: the same, since the last one that was replaced with success.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.generation = 0
        self.spares = 0
        self.refusals = 0

    @property
    def spare(self) -> str:
        """The name of the spare cache."""
        return f"{self.name}-{self.spares}"

    def may_replace_tgt(self) -> bool:
        """Say whether a new spare cache may be made, after the 1st, 2nd, 4th, 8th, … refusal in a row.

        Spare caches stay in memory. While the KDC refuses each ticket-granting ticket, there must not be ever more.
        """
        self.refusals += 1
        return is_power_of_two(self.refusals)


_own_caches: dict[str, OwnCache] = {}


def _own_cache(keytab: str, principal: str) -> OwnCache:
    """Return the cache in memory for stores with this principal and this version of the keytab."""
    version = file_version(keytab.partition(":")[2] if keytab.startswith("FILE:") else keytab)
    name = "MEMORY:krbxmlrpc-" + hashlib.sha256(f"{keytab}\n{principal}\n{version}".encode()).hexdigest()
    return _own_caches.setdefault(name, OwnCache(name))


def is_power_of_two(count: int) -> bool:
    """Say whether a count of refusals is 1, 2, 4, 8, …"""
    return count & (count - 1) == 0


def _source(principal: str | None, ccache: str | None, keytab: str | None) -> Source:
    if keytab is None:
        remedy = Hint(
            "run kinit -c {ccache}{principal}, or pass {args.keytab} as well; klist -c {ccache} shows the principal "
            "of that cache",
            ccache=ccache or "",
            principal=f" {shlex.quote(principal)}" if principal else "",
        )
    else:
        others = Hint("; {args.ccache:{ccache}} may hold another principal's tickets", ccache=ccache or "")
        remedy = Hint(
            "klist -k {keytab} shows the principals in the keytab: {args.principal} has to be one of them; kinit -kt "
            "{keytab} with that principal shows whether the KDC accepts the key{others}",
            keytab=keytab,
            others=others if ccache else "",
        )
    again = None
    if ccache is not None:
        key = f" -kt {shlex.quote(keytab)}" if keytab is not None else ""
        whose = f" {shlex.quote(principal)}" if principal else ""
        again = f"run kinit -c {shlex.quote(ccache)}{key}{whose} again"
    return Source(ccache or "", remedy, remedy, keytab, again=again)


def _failure(error: Any) -> GSSFailure:
    """Return the failure that python-gssapi reports."""
    statuses = []
    for code, is_major in ((error.maj_code, True), (error.min_code, False)):
        try:
            text = "; ".join(error.get_all_statuses(code, is_major))
        except UnicodeDecodeError:
            text = "GSSAPI's message is not UTF-8"
        statuses.append(GSSStatus(text, code if is_major else _signed(code)))
    return GSSFailure(*statuses)


def _signed(code: int) -> int:
    """Return a minor code as in krb5.h, with a sign. python-gssapi reports the codes without a sign."""
    return code - (1 << 32) if code >> 31 else code
