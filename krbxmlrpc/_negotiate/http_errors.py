"""Turns a reply that ends a call without values into an error that gives the reason and a remedy.

Plain functions on a call, and on the status and headers of the reply; no I/O. If a reply has not been verified, anybody
may have written it, so the error has no free text of it. It tells only the status, the known authentication schemes,
the difference of the clocks and, marked as unverified, host and path of a redirection.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage, responses
from traceback import walk_tb
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from xmlrpc.client import Fault

from .._hints import Hint
from .._http.address import shown_path
from .._http.response import MalformedReply, TLSReply
from .._http.time_limits import DeadlinePassed
from .._http.tls import may_want_client_certificate
from .._http.www_authenticate import brings_ntlm, known_schemes, offered
from .._secrets import Secret
from ..errors import (
    AuthenticationRejected,
    BrokenReply,
    CallOutcomeUnknown,
    ClockSkewRejected,
    GatewayFailed,
    KerberosXMLRPCError,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoSession,
    ServerUnreachable,
    UnexpectedStatus,
)
from .policy import GATEWAY, PASSING, Call, Reply, Sent, Step, may_have_ended, new_ticket_may_help

CLOCK_TOLERANCE = 300.0
"""Seconds by which clocks may differ for Kerberos (RFC 4120, section 8.2: 5 minutes)."""

SLOW_TICKET = 1.0
"""A ticket that takes this many seconds took long: usually it takes some milliseconds."""

LARGE_HEADER = 8190
"""A header of more bytes, with its name, may be too large for a server: by default Apache takes no longer lines."""

LARGE_HEAD = 4000
"""A request whose head has more bytes may be too large for a server. The limits of servers lie between 4 and 64 KB."""

MAX_SHOWN = 500
"""The most characters of a Fault's text in a message."""

MAX_DIGITS = 9
"""The most digits of a ``Retry-After`` in seconds: 9 are enough for 31 years."""

HOOKS = (
    *("send_request", "get_host_info", "send_headers", "send_content", "parse_response", "getparser", "read_resource"),
    *("extract_cookies", "set_ok", "save"),
)
"""The methods of a transport, and of a cookie jar and its policy, that run while a call is under way. A caller can pass
objects of subclasses with methods of their own."""

_PLACE = re.compile(r"(?:[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])?(?::[0-9]+)?/[A-Za-z0-9\-._~/%+]*")
"""Host and path, with those characters of RFC 3986 that are usual in paths."""


def failure(step: Step, call: Call, reply: Reply) -> KerberosXMLRPCError:
    """Return the error for a reply that ends the call with this step."""
    if step is Step.UNPROVEN:
        return _unproven(call, reply)
    if step is Step.NOT_OFFERED:
        return _not_offered(call, reply)
    if step is Step.UNEXPECTED:
        return _unexpected(call, reply)
    return rejected(call, reply)


def rejected(call: Call, reply: Reply, error: Exception | None = None, hint: str | None = None) -> UnexpectedStatus:
    """Return the error for a 401 to a ticket.

    Args:
        error: the fault in the reply's token or in the exchange; None if there is none.
        hint: a better remedy than the one of this function, if the caller knows one.
    """
    facts = {**_facts(call, reply), **gssapi_facts(error)}
    service = reply.service or call.service
    what = f"{call.shown} answered 401 to a {'new ' if call.has_new_ticket else ''}ticket for {service}"
    ntlm = brings_ntlm(reply.headers.get_all("WWW-Authenticate", []))
    if ntlm:
        what += ": the server wants NTLM"
        hint = ntlm_hint(service)
    else:
        what += ", and does not say why" if error is None else f" ({reason_of(error)})"
    seconds = clock_difference(reply.headers.get("Date"), datetime.now(timezone.utc))
    if seconds is not None and abs(seconds) > CLOCK_TOLERANCE:
        return ClockSkewRejected(f"{what}: {_clocks(seconds)}", seconds=seconds, **facts)
    rejection = AuthenticationRejected(what, hint=hint or _rejection_hint(call, reply, error, seconds), **facts)
    rejection.new_ticket_may_help = not reply.verified and new_ticket_may_help(reply.refusal)
    return rejection


