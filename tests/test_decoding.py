"""Decoding bodies, without a network."""

import gzip
import xmlrpc.client
import zlib

import pytest

from krbxmlrpc import InvalidResponse, ResponseTooLarge, UnsafeResponse
from krbxmlrpc.decoding import PIECE, decode, decompressed, limited, make_parser

BODY = xmlrpc.client.dumps((["value", 5, True, {"a": b"bytes"}],), methodresponse=True).encode()


def loads(*pieces, content_type="text/xml"):
    return decode(pieces, *make_parser(False, False), content_type)


def test_values():
    assert loads(BODY) == xmlrpc.client.loads(BODY)[0]
    assert loads(*(BODY[position : position + 1] for position in range(len(BODY)))) == xmlrpc.client.loads(BODY)[0]


@pytest.mark.parametrize("size", [0, 10, PIECE, PIECE * 3 + 1])
def test_gzip_in_any_pieces(size):
    data = bytes(size)
    packed = gzip.compress(data)
    for step in (1, 7, len(packed)):
        pieces = [packed[position : position + step] for position in range(0, len(packed), step)]
        unpacked = list(decompressed(pieces, "gzip"))
        assert b"".join(unpacked) == data
        assert all(0 < len(piece) <= PIECE for piece in unpacked)


def test_gzip_members_follow_each_other():
    assert b"".join(decompressed([gzip.compress(b"one") + gzip.compress(b"two")], " GZIP ")) == b"onetwo"


def test_no_encoding():
    for name in ("", "identity"):
        assert list(decompressed([b"one", b"two"], name)) == [b"one", b"two"]


@pytest.mark.parametrize(
    "data, encoding, problem",
    [
        (b"text", "gzip", "not the gzip data"),
        (gzip.compress(b"text")[:-1], "gzip", "too early"),
        (b"", "gzip", "too early"),
        (gzip.compress(b"text") + b"more", "gzip", "not the gzip data"),
        (gzip.compress(b"text")[:-8] + bytes(8), "gzip", "not the gzip data"),
        (zlib.compress(b"text"), "deflate", "Content-Encoding 'deflate'; accepted is gzip"),
        (b"text", "br", "Content-Encoding 'br'"),
    ],
)
def test_bad_encodings(data, encoding, problem):
    with pytest.raises(InvalidResponse, match=problem):
        list(decompressed([data], encoding))


def test_a_bomb_is_not_unpacked_beyond_the_limit():
    bomb = gzip.compress(bytes(50_000_000))
    seen = 0
    with pytest.raises(ResponseTooLarge) as caught:
        for piece in limited(decompressed([bomb], "gzip"), 1_000_000, "decoded"):
            seen += len(piece)
    assert seen <= 1_000_000
    assert caught.value.limit == 1_000_000


def test_the_limit_itself_is_allowed():
    assert list(limited([b"12", b"345"], 5, "decoded")) == [b"12", b"345"]
    with pytest.raises(ResponseTooLarge):
        list(limited([b"12", b"345"], 4, "decoded"))


@pytest.mark.parametrize(
    "body, what",
    [
        (b"<!DOCTYPE x><methodResponse/>", "document type"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><methodResponse/>", "document type"),
        (b"<!DOCTYPE x SYSTEM 'http://localhost/'><methodResponse/>", "document type"),
    ],
)
def test_document_types_are_refused(body, what):
    with pytest.raises(UnsafeResponse, match=what):
        loads(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"no XML",
        b"<html/>",
        b"<methodResponse><params></params>",
        BODY + b"<more/>",
        BODY.replace(b"<int>5", b"<int>five"),
        BODY.replace(b"<int>5", b"<int>"),
        BODY.replace(b"<boolean>1", b"<boolean>yes"),
        BODY.replace(b"int>", b"complex>"),
        BODY.replace(b"<value><int>5</int></value>", b"<value><i4>" + b"9" * 5000 + b"</i4></value>"),
        b"<methodResponse><fault><value><int>4</int></value></fault></methodResponse>",
        b"<a>" + b"<name>x</name><struct></struct>" + b"</a>",
        BODY.decode().encode("utf-16")[1:],
    ],
)
def test_what_is_not_xmlrpc(body):
    with pytest.raises(InvalidResponse, match="not an XML-RPC response; its content type is 'text/html'") as caught:
        loads(body, content_type="text/html")
    assert isinstance(caught.value, xmlrpc.client.ResponseError)
    assert len(str(caught.value)) < 500


def test_faults():
    body = xmlrpc.client.dumps(xmlrpc.client.Fault(4, "no"), methodresponse=True).encode()
    with pytest.raises(xmlrpc.client.Fault, match="no"):
        loads(body)
