"""Keeps the cookies of a transport, and knows which cookies can authenticate a call. It does not know XML or GSSAPI.

The store gets cookies only from replies that `policy.may_keep_cookies` accepts. `http.cookiejar` implements RFC 6265.
Asking a jar for cookies takes up to a third of the time of a small call. So the store prepares the ``Cookie`` header
once, and uses it until the jar's content changes. Other code may change the jar, too.
"""

from __future__ import annotations

import logging
import math
import os
import re
import stat
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable
from contextlib import nullcontext
from http.client import HTTPMessage
from http.cookiejar import (  # type: ignore[attr-defined]  # typeshed does not know http2time
    Cookie,
    CookieJar,
    DefaultCookiePolicy,
    FileCookieJar,
    LoadError,
    http2time,
)
from typing import Any, Callable, NamedTuple, Optional
from urllib.parse import urlsplit
from urllib.request import Request

from .._forks import survives_forks
from .._hints import Hint

logger = logging.getLogger("krbxmlrpc")

JUST = 60.0
"""Seconds for which cookies count as just set. If they are refused later, they may be a session that has ended."""

MAX_LINKS = 40
"""The most links that lead to a file of cookies. Linux follows as many."""

MAX_PLACES = 64
"""The most URLs for which a header is kept ready."""

_HEADER_VALUE = re.compile(r"[^\0-\x1f\x7f\u0100-\U0010ffff]*")
_MAX_AGE = re.compile(r"-?[0-9]{1,9}")  # seconds, up to 31 years: the jar cannot save a date too far ahead
_OBSOLETE = ("comment", "commenturl", "discard", "port", "version")  # attributes that http.cookiejar still knows

Content = list[tuple[Cookie, Optional[str]]]


class _Ready(NamedTuple):
    """A prepared ``Cookie`` header, and the jar contents it is valid for."""

    header: str
    content: Content
    expires: float
    given: bool
    """Whether all cookies in the jar have been there since the transport was built."""


class _Place:
    """The state of the cookies for one URL."""

    __slots__ = ("host", "ready", "over")

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.ready: _Ready | None = None
        self.over: str | None = None  # cookies that do not authenticate, or no longer do so


