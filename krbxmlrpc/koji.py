"""An adapter for Koji: a `koji.ClientSession` that verifies the hub at the login. `krbxmlrpc` makes all requests.

`KojiSession` has the methods of Koji's own class. Below it are the two objects that this class uses of the library
requests, a session and a reply. Errors are both those of `krbxmlrpc` and those that callers of Koji catch.
"""

from __future__ import annotations

import functools
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import responses
from typing import Any
from urllib.parse import urlsplit
from xmlrpc.client import Fault

from . import (
    Authentication,
    CallOutcomeUnknown,
    CertificateRejected,
    InsecureKerberosTransport,
    KerberosTransport,
    KerberosXMLRPCError,
    OutsideLogin,
    ProxyRefused,
    ServerUnreachable,
    SessionOrTicket,
    StreamedResource,
    UnexpectedStatus,
)
from ._http.tls import new_context, unverified_context
from ._secrets import hidden

try:
    import koji
    from requests import exceptions
except ImportError as error:
    raise ImportError("krbxmlrpc.koji needs koji: pip install koji") from error

_KOJIS_OWN = {
    "retries": "Koji repeats calls: max_retries, retry_interval and anon_retry say how often",
    "idempotent": "Koji's hubs refuse to run a call twice that has changed something",
    "login_path": "a KojiSession logs in at /ssllogin below the URL of the hub",
    "preemptive": "a KojiSession sends a ticket at the login only",
    "use_datetime": "the values are those of koji.ClientSession",
    "use_builtin_types": "the values are those of koji.ClientSession",
}
"""Arguments of the transport that a session does not take, and why."""

_OPTIONS = frozenset(KerberosTransport.__init__.__kwdefaults__ or ()) - {*_KOJIS_OWN, "timeout", "retry_interval"}
"""Arguments of the transport that the options of a session can hold. Koji has its own two options of the same names."""

ARGUMENT_NAMES = {
    **{name: f"opts[{name!r}]" for name in _OPTIONS},
    "principal": "the principal of gssapi_login",
    "keytab": "the keytab of gssapi_login",
    "ccache": "the ccache of gssapi_login",
    "cafile": "serverca",
    "timeout": "timeout (at the login: auth_timeout)",
    "retries": "max_retries",
    "own_context": "pass opts['context'] with a context",
    "plain_http": "https:// in the URL of the hub asks for TLS",
}
"""The names of the transport's arguments among Koji's: ``argument_names`` of the transport of a `KojiSession`."""

_LOGINS = ("login", "sslLogin")

_SHOWS_KEY = re.compile(rb">(?:login|sslLogin|subsession)<")
"""A request whose reply contains the key of a session, or which contains a password."""

_SHOWN = 1024  # characters of a body that debug_xmlrpc logs, as in Koji


