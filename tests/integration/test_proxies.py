"""Proxies: which one is used, what it is told, and what comes of one that refuses, misbehaves or breaks."""

import base64
import logging
import re
import select
import socket
import struct
import threading
import weakref
from urllib.parse import quote
from xmlrpc.client import ServerProxy

import gssapi
import pytest
from helpers import DEADLINE, in_threads
from internals import (
    MAX_LEGS,
    TUNNEL_DIAL,
    TUNNEL_NEGOTIATE,
    ProxyWire,
    idle_connections,
    idle_connections_of,
    use_tickets_of,
)
from servers import squid as squids
from servers.scripted import ScriptedServer, accept, hang_up, honest, message, say, values
from servers.scripted_proxy import OPENED, Tunnel, admit, ask
from servers.two_leg_acceptor import TwoLegs, gssapi_answers, second_leg
from wrong_proxies import NOT_SPOKEN, WRONG

from krbxmlrpc import (
    CallOutcomeUnknown,
    CertificateRejected,
    HostUnknown,
    InsecureKerberosTransport,
    KDCUnreachable,
    KerberosTicket,
    KerberosTransport,
    MutualAuthenticationError,
    ProxyRefused,
    ServerUnreachable,
    ServiceUnknown,
    UnexpectedStatus,
)
from krbxmlrpc.testing.loopback import Hangup

pytestmark = pytest.mark.usefixtures("library")

CREDENTIALS = f"{quote(squids.USER, safe='')}:{quote(squids.PASSWORD, safe='')}@"


