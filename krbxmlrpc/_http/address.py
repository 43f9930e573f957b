"""Reads the ``host:port`` of a URL, and writes it. Plain functions, without I/O."""

from __future__ import annotations

import codecs
import functools
import re
from typing import NamedTuple
from urllib.parse import urlsplit

# What urlsplit passes over: what is beside brackets, a zone (RFC 6874), whose case counts, outside of them, and, up to
# Python 3.9, digits of other scripts in the port.
_SERVER = re.compile(r"(?:[^\[\]%:]*|\[[^\[\]]*\])(?::[0-9]*)?")

# Host names are encoded by it. Looked up here, because the first look imports a module, and a child forked while
# another thread does so would wait for the end of that import for ever.
codecs.lookup("idna")


class Address(NamedTuple):
    """Where a server is."""

    host: str
    """Its name: ASCII, lower case, without brackets and trailing dot; for Host, SNI, certificate and service."""
    port: int
    """Its TCP port."""
    dns_name: str
    """The name to resolve; a trailing dot (which keeps search domains out) is still there."""


@functools.lru_cache(maxsize=256)
def parse_address(netloc: str, default_port: int) -> Address:
    """Read the ``host:port`` of a URL (RFC 3986, section 3.2).

    Raises:
        ValueError: there is no host, the port is not one, or there are credentials, which are not in the message.
    """
    if "@" in netloc:
        shown = netloc.rpartition("@")[2]
        raise ValueError(
            f"the URL of {shown!r} holds credentials (user:password@): take them out, the Kerberos ticket authenticates"
        )
    try:
        parts = urlsplit(f"//{netloc}")
        dns_name, port = parts.hostname or "", default_port if parts.port is None else parts.port
        if not dns_name.isascii():
            dns_name = dns_name.encode("idna").decode("ascii")
    except ValueError:
        dns_name, port, parts = "", 0, urlsplit("")
    host = dns_name[:-1] if dns_name.endswith(".") else dns_name
    plain = host and not host.endswith(".") and host.isprintable() and " " not in host
    if not plain or parts.netloc != netloc or not _SERVER.fullmatch(netloc):
        # Not shown from the colon on: a password with / in it makes "user:pass" of a URL's "user:pass/word@host".
        raise ValueError(
            f"the URL has a server {netloc.partition(':')[0]!r} that cannot be called; accepted is host or host:port"
        )
    return Address(host, port, dns_name)


def host_header(address: Address, default_port: int) -> str:
    """Return the value of ``Host`` (RFC 9110, section 7.2)."""
    whole = authority(address)
    return whole.rpartition(":")[0] if address.port == default_port else whole


def authority(address: Address) -> str:
    """Return ``host:port``, an IPv6 address in brackets (RFC 3986, section 3.2)."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
