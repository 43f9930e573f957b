"""Tests everything that a call needs, step by step. Prints nothing.

Each step does one part of a transport's work with the transport's own code, and returns a `Finding`. The server gets
only harmless requests: the call of `HARMLESS`, and a login if calls need one.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from http.client import HTTPException
from typing import Any, Callable
from urllib.request import Request
from xmlrpc.client import Fault, dumps

from .._hints import Hint
from .._http.address import parse_address, shown_path
from .._http.connection import Connection
from .._http.response import Response
from .._kerberos import krb5_conf
from .._kerberos.ccache import cache_file, cache_owner, ticket_end
from .._kerberos.credentials import holder
from .._kerberos.principals import asked_name, shown
from .._kerberos.service_names import canonical_name
from .._kerberos.ticket import NOT_DELEGATED, Ticket
from .._negotiate.http_errors import CLOCK_TOLERANCE, LARGE_HEADER, clock_difference, header_bytes
from .._negotiate.policy import MutualAuthentication
from .._negotiate.proxy import ENVIRONMENT, Proxy
from .._settings import Settings, checked_target
from ..errors import (
    BrokenReply,
    CertificateRejected,
    ClockSkew,
    InvalidResponse,
    KDCUnreachable,
    KerberosXMLRPCError,
    NoCredentials,
    NoSession,
    ServiceUnknown,
    TicketExpired,
    UnexpectedStatus,
)
from ..transport import InsecureKerberosTransport, KerberosTransport
from . import kdcs
from .findings import Finding, State
from .offer import Asked, judged

HARMLESS = "system.listMethods"
"""The method that the check calls. It only lists names. If a server lacks the method, a Fault proves as much."""

_CALL = dumps((), HARMLESS, encoding="utf-8").encode()

TIMEOUT = 30.0
"""Default limit in seconds for each send and receive. It is short because a person is waiting."""

SOON = timedelta(minutes=10)
"""Warn about a ticket that expires within this time."""

SOON_FOR_CERTIFICATES = timedelta(days=14)
"""Warn about a certificate that expires within this time."""

NOTICEABLE = 60.0
"""Warn about clocks that differ by more than this many seconds. Kerberos tolerates far more."""

SLOW = 1.0
"""Warn about KDCs that all take longer than this many seconds."""

MAX_LOOKUPS = 4
"""Look up the names of at most this many addresses of a server."""

SHOWN_NAMES = 4
"""Show a person at most this many names of a certificate."""

MAX_SHOWN = 200
"""Show a person at most this many characters of a certificate's names, and of its issuer."""

# OpenSSL's flags from x509_vfy.h. Python's ssl has the first one since 3.10.
_PARTIAL_CHAIN, _NO_CHECK_TIME = 0x80000, 0x200000