def _rejection_hint(call: Call, reply: Reply, error: Exception | None, seconds: float | None) -> Hint:
    """Return the hint for a refused ticket: the possible causes, the most likely one first."""
    first = "most often "
    if reply.again is not None and not call.has_new_ticket:
        first = Hint(
            "{again}, then repeat the call: the cached ticket may be for a former key of the server. (kvno gets a new "
            "ticket, so it does not show this.) If that does not help, ",
            again=reply.again,
        )
    more = ""
    if seconds is not None:
        more += f" The clocks are not the reason: they differ by {abs(seconds):.0f} seconds."
    if header_bytes(reply.authorization or "") > LARGE_HEADER:
        more += f" Or the ticket is too large for the server: {_size(reply)}."
    return Hint(
        "{first}the server's keytab {lacks} the current key: compare 'kvno {principal}' here with 'klist -k' there. If "
        "the key versions agree, compare the encryption types: 'klist -e' here with 'klist -ke' there. Or the server "
        "has another name: see {args.service}.{more} The server's error log gives the reason",
        first=first,
        lacks="is missing, is not readable for the server, or lacks" if error is None else "lacks",
        principal=reply.service or call.service,
        more=more,
    )


def ntlm_hint(service: str) -> Hint:
    """Return the hint for a server that wants NTLM instead of a ticket for a service."""
    return Hint(
        "krbxmlrpc never sends NTLM, because NTLM does not prove the server's identity; often the server lacks the key "
        "of {principal}: it needs a keytab with that key, or on Windows a name registered by setspn; or the server has "
        "another name: see {args.service}; in Apache's configuration, GssapiAllowedMech krb5 rules NTLM out",
        principal=service,
    )


def denied(call: Call, reply: Reply) -> AuthenticationRejected:
    """Return the error for a 401 with a token that accepts the ticket: the server refuses only the call."""
    return AuthenticationRejected(
        f"{call.shown} answered 401, though it accepted the ticket for {reply.service or call.service}: "
        f"{reply.principal or 'its owner'} may not make this call",
        hint="ask the server's operator for access; in Apache's configuration, Require refuses the call",
        **_facts(call, reply),
    )


def not_proved(call: Call, service: str, error: Exception) -> MutualAuthenticationError:
    """Return the error for a reply with a bad token.

    Args:
        service: the principal of the service that the ticket was for.
        error: the error that the ticket raised.
    """
    return MutualAuthenticationError(
        f"{call.shown} sent no proof that it is {service}: {reason_of(error)}",
        hint="no part of the reply was used; somebody may stand between this machine and the server",
        reason=reason_of(error),
        **{**_parties(call), "service": service},
        **gssapi_facts(error),
    )


def lost(call: Call, when: str, error: Exception) -> KerberosXMLRPCError:
    """Return the error for a connection that broke after the request, or a part of the request, had been sent."""
    if isinstance(error, DeadlinePassed):
        return out_of_time(call, when, error)
    why = str(error) or type(error).__name__
    if call.is_login:
        return ServerUnreachable(
            f"the connection to {call.shown} failed at the login, {when}: {why}",
            hint=_lost_hint(call, error, "no call has run"),
            **_parties(call),
        )
    hint = _lost_hint(call, error, CallOutcomeUnknown.default_hint or "")
    if isinstance(error, MalformedReply):
        return BrokenReply(f"the reply of {call.shown} is broken: {why}", hint=hint, **_parties(call))
    return CallOutcomeUnknown(f"the connection to {call.shown} failed {when}: {why}", hint=hint, **_parties(call))


def _lost_hint(call: Call, error: Exception, hint: str) -> str:
    """Return a hint for a broken connection, with the cause if the error shows it."""
    if may_want_client_certificate(error):
        return Hint(
            "{hint}; if the server wants a client certificate, {phrase.own_context} that holds yours "
            "(context.load_cert_chain)",
            hint=hint,
        )
    if not call.is_tls and isinstance(error, (ConnectionError, TLSReply)):
        return Hint("{hint}; a TLS port ends plain HTTP like this: {phrase.plain_http}", hint=hint)
    return hint


