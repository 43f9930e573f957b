"""Nothing secret is emitted: not in errors, tracebacks, logs, warnings and `repr`, and not by ``verbose=True``.

All kinds of trouble are gone through with a transport that has many secrets, and all that it says is searched for them.
"""

import base64
import io
import logging
import ssl
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from http.cookiejar import CookieJar, LWPCookieJar, MozillaCookieJar
from urllib.parse import quote
from xmlrpc.client import Fault, ServerProxy, dumps

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from realm import kdc, software
from realm.bound import Certificate
from realm.legs import TwoLegs
from realm.scripted import ScriptedServer, honest, message, say, values
from realm.tunnels import Tunnel, admit, ask
from test_session import cookie

import krbxmlrpc
from krbxmlrpc import InsecureKerberosTransport, KerberosTransport, KerberosXMLRPCError
from krbxmlrpc._kerberos.ticket import Ticket
from krbxmlrpc.testing.loopback import Hangup

PASSWORD = "pass/word:5ecret"
QUOTED = quote(PASSWORD, safe="")
COOKIE, SERVER_COOKIE = "5ecret-cookie-of-the-jar", "5ecret-cookie-of-the-server"
QUERY, HEADER = "5ecret-of-the-query", "5ecret-of-a-header"
WINDOW = 12
"""Characters of a secret that are too many to be shown."""


class Witness:
    """Hears all that is emitted, and knows what must not be.

    Attributes:
        testified: the kinds of errors of which it is said in any test that nothing secret is in them.
    """

    testified = set()

    def __init__(self):
        self.text = io.StringIO()
        self.errors = []
        self.secrets = [PASSWORD, QUOTED, COOKIE, SERVER_COOKIE, QUERY, HEADER]
        self.secrets.append(base64.b64encode(f"user:{PASSWORD}".encode()).decode())

    def testifies(self, *kinds):
        """Check that errors of all these kinds have been heard, and nothing secret."""
        assert {type(error) for error in self.errors} >= set(kinds)
        self.testified.update(kinds)
        assert not self.found()

    def hear(self, call):
        """Make a call, and note what it emits, also by its error."""
        with redirect_stdout(self.text), redirect_stderr(self.text):
            try:
                self.text.write(repr(call()))
            except Exception as error:
                self.note(error)

    def note(self, error):
        """Note what an error says, and all that it holds that could be shown in its place."""
        self.errors.append(error)
        self.text.write(f"{error} {error!r} {''.join(traceback.format_exception(type(error), error, None))}")
        self.text.write("".join(traceback.format_tb(error.__traceback__)))
        for name in ("message", "hint", "reason", "errmsg", "location", "proxy", "service", "host", "url"):
            self.text.write(f" {getattr(error, name, '')}")

    def found(self):
        """Return what of the secrets has been emitted."""
        text = self.text.getvalue()
        windows = {text[start : start + WINDOW] for start in range(len(text))}
        return {
            secret
            for secret in self.secrets
            for start in range(len(secret) - WINDOW + 1)
            if secret[start : start + WINDOW] in windows
        }


@pytest.fixture
def witness(monkeypatch):
    """A `Witness` who also hears the log and the warnings, and sees the tokens that come and go."""
    found = Witness()
    handler = logging.StreamHandler(found.text)
    logger = logging.getLogger()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    real_init, real_verify, real_answer = Ticket.__init__, Ticket.verify_token, Ticket.answer_token

    def init(self, *arguments, **options):
        real_init(self, *arguments, **options)
        found.secrets.append(self.auth_header.partition(" ")[2])
        found.text.write(repr(self))

    def verify(self, token):
        found.secrets.append(token)
        real_verify(self, token)
        found.text.write(repr(self))

    def answer(self, token):
        found.secrets.append(token)
        return real_answer(self, token)

    monkeypatch.setattr(Ticket, "__init__", init)
    monkeypatch.setattr(Ticket, "verify_token", verify)
    monkeypatch.setattr(Ticket, "answer_token", answer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found.text.write("".join(str(warning.message) for warning in caught))
    logger.setLevel(level)
    logger.removeHandler(handler)


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
        url = url or server.url(f"/xmlrpc?key={QUERY}")
        witness.hear(lambda: ServerProxy(url, transport=made, verbose=True).method())
        for held in (made, made._client.pool, made._client.memory.cookies, *made._client.pool._open):
            witness.text.write(repr(held))
        made.close()

    return make


ENDED = say(message(401, [("WWW-Authenticate", "Negotiate")]))
SET = [("Set-Cookie", f"server={SERVER_COOKIE}; Path=/"), ("X-Key", SERVER_COOKIE)]
ELSEWHERE = [("Set-Cookie", f"server={SERVER_COOKIE}; Path=/elsewhere")]
LONG_AGO = ("Date", "Mon, 23 Nov 2020 12:00:00 GMT")
BINDINGS = {"channel_bindings": "tls-server-end-point"}


def challenge(*details, headers=()):
    """Answer 401."""
    return say(message(401, [*[("WWW-Authenticate", f"Negotiate {detail}".strip()) for detail in details], *headers]))


def flipped(token):
    return token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]