class KojiSession(koji.ClientSession):  # type: ignore[misc]
    """A `koji.ClientSession` that logs in with a verified exchange, and makes all requests by `KerberosTransport`::

        session = KojiSession("https://koji.example.com/kojihub")
        session.gssapi_login()
        session.getLoggedInUser()

    The hub has to prove its identity at the login. The login takes one request. Later calls belong to the session that
    the login began, and carry no ticket: TLS proves the hub's identity, as for any session. Calls use kept connections.

    If the connection breaks, Koji repeats the call with the same number, and the hub refuses to run a call twice that
    has changed something (``koji.RetryError``). Hubs read the number from different headers; a `KojiSession` sends all
    of them. A login whose reply is lost is not repeated. An error that a repetition cannot mend ends the call at once:
    a refused ticket or certificate, a reply that is too large or that is not XML-RPC.

    All other behaviour is Koji's: named arguments, large integers, ``multicall``, ``fastUpload``, subsessions,
    exclusive sessions, renewals, ``offline_retry``.

    Args:
        baseurl: the URL of the hub, ``https://koji.example.com/kojihub``.
        opts: Koji's options and, by their own names, the arguments of `KerberosTransport`, for example ``service``,
            ``proxy`` or ``max_response_bytes``. ``deadline`` limits each request. ``serverca`` names the CAs; default:
            the CAs of the system. ``no_ssl_verify`` accepts any certificate, and so gives up the protection of the
            calls. ``insecure_http`` allows a URL without TLS, for a hub in a lab.
        sinfo, auth_method: as for Koji's class.

    Raises:
        TypeError, ValueError, ImportError, OSError: an option is wrong, as for `krbxmlrpc.KerberosTransport`.
        koji.GSSAPIAuthError: from a login. The ``__cause__`` is the error of `krbxmlrpc` or of Koji.
        koji.GenericError: from a call: the method failed on the hub. The subclass says how.
        KerberosXMLRPCError: from a call: one of the errors of `krbxmlrpc`. It is also the error of requests that
            Koji's own class raises: ``requests.exceptions.ConnectionError``, ``Timeout``, ``SSLError`` or
            ``HTTPError``.

    Source: Koji's ``koji.ClientSession``, and ``kojihub.auth`` for sessions and the numbers of calls.
    """

    # Koji's class sets these. It also makes any name that is missing a method of the hub.
    opts: dict[str, Any]
    baseurl: str
    rsession: Any
    exclusive: bool
    auth_method: dict[str, Any] | None

    _is_key_lost = False  # whether the hub may have given the session a new key that has not arrived
    _is_renewing = False

    def new_session(self) -> None:
        """Close the connections. Open new ones, with the credentials of the login, when they are needed."""
        self.logger.debug("Opening new krbxmlrpc session")
        if self.rsession:
            self.rsession.close()
        method = self.__dict__.get("auth_method") or {}
        arguments = {name: value for name, value in self.opts.items() if name in _OPTIONS}
        for name, why in _KOJIS_OWN.items():
            if name in self.opts:
                raise ValueError(f"opts has {name!r}, which a KojiSession does not take: {why}")
        if method.get("method") == "gssapi_login":
            asked = ((name, method["kwargs"].get(name)) for name in ("principal", "keytab", "ccache"))
            arguments.update((name, value) for name, value in asked if value is not None)
            arguments["login_path"] = urlsplit(self.baseurl).path + "/ssllogin"
        self.rsession = _Requests(arguments, bool(self.opts.get("insecure_http")))

    def gssapi_login(
        self,
        principal: str | None = None,
        keytab: str | None = None,
        ccache: str | None = None,
        proxyuser: str | None = None,
        proxyauthtype: int | None = None,
        renew: bool = False,
    ) -> bool:
        """Log in with a ticket. The hub has to prove its identity before the session is used.

        Args:
            principal, keytab, ccache: the credentials, as for `krbxmlrpc.KerberosTransport`. The environment of the
                process does not change.
            proxyuser, proxyauthtype, renew: as for Koji's method.

        Returns:
            True.

        Raises:
            koji.GSSAPIAuthError: the login failed; the session is as before. The ``__cause__`` is the error.
        """
        credentials = {"principal": principal, "keytab": keytab, "ccache": ccache}
        url = urlsplit(self.baseurl)
        arguments: dict[str, Any] = {"proxyuser": proxyuser}
        if renew:
            arguments.update(renew=True, exclusive=self.exclusive)
        if proxyauthtype is not None:
            arguments["proxyauthtype"] = proxyauthtype
        opts = self.opts
        try:
            with self._as_before_on_failure("baseurl", "auth_method", "sinfo", "callnum", "logged_in", "authtype"):
                self.auth_method = {
                    "method": "gssapi_login",
                    "kwargs": {**credentials, "proxyuser": proxyuser, "proxyauthtype": proxyauthtype},
                }
                self.baseurl = f"https://{url.netloc}{url.path}"
                self.opts = {**opts, "timeout": opts.get("auth_timeout", koji.DEFAULT_AUTH_TIMEOUT)}
                self.new_session()
                if not renew:
                    self.setSession(None)  # a hub lets a session log in only if it has expired
                sinfo = self._callMethod("sslLogin", [], arguments, retry=False)
                if sinfo is None:
                    raise koji.AuthError("the session to which this subsession belongs has been closed")
                if not isinstance(sinfo, dict) or not {"session-id", "session-key"} <= set(sinfo):
                    raise koji.AuthError("the reply to the login is not a session: check that the URL is that of a hub")
        except Exception as error:
            failed = f"unable to obtain a session (gssapi auth failed: {type(error).__name__}: {error})"
            raise koji.GSSAPIAuthError(failed) from error
        finally:
            self.opts = opts
        self.setSession(sinfo)
        self.authtype = koji.AUTHTYPES["GSSAPI"]
        return True

    def krb_login(
        self,
        principal: str | None = None,
        keytab: str | None = None,
        ccache: str | None = None,
        proxyuser: str | None = None,
        ctx: object = None,
    ) -> bool:
        """Log in as `gssapi_login` does. Older versions of Koji have this name for it, and ignore ``ctx``, too."""
        return self.gssapi_login(principal, keytab, ccache, proxyuser)

    def setSession(self, sinfo: Any) -> None:
        """Use a session from now on. A renewed session keeps its number of calls, because the hub keeps it, too."""
        before, number = self.__dict__.get("sinfo"), self.__dict__.get("callnum")
        super().setSession(sinfo)
        if sinfo and before and sinfo["session-id"] == before["session-id"]:
            self.callnum = number
        self._is_key_lost = False

    def _renew_session(self) -> None:
        """Renew the session, which has expired. If that fails, the session stays as it was: the next call tries again.

        A renewal changes the key of the session. If the reply to a renewal is lost, the key is lost, and only a new
        session can follow. Hubs before Koji 1.32 know no renewals, so there, too, a new session follows.
        """
        if not self.auth_method:
            raise koji.AuthExpired("the session has expired, and this object has not begun it: log in again")
        if self._is_renewing:
            raise koji.AuthExpired("the hub lets no expired session log in")
        was_lost, was_exclusive, self._is_renewing = self._is_key_lost, self.exclusive, True
        try:
            with self._as_before_on_failure("sinfo", "callnum", "logged_in", "exclusive"):
                if was_lost or not self._is_renewed():
                    self._begin_session_anew(**self.auth_method)
            if was_exclusive and not self.exclusive:
                # Not by force: another session may have got the lock on purpose. If so, the new session stays, and the
                # hub refuses its calls.
                self.exclusiveSession()
        except Exception as error:
            is_unknown = isinstance(error, CallOutcomeUnknown) or isinstance(error.__cause__, CallOutcomeUnknown)
            self._is_key_lost = was_lost or is_unknown
            raise
        finally:
            self._is_renewing = False

    def _is_renewed(self) -> bool:
        """Try to renew the session. Return False if the hub knows no renewals."""
        if not self.sinfo.get("header-auth"):
            return False
        try:
            super()._renew_session()
        except (Fault, koji.GenericError) as error:
            cause = error.__cause__ or error
            is_argument_unknown = isinstance(cause, (Fault, koji.GenericError)) and "'renew'" in str(cause)
            if not is_argument_unknown and not isinstance(cause, koji.AuthExpired):
                raise
            return False
        return True

    @contextmanager
    def _as_before_on_failure(self, *names: str) -> Iterator[None]:
        """If the ``with`` block fails, give these attributes their former values."""
        before = {name: self.__dict__[name] for name in names}
        try:
            yield
        except BaseException:
            self.__dict__.update(before)
            raise

    def _begin_session_anew(self, method: str, kwargs: dict[str, Any]) -> None:
        self.exclusive = False
        self.setSession(None)
        getattr(self, method)(**{name: value for name, value in kwargs.items() if name != "renew"})

    def logout(self, session_id: int | None = None) -> None:
        """Log out. If the reply to that is lost, the session counts as closed."""
        try:
            super().logout(session_id)
        except _Final as final:
            raise final.error from final.error.__cause__
        except CallOutcomeUnknown:
            if not session_id or session_id == self.sinfo["session-id"]:
                self.setSession(None)
            raise

    def _callMethod(self, name: str, args: Any, kwargs: Any = None, retry: bool = True) -> Any:
        try:
            if self._is_key_lost and name not in _LOGINS:
                self._renew_session()
            return super()._callMethod(name, args, kwargs, retry)
        except _Final as final:
            raise final.error from final.error.__cause__

    def _prepCall(self, name: str, args: Any, kwargs: Any = None) -> Any:
        # Error reporters collect the repr of local variables. The URL and the headers can hold the key of the session.
        return hidden(super()._prepCall(name, args, kwargs))

    def _sendCall(self, handler: str, headers: Any, request: Any) -> Any:
        try:
            return self._sendOneCall(handler, headers, request)
        except Fault:
            raise
        except Exception as error:
            if _may_pass(error):
                raise
            raise _Final(error) from error

    def _sendOneCall(self, handler: str, headers: Any, request: Any) -> Any:
        if not self.opts.get("debug_xmlrpc"):
            return super()._sendOneCall(handler, headers, request)
        # Koji logs the keys of sessions, and passwords.
        before, self.opts = self.opts, {**self.opts, "debug_xmlrpc": False}
        is_secret = _SHOWS_KEY.search(request) is not None
        try:
            self.logger.debug("url: %s", self._sanitize_url(handler))
            self.logger.debug("data: %s", "(not shown: a login)" if is_secret else _shown(request))
            result = super()._sendOneCall(handler, headers, request)
            self.logger.debug("result: %s", "(not shown: a login)" if is_secret else repr(result)[:_SHOWN])
            return result
        finally:
            self.opts = before

    def _read_xmlrpc_response(self, response: _Reply) -> Any:
        values = response.values()
        return values[0] if len(values) == 1 else values


