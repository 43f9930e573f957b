"""The recipes among the examples, run as a user runs them, against a real KDC and a real Apache.

Behind it is the tests' hub or, where an example is for a server that cannot run here, a stand-in for that one: see
`realm.standins`. What the stand-ins refuse is tested here, too: they would prove nothing if they took everything.
"""

import importlib.util
import ssl
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode
from xmlrpc.client import Fault, ServerProxy

import pytest
from realm import forwarder, standins
from test_examples import ROOT, example

from krbxmlrpc import KerberosTransport, UnexpectedStatus


def recipe(name):
    """Import an example."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def servers(realm):
    """The stand-ins; see `realm.standins.StandIns`."""
    started = standins.StandIns(realm).start()
    yield started
    started.stop()


@pytest.fixture
def asked(servers):
    """Tell what was asked of the stand-ins since this was last called: ``["200 ticket GET /ipa/…", "200 POST …"]``."""

    def take(count):
        return [
            f"{line.status} {'ticket ' if line.ticket else ''}{line.method} {line.path}"
            for line in servers.asked(count)
        ]

    take(0)
    return take


@pytest.fixture
def call_standin(servers, user):
    """Open a proxy for a path of the stand-ins: ``call_standin("/ipa/session/xml", login_path=…)``."""
    opened = []

    def open_proxy(path, transport=KerberosTransport, **arguments):
        arguments["context"] = ssl.create_default_context(cafile=servers.cafile)
        opened.append(ServerProxy(servers.url(path), transport=transport(**arguments), allow_none=True))
        return opened[-1]

    yield open_proxy
    for proxy in opened:
        proxy("close")()


# -- FreeIPA ----------------------------------------------------------------------------------------------------------

REFERER = [("Referer", "https://localhost/ipa")]


def test_freeipa(servers, user, asked):
    status, printed, complaints = example("freeipa.py", servers.url(""), servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        "IPA server version 4.12.2. API version 2.254",
        "it takes you for: user user",
        "your entry: uid=user,cn=users,cn=accounts,dc=example,dc=test",
    ]
    assert asked(4) == ["200 ticket GET /ipa/session/login_kerberos"] + ["200 POST /ipa/session/xml"] * 3


@pytest.mark.parametrize(
    "referer", [None, "https://localhost/", "https://localhost/ipanema", "http://localhost/ipa", "https://else/ipa"]
)
def test_freeipa_refuses_what_does_not_come_from_its_pages(call_standin, referer):
    headers = [] if referer is None else [("Referer", referer)]
    for path in ("/ipa/session/login_kerberos", None):
        with pytest.raises(UnexpectedStatus) as refused:
            call_standin("/ipa/session/xml", login_path=path, headers=headers).ping([], {})
        assert refused.value.errcode == 400


@pytest.mark.parametrize(
    "call, code",
    [
        (lambda server: server.ping([], {"version": "3.0"}), 901),
        (lambda server: server.ping([], {"version": "two"}), 901),
        (lambda server: server.ping("convention"), 903),
        (lambda server: server.ping([], "convention"), 903),
        (lambda server: server.pong([], {}), 905),
        (lambda server: getattr(server, "ping/2")([], {}), 905),
        (lambda server: server.ping(["argument"], {}), 3003),
        (lambda server: server.user_show(["nobody"], {}), 4001),
    ],
)
def test_freeipa_refuses_calls(call_standin, call, code):
    with pytest.raises(Fault) as refused:
        call(call_standin("/ipa/session/xml", headers=REFERER))
    assert refused.value.faultCode == code


def test_freeipa_wants_a_referer_without_port(call_standin, servers):
    headers = [("Referer", servers.url("/ipa"))]
    with pytest.raises(Fault, match="invalid HTTP Referer"):
        call_standin("/ipa/session/xml", headers=headers).ping([], {})


# -- Koji -------------------------------------------------------------------------------------------------------------

HUBS = ["/kojihub", "/kojihub-old"]


@pytest.fixture(params=HUBS)
def koji_path(request):
    """The paths of a hub that wants sessions in headers, and of one that wants them in the URL."""
    return request.param


@pytest.fixture
def koji(servers, user, koji_path):
    """A session at a hub, by the example's transport."""
    url = servers.url(koji_path)
    transport = recipe("koji").KojiTransport(url, context=ssl.create_default_context(cafile=servers.cafile))
    with ServerProxy(url, transport=transport, allow_none=True) as hub:
        transport.begin_session()
        yield hub


