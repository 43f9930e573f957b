"""An adapter for clients of kobo's hubs: a `HubProxy` like `kobo.client.HubProxy`, and the transport under it.

The module reads kobo's configuration, and recognizes the Faults by which a hub reports that a session has ended.
`krbxmlrpc` makes the calls.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import xmlrpc.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit
from xmlrpc.client import Fault

from . import Authentication, InsecureKerberosTransport, KerberosTransport, LoginPage, LoginSession, OutsideLogin
from ._hints import message_of, told

try:
    import kobo.cli  # type: ignore[import-untyped]  # kobo has no type hints
    import kobo.client  # type: ignore[import-untyped]
    import kobo.shortcuts  # type: ignore[import-untyped]
    from kobo.exceptions import AuthenticationError, ImproperlyConfigured  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("krbxmlrpc.kobo needs kobo: pip install kobo") from error

LOGIN_PAGE = "auth/krb5login/"
"""The page at which hubs accept logins by Negotiate, relative to HUB_URL (``kobo.hub.urls.auth``)."""

TIMEOUT_VARIABLE = "KOBO_XMLRPC_TIMEOUT"
"""The environment variable with the timeout of kobo's clients, in seconds."""

ARGUMENT_NAMES: dict[str, str] = {
    **{name: f"transport_args[{name!r}]" for name in KerberosTransport.__init__.__kwdefaults__ or ()},
    "service": "KRB_SERVICE, KRB_REALM or transport_args['service']",
    "principal": "KRB_PRINCIPAL",
    "keytab": "KRB_KEYTAB",
    "ccache": "KRB_CCACHE",
    "cafile": "CA_CERT",
    "own_context": "pass transport_args['context'] with a context",
    "plain_http": "https:// in HUB_URL asks for TLS, http:// and INSECURE_HTTP ask for plain HTTP",
    "login_path": f"HUB_URL (the login page is {LOGIN_PAGE} beside it) or transport_args['login_path']",
    "timeout": TIMEOUT_VARIABLE,
}
"""The names of the transport's arguments in kobo's configuration: ``argument_names`` of a `HubProxy`'s transport."""

# kobo's decorators raise these Faults before a method runs (kobo.django.xmlrpc.decorators).
_LOGIN_REQUIRED = (1, "PermissionDenied: Login required.")
_ADMIN_ONLY = (1, "PermissionDenied: Admin only.")

_LOGIN_CALL = re.compile(rb"<methodName>\s*auth\.login_")  # the methods that begin a session (kobo.hub.xmlrpc.auth)

_PIECE = 64 * 1024  # bytes to read at a time for an upload

_Transports = (KerberosTransport, InsecureKerberosTransport)

_TRANSPORT_ARGUMENTS = {"retry_count": "retries", "retry_timeout": "retry_interval"}
_BY_TICKET = ("krbv", "gssapi")
_LATER = object()


def has_ended(fault: Fault, session: LoginSession) -> bool:
    """Say whether a method did not run because the session had ended.

    Args:
        fault: the reply to the call.
        session: the session of the call.
    """
    reason = (fault.faultCode, fault.faultString)
    if reason != _ADMIN_ONLY:
        return reason == _LOGIN_REQUIRED
    # If a user has no session, a hub also answers "Admin only". To tell the two cases apart, ask the hub whether the
    # session has ended. If the hub has already deleted the session's cookie, this question itself began a new session.
    return bool(session.call("auth.renew_session")) or session.is_renewed


def _authentication(login_path: str | None) -> Authentication:
    return OutsideLogin() if login_path is None else LoginPage(login_path, has_ended)


def _begins_session(request_body: Any) -> bool:
    """Say whether a call is a login. The reply contains the key of the session, which must not be printed."""
    return isinstance(request_body, bytes) and _LOGIN_CALL.search(request_body) is not None


