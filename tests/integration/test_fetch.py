"""What `fetch` sends and returns: content that stays as it is, the headers of the reply, JSON, and pieces."""

import gzip
from contextlib import ExitStack, closing
from http.client import HTTPMessage

import pytest
from internals import idle_connections_of, open_connections
from servers import scripted

from krbxmlrpc import (
    BrokenReply,
    CallOutcomeUnknown,
    KerberosTransport,
    MutualAuthenticationError,
    Resource,
    ResponseTooLarge,
)
from krbxmlrpc.testing.loopback import Hangup


class Compressing(KerberosTransport):
    """A transport that compresses its calls."""

    encode_threshold = 10


class Pieces:
    """Content in pieces."""

    def __len__(self):
        return 100

    def __iter__(self):
        return iter([b"x" * 50] * 2)


@pytest.fixture
def fetch(server, server_context):
    """Fetch what the scripted server answers: ``fetch(body=b"{}")``."""
    with closing(KerberosTransport(context=server_context)) as transport:

        def get(**answer):
            server.play(scripted.honest(**answer))
            return transport.fetch("GET", f"localhost:{server.port}", "/")

        yield get


@pytest.mark.parametrize("content", [b"x" * 100, Pieces()], ids=["bytes", "pieces"])
def test_content_is_not_compressed_like_a_call(server, server_context, content):
    """The server would store gzip."""
    with closing(Compressing(context=server_context)) as transport:
        transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>" * 10)
        transport.fetch("PUT", f"localhost:{server.port}", "/file", content)
        transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>" * 10)
    first, put, last = server.requests
    assert put.body == b"x" * 100 and put.headers["Content-Encoding"] is None
    for call in (first, last):
        assert call.headers["Content-Encoding"] == "gzip" and call.body.startswith(b"\x1f\x8b")


def test_the_headers_of_the_reply_are_returned(fetch):
    answer = fetch(body=b"[]", headers=[("ETag", '"1"'), ("Link", "<a>"), ("link", "<b>"), ("X-Key", "hidden")])
    assert answer[:3] == (200, "text/xml", b"[]")
    assert answer.headers["etag"] == '"1"' and answer.headers.get_all("LINK") == ["<a>", "<b>"]
    assert "hidden" not in repr(answer.headers.items()) and answer.headers["X-Key"] == "hidden"