@pytest.fixture(autouse=True)
def environment(user, monkeypatch):
    """Clear the environment of proxies; give what sets its variables."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.delenv(variable, raising=False)
    return monkeypatch.setenv


@pytest.fixture
def proxy():
    """A scripted server without TLS, to be a proxy; a request beyond its script it answers by nonsense."""
    with ScriptedServer(None) as started:
        yield started


@pytest.fixture
def through(proxy, call_server):
    """Open a proxy of XML-RPC for the scripted server, through the scripted proxy."""

    def open_proxy(credentials="", host="localhost", **arguments):
        return call_server(proxy=f"http://{credentials}{host}:{proxy.port}", **arguments)

    return open_proxy


@pytest.fixture
def dialled(monkeypatch):
    """All sockets that were connected to proxies."""
    sockets = []
    dial = getattr(*TUNNEL_DIAL)

    def record(self, *arguments):
        sockets.append(dial(self, *arguments))
        return sockets[-1]

    monkeypatch.setattr(*TUNNEL_DIAL, record)
    return sockets


# -- which proxy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proxy", [row[0] for row in WRONG[1:] if "\udcff" not in row[0]] + NOT_SPOKEN)
def test_a_wrong_variable_is_named_when_it_is_needed(environment, call_server, server, proxy):
    made = call_server()
    environment("https_proxy", proxy)
    with pytest.raises(ValueError, match=r"^https_proxy \(or HTTPS_PROXY\) of the environment is .*accepted") as caught:
        made.method()
    assert "secret" not in str(caught.value)
    environment("no_proxy", "localhost")
    assert made.method() == "an honest answer"


# -- a real proxy -----------------------------------------------------------------------------------------------------


def logged(proxy, squid, count):
    """Close the idle connection; return what Squid has logged of it, so many lines at least."""
    (connection,) = idle_connections(proxy)
    port = connection.sock.getsockname()[1]
    proxy("close")()
    return squid.logged(port, count)


@pytest.mark.parametrize(
    "listener, credentials, known_as",
    [("open", "", "-"), ("known", "", "user@EXAMPLE.TEST"), ("known", CREDENTIALS, "us%25er@x")],
    ids=["open", "ticket", "password"],
)
def test_all_calls_go_through_one_tunnel(call_hub, hub, squid, user, case, listener, credentials, known_as):
    proxy = call_hub(proxy=squid.url(listener, credentials))
    assert [proxy.whoami() for _ in range(5)] == [user] * 5
    assert proxy("transport").principal == user
    assert [line.earlier for line in hub.logged(case, 5)] == [0, 1, 2, 3, 4]
    target = f"CONNECT localhost:{hub.ports['https']}"
    expected = [*[("-", 407, target)] * (known_as == user), (known_as, 200, target)]
    assert logged(proxy, squid, len(expected)) == expected


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("path", ["/xmlrpc", "/session"])
def test_tickets_and_sessions_through_a_proxy(call_hub, hub, squid, user, case, path, mechanism):
    proxy = call_hub(path, proxy=squid.url("known"), mechanism=mechanism)
    assert in_threads(*[proxy.whoami] * 3) == [user] * 3
    assert proxy.whoami() == user
    proxy("close")()
    assert proxy.whoami() == user
    assert {line.status for line in hub.logged(case, 5)} == {200}


def test_the_environment_leads_through_a_proxy(call_hub, squid, user, environment):
    environment("https_proxy", squid.url("known", CREDENTIALS))
    proxy = call_hub()
    assert proxy.whoami() == user
    assert [line.status for line in logged(proxy, squid, 1)] == [200]


def test_plain_http_goes_through_a_tunnel_too(call_hub, hub, squid, user):
    proxy = call_hub(listener="http", transport=InsecureKerberosTransport, proxy=squid.url("known"))
    assert [proxy.whoami(), proxy.whoami()] == [user, user]
    assert [line.status for line in logged(proxy, squid, 2)] == [407, 200]


def test_the_proxy_resolves_the_name_of_the_server(call_hub, hub, squid, user, monkeypatch):
    resolve = socket.getaddrinfo
    asked = []

    def record(host, *arguments, **options):
        asked.append(host)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    proxy = call_hub(host="LocalHost.", proxy=squid.url("open"))
    assert proxy.whoami() == user
    assert set(asked) == {squid.host}
    assert logged(proxy, squid, 1)[0].request == f"CONNECT localhost:{hub.ports['https']}"


def test_a_wrong_certificate_is_refused_through_a_proxy_too(call_hub, hub, squid):
    where = f"{squid.host}:{squid.ports['open']}"
    with pytest.raises(CertificateRejected, match=f"of localhost:.* through the proxy {where} is not accepted"):
        call_hub(listener="othername", proxy=squid.url("open")).whoami()


@pytest.mark.row("a wrong password for the proxy")
@pytest.mark.parametrize("credentials", ["user:wr0ng@", "us%25er%40x:wr0ng@"])
def test_a_wrong_password(call_hub, trouble, squid, credentials):
    error = trouble(call_hub(proxy=squid.url("known", credentials)).whoami)
    assert (error.status, error.schemes) == (407, ("negotiate", "basic"))
    assert error.proxy == f"{squid.host}:{squid.ports['known']}" and error.host == "localhost"
    assert "wr0ng" not in str(error)


@pytest.mark.row("a proxy whose rules forbid it")
def test_a_proxy_whose_rules_refuse(call_hub, trouble, squid):
    error = trouble(call_hub(proxy=squid.url("closed")).whoami)
    assert re.search("answered 403 Forbidden; localhost:.* was not reached", error.message)
    assert error.schemes == ()


@pytest.mark.row("a server that the proxy cannot reach")
def test_a_server_that_the_proxy_cannot_reach(trouble, squid, call_server, ca):
    with ScriptedServer(ca) as gone:
        pass
    transport = KerberosTransport(proxy=squid.url("open"))
    error = trouble(ServerProxy(gone.url(), transport=transport).method)
    assert re.search(f" answered 503 .*cannot connect to localhost:{gone.port}", error.message)


# -- a proxy of our own -----------------------------------------------------------------------------------------------


def in_turn(*answers):
    """Give several answers to one request."""

    def answer(request, send):
        for each in answers:
            each(request, send)

    return answer


def tunnel_to_nowhere(end):
    """Say that the tunnel is open, and end the connection."""
    return in_turn(say(OPENED), end)


def reset(request, send):
    request.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Hangup


def test_proxy_and_server_each_see_only_their_own_ticket(proxy, through, server):
    tunnel = Tunnel()
    proxy.play(ask("Negotiate"), admit(tunnel))
    calling = through(headers=[("X-Name", "value")])
    server.play(honest(headers=[("Set-Cookie", "session=hidden; Path=/")]), say(message(body=values())))
    assert [calling.method(), calling.method()] == ["an honest answer"] * 2
    asked, admitted = proxy.requests
    assert sorted(asked.headers.items()) == [("Host", f"localhost:{server.port}")]
    assert sorted(name for name, _ in admitted.headers.items()) == ["Host", "Proxy-Authorization"]
    assert asked.line == admitted.line == f"CONNECT localhost:{server.port} HTTP/1.1"
    assert tunnel.seen["client"][:3] == b"\x16\x03\x01" and tunnel.seen["server"][:3] == b"\x16\x03\x03"  # TLS
    calls = server.requests
    assert [call.headers["Cookie"] for call in calls] == [None, "session=hidden"]
    assert not any("Proxy-Authorization" in call.headers for call in calls)
    for secret in (calls[0].token, "hidden", "Negotiate", "Authorization"):
        assert secret.encode() not in tunnel.seen["client"] + tunnel.seen["server"]
    assert admitted.token != calls[0].token


@pytest.mark.parametrize("credentials", ["", "user:password@"])
def test_proxy_credentials_go_only_with_the_connect_request(proxy, through, server, credentials):
    proxy.play(Tunnel())
    assert through(credentials).method() == "an honest answer"
    (asked,) = proxy.requests
    assert asked.headers["Proxy-Authorization"] == ("Basic dXNlcjpwYXNzd29yZA==" if credentials else None)
    assert server.requests[0].headers["Proxy-Authorization"] is None


def test_the_ticket_for_the_proxy_is_never_delegated(proxy, through, server):
    """That for the server is, where it was asked for."""
    delegated = []

    def look(request, send):
        context = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept"), usage="accept")
        context.step(base64.b64decode(request.token))
        delegated.append(context.delegated_creds is not None)
        return (Tunnel() if request.line.startswith("CONNECT ") else hang_up)(request, send)

    proxy.play(ask("Negotiate"), look)
    server.play(look)
    with pytest.raises(CallOutcomeUnknown):
        through(delegate=True).method()
    assert delegated == [False, True]


def to_proxy(answer):
    """Say what an acceptor of a server says as one of a proxy."""

    def answer_as_proxy(request, send):
        def send_as_proxy(data):
            send(data.replace(b"HTTP/1.1 401", b"HTTP/1.1 407").replace(b"WWW-Auth", b"Proxy-Auth"))

        answer(request, send_as_proxy)

    return answer_as_proxy


@pytest.mark.parametrize("offer", ["Negotiate", 'Basic realm="a, Negotiate b", Negotiate'])
def test_an_exchange_in_several_legs_stays_on_one_connection(proxy, through, server, offer):
    acceptor = TwoLegs()

    def second(request, send):
        acceptor.second(request, lambda data: None)  # raises where the client's checksum is not right
        Tunnel()(request, send)

    proxy.play(ask(offer), to_proxy(acceptor.first), second)
    with second_leg(ProxyRefused):
        assert through().method() == "an honest answer"
    sent = 3 if gssapi_answers() else 2
    assert [request.connection for request in proxy.requests] == [0] * sent
    assert len({request.token for request in proxy.requests}) == sent


def test_a_leg_needs_the_connection_it_began_on(proxy, through, server):
    def close(request, send):
        to_proxy(TwoLegs().first)(request, lambda data: send(data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)))
        raise Hangup

    proxy.play(ask("Negotiate"), close)
    with pytest.raises(ProxyRefused, match="connection ended between two legs"):
        through().method()
    assert len(proxy.requests) == 2


def test_every_leg_has_to_be_honest(proxy, through, server):
    def alter(token):
        return token[:-1] + bytes([token[-1] ^ 1])

    proxy.play(ask("Negotiate"), to_proxy(TwoLegs(alter).first))
    why = "GSSAPI refuses" if gssapi_answers() else "GSSAPI makes none"
    with pytest.raises(ProxyRefused, match=f"407 .* to a ticket for HTTP/localhost@EXAMPLE.TEST .*{why}") as caught:
        through().method()
    assert (caught.value.major is not None) == gssapi_answers()
    assert len(proxy.requests) == 2


class Interrupted(KerberosTicket):
    """A ticket during whose second leg the user presses Ctrl-C."""

    def answer_token(self, token):
        raise KeyboardInterrupt


def test_an_interrupted_exchange_gives_up_its_connection(proxy, through, server, dialled, monkeypatch):
    proxy.play(ask("Negotiate"), to_proxy(TwoLegs().first), ask("Negotiate"), admit(Tunnel()))
    use_tickets_of(monkeypatch, Interrupted)
    call = through().method
    with pytest.raises(KeyboardInterrupt):
        call()
    assert [sock.fileno() for sock in dialled] == [-1]
    assert call() == "an honest answer"
    assert [request.connection for request in proxy.requests] == [0, 0, 1, 1]


def test_a_ticket_that_is_accepted_and_yet_not_let_through(proxy, through, server):
    proxy.play(ask("Negotiate"), to_proxy(honest(status=401)))
    with pytest.raises(ProxyRefused, match="it accepted the ticket, and does not let its owner pass"):
        through().method()


class Tireless(KerberosTicket):
    """Answers every challenge, with a new ticket."""

    def answer_token(self, token):
        self.auth_header = KerberosTicket(self.service).auth_header
        return True


def test_legs_that_never_end(proxy, through, server, monkeypatch):
    use_tickets_of(monkeypatch, Tireless)
    proxy.play(*[ask("Negotiate oQcwBaADCgEB")] * 20)
    with pytest.raises(ProxyRefused, match=f"goes on after {MAX_LEGS} requests"):
        through().method()
    assert len(proxy.requests) == 1 + MAX_LEGS


CLOSED = [
    ask("Negotiate", headers=[("Connection", "close")]),
    in_turn(ask("Negotiate", headers=[("Connection", "close")]), hang_up),
    in_turn(ask("Negotiate"), hang_up),
    say(message(407, [("Proxy-Authenticate", "Negotiate")], b"more than is worth reading" * 5000)),
    in_turn(say(b"HTTP/1.0 407 Who?\r\nProxy-Authenticate: Negotiate\r\n\r\n"), hang_up),
]


@pytest.mark.parametrize("asked", CLOSED)
def test_a_proxy_may_close_the_connection_with_its_challenge(proxy, through, server, asked):
    proxy.play(asked, admit(Tunnel()))
    assert through().method() == "an honest answer"
    assert proxy.connections == 2


def test_a_proxy_that_closes_every_connection_is_given_up(proxy, through, server):
    for asked, requests in ((CLOSED[0], 2), (ask("Negotiate"), 3)):
        before = proxy.connections, len(proxy.requests)
        proxy.play(asked, *[hang_up] * 20)
        with pytest.raises(ServerUnreachable, match="closed without a reply"):
            through().method()
        assert proxy.connections == before[0] + 2
        tokens = [request.token for request in proxy.requests[before[1] :]]
        assert tokens[0] is None and len(tokens) == len(set(tokens)) == requests


@pytest.mark.parametrize(
    "reply",
    [
        OPENED,
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 204 Nothing\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\n\n",
        b"HTTP/1.1 200 OK\r\nProxy-Authenticate: Negotiate oQcwBaADCgEA\r\nKeep-Alive: timeout=0\r\n\r\n",
    ],
)
def test_the_tunnel_begins_behind_the_head_whatever_that_says(proxy, through, server, reply):
    proxy.play(*[Tunnel(reply)] * 2)
    calling = through()
    assert [calling.method(), calling.method()] == ["an honest answer"] * 2
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("good", [True, False])
def test_a_token_that_comes_with_the_tunnel_is_verified(proxy, through, server, good):
    def admit_with_proof(request, send):
        proof = accept(request.token) if good else "oQcwBaADCgEA"
        Tunnel(f"HTTP/1.1 200 OK\r\nProxy-Authenticate: Negotiate {proof}\r\n\r\n".encode())(request, send)

    proxy.play(ask("Negotiate"), admit_with_proof)
    if good:
        assert through().method() == "an honest answer"
    else:
        with pytest.raises(MutualAuthenticationError, match="the proxy .* has not proved that it is HTTP/localhost@"):
            through().method()
        assert server.requests == []


# Other ways to write 127.0.0.1.
@pytest.mark.parametrize("host, kind", [("2130706433", ServiceUnknown), ("127.1", KDCUnreachable)])
def test_there_is_no_ticket_for_the_proxy(proxy, through, server, dialled, host, kind):
    proxy.play(ask("Negotiate"))
    words = f"^the proxy {host}:{proxy.port} asks for Negotiate: no ticket for HTTP/"
    with pytest.raises(kind, match=words) as caught:
        through(host=host).method()
    assert (caught.value.host, caught.value.service) == (host, f"HTTP@{host}")
    assert "proxy=" in caught.value.hint and "service=" not in caught.value.hint
    assert [sock.fileno() for sock in dialled] == [-1]


def test_407_from_the_server_is_just_another_status(proxy, through, server):
    proxy.play(Tunnel())
    server.play(say(message(407, [("Proxy-Authenticate", "Negotiate")])))
    with pytest.raises(UnexpectedStatus, match="answered 407") as caught:
        through().method()
    assert caught.value.errcode == 407
    assert len(proxy.requests) == len(server.requests) == 1


# -- a proxy that refuses ---------------------------------------------------------------------------------------------

PAGE = b"<html>s3cret</html>"


@pytest.mark.parametrize(
    "answer, status, schemes, words",
    [
        (say(message(301, [("Location", "http://s3cret/")], PAGE)), 301, (), "check that this is an HTTP proxy"),
        (say(message(400, body=PAGE)), 400, (), "400 Bad Request; localhost"),
        (say(message(401, [("WWW-Authenticate", "Negotiate")], PAGE)), 401, (), "check that this is an HTTP proxy"),
        (say(message(403, body=PAGE)), 403, (), "rules allow CONNECT"),
        (say(message(405, body=PAGE)), 405, (), "rules allow CONNECT"),
        (say(message(499, body=PAGE)), 499, (), "answered 499; localhost"),
        (ask('Basic realm="s3cret"'), 407, ("basic",), "it offers: Basic.*put user:password@"),
        (ask('Digest realm="s3cret"', "NTLM"), 407, ("digest", "ntlm"), "it offers: Digest, NTLM.*Negotiate.*Basic"),
        (say(message(407, body=PAGE)), 407, (), "it offers: nothing"),
        (ask("NTLM TlRMTVNTUAACAAAA"), 407, ("ntlm",), "407 Proxy Authentication Required: it wants NTLM; localhost"),
    ],
)
def test_a_refusal_says_why_and_quotes_nothing(proxy, through, server, dialled, answer, status, schemes, words):
    proxy.play(answer)
    with pytest.raises(ProxyRefused, match=words) as caught:
        through(retries=2, retry_interval=0).method()  # is not repeated
    assert (caught.value.proxy, caught.value.status) == (f"localhost:{proxy.port}", status)
    assert caught.value.schemes == schemes
    assert "s3cret" not in str(caught.value) and "so the server says" not in str(caught.value)
    assert len(proxy.requests) == 1
    assert [sock.fileno() for sock in dialled] == [-1]


@pytest.mark.row("a proxy that refuses the ticket")
def test_a_ticket_is_refused(proxy, through, trouble, server):
    proxy.play(ask("Negotiate"), ask("Negotiate", 'Basic realm="x"'))
    error = trouble(through().method)
    assert "to a ticket for HTTP/localhost@EXAMPLE.TEST" in error.message
    assert error.schemes == ("negotiate", "basic")
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("offers", [("Basic",), ("Basic", "Negotiate"), ("Negotiate oQcwBaADCgEB",)])
def test_a_password_is_refused_and_no_ticket_sent_instead(proxy, through, server, offers):
    proxy.play(ask(*offers))
    with pytest.raises(ProxyRefused, match="407 .* to user and password") as caught:
        through("user:s3cret@").method()
    assert len(proxy.requests) == 1
    assert "s3cret" not in str(caught.value)
    assert ("tickets" in caught.value.hint) == (len(offers) == 2 or "Negotiate" in offers[0])


# -- a proxy that breaks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, words",
    [
        (hang_up, "opens no tunnel to localhost:.*closed without a reply"),
        (reset, "opens no tunnel"),
        (say(b"220 mail.example ESMTP\r\n\r\n"), "not begin with an HTTP/1 status line"),
        (say(PAGE + b"\n\n"), "not begin with an HTTP/1 status line"),
        (in_turn(say(b"HTTP/1.1 200 OK\r\n"), hang_up), "ended in the middle of the head"),
        (say(b"HTTP/1.1 200 OK\r\n" + b"X: s3cret\r\n" * 300 + b"\r\n"), "more than 200 header lines"),
        (say(b"HTTP/1.1 200 OK\r\n" + b"X: s3cret\r\n" * 60_000), "head of more than"),
        (say(b"HTTP/1.1 101 Other\r\n\r\n"), "another protocol"),
        (say(b"HTTP/1.1 100 Go on\r\n\r\n" * 20), "interim replies"),
        (say(OPENED + PAGE), "data follows the reply"),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + PAGE), "data follows the reply"),
        (say(message(500, body=PAGE)), "500 Internal Server Error: it cannot connect to localhost"),
        (say(message(502, body=PAGE)), "502 Bad Gateway"),
        (say(message(503, body=PAGE)), "503 Service Unavailable"),
        (say(message(504, body=PAGE)), "504 Gateway Timeout"),
        (say(b"HTTP/1.1 999 s3cret\r\n\r\n"), "answered 999: it cannot"),
        (tunnel_to_nowhere(hang_up), "cannot set up TLS with localhost:.* through the proxy localhost:"),
        (tunnel_to_nowhere(reset), "through the proxy|opens no tunnel"),
        (tunnel_to_nowhere(lambda request, send: send(PAGE)), "cannot set up TLS|data follows"),
    ],
)
def test_what_breaks_at_the_proxy_may_be_repeated(proxy, through, server, dialled, answer, words):
    proxy.play(answer, answer)
    with pytest.raises(ServerUnreachable, match=words) as caught:
        through(retries=1, retry_interval=0).method()
    assert f"the proxy localhost:{proxy.port}" in str(caught.value) and "s3cret" not in str(caught.value)
    assert len(proxy.requests) == 2 and server.requests == []
    assert [sock.fileno() for sock in dialled] == [-1, -1]
    proxy.play(Tunnel())
    assert through().method() == "an honest answer"


@pytest.mark.parametrize("end", [hang_up, reset])
def test_a_tunnel_that_ends_before_tls_is_never_used_without(proxy, through, server, dialled, monkeypatch, end):
    """Python's ssl may leave such a socket open, or without TLS."""
    read_head = ProxyWire.read_head

    def read_and_wait(self):
        response = read_head(self)
        assert select.select([self._tunnel.sock], [], [], DEADLINE)[0]
        return response

    monkeypatch.setattr(ProxyWire, "read_head", read_and_wait)
    proxy.play(tunnel_to_nowhere(end))
    with pytest.raises(ServerUnreachable, match="cannot set up TLS with localhost:.* through the proxy"):
        through().method()
    assert [sock.fileno() for sock in dialled] == [-1]