class _Final(BaseException):
    """Carries an error past Koji's loop, which catches every Exception and repeats the call."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _may_pass(error: Exception) -> bool:
    """Say whether a repetition of the request may succeed. The numbers of calls decide whether it may run."""
    if isinstance(error, UnexpectedStatus):
        return error.errcode >= 500 or error.errcode in (408, 429)
    if isinstance(error, CallOutcomeUnknown):
        return error.hook is None
    return isinstance(error, ServerUnreachable)


def _shown(request: bytes) -> str:
    return request[:_SHOWN].decode("utf-8", "backslashreplace")


# -- the part of requests that Koji uses ------------------------------------------------------------------------------


class _TicketAtLogin(Authentication):
    """Requests for the login page carry a ticket. All other requests belong to the session that their headers name.

    Args:
        login_path: the path of the login page, or None if no request carries a ticket.
    """

    def __init__(self, login_path: str | None) -> None:
        self._login_path = login_path
        self._login = SessionOrTicket()
        self._session = OutsideLogin()

    def make(self, calling: Any) -> Any:
        """Make a request, and return its answer."""
        is_login = calling.call.handler == self._login_path
        return (self._login if is_login else self._session).make(calling)


class _HubTransport(KerberosTransport):
    argument_names = ARGUMENT_NAMES

    def make_authentication(self, login_path: str | None, preemptive: bool) -> Authentication:
        return _TicketAtLogin(login_path)


class _InsecureHubTransport(InsecureKerberosTransport):
    argument_names = ARGUMENT_NAMES

    def make_authentication(self, login_path: str | None, preemptive: bool) -> Authentication:
        return _TicketAtLogin(None)


class _Requests:
    """Stands for a ``requests.Session``.

    Args:
        arguments: the arguments of the transport.
        allows_http: whether the URL may be one without TLS.
    """

    def __init__(self, arguments: dict[str, Any], allows_http: bool) -> None:
        self._arguments = arguments
        self._allows_http = allows_http
        # Made now, and not at the first call, so that it checks the arguments.
        self._transport: KerberosTransport | InsecureKerberosTransport = _HubTransport(**arguments)
        self._made_for: tuple[str, bool | str, str | None] = "https", True, None

    def post(
        self,
        url: str,
        data: bytes,
        headers: Mapping[str, str],
        timeout: float | None = None,
        verify: bool | str = True,
        cert: str | None = None,
        stream: bool = True,
    ) -> _Reply:
        """Send a request; return the reply, with its body still to be read."""
        scheme, netloc, path, target = _parts(url)
        transport = self._transport_for(scheme, verify, cert)
        lines = {name: value for name, value in headers.items() if name.lower() != "content-length"}
        if "Koji-Session-Callnum" in lines:
            # The releases of Koji's hub up to 1.35.3 read the number from this header only.
            lines["Koji-Callnum"] = lines["Koji-Session-Callnum"]
        try:
            reply = transport.fetch("POST", netloc, target, data, lines.items(), stream=True, timeout=timeout)
        except KerberosXMLRPCError as error:
            raise _also_of_requests(error) from error.__cause__
        return _Reply(reply, f"{netloc}{path}", transport)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _transport_for(
        self, scheme: str, verify: bool | str, cert: str | None
    ) -> KerberosTransport | InsecureKerberosTransport:
        if self._made_for != (scheme, verify, cert):
            self.close()
            self._transport = self._made(scheme, verify, cert)
            self._made_for = scheme, verify, cert
        return self._transport

    def _made(self, scheme: str, verify: bool | str, cert: str | None) -> KerberosTransport | InsecureKerberosTransport:
        arguments = dict(self._arguments)
        if scheme == "http":
            if not self._allows_http:
                raise ValueError(
                    "the URL of the hub begins with http, not https: anybody on the network path could read and change "
                    "all traffic, passwords and sessions too; for a hub in a lab, set opts['insecure_http'] = True"
                )
            without = ("context", "cafile", "login_path")
            return _InsecureHubTransport(**{key: value for key, value in arguments.items() if key not in without})
        if cert is not None or verify is False:
            if "context" in arguments:
                raise ValueError(
                    "opts has a context, and also cert or no_ssl_verify: load the certificate into the context "
                    "(context.load_cert_chain), or leave the context out"
                )
            arguments["context"] = _tls_context(verify, cert)
        elif isinstance(verify, str):
            arguments["cafile"] = verify
        return _HubTransport(**arguments)


def _parts(url: str) -> tuple[str, str, str, str]:
    """Return the scheme, the host, and the path of a URL without and with the query."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path, hidden(f"{parts.path}?{parts.query}" if parts.query else parts.path)


