"""Nothing secret is emitted: not in errors, tracebacks, local variables, logs, warnings, and not by ``verbose=True``.

All kinds of trouble are gone through with a transport that has many secrets, and all that it says is searched for them.
"""

import ssl
from http.cookiejar import CookieJar, LWPCookieJar, MozillaCookieJar
from xmlrpc.client import ServerProxy

import pytest
from cookie_jars import cookie
from cryptography.hazmat.primitives.asymmetric import ed25519
from internals import Secret, SecretBuffer, SecretBytes, open_connections, parts
from secret_witness import (
    COOKIE,
    HEADER,
    PARAMETER,
    PASSWORD,
    QUERY,
    QUOTED,
    REPLIES,
    SERVER_COOKIE,
    SET,
    WINDOW,
    Witness,
    garbage,
    hang_up,
)
from servers import kdc, software
from servers.channel_bindings_acceptor import Certificate
from servers.scripted import ScriptedServer, honest, message, say, values
from servers.scripted_proxy import Tunnel, admit, ask
from servers.two_leg_acceptor import TwoLegs

import krbxmlrpc
from krbxmlrpc import InsecureKerberosTransport, KerberosTransport, KerberosXMLRPCError


@pytest.fixture
def call(witness, server, server_context):
    """Make a call with all the secrets: ``call(answer, …, mechanism="krb5")``."""

    def make(*script, url=None, transport=KerberosTransport, send_cookie=True, **arguments):
        server.play(*script)
        if transport is KerberosTransport:
            arguments = {"context": server_context, "timeout": 60.0, **arguments}
        jar = CookieJar()
        jar.set_cookie(cookie("jar", COOKIE, path="/" if send_cookie else "/nowhere"))
        try:
            made = transport(**{"cookiejar": jar, "headers": [("X-Key", HEADER)], **arguments})
        except Exception as error:
            witness.note(error)
            return
        url = url or server.url(f"/hub;jsessionid={PARAMETER}/xmlrpc?key={QUERY}")
        witness.hear(lambda: ServerProxy(url, transport=made, verbose=True).method())
        for held in (*parts(made), *open_connections(made)):
            witness.text.write(repr(held))
        made.close()

    return make


ENDED = say(message(401, [("WWW-Authenticate", "Negotiate")]))
ELSEWHERE = [("Set-Cookie", f"server={SERVER_COOKIE}; Path=/elsewhere")]
BINDINGS = {"channel_bindings": "tls-server-end-point"}


def test_whatever_a_server_says(call, witness):
    for answer in REPLIES:
        for mechanism in ("spnego", "krb5"):
            call(ENDED, answer, mechanism=mechanism, max_response_bytes=20_000)
    call(*[say(message(401, SET))] * 2)
    call(ENDED, honest(headers=SET), say(message(200, SET, values())), login_path="/login")
    call(ENDED, honest(headers=SET), ENDED, login_path=f"/login;jsessionid={PARAMETER}?key={QUERY}")
    call(honest(headers=ELSEWHERE), login_path="/login", send_cookie=False)
    witness.testifies(
        *(krbxmlrpc.AuthenticationRejected, krbxmlrpc.BrokenReply, krbxmlrpc.CallOutcomeUnknown),
        *(krbxmlrpc.ClockSkewRejected, krbxmlrpc.GatewayFailed, krbxmlrpc.InvalidResponse),
        krbxmlrpc.MutualAuthenticationError,
        *(krbxmlrpc.NegotiateNotOffered, krbxmlrpc.NoSession, krbxmlrpc.ResponseTooLarge),
        *(krbxmlrpc.UnexpectedStatus, krbxmlrpc.UnsafeResponse),
    )


def test_exchanges_of_several_legs(call, witness):
    for alter in (lambda token: token, lambda token: token[:-3]):
        two = TwoLegs(alter)
        call(ENDED, two.first, two.second)
    witness.testifies(krbxmlrpc.AuthenticationRejected)