def garbage(request, send):
    send(f"HTTP/9 {SERVER_COOKIE}\r\n\r\n".encode())


def cut_off(request, send):
    honest(headers=SET, length=10_000)(request, send)
    raise Hangup


def hang_up(request, send):
    raise Hangup


REPLIES = [
    honest(headers=SET),
    honest(headers=SET, body=dumps(Fault(7, "seven"), methodresponse=True).encode()),
    honest(flipped, headers=SET),
    say(message(200, SET)),
    say(message(200, [("WWW-Authenticate", f"Negotiate {SERVER_COOKIE}"), *SET])),
    challenge("", headers=SET),
    challenge("", headers=[LONG_AGO, *SET]),
    challenge(base64.b64encode(SERVER_COOKIE.encode()).decode(), headers=SET),
    challenge(headers=[("WWW-Authenticate", 'Basic realm="x"'), *SET]),
    honest(status=500, headers=SET),
    honest(status=302, headers=[("Location", f"https://u:{PASSWORD}@h/?key={SERVER_COOKIE}"), *SET]),
    honest(status=302, headers=[("Location", f"https://u:{QUOTED}@h/;key={SERVER_COOKIE}"), *SET]),
    honest(headers=SET, body=b"<html>"),
    honest(headers=SET, body=b"<a>" + b"x" * 30_000),
    honest(headers=SET, body=b"<!DOCTYPE a><a/>"),
    honest(headers=[*SET, ("Content-Encoding", "none")]),
    cut_off,
    garbage,
    hang_up,
]


def test_whatever_a_server_says(call, witness):
    for answer in REPLIES:
        for mechanism in ("spnego", "krb5"):
            call(ENDED, answer, mechanism=mechanism, max_response_bytes=20_000)
    call(ENDED, honest(headers=SET), say(message(200, SET, values())), login_path="/login")
    call(ENDED, honest(headers=SET), ENDED, login_path="/login")
    call(honest(headers=ELSEWHERE), login_path="/login", send_cookie=False)
    witness.testifies(
        *(krbxmlrpc.AuthenticationRejected, krbxmlrpc.BrokenReply, krbxmlrpc.CallOutcomeUnknown),
        *(krbxmlrpc.ClockSkewRejected, krbxmlrpc.InvalidResponse, krbxmlrpc.MutualAuthenticationError),
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
    call(context=ssl.create_default_context())
    certificate = Certificate(ed25519.Ed25519PrivateKey.generate(), None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificate.configure_trust(context)
    with ScriptedServer(certificate) as other:
        call(url=other.url(f"/?key={QUERY}"), context=context, send_cookie=False, **BINDINGS)
    call(ENDED, honest(), **BINDINGS)
    witness.testifies(krbxmlrpc.CertificateRejected, krbxmlrpc.ServerUnreachable, KerberosXMLRPCError, ValueError)


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


def test_every_error_has_been_looked_at():
    """Each test names those that it provokes: together they have to be all."""
    kinds = [kind for kind in vars(krbxmlrpc).values() if isinstance(kind, type)]
    assert Witness.testified >= {kind for kind in kinds if issubclass(kind, KerberosXMLRPCError)}


def test_the_witness_would_notice(call, witness):
    """What the parts of the library emit is heard, and what is secret is known."""
    call(ENDED, honest(headers=SET))
    for part in ("send: POST /xmlrpc", "header: Cookie: (", "POST https://localhost", "<KerberosTransport", ", used>"):
        assert part in witness.text.getvalue()
    assert len(witness.secrets) > 7 and all(len(secret) >= WINDOW for secret in witness.secrets)
    assert not witness.found()
    for secret in witness.secrets:
        witness.text.write(f" {secret[-WINDOW:]} ")
        assert secret in witness.found()
