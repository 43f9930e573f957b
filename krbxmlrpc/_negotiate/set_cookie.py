"""Reads ``Set-Cookie`` lines by the rules of RFC 6265, as plain functions.

`http.cookiejar` keeps the cookies. But it reads the lines by older rules: on its own it lets a host set and remove
cookies of other hosts, for a domain like ``.local`` or ``.0.0.1``, and the first of two equal attributes counts. If it
cannot read an attribute, it can ignore the reply's other lines, it can fail to save the jar's file, or the cookie can
lose ``Secure``. So each line is first put into a form that http.cookiejar reads as RFC 6265 demands.
"""

from __future__ import annotations

import re
from http.cookiejar import http2time  # type: ignore[attr-defined]  # typeshed does not know http2time

from .._secrets import Secret

MAX_COOKIE = 4096
"""The most bytes of a cookie's name and value (RFC 6265, section 6.1)."""

MAX_ATTRIBUTE = 1024
"""The most characters of an attribute's value: a longer one does not count."""

_MAX_AGE = re.compile(r"-?[0-9]{1,9}")  # seconds, up to 31 years: the jar cannot save a date too far ahead
_ATTRIBUTES = ("domain", "expires", "httponly", "max-age", "path", "samesite", "secure")


def readable(line: str, host: str, is_secure: bool, is_host_only: bool) -> str | None:
    """Return a line in a form that http.cookiejar reads as RFC 6265 demands; None if the line is to be ignored.

    Args:
        line: the value of a ``Set-Cookie`` header.
        host: the host that sent it, without port.
        is_secure: whether it came over TLS.
        is_host_only: whether each cookie is for its own host only. ``Domain`` then has no effect.
    """
    pair, _, rest = map(Secret, line.partition(";"))
    name, equals, value = map(Secret, pair.partition("="))
    if not equals or "\t" in line:  # a cookie file cannot hold a tab in a cookie
        return None
    if len(name.strip()) + len(value.strip()) > MAX_COOKIE:
        return None
    attributes = _attributes(rest)
    domain = attributes.get("domain", "").lower()
    if domain and not covers(domain, host):
        return None
    if not _may_have_name(name.strip().lower(), attributes, is_secure):
        return None
    if is_host_only or (domain.lstrip(".") == host and "." not in host):  # http.cookiejar refuses such a domain
        attributes.pop("domain", None)
    return Secret("; ".join([pair, *(f"{key}={text}" if text else key for key, text in attributes.items())]))


def is_deletion(line: str, now: float) -> bool:
    """Say whether a readable line removes its cookie (RFC 6265, section 5.3, step 11).

    Args:
        now: the time, in seconds since the epoch.
    """
    attributes = _attributes(line.partition(";")[2])
    if "max-age" in attributes:
        return int(attributes["max-age"]) <= 0
    return "expires" in attributes and http2time(attributes["expires"]) <= now


def _attributes(text: str) -> dict[str, str]:
    """Return the attributes that count, by their names in lower case (RFC 6265, sections 5.2 and 5.3).

    If an attribute is repeated, the last one counts. All others are left out: http.cookiejar still knows obsolete ones.
    """
    attributes: dict[str, str] = {}
    for attribute in text.replace('"', "").split(";"):  # RFC 2109 quotes the values
        name, _, value = (part.strip() for part in attribute.partition("="))
        name = name.lower()
        if name == "path" and not value.startswith("/"):
            attributes.pop(name, None)  # section 5.2.4: the default path
        elif name in _ATTRIBUTES and len(value) <= MAX_ATTRIBUTE and _is_readable(name, value):
            attributes[name] = "" if name in ("secure", "httponly") else value
    return attributes


def _is_readable(name: str, value: str) -> bool:
    if name == "expires":
        try:
            return http2time(value) is not None
        except ValueError:
            return False
    if name == "max-age":
        return _MAX_AGE.fullmatch(value) is not None
    return name != "domain" or bool(value.strip("."))


def _may_have_name(name: str, attributes: dict[str, str], is_secure: bool) -> bool:
    """Say whether a cookie keeps the promise of its name's prefix. Other software may count on the promise.

    Source: RFC 6265bis (draft), sections 4.1.3 and 5.6.
    """
    if name.startswith("__secure-"):
        return is_secure and "secure" in attributes
    if name.startswith("__host-"):
        is_own = "domain" not in attributes and attributes.get("path") == "/"
        return is_own and is_secure and "secure" in attributes
    return True


def covers(domain: str, host: str) -> bool:
    """Say whether a host may set cookies for a domain (RFC 6265, section 5.1.3).

    A host may do so for its own name, and for a parent domain that contains a dot.
    """
    above = domain[1:] if domain.startswith(".") else domain
    if above == host or (above == f"{host}.local" and "." not in host):  # http.cookiejar adds .local to such a host
        return True
    is_address = host.rpartition(".")[2].isdigit()
    return host.endswith(f".{above}") and "." in above and not above.endswith(".") and not is_address
