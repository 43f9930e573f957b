"""Reads ``WWW-Authenticate``: schemes, parameters and tokens (RFC 9110, sections 11.2, 11.3 and 11.6.1).

Plain functions on header values. A malformed header is never an error here. Text that does not follow the grammar ends
at the next comma: after a scheme the text is kept as it is, elsewhere it is skipped. So one malformed challenge does
not hide the others.
"""

from __future__ import annotations

import binascii
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Union

from .._secrets import Secret, SecretBytes

HeaderValues = Union[str, Iterable[str]]

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
"""A token of HTTP, as a regular expression (RFC 9110, section 5.6.2)."""

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_END = r"(?=[ \t]*(?:,|\Z))"  # a lone scheme, a token68 or a parameter ends at a comma or the end of the line
_SCHEME = re.compile(rf"({TOKEN})(?:{_END}|[ \t]+)")
_TOKEN68 = re.compile(rf"[A-Za-z0-9\-._~+/]+=*{_END}")
_PARAMETER = re.compile(rf"{TOKEN}[ \t]*=[ \t]*(?:{TOKEN}|{_QUOTED}){_END}", re.DOTALL)
_COMMAS = re.compile(r"[ \t,]*")
_ALONE = re.compile(r"(?i:negotiate) [A-Za-z0-9+/]+=*", re.ASCII)  # only the scheme ignores case: faster
_END_OF_MATCH = operator.methodcaller("end")
# Up to the next comma outside quoted strings. An unterminated quoted string extends to the end of the line.
_JUNK = re.compile(rf'(?:{_QUOTED}|"(?:[^"\\]|\\.)*\\?\Z|[^",])*', re.DOTALL)


class Challenge(NamedTuple):
    """One challenge of a ``WWW-Authenticate`` header."""

    scheme: str
    """The authentication scheme, in lower case."""
    details: Secret
    """A token (token68), parameters joined by a comma and a space, or nothing. Other text is kept as it came."""


def challenges(headers: HeaderValues) -> Iterator[Challenge]:
    """Yield the challenges of one or several header values, in order. Raise TypeError for any other argument."""
    if isinstance(headers, (bytes, Mapping)) or not isinstance(headers, Iterable):
        raise TypeError(f"accepted is a WWW-Authenticate value (str), or a list of them, not {type(headers).__name__}")
    for value in [headers] if isinstance(headers, str) else headers:
        if not isinstance(value, str):
            raise TypeError(f"a WWW-Authenticate value is a str, not {type(value).__name__}")
        yield from _challenges_of_line(value)


def _challenges_of_line(line: str) -> Iterator[Challenge]:
    position = _skip(_COMMAS, line, 0)
    while position < len(line):
        scheme = _SCHEME.match(line, position)
        if scheme is None:
            position = _skip(_JUNK, line, position)
        else:
            details, position = _details(line, scheme.end())
            yield Challenge(scheme.group(1).lower(), details)
        position = _skip(_COMMAS, line, position)


def _details(line: str, position: int) -> tuple[Secret, int]:
    """Read the details of a scheme, from `position` on. Return the details and their end."""
    end = _skip(_TOKEN68, line, position)
    if end > position:
        return Secret(line[position:end]), end
    parameters: list[Secret] = []
    after = start = position
    end = _skip(_PARAMETER, line, start)
    while end > start:
        parameters.append(Secret(line[start:end]))
        after, start = end, _skip(_COMMAS, line, end)
        end = _skip(_PARAMETER, line, start)
    if not parameters:  # keep the text: an unreadable token differs from no token
        after = _skip(_JUNK, line, position)
        parameters.append(Secret(line[position:after].strip(" \t")))
    return Secret(", ".join(parameters)), after


def _skip(pattern: re.Pattern[str], line: str, position: int) -> int:
    """Return the end of a match, or `position`. No variable holds the match, because its `repr` shows the text."""
    return max(map(_END_OF_MATCH, filter(None, [pattern.match(line, position)])), default=position)