@pytest.mark.parametrize(
    "body, value",
    [
        (b'{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ('"\u00e9\U0001f600"'.encode(), "\u00e9\U0001f600"),
        (b"\xef\xbb\xbf []\r\n", []),  # RFC 8259 lets a parser ignore a byte order mark
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", None])
def test_json_is_decoded_whatever_the_type_says(fetch, body, value, content_type):
    assert fetch(body=body, content_type=content_type).json() == value


def test_json_of_an_error_status_is_decoded(fetch):
    answer = fetch(status=404, body=b'{"detail": "not found"}')
    assert (answer.status, answer.json()) == (404, {"detail": "not found"})


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the content is empty; "),
        (b"<html>secret</html>", "is not JSON from line 1 on (JSONDecodeError); "),
        (b'{"a":\n secret}', "is not JSON from line 2 on (JSONDecodeError); "),
        (b'"\xe9secret"', "is not JSON (UnicodeDecodeError); "),
        ('["secret"]'.encode("utf-16"), "is not JSON (UnicodeDecodeError); "),
        (b"[" * 100_000 + b'"secret"', "is not JSON (RecursionError); "),
    ],
)
def test_an_error_says_what_came_in_the_place_of_json(content, words):
    with pytest.raises(ValueError) as caught:
        Resource(503, "text/html; x=hidden", content, HTTPMessage()).json()
    assert words in str(caught.value)
    assert str(caught.value).endswith("the reply has the status 503 and the content type 'text/html'")
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None and caught.value.__context__ is None  # they would hold the content


# -- in pieces --------------------------------------------------------------------------------------------------------

LARGE = bytes(range(256)) * 4096


@pytest.fixture
def stream(server, server_context):
    """Fetch the scripted server's answer in pieces: ``stream(honest(body=b"…"), max_response_bytes=10)``."""
    with ExitStack() as opened:

        def get(*script, timeout=None, progress=None, **arguments):
            arguments = {"context": server_context, "retry_interval": 0.0, **arguments}
            transport = opened.enter_context(closing(KerberosTransport(**arguments)))
            server.play(*script)
            host = f"localhost:{server.port}"
            reply = transport.fetch("GET", host, "/", stream=True, timeout=timeout, progress=progress)
            return transport, reply

        yield get


@pytest.mark.parametrize("headers", [[], [("Content-Encoding", "gzip")]], ids=["plain", "gzip"])
def test_pieces_are_the_whole_content(stream, headers):
    body = gzip.compress(LARGE) if headers else LARGE
    transport, reply = stream(scripted.honest(body=body, headers=[("X-Version", "1.36"), *headers]))
    assert (reply.status, reply.content_type, reply.headers["x-version"]) == (200, "text/xml", "1.36")
    assert len(idle_connections_of(transport)) == 0
    pieces = list(reply)
    assert len(pieces) > 1 and b"".join(pieces) == LARGE
    assert len(idle_connections_of(transport)) == 1
    assert list(reply) == []
    reply.close()
    assert len(idle_connections_of(transport)) == 1


def test_no_piece_comes_from_an_unverified_server(stream):
    with pytest.raises(MutualAuthenticationError):
        stream(scripted.say(scripted.message(body=LARGE)))


def stop_by_close(reply):
    reply.close()
    with pytest.raises(ValueError, match="closed"):
        next(reply)


def stop_by_with(reply):
    with reply as entered:
        assert next(entered)


@pytest.mark.parametrize("stop", [stop_by_close, stop_by_with, lambda reply: None], ids=["close", "with", "collected"])
def test_a_stream_that_stops_early_drops_its_connection(stream, server, stop, without_collector):
    transport, reply = stream(scripted.honest(body=LARGE))
    next(reply)
    stop(reply)
    del reply
    assert idle_connections_of(transport) == [] and len(open_connections(transport)) == 0
    assert transport.fetch("GET", f"localhost:{server.port}", "/").status == 200


def test_a_stream_has_the_limit_of_a_call(stream):
    transport, reply = stream(scripted.honest(body=LARGE), max_response_bytes=100_000)
    with pytest.raises(ResponseTooLarge, match="raise max_response_bytes="):
        b"".join(reply)
    assert len(open_connections(transport)) == 0


def test_errors_of_a_stream_use_the_terms_of_the_adapter(server, server_context):
    class Adapted(KerberosTransport):
        argument_names = {"max_response_bytes": "MAX_BYTES"}

    server.play(scripted.honest(body=LARGE))
    with closing(Adapted(context=server_context, max_response_bytes=1)) as transport:
        with pytest.raises(ResponseTooLarge, match="raise MAX_BYTES"):
            list(transport.fetch("GET", f"localhost:{server.port}", "/", stream=True))


def cut_off(request, send):
    scripted.honest(body=LARGE[:1000], length=len(LARGE))(request, send)
    raise Hangup


def test_a_stream_that_breaks_off_is_not_repeated(stream, server):
    transport, reply = stream(cut_off, idempotent=True, retries=3)
    with pytest.raises(BrokenReply):
        b"".join(reply)
    assert len(server.requests) == 1 and len(open_connections(transport)) == 0


def test_a_stream_ends_at_the_deadline(stream, server):
    def stall(request, send):
        scripted.honest(body=LARGE[:1000], length=len(LARGE))(request, send)
        request.stream.read(1)  # until the client hangs up

    transport, reply = stream(stall, deadline=1.0)
    with pytest.raises(CallOutcomeUnknown, match="deadline"):
        b"".join(reply)


def test_statuses_come_as_streams_too(stream, server):
    transport, reply = stream(scripted.honest(status=404, body=b"not here"))
    assert (reply.status, b"".join(reply)) == (404, b"not here")
    passing = scripted.honest(status=503, body=b"later")
    transport, reply = stream(passing, passing, retries=1, idempotent={"GET"})
    assert (reply.status, b"".join(reply)) == (503, b"later")
    transport, reply = stream(passing, scripted.honest(body=b"now"), retries=1, idempotent={"GET"})
    assert (reply.status, b"".join(reply)) == (200, b"now")
    assert len(server.requests) == 5


def test_a_stream_reports_its_progress(stream):
    heard = []
    transport, reply = stream(scripted.honest(body=LARGE), progress=(None, lambda *seen: heard.append(seen)))
    b"".join(reply)
    assert heard[-1] == (len(LARGE), len(LARGE)) and len(heard) > 1


def test_a_timeout_counts_for_one_request(stream, server):
    def stall(request, send):
        request.stream.read(1)

    with pytest.raises(CallOutcomeUnknown, match="timed out"):
        stream(stall, timeout=0.3)
    transport, reply = stream(timeout=30)
    assert b"".join(reply)
    (connection,) = idle_connections_of(transport)
    assert connection.timeout == connection.sock.gettimeout() == 300.0


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"timeout": "5"}, {"stream": 1}], ids=str)
def test_wrong_arguments_are_named(arguments):
    (name,) = arguments
    with pytest.raises((TypeError, ValueError), match=f"{name} is "):
        KerberosTransport().fetch("GET", "hub.example.test", "/", **arguments)
