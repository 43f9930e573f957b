"""What `fetch` returns: the headers of the reply, and JSON."""

from contextlib import closing
from http.client import HTTPMessage

import pytest
from servers import scripted

from krbxmlrpc import KerberosTransport, Resource


@pytest.fixture
def fetch(server, server_context):
    """Fetch what the scripted server answers: ``fetch(body=b"{}")``."""
    with closing(KerberosTransport(context=server_context)) as transport:

        def get(**answer):
            server.play(scripted.honest(**answer))
            return transport.fetch("GET", f"localhost:{server.port}", "/")

        yield get


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
