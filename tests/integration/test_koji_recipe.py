"""The recipe for Koji, against a real KDC and a real Apache with a stand-in: see `servers.standin_koji`.

What the stand-in refuses is tested, too: it would prove nothing if it took everything.
"""

import ssl
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode
from xmlrpc.client import Fault, ServerProxy, dumps, loads

import pytest
from example_runner import example, recipe
from internals import settings_of
from servers import forwarder

from krbxmlrpc import UnexpectedStatus

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


def test_koji_begins_a_new_session_after_another_logout(servers, koji, asked, koji_path, call_koji):
    said = koji("transport").koji_session
    call_koji(session_id=said["session-id"], session_key=said["session-key"]).logout()
    asked(2)
    koji.createTag(uuid.uuid4().hex)
    call = f"200 POST {koji_path}"
    assert asked(3) == [call, f"200 ticket POST {koji_path}/ssllogin", call]


def test_koji_logs_in_with_the_transports_credentials(servers, user, alice, koji_path):
    url = servers.url(koji_path)
    context = ssl.create_default_context(cafile=servers.cafile)
    transport = recipe("koji").KojiTransport(url, context=context, keytab=alice.keytab)
    with ServerProxy(url, transport=transport, allow_none=True) as hub:
        for _ in range(2):
            assert hub.getLoggedInUser()["krb_principals"] == [alice.principal]
            servers.end_koji_sessions()


@pytest.mark.parametrize(
    "arguments",
    [
        {"principal": "alice@EXAMPLE.TEST"},
        {"ccache": "/cache"},
        {"keytab": "/keytab"},
        {"service": "HTTP@other.example.test"},
        {"canonicalize": "never"},
        {"proxy": "http://proxy.example.test:3128"},
        {"timeout": 5.0, "connect_timeout": 6.0, "deadline": 7.0},
        {"channel_bindings": "tls-server-end-point"},
        {"retries": 2, "retry_interval": 3.0},
        {"mechanism": "krb5", "delegate": True},
        {"headers": [("X-Name", "value")], "max_response_bytes": 1000},
    ],
    ids=lambda arguments: next(iter(arguments)),
)
def test_each_argument_applies_to_the_login_at_koji(arguments):
    transport = recipe("koji").KojiTransport("https://koji.example.test/kojihub", **arguments)
    for made in (transport, transport.koji_login):
        assert {name: getattr(settings_of(made), name) for name in arguments} == arguments
    assert settings_of(transport.koji_login).mode.value == "required"


def test_each_request_to_koji_has_a_number_of_its_own(servers, koji, koji_path):
    transport = koji("transport")
    host = f"localhost:{servers.ports['https']}"
    for _ in range(2):
        koji.createTag(uuid.uuid4().hex)
        body = dumps((uuid.uuid4().hex,), "createTag").encode()
        reply = transport.fetch("POST", host, koji_path, body, headers=[("Content-Type", "text/xml")])
        assert isinstance(loads(reply.content)[0][0], int)


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
