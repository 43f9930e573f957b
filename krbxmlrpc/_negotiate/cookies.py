"""Keeps the cookies of a transport, and knows which cookies can authenticate a call. It does not know XML or GSSAPI.

The store gets cookies only from replies that `policy.cookies_to_keep` accepts. `http.cookiejar` implements RFC 6265.
Asking a jar for cookies takes up to a third of the time of a small call. So the store prepares the ``Cookie`` header
once, and uses it until the host's cookies in the jar change. Other code may change the jar, too.
"""

from __future__ import annotations

import logging
import math
import os
import re
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from http.client import HTTPMessage
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy, FileCookieJar
from typing import Any, NamedTuple, Optional
from urllib.parse import urlsplit
from urllib.request import Request

from .._forks import survives_forks
from .._hints import Hint
from .._kerberos.identity import Identity, Owner
from .._secrets import Secret, hidden
from .cookie_files import check_owner, load, principal_of, set_principal, write
from .set_cookie import is_deletion, readable

logger = logging.getLogger("krbxmlrpc")

MAX_PLACES = 64
"""The most URLs for which a header is kept ready, and the most untried headers of a host."""

MAX_COOKIES = 50
"""The most cookies of one host that replies can set (RFC 6265, section 6.1)."""

MAX_HEADER = 8000
"""The most characters of a ``Cookie`` header. By default Apache takes header lines of up to 8190 bytes."""

MAX_REST = 1024
"""The most calls in a row that do not try the cookies of a host as a session."""

_HEADER_VALUE = re.compile(r"[ -~\x80-\xff]*")

NO_COOKIES: frozenset[str] = frozenset()

Content = list[tuple[Cookie, Optional[str]]]


class Cookies(NamedTuple):
    """The cookies for one request."""

    header: str = ""
    """The value of the ``Cookie`` header; ``""`` if there are no cookies."""
    principal: str | None = None
    """The principal of the session; None if it is unknown."""
    is_own_session: bool = False
    """Whether verified exchanges of this transport set all of these cookies, so that they can be a session of its own.
    They are no session if the server answered a ticket with a token although these cookies went along.
    """
    is_over: bool = False
    """Whether the server has refused a call with these cookies."""
    is_resting: bool = False
    """Whether cookies of this host have not authenticated lately, so that the next calls do not try them."""

    @property
    def may_authenticate(self) -> bool:
        """Whether these cookies can authenticate a call without a ticket."""
        return bool(self.header) and not self.is_over and not self.is_resting


class _Ready(NamedTuple):
    """Prepared cookies, and the state for which they are valid."""

    cookies: Cookies
    state: tuple[Content, Owner, int, int]
    expires: float
    given: bool
    """Whether all of the cookies have been in the jar since the transport was built."""


class _Host:
    """What is known of the cookies of one host (with port)."""

    def __init__(self) -> None:
        self.is_proved = False
        self.is_accepted_unproved = False
        self.renewals = 0  # how often a verified exchange has set cookies
        self.untried: set[str] = set()  # headers that a verified exchange has set since a call was last accepted
        self.refusals = 0  # of untried headers, in a row
        self.rest = 0  # this many calls do not try the cookies as a session

    def note_success(self) -> None:
        """Note that the host has accepted a call with its cookies."""
        if self.untried or self.refusals:
            self.untried.clear()
            self.refusals = self.rest = 0


class _Place:
    """The state of the cookies for one URL."""

    def __init__(self, name: str, host: _Host, jar_url: str) -> None:
        self.name = name  # of the host, without port
        self.host = host
        self.url = jar_url
        self.domains = _domains(urlsplit(jar_url).hostname or "")
        self.ready: _Ready | None = None
        # Cookies that the server refused, or that it ignored because there was a ticket, ...
        self.over = self.ignored = NO_COOKIES
        self.over_at = self.ignored_at = 0  # ... until the host's cookies are renewed
        self.is_over_in_doubt = False  # the server has accepted them since