@pytest.mark.parametrize("credentials", ["", "user:s3cret@"])
def test_a_proxy_that_hangs(proxy, through, server, credentials):
    ended = threading.Event()
    proxy.play(lambda request, send: ended.wait(DEADLINE))
    try:
        with pytest.raises(ServerUnreachable, match=f"localhost:{proxy.port} opens .*timed out.*timeout=") as caught:
            through(credentials, connect_timeout=0.1).method()
        assert "s3cret" not in str(caught.value)
    finally:
        ended.set()


@pytest.mark.parametrize("credentials", ["", "user:s3cret@"])
def test_a_proxy_that_is_not_there(ca, server, credentials):
    with ScriptedServer(None) as gone:
        pass
    transport = KerberosTransport(proxy=f"{credentials}localhost:{gone.port}")
    with pytest.raises(ServerUnreachable, match=f"cannot connect to the proxy localhost:{gone.port}: ") as caught:
        ServerProxy(server.url(), transport=transport).method()
    assert "s3cret" not in str(caught.value) and caught.value.host == "localhost"


def test_a_proxy_whose_name_is_unknown(server):
    transport = KerberosTransport(proxy="proxy.invalid:3128")
    with pytest.raises(HostUnknown, match="cannot connect to the proxy proxy.invalid:3128: ") as caught:
        ServerProxy(server.url(), transport=transport).method()
    assert isinstance(caught.value, socket.gaierror) and caught.value.host == "localhost"