def www_auth(headers: HeaderValues) -> dict[str, str]:
    """Return the challenges as ``{scheme: details}``, for example ``{"negotiate": "", "basic": 'realm="Example"'}``.

    Schemes are in lower case. If a scheme comes more than once, the first one with details counts.

    Args:
        headers: one ``WWW-Authenticate`` value with any number of challenges, or a list of such values.

    Raises:
        TypeError: ``headers`` has another type. A malformed header is never an error.

    Source: RFC 9110, sections 11.2 and 11.6.1.
    """
    return {scheme: str(details) for scheme, details in _by_scheme(headers).items()}


def _by_scheme(headers: HeaderValues) -> dict[str, Secret]:
    found: dict[str, Secret] = {}
    for challenge in challenges(headers):
        if not found.get(challenge.scheme):
            found[challenge.scheme] = challenge.details
    return found


SCHEMES = (
    *("Basic", "Bearer", "Digest", "DPoP", "GNAP", "HOBA", "Mutual", "Negotiate", "OAuth", "PrivateToken"),
    *("SCRAM-SHA-1", "SCRAM-SHA-256", "vapid"),  # up to here IANA's registry (RFC 9110, section 16.4.1)
    *("Kerberos", "NTLM"),
)
"""The schemes that messages name. A server, or somebody in its place, could write anything into another name."""

_SPELLINGS = {name.lower(): name for name in SCHEMES}


def known_schemes(headers: HeaderValues) -> tuple[str, ...]:
    """Return the schemes of the challenges that are in `SCHEMES`, in lower case."""
    return tuple(scheme for scheme in www_auth(headers) if scheme in _SPELLINGS)


def offered(headers: HeaderValues) -> str:
    """Return the schemes of the challenges for a message: the known ones by their names, the others by their number."""
    found = _by_scheme(headers)
    known = [scheme for scheme in found if scheme in _SPELLINGS]
    unknown = len(found) - len(known)
    named = ", ".join(_SPELLINGS[scheme] for scheme in known)
    if not unknown:
        return named or "nothing"
    return f"{named}{' and ' if named else ''}{unknown} unknown {'scheme' if unknown == 1 else 'schemes'}"


def negotiate_details(headers: HeaderValues) -> Secret | None:
    """Return the details of ``Negotiate`` (RFC 4559, section 4.1): a token, or ``""``; None without Negotiate."""
    if isinstance(headers, list) and len(headers) == 1 and isinstance(headers[0], str) and _ALONE.fullmatch(headers[0]):
        return Secret(headers[0].partition(" ")[2])  # the usual case
    return _by_scheme(headers).get("negotiate")


_NTLM = b"NTLMSSP\0"
"""The start of each message of NTLM ([MS-NLMP], section 2.2.1)."""

_NTLM_MECHANISM = b"\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a"
"""NTLM as a mechanism of SPNEGO, in DER: 1.3.6.1.4.1.311.2.2.10."""

_MAX_FRAME = 64
"""The bytes at the start of a token of SPNEGO in which a server names the mechanism that it picks (RFC 4178, 4.2.2)."""


_MAY_BRING = re.compile("negotiate|ntlm", re.IGNORECASE | re.ASCII)


def brings_ntlm(headers: Iterable[str]) -> bool:
    """Say whether a challenge carries a token of NTLM: bare, or as the mechanism that SPNEGO has picked."""
    lines = filter(_MAY_BRING.search, headers)  # a line can have a thousand other challenges
    return any(_is_ntlm(found.details) for found in challenges(lines) if _MAY_BRING.fullmatch(found.scheme))


def _is_ntlm(details: Secret) -> bool:
    try:
        data = SecretBytes(binascii.a2b_base64(details))
    except (binascii.Error, ValueError):
        return False
    return data.startswith(_NTLM) or _NTLM_MECHANISM in data[:_MAX_FRAME]