def hook_failed(call: Call, error: Exception, answered: bool) -> CallOutcomeUnknown:
    """Return the error for a hook of a subclass that failed after the request, or a part of the request, had been sent.

    Args:
        error: the exception that the hook raised.
        answered: whether the server has answered the request.
    """
    hook = failed_hook(error)
    # The text of the hook's exception could hold a secret, or text of a reply that nobody has verified.
    unknown = CallOutcomeUnknown(
        f"{call.shown}: the hook {hook} failed with {type(error).__name__} after "
        f"{'the server had answered the call' if answered else 'the call was sent'}",
        hint=f"the call {'has run' if answered else 'may have run'}: do not repeat it before you have checked on the "
        f"server; the error's __cause__ shows why {hook} failed",
        **_parties(call),
    )
    unknown.hook = hook
    return unknown


def failed_hook(error: Exception) -> str:
    """Return the name of the hook that an exception comes from: the innermost one of its traceback."""
    names = [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)]
    return next((name for name in reversed(names) if name in HOOKS), "of a subclass")


def out_of_time(call: Call, when: str, error: Exception, begun: bool = True) -> KerberosXMLRPCError:
    """Return the error for a call whose deadline has passed.

    Args:
        error: the error of the deadline.
        begun: whether the request, or a part of it, had been sent.
    """
    if begun and not call.is_login:
        return CallOutcomeUnknown(
            f"{call.shown}: {error} {when}",
            hint=Hint(
                "the call may have run: check on the server before you repeat it; {args.deadline} sets how long a call "
                "may take"
            ),
            **_parties(call),
        )
    login = "at the login, " if call.is_login else ""
    return ServerUnreachable(
        f"{call.shown}: {error} {login}{when}",
        hint=Hint("no call has run; {args.deadline} sets how long a call may take, with its login"),
        **_parties(call),
    )


def add_server(call: Call, error: KerberosXMLRPCError) -> None:
    """Add the server's identity to the error for a body that cannot be used."""
    error.message = f"{call.shown}: {error.message}"
    error.service, error.host, error.principal = call.service, call.host, call.principal


def closed_early(call: Call, seconds: float) -> ServerUnreachable:
    """Return the error for a server that closes its connections before it gets a request.

    Args:
        seconds: the time that it took to get a ticket.
    """
    if seconds >= SLOW_TICKET:
        what = f", while this machine waited {seconds:.0f} seconds for a ticket"
        hint = "the server does not wait that long for a request: check whether the KDC is slow to answer"
    else:
        what = ""
        hint = (
            "look at the log of the server, and of a proxy or load balancer before it: it may not accept this machine, "
            "or may be overloaded"
        )
    return ServerUnreachable(
        f"{call.netloc} closed the connection each time before the request was sent{what}", hint=hint, **_parties(call)
    )


def owner_changes(call: Call) -> ServerUnreachable:
    """Return the error for a credential cache whose principal changes each time before the request is sent."""
    return ServerUnreachable(
        f"the principal of the credential cache changed each time before a request to {call.shown} was sent",
        hint=Hint(
            "another program keeps changing the cache: use a cache of your own, with KRB5CCNAME or {args.ccache}"
        ),
        **_parties(call),
    )


def not_bindable(call: Call, error: ValueError) -> KerberosXMLRPCError:
    """Return the error for a certificate that no ticket can be bound to."""
    return KerberosXMLRPCError(
        f"no channel bindings for {call.netloc}: {error}",
        hint=Hint(
            "RFC 5929 defines tls-server-end-point for certificates signed with RSA or ECDSA and a hash function: the "
            "server needs such a certificate, or pass {args.channel_bindings:None}"
        ),
        **_parties(call),
    )


def login_goes_on(login: Call, seconds: float) -> ServerUnreachable:
    """Return the error for a call that needs a session while the login of another thread does not end."""
    if login.deadline is None:
        why, limit = f"it has not ended after {seconds:g} seconds", Hint("{args.timeout}")
    else:
        why, limit = str(login.deadline.error()), Hint("{args.deadline}")
    return ServerUnreachable(
        f"the call needs the login of another thread at {login.shown}: {why}",
        hint=Hint(
            "no call has run; the server is slow to answer the login, or sends its reply without end; {limit} sets how "
            "long a call waits for the login of another thread",
            limit=limit,
        ),
        **_parties(login),
    )