# -- what is left behind, and what is shown ---------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [[], [ask("Negotiate")]], ids=["open", "Negotiate"])
def test_a_forgotten_transport_closes_its_tunnel_at_once(proxy, server, server_context, without_collector, asked):
    proxy.play(*asked, Tunnel())
    transport = KerberosTransport(context=server_context, proxy=f"localhost:{proxy.port}")
    ServerProxy(server.url(), transport=transport).method()
    (connection,) = idle_connections_of(transport)
    del transport
    assert connection.sock is None


@pytest.mark.parametrize(
    "script",
    [
        [hang_up],
        [say(message(403))],
        [say(message(503))],
        [ask("Basic")],
        [ask("Negotiate"), ask("Negotiate")],
        [ask("Negotiate"), ask("Negotiate oQcwBaADCgEB")],
        [ask("Negotiate"), ask("Negotiate no token")],
        [ask("Negotiate"), to_proxy(honest(status=401))],
        [ask("Negotiate"), say(message(200, [("Proxy-Authenticate", "Negotiate oQcwBaADCgEA")]))],
        [ask("Negotiate"), hang_up, hang_up],
        [say(OPENED + b"x")],
        [tunnel_to_nowhere(hang_up)],
    ],
)
def test_no_failure_at_a_proxy_keeps_a_transport_alive(proxy, server, server_context, without_collector, script):
    proxy.play(*script)
    transport = KerberosTransport(context=server_context, proxy=f"localhost:{proxy.port}")
    with pytest.raises((ProxyRefused, ServerUnreachable, MutualAuthenticationError)):
        ServerProxy(server.url(), transport=transport).method()
    gone = weakref.ref(transport)
    del transport
    assert gone() is None


