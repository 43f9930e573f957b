"""Checks arguments: every wrong one is an error that names the argument, its value and what is accepted.

Where a value could be a secret, the error does without it.
"""

from __future__ import annotations

import re
from http.cookiejar import CookieJar, FileCookieJar
from typing import Any, Iterable, List, Optional, Tuple, Union

from ._checks import checked
from ._hints import Hint, subject
from ._http.www_authenticate import TOKEN
from ._kerberos.channel_bindings import require_cryptography
from ._negotiate.policy import MutualAuthentication

MAX_TIMEOUT = 2_000_000
"""Seconds that a timeout may have: some more and the system cannot count them."""

PATH = re.compile(r"/[!-~]*")
"""The path of a URL, with a query if there is one: printable ASCII, as a request line can hold it."""

_HTTP_METHOD = re.compile(r"(?!CONNECT$)[A-Z]+", re.ASCII)  # a CONNECT is for proxies
_HEADER_NAME = re.compile(TOKEN)
_HEADER_VALUE = re.compile(r"[^\0-\x08\x0a-\x1f\x7f\u0100-\U0010ffff]*")
_OWN_HEADERS = {
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "proxy-authorization",
    "transfer-encoding",
}

Header = Tuple[Union[str, bytes], Union[str, bytes, int]]


def is_http_method(text: str) -> bool:
    """Say whether a request can be made by this method."""
    return _HTTP_METHOD.fullmatch(text) is not None


def checked_timeout(timeout: Optional[float]) -> Optional[float]:
    """Return the argument of this name, if it is one."""
    accepted = Hint("a number of seconds over 0 and up to {most}, or {phrase.none}", most=MAX_TIMEOUT)
    types = (int, float, type(None))
    return checked("timeout", timeout, accepted, types, lambda seconds: seconds is None or 0 < seconds <= MAX_TIMEOUT)


def checked_mode(mode: Union[str, MutualAuthentication]) -> MutualAuthentication:
    """Return ``mutual_authentication`` as a member of the enum."""
    modes = [member.value for member in MutualAuthentication]
    accepted = " or ".join(map(repr, modes))
    return MutualAuthentication(checked("mutual_authentication", mode, accepted, (str,), modes.__contains__))


def checked_login_path(path: Optional[str], mode: MutualAuthentication) -> Optional[str]:
    """Return ``login_path``, if it is one and goes with the mode."""
    accepted = Hint("a path like '/login/', printable ASCII without #, or {phrase.left_out}")

    def is_path(path: Optional[str]) -> bool:
        return path is None or (PATH.fullmatch(path) is not None and "#" not in path)

    checked("login_path", path, accepted, (str, type(None)), is_path)
    if path is not None and mode is MutualAuthentication.DISABLED:
        # A session would begin with cookies of which nobody knows whose they are.
        raise ValueError(
            Hint(
                "{name.login_path} is {path}; with {args.mutual_authentication:disabled} accepted is {phrase.left_out}",
                path=repr(path),
            )
        )
    return path


def checked_jar(jar: Optional[CookieJar]) -> Optional[CookieJar]:
    """Return ``cookiejar``, if it is one."""
    if not isinstance(jar, (CookieJar, type(None))):  # not shown: it may hold secrets
        accepted = Hint("an http.cookiejar.CookieJar, or {phrase.left_out}")
        raise TypeError(_wrong_type("cookiejar", jar, accepted))
    if isinstance(jar, FileCookieJar) and not hasattr(jar, "_really_load"):
        raise TypeError(
            Hint("{name.cookiejar} is a FileCookieJar itself, which has no format; accepted is a MozillaCookieJar")
        )
    return jar


def checked_channel_bindings(kind: Optional[str], scheme: str) -> Optional[str]:
    """Return ``channel_bindings``, if it goes with the scheme; ImportError where a library is missing."""
    kinds = ("tls-server-end-point",) if scheme == "https" else ()
    accepted = (
        Hint("'tls-server-end-point', or {phrase.none}")
        if kinds
        else Hint("{phrase.none}: without TLS there is nothing to bind to")
    )
    checked("channel_bindings", kind, accepted, (str, type(None)), lambda kind: kind is None or kind in kinds)
    if kind is not None:
        require_cryptography()
    return kind


def checked_headers(headers: Iterable[Header]) -> List[Any]:
    """Return ``headers`` as a list."""
    accepted = "a list of pairs (name, value)"
    if isinstance(headers, (str, bytes)) or not isinstance(headers, Iterable):
        raise TypeError(_wrong_type("headers", headers, accepted))
    pairs = list(headers)
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(Hint("{name.headers} holds what is not a pair; accepted is {accepted}", accepted=accepted))
        name, value = (part.decode("latin-1") if isinstance(part, bytes) else part for part in pair)
        if not isinstance(name, str) or not isinstance(value, (str, int)):
            raise TypeError(
                Hint(
                    "{name.headers} holds a name or a value that is not text; accepted is {accepted}",
                    accepted=accepted,
                )
            )
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(
                Hint(
                    "{name.headers} holds a name that HTTP does not allow (RFC 9110, 5.1); accepted is {accepted}",
                    accepted=accepted,
                )
            )
        if not _HEADER_VALUE.fullmatch(str(value)):
            raise ValueError(
                Hint(
                    "{name.headers} holds a value of {header} that HTTP does not allow (RFC 9110, section 5.5)",
                    header=name,
                )
            )
        if name.lower() in _OWN_HEADERS:
            raise ValueError(
                Hint("{name.headers} holds {header}, which is the transport's to set: take it out", header=name)
            )
    return pairs


def _wrong_type(name: str, value: object, accepted: str) -> Hint:
    """Return the message for an argument whose value is not shown."""
    return Hint(
        "{subject} is of type {kind}; accepted is {accepted}",
        subject=subject(name),
        kind=type(value).__name__,
        accepted=accepted,
    )