class CookieStore:
    """The cookies of one transport.

    Args:
        jar: the caller's jar, or None. If the jar has a file, the store loads the jar from that file. When the cookies
            change, the store saves the jar to the file.
        identity: tells whose sessions the transport may use.

    Raises:
        ValueError: the jar's file is damaged, belongs to another user, or can be changed by others.
        OSError: the jar's file cannot be read.
    """

    def __init__(self, jar: CookieJar | None, identity: Identity) -> None:
        self.jar = CookieJar(strict_policy()) if jar is None else jar
        self._is_default = jar is None
        self._identity = identity
        self._places: dict[str, _Place] = {}
        self._hosts: dict[str, _Host] = {}
        self._keeping = threading.RLock()  # reentrant: a signal handler may close the transport meanwhile
        self._file: str | None = None
        if isinstance(self.jar, FileCookieJar) and self.jar.filename:
            check_owner(self.jar.filename)
            self._file = os.path.realpath(self.jar.filename)
            load(self.jar, self._file)
        hide_cookies(self.jar)
        self._saved = self._content_of(self.jar)
        self._given = weakref.WeakSet(cookie for cookie, _ in self._saved)
        self._own: weakref.WeakSet[Cookie] = weakref.WeakSet()
        self._doubted: weakref.WeakSet[Cookie] = weakref.WeakSet()  # they may belong to a session that has ended
        self._doubts = 0
        survives_forks(self)

    # -- the next request ---------------------------------------------------------------------------------------------

    def cookies(self, url: str) -> Cookies:
        """Return the cookies for a URL (without query).

        A host gets cookies only if it has proved its identity, or the caller vouches for the cookies or the host.
        RFC 6265 shares cookies between all ports of a host (section 8.5). But another party may use another port, so
        each port has to prove its identity. The cookies of a session go along only if the session belongs to the
        principal that the transport acts as now.

        Raises:
            ValueError: the caller's jar holds a cookie that HTTP does not allow, or too many of them.
        """
        place = self._place(url)
        host = place.host
        owner = self._identity.look()
        state = self._content_of(self._held(place)), owner, owner.known, self._doubts
        ready = place.ready
        if ready is None or ready.state != state or time.time() >= ready.expires:
            ready = place.ready = self._prepare(place, state)
        cookies = ready.cookies
        if not (ready.given or host.is_proved or host.is_accepted_unproved):
            return Cookies()
        if place.over or place.ignored or host.rest:
            pairs = _pairs(cookies.header)
            is_ignored = place.ignored_at == host.renewals and place.ignored >= pairs
            cookies = cookies._replace(
                is_own_session=cookies.is_own_session and not is_ignored,
                is_over=place.over_at == host.renewals and place.over >= pairs,
                is_resting=host.rest > 0,
            )
        return cookies

    def prove(self, host: str) -> None:
        """Note that a host has proved its identity to a call with a ticket."""
        known = self._host(host)
        known.is_proved = True
        known.rest = max(0, known.rest - 1)

    def accept_unproved(self, host: str) -> None:
        """Note that the caller accepts a host without a Kerberos proof: TLS alone proves the host's identity."""
        self._host(host).is_accepted_unproved = True

    def _host(self, netloc: str) -> _Host:
        host = self._hosts.get(netloc)
        return host or self._hosts.setdefault(netloc, _Host())

    def _place(self, url: str) -> _Place:
        place = self._places.get(url)
        if place is None:
            if len(self._places) >= MAX_PLACES:
                self._places = {}
            jar_url = _url_for_own_jar(url) if self._is_default else url
            made = _Place(urlsplit(url).hostname or "", self._host(urlsplit(url).netloc), jar_url)
            place = self._places.setdefault(url, made)
        return place

    def _held(self, place: _Place) -> list[Cookie]:
        """Return the cookies in the jar that the host can get, without a walk through the jar."""
        domains = getattr(self.jar, "_cookies", {})
        held: list[Cookie] = []
        for domain in place.domains:
            paths = domains.get(domain)
            if paths:
                for names in list(paths.values()):
                    held += names.values()
        hide_cookies(held)
        return held

    @staticmethod
    def _content_of(cookies: Iterable[Cookie]) -> Content:
        """Return the content of cookies. If two contents are equal, nothing has changed in between."""
        # While another thread removes a cookie, Python 3.9 gives None in its place.
        return [(cookie, cookie.value) for cookie in cookies if cookie is not None]

    def _prepare(self, place: _Place, state: tuple[Content, Owner, int, int]) -> _Ready:
        content, owner = state[:2]
        held = [cookie for cookie, _ in content if cookie not in self._doubted]
        if not place.host.is_accepted_unproved:
            held = [cookie for cookie in held if owner.holds(principal_of(cookie))]
        header, sent = self._header(place.url, held)
        while len(header) > MAX_HEADER:
            oldest = next((cookie for cookie in held if cookie in self._own), None)
            if oldest is None:
                raise ValueError(
                    Hint(
                        "{name.cookiejar} holds cookies of more than {most} characters for one URL: remove some",
                        most=MAX_HEADER,
                    )
                )
            held.remove(oldest)
            header, sent = self._header(place.url, held)
        if not _HEADER_VALUE.fullmatch(header):
            raise ValueError(
                Hint("{name.cookiejar} holds a cookie with a character that HTTP does not allow: remove that cookie")
            )
        expiries = [cookie.expires for cookie, _ in content if cookie.expires is not None]
        principal = next(filter(None, map(principal_of, sent)), None)
        is_own = bool(sent) and all(cookie in self._own for cookie in sent)
        given = all(cookie in self._given for cookie in sent)
        return _Ready(Cookies(header, principal, is_own), state, min(expiries, default=math.inf), given)

    def _header(self, url: str, cookies: Sequence[Cookie]) -> tuple[str, list[Cookie]]:
        """Return the header for a URL, from some cookies of the jar, and the cookies in it."""
        jar: Any = CookieJar(vars(self.jar)["_policy"])
        for cookie in cookies:
            jar.set_cookie(cookie)
        request = Request(url)
        jar.add_cookie_header(request)
        return Secret(request.unredirected_hdrs.get("Cookie", "")), jar._cookies_for_request(request)

    # -- the replies --------------------------------------------------------------------------------------------------

    def keep(
        self, url: str, lines: Iterable[str], principal: str | None, *, sent: str | None = None, all_of: bool = True
    ) -> None:
        """Keep the cookies of a reply.

        Args:
            url: the URL of the request.
            lines: the reply's ``Set-Cookie`` lines.
            principal: the principal of the session; None if it is unknown.
            sent: the ``Cookie`` header of a request on a session; None if a verified exchange or a login sets the
                cookies. If another thread has got other cookies meanwhile, the cookies of a reply on a session are
                ignored. They could remove the new cookies, or replace them with cookies of a session that has ended.
            all_of: whether to keep all of the cookies, or only to remove those that the reply removes.
        """
        place = self._place(url)
        if sent is not None and sent != self.cookies(url).header:
            return
        is_secure = url.startswith("https:")
        clean = [readable(line, place.name, is_secure, self._is_default) for line in lines]
        with self._keeping:
            before = self._held(place)
            for line in clean:
                # One by one, because http.cookiejar removes cookies before it sets any.
                if line is not None and (all_of or is_deletion(line, time.time())):
                    message = HTTPMessage()
                    message["Set-Cookie"] = line
                    self.jar.extract_cookies(_Reply(message), Request(place.url))  # type: ignore[arg-type]
            known = set(map(id, before))
            new = [cookie for cookie in self._held(place) if id(cookie) not in known]
            for cookie in new:
                self._own.add(cookie)
                if principal is not None:
                    set_principal(cookie, principal)
            self._limit(place, new)
            self._try_to_save()
        if sent is None:
            host = place.host
            host.renewals += 1
            if len(host.untried) >= MAX_PLACES:
                host.untried.clear()
            host.untried.add(self.cookies(url).header)

    def _limit(self, place: _Place, new: Sequence[Cookie]) -> None:
        """Remove the oldest cookies of a host if it has set too many."""
        own = [cookie for cookie in self._held(place) if cookie in self._own]
        own.sort(key=lambda cookie: (cookie in new, not cookie.is_expired()))
        self._remove(own[: max(0, len(own) - MAX_COOKIES)])

    def _remove(self, cookies: Iterable[Cookie]) -> None:
        for cookie in cookies:
            try:
                self.jar.clear(cookie.domain, cookie.path, cookie.name)
            except KeyError:  # other code has removed the cookie
                pass

    def accepted(self, host: str) -> None:
        """Note that a host accepted a call with its cookies."""
        self._host(host).note_success()

    def refused(self, url: str, cookies: Cookies) -> None:
        """Note that the server refused a call with these cookies: they are no session, or no longer one.

        If a verified exchange has just set them, and the server has accepted no call with them, they may never have
        been a session. A load balancer's cookies are an example. A session can also be lost so early, and the next one
        can be good. So the cookies of the host are tried again, but more and more seldom.
        """
        place = self._place(url)
        host = place.host
        place.over, place.over_at, place.is_over_in_doubt = _pairs(cookies.header), host.renewals, False
        if cookies.header in host.untried:
            host.untried.discard(cookies.header)
            host.refusals += 1
            host.rest = min(2**host.refusals, MAX_REST) if host.refusals > 1 else 0

    def doubted(self, url: str, cookies: Cookies) -> None:
        """Note that a reply with another status than 401 may mean that the session has ended.

        The cookies do not go along with any request again, before a verified exchange renews them: a server that looks
        at them first would give the same reply. They are taken out of the file, too, for the next process.
        """
        place = self._place(url)
        if cookies.header != self.cookies(url).header or place.host.is_accepted_unproved:
            return
        with self._keeping:
            sent = self._header(place.url, self._held(place))[1]
            self._doubted.update(sent)
            self._doubts += 1
            if self._file is not None:
                self._remove(sent)
                self._try_to_save()

    def ignored(self, url: str, cookies: Cookies) -> None:
        """Note that the server answered a ticket with a token, although these cookies went along."""
        place = self._place(url)
        place.ignored, place.ignored_at = _pairs(cookies.header), place.host.renewals

    def accepted_beside_ticket(self, url: str) -> None:
        """Note that the server answered on the session of these cookies, although a ticket went along.

        If the server has refused the session before, another node of it may have done so. So the session is tried
        without a ticket again only after a second answer.
        """
        place = self._place(url)
        if place.is_over_in_doubt:
            place.over = NO_COOKIES
        place.is_over_in_doubt = True
        place.host.note_success()

    def paths(self, host: str) -> list[str]:
        """Return the paths for which there are cookies for a host (without port)."""
        names = (host, f"{host}.", f"{host}.local")  # see `_url_for_own_jar`
        domains = ((cookie.domain.lstrip("."), cookie.path) for cookie, _ in self._content_of(self.jar))
        return sorted({path for domain, path in domains if domain in names or host.endswith(f".{domain}")})

    # -- the file -----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Save the cookies, if they have a file and have changed.

        Raises:
            OSError: they cannot be saved.
        """
        with self._keeping:
            if self._file is not None:
                content = self._content_of(self.jar)
                if content != self._saved:
                    write(self.jar, self._file)
                    self._saved = content

    def _try_to_save(self) -> None:
        try:
            self.save()
        except OSError as error:  # the call has its reply, and must not fail because of the file
            logger.warning("the cookies cannot be saved: %s", error)

    def after_fork(self) -> None:
        """Make new locks in a child process: the child lacks the other threads, and one may have held a lock."""
        self._keeping = threading.RLock()
        if hasattr(self.jar, "_cookies_lock"):
            self.jar._cookies_lock = threading.RLock()


class _Reply:
    """A reply, as `http.cookiejar` needs it."""

    def __init__(self, message: HTTPMessage) -> None:
        self._message = message

    def info(self) -> HTTPMessage:
        return self._message


def hide_cookies(cookies: object) -> None:
    """Make `repr` of a jar, or of a list of cookies, show no values. Do nothing with other objects."""
    for cookie in cookies if isinstance(cookies, (CookieJar, list)) else ():
        if cookie is not None:  # see `_content_of`
            cookie.value = hidden(cookie.value)


def _pairs(header: str) -> frozenset[str]:
    """Return the cookies of a ``Cookie`` header."""
    return frozenset(map(Secret, header.split("; ")))


def _domains(host: str) -> tuple[str, ...]:
    """Return the domains under which a jar can hold cookies for a host."""
    names = [host] if "." in host else [host, f"{host}.local"]  # http.cookiejar adds .local to a host without dots
    labels = names[-1].split(".")
    names += [".".join(labels[start:]) for start in range(1, len(labels))]
    return tuple(domain for name in names for domain in (name, f".{name}"))


def _url_for_own_jar(url: str) -> str:
    """Return a URL under which the default jar keeps the cookies of a host like ``hub.local``.

    http.cookiejar adds ``.local`` to a host without dots, so that ``hub`` and ``hub.local`` would share cookies. A dot
    at the end prevents this.
    """
    host, port = urlsplit(url).hostname or "", urlsplit(url).port
    if not host.endswith(".local") or host.count(".") > 1:
        return url
    return Secret(urlsplit(url)._replace(netloc=f"{host}.:{port}" if port else f"{host}.").geturl())


def strict_policy() -> DefaultCookiePolicy:
    """Return the policy of the default jar.

    A cookie goes back only to its own host. By default, http.cookiejar does not enforce this.
    """
    return DefaultCookiePolicy(
        rfc2965=False, strict_domain=True, strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain
    )