def session_refused(call: Call, reply: Reply, login_path: str | None) -> AuthenticationRejected:
    """Return the error for a call that was refused on a session that has just been renewed."""
    return AuthenticationRejected(
        f"{call.shown} answered {reply.status} on the session of a new login at {shown_path(login_path or '')}",
        hint=Hint(
            "check that {name.login_path} is the login page of this very application, and check on the server that the "
            "user may make this call"
        ),
        **_facts(call, reply),
    )


def login_without_session(call: Call, login: Call, paths: list[str]) -> NoSession:
    """Return the error for a login that set no cookies for the call; `paths` are the paths of other cookies."""
    others = f" (there are some for {', '.join(paths)[:200]!a})" if paths else ""
    return NoSession(
        f"{login.shown} accepted the login for {call.service} and set no cookie for {call.shown}{others}",
        hint=Hint(
            "check {name.login_path}; the cookie's Path and Domain have to cover the URL of the calls, a Secure cookie "
            "needs https, and cookies are kept only from a reply with the server's proof"
        ),
        **_parties(call),
    )


def _unproven(call: Call, reply: Reply) -> MutualAuthenticationError:
    why = "its reply has no Negotiate token" if reply.authorization else "it did not ask for a ticket"
    return MutualAuthenticationError(
        f"{call.shown} sent no proof that it is {reply.service or call.service}: {why}",
        hint=Hint(
            "no part of the reply was used; check that Negotiate protects this path, and that nothing on the way takes "
            "WWW-Authenticate out of replies; if the server cannot prove its identity, and TLS is proof enough, pass "
            "{args.mutual_authentication:optional}"
        ),
        reason=why,
        **_parties(call, reply),
    )


def _not_offered(call: Call, reply: Reply) -> NegotiateNotOffered:
    challenges = reply.headers.get_all("WWW-Authenticate", [])
    what = f"{call.shown} answered 401"
    if reply.authorization:
        what += f" to a ticket for {reply.service or call.service}"
    hint = "check the path of the URL; on the server, AuthType GSSAPI has to cover it"
    why = ""
    schemes = known_schemes(challenges)
    if "ntlm" in schemes:
        why = ": the server wants NTLM"
        hint = Hint("{hint}; {ntlm}", hint=hint, ntlm=ntlm_hint(reply.service or call.service))
    elif reply.authorization:  # the ticket was sent before the server asked for one
        why = ": either it takes no tickets for this path, or it refused this ticket and does not offer Negotiate again"
        refused = rejected(call, reply)
        clock = f"{_clocks(refused.seconds)}: " if isinstance(refused, ClockSkewRejected) and refused.seconds else ""
        hint = Hint(
            "{hint}; if it does, the server refused the ticket: {clock}{remedy}",
            hint=hint,
            clock=clock,
            remedy=refused.hint or "",
        )
    return NegotiateNotOffered(
        f"{what} and does not offer Negotiate (it offers: {offered(challenges)}){why}",
        hint=hint,
        schemes=schemes,
        **_facts(call, reply),
    )


def _clocks(seconds: float) -> str:
    direction = "ahead of" if seconds > 0 else "behind"
    return f"its clock is {abs(seconds):.0f} seconds {direction} this machine's"