def test_a_send_error_at_a_proxy_keeps_no_transport_alive(
    proxy, server, server_context, without_collector, monkeypatch
):
    negotiate = getattr(*TUNNEL_NEGOTIATE)

    def wait_and_negotiate(self, kept):
        assert select.select([self.sock], [], [], DEADLINE)[0]
        negotiate(self, kept)

    monkeypatch.setattr(*TUNNEL_NEGOTIATE, wait_and_negotiate)
    proxy.play(in_turn(ask("Negotiate"), reset), hang_up)
    transport = KerberosTransport(context=server_context, proxy=f"localhost:{proxy.port}")
    with pytest.raises(ServerUnreachable):
        ServerProxy(server.url(), transport=transport).method()
    gone = weakref.ref(transport)
    del transport
    assert gone() is None


@pytest.mark.parametrize("credentials", ["", CREDENTIALS])
def test_log_and_verbose_name_the_proxy_and_show_no_secrets(hub, hub_context, squid, user, caplog, capsys, credentials):
    caplog.set_level(logging.DEBUG, logger="krbxmlrpc")
    url = squid.url("known", credentials)
    where = url.rpartition("@")[2].rpartition("/")[2]
    transport = KerberosTransport(context=hub_context, proxy=url)
    with ServerProxy(hub.url(), transport=transport, verbose=True) as proxy:
        assert [proxy.whoami(), proxy.whoami()] == [user, user]
    lines = [record.getMessage() for record in caplog.records]
    statuses = ["200"] if credentials else ["407", "200"]
    target = f"localhost:{hub.ports['https']}"
    for line, status in zip(lines, statuses):
        assert line.startswith(f"CONNECT {target} by the proxy {where} {status} ") and line.endswith(" s")
    assert len(lines) == len(statuses) + 2
    printed = capsys.readouterr().out
    assert printed.count(f"proxy: {where}, CONNECT {target}: {', '.join(statuses)}\n") == 1
    shown = "".join([printed, repr(transport), *lines])
    for secret in (credentials or "Negotiate ", squids.PASSWORD, quote(squids.PASSWORD), "Basic ", "YII", "oYG"):
        assert secret not in shown