class Examination:
    """The examination of one server.

    Args:
        scheme, netloc, handler: the parts of the server's URL, as `urllib.parse.urlsplit` returns them; the handler is
            the path with the query.
        arguments: the arguments of the transport to check.

    Raises:
        TypeError, ValueError, ImportError: as for `KerberosTransport`.
    """

    def __init__(self, scheme: str, netloc: str, handler: str, arguments: Mapping[str, Any]) -> None:
        self._is_https = scheme == "https"
        self._place = f"{scheme}://{netloc}{handler.partition('?')[0]}"
        self._netloc, self._handler = netloc, checked_target(handler)
        self._address = parse_address(netloc, 443 if self._is_https else 80)
        # Start without cookies: an older session could hide a failure.
        arguments = {"timeout": TIMEOUT, **arguments, "cookiejar": None}
        self._settings = Settings(scheme, arguments)
        self._service = self._settings.service or f"HTTP@{self._address.host}"
        kind = KerberosTransport if self._is_https else InsecureKerberosTransport
        self._transport = kind(**arguments)

        # Steps leave these values for later steps.
        self._configuration = krb5_conf.current()
        self._is_unresolved = False  # whether the service's host does not resolve
        self._refused: KerberosXMLRPCError | None = None  # the reason for a missing ticket
        self._ticket: Ticket | None = None
        self._proxy: Proxy | None = None
        self._connection: Connection | None = None
        self._reply: Response | None = None  # the reply to the request without a ticket
        self._arrived = datetime.now(timezone.utc)
        self._failure: Exception | None = None  # the reason why the call failed
        self._returned: Any = None

    def run(self) -> Iterator[Finding]:
        """Yield the finding of each step. A step is skipped if a step that it needs has failed or was skipped."""
        roots: dict[str, str] = {}  # maps each failed or skipped step to the step that failed first
        try:
            for name, (needs, step) in STEPS.items():
                root = next((roots[need] for need in needs if need in roots), None)
                finding = step(self) if root is None else Finding(State.SKIPPED, f"not tried, because {root} failed")
                if finding.state in (State.FAILED, State.SKIPPED):
                    roots[name] = root or finding.because or name
                yield replace(finding, step=name)
        finally:
            self._disconnect()
            self._transport.close()

    # -- this machine -------------------------------------------------------------------------------------------------

    def _look_at_configuration(self) -> Finding:
        files, missing, libdefaults = self._configuration[:3]
        realm = libdefaults.get("default_realm")
        facts = {"files": files, "default_realm": realm}
        where = "KRB5_CONFIG names it" if os.environ.get("KRB5_CONFIG") else "KRB5_CONFIG is not set"
        if not files:
            return Finding(
                State.WARNING,
                f"no krb5.conf: {', '.join(missing)} cannot be read ({where})",
                "create one with default_realm and, under [realms], the KDC; without it, Kerberos can only ask DNS",
                facts,
            )
        found = f"{', '.join(files)} ({where})"
        if realm is None:
            remedy = "set default_realm under [libdefaults]; without it the realm comes from DNS or from host names"
            return Finding(State.WARNING, f"{found} names no default_realm", remedy, facts)
        return Finding(State.OK, f"{found}; default realm {realm}", None, facts)

    def _look_at_kdc(self) -> Finding:
        realm = self._realm_of_client()
        if not realm:
            return Finding(State.SKIPPED, "the realm of the credentials is not known here")
        known = kdcs.find(realm, self._configuration)
        facts: dict[str, Any] = {"realm": realm, "kdcs": [], "source": known.source}
        if known.needs_library:
            words = f"krb5.conf names no KDC of {realm}, so libkrb5 asks the DNS"
            return Finding(State.OK, words, "to see the KDCs in the DNS here: pip install dnspython", facts)
        answers = kdcs.ask_all(known.kdcs, realm)
        facts["kdcs"] = [
            {"kdc": str(kdc), "milliseconds": seconds and round(seconds * 1000), "trouble": trouble or None}
            for kdc, seconds, trouble, _ in answers
        ]
        state, words, remedy = _of_kdcs(realm, known, answers)
        return Finding(state, words, remedy, facts)

    def _realm_of_client(self) -> str | None:
        """Return the realm of the client's principal, without asking GSSAPI: that could wait for the KDC."""
        path = cache_file(self._cache() or "")
        principal = self._settings.principal or (path and cache_owner(path)) or ""
        return (
            principal.rpartition("@")[2] if "@" in principal else self._configuration.libdefaults.get("default_realm")
        )

    def _look_at_credentials(self) -> Finding:
        try:
            self._ticket = self._settings.names_of_servers().ticket(self._service)
        except KerberosXMLRPCError as error:
            self._refused = error
            if isinstance(error, (NoCredentials, TicketExpired)):
                return _failed(error)
        cache = self._cache()
        keytab = self._settings.keytab
        where = f"from {keytab}" if keytab else f"in {cache or 'the default credential cache'}"
        who, end = self._holder()
        facts = {"principal": who, "expires": end and end.isoformat(timespec="seconds"), "cache": cache}
        if who is None:
            return Finding(
                State.OK if self._ticket else State.WARNING,
                f"{where}; their principal and lifetime cannot be shown here",
                "run klist to see them, or install python-gssapi to see them here: pip install gssapi",
                facts,
            )
        left = end and end - datetime.now(timezone.utc)
        found = f"{who}, {f'valid for {_duration(left)}' if left else 'without expiry'}, {where}"
        if left and left < SOON and not keytab:
            remedy = "run kinit before the tickets expire, unless KRB5_CLIENT_KTNAME names a keytab that renews them"
            return Finding(State.WARNING, found, remedy, facts)
        return Finding(State.OK, found, None, facts)

    def _holder(self) -> tuple[str | None, datetime | None]:
        """Return the credentials' principal (None if unknown) and their expiry (None if unknown or unlimited)."""
        settings = self._settings
        held = holder(settings.principal, settings.ccache, settings.keytab)
        if held is not None:
            who, seconds = held
            return who, None if seconds is None else datetime.now(timezone.utc) + timedelta(seconds=seconds)
        path = cache_file(self._cache() or "")
        end = ticket_end(path) if path and not settings.keytab and not settings.principal else None
        return (None, None) if path is None or end is None else (cache_owner(path), end)

    def _cache(self) -> str | None:
        """Return the name of the credential cache, or None if no setting names one, or if a keytab replaces it."""
        if self._settings.ccache or self._settings.keytab:
            return self._settings.ccache
        name = os.environ.get("KRB5CCNAME") or self._configuration.libdefaults.get("default_ccache_name")
        return name and name.replace("%{uid}", str(os.getuid()))

    def _find_proxy(self) -> Finding:
        try:
            self._proxy = self._settings.proxies.proxy_for(self._netloc)
        except ValueError as error:
            return Finding(State.FAILED, str(error), Hint("correct the proxy's URL, or pass {args.proxy:direct}"))
        facts = {"proxy": self._proxy and str(self._proxy)}
        if self._proxy is None:
            return Finding(State.OK, "none, straight to the server", None, facts)
        named = "named by the environment" if self._settings.proxy == ENVIRONMENT else "as requested"
        return Finding(State.OK, f"{self._proxy}, {named}", None, facts)

    def _resolve(self) -> Finding:
        host = self._address.host
        service = asked_name(self._service)
        facts: dict[str, Any] = {"host": host, "addresses": [], "canonical_name": None, "service": service}
        try:
            found = _addresses(self._address.dns_name)
        except (OSError, UnicodeError) as error:
            if self._proxy is not None:
                words = f"{host} does not resolve here, but the proxy will resolve it; service {service}"
                return Finding(State.OK, words, None, facts)
            remedy = "check the host name in the URL, and this machine's DNS"
            self._is_unresolved = self._settings.service is None
            return Finding(State.FAILED, f"{host} does not resolve: {error}", remedy, facts)
        addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
        forward, reverse = found[0][3] or None, {address: _name_of(address) for address in addresses[:MAX_LOOKUPS]}
        facts.update(addresses=addresses, canonical_name=canonical_name(host), forward_name=forward, reverse=reverse)
        words = f"{host} is {', '.join(addresses)}"
        if self._settings.service is None and _is_address(host):
            remedy = Hint("use the server's host name in the URL, or pass it with {args.service:HTTP@name}")
            return Finding(State.WARNING, f"{words}: Kerberos knows servers by name, not by address", remedy, facts)
        names = ", ".join(dict.fromkeys(name or "no name" for name in reverse.values()))
        words += f"; forward lookup: {forward or 'no name'}; reverse lookup: {names}"
        return Finding(State.OK, f"{words}; service {service}", None, facts)

    def _look_at_ticket(self) -> Finding:
        if self._ticket is None:
            assert self._refused is not None
            if self._is_unresolved and isinstance(self._refused, (ServiceUnknown, KDCUnreachable)):
                # Kerberos does not know a host that does not exist. That is no second fault.
                return Finding(State.SKIPPED, "not tried, because name failed", because="name")
            return _failed(self._refused)
        size = header_bytes(self._ticket.auth_header)
        service = shown(self._ticket.service_principal)
        facts: dict[str, Any] = {"service": service, "header_bytes": size}
        if size > LARGE_HEADER:
            return Finding(
                State.WARNING,
                f"there is one for {service}, but it makes the Authorization header {size} bytes long",
                "the server has to accept that: Apache's LimitRequestFieldSize is 8190 by default",
                facts,
            )
        if self._ticket.is_to_delegate:
            facts["delegates"] = self._ticket.delegates
        if self._ticket.is_to_delegate and self._ticket.delegates is False:
            words = f"there is one for {service}, but it does not let the server act as you"
            return Finding(State.WARNING, words, NOT_DELEGATED, facts)
        return Finding(State.OK, f"there is one for {service}", None, facts)

    # -- the way to the server ----------------------------------------------------------------------------------------

    def _new_connection(self, context: ssl.SSLContext | None) -> Connection:
        """Return a connection to the server, made as a transport makes it."""
        made = self._settings.new_connection(self._netloc, self._address, context)
        self._limit(made)
        try:
            made.connect()
        except BaseException:
            made.close()
            raise
        return made

    def _limit(self, connection: Connection) -> None:
        """Begin the deadline of the next operations on a connection anew, if there is a deadline."""
        deadline = self._settings.new_deadline()
        connection.limits = () if deadline is None else (deadline,)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> Finding:
        try:
            self._connection = self._new_connection(None)
            where, port = self._connection.sock.getpeername()[:2]
        except (KerberosXMLRPCError, OSError) as error:  # OSError: the peer has just closed the connection
            return _failed(error)
        found = f"connected to {where}, port {port}"
        if self._proxy is not None:
            found += f", the proxy, and through it to {self._netloc}"
        return Finding(State.OK, found, None, {"address": where, "port": port})

    def _set_up_tls(self) -> Finding:
        if not self._is_https:
            words = "none: over http:// anyone on the network path can read and change everything"
            return Finding(State.WARNING, words, "use https:// if the server offers it")
        self._disconnect()
        context = self._settings.tls_context()
        assert context is not None
        try:
            self._connection = self._new_connection(context)
        except CertificateRejected as error:
            self._connection = None
            facts = self._presented()
            return Finding(
                State.FAILED, f"{error.message}{_of_certificate(facts, is_verified=False)}", error.hint, facts
            )
        except KerberosXMLRPCError as error:
            self._connection = None
            return _failed(error)
        sock = self._connection.sock
        if context.verify_mode is ssl.CERT_NONE:
            facts = self._presented()
            words = (
                f"{sock.version()}, with a certificate that is not checked{_of_certificate(facts, is_verified=False)}"
            )
            return Finding(State.WARNING, words, Hint("pass {args.cafile} with the CA that signed it"), facts)
        facts = {"version": sock.version(), **_certificate(sock.getpeercert())}
        words = f"{facts['version']}; the certificate is accepted{_of_certificate(facts, is_verified=True)}"
        left = datetime.fromisoformat(facts["not_after"]) - datetime.now(timezone.utc)
        if left < SOON_FOR_CERTIFICATES:
            return Finding(State.WARNING, words, "tell the server's operator to renew it", facts)
        return Finding(State.OK, words, None, facts)

    def _presented(self) -> dict[str, Any]:
        """Return the contents of an untrusted certificate, only to show them. Send nothing to the server.

        Python's ssl decodes only verified certificates. So trust just this certificate, and ignore its dates.
        """
        seen: list[Connection] = []
        try:
            blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            blind.check_hostname = False
            blind.verify_mode = ssl.CERT_NONE
            seen.append(self._new_connection(blind))
            seeing = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            seeing.check_hostname = False
            seeing.verify_flags |= _PARTIAL_CHAIN | _NO_CHECK_TIME
            seeing.load_verify_locations(cadata=seen[0].certificate())
            seen.append(self._new_connection(seeing))
            return _certificate(seen[1].sock.getpeercert())
        except (KerberosXMLRPCError, OSError, ValueError):
            return {}
        finally:
            for connection in seen:
                connection.close()

    # -- the server ---------------------------------------------------------------------------------------------------

    def _ask_without_ticket(self) -> Finding:
        assert self._connection is not None
        login = self._settings.login_path
        try:
            self._reply = self._asked(self._connection, login)
        except KerberosXMLRPCError as error:  # the server refuses the connection
            return _failed(error)
        except (OSError, HTTPException) as error:
            words = f"no answer to a request without a ticket: {str(error) or type(error).__name__}"
            remedy = "check that an HTTP server listens on the port, and look into its log"
            return Finding(State.FAILED, words, remedy)
        self._arrived = datetime.now(timezone.utc)
        asked = Asked(
            host=self._address.host,
            service=self._service,
            path=shown_path(login or self._handler),
            handler=self._handler,
            is_login=login is not None,
            is_https=self._is_https,
            needs_proof=self._settings.mode is MutualAuthentication.REQUIRED,
        )
        reply = self._reply
        finding = judged(asked, reply.status, reply.values("www-authenticate"), reply.getheader("Location"))
        if finding.state is State.OK:
            self._transport.note_offer(self._netloc, login or self._handler)
        return finding

    def _asked(self, connection: Connection, login: str | None) -> Response:
        """Request the login page or, if there is none, make the harmless call. Send no ticket. Return the reply."""
        self._limit(connection)
        connection.begin()
        if login:
            self._transport.send_request(
                self._netloc, login, b"", False, connection=connection, method="GET", headers=()
            )
        else:
            self._transport.send_request(self._netloc, self._handler, _CALL, False, connection=connection)
        reply = connection.getresponse()
        connection.drain()
        return reply

    def _compare_clocks(self) -> Finding:
        date = None if self._reply is None else self._reply.getheader("Date", "")
        seconds = clock_difference(date, self._arrived)
        if seconds is None:
            return Finding(State.SKIPPED, "the server did not send its time")
        apart = abs(seconds)
        words = f"the server's clock is {apart:.0f} s {'ahead of' if seconds > 0 else 'behind'} this one"
        facts = {"seconds": round(seconds)}
        if apart > CLOCK_TOLERANCE:
            return Finding(State.FAILED, words, ClockSkew.default_hint, facts)
        if apart > NOTICEABLE:
            return Finding(State.WARNING, words, "set the clocks by NTP before they are too far apart", facts)
        return Finding(State.OK, words if apart >= 2 else "the server's clock agrees with this one", None, facts)

    def _call(self) -> Finding:
        try:
            self._returned = self._transport.request(self._netloc, self._handler, _CALL)
        except (Fault, KerberosXMLRPCError, ValueError) as error:
            self._failure = error
        who = self._transport.authenticated_as
        service = shown(self._transport.proved_service or asked_name(self._service))
        facts = {"principal": who, "service": service}
        if self._failure is not None and not self._is_of_application(self._failure):
            return _failed(self._failure, facts)
        if who is None:
            words = f"it answers, but does not prove that it is {service}"
            remedy = Hint(
                "pass {args.mutual_authentication:required} to demand proof; now at most TLS vouches for the server"
            )
            return Finding(State.WARNING, words, remedy, facts)
        return Finding(State.OK, f"both sides are verified: it is {service}, and you are {who}", None, facts)

    def _is_of_application(self, failure: Exception) -> bool:
        """Say whether a call failed only after the authentication."""
        if isinstance(failure, Fault):
            return True
        if isinstance(failure, UnexpectedStatus):
            return failure.errcode != 401 and self._transport.authenticated_as is not None
        return isinstance(failure, (InvalidResponse, NoSession)) and not isinstance(failure, BrokenReply)

    def _look_at_cookies(self) -> Finding:
        jar = self._transport.cookiejar
        request = Request(self._place)
        jar.add_cookie_header(request)
        sent = {pair.partition("=")[0] for pair in str(request.get_header("Cookie", "")).split("; ")}
        facts = {"cookies": [{"name": kept.name, "path": kept.path, "sent": kept.name in sent} for kept in jar]}
        shown = ", ".join(f"{kept.name} (path {kept.path})" for kept in jar)
        if isinstance(self._failure, NoSession):
            has = f"; it set {shown}" if shown else ""
            return Finding(State.FAILED, f"{self._failure.message}{has}", self._failure.hint, facts)
        if not shown:
            return Finding(State.OK, "no cookie, so each call carries its own ticket", None, facts)
        if any(kept["sent"] for kept in facts["cookies"]):
            return Finding(State.OK, f"calls can use {shown} instead of a ticket", None, facts)
        remedy = "on the server, the cookie's Path has to cover the URL; until then each call carries its own ticket"
        return Finding(State.WARNING, f"the cookie is not valid for the URL: {shown}", remedy, facts)

    def _look_at_answer(self) -> Finding:
        if isinstance(self._failure, Fault):
            # A server may send a code of any type.
            code = self._failure.faultCode if isinstance(self._failure.faultCode, int) else None
            words = f"with a Fault{'' if code is None else f' ({code})'}: it does not list its methods"
            return Finding(State.OK, f"it answers in XML-RPC, {words}", None, {"methods": None, "fault": code})
        if self._failure is not None:
            return _failed(self._failure)
        methods = self._returned[0] if self._returned and isinstance(self._returned[0], list) else None
        told = f", and lists {len(methods)} methods" if methods is not None else ""
        return Finding(State.OK, f"it answers in XML-RPC{told}", None, {"methods": methods and len(methods)})


