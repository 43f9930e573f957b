"""The headers of requests: each that HTTP allows once is sent once, and the most specific source of it counts."""

from contextlib import closing

import pytest
from servers import scripted

from krbxmlrpc import KerberosTransport, __version__

DEFAULTS = {
    "User-Agent": f"krbxmlrpc/{__version__}",
    "Accept-Encoding": "gzip",
    "Content-Type": "text/xml",
    "Connection": "keep-alive",
}


@pytest.fixture
def sent(server, server_context):
    """Make a call, or a request by `fetch`, and return the values of a header: ``sent("Referer", headers=[…])``."""

    def send(name, fetch=None, kind=KerberosTransport, **arguments):
        with closing(kind(context=server_context, **arguments)) as transport:
            if fetch is None:
                transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")
            else:
                transport.fetch("PUT", f"localhost:{server.port}", "/file", b"content", fetch)
        return server.requests[-1].headers.get_all(name, [])

    return send


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_sent_once(sent, name):
    assert sent(name) == [DEFAULTS[name]]


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", b"USER-AGENT", "Accept-Encoding", "content-type"])
def test_headers_of_the_transport_replace_the_defaults(sent, name):
    text = name.decode() if isinstance(name, bytes) else name
    assert sent(text, headers=[(name, "mine")]) == ["mine"]


@pytest.mark.parametrize("name", ["User-Agent", "Accept-Encoding", "Content-Type", "Referer", "Accept", "X-Own"])
def test_headers_of_a_request_replace_those_of_the_transport(sent, name):
    """Whether HTTP allows them once or not: otherwise, a request could not choose its types (Accept)."""
    assert sent(name, fetch=[(name.lower(), "of the request")], headers=[(name, "mine")]) == ["of the request"]
    assert sent(name, fetch=[("X-Other", "yes")], headers=[(name, "mine")]) == ["mine"]


@pytest.mark.parametrize("fetch", [None, []])
def test_headers_that_are_lists_may_be_repeated(sent, fetch):
    lines = [("X-A", "1"), ("x-a", "2"), ("Accept-Language", "de"), ("Accept-Language", "en")]
    assert sent("X-A", fetch=fetch, headers=lines) == ["1", "2"]
    assert sent("Accept-Language", fetch=lines) == ["de", "en"]


def test_content_of_fetch_has_only_the_type_that_it_is_given(sent):
    assert sent("Content-Type", fetch=[]) == []
    assert sent("Content-Type", fetch=[("content-type", "image/png")]) == ["image/png"]


class Sender(KerberosTransport):
    """A subclass that names itself and its pages, in the ways that there are for it."""

    user_agent = "sender/1"

    def get_host_info(self, host):
        host, headers, x509 = super().get_host_info(host)
        headers.append(("Referer", f"https://{host}/ui"))
        return host, headers, x509


def test_a_subclass_has_defaults_of_its_own(sent, server):
    assert sent("User-Agent", kind=Sender) == ["sender/1"]
    assert sent("Referer", kind=Sender) == [f"https://localhost:{server.port}/ui"]


@pytest.mark.parametrize("name", ["User-Agent", "Referer"])
def test_headers_of_the_transport_replace_those_of_its_class(sent, name):
    assert sent(name, kind=Sender, headers=[(name, "mine")]) == ["mine"]
    assert sent(name, kind=Sender, headers=[(name, "mine")], fetch=[(name, "of the request")]) == ["of the request"]


class Adding(KerberosTransport):
    """A subclass whose hook adds a header, in one of the ways that there are for it."""

    added = ("User-Agent", "hook")
    way = ""

    def send_headers(self, connection, headers):
        if self.way == "put before":
            connection.putheader(*self.added)
        super().send_headers(connection, [*headers, self.added] if self.way == "in the list" else headers)
        if self.way == "put after":
            connection.putheader(*self.added)

    def send_content(self, connection, request_body):
        if self.way == "with the content":
            connection.putheader(*self.added)
        super().send_content(connection, request_body)


WAYS = ["put before", "in the list", "put after", "with the content"]


def adding(chosen, *header):
    """Return the subclass with this header, added in this way."""

    class Chosen(Adding):
        added = header
        way = chosen

    return Chosen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["User-Agent", "content-type", "Content-Length"])
def test_what_a_hook_adds_replaces_what_is_sent_once(sent, way, name):
    value = "8" if name == "Content-Length" else "hook"
    assert sent(name, kind=adding(way, name, value), headers=[("User-Agent", "mine")]) == [value]


@pytest.mark.parametrize("way", WAYS)
def test_what_a_hook_adds_to_a_list_is_sent_too(sent, way):
    assert sorted(sent("X-A", kind=adding(way, "X-A", "hook"), headers=[("X-A", "mine")])) == ["hook", "mine"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_a_hook_cannot_take_the_place_of_the_ticket(sent, server, way, name):
    with pytest.raises(ValueError, match="the transport itself sets the header [Aa]uthorization: ") as caught:
        sent(name, kind=adding(way, name, "Basic c2VjcmV0"))
    assert "c2VjcmV0" not in str(caught.value) and server.requests == []


def test_a_hook_cannot_name_another_host(sent, server):
    with pytest.raises(ValueError, match="the transport itself sets the header Host: "):
        sent("Host", kind=adding("put after", "Host", "other"))
    assert server.requests == []


@pytest.mark.parametrize("way", WAYS)
def test_cookies_of_a_hook_and_of_a_session_make_one_header(server, server_context, way):
    """RFC 6265, section 5.4: a request has one Cookie header. A cookie that both have is sent once."""
    kind = adding(way, "Cookie", "session=1; own=2")
    server.play(
        scripted.honest(headers=[("Set-Cookie", "session=1; Path=/")]),
        scripted.say(scripted.message(body=scripted.values())),
    )
    with closing(kind(context=server_context)) as transport:
        for _ in range(2):
            transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")
    first, second = [request.headers.get_all("Cookie") for request in server.requests]
    assert first == ["session=1; own=2"]
    assert len(second) == 1 and sorted(second[0].split("; ")) == ["own=2", "session=1"]
    assert server.requests[1].token is None
