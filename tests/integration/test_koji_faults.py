"""Faults in each phase of a Koji session, with `KojiSession` and with Koji's own class, on hubs of three releases.

A forwarder stands between the client and Apache with the stand-ins. The documents' page on Koji has a table of the
outcomes. Each row is tested.
"""

import gc
import re
import textwrap
import uuid
from contextlib import contextmanager, nullcontext, suppress
from typing import NamedTuple

import koji
import pytest
from example_runner import ROOT
from servers import scripted
from servers.forwarder import Break, Forwarder, How, Phase

from krbxmlrpc.koji import KojiSession

HUBS = ["/kojihub", "/kojihub-1.31", "/kojihub-old"]
"""The hubs of the three releases: the newest, 1.31 to 1.35, and before 1.31. See `servers.standin_koji`."""

LOST = Break(Phase.EXECUTED, How.FIN)
RETRIES = {"max_retries": 2, "retry_interval": 0, "timeout": 60, "auth_timeout": 60}


@pytest.fixture(scope="module")
def way(servers, ca):
    """The forwarder."""
    with Forwarder(ca, servers) as started:
        yield started


class Scene(NamedTuple):
    """A session on a hub, and the means to disturb it."""

    session: koji.ClientSession
    servers: object
    way: Forwarder
    file: str
    method: str
    is_login: bool

    @property
    def before_ticket(self):
        """What the forwarder does with the requests of a login before the one with the ticket."""
        return () if isinstance(self.session, KojiSession) else (None,)

    def executions(self):
        """Return how many tasks the hub has made for this scene."""
        return self.session.listTasks(opts={"method": self.method}, queryOpts={"countOnly": True})


# -- the phases -------------------------------------------------------------------------------------------------------


def log_in(scene):
    scene.session.gssapi_login()


def read(scene):
    scene.session.getLoggedInUser()


def change(scene):
    scene.session.makeTask(scene.method, [])


def change_many(scene):
    with scene.session.multicall(strict=True) as calls:
        calls.makeTask(scene.method, [])


def upload(scene):
    scene.session.fastUpload(scene.file, f"faults/{scene.method}")


def begin_subsession(scene):
    scene.session.subsession()._forget()


def log_out(scene):
    scene.session.logout()


# -- the faults -------------------------------------------------------------------------------------------------------


# Each function returns a context manager: the fault lasts as long as its ``with`` block.


@contextmanager
def playing(scene, *plan):
    scene.way.play(*plan)
    yield
    scene.way.play()


def reply_lost(scene):
    return playing(scene, *scene.before_ticket if scene.is_login else (), LOST)


def session_expired(scene):
    scene.servers.end_koji_sessions()
    return nullcontext()


def renewal_lost(scene):
    scene.servers.end_koji_sessions()
    return playing(scene, None, *scene.before_ticket, LOST)


def keytab_stale(scene):
    return scene.servers.stale_keytab()


def renewal_refused(scene):
    scene.servers.end_koji_sessions()
    return scene.servers.stale_keytab()


def server_down(scene):
    return scene.way.down()


def renewal_without_server(scene):
    """The server goes down after it has answered that the session has expired."""
    scene.servers.end_koji_sessions()
    return playing(scene, None, *[Break(Phase.REQUEST_HEAD, How.RST)] * 20)


@contextmanager
def offline(scene):
    scene.servers.koji_offline(True)
    yield
    scene.servers.koji_offline(False)


CASES = [
    ("the reply is lost", "login", reply_lost, log_in),
    ("the reply is lost", "call that reads", reply_lost, read),
    ("the reply is lost", "call that changes", reply_lost, change),
    ("the reply is lost", "multicall", reply_lost, change_many),
    ("the reply is lost", "upload", reply_lost, upload),
    ("the reply is lost", "subsession", reply_lost, begin_subsession),
    ("the reply is lost", "logout", reply_lost, log_out),
    ("the session has expired", "call", session_expired, change),
    ("the session has expired", "multicall", session_expired, change_many),
    ("the session has expired", "upload", session_expired, upload),
    ("the session has expired", "subsession", session_expired, begin_subsession),
    ("the session has expired", "logout", session_expired, log_out),
    ("the keytab is stale", "login", keytab_stale, log_in),
    ("the keytab is stale", "call", keytab_stale, change),
    ("the server is down", "login", server_down, log_in),
    ("the server is down", "call", server_down, change),
    ("the server is down", "upload", server_down, upload),
    ("the server is down", "logout", server_down, log_out),
    ("the hub is offline", "login", offline, log_in),
    ("the hub is offline", "call", offline, change),
    ("the renewal is lost", "call", renewal_lost, change),
    ("the renewal is lost", "upload", renewal_lost, upload),
    ("the keytab is stale at the renewal", "call", renewal_refused, change),
    ("the keytab is stale at the renewal", "upload", renewal_refused, upload),
    ("the server is down at the renewal", "call", renewal_without_server, change),
]
"""The faults, the phases in which they happen, and the functions for both."""


@pytest.fixture
def play(servers, way, cafile, user, tmp_path, without_environment):
    """Play a case: ``play(KojiSession, "/kojihub", fault, act)`` returns its outcome in words."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100_000)

    def outcome(kind, path, fault, act):
        session = kind(way.url(path), {**RETRIES, "serverca": cafile})
        scene = Scene(session, servers, way, str(file), uuid.uuid4().hex, act is log_in)
        if act is not log_in:
            session.gssapi_login()
        with fault(scene):
            found = said(act, scene)
        following = said(next_call, scene)
        if following == "works" and scene.executions() > 1:
            found = f"{found}, ran twice"
        with suppress(Exception):  # some have no session any more
            session.logout()
        session.rsession.close()
        del session, scene
        gc.collect()  # Koji's own class leaves files and sockets open
        return found if following == "works" else f"{found}, the next call fails"

    return outcome


def next_call(scene):
    """Call once more. If there is no session now, log in first, as a user would."""
    if not scene.session.logged_in:
        scene.session.gssapi_login()
    assert scene.session.getLoggedInUser()["name"] == "user"


def said(act, scene):
    """Return the word for what a phase came to."""
    try:
        act(scene)
    except Exception as error:
        return type(error).__name__
    return "works"


@pytest.fixture
def without_environment(monkeypatch):
    """Have requests trust the CA of the option ``serverca`` only."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