class HubTransport(KerberosTransport):
    """A `krbxmlrpc.KerberosTransport` for kobo's hubs, which report the end of a session by a Fault.

    With a ``login_path``, the transport logs in there with a ticket before the first call. If the reply to a call is
    ``PermissionDenied: Login required.``, the call did not run: the transport logs in again, and repeats the call once.
    The same applies to ``Admin only.`` if the hub says that there is no session. Each call in a ``MultiCall`` has a
    reply of its own, and is never repeated.

    Without a ``login_path``, the transport uses no ticket and no Kerberos. A call begins the session, for example
    ``auth.login_password``. Then only TLS authenticates the server.

    The arguments, errors and sources are those of `krbxmlrpc.KerberosTransport`. kobo's modules
    ``kobo.django.xmlrpc.decorators`` and ``kobo.hub.decorators`` define the Faults.
    """

    def make_authentication(self, login_path: str | None, preemptive: bool) -> Authentication:
        """Return the way in which calls authenticate: at the login page, or by a login of the caller."""
        return _authentication(login_path)

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call. If it is a login by password or key, print nothing."""
        return super().request(host, handler, request_body, verbose and not _begins_session(request_body))


class InsecureHubTransport(InsecureKerberosTransport):
    """`HubTransport` over plain HTTP, for loopback and lab use.

    `krbxmlrpc.InsecureKerberosTransport` describes the risks.
    """

    def make_authentication(self, login_path: str | None, preemptive: bool) -> Authentication:
        """Return the way in which calls authenticate: at the login page, or by a login of the caller."""
        return _authentication(login_path)

    def request(self, host: Any, handler: str, request_body: Any, verbose: bool = False) -> Any:
        """Make one call. If it is a login by password or key, print nothing."""
        return super().request(host, handler, request_body, verbose and not _begins_session(request_body))


class HubProxy(kobo.client.HubProxy):  # type: ignore[misc]
    """A `kobo.client.HubProxy` that logs in by `HubTransport`, verifies the hub, and raises an error if a login fails.

    If ``AUTH_METHOD`` is ``krbv`` or ``gssapi``, the proxy logs in at ``auth/krb5login/``, relative to ``HUB_URL``.
    ``KRB_SERVICE`` and ``KRB_REALM`` set the service; ``KRB_PRINCIPAL``, ``KRB_KEYTAB`` and ``KRB_CCACHE`` set the
    tickets. kobo implements the other values of ``AUTH_METHOD``. TLS trusts the CA in ``CA_CERT`` or, by default,
    the CAs of the system. ``INSECURE_TLS = True`` turns the verification of certificates off. ``INSECURE_HTTP = True``
    allows a ``HUB_URL`` without TLS.

    Args:
        conf, client_type, logger, auto_logout, kwargs: as for kobo's class.
        transport: the transport for calls; default: a `HubTransport` that follows the configuration, or an
            `InsecureHubTransport` if ``HUB_URL`` and ``INSECURE_HTTP`` ask for one.
        transport_args: more arguments for the default transport, by its names or by the names of kobo's retrying
            transports: ``retry_count`` is ``retries``, and ``retry_timeout`` is ``retry_interval``.

    Raises:
        kobo.exceptions.ImproperlyConfigured: the configuration is wrong or contradicts itself, or is insecure and
            no ``INSECURE_...`` setting allows that.
        kobo.exceptions.AuthenticationError: the hub accepted the login, but began no session.
        TypeError, ValueError, ImportError: as for `krbxmlrpc.KerberosTransport`.
        xmlrpc.client.Fault: the hub does not accept the password or key.
        KerberosXMLRPCError: the login failed. From a call: the call failed.
    """

    def __init__(
        self,
        conf: Any,
        client_type: str | None = None,
        logger: logging.Logger | None = None,
        transport: Any = None,
        auto_logout: Any = None,
        transport_args: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._hub: Any = None
        self._transport_args = transport_args or {}
        self._transport: Any = None
        # Pass a placeholder, so that kobo does not make a transport of its own before it logs in.
        given = _LATER if transport is None else transport
        super().__init__(conf, client_type, logger, given, auto_logout, **kwargs)

    def _login(self, force: bool = False, verbose: Any = False) -> None:
        """Log in if there is no session, or if `force` is true. The first time, also make the transport."""
        log_in = getattr(type(self), f"_login_{self._auth_method}", None)
        if log_in is None:
            raise ImproperlyConfigured(f"AUTH_METHOD is {self._auth_method!r}, which is unknown")
        if self._hub is None:
            if self._transport is _LATER:
                self._transport = self._new_transport()
            url = f"{self._hub_url}/{self._client_type}/"
            self._hub = xmlrpc.client.ServerProxy(url, self._transport, allow_none=True, verbose=bool(verbose))
        if force or self._hub.auth.renew_session():
            self._logged_in = False
            if force:
                self._logout()
            log_in(self)
            if self._hub.auth.renew_session():
                raise AuthenticationError(f"{self._hub_url} accepted the login, but began no session")
            if self._logger:
                self._logger.info("New session created.")
        self._logged_in = True

    def _login_gssapi(self) -> None:
        """Log in at the transport's ``login_path``."""
        if not isinstance(self._transport, _Transports):
            raise ImproperlyConfigured(
                f"AUTH_METHOD {self._auth_method} needs a transport that logs in: pass HubTransport(login_path=...) "
                "or no transport"
            )
        self._transport.login(urlsplit(self._hub_url).netloc)

    _login_krbv = _login_gssapi

    def _new_transport(self) -> HubTransport | InsecureHubTransport:
        """Return a transport that follows the configuration, and whose hints use the configuration's terms."""
        transport = self._made_transport()
        transport.argument_names = ARGUMENT_NAMES
        return transport

    def _made_transport(self) -> HubTransport | InsecureHubTransport:
        arguments = self._login_arguments() if self._auth_method in _BY_TICKET else {}
        if TIMEOUT_VARIABLE in os.environ:
            arguments["timeout"] = _seconds(os.environ[TIMEOUT_VARIABLE])
        arguments.update((_TRANSPORT_ARGUMENTS.get(name, name), value) for name, value in self._transport_args.items())
        scheme = urlsplit(self._hub_url).scheme
        if scheme == "https":
            trust = self._trust()
            return HubTransport(**{**({} if "context" in arguments else trust), **arguments})
        if not self._gives_up("INSECURE_HTTP"):
            raise ImproperlyConfigured(
                f"HUB_URL begins with {scheme or 'no scheme'}, not https: anybody on the network path could read and "
                "change all traffic, passwords and sessions too; for a hub in a lab, set INSECURE_HTTP = True"
            )
        return InsecureHubTransport(**arguments)

    def _login_arguments(self) -> dict[str, Any]:
        """Return the arguments of the transport that are about Kerberos."""
        service, realm = self._conf.get("KRB_SERVICE"), self._conf.get("KRB_REALM")
        if realm:
            service = self.get_server_principal(service=service or None, realm=realm)
        elif service:
            service = f"{service}@{self.get_hub_hostname()}"
        return {
            "login_path": urlsplit(urljoin(self._hub_url, LOGIN_PAGE)).path,
            "service": service or None,
            "principal": self._conf.get("KRB_PRINCIPAL") or None,
            "keytab": self._conf.get("KRB_KEYTAB") or None,
            "ccache": self._conf.get("KRB_CCACHE") or None,
        }

    def _trust(self) -> dict[str, Any]:
        """Return the transport's arguments for TLS, as the configuration names them."""
        ca_cert = self._conf.get("CA_CERT") or None
        any_certificate = self._gives_up("INSECURE_TLS")
        if any_certificate and ca_cert is not None:
            raise ImproperlyConfigured("CA_CERT names a CA, but INSECURE_TLS accepts any certificate: remove one")
        if any_certificate:
            return {"context": _unverified_context()}
        try:
            KerberosTransport(cafile=ca_cert)  # checks only this argument
        except (OSError, TypeError, ValueError) as error:
            raise ImproperlyConfigured(told(message_of(error), ARGUMENT_NAMES)) from error
        return {"cafile": ca_cert}

    def _gives_up(self, name: str) -> bool:
        """Say whether the configuration turns off a protection."""
        value = self._conf.get(name, False)
        if not isinstance(value, bool):
            raise ImproperlyConfigured(f"{name} is {value!r}; accepted is True or False")
        return value

    def upload_file(self, file_name: str, target_dir: str) -> tuple[Any, int, bytes]:
        """Upload a file with the transport, over the same TLS, proxy and session as calls.

        Args:
            file_name: the path of the file.
            target_dir: the target folder on the hub, inside the hub's folder for uploads.

        Returns:
            The number of the upload, the HTTP status and the body of the hub's reply.

        Raises:
            OSError: the file cannot be read.
            ValueError: during the upload, the file became shorter or could no longer be read. The hub
                rejects an incomplete file.
            xmlrpc.client.Fault: the hub does not accept the file.
            KerberosXMLRPCError: as from a call. It is `krbxmlrpc.CallOutcomeUnknown` if the hub may have the whole
                file.

        Source: kobo's ``kobo.django.upload``; RFC 7578 (``multipart/form-data``).
        """
        if not isinstance(self._transport, _Transports):
            answered: tuple[Any, int, bytes] = super().upload_file(file_name, target_dir)
            return answered
        checksum = kobo.shortcuts.compute_file_checksums(file_name, ["sha256"])["sha256"].lower()
        size = os.path.getsize(file_name)
        upload_id, upload_key = self.upload.register_upload(
            os.path.basename(file_name), checksum, size if size <= xmlrpc.client.MAXINT else str(size), target_dir
        )
        form = _Form({"upload_id": upload_id, "upload_key": upload_key}, file_name, size)
        url = urlsplit(f"{self._hub_url}/upload/")
        answer = self._transport.fetch("POST", url.netloc, url.path, form, [("Content-Type", form.content_type)])
        return upload_id, answer.status, answer.content


