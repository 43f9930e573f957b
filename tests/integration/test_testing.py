"""`krbxmlrpc.testing`: the realm and the server for other people's tests are real, strict, and leave nothing behind."""

import gzip
import http.client
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import xmlrpc.client
from contextlib import closing, contextmanager
from pathlib import Path
from xmlrpc.client import Fault, MultiCall, SafeTransport, ServerProxy, dumps, loads

import pytest
from helpers import DEADLINE, descriptors, in_threads
from internals import acceptor_process, require_program, start_acceptor

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    InvalidResponse,
    KerberosTicket,
    KerberosTransport,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoCredentials,
    TicketExpired,
    UnexpectedStatus,
)
from krbxmlrpc.testing import Failure, KerberosXMLRPCServer, Logged, Realm, __main__ as playing, caller, kdc

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICE = "HTTP@localhost"


@pytest.fixture
def own_realm():
    """A realm of the test's own, whose environment stays out of that of the tests."""
    with Realm() as realm:
        yield realm


def call(server, **arguments):
    """Open a proxy for a server."""
    return ServerProxy(server.url(), transport=KerberosTransport(context=server.context, **arguments), allow_none=True)


def ask(server, path="/xmlrpc", *, verb="POST", body=None, connection=None, **headers):
    """Send one request without a transport; return status, headers and body of the reply."""
    own = connection or http.client.HTTPSConnection("localhost", server.port, context=server.context, timeout=DEADLINE)
    data = dumps((), "whoami").encode() if body is None and verb == "POST" else body
    own.request(verb, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
    reply = own.getresponse()
    content = reply.read()
    if connection is None:
        own.close()
    return reply.status, reply.headers, content


def ticket(service=SERVICE, **arguments):
    """Return an Authorization header that nobody has seen yet."""
    return KerberosTicket(service, **arguments).auth_header


@pytest.fixture
def whoami(krb_server):
    """The server of the fixtures, with a function that says who has called."""
    krb_server.register_function(caller, "whoami")
    return krb_server


# -- the realm --------------------------------------------------------------------------------------------------------


def test_a_realm_is_in_the_environment_for_a_block(own_realm, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", "FILE:/before")
    monkeypatch.delenv("KRB5_CONFIG", raising=False)
    before = dict(os.environ)
    with own_realm.in_environment():
        assert {**before, **own_realm.environment} == dict(os.environ)
        assert {"KRB5_CONFIG", "KRB5CCNAME", "KRB5_KTNAME", "no_proxy"} <= set(own_realm.environment)
        KerberosTicket(SERVICE)
    assert dict(os.environ) == before
    with pytest.raises(ZeroDivisionError), own_realm.in_environment():
        raise ZeroDivisionError
    assert dict(os.environ) == before


def test_a_realm_that_has_stopped_has_left_nothing():
    realm = Realm()
    for use in (lambda: realm.environment, lambda: realm.user, realm.get_ticket, lambda: KerberosXMLRPCServer(realm)):
        with pytest.raises(RuntimeError, match="with block"):
            use()
    with realm:
        folder, kdc = Path(realm.k5.tmpdir), realm.k5._kdc_proc
        assert folder.is_dir() and kdc.poll() is None
        assert realm.user == "user@EXAMPLE.TEST"
    assert not folder.exists() and kdc.poll() is not None
    realm.stop()
    with pytest.raises(RuntimeError):
        assert realm.environment


def test_users_services_and_keytabs(own_realm, monkeypatch, tmp_path):
    alice = own_realm.add_user("alice")
    service = own_realm.add_service("HTTP/alias.example.test")
    assert (alice, service) == ("alice@EXAMPLE.TEST", "HTTP/alias.example.test@EXAMPLE.TEST")
    cache = f"FILE:{tmp_path}/alice"
    own_realm.get_ticket("alice", cache)
    keytab = own_realm.extract_keytab("alice", str(tmp_path / "keytab"))
    with own_realm.in_environment(), KerberosXMLRPCServer(own_realm) as server:
        server.register_function(caller)
        with call(server, service=service.replace("HTTP/", "HTTP@").partition("@EXAMPLE")[0]) as hub:
            assert hub.caller() == own_realm.user
        monkeypatch.setenv("KRB5CCNAME", cache)
        with call(server) as hub:
            assert hub.caller() == alice
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/empty")
        with call(server) as hub, pytest.raises(NoCredentials):
            hub.caller()
        monkeypatch.setenv("KRB5_CLIENT_KTNAME", keytab)
        with call(server) as hub:
            assert hub.caller() == alice


def test_a_realm_is_started_once(own_realm):
    before = own_realm.k5
    with pytest.raises(RuntimeError, match="is already running"), own_realm:
        pass
    assert own_realm.k5 is before


def test_names_with_the_realm_are_the_same(own_realm, tmp_path):
    alice = own_realm.add_user("alice@EXAMPLE.TEST")
    assert alice == "alice@EXAMPLE.TEST" and own_realm.password(alice) == own_realm.password("alice")
    own_realm.get_ticket(alice, f"FILE:{tmp_path}/alice")
    own_realm.get_ticket("alice", f"FILE:{tmp_path}/alice")
    service = own_realm.add_service("HTTP/alias.example.test@EXAMPLE.TEST")
    assert service == own_realm.add_service("HTTP/alias.example.test") == "HTTP/alias.example.test@EXAMPLE.TEST"


def test_a_keytab_that_cannot_be_had_is_an_error(own_realm, tmp_path):
    with pytest.raises(ValueError, match="cannot add the key of nobody to .*nobody@EXAMPLE.TEST does not exist"):
        own_realm.extract_keytab("nobody", str(tmp_path / "keytab"))
    with pytest.raises(ValueError, match="cannot add the key of user to .*not found"):
        own_realm.extract_keytab("user", str(tmp_path / "nowhere" / "keytab"))
    assert Path(own_realm.extract_keytab(own_realm.user, str(tmp_path / "a keytab"))).stat().st_size


def test_a_ticket_expires_is_destroyed_and_renewed(krb_realm, whoami, krb_user):
    with call(whoami) as hub:
        assert hub.whoami() == krb_user
        krb_realm.expire_ticket()
        with pytest.raises(TicketExpired):
            hub.whoami()
        krb_realm.get_ticket()
        assert hub.whoami() == krb_user
        krb_realm.destroy_ticket()
        with pytest.raises(NoCredentials):
            hub.whoami()
        krb_realm.destroy_ticket()
        with pytest.raises(RuntimeError, match="no ticket"):
            krb_realm.expire_ticket()


def test_the_fixture_gets_a_ticket_whatever_the_test_before_did(whoami, krb_user):
    with call(whoami) as hub:
        assert hub.whoami() == krb_user


def test_a_realm_whose_clock_is_off():
    with Realm(clock="-2d") as realm, realm.in_environment(), KerberosXMLRPCServer(realm) as server:
        with call(server) as hub:
            for _ in range(2):
                with pytest.raises(TicketExpired):
                    hub.whoami()
                realm.get_ticket()  # it is from the same clock


def test_a_realm_that_is_interrupted_leaves_nothing_behind(monkeypatch, tmp_path):
    """Its database is made by a program that takes a while: most likely it is then."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for step in ("create_kdb", "start_kdc", "kinit", "extract_keytab"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(f"k5test.realm.MITRealm.{step}", lambda *arguments: signal.raise_signal(signal.SIGINT))
            Realm().start()
        assert list(tmp_path.iterdir()) == []


def test_ports_are_not_looked_for_where_there_are_none():
    with pytest.raises(OSError, match="assign requested address"):
        kdc.free_ports(1, "192.0.2.1")  # RFC 5737: no machine has it


def test_where_programs_are_missing_it_says_how_to_get_them(monkeypatch):
    require_program(monkeypatch, "/usr/sbin/krb5-not-there")
    wanted = r"missing: krb5-not-there\. .*apt-get install krb5-kdc .*\(Debian.*dnf install krb5-server .*\(Fedora"
    with pytest.raises(RuntimeError, match=wanted):
        Realm().start()


@pytest.mark.parametrize("missing", ["k5test", "trustme"])
def test_without_the_extra_it_names_it(missing):
    script = f"import sys; sys.modules[{missing!r}] = None; import krbxmlrpc.testing"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ImportError: krbxmlrpc.testing needs k5test and trustme: pip install k5test trustme" in done.stderr


# -- who is let in ----------------------------------------------------------------------------------------------------


def test_each_call_brings_a_ticket_on_a_kept_connection(whoami, krb_user):
    with call(whoami) as hub:
        assert [hub.whoami() for _ in range(3)] == [krb_user] * 3
        assert hub("transport").principal == krb_user
    assert whoami.requests == [Logged("/xmlrpc", "whoami", krb_user, 200, "ticket")] * 3
    assert whoami.connections == 1


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("mode", ["required", "optional", "disabled"])
def test_every_mechanism_in_every_mode(whoami, krb_user, mechanism, mode):
    with call(whoami, mechanism=mechanism, mutual_authentication=mode, preemptive=False) as hub:
        assert hub.whoami() == krb_user
    assert [(request.status, request.credentials) for request in whoami.requests] == [(401, "none"), (200, "ticket")]
    assert whoami.requests[0] == Logged("/xmlrpc", None, None, 401, "none")
    assert whoami.connections == 1


def test_without_a_ticket_nothing_runs(krb_server):
    ran = []
    krb_server.register_function(lambda: ran.append(1), "whoami")
    with ServerProxy(krb_server.url(), transport=SafeTransport(context=krb_server.context)) as hub:
        with pytest.raises(xmlrpc.client.ProtocolError) as caught:
            hub.whoami()
    assert (caught.value.errcode, caught.value.headers["WWW-Authenticate"]) == (401, "Negotiate")
    wrong = ["Negotiate", "Negotiate ", "Negotiate AAAA", "Negotiate A", "Negotiate \x80", "Negotiate " + "A" * 9000]
    for value in [*wrong, "Basic dXNlcjpw", "NegotiateX", ""]:
        status, headers, content = ask(krb_server, Authorization=value)
        assert (status, headers.get_all("WWW-Authenticate"), content) == (401, ["Negotiate"], b"")
    assert ran == []
    assert {request.user for request in krb_server.requests} == {None}


def test_a_ticket_is_good_once(krb_realm, whoami, krb_user):
    header = ticket()
    assert [ask(whoami, Authorization=header)[0] for _ in range(3)] == [200, 401, 401]
    with KerberosXMLRPCServer(krb_realm) as other:
        assert ask(other, Authorization=header)[0] == 401  # the service is the same


def test_only_the_keys_of_its_keytab_count(krb_realm, krb_serve, own_realm, tmp_path):
    krb_realm.add_service("HTTP/elsewhere.example.test")
    keytab = krb_realm.extract_keytab("HTTP/elsewhere.example.test", str(tmp_path / "keytab"))
    server = krb_serve(keytab=keytab)
    server.register_function(caller, "whoami")
    with call(server) as hub, pytest.raises(AuthenticationRejected):
        hub.whoami()
    with call(server, service="HTTP@elsewhere.example.test") as hub:
        assert hub.whoami() == krb_realm.user


def test_servers_of_several_realms_do_not_heed_the_environment(own_realm, whoami, krb_user, monkeypatch):
    """Both realms have the same name. Only who gets a ticket looks at the environment, never who accepts it."""
    with KerberosXMLRPCServer(own_realm) as other:
        other.register_function(caller, "whoami")
        here = [ticket(), ticket(), ticket()]
        with own_realm.in_environment():
            there = [ticket(), ticket()]
            assert ask(whoami, Authorization=here[0])[0] == 200
            assert ask(other, Authorization=there[0])[0] == 200
            assert ask(whoami, Authorization=there[1])[0] == 401
        monkeypatch.setenv("KRB5_KTNAME", "/nowhere")
        monkeypatch.setenv("KRB5_CONFIG", "/nowhere")
        assert ask(other, Authorization=here[1])[0] == 401
        assert ask(whoami, Authorization=here[2])[0] == 200


def test_each_thread_is_told_its_own_caller(krb_realm, whoami, tmp_path):
    names = [f"user{number}" for number in range(4)]
    for name in names:
        krb_realm.add_user(name)
        krb_realm.get_ticket(name, f"FILE:{tmp_path}/{name}")
    barrier = threading.Barrier(len(names))

    def meet():
        barrier.wait(DEADLINE)
        return caller()

    whoami.register_function(meet)

    def work(name):
        with call(whoami, ccache=f"FILE:{tmp_path}/{name}") as hub:
            return [hub.meet() for _ in range(5)]

    found = in_threads(*[lambda name=name: work(name) for name in names])
    assert found == [[f"{name}@EXAMPLE.TEST"] * 5 for name in names]
    with pytest.raises(LookupError):
        caller()


def test_what_contradicts_itself(krb_realm):
    with pytest.raises(ValueError, match="anonymous=True"):
        KerberosXMLRPCServer(krb_realm, anonymous=True)
    with pytest.raises(ValueError, match="sessions=True"):
        KerberosXMLRPCServer(krb_realm, sessions=True, login_path="/login")


# -- calls and requests -----------------------------------------------------------------------------------------------


def test_it_serves_what_the_standard_library_dispatches(krb_server, krb_user):
    class Hub:
        def whoami(self):
            return caller()

        def nothing(self, value):
            """Give it back."""
            return value

        def fail(self):
            raise Fault(7, "seven")

    krb_server.register_instance(Hub())
    krb_server.register_introspection_functions()
    krb_server.register_multicall_functions()
    with call(krb_server) as hub:
        assert hub.nothing(None) is None
        assert "whoami" in hub.system.listMethods() and hub.system.methodHelp("nothing") == "Give it back."
        many = MultiCall(hub)
        many.whoami()
        many.nothing([1, "two"])
        assert list(many()) == [krb_user, [1, "two"]]
        for method, code in (("fail", 7), ("missing", 1)):
            with pytest.raises(Fault) as caught:
                getattr(hub, method)()
            assert caught.value.faultCode == code
    assert [request.method for request in krb_server.requests[-3:]] == ["system.multicall", "fail", "missing"]
    assert krb_server.connections == 1


def test_types_as_they_were_asked_for(krb_serve):
    for built_in in (False, True):
        server = krb_serve(use_builtin_types=built_in, allow_none=built_in)
        server.register_function(lambda value: type(value).__name__, "kind")
        server.register_function(lambda: None, "nothing")
        with call(server) as hub:
            assert hub.kind(b"bytes") == ("bytes" if built_in else "Binary")
            if built_in:
                assert hub.nothing() is None
            else:
                with pytest.raises(Fault, match="cannot marshal None"):
                    hub.nothing()


def test_bodies_may_be_compressed(krb_server):
    krb_server.register_function(lambda text: text, "echo")
    text = "compresses well " * 1000
    body = gzip.compress(dumps((text,), "echo").encode())
    headers = {"Content_Encoding": "gzip", "Accept_Encoding": "gzip", "Authorization": ticket()}
    status, headers, content = ask(krb_server, body=body, **headers)
    assert (status, headers["Content-Encoding"]) == (200, "gzip") and len(content) < len(text)
    assert loads(gzip.decompress(content))[0] == (text,)


def test_a_request_that_is_refused_leaves_the_connection_good(whoami):
    connection = http.client.HTTPSConnection("localhost", whoami.port, context=whoami.context, timeout=DEADLINE)
    with closing(connection):
        for path, verb, authorized, status in [
            ("/elsewhere", "POST", True, 404),
            ("/xmlrpc", "POST", False, 401),
            ("/xmlrpc", "GET", False, 401),
            ("/xmlrpc", "GET", True, 405),
            ("/elsewhere", "GET", False, 404),
            ("/xmlrpc?query=1", "POST", True, 200),
        ]:
            headers = {"Authorization": ticket()} if authorized else {}
            assert ask(whoami, path, verb=verb, connection=connection, **headers)[0] == status
    assert whoami.connections == 1
    assert [request.path for request in whoami.requests][-1] == "/xmlrpc?query=1"


@pytest.mark.parametrize(
    "headers",
    [
        {"Transfer-Encoding": "chunked"},
        {"Transfer-Encoding": "chunked", "Content-Length": "3"},
        {"Content-Length": "three"},
        {"Content-Length": "-1"},
        {},
    ],
)
def test_a_body_of_unknown_length_is_not_waited_for(whoami, headers):
    connection = http.client.HTTPSConnection("localhost", whoami.port, context=whoami.context, timeout=DEADLINE)
    with closing(connection):
        connection.putrequest("POST", "/xmlrpc")
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 411
    assert whoami.requests == [Logged("/xmlrpc", None, None, 411, "none")]


@pytest.mark.parametrize(
    "line, headers, status",
    [
        ("PUT /xmlrpc HTTP/1.1", "", b"501"),
        ("POST /xmlrpc HTTP/1.1", "Authorization: Negotiate " + "A" * 65536 + "\r\n", b"431"),
        ("POST /xmlrpc HTTP/1.1", "Content-Length: 0\r\nConnection: close\r\nExpect: 100-continue\r\n", b"100"),
        ("POST /xmlrpc HTTP/9.1", "", None),  # as before HTTP/1.0 there were neither statuses nor headers
        ("POST /" + "x" * 65536, "", None),
        ("nonsense", "", None),
    ],
)
@pytest.mark.parametrize("earlier", [0, 1])
def test_an_early_refusal_has_no_data_of_an_earlier_request(krb_serve, line, headers, status, earlier):
    server = krb_serve(sessions=True)
    server.register_function(caller, "whoami")
    connection = http.client.HTTPSConnection("localhost", server.port, context=server.context, timeout=DEADLINE)
    with closing(connection):
        connection.connect()
        for _ in range(earlier):
            assert ask(server, connection=connection, Authorization=ticket())[1]["Set-Cookie"]
        connection.sock.sendall(f"{line}\r\n{headers}\r\n".encode())
        reply = b"".join(iter(lambda: connection.sock.recv(65536), b""))
    assert reply.split(b" ")[1] == status if status else b"Error code: " in reply
    assert b"Negotiate " not in reply and b"Set-Cookie" not in reply
    assert server.requests[earlier:][-1].user is None


# -- sessions ---------------------------------------------------------------------------------------------------------


def told(server):
    """Return what has been asked of a server: ``["200 ticket", …]``."""
    return [f"{request.status} {request.credentials}" for request in server.requests]


def test_sessions(krb_serve, krb_user):
    server = krb_serve(sessions=True)
    server.register_function(caller, "whoami")
    with call(server) as hub:
        assert [hub.whoami() for _ in range(3)] == [krb_user] * 3
        assert told(server) == ["200 ticket", "200 cookie", "200 cookie"]
        server.end_sessions()
        assert [hub.whoami() for _ in range(2)] == [krb_user] * 2
        assert told(server)[3:] == ["401 cookie", "200 ticket", "200 cookie"]
    _, headers, _ = ask(server, Authorization=ticket())
    value, *attributes = headers["Set-Cookie"].split("; ")
    assert attributes == ["Path=/xmlrpc", "HttpOnly", "Secure"]
    assert ask(server, Cookie=value)[0] == 200
    for wrong in ("session=", "session=" + "0" * 64, "other=1", "=;=,", value + "0"):
        assert ask(server, Cookie=wrong)[0] == 401
    assert ask(server)[1]["Set-Cookie"] is None
    assert "session" not in repr(server.requests)


def test_without_sessions_there_are_no_cookies(whoami):
    assert ask(whoami, Authorization=ticket())[1]["Set-Cookie"] is None


def test_a_login_page(krb_serve, krb_user):
    server = krb_serve(login_path="/login")
    server.register_function(caller, "whoami")
    with call(server, login_path="/login") as hub:
        assert [hub.whoami() for _ in range(2)] == [krb_user] * 2
        assert told(server) == ["200 ticket", "200 cookie", "200 cookie"]
        assert [request.path for request in server.requests] == ["/login", "/xmlrpc", "/xmlrpc"]
        assert [request.method for request in server.requests] == [None, "whoami", "whoami"]
        server.end_sessions()
        assert hub.whoami() == krb_user
        assert told(server)[3:] == ["401 cookie", "200 ticket", "200 cookie"]
    with call(server) as hub, pytest.raises(NegotiateNotOffered):
        hub.whoami()
    status, headers, _ = ask(server, "/login", verb="GET")
    assert (status, headers["WWW-Authenticate"]) == (401, "Negotiate")
    status, headers, _ = ask(server)
    assert (status, headers["WWW-Authenticate"]) == (401, None)
    value = ask(server, "/login", verb="GET", Authorization=ticket())[1]["Set-Cookie"].partition(";")[0]
    assert ask(server, "/login", verb="GET", Cookie=value)[0] == 401  # a session is no ticket


def test_a_hub_may_leave_authentication_to_its_methods(krb_serve, krb_user):
    server = krb_serve(login_path="/login", anonymous=True)

    def whoami():
        if caller() is None:
            raise Fault(1, "PermissionDenied: Login required.")
        return caller()

    server.register_function(whoami)
    with call(server, mutual_authentication="disabled") as hub, pytest.raises(Fault, match="Login required"):
        hub.whoami()
    with call(server, login_path="/login") as hub:
        assert hub.whoami() == krb_user
    assert [request.user for request in server.requests] == [None, krb_user, krb_user]
    assert ask(server, "/login", verb="GET")[0] == 401  # the page is for tickets all the same


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure, kind, ran, status",
    [
        (Failure.NO_TOKEN, MutualAuthenticationError, 1, 200),
        (Failure.BAD_TOKEN, MutualAuthenticationError, 1, 200),
        (Failure.UNAUTHORIZED, AuthenticationRejected, 0, 401),
        (Failure.UNAVAILABLE, UnexpectedStatus, 0, 503),
        (Failure.HTML, InvalidResponse, 0, 200),
        (Failure.DROPPED_BEFORE, CallOutcomeUnknown, 0, None),
        (Failure.DROPPED_AFTER, CallOutcomeUnknown, 1, None),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_failures(krb_server, krb_user, failure, kind, ran, status):
    runs = []
    krb_server.register_function(lambda: runs.append(caller()), "run")
    with call(krb_server) as hub:
        hub.run()
        krb_server.fail_next(failure, 2 if failure is Failure.UNAUTHORIZED else 1)
        with pytest.raises(kind):
            hub.run()
        assert len(runs) == 1 + ran
        logged = krb_server.requests[-1]
        assert (logged.status, logged.method) == (status, "run" if ran else None)
        assert logged.user == (None if failure is Failure.UNAUTHORIZED else krb_user)
        hub.run()
        assert len(runs) == 2 + ran
    assert set(runs) == {krb_user}


def test_there_is_a_test_for_each_failure():
    (mark,) = test_failures.pytestmark
    assert {row[0] for row in mark.args[1]} == set(Failure)


def test_failures_come_in_order_and_only_for_admitted_requests(whoami, krb_user):
    whoami.fail_next(Failure.UNAVAILABLE, 2)
    whoami.fail_next(Failure.UNAUTHORIZED, 2)
    with call(whoami, preemptive=False) as hub:
        for status in (503, 503, 401):
            with pytest.raises(xmlrpc.client.ProtocolError) as caught:
                hub.whoami()
            assert caught.value.errcode == status
        assert hub.whoami() == krb_user
    assert told(whoami)[:2] == ["401 none", "503 ticket"]


def test_a_session_that_is_refused_once(krb_serve, krb_user):
    server = krb_serve(sessions=True)
    server.register_function(caller, "whoami")
    with call(server) as hub:
        hub.whoami()
        server.fail_next(Failure.UNAUTHORIZED)
        assert hub.whoami() == krb_user
    assert told(server) == ["200 ticket", "401 cookie", "200 ticket"]


def test_a_login_that_fails(krb_serve, krb_user):
    server = krb_serve(login_path="/login")
    server.register_function(caller, "whoami")
    with call(server, login_path="/login") as hub:
        server.fail_next(Failure.BAD_TOKEN)
        with pytest.raises(MutualAuthenticationError):
            hub.whoami()
        assert hub.whoami() == krb_user


# -- nothing is left --------------------------------------------------------------------------------------------------


def test_a_server_leaves_nothing_behind(krb_realm, krb_user, without_collector):
    files, threads = descriptors(), threading.enumerate()
    for _ in range(3):
        with KerberosXMLRPCServer(krb_realm, sessions=True) as server:
            server.register_function(caller)
            cafile, process = Path(server.cafile), acceptor_process(server)
            hub = call(server)
            assert hub.caller() == krb_user
            idle = http.client.HTTPSConnection("localhost", server.port, context=server.context)
            idle.connect()
            assert cafile.exists() and process.poll() is None
        assert not cafile.exists() and process.poll() is not None
        idle.close()
        hub("close")()
    assert threading.enumerate() == threads
    assert len(descriptors()) == len(files)


def test_ctrl_c_is_for_the_tests(krb_server):
    assert os.getpgid(acceptor_process(krb_server).pid) != os.getpgrp()


def test_a_server_that_cannot_start_leaves_nothing_behind(krb_realm, monkeypatch, tmp_path, without_collector):
    files, threads = descriptors(), threading.enumerate()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(FileNotFoundError), KerberosXMLRPCServer(krb_realm):
        pass
    assert list(tmp_path.iterdir()) == [] and threading.enumerate() == threads
    assert len(descriptors()) == len(files)


def test_what_accepts_tickets_ends_with_who_asks_it(krb_realm):
    process = start_acceptor(krb_realm.environment)
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    process.stdout.close()


# -- as somebody else uses it -----------------------------------------------------------------------------------------

CONFTEST = 'pytest_plugins = ["krbxmlrpc.testing.fixtures"]\n'
CLIENT_TESTS = """
import os
from xmlrpc.client import ServerProxy

import pytest

from krbxmlrpc import CallOutcomeUnknown, KerberosTransport
from krbxmlrpc.testing import Failure, caller


def connect(server, **arguments):
    return ServerProxy(server.url(), transport=KerberosTransport(context=server.context, **arguments))


@pytest.fixture
def hub(krb_server):
    krb_server.register_function(caller, "whoami")
    with connect(krb_server) as proxy:
        yield proxy


def test_the_user(hub, krb_user):
    assert hub.whoami() == krb_user == "user@EXAMPLE.TEST"


def test_another_user_would_be_a_failure(hub):
    assert hub.whoami() == "somebody@EXAMPLE.TEST"


def test_the_request(hub, krb_server):
    hub.whoami()
    (request,) = krb_server.requests
    assert (request.method, request.status, request.credentials) == ("whoami", 200, "ticket")


def test_a_lost_ticket(hub, krb_realm):
    krb_realm.destroy_ticket()
    hub.whoami()


def test_a_lost_reply(hub, krb_server):
    krb_server.fail_next(Failure.DROPPED_AFTER)
    with pytest.raises(CallOutcomeUnknown):
        hub.whoami()


def test_a_reply_that_is_not_lost_would_be_a_failure(hub):
    with pytest.raises(CallOutcomeUnknown):
        hub.whoami()


def test_sessions(krb_serve, krb_user):
    server = krb_serve(sessions=True)
    server.register_function(caller, "whoami")
    with connect(server) as hub:
        assert [hub.whoami(), hub.whoami()] == [krb_user] * 2
    assert [request.credentials for request in server.requests] == ["ticket", "cookie"]


def test_what_is_not_registered(hub):
    hub.missing()


def test_the_environment_is_as_it_was():
    assert "KRB5CCNAME" not in os.environ
"""
FAILING = {
    "test_another_user_would_be_a_failure": "AssertionError",
    "test_a_lost_ticket": "NoCredentials",
    "test_a_reply_that_is_not_lost_would_be_a_failure": "DID NOT RAISE",
    "test_what_is_not_registered": "Fault",
}


def run_client_tests(folder, *prefix, python=sys.executable, **environment):
    """Run the tests of a client's author, and look for what they have left; return what was printed."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_client.py").write_text(CLIENT_TESTS)
    temporary = folder / "temporary"
    temporary.mkdir()
    for path in (folder, temporary):
        path.chmod(0o777)
    own = {name: value for name, value in os.environ.items() if not name.startswith("KRB5")}
    own.update(TMPDIR=str(temporary), HOME=str(folder), PYTHONDONTWRITEBYTECODE="1", **environment)
    command = [*prefix, python, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-rf", str(folder)]
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=10 * DEADLINE)
    assert list(temporary.iterdir()) == []
    assert processes_of(temporary) == []
    assert done.returncode == 1 and done.stderr == "", done.stdout + done.stderr
    return done.stdout


def processes_of(folder):
    """Return the processes that have this folder as TMPDIR in their environment."""
    return processes_with(f"TMPDIR={folder}")


def processes_with(variable):
    """Return the processes that have this variable, ``NAME=value``, in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            pass  # it has ended, or is none of ours
    return found


def check_outcome(printed):
    failed = {line.split("::")[1].split(" ")[0]: line for line in printed.splitlines() if line.startswith("FAILED")}
    assert set(failed) == set(FAILING), printed
    for name, why in FAILING.items():
        assert why in failed[name] or why in printed.partition(f"_ {name} _")[2].partition("\n____")[0]
    assert f"{len(FAILING)} failed, {CLIENT_TESTS.count('def test_') - len(FAILING)} passed" in printed


def test_a_test_suite_of_somebody_else(tmp_path):
    check_outcome(run_client_tests(tmp_path))


def test_processes_of_a_folder_are_found(tmp_path):
    own = {"TMPDIR": str(tmp_path)}
    child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=own)
    child.stdin.write(b".")
    assert child.stdout.read(1) == b"."  # only now is it certain that /proc has its environment
    assert processes_of(tmp_path) == [str(child.pid)]
    child.communicate()
    assert processes_of(tmp_path) == []


MODULES = os.pathsep.join([str(ROOT), *[path for path in sys.path if "site-packages" in path]])


def python_of_nobody():
    """Return a Python like this one that an unprivileged user can run, and what takes him for that user.

    He has to be able to read what it imports, too.
    """
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return None
    script = "import krbxmlrpc.testing, os, pytest, sys\n"
    script += "print(sys.version_info[:2], os.access(sys.executable, os.X_OK))"
    for python in (sys.executable, "/usr/bin/python3"):
        own = {**os.environ, "PYTHONPATH": MODULES}
        done = subprocess.run([*prefix, python, "-c", script], cwd="/", env=own, capture_output=True, text=True)
        if done.returncode == 0 and done.stdout == f"{sys.version_info[:2]} True\n":
            return prefix, python
    return None


def test_a_test_suite_of_an_unprivileged_user():
    found = python_of_nobody()
    if found is None:
        pytest.skip("not root, so all the tests are an unprivileged user's; or such a user cannot read what they need")
    prefix, python = found
    folder = Path(subprocess.run(["mktemp", "-d"], check=True, capture_output=True, text=True).stdout.strip())
    try:
        check_outcome(run_client_tests(folder, *prefix, python=python, PYTHONPATH=MODULES))
    finally:
        shutil.rmtree(folder)


# -- python -m krbxmlrpc.testing --------------------------------------------------------------------------------------


@contextmanager
def playground(folder, *options):
    """Run a realm and a hub to play with. The value is the process, its exports and the path of what it says."""
    own, path = {**os.environ, "TMPDIR": str(folder)}, folder.parent / f"{folder.name}.said"
    command = [sys.executable, "-m", "krbxmlrpc.testing", *options]
    with open(path, "w") as said:
        # In a group of its own, so that a signal can reach the whole group, as Ctrl-C does.
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=own, start_new_session=True
        )
    try:
        exports = {}
        while "HUB_CA" not in exports:
            export, line = shlex.split(running.stdout.readline())
            assert export == "export"
            name, _, exports[name] = line.partition("=")
        yield running, exports, path
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize(
    "options", [[], ["--sessions"], ["--login-path", "/login"]], ids=lambda options: "".join(options)
)
def test_a_realm_and_a_hub_to_play_with(tmp_path, options):
    with playground(tmp_path, *options) as (running, exports, said):
        while "Ctrl-C" not in said.read_text():
            assert running.poll() is None, said.read_text()
        (command,) = re.findall("krbxmlrpc call .*", said.read_text())
        shell = f'set -eu; krbxmlrpc() {{ "$PYTHON" -m krbxmlrpc "$@"; }}; {command}'
        own = {**os.environ, **exports, "PYTHON": sys.executable}
        done = subprocess.run(["sh", "-c", shell], env=own, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, '"user@EXAMPLE.TEST"\n', "")
        done = subprocess.run(
            ["sh", "-c", shell.replace("whoami", "add 40 2")], env=own, capture_output=True, text=True
        )
        assert done.stdout == "42\n"
        (password,) = re.findall(r"the password is (\S+)\)", said.read_text())
        subprocess.run(["kinit", "user"], input=f"{password}\n", check=True, env=own, capture_output=True, text=True)
        if not options:
            listing = subprocess.run(
                ["sh", "-c", shell.replace("call", "list")], env=own, capture_output=True, text=True
            )
            assert "Return the principal of the caller." in listing.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_realm_to_play_with(tmp_path, number):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup makes a process, and its children, ignore SIGHUP
    with playground(tmp_path) as (running, exports, said):
        signal.signal(signal.SIGHUP, before)
        variable = f"KRB5_CONFIG={exports['KRB5_CONFIG']}"
        assert len(processes_with(variable)) == 2  # the KDC, and the process that accepts the hub's tickets
        assert os.path.exists(exports["KRB5_CONFIG"]) and os.path.exists(exports["HUB_CA"])
        os.killpg(running.pid, number)
        printed, _ = running.communicate(timeout=DEADLINE)
        assert (running.returncode, printed) == (0, "")
    assert "Traceback" not in said.read_text()
    assert processes_with(variable) == processes_of(tmp_path) == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("repeated", range(3))
def test_a_signal_while_a_realm_to_play_with_starts(tmp_path, repeated):
    command = [sys.executable, "-m", "krbxmlrpc.testing"]
    own = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own) as running:
        while not list(tmp_path.iterdir()):  # the realm's folder comes first
            assert running.poll() is None
        for _ in range(5):
            running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=DEADLINE)
    assert running.returncode == 0 and "Traceback" not in said
    assert processes_of(tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_programs_for_a_realm_to_play_with_are_missing(monkeypatch):
    require_program(monkeypatch, "/usr/sbin/krb5-not-there")
    with pytest.raises(SystemExit, match=r"python -m krbxmlrpc\.testing: missing: krb5-not-there\. As root, install"):
        playing.main([])
