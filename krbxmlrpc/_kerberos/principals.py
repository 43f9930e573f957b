"""The names of principals and services as text, in the form that GSSAPI reads and displays."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

from . import krb5_conf

_ESCAPES = str.maketrans({"/": "\\/", "@": "\\@", "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\b": "\\b", "\0": "\\0"})

_REALM = re.compile(r"(?<!\\)(?:\\\\)*@")
_SERVICE = re.compile(r"([^@/]*)[@/]([^@/]*)@?(.*)")


def unparsed(realm: bytes, components: Iterable[bytes]) -> str:
    """Return the name of a principal, with the escapes of MIT's krb5_unparse_name, so that it can be read again."""
    return f"{'/'.join(map(_quoted, components))}@{_quoted(realm)}"


def _quoted(part: bytes) -> str:
    return part.decode("utf-8", "replace").translate(_ESCAPES)


def shown(principal: str) -> str:
    """Return a principal for a message. If it is ASCII, it can be pasted into ``principal=``."""
    return principal if principal.isascii() and principal.isprintable() else ascii(principal)[1:-1]


def principal_name(service: str, domain_realm: Mapping[str, str]) -> str:
    """Return the principal to ask for, from one of the forms of ``service``.

    Args:
        service: the service. Without a realm, the realm is the host's.
        domain_realm: realms by hosts and domains. If they do not name the host's realm, the realm of the result is
            empty. The KDC then finds the realm by referral (RFC 6806).
    """
    kind, host, realm = parts(service)
    return f"{kind}/{host}@{realm or krb5_conf.realm_of(host, domain_realm)}"


def host_based_name(service: str) -> str:
    """Return a service as a host-based name (RFC 2743, section 4.1)."""
    kind, host, _ = parts(service)
    return f"{kind}@{host}"


def has_no_realm(service: str) -> bool:
    """Say whether the realm of a service was left out."""
    return not parts(service)[2]


def asked_name(service: str) -> str:
    """Return the name of a service for messages, as a principal. The realm is left out if it was."""
    kind, host, realm = parts(service)
    return f"{kind}/{host}@{realm}" if realm else f"{kind}/{host}"


@functools.lru_cache(maxsize=256)
def parts(service: str) -> tuple[str, str, str]:
    """Return the kind of a service, its host, and its realm. The realm is ``""`` if it was left out."""
    kind, host, realm = _SERVICE.findall(service)[0]
    return kind, host, realm


def is_ticket_for(service: str, name: str) -> bool:
    """Say whether a ticket that names a service is one for the service that was asked for.

    Args:
        service: in one of the forms of ``service``.
        name: the principal in the ticket.
    """
    asked = asked_name(service)
    if "@" in asked:
        return name == asked
    return name.startswith(f"{asked}@") and "@" not in name[len(asked) + 1 :]


def is_same(named: str, principal: str) -> bool:
    """Say whether a principal is the one that the caller named, with or without its realm.

    If krb5.conf does not name the default realm, a name without a realm could be any principal.
    """
    if _REALM.search(named):
        return principal == named
    realm = krb5_conf.current().libdefaults.get("default_realm")
    return realm is not None and principal == f"{named}@{realm}"