STEPS: dict[str, tuple[tuple[str, ...], Callable[[Examination], Finding]]] = {
    "config": ((), Examination._look_at_configuration),
    "kdc": ((), Examination._look_at_kdc),
    "credentials": ((), Examination._look_at_credentials),
    "proxy": ((), Examination._find_proxy),
    "name": ((), Examination._resolve),
    "ticket": (("credentials",), Examination._look_at_ticket),
    "tcp": (("proxy", "name"), Examination._connect),
    "tls": (("tcp",), Examination._set_up_tls),
    "offer": (("tls",), Examination._ask_without_ticket),
    "clock": (("tls",), Examination._compare_clocks),
    "call": (("ticket", "offer"), Examination._call),
    "session": (("call",), Examination._look_at_cookies),
    "xmlrpc": (("session",), Examination._look_at_answer),
}
"""The steps in their order. Each name maps to the steps that the step needs, and to the step's method."""


def _failed(error: Exception, facts: Mapping[str, Any] | None = None) -> Finding:
    message = error.message if isinstance(error, KerberosXMLRPCError) else str(error)
    found = {**(facts or {}), "error": type(error).__name__}
    return Finding(State.FAILED, message, getattr(error, "hint", None), found)


def _of_kdcs(realm: str, known: kdcs.Known, answers: list[kdcs.Answer]) -> tuple[State, str, str | None]:
    """Return the finding about the KDCs of a realm: the state, the outcome in words, and the remedy.

    A silent KDC is only a warning, because the tickets in the credential cache can do without a KDC.
    """
    proxies = f"{', '.join(known.others)} (not asked here)" if known.others else ""
    if not answers:
        if proxies:
            return State.OK, f"{realm}: {proxies}, as {known.source} says", None
        where = "krb5.conf and the DNS name" if known.source == "the DNS" else f"{known.source}, names"
        return (
            State.WARNING,
            f"{where} no KDC of {realm}",
            f"put the realm and its KDC into krb5.conf, under [realms]; or check the realm {realm}",
        )
    told = [
        f"{kdc} {trouble}" if seconds is None else f"{kdc} answered in {seconds * 1000:.0f} ms"
        for kdc, seconds, trouble, _ in answers
    ]
    words = f"{realm}: {', '.join([*told, *[proxies] * bool(proxies)])}; named by {known.source}"
    if not all(answer.resolves for answer in answers):
        return State.WARNING, words, f"correct the KDC's name in {known.source}, or this machine's DNS"
    if any(answer.seconds is None for answer in answers):
        return (
            State.WARNING,
            words,
            Hint(
                "check that the KDC runs, and that no firewall blocks its port; until then each new ticket can take "
                "half a minute, and {name.timeout} does not limit that time"
            ),
        )
    if all((answer.seconds or 0) > SLOW for answer in answers):
        return State.WARNING, words, "each new ticket waits for the KDC: look for the delay on the way to it"
    return State.OK, words, None