class ClientCommandContainer(kobo.client.ClientCommandContainer):  # type: ignore[misc]
    """kobo's container of commands. The commands get a `HubProxy` of this module."""

    def set_hub(self, username: str | None = None, password: str | None = None, hub: str | None = None) -> None:
        """Connect a command to the hub. The arguments are those of kobo's method."""
        if username:
            if password is None:
                password = kobo.cli.password_prompt(default_value=None)
            self.conf.update(AUTH_METHOD="password", USERNAME=username, PASSWORD=password)
        if hub:
            self.conf["HUB_URL"] = hub
        self.hub = HubProxy(self.conf)


class _Form:
    """A form with a file. Each iteration yields its pieces. (kobo's own form, in ``kobo.http``, also connects.)"""

    def __init__(self, fields: dict[str, Any], file_name: str, size: int) -> None:
        self._file_name = file_name
        self._size = size
        boundary = os.urandom(16).hex()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        lines = []
        for name, value in fields.items():
            lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", str(value)]
        # The hub knows the file's name from the registration.
        lines += [f"--{boundary}", 'Content-Disposition: form-data; name="file"; filename="file"']
        lines += ["Content-Type: application/octet-stream", "", ""]
        self._head = "\r\n".join(lines).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        left = self._size
        with open(self._file_name, "rb") as file:
            while left:
                piece = file.read(min(_PIECE, left))
                if not piece:
                    raise ValueError(f"{self._file_name} became shorter during the upload")
                left -= len(piece)
                yield piece
        yield self._tail


def _unverified_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.post_handshake_auth = True  # as in the transport's own contexts
    return context


def _seconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{TIMEOUT_VARIABLE} is {text!r}; accepted is a number of seconds") from None