def _unexpected(call: Call, reply: Reply) -> UnexpectedStatus:
    facts = _facts(call, reply)
    what = f"{call.shown} answered {reply.status} {facts['errmsg']}".rstrip()
    if reply.on_session:
        what += " to a call on a session"
    is_redirection = 300 <= reply.status < 400
    location = redirect_target(reply.headers.get("Location"), reply.verified) if is_redirection else None
    hint = _status_hint(call, reply)
    if reply.status == 400 and not call.is_tls and not reply.verified:
        more = "" if hint is None else Hint("; or {hint}", hint=hint)
        hint = Hint("a TLS port answers plain HTTP like this: {phrase.plain_http}{more}", more=more)
    if reply.fault is not None:
        what += f", with {_told(reply.fault)}" if reply.verified else ", with a Fault"
        if reply.status not in PASSING:
            hint = "the application on the server answered with this Fault: it says why the call failed"
    if location is not None:
        what += pointing(location, reply.verified)
    if is_redirection:
        follow = "call that URL if you trust it" if reply.verified else "check the URL of the call"
        hint = Hint(
            "redirections are not followed, because a ticket is for one server only; {follow}; if the server has a "
            "login page that takes tickets, name its path by {args.login_path}{elsewhere}{more}",
            follow=follow,
            elsewhere=_SINGLE_SIGN_ON if is_elsewhere(call.host, location) else "",
            more="" if call.is_tls else Hint("; if the server points from http:// to https://: {phrase.plain_http}"),
        )
    if reply.on_session and may_have_ended(Sent.COOKIES, reply.status, Step.UNEXPECTED):
        again = "the session may have ended: the next call begins a new one"
        hint = Hint("{again}; if that call fails, too, {more}", again=again, more=hint) if hint else again
    kind = GatewayFailed if reply.status in GATEWAY and not call.is_login else UnexpectedStatus
    return kind(what, hint=hint, location=location, fault=reply.fault, **facts)


def _told(fault: Fault) -> str:
    """Return a Fault in the words of a message: on one line of ASCII, and not long."""
    return f"Fault {ascii(fault.faultCode)[:40]}: {ascii(str(fault.faultString)[:MAX_SHOWN])[1:-1]}"


_SINGLE_SIGN_ON = (
    "; the other host may be a web single sign-on, which a program cannot use: ask the server's operator for a path "
    "that takes Negotiate"
)


def _parties(call: Call, reply: Reply | None = None) -> dict[str, Any]:
    """Return the service, host and principal of a call."""
    principal = reply.principal if reply and reply.principal else call.principal
    service = reply.service if reply and reply.service else call.service
    return {"service": service, "host": call.host, "principal": principal}


def _facts(call: Call, reply: Reply) -> dict[str, Any]:
    """Return the attributes of all errors about a status."""
    phrase = ascii(reply.reason[:200])[1:-1] if reply.verified else responses.get(reply.status, "")
    return {
        "url": call.shown,
        "errcode": reply.status,
        "errmsg": phrase,
        "headers": reply.headers,
        **_parties(call, reply),
    }


def gssapi_facts(error: Exception | None) -> dict[str, Any]:
    """Return GSSAPI's status codes from an error, if it has any."""
    if not isinstance(error, KerberosXMLRPCError):
        return {}
    return {"major": error.major, "minor": error.minor}


def reason_of(error: Exception) -> str:
    """Return the reason that a ticket gave for an error, without the words that the caller's message repeats."""
    return error.reason if isinstance(error, MutualAuthenticationError) else str(error)


def header_bytes(authorization: str) -> int:
    """Return the size of the header with the ticket, as servers count it: with its name."""
    return len("Authorization: ") + len(authorization)


def _size(reply: Reply) -> str:
    """Tell the size of a request's head. A part of the head without a ticket may be cookies."""
    of_ticket = f", and the ticket's header {header_bytes(reply.authorization)}" if reply.authorization else ""
    return (
        f"the head of the request has {reply.head_bytes} bytes{of_ticket}; Apache takes up to 8190 bytes a header, "
        "unless LimitRequestFieldSize is set"
    )


_PASSING_HINTS = {
    429: "the server has had too many requests",
    502: "a gateway on the way got no valid reply from the server",
    503: "the server is down or overloaded",
    504: "a gateway on the way got no reply from the server in time",
}


def _passing_hint(call: Call, reply: Reply) -> Hint:
    """Return the hint for one of the statuses `PASSING`."""
    seconds = retry_after(reply.headers, datetime.now(timezone.utc))
    asked = "" if seconds is None else f"; it asks you to wait {seconds:.0f} seconds"
    if call.is_login:
        more = Hint("no call has run; {args.retries} repeats the login and the call")
    elif reply.status in GATEWAY:
        more = CallOutcomeUnknown.default_hint
    else:
        may_have_run = "if a gateway answered, the call may have run; " if reply.status == 503 else ""
        more = Hint(
            "{may_have_run}{args.retries} repeats the calls that may run twice by {args.idempotent}",
            may_have_run=may_have_run,
        )
    again = "" if reply.status in GATEWAY else ": try again later"
    return Hint(
        "{why}{again}{asked}; {more}", why=_PASSING_HINTS[reply.status], again=again, asked=asked, more=more or ""
    )