RELEASES = ["newest", "1.31 to 1.35", "before 1.31"]

PAGE = (ROOT / "docs/koji.rst").read_text()


def row(fault, phase, ours, theirs):
    """Return the lines of the row in the page's table for the outcomes with `KojiSession` and with Koji's class."""
    words = theirs[0]
    if len(set(theirs)) > 1:
        releases = {outcome: [one for one, its in zip(RELEASES, theirs) if its == outcome] for outcome in theirs}
        words = "; ".join(f"{', '.join(names)}: {outcome}" for outcome, names in releases.items())
    first, *more = textwrap.wrap(words, 52)
    lines = [f"{f'{fault}, {phase}':<43}  {ours:<19}  {first}", *[f"{'':<43}  {'':<19}  {line}" for line in more]]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]}".replace(" ", "-"))
def test_a_fault_has_the_outcome_that_the_page_says(play, case):
    fault, phase, *functions = case
    (ours,) = {play(KojiSession, path, *functions) for path in HUBS}  # the same with each release
    assert "next call" not in ours and "twice" not in ours
    theirs = [play(koji.ClientSession, path, *functions) for path in HUBS]
    assert row(fault, phase, ours, theirs) in PAGE


def test_the_page_has_no_other_faults():
    table = re.search(r"^=+  =+  =+\nFault.*?^=+  =+  =+\n(.*?)^=+", PAGE, re.DOTALL | re.MULTILINE)[1]
    named = [line[:43].strip() for line in table.splitlines() if line[:43].strip()]
    assert named == [f"{fault}, {phase}" for fault, phase, *_ in CASES]


# -- the comparison ---------------------------------------------------------------------------------------------------


class Compared:
    """Makes sessions of one class, and tells in a few words what they do.

    Args:
        kind: the class.
        servers, way, server: the stand-ins, the forwarder to them, and a scripted server.
        cafile: the CA of the last two.
    """

    def __init__(self, kind, servers, way, server, cafile):
        self._kind = kind
        self._servers, self._way, self._server = servers, way, server
        self._opts = {**RETRIES, "serverca": cafile}

    @contextmanager
    def _session(self, url, sinfo=None, **opts):
        session = self._kind(url, {**self._opts, **opts}, sinfo)
        try:
            yield session
        finally:
            session.setSession(None)
            session.rsession.close()

    def requests_for_a_login(self):
        before = len(self._way.requests)
        with self._session(self._way.url("/kojihub")) as session:
            session.gssapi_login()
        return str(len(self._way.requests) - before)

    def connections_for_a_login_and_ten_calls(self):
        before = self._way.connections
        with self._session(self._way.url("/kojihub")) as session:
            session.gssapi_login()
            for number in range(10):
                session.echo(number)
        return str(self._way.connections - before)

    def a_login_at(self, *script):
        self._server.play(*script)
        with self._session(self._server.url("/kojihub")) as session:
            try:
                session.gssapi_login()
            except koji.AuthError as error:
                return type(error).__name__
            return "logs in"

    def without_proof(self):
        ask = scripted.say(scripted.message(401, [("WWW-Authenticate", "Negotiate")]))
        accept = scripted.say(scripted.message(body=scripted.values(SESSION)))
        return self.a_login_at(*[accept] if self._kind is KojiSession else [ask, accept])

    def without_ticket(self):
        return self.a_login_at(scripted.say(scripted.message(body=scripted.values(SESSION))))

    def stale_keytab(self):
        with self._servers.stale_keytab(), self._session(self._way.url("/kojihub")) as session:
            with pytest.raises(koji.GSSAPIAuthError) as failed:
                session.gssapi_login()
        text = str(failed.value)
        if "AuthenticationRejected: " in text and "keytab" in text:
            return "AuthenticationRejected, with a remedy"
        return re.search(r"\w+: 401 Client Error", text)[0]

    def tries_for_a_reply_that_is_no_xml(self):
        self._server.otherwise = scripted.say(scripted.message(body=b"<html><br></html>"))
        before = len(self._server.requests)
        with self._session(self._server.url("/kojihub"), SESSION) as session:
            with pytest.raises(Exception):  # noqa: B017  # the class differs
                session.getAPIVersion()
        return str(len(self._server.requests) - before)


SESSION = {"session-id": 7, "session-key": "1-key", "header-auth": True}

COMPARISON = {
    "Requests for a login": Compared.requests_for_a_login,
    "Connections for a login and ten calls": Compared.connections_for_a_login_and_ten_calls,
    "The hub does not prove its identity": Compared.without_proof,
    "The hub asks for no ticket": Compared.without_ticket,
    "Error if the hub's keytab is stale": Compared.stale_keytab,
    "Tries of a call if the reply is not XML": Compared.tries_for_a_reply_that_is_no_xml,
}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("what", COMPARISON)
def test_the_comparison_is_true(servers, way, server, cafile, user, without_environment, what):
    ours, theirs = [
        COMPARISON[what](Compared(kind, servers, way, server, cafile)) for kind in (KojiSession, koji.ClientSession)
    ]
    gc.collect()  # Koji's own class leaves sockets open
    assert f"{what:<41}  {ours:<41}  {theirs}\n" in PAGE
