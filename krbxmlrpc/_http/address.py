"""Reads and writes the ``host:port`` of a URL. Plain functions, without I/O."""

from __future__ import annotations

import codecs
import functools
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from .._hints import Hint
from .._secrets import Secret

# urlsplit does not reject the following, so this pattern does: text beside brackets; a % outside brackets, which
# urlsplit takes for the start of an IPv6 zone (RFC 6874), so that it keeps capitals after the %; and, up to Python 3.9,
# digits of other scripts in the port.
_SERVER = re.compile(r"(?:[^\[\]%:]*|\[[^\[\]]*\])(?::[0-9]*)?")

_WITH_PORT = re.compile(r"([^\[\]:]*|\[[^\[\]]*\]):([^:]*)")

MAX_PORT = 65535
"""The highest port of TCP."""

_PARAMETERS = re.compile(r";[^/]*")

# Load the codec for host names now, because its first use imports a module. If a process forked during that import in
# another thread, the child would wait forever for the import to end.
codecs.lookup("idna")


class Address(NamedTuple):
    """The address of a server."""

    host: str
    """The name for Host, SNI, certificate and service: ASCII, lower case, without brackets and trailing dot."""
    port: int
    """The TCP port."""
    dns_name: str
    """The name to resolve. It keeps a trailing dot, because the dot excludes search domains."""


@functools.lru_cache(maxsize=256)
def parse_address(netloc: str, default_port: int) -> Address:
    """Read the ``host:port`` of a URL (RFC 3986, section 3.2).

    Raises:
        ValueError: there is no host, the port is invalid, or there are credentials. The message omits the credentials.
    """
    if "@" in netloc:
        shown = netloc.rpartition("@")[2]
        raise ValueError(
            f"the URL of {shown!r} holds credentials (user:password@): take them out, the Kerberos ticket authenticates"
        )
    scheme = netloc.partition("://")[0].lower()
    if scheme in ("http", "https") and "://" in netloc:
        raise ValueError(
            Hint(
                "the URL has a server '{scheme}://...' that cannot be called: it has a scheme; accepted is host or "
                "host:port, without scheme and path; {phrase.plain_http}",
                scheme=scheme,
            )
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
        # Show only the part before the colon, because a part of a password could follow. For example, if the URL has
        # "user:pass/word@host", with / in the password, this function gets "user:pass".
        raise ValueError(
            f"the URL has a server {netloc.partition(':')[0]!r} that cannot be called: {_fault(netloc)}; "
            "accepted is host or host:port"
        )
    return Address(host, port, dns_name)


def _fault(netloc: str) -> str:
    """Return the reason why a ``host:port`` is not valid, without any part of it."""
    found = _WITH_PORT.fullmatch(netloc)
    if (
        found
        and found[2]
        and not (found[2].isascii() and found[2].isdigit() and len(found[2]) < 19 and int(found[2]) <= MAX_PORT)
    ):
        return f"the port is not a number up to {MAX_PORT}"
    if "[" not in netloc and netloc.count(":") > 1:
        return "an IPv6 address needs brackets, as in [::1]"
    if not netloc or (found and not found[1]):
        return "the host is missing"
    return "this is not the name or address of a host"


def host_header(address: Address, default_port: int) -> str:
    """Return the value of ``Host`` (RFC 9110, section 7.2)."""
    whole = authority(address)
    return whole.rpartition(":")[0] if address.port == default_port else whole


def authority(address: Address) -> str:
    """Return ``host:port``, an IPv6 address in brackets (RFC 3986, section 3.2)."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def request_target(path: str) -> str:
    """Return the path and query of a URL as a request sends them: an empty path is ``/`` (RFC 9112, section 3.2.1)."""
    return Secret(f"/{path}") if path[:1] in ("", "?") else path


def shown_path(path: str) -> str:
    """Return a path for messages: without the query and the parameters, because both can hold secrets.

    Java's servlets put their session into a parameter: ``/xmlrpc;jsessionid=…`` (RFC 3986, section 3.3).
    """
    return _PARAMETERS.sub("", path.partition("?")[0])