class CookieStore:
    """The cookies of one transport.

    Args:
        jar: the caller's jar, or None. If the jar has a file, the store loads the jar from that file. When the cookies
            change, the store saves the jar to the file.

    Raises:
        ValueError: the jar's file is damaged, belongs to another user, or can be changed by others.
        OSError: the jar's file cannot be read.
    """

    def __init__(self, jar: CookieJar | None) -> None:
        self.jar = CookieJar(strict_policy()) if jar is None else jar
        self._places: dict[str, _Place] = {}
        self._proved: set[str] = set()  # hosts (with ports) that have proved their identity
        self._unproved: set[str] = set()  # hosts (with ports) that the caller accepts without a proof
        self._untried: dict[str, dict[str, float]] = {}  # by host: cookies not yet accepted, and when they came
        self._useless: set[str] = set()  # hosts whose cookies do not authenticate
        self._logins: dict[str, int] = {}
        self._login_locks: dict[str, threading.Lock] = {}
        self._keeping = threading.RLock()  # reentrant: a signal handler may close the transport meanwhile
        self._file: str | None = None
        if isinstance(self.jar, FileCookieJar) and self.jar.filename:
            _check_owner(self.jar.filename)
            self._file = os.path.realpath(self.jar.filename)
            _load(self.jar, self._file)
        self._saved = self._given = self._content()
        survives_forks(self)

    # -- the next request ---------------------------------------------------------------------------------------------

    def cookies(self, url: str) -> str:
        """Return the value of the ``Cookie`` header for a URL (without query); ``""`` if there are no cookies for it.

        A host gets cookies only if it has proved its identity, or the caller vouches for the cookies or the host.
        RFC 6265 shares cookies between all ports of a host (section 8.5). But another party may use another port, so
        each port has to prove its identity.

        Raises:
            ValueError: the caller's jar holds a cookie that HTTP does not allow.
        """
        content = self._content()
        place = self._place(url)
        ready = place.ready
        if ready is None or ready.content != content or time.time() >= ready.expires:
            ready = place.ready = self._consult(url, content)
        return ready.header if ready.given or place.host in self._proved or place.host in self._unproved else ""

    def prove(self, host: str) -> None:
        """Note that a host has proved its identity."""
        self._proved.add(host)

    def accept_unproved(self, host: str) -> None:
        """Note that the caller accepts a host without a Kerberos proof: TLS alone proves the host's identity."""
        self._unproved.add(host)

    def carries(self, url: str, cookies: str) -> bool:
        """Say whether there are cookies, and no reply has shown that they cannot authenticate a call."""
        place = self._place(url)
        return bool(cookies) and place.host not in self._useless and place.over != cookies

    def _place(self, url: str) -> _Place:
        place = self._places.get(url)
        if place is None:
            if len(self._places) >= MAX_PLACES:
                self._places = {}
            place = self._places.setdefault(url, _Place(url))
        return place

    def _content(self) -> Content:
        """Return the content of the jar. If two contents are equal, the jar has not changed in between."""
        # While another thread removes a cookie, Python 3.9 gives None in its place.
        return [(cookie, cookie.value) for cookie in self.jar if cookie is not None]

    def _consult(self, url: str, content: Content) -> _Ready:
        request = Request(url)
        self.jar.add_cookie_header(request)
        header = request.unredirected_hdrs.get("Cookie", "")
        if not _HEADER_VALUE.fullmatch(header):
            raise ValueError(
                Hint("{name.cookiejar} holds a cookie with a character that HTTP does not allow: remove that cookie")
            )
        expiries = [cookie.expires for cookie, _ in content if cookie.expires is not None]
        given = all(any(cookie is known for known, _ in self._given) for cookie, _ in content)
        return _Ready(header, content, min(expiries, default=math.inf), given)

    # -- the replies --------------------------------------------------------------------------------------------------

    def keep(self, url: str, lines: Iterable[str], *, fresh: bool, sent: str | None = None) -> None:
        """Keep the cookies of a reply.

        Args:
            url: the URL of the request.
            lines: the reply's ``Set-Cookie`` lines.
            fresh: whether the request carried a ticket.
            sent: the cookies that the request carried, or None. If the request carried no ticket, and another thread
                has got other cookies meanwhile, the cookies of this reply are ignored. They could remove the new
                cookies, or replace them with cookies of a session that has ended.
        """
        if not fresh and sent is not None and sent != self.cookies(url):
            return
        host = urlsplit(url).hostname or ""
        message = HTTPMessage()
        for line in lines:
            readable = _readable(line, host)
            if readable is not None:
                message["Set-Cookie"] = readable
        with self._keeping:
            self.jar.extract_cookies(_Reply(message), Request(url))  # type: ignore[arg-type]  # only info() is used
            try:
                self._save()
            except OSError as error:  # the call has its reply, and must not fail because of the file
                logger.warning("the cookies cannot be saved: %s", error)
        if fresh:
            place = self._place(url)
            place.over = None
            untried = self._untried.setdefault(place.host, {})
            if len(untried) >= MAX_PLACES:
                untried.clear()
            untried[self.cookies(url)] = time.monotonic()

    def accepted(self, host: str) -> None:
        """Note that a host accepted a call with its cookies."""
        self._untried.pop(host, None)

    def refused(self, url: str, cookies: str) -> None:
        """Note that the server answered 401 to a call with these cookies: they are no session, or no longer one.

        The cookies never were a session if a verified exchange has just set them, and the server has accepted no call
        with them. A load balancer's cookies are an example. In that case, calls to this host do not rely on cookies
        again.
        """
        place = self._place(url)
        since = self._untried.get(place.host, {}).get(cookies)
        if since is not None and time.monotonic() < since + JUST:
            self._useless.add(place.host)
        place.over = cookies

    def paths(self, host: str) -> list[str]:
        """Return the paths for which there are cookies for a host (without port)."""
        names = (host, f"{host}.local")  # http.cookiejar adds .local to a host without dots
        held = (cookie for cookie, _ in self._content())
        domains = ((cookie.domain.lstrip("."), cookie.path) for cookie in held)
        return sorted({path for domain, path in domains if domain in names or host.endswith(f".{domain}")})

    def logins(self, host: str) -> int:
        """Return the count of logins at a host."""
        return self._logins.get(host, 0)

    def log_in_once(self, host: str, seen: int, log_in: Callable[[], object]) -> None:
        """Log in, unless another thread has logged in since the count of logins was `seen`."""
        with self._login_locks.setdefault(host, threading.Lock()):
            if self.logins(host) == seen:
                log_in()
                self._logins[host] = seen + 1

    # -- the file -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the cookies, if they have a file and have changed.

        Raises:
            OSError: they cannot be saved.
        """
        with self._keeping:
            self._save()

    def _save(self) -> None:
        content = self._content()
        if self._file is not None and content != self._saved:
            _write(self.jar, self._file)
            self._saved = content

    def after_fork(self) -> None:
        """Make new locks in a child process: the child lacks the other threads, and one may have held a lock."""
        self._keeping = threading.RLock()
        self._login_locks = {}
        if hasattr(self.jar, "_cookies_lock"):
            self.jar._cookies_lock = threading.RLock()


class _Reply:
    """A reply, as `http.cookiejar` needs it."""

    def __init__(self, message: HTTPMessage) -> None:
        self._message = message

    def info(self) -> HTTPMessage:
        return self._message


def _readable(line: str, host: str) -> str | None:
    """Return a ``Set-Cookie`` line that http.cookiejar reads as RFC 6265 demands; None if the line is to be ignored.

    On its own, http.cookiejar lets a host set and remove cookies of other hosts, for a domain like ``.local`` or
    ``.0.0.1``. If http.cookiejar cannot read an attribute, it can ignore the reply's other lines, it can fail to save
    the jar's file, or the cookie can lose ``Secure``.
    """
    pair, _, rest = line.partition(";")
    kept = [pair]
    for attribute in rest.replace('"', "").split(";"):  # RFC 2109 quotes the values
        name, _, value = (part.strip() for part in attribute.partition("="))
        name = name.lower()
        if name == "domain" and value and not _covers(value.lower(), host):
            return None
        if name == "secure":
            kept.append(name)
        elif _counts(name, value):
            kept.append(attribute)
    if "=" not in pair or "\t" in line:  # a cookie file cannot hold a tab in a cookie
        return None
    return ";".join(kept)


def _counts(name: str, value: str) -> bool:
    """Say whether to use an attribute of a cookie (RFC 6265, section 5.2)."""
    if name == "expires":
        try:
            return http2time(value) is not None
        except ValueError:
            return False
    if name == "max-age":
        return _MAX_AGE.fullmatch(value) is not None
    return bool(value) if name in ("domain", "path") else name not in _OBSOLETE


def _covers(domain: str, host: str) -> bool:
    """Say whether a host may set cookies for a domain (RFC 6265, section 5.1.3).

    A host may do so for its own name, and for a parent domain that contains a dot.
    """
    above = domain[1:] if domain.startswith(".") else domain
    if above == host or (above == f"{host}.local" and "." not in host):  # see `CookieStore.paths`
        return True
    is_address = host.rpartition(".")[2].isdigit()
    return host.endswith(f".{above}") and "." in above and not above.endswith(".") and not is_address


def strict_policy() -> DefaultCookiePolicy:
    """Return the policy of the default jar.

    A cookie without ``Domain`` goes back only to its own host (RFC 6265, section 5.3, step 6). By default,
    http.cookiejar does not enforce this. The policy also refuses a cookie for a domain like ``.co.uk``.
    """
    return DefaultCookiePolicy(
        rfc2965=False, strict_domain=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain
    )


def _check_owner(path: str) -> None:
    """Refuse a file of cookies that others control: its cookies could make calls under their session.

    A link counts as its owner's choice of a file, because the store reads and replaces the file behind the link.
    """
    for _ in range(MAX_LINKS):
        try:
            status = os.lstat(path)
        except OSError:  # there is no such file, or reading it says why not
            return
        is_link = stat.S_ISLNK(status.st_mode)
        if status.st_uid != os.geteuid() and not (is_link and status.st_uid == 0):
            raise ValueError(
                Hint(
                    "{name.cookiejar} has a {kind} of another user (uid {owner}): {path}; accepted is your own file",
                    kind="link" if is_link else "file",
                    owner=status.st_uid,
                    path=path,
                )
            )
        if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(
                Hint("{name.cookiejar} has a file that others may write: {path}; run chmod go-w on it", path=path)
            )
        if not is_link:
            return
        path = os.path.join(os.path.dirname(path), os.readlink(path))


def _load(jar: Any, path: str) -> None:
    """Load a file of cookies if it exists. An empty file holds no cookies."""
    if not os.path.exists(path) or not os.path.getsize(path):
        return
    damaged = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # http.cookiejar warns, and then raises the error as well
        try:
            jar.load(path, ignore_discard=True)
        except (LoadError, ValueError):
            damaged = True
    if damaged:  # raised outside the except clause: the error must not refer to the first one, which quotes the file
        raise ValueError(
            Hint(
                "{name.cookiejar} has a file that is damaged, or that was not saved by a {kind}: {path}; accepted is a "
                "file that a {kind} saved, or no file: move the damaged file away",
                kind=type(jar).__name__,
                path=path,
            )
        )


def _write(jar: Any, path: str) -> None:
    """Replace a file of cookies in one step; only the owner can read the new file."""
    descriptor, temporary = tempfile.mkstemp(prefix=".cookies-", dir=os.path.dirname(path))  # mode 0600
    os.close(descriptor)
    saved = False
    try:
        with jar._cookies_lock if hasattr(jar, "_cookies_lock") else nullcontext():
            jar.save(temporary, ignore_discard=True)
        os.replace(temporary, path)
        saved = True
    except ValueError:
        pass  # its message may quote the cookie
    finally:
        if not saved:
            os.unlink(temporary)
    if not saved:
        raise OSError(f"{path}: its format, or this locale's encoding, cannot hold one of the cookies")
