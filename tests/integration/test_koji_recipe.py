"""The recipe for Koji, against a real KDC and a real Apache with a stand-in: see `servers.standin_koji`."""

import ssl
import uuid
from concurrent.futures import ThreadPoolExecutor
from xmlrpc.client import Fault, ServerProxy, dumps, loads

import pytest
from example_runner import example, recipe
from internals import settings_of
from servers import forwarder

from krbxmlrpc import UnexpectedStatus


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


@pytest.mark.parametrize("end", ["end_koji_sessions", "drop_koji_sessions"])
def test_koji_begins_a_new_session_when_one_has_ended(servers, koji, asked, koji_path, end):
    koji.createTag(uuid.uuid4().hex)
    getattr(servers, end)()
    asked(1)
    koji.createTag(uuid.uuid4().hex)
    call = f"200 POST {koji_path}"
    assert asked(3) == [call, f"200 ticket POST {koji_path}/ssllogin", call]
    assert koji.getLoggedInUser()["name"] == "user"


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