def _status_hint(call: Call, reply: Reply) -> str | None:
    if reply.status in PASSING:
        return _passing_hint(call, reply)
    if reply.status == 431 or (reply.status == 400 and reply.head_bytes > LARGE_HEAD and not reply.verified):
        return f"the request may be too large: {_size(reply)}"
    if reply.status == 400:
        return "check the URL; the server's error log tells why it does not take the request"
    if reply.status == 403:
        if reply.verified:
            return "the server knows who you are, and does not let you make this call: look at its access rules"
        return Hint(
            "the server does not let you make this call: look at its access rules; if the path wants a client "
            "certificate, {phrase.own_context} that holds yours (context.load_cert_chain), and set "
            "context.post_handshake_auth = True"
        )
    if reply.status in (404, 405):
        return "check the path of the URL"
    if reply.status == 413:
        return (
            "the call is too large for the server: in Apache's configuration, LimitRequestBody refuses the call; or "
            "SSLRenegBufferSize does, if the path has TLS settings of its own, as for client certificates"
        )
    if reply.status == 500 and reply.authorization and not reply.verified:
        return (
            "look at the server's error log: the server may have failed before it read the ticket, as Apache does if "
            "AuthType names a module that is not loaded; mod_auth_gssapi needs AuthType GSSAPI"
        )
    return "look at the server's error log" if reply.status >= 500 else None


def clock_difference(date: str | None, now: datetime) -> float | None:
    """Return how many seconds a ``Date`` header (RFC 9110, section 6.6.1) is ahead of `now`; None if it has no time."""
    try:
        then = parsedate_to_datetime(date or "")
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if then.tzinfo is None:  # "-0000": UTC, and the time zone is unknown
        then = then.replace(tzinfo=timezone.utc)
    return (then - now).total_seconds()


def retry_after(headers: HTTPMessage, now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` (RFC 9110, section 10.2.3) asks to wait; None if it is missing or wrong.

    A date counts from the ``Date`` of the same reply if there is one, so that the difference of the clocks is left out.
    """
    value = Secret((headers.get("Retry-After") or "").strip())
    if value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        return float(value)
    then = clock_difference(value, now)
    return None if then is None else max(0.0, then - (clock_difference(headers.get("Date"), now) or 0.0))


def pointing(location: str, verified: bool) -> str:
    """Return the words of a message on the target of a redirection."""
    return f" and points to {location}" if verified else f" and points, unverified, to {location}"


def is_elsewhere(host: str, location: str | None) -> bool:
    """Say whether a redirection points to another host.

    Args:
        host: the host that sent the redirection, as in `Address.host`.
        location: the result of `redirect_target`.
    """
    if location is None:
        return False
    try:
        return urlsplit(location if "://" in location else f"//{location}").hostname not in (None, host)
    except ValueError:  # a path can look like a bad host
        return False


def redirect_target(location: str | None, verified: bool) -> str | None:
    """Return a ``Location`` as one short line of ASCII for a message; None if it cannot be shown.

    User, password, parameters, query and fragment are left out, because a server may put its secrets there. If the
    reply is not verified, only host and path are shown, and only if they have the usual form.
    """
    try:
        scheme, netloc, path = map(Secret, urlsplit(location or "")[:3])
    except ValueError:
        return None
    path = Secret(path.partition(";")[0])
    if (scheme and not netloc) or "@" in path or "\\" in path:
        return None  # some programs read a user and a password from these
    netloc = Secret(netloc.rpartition("@")[2].partition(";")[0])
    if not verified:
        place = f"{netloc}{path or '/'}"[:200]
        return place if location and _PLACE.fullmatch(place) else None
    return ascii(urlunsplit((scheme, netloc, path, "", ""))[:200])[1:-1] or None
