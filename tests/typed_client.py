"""A client of the public interface, for the type checker; it is never run."""

import ssl
from http.cookiejar import CookieJar
from typing import Optional
from xmlrpc.client import MultiCall, ProtocolError, ServerProxy

import krbxmlrpc
from krbxmlrpc import (
    AuthenticationRejected,
    ClockSkew,
    InsecureKerberosTransport,
    KerberosTicket,
    KerberosTransport,
    KerberosXMLRPCError,
    MutualAuthentication,
    NegotiateNotOffered,
    NoSession,
    ProxyRefused,
    Resource,
    UnexpectedStatus,
    www_auth,
)
from krbxmlrpc.kobo import ClientCommandContainer, HubProxy, HubTransport
from krbxmlrpc.pulp import KerberosServerWrapper
from krbxmlrpc.testing import Failure, KerberosXMLRPCServer, Logged, Realm, caller


def call(url: str) -> Optional[str]:
    transport = KerberosTransport(
        service="HTTP@hub",
        principal=None,
        mutual_authentication=MutualAuthentication.OPTIONAL,
        timeout=5,
        connect_timeout=None,
        deadline=60,
        headers=[("X-Name", "value")],
        context=ssl.create_default_context(),
        login_path="/login",
        cookiejar=CookieJar(),
        retries=3,
        retry_interval=0.5,
        idempotent={"whoami"},
        proxy="http://proxy:3128",
    )
    transport.login("hub")
    held: CookieJar = transport.cookiejar
    try:
        with ServerProxy(url, transport=transport) as hub:
            hub.whoami()
    except NoSession:
        return str(len(held))
    except ProxyRefused as refusal:
        return f"{refusal.proxy} {refusal.status} {', '.join(refusal.schemes)}"
    except NegotiateNotOffered as error:
        schemes: tuple[str, ...] = error.schemes
        return ", ".join(schemes)
    except (AuthenticationRejected, ProtocolError) as error:
        lines: list[str] = error.headers.get_all("WWW-Authenticate", []) if isinstance(error, UnexpectedStatus) else []
        return f"{error.errcode} {error.url} {lines}"
    except ClockSkew as error:
        seconds: Optional[float] = error.seconds
        return str(seconds)
    except KerberosXMLRPCError as error:
        return error.hint or (error.minor.text if error.minor else None)
    return transport.principal


def pulp(host: str) -> tuple[int, bytes]:
    wrapper = KerberosServerWrapper(host, KerberosTransport(idempotent={"GET"}))
    status, value = wrapper.request("GET", "/pulp/api/v2/repositories/", None)
    answer: Resource = wrapper.transport.fetch("PUT", host, "/", b"{}", [("Content-Type", "application/json")])
    return status, answer.content


def kobo(conf: dict[str, str]) -> tuple[int, bool]:
    hub = HubProxy(conf, "worker", transport_args={"timeout": 60.0}, KRB_KEYTAB="/etc/hub/robot.keytab")
    HubProxy(conf, transport=HubTransport(login_path="/hub/auth/krb5login/", retries=1))
    number, status, answer = hub.upload_file("report.txt", "reports")
    commands = ClientCommandContainer(conf)
    commands.set_hub("alice", hub=conf["HUB_URL"])
    return status + len(answer), bool(commands.hub.is_logged_in and hub.worker.get_worker_id() == number)


def plain(url: str) -> ServerProxy:
    return ServerProxy(url, transport=InsecureKerberosTransport(idempotent=lambda name: "get" in name))


def large_integers(url: str) -> str:
    transport = KerberosTransport(use_builtin_types=True)
    with krbxmlrpc.ServerProxy(url, transport, allow_none=True, allow_i8=True) as hub:
        name: str = hub.size.of(2**40, [{"inside": 2**40}], None)
        calls = MultiCall(hub)
        calls.set_size(2**40)
        first: object = calls()[0]
    body: str = krbxmlrpc.dumps((2**40,), "set_size", allow_i8=True)
    return f"{name} {first} {body}"


def ticket(header: str, headers: list[str]) -> dict[str, str]:
    made = KerberosTicket("HTTP@hub", delegate=True)
    made.verify_response(headers)
    return {"Authorization": made.auth_header, **www_auth(header)}


def tested() -> set[str]:
    with Realm() as realm, realm.in_environment(), KerberosXMLRPCServer(realm, sessions=True) as server:
        server.register_function(caller)
        server.fail_next(Failure.NO_TOKEN)
        call(server.url())
        requests: list[Logged] = server.requests
        return {request.user for request in requests if request.user is not None}