def _tls_context(verify: bool | str, cert: str | None) -> ssl.SSLContext:
    """Return a TLS context with a client certificate, or one that accepts any certificate of a server."""
    context = unverified_context() if verify is False else new_context(verify if isinstance(verify, str) else None)
    if cert is not None:
        context.load_cert_chain(cert)
    return context


class _Reply:
    """Stands for a ``requests.Response``.

    Args:
        reply: the reply.
        url: host and path of the request, without the query, which may hold the key of the session.
        transport: decodes the reply.
    """

    def __init__(
        self, reply: StreamedResource, url: str, transport: KerberosTransport | InsecureKerberosTransport
    ) -> None:
        self.status_code = reply.status
        self.headers = reply.headers
        self.url = url
        self._reply = reply
        self._transport = transport

    def raise_for_status(self) -> None:
        """Raise an error if the status is one of HTTP's errors."""
        if self.status_code < 400:
            return
        self.close()
        reason = responses.get(self.status_code, "")  # the server's own phrase could be anything
        error = UnexpectedStatus(
            f"{self.url} answered {self.status_code} {reason}".rstrip(),
            url=self.url,
            errcode=self.status_code,
            errmsg=reason,
            headers=self.headers,
        )
        both = _also_of_requests(error)
        both.response = self
        raise both

    def values(self) -> Any:
        """Decode the reply as it comes."""
        try:
            return self._transport.parse_response(_Reader(self._reply))
        except KerberosXMLRPCError as error:
            raise _also_of_requests(error) from error.__cause__

    def close(self) -> None:
        """Give the connection back."""
        self._reply.close()


