"""Replies that end with the connection: which of them are complete, and which may have been cut off."""

import gzip
import json
from contextlib import closing
from xmlrpc.client import ServerProxy

import pytest
from helpers import wait_until_readable
from internals import idle_connections
from servers.scripted import ScriptedServer, accept, break_off, honest, reset, take_leave, to_the_end, values
from servers.scripted_proxy import Tunnel

from krbxmlrpc import BrokenReply, CallOutcomeUnknown, InsecureKerberosTransport, InvalidResponse, KerberosTransport
from krbxmlrpc.testing.loopback import Hangup

UNCLEAN = [break_off, reset]
ENDS = [take_leave, *UNCLEAN]
GZIP = [("Content-Encoding", "gzip")]
PACKED = gzip.compress(values())

CUT_OFF = {
    "nothing": (b"", []),
    "one byte": (values()[:1], []),
    "within a tag": (values()[:30], []),
    "within a value": (values()[:80], []),
    "all but one byte": (values().rstrip()[:-1], []),
    "within a comment after the end": (values() + b"<!-- ", []),
    "gzip": (PACKED[:-1], GZIP),
    "half of gzip": (PACKED[: len(PACKED) // 2], GZIP),
}


class Hub:
    """A scripted server, and transports for it.

    Args:
        server: the server.
        arguments: the arguments of all transports.
    """

    def __init__(self, server, kind, **arguments):
        self.server = server
        self._kind = kind
        self._arguments = {"timeout": 60.0, "retry_interval": 0, **arguments}

    def call(self, kind=None, **arguments):
        """Call a method; return its value."""
        with closing((kind or self._kind)(**self._arguments, **arguments)) as transport:
            return ServerProxy(self.server.url(), transport=transport).method()

    def fetch(self, **arguments):
        """Fetch a resource; return its content."""
        with closing(self._kind(**self._arguments, **arguments)) as transport:
            return transport.fetch("GET", f"localhost:{self.server.port}", "/").content


@pytest.fixture
def tls_hub(server, server_context):
    """A hub with TLS."""
    return Hub(server, KerberosTransport, context=server_context)


@pytest.fixture
def plain_hub(user):
    """A hub with plain HTTP."""
    with ScriptedServer(None) as server:
        yield Hub(server, InsecureKerberosTransport)


@pytest.fixture(params=["tls_hub", "plain_hub"])
def hub(request):
    """A hub with TLS, or one with plain HTTP."""
    return request.getfixturevalue(request.param)


# -- fetch ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", UNCLEAN)
@pytest.mark.parametrize("body", [b"", b"half of it", values()])
def test_fetch_refuses_a_body_that_may_have_been_cut_off(tls_hub, end, body):
    tls_hub.server.play(to_the_end(body, end))
    with pytest.raises(BrokenReply, match="broke off"):
        tls_hub.fetch()
    assert tls_hub.fetch() == values()


def test_fetch_takes_a_body_that_ends_with_the_notice_of_tls(tls_hub):
    tls_hub.server.play(to_the_end(b"all of it", take_leave))
    assert tls_hub.fetch() == b"all of it"


def test_fetch_refuses_a_body_that_a_reset_ends(plain_hub):
    plain_hub.server.play(to_the_end(b"half of it", reset))
    with pytest.raises(BrokenReply, match="broke off"):
        plain_hub.fetch()


def test_fetch_cannot_tell_where_a_body_without_tls_ends(plain_hub):
    plain_hub.server.play(to_the_end(b"perhaps all of it", break_off))
    assert plain_hub.fetch() == b"perhaps all of it"


@pytest.mark.parametrize("end", ENDS)
def test_fetch_refuses_gzip_that_is_cut_off(hub, end):
    hub.server.play(to_the_end(PACKED[:-1], end, GZIP), honest(headers=GZIP, body=PACKED[:-1]))
    with pytest.raises(BrokenReply):
        hub.fetch()
    with pytest.raises(InvalidResponse) as caught:  # here the server itself says that this is the end
        hub.fetch()
    assert not isinstance(caught.value, BrokenReply)


def test_fetch_refuses_such_a_body_through_a_proxy(tls_hub):
    with ScriptedServer(None) as proxy:
        proxy.otherwise = Tunnel()
        tls_hub.server.play(to_the_end(b"half of it", break_off), to_the_end(b"all of it", take_leave))
        with pytest.raises(BrokenReply, match="broke off"):
            tls_hub.fetch(proxy=f"http://localhost:{proxy.port}")
        assert tls_hub.fetch(proxy=f"http://localhost:{proxy.port}") == b"all of it"


# -- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("body, headers", [(values(), []), (values() + b" \r\n", []), (PACKED, GZIP)])
def test_a_complete_document_shows_its_end(hub, end, body, headers):
    hub.server.play(to_the_end(body, end, headers))
    assert hub.call() == "an honest answer"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("body, headers", CUT_OFF.values(), ids=CUT_OFF)
def test_a_document_that_is_cut_off_is_a_broken_reply(hub, end, body, headers):
    hub.server.play(to_the_end(body, end, headers))
    with pytest.raises(BrokenReply, match="the connection ended before the end of the body"):
        hub.call()
    assert len(hub.server.requests) == 1


@pytest.mark.parametrize("end", ENDS)
def test_an_idempotent_call_is_repeated_after_half_a_reply(hub, end):
    hub.server.play(to_the_end(values()[:80], end))
    assert hub.call(retries=1, idempotent=["method"]) == "an honest answer"
    hub.server.play(honest(body=values()[:80]))
    with pytest.raises(InvalidResponse, match="cut off") as caught:  # the server sends it as it is, each time
        hub.call(retries=1, idempotent=["method"])
    assert not isinstance(caught.value, CallOutcomeUnknown)
    assert len(hub.server.requests) == 3


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("body", [b"<html>an error</html>", values() + b"<more/>", b"no XML"])
def test_a_wrong_body_is_not_taken_for_half_of_one(hub, end, body):
    hub.server.play(to_the_end(body, end))
    with pytest.raises(InvalidResponse) as caught:
        hub.call()
    assert not isinstance(caught.value, BrokenReply)


class Lenient:
    """A parser that takes half a document for a whole one, and its unmarshaller."""

    def feed(self, data):
        pass

    def close(self):
        return ("value",)

    def getmethodname(self):
        return None


class LenientParser(KerberosTransport):
    """A transport with such a parser."""

    def getparser(self):
        return Lenient(), Lenient()


class Json(KerberosTransport):
    """A transport that decodes replies itself."""

    def parse_response(self, response):
        return tuple(json.loads(response.read()))


@pytest.mark.parametrize("kind, body", [(LenientParser, values()[:80]), (Json, b'["value"]')])
def test_a_subclass_gets_no_body_that_may_be_cut_off(tls_hub, kind, body):
    for end in UNCLEAN:
        tls_hub.server.play(to_the_end(body, end))
        with pytest.raises(BrokenReply, match="broke off"):
            tls_hub.call(kind)
    tls_hub.server.play(to_the_end(body, take_leave))
    assert tls_hub.call(kind) == "value"


# -- elsewhere --------------------------------------------------------------------------------------------------------


def framed(head, body, end):
    """Return an answer that shows where its body ends, after which the connection ends."""

    def answer(request, send):
        token = f"WWW-Authenticate: Negotiate {accept(request.token)}\r\nContent-Type: text/xml\r\n"
        send(b"HTTP/1.1 200 OK\r\n" + token.encode() + head + b"\r\n\r\n" + body)
        end(request.sock)
        raise Hangup

    return answer


FRAMED = {
    "length": (b"Content-Length: %d" % len(values()), values()),
    "chunks": (b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(values()), values())),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("head, body", FRAMED.values(), ids=FRAMED)
def test_a_body_that_shows_its_end_is_complete(hub, end, head, body):
    hub.server.play(framed(head, body, end), framed(head, body, end))
    assert hub.fetch() == values()
    assert hub.call() == "an honest answer"


@pytest.mark.parametrize("end", [take_leave, break_off])
@pytest.mark.parametrize("head, body", FRAMED.values(), ids=FRAMED)
def test_a_body_that_ends_before_its_end_is_broken(hub, end, head, body):
    hub.server.play(framed(head, body[:-1], end))
    with pytest.raises(BrokenReply):
        hub.call()


@pytest.mark.parametrize("end", ENDS)
def test_an_idle_connection_may_end_in_any_way(call_server, server, end):
    server.otherwise = framed(*FRAMED["length"], end)
    proxy = call_server()
    for number in range(3):
        assert proxy.method() == "an honest answer"
        assert len(server.requests) == number + 1
        (idle,) = idle_connections(proxy)
        wait_until_readable(idle)
