"""The path of a URL in the request line (RFC 9112, section 3.2.1): of calls, of `fetch`, of logins, of the commands."""

from contextlib import closing
from xmlrpc.client import ServerProxy

import pytest
from internals import run_command
from servers import scripted

from krbxmlrpc import KerberosTransport

PATHS = [
    ("?k=v", "/?k=v"),
    ("/?k=v", "/?k=v"),
    ("/xmlrpc?k=v", "/xmlrpc?k=v"),
    ("", "/RPC2"),
    ("/", "/"),
    ("/xmlrpc#top", "/xmlrpc"),
    ("?k=v#top", "/?k=v"),
    ("#top", "/RPC2"),
]
"""What follows the host in a URL, and the path in the request line. As `ServerProxy` has it, no path is ``/RPC2``."""


def paths(server):
    """Return the paths of all requests so far."""
    return [request.line.split(" ")[1] for request in server.requests]


@pytest.mark.parametrize("end, path", PATHS)
def test_a_call_sends_the_path_of_its_url(server, server_context, end, path):
    with ServerProxy(server.url(end), transport=KerberosTransport(context=server_context)) as proxy:
        assert proxy.method() == "an honest answer"
    assert paths(server) == [path]


@pytest.mark.parametrize("path, sent", [("?k=v", "/?k=v"), ("", "/"), ("/files?k=v", "/files?k=v")])
def test_fetch_sends_the_path_that_it_is_given(server, server_context, path, sent):
    with closing(KerberosTransport(context=server_context)) as transport:
        assert transport.fetch("GET", f"localhost:{server.port}", path).status == 200
    assert paths(server) == [sent]


def test_a_session_is_for_an_empty_path_too(server, server_context):
    """The login has to set a cookie for the path of the calls, which is / if the URL has none."""
    cookie = [("Set-Cookie", "session=1; Path=/")]
    transport = KerberosTransport(context=server_context, login_path="/login")
    on_session = scripted.say(scripted.message(body=scripted.values("on a session")))
    server.play(scripted.honest(headers=cookie), on_session, scripted.honest(headers=cookie))
    with ServerProxy(server.url("?k=v"), transport=transport) as proxy:
        assert proxy.method() == "on a session"
        transport.login()
    assert paths(server) == ["/login", "/?k=v", "/login"]


@pytest.mark.parametrize("end, path", PATHS)
def test_the_command_calls_the_path_of_its_url(server, cafile, capsys, end, path):
    assert run_command(["call", "--cafile", cafile, server.url(end), "method"]) == 0
    assert capsys.readouterr().out == '"an honest answer"\n'
    assert paths(server) == [path]


@pytest.mark.parametrize("end, path", PATHS)
def test_the_check_asks_for_the_path_of_its_url(server, cafile, capsys, end, path):
    server.play(scripted.say(scripted.message(401, [("WWW-Authenticate", "Negotiate")])))
    assert run_command(["check", "--cafile", cafile, server.url(end)]) == 0, capsys.readouterr()
    assert paths(server) == [path, path]
