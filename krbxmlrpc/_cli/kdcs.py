"""Finds the KDCs of a realm, and asks each of them whether it answers. This module prints nothing.

libkrb5 reports only that no KDC answered: not which ones it asked, nor how long each took. Source: MIT Kerberos
documentation, "Realm configuration decisions", section "Hostnames for KDCs".
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from .._kerberos.kdc_messages import KDC, MAX_REPLY, is_reply, parse_entry, probe
from .._kerberos.krb5_conf import Configuration, is_true

PATIENCE = 3.0
"""Wait this many seconds for each KDC and protocol."""

MAX_ASKED = 8
"""Ask at most this many KDCs, at the same time."""

SSSD = "/var/lib/sss/pubconf/kdcinfo."
"""SSSD writes the addresses of a realm's KDCs into this file, with the realm at its end. libkrb5 asks these first."""


class Known(NamedTuple):
    """The KDCs of a realm."""

    kdcs: list[KDC]
    others: list[str]
    """Values of ``kdc`` in krb5.conf that are no hosts, for example URLs of a KDC proxy."""
    source: str
    """Where they come from, in words."""
    needs_library: bool = False
    """Whether only the DNS can name the KDCs, and the library that asks the DNS is missing."""


class Answer(NamedTuple):
    """What one KDC did."""

    kdc: KDC
    seconds: float | None
    """The time that it took to answer; None if it did not."""
    trouble: str = ""
    """The reason why there was no answer."""
    resolves: bool = True


def find(realm: str, configuration: Configuration) -> Known:
    """Return the KDCs of a realm, from krb5.conf or, if it names none, from the DNS."""
    for entries, source in ((_of_sssd(realm), "SSSD"), (configuration.kdcs.get(realm, []), "krb5.conf")):
        if entries:
            parsed = [(entry, parse_entry(entry)) for entry in entries]
            others = [entry for entry, kdc in parsed if kdc is None]
            return Known([kdc for _, kdc in parsed if kdc is not None], others, source)
    if not is_true(configuration.libdefaults.get("dns_lookup_kdc", "true")):
        return Known([], [], "krb5.conf, which forbids to ask the DNS (dns_lookup_kdc)")
    try:
        return Known(list(dict.fromkeys(_in_dns(realm))), [], "the DNS")
    except ImportError:
        return Known([], [], "the DNS", needs_library=True)


def _of_sssd(realm: str) -> list[str]:
    with suppress(OSError, ValueError), open(SSSD + os.path.basename(realm), encoding="ascii") as file:
        return [entry if entry.count(":") < 2 or "]" in entry else f"[{entry}]" for entry in file.read().split()]
    return []


def _in_dns(realm: str) -> Iterator[KDC]:
    """Yield the KDCs in the DNS (RFC 4120, section 7.2.3.2), the preferred ones first."""
    import dns.exception
    import dns.resolver

    for protocol in ("udp", "tcp"):
        with suppress(dns.exception.DNSException):
            found = dns.resolver.resolve(f"_kerberos._{protocol}.{realm}.", "SRV", lifetime=PATIENCE)
            records = sorted(found, key=lambda record: (record.priority, -record.weight))
            yield from (KDC(str(record.target).rstrip("."), record.port, "") for record in records)


def ask_all(kdcs: list[KDC], realm: str) -> list[Answer]:
    """Ask the first KDCs, all at the same time."""
    asked = kdcs[:MAX_ASKED]
    with ThreadPoolExecutor(max(1, len(asked))) as threads:
        return list(threads.map(lambda kdc: ask(kdc, realm), asked))


def ask(kdc: KDC, realm: str) -> Answer:
    """Ask a KDC whether it answers, by TCP and then by UDP, unless krb5.conf names the protocol."""
    try:
        socket.getaddrinfo(kdc.host, kdc.port)
    except (OSError, UnicodeError) as error:
        return Answer(kdc, None, f"does not resolve: {error}", resolves=False)
    trouble = []
    for protocol in [kdc.protocol] if kdc.protocol else ["tcp", "udp"]:
        started = time.monotonic()
        try:
            reply = (_over_tcp if protocol == "tcp" else _over_udp)(kdc, probe(realm))
        except OSError as error:
            why = "no answer" if isinstance(error, socket.timeout) else error.strerror or str(error)
            trouble.append(f"{why} ({protocol.upper()})")
            continue
        if is_reply(reply):
            return Answer(kdc, time.monotonic() - started)
        trouble.append(f"the reply is not a KDC's ({protocol.upper()})")
    return Answer(kdc, None, ", ".join(trouble))


def _over_tcp(kdc: KDC, request: bytes) -> bytes:
    """Send a request, and return the beginning of the reply. The length comes first (RFC 4120, section 7.2.2)."""
    with socket.create_connection((kdc.host, kdc.port), PATIENCE) as sock:
        sock.sendall(len(request).to_bytes(4, "big") + request)
        received = b""
        while len(received) < 5:
            data = sock.recv(5 - len(received))
            if not data:
                break
            received += data
        return received[4:]


def _over_udp(kdc: KDC, request: bytes) -> bytes:
    for family, kind, number, _, where in socket.getaddrinfo(kdc.host, kdc.port, type=socket.SOCK_DGRAM)[:1]:
        with socket.socket(family, kind, number) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(where)
            sock.send(request)
            return sock.recv(MAX_REPLY)
    return b""
