"""What `fetch` sends and returns: content that stays as it is, the headers of the reply, and JSON."""

from contextlib import closing
from http.client import HTTPMessage

import pytest
from servers import scripted

from krbxmlrpc import KerberosTransport, Resource


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