class _Reader:
    """A file with the pieces of a reply. `xmlrpc.client.Transport.parse_response` reads replies from files."""

    def __init__(self, reply: StreamedResource) -> None:
        self._reply = reply

    def read(self, size: int) -> bytes:
        """Return the next piece, whatever its size is, or no bytes at the end."""
        return next(self._reply, b"")


# -- errors -----------------------------------------------------------------------------------------------------------


def _also_of_requests(error: KerberosXMLRPCError) -> Any:
    """Return an error like this one that is also of the class which requests has for the failure, if it has one."""
    if isinstance(error, CallOutcomeUnknown) and error.hook is None:
        error.hint = "the call may have run: check on the hub before you repeat it"
    kind = _kind_of_requests(error)
    if kind is None:
        return error
    return _with_class(error, kind)


def _kind_of_requests(error: KerberosXMLRPCError) -> type[OSError] | None:
    timed_out = isinstance(error.__cause__, socket.timeout)
    kind: type[OSError] | None = None
    if isinstance(error, CertificateRejected):
        kind = exceptions.SSLError
    elif isinstance(error, ProxyRefused):
        kind = exceptions.ProxyError
    elif isinstance(error, ServerUnreachable):
        kind = exceptions.ConnectTimeout if timed_out else exceptions.ConnectionError
    elif isinstance(error, UnexpectedStatus):
        kind = exceptions.HTTPError
    elif isinstance(error, CallOutcomeUnknown):
        kind = exceptions.ReadTimeout if timed_out else exceptions.ConnectionError
    return kind


def _with_class(error: KerberosXMLRPCError, theirs: Any) -> Any:
    """Return an error like this one that is also of another class."""
    restored, (ours, *state) = error.__reduce__()
    return restored(_both(ours, theirs), *state)


@functools.cache
def _both(ours: Any, theirs: Any) -> Any:
    """Return a class of errors that are of both classes."""

    def reduce(self: KerberosXMLRPCError) -> Any:  # pickle finds the two classes by their names, but not this one
        restored, (_, message, state) = ours.__reduce__(self)
        state = {name: value for name, value in state.items() if name != "response"}
        return _with_class, (restored(ours, message, state), theirs)

    names = {"__module__": __name__, "__reduce__": reduce, "request": None, "response": None}
    return type(ours.__name__, (ours, theirs), names)