def _addresses(name: str) -> list[Any]:
    return socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)


def _name_of(address: str) -> str | None:
    """Return the name that a reverse lookup gives for an address."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except (OSError, UnicodeError):
        return None


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return True
    return False


def _duration(left: timedelta) -> str:
    """Return a duration in words."""
    minutes = max(0, int(left.total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _certificate(held: Any) -> dict[str, Any]:
    """Return the facts to show about a certificate. `held` is the result of `ssl.SSLSocket.getpeercert`."""
    issuer = dict(pair for part in held.get("issuer", ()) for pair in part)
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(held["notAfter"]), timezone.utc)
    return {
        "names": [name for kind, name in held.get("subjectAltName", ()) if kind in ("DNS", "IP Address")],
        "issuer": issuer.get("commonName") or issuer.get("organizationName"),
        "not_after": end.isoformat(),
        "days_left": int((end.timestamp() - time.time()) // 86400),
    }


def _of_certificate(facts: Mapping[str, Any], is_verified: bool) -> str:
    if "names" not in facts:
        return ""
    names, days, end = facts["names"], facts["days_left"], facts["not_after"][:10]
    shown = ", ".join(names[:SHOWN_NAMES])[:MAX_SHOWN] or "no name"
    if len(names) > SHOWN_NAMES:
        shown += f" and {len(names) - SHOWN_NAMES} more"
    until = f"good until {end} ({days} days)" if days >= 0 else f"expired on {end}"
    signed = f", signed by {facts['issuer'][:MAX_SHOWN]}" if facts["issuer"] else ""
    return f"; {'it is' if is_verified else 'it says, unverified: it is'} for {shown}{signed}, {until}"