def test_ways_that_lead_nowhere(call, witness, server):
    call(url="https://localhost:1/")
    call(url="http://localhost:1/", transport=InsecureKerberosTransport)
    call(url=f"https://user:{PASSWORD}@localhost:1/")
    call(url=f"https://user:{QUOTED}@localhost:1/")
    call(url=f"https://nowhere.invalid/?key={QUERY}")
    call(context=ssl.create_default_context())
    certificate = Certificate(ed25519.Ed25519PrivateKey.generate(), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificate.configure_trust(context)
    with ScriptedServer(certificate) as other:
        call(url=other.url(f"/?key={QUERY}"), context=context, send_cookie=False, **BINDINGS)
    call(ENDED, honest(), **BINDINGS)
    witness.testifies(
        *(krbxmlrpc.CertificateRejected, krbxmlrpc.HostUnknown, krbxmlrpc.ServerUnreachable),
        *(KerberosXMLRPCError, ValueError),
    )


@pytest.mark.parametrize("credentials", ["", f"user:{QUOTED}@"])
def test_proxies(call, witness, credentials):
    with ScriptedServer(None) as proxy:
        for script in (
            [Tunnel()],
            [ask("Negotiate"), admit(Tunnel())],
            [ask("Negotiate"), ask("Negotiate")],
            [ask(f'Basic realm="{SERVER_COOKIE}"')],
            [say(message(403, SET, SERVER_COOKIE.encode()))],
            [say(message(503, SET, SERVER_COOKIE.encode()))],
            [garbage],
            [hang_up],
        ):
            proxy.play(*script)
            call(ENDED, honest(), proxy=f"http://{credentials}localhost:{proxy.port}")
    call(proxy=f"http://{credentials}localhost:1")
    witness.testifies(krbxmlrpc.ProxyRefused, krbxmlrpc.ServerUnreachable)


def test_wrong_arguments(call, witness):
    call(headers=[("Authorization", PASSWORD)])
    call(headers=[("Cookie", COOKIE)])
    call(headers=[("X-Key", f"{HEADER}\r\n")])
    for scheme in ("https://", "socks5://", "http:", ""):
        call(proxy=f"{scheme}user:{PASSWORD}@proxy")
    call(proxy=f"http://us:er:{QUOTED}\0@proxy:1")
    witness.testifies(ValueError)


def test_a_wrong_environment(call, witness, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for url in ("https://user:%s@proxy:1", "http://user:%s@proxy:1", "http://user:%s@localhost:1"):
        monkeypatch.setenv("https_proxy", url % QUOTED)
        call()
    witness.testifies(ValueError, krbxmlrpc.ServerUnreachable)


def test_jars_that_cannot_be_used(call, witness, tmp_path):
    path = tmp_path / "cookies"
    for kind, head in ((MozillaCookieJar, "# Netscape HTTP Cookie File"), (LWPCookieJar, "#LWP-Cookies-2.0")):
        for line in (COOKIE, f"{COOKIE}\t1", f"Set-Cookie3: {COOKIE}"):
            path.write_text(f"{head}\n{line}\n")
            call(cookiejar=kind(str(path)))
    jar = CookieJar()
    jar.set_cookie(cookie("jar", f"{COOKIE}\r\n"))
    call(cookiejar=jar)
    witness.testifies(ValueError)


def test_troubles_with_tickets(call, witness, realm, tmp_path, monkeypatch):
    expired, other = kdc.start(clock="-2d"), kdc.start()
    try:
        for library in ({}, {"ccache": expired.ccache}):
            monkeypatch.setenv("KRB5CCNAME", expired.ccache)
            call(ENDED, **library)
        for name, value in kdc.client_environment(other).items():
            monkeypatch.setenv(name, value)
        other.stop_kdc()
        call(ENDED)
        other.start_kdc(env={**other.env, **software.other_clock("+20m")})
        call(ENDED)
    finally:
        expired.stop()
        other.stop()
    monkeypatch.setenv("KRB5_CONFIG", realm.env["KRB5_CONFIG"])
    monkeypatch.setenv("KRB5CCNAME", realm.ccache)
    call(ENDED, service="HTTP@unknown.example.test")
    call(ENDED, ccache=str(tmp_path / "none"))
    witness.testifies(
        *(krbxmlrpc.ClockSkew, krbxmlrpc.KDCUnreachable, krbxmlrpc.NoCredentials),
        *(krbxmlrpc.ServiceUnknown, krbxmlrpc.TicketExpired),
    )


def test_the_witness_would_see_variables(call, witness, monkeypatch):
    """Each kind of secret shows if the types that hide it do not."""
    for kind in (Secret, SecretBytes, SecretBuffer):
        monkeypatch.setattr(kind, "__repr__", kind.__base__.__repr__)
    two = TwoLegs()
    call(ENDED, two.first, two.second)
    call(ENDED, honest(headers=SET))
    seen = witness.locals.showing(witness.secrets)
    for place in (
        *("transport.py:send_request:cookies", "transport.py:send_request:lines", "transport.py:send_request:handler"),
        *(
            "transport.py:send_headers:value",
            "connection.py:endheaders:head",
            "connection.py:send:data",
            "ssl.py:send:data",
        ),
        *("response.py:_read_head:fields", "response.py:_split_lines:head", "response.py:parse_fields:lines"),
        *("exchange.py:_judge:negotiate", "exchange.py:_judge:values", "exchange.py:_learn:lines"),
        *(
            "ticket.py:_answer:data",
            "ticket.py:_verify:token",
            "cookies.py:_prepare:header",
            "set_cookie.py:readable:pair",
        ),
    ):
        assert place in seen


def test_every_error_has_been_looked_at():
    """Each test names those that it provokes: together they have to be all."""
    kinds = [kind for kind in vars(krbxmlrpc).values() if isinstance(kind, type)]
    assert Witness.testified >= {kind for kind in kinds if issubclass(kind, KerberosXMLRPCError)}


def test_the_witness_would_notice(call, witness):
    """What the parts of the library emit is heard, and what is secret is known."""
    call(ENDED, honest(headers=SET))
    for part in (
        "send: POST /hub/xmlrpc",
        "header: Cookie: (",
        "POST https://localhost",
        "<KerberosTransport",
        ", used>",
    ):
        assert part in witness.text.getvalue()
    assert len(witness.secrets) > 7 and all(len(secret) >= WINDOW for secret in witness.secrets)
    assert not witness.found()
    for secret in witness.secrets:
        witness.text.write(f" {secret[-WINDOW:]} ")
        assert secret in witness.found()