def test_koji(servers, user, asked, koji_path):
    for url in (servers.url(koji_path), servers.url(f"{koji_path}/")):
        status, printed, complaints = example("koji.py", url, servers.cafile)
        assert (status, complaints) == (0, "")
        assert printed == ["version of its API: 1", f"it takes you for: user, who is {user}"]
        path = url[url.index("/kojihub") :]
        assert asked(4) == [f"200 ticket POST {koji_path}/ssllogin"] + [f"200 POST {path}"] * 3


def test_koji_begins_a_new_session_when_one_has_ended(servers, koji, asked, koji_path):
    koji.createTag(uuid.uuid4().hex)
    servers.end_koji_sessions()
    asked(1)
    koji.createTag(uuid.uuid4().hex)
    call = f"200 POST {koji_path}"
    assert asked(3) == [call, f"200 ticket POST {koji_path}/ssllogin", call]
    assert koji.getLoggedInUser()["name"] == "user"


def test_a_call_to_koji_that_is_repeated_runs_once(servers, user, ca, server_context, koji_path):
    tags = [uuid.uuid4().hex for _ in range(2)]
    with forwarder.Forwarder(ca, servers) as way:
        url = way.url(koji_path)
        transport = recipe("koji").KojiTransport(url, context=server_context, retry_interval=0.0)
        with ServerProxy(url, transport=transport) as hub:
            transport.begin_session()
            way.play(forwarder.Break(forwarder.Phase.REQUEST_BODY, forwarder.How.FIN))
            hub.createTag(tags[0])
            way.play(forwarder.Break(forwarder.Phase.EXECUTED, forwarder.How.FIN))
            with pytest.raises(Fault, match="unable to retry call 1 .method createTag") as refused:
                hub.createTag(tags[1])
            assert refused.value.faultCode == 1009
            with pytest.raises(Fault, match="already exists"):
                hub.createTag(tags[1])
            way.play(forwarder.Break(forwarder.Phase.EXECUTED, forwarder.How.FIN))
            assert hub.getLoggedInUser()["name"] == "user"


def test_threads_share_a_session_at_koji(koji):
    tags = [uuid.uuid4().hex for _ in range(32)]
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(koji.createTag, tags))) == 32


def test_the_key_of_a_session_at_koji_is_not_shown(servers, koji, caplog, capsys):
    transport = koji("transport")
    key = transport.koji_session["session-key"]
    caplog.set_level("DEBUG")
    koji._ServerProxy__verbose = True
    koji.echo("shown")
    with pytest.raises(UnexpectedStatus) as unknown:
        transport.request(f"localhost:{servers.ports['https']}", "/unknown", b"<methodCall/>", True)
    error = unknown.value
    shown = caplog.text + capsys.readouterr().out + f"{transport!r} {error} {error!r} {error.url} {error.errmsg}"
    assert "shown" in shown and "POST https://localhost" in shown and "404" in shown and key not in shown


def session_said(hub_path, **said):
    """Return path and headers of a call that says this of its session."""
    said = {name.replace("_", "-"): str(value) for name, value in said.items()}
    if hub_path == "/kojihub":
        return hub_path, [(f"Koji-{name.title()}", value) for name, value in said.items()]
    return f"{hub_path}?{urlencode(said)}", []


@pytest.fixture
def call_koji(call_standin, koji_path):
    """Open a proxy that says this of its session: ``call_koji(session_id=1, session_key="…", callnum=0)``."""

    def open_proxy(**said):
        path, headers = session_said(koji_path, **said)
        return call_standin(path, headers=headers, preemptive=False, mutual_authentication="optional")

    return open_proxy


def test_koji_refuses_who_is_not_logged_in(call_koji, koji):
    said = koji("transport").koji_session
    own, key = said["session-id"], said["session-key"]
    assert call_koji().getLoggedInUser() is None
    for hub, code, words in [
        (call_koji(), 1004, "not logged in"),
        (call_koji(session_id=own, session_key="1-guessed"), 1002, "Invalid session"),
        (call_koji(session_id=own + 1000, session_key=key), 1002, "Invalid session"),
        (call_koji(session_id=own, session_key=key, callnum="one"), 1002, "Invalid callnum"),
    ]:
        with pytest.raises(Fault, match=words) as refused:
            hub.createTag(uuid.uuid4().hex)
        assert refused.value.faultCode == code


