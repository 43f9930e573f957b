"""Where the tickets of a transport come from: the credential cache, the keytab, and the remedies if they yield none."""

from __future__ import annotations

import os
import shlex
from typing import NamedTuple

from .._hints import Hint
from .cache_types import Fault, fault_of
from .ccache import cache_file


class Source(NamedTuple):
    """The credential cache and keytab of a ticket request, for messages."""

    cache: str
    """The credential cache, as in KRB5CCNAME; ``""`` if it is unknown."""
    remedy: str
    """The hint if there are no credentials."""
    renewal: str | None = None
    """The hint if the credentials have expired; None: the hint of `TicketExpired`."""
    keytab: str | None = None
    """The keytab that fills the cache, if a keytab was given."""
    default_keytab: str | None = None
    """The keytab that KRB5_CLIENT_KTNAME names, if it can fill the cache."""
    again: str | None = None
    """The remedy if the tickets in the cache are refused; None if the cache is the transport's own."""

    @property
    def file(self) -> str | None:
        """The file of the credential cache; None if the cache is unknown, or is not a file."""
        return cache_file(self.cache)

    @property
    def fault(self) -> Fault | None:
        """The fault of the cache's name; None if none is known, or a keytab fills the cache."""
        return None if self.keytab else fault_of(self.cache)


def of_environment(principal: str | None) -> Source:
    """Return the source of tickets that come from the credentials of the process."""
    cache, keytab = (os.environ.get(name, "") for name in ("KRB5CCNAME", "KRB5_CLIENT_KTNAME"))
    looked = f"KRB5CCNAME names {cache}" if cache else "KRB5CCNAME is not set, so it was the default one"
    looked += f"; KRB5_CLIENT_KTNAME names the keytab {keytab}" if keytab else ""
    kinit, several = "run kinit", ""
    if principal is not None:
        kinit = f"run kinit {shlex.quote(principal)}"
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


def of_arguments(principal: str | None, ccache: str | None, keytab: str | None) -> Source:
    """Return the source of tickets that come from the cache or the keytab of one transport."""
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
