"""Keeps the cookies of a transport, and knows on which of them a call can ride; knows nothing of XML and GSSAPI.

Cookies come only from replies that were verified, or that rode on a session: to hand them over is the transport's part.
RFC 6265, by `http.cookiejar`. To ask a jar costs as much as a third of a small call, so the ``Cookie`` header is kept
ready for as long as the jar's content does not change, whoever changes it.
"""

from __future__ import annotations

import logging
import math
import os
import re
import tempfile
import threading
import time
import warnings
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
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import urlsplit
from urllib.request import Request

from .._forks import survives_forks
from .._hints import Hint

logger = logging.getLogger("krbxmlrpc")

JUST = 60.0
"""Seconds for which cookies have just been set. What is refused later may have been a session, and is over."""

MAX_PLACES = 64
"""For how many URLs a header is kept ready."""

_HEADER_VALUE = re.compile(r"[^\0-\x1f\x7f\u0100-\U0010ffff]*")
_MAX_AGE = re.compile(r"-?[0-9]{1,9}")  # 30 years at most: a date that is too late cannot be saved
_OBSOLETE = ("comment", "commenturl", "discard", "port", "version")  # attributes that http.cookiejar still knows

Content = List[Tuple[Cookie, Optional[str]]]


class _Ready(NamedTuple):
    """A ``Cookie`` header, and as long as what it is right."""

    header: str
    content: Content
    expires: float
    given: bool
    """Whether the jar holds nothing but what its owner put there before the transport was built."""


class _Place:
    """What is known of the cookies that go with one URL."""

    __slots__ = ("host", "ready", "over")

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.ready: Optional[_Ready] = None
        self.over: Optional[str] = None  # what does not authenticate, or not any more