def test_koji_refuses_wrong_numbers_once_something_was_changed(call_koji, koji):
    said = koji("transport").koji_session
    numbered = [
        call_koji(session_id=said["session-id"], session_key=said["session-key"], callnum=number) for number in range(3)
    ]
    assert numbered[2].echo() == numbered[1].echo() == []  # nothing was changed, nothing is kept
    numbered[1].createTag(uuid.uuid4().hex)
    for number, code in [(0, 1008), (1, 1009)]:
        with pytest.raises(Fault) as refused:
            numbered[number].echo()
        assert refused.value.faultCode == code
    assert numbered[2].echo("goes on") == ["goes on"]


def test_koji_wants_sessions_where_it_looks_for_them(call_standin, koji, koji_path):
    said = koji("transport").koji_session
    other = HUBS[1 - HUBS.index(koji_path)]
    _, headers = session_said("/kojihub", session_id=said["session-id"], session_key=said["session-key"])
    query = urlencode({"session-id": said["session-id"], "session-key": said["session-key"]})
    path = koji_path if koji_path != "/kojihub" else f"{koji_path}?{query}"
    wrong = call_standin(
        path, headers=headers if other == "/kojihub" else [], preemptive=False, mutual_authentication="optional"
    )
    assert wrong.getLoggedInUser() is None


def test_koji_wants_a_ticket_for_a_login_only_where_it_is(call_koji):
    with pytest.raises(Fault, match="could not verify client") as refused:
        call_koji().sslLogin()
    assert refused.value.faultCode == 1002


# -- Kiwi TCMS --------------------------------------------------------------------------------------------------------


def test_kiwi_tcms(servers, user, asked):
    status, printed, complaints = example("kiwi_tcms.py", servers.url("/xml-rpc/"), "Gadget", servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        "Kiwi TCMS 15.0",
        "it takes you for: user <user@example.test>",
        "version of Gadget: unspecified",
        "version of Gadget: 2.0",
    ]
    pages = ["302 ticket GET /login/kerberos/", "302 GET /complete/kerberos/"]
    assert asked(5) == pages + ["200 POST /xml-rpc/"] * 3


def test_a_session_at_kiwi_tcms_is_begun_again(servers, user, call_standin, asked):
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    for _ in range(2):
        recipe("kiwi_tcms").log_in(servers.url("/xml-rpc/"), tcms("transport"))
        assert tcms.User.filter({"username": "user"})[0]["email"] == "user@example.test"
        tcms("transport").cookiejar.clear()


def test_the_first_page_of_kiwi_tcms_alone_logs_nobody_in(call_standin):
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    for call in (tcms.KiwiTCMS.version, tcms.User.filter):
        with pytest.raises(Fault, match="Authentication failed when calling") as refused:
            call()
        assert refused.value.faultCode == -32603


def test_the_second_page_of_kiwi_tcms_alone_does_not_either(servers, call_standin):
    module = recipe("kiwi_tcms")
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    tcms("transport").login = lambda host: None
    with pytest.raises(OSError, match="does not complete the login: 500"):
        module.log_in(servers.url("/xml-rpc/"), tcms("transport"))


# -- what they have in common -----------------------------------------------------------------------------------------


AT_STANDINS = [
    ("freeipa.py", "", []),
    ("koji.py", "/kojihub", []),
    ("kiwi_tcms.py", "/xml-rpc/", ["Gadget"]),
]


@pytest.mark.parametrize("name, path, arguments", AT_STANDINS)
def test_without_a_ticket(servers, user, monkeypatch, name, path, arguments):
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    status, printed, complaints = example(name, servers.url(path), *arguments, servers.cafile)
    assert (status, printed) == (1, [])
    assert complaints.startswith("NoCredentials: ") and "kinit" in complaints and "Traceback" not in complaints


@pytest.mark.parametrize("name, path, arguments", AT_STANDINS)
def test_what_else_is_wrong_is_said(servers, user, name, path, arguments):
    for url, cafile, words in [
        (servers.url(path), "/nowhere/ca.pem", "FileNotFoundError: "),
        (servers.url(path).replace("https:", "gopher:"), servers.cafile, "OSError: unsupported XML-RPC protocol"),
        (servers.url(path).replace("//", "//user:secret@"), servers.cafile, "ValueError: "),
        (servers.url(path, host="127.0.0.1"), servers.cafile, "ServiceUnknown: "),
    ]:
        status, printed, complaints = example(name, url, *arguments, cafile)
        assert (status, printed) == (1, [])
        assert complaints.startswith(words) and "Traceback" not in complaints and "secret" not in complaints


@pytest.mark.parametrize("name", [name for name, _, _ in AT_STANDINS])
def test_usage(name):
    status, printed, complaints = example(name)
    assert (status, printed) == (1, [])
    assert f"usage: {name} URL" in complaints
