"""Judges the reply to a request without a ticket. It shows faults of the path, of the login page and of the server.

Plain functions without I/O. Nothing in this reply is verified, so only its status, the known authentication schemes and
the place of a redirection are shown.
"""

from __future__ import annotations

import re
from http.client import responses
from typing import NamedTuple

from .._hints import Hint
from .._http.www_authenticate import known_schemes, offered
from .._kerberos.principals import asked_name
from .._negotiate.http_errors import is_elsewhere, ntlm_hint, pointing, redirect_target
from .._negotiate.policy import GATEWAY
from .findings import Finding, State

_MISSING = (404, 405, 410)
"""Statuses by which a server says that it has no such page, or none for this HTTP method."""

_KNOWN_LOGIN_PAGES = (
    ("FreeIPA", re.compile(r"/ipa/.*"), "/ipa/session/login_kerberos"),
    ("Koji", re.compile(r"(.*/?kojihub)(?:/.*)?"), r"\1/ssllogin, and then sessions of its own: use krbxmlrpc-koji"),
    (
        "Kiwi TCMS",
        re.compile(r"/xml-rpc/?"),
        "/login/kerberos/, and then needs a second page: see examples/kiwi_tcms.py",
    ),
    ("kobo", re.compile(r"(.*)/xmlrpc(?:/.*)?"), r"\1/auth/krb5login/"),
)
"""Systems, their usual paths for XML-RPC, and the login page for such a path."""

_USUAL = "kobo has it at /hub/auth/krb5login/, Koji at /kojihub/ssllogin, FreeIPA at /ipa/session/login_kerberos, Kiwi "
_USUAL += "TCMS at /login/kerberos/"


class Asked(NamedTuple):
    """The request without a ticket."""

    host: str
    """The host of the URL."""
    service: str
    """The service to get tickets for."""
    path: str
    """The path of the request, for messages."""
    handler: str
    """The path of the calls."""
    is_login: bool
    """Whether the request was for the login page."""
    is_https: bool
    needs_proof: bool
    """Whether the server has to prove its identity."""


def judged(asked: Asked, status: int, challenges: list[str], location: str | None) -> Finding:
    """Return the finding for a reply.

    Args:
        status: the status of the reply.
        challenges: its ``WWW-Authenticate`` headers.
        location: its ``Location`` header, or None.
    """
    schemes = list(known_schemes(challenges))
    facts = {"path": asked.path, "status": status, "schemes": schemes}
    said = f"without a ticket it answers {status} {responses.get(status, '')}".rstrip()
    if status == 401 and "negotiate" in schemes:
        return Finding(State.OK, f"{said} and offers {offered(challenges)}", None, facts)
    if status == 401:
        found = f"{said} and does not offer Negotiate (it offers: {offered(challenges)})"
        remedy = Hint(
            "check the path of the URL; on the server, AuthType GSSAPI has to cover it{more}", more=_log_in(asked)
        )
        if "ntlm" in schemes:
            found += ": the server wants NTLM"
            remedy = Hint("{remedy}; {ntlm}", remedy=remedy, ntlm=ntlm_hint(asked_name(asked.service)))
        return Finding(State.FAILED, found, remedy, facts)
    if asked.is_login and (status in _MISSING or 200 <= status < 300):
        return _wrong_login_page(asked, status, said, facts)
    if 300 <= status < 400:
        return _redirection(asked, said, location, facts)
    return Finding(State.WARNING, said, _remedy(asked, status), facts)


def _wrong_login_page(asked: Asked, status: int, said: str, facts: dict[str, object]) -> Finding:
    if status in _MISSING:
        return Finding(
            State.FAILED,
            f"{said}: there is no login page at {asked.path}",
            Hint("check {args.login_path}: {known}", known=login_page(asked.handler)),
            facts,
        )
    return Finding(
        State.FAILED if asked.needs_proof else State.WARNING,
        f"{said}: the login page {asked.path} is open, so a login there proves nothing",
        Hint(
            "check {args.login_path}: {known}; on the server, AuthType GSSAPI has to cover the login page",
            known=login_page(asked.handler),
        ),
        facts,
    )


def _redirection(asked: Asked, said: str, location: str | None, facts: dict[str, object]) -> Finding:
    where = redirect_target(location, False)
    if where is None:
        return Finding(State.WARNING, said, Hint("check the path of the URL{more}", more=_log_in(asked)), facts)
    if is_elsewhere(asked.host, where):
        remedy = Hint(
            "the server sends people elsewhere, probably to a web single sign-on, which a program cannot use: ask the "
            "server's operator for a path that takes Negotiate{more}",
            more=_log_in(asked),
        )
    else:
        remedy = Hint("check the path of the URL, with or without / at its end{more}", more=_log_in(asked))
    return Finding(State.WARNING, said + pointing(where, False), remedy, facts)


def _remedy(asked: Asked, status: int) -> Hint:
    """Return the remedy for a status that is neither a challenge nor a redirection."""
    if status < 300:
        return Hint("Negotiate does not protect this path: check the path{more}", more=_log_in(asked))
    if status == 400 and not asked.is_https:
        return Hint("the port may speak TLS: {phrase.plain_http}")
    if status == 403:
        return Hint(
            "the server refuses requests without looking for a ticket: check its access rules, and the path{more}",
            more=_log_in(asked),
        )
    if status in _MISSING:
        return Hint("there is nothing to call at this path: check the path of the URL")
    if status == 429:
        return Hint("the server gets too many requests: try again later")
    if status == 503:
        return Hint("the server is down or overloaded: try again later")
    if status in GATEWAY:
        return Hint(
            "a gateway answers, but it gets no answer from the application behind it: the operator has to look at that "
            "application"
        )
    if status >= 500:
        return Hint("the server fails before it looks at the ticket: its error log gives the reason")
    return Hint("the server refuses the request before it looks at the ticket: check the path of the URL")


def _log_in(asked: Asked) -> Hint | str:
    if asked.is_login:
        return ""
    return Hint(
        "; if sessions begin at a login page, pass its path with {args.login_path} ({known})",
        known=login_page(asked.handler),
    )


def login_page(handler: str) -> str:
    """Return where known systems have their login page, in words. The path of the calls tells some systems apart."""
    path = handler.partition("?")[0]
    for system, calls, page in _KNOWN_LOGIN_PAGES:
        found = calls.fullmatch(path)
        if found is not None:
            return f"the path looks like {system}, which has its login page at {found.expand(page)}"
    return _USUAL