class CookieStore:
    """The cookies of one transport.

    Args:
        jar: the caller's own, or None. One with a file is loaded from it, and saved to it when its cookies change.

    Raises:
        ValueError: the jar's file is damaged.
        OSError: it cannot be read.
    """

    def __init__(self, jar: Optional[CookieJar]) -> None:
        self.jar = CookieJar(strict_policy()) if jar is None else jar
        self._places: Dict[str, _Place] = {}
        self._proved: Set[str] = set()  # hosts (with ports) that have proved their identity
        self._unproved: Set[str] = set()  # hosts (with ports) that the caller accepts without a proof
        self._untried: Dict[str, Dict[str, float]] = {}  # by host: cookies that no call has ridden on, and since when
        self._useless: Set[str] = set()  # hosts whose cookies do not authenticate
        self._logins: Dict[str, int] = {}
        self._login_locks: Dict[str, threading.Lock] = {}
        self._keeping = threading.RLock()  # a signal handler may close the transport meanwhile
        self._file: Optional[str] = None
        if isinstance(self.jar, FileCookieJar) and self.jar.filename:
            self._file = os.path.realpath(self.jar.filename)
            _load(self.jar, self._file)
        self._saved = self._given = self._content()
        survives_forks(self)

    # -- what to send -------------------------------------------------------------------------------------------------

    def cookies(self, url: str) -> str:
        """Return the value of the ``Cookie`` header for a URL (without query); ``""`` where it has no cookies.

        A host gets them only when it has proved itself, or its caller vouches for them: for RFC 6265 another port is
        the same host (section 8.5), and there may be somebody else.

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
        """Note that a host has proved itself."""
        self._proved.add(host)

    def accept_unproved(self, host: str) -> None:
        """Note that the caller accepts a host without a proof of its identity: only TLS vouches for the host."""
        self._unproved.add(host)

    def carries(self, url: str, cookies: str) -> bool:
        """Say whether a call may ride on these cookies: nothing tells that they do not authenticate."""
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
        """Return what is in the jar now; as good as the jar itself to see whether it changes."""
        # Where another thread is just removing a cookie, Python 3.9 gives None in its place.
        return [(cookie, cookie.value) for cookie in self.jar if cookie is not None]

    def _consult(self, url: str, content: Content) -> _Ready:
        request = Request(url)
        self.jar.add_cookie_header(request)
        header = request.unredirected_hdrs.get("Cookie", "")
        if not _HEADER_VALUE.fullmatch(header):
            raise ValueError(
                Hint("{name.cookiejar} holds a cookie with a character that HTTP does not allow: take it out")
            )
        expiries = [cookie.expires for cookie, _ in content if cookie.expires is not None]
        given = all(any(cookie is known for known, _ in self._given) for cookie, _ in content)
        return _Ready(header, content, min(expiries, default=math.inf), given)

    # -- what came back -----------------------------------------------------------------------------------------------

    def keep(self, url: str, lines: Iterable[str], *, fresh: bool, sent: Optional[str] = None) -> None:
        """Keep the cookies of a reply.

        Args:
            url: where it came from.
            lines: its ``Set-Cookie`` lines.
            fresh: whether it answers a ticket.
            sent: the cookies that it answers, if that is to count: where it answers no ticket, and another thread has
                got others meanwhile, it would take those back, or replace them by those of a session that has ended.
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
            self.jar.extract_cookies(_Reply(message), Request(url))  # type: ignore[arg-type]  # it asks for no more
            try:
                self._save()
            except OSError as error:  # the call has its answer, and must not lose it
                logger.warning("the cookies cannot be saved: %s", error)
        if fresh:
            place = self._place(url)
            place.over = None
            untried = self._untried.setdefault(place.host, {})
            if len(untried) >= MAX_PLACES:
                untried.clear()
            untried[self.cookies(url)] = time.monotonic()

    def accepted(self, host: str) -> None:
        """Note that a call has ridden on the cookies of a host."""
        self._untried.pop(host, None)

    def refused(self, url: str, cookies: str) -> None:
        """Note that a call on these cookies was answered by 401: their session is over, or they never were one.

        The latter, where a verified exchange has just set them and they have not carried a single call: a load
        balancer's, for example. Then no call to that host tries to ride again.
        """
        place = self._place(url)
        since = self._untried.get(place.host, {}).get(cookies)
        if since is not None and time.monotonic() < since + JUST:
            self._useless.add(place.host)
        place.over = cookies

    def paths(self, host: str) -> List[str]:
        """Return for which paths there are cookies that go with a host (without port)."""
        names = (host, f"{host}.local")  # so http.cookiejar calls one without dots
        held = (cookie for cookie, _ in self._content())
        domains = ((cookie.domain.lstrip("."), cookie.path) for cookie in held)
        return sorted({path for domain, path in domains if domain in names or host.endswith(f".{domain}")})

    def logins(self, host: str) -> int:
        """Return how many logins there have been."""
        return self._logins.get(host, 0)

    def log_in_once(self, host: str, seen: int, log_in: Callable[[], object]) -> None:
        """Log in, unless another thread has done so since there were `seen` logins."""
        with self._login_locks.setdefault(host, threading.Lock()):
            if self.logins(host) == seen:
                log_in()
                self._logins[host] = seen + 1

    # -- the file -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the cookies, if they have a file and have changed.

        Raises:
            OSError: that cannot be done.
        """
        with self._keeping:
            self._save()

    def _save(self) -> None:
        content = self._content()
        if self._file is not None and content != self._saved:
            _write(self.jar, self._file)
            self._saved = content

    def after_fork(self) -> None:
        """Make the locks anew, in a child process: another thread may have held one, and is not there any more."""
        self._keeping = threading.RLock()
        self._login_locks = {}
        if hasattr(self.jar, "_cookies_lock"):
            self.jar._cookies_lock = threading.RLock()


class _Reply:
    """What `http.cookiejar` asks of a reply."""

    def __init__(self, message: HTTPMessage) -> None:
        self._message = message

    def info(self) -> HTTPMessage:
        return self._message


def _readable(line: str, host: str) -> Optional[str]:
    """Return a ``Set-Cookie`` line so that http.cookiejar takes it as RFC 6265 does; None where it is to be ignored.

    Left to itself, that lets hosts set and remove cookies of others, for a domain like ``.local`` or ``.0.0.1``. By an
    attribute that it cannot read, one line takes the others of the reply with it, keeps the file of the jar from being
    saved, or is not ``Secure`` any more.
    """
    pair, _, rest = line.partition(";")
    kept = [pair]
    for attribute in rest.replace('"', "").split(";"):  # RFC 2109 had their values quoted
        name, _, value = (part.strip() for part in attribute.partition("="))
        name = name.lower()
        if name == "domain" and value and not _covers(value.lower(), host):
            return None
        if name == "secure":
            kept.append(name)
        elif _counts(name, value):
            kept.append(attribute)
    if "=" not in pair or "\t" in line:  # files of cookies have no room for tabs
        return None
    return ";".join(kept)


def _counts(name: str, value: str) -> bool:
    """Say whether an attribute of a cookie is to be looked at (RFC 6265, section 5.2)."""
    if name == "expires":
        try:
            return http2time(value) is not None
        except ValueError:
            return False
    if name == "max-age":
        return _MAX_AGE.fullmatch(value) is not None
    return bool(value) if name in ("domain", "path") else name not in _OBSOLETE


def _covers(domain: str, host: str) -> bool:
    """Say whether a host may set cookies for a domain (RFC 6265, section 5.1.3): its own, or one above, with a dot."""
    above = domain[1:] if domain.startswith(".") else domain
    if above == host or (above == f"{host}.local" and "." not in host):  # so http.cookiejar calls one without dots
        return True
    is_address = host.rpartition(".")[2].isdigit()
    return host.endswith(f".{above}") and "." in above and not above.endswith(".") and not is_address


def strict_policy() -> DefaultCookiePolicy:
    """Return the policy of the default jar.

    A cookie without ``Domain`` goes back to its own host only (RFC 6265, section 5.3, step 6), which http.cookiejar
    does not see to by default; and none is for all of a country.
    """
    return DefaultCookiePolicy(
        rfc2965=False, strict_domain=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain
    )


def _load(jar: Any, path: str) -> None:
    """Load a file of cookies, if there is one; an empty one holds none."""
    if not os.path.exists(path) or not os.path.getsize(path):
        return
    damaged = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # http.cookiejar warns of what is an error here
        try:
            jar.load(path, ignore_discard=True)
        except (LoadError, ValueError):
            damaged = True
    if damaged:  # raised here, because the other error holds what is in the file
        raise ValueError(
            Hint(
                "{name.cookiejar} has a file that is damaged, or not one of a {kind}: {path}; accepted is one that it "
                "saved, or none: move that one away",
                kind=type(jar).__name__,
                path=path,
            )
        )


def _write(jar: Any, path: str) -> None:
    """Replace a file of cookies, in one step, by one that only its owner can read."""
    descriptor, temporary = tempfile.mkstemp(prefix=".cookies-", dir=os.path.dirname(path))  # mode 0600
    os.close(descriptor)
    saved = False
    try:
        with jar._cookies_lock if hasattr(jar, "_cookies_lock") else nullcontext():
            jar.save(temporary, ignore_discard=True)
        os.replace(temporary, path)
        saved = True
    except ValueError:
        pass  # its message may hold what is in the cookie
    finally:
        if not saved:
            os.unlink(temporary)
    if not saved:
        raise OSError(f"{path}: its format, or this locale's encoding, has no room for one of the cookies")
