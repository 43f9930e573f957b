"""Decoding bodies, without a network."""

import gc
import gzip
import re
import weakref
import xmlrpc.client
import zlib
from contextlib import suppress
from xmlrpc.client import Fault, dumps

import pytest

from krbxmlrpc import InvalidResponse, ResponseTooLarge, UnsafeResponse
from krbxmlrpc._xmlrpc.decoding import (
    MAX_DEPTH,
    MAX_NAMES,
    MAX_TOKEN,
    PIECE,
    decode,
    decompressed,
    limited,
    make_parser,
)

BODY = xmlrpc.client.dumps((["value", 5, True, {"a": b"bytes"}],), methodresponse=True).encode()


def loads(*pieces, content_type="text/xml", is_verified=True):
    return decode(pieces, *make_parser(False, False), content_type, is_verified)


def singly(data):
    """Return data in pieces of one byte."""
    return [data[position : position + 1] for position in range(len(data))]


def test_values():
    assert loads(BODY) == xmlrpc.client.loads(BODY)[0]
    assert loads(*singly(BODY)) == xmlrpc.client.loads(BODY)[0]


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
    data = gzip.compress(b"one") + gzip.compress(b"two")
    for pieces in ([data], singly(data)):
        assert b"".join(decompressed(pieces, " GZIP ")) == b"onetwo"


def test_zeros_behind_gzip_members_are_padding():
    data = (gzip.compress(b"one") + bytes(3)) * 2
    for pieces in ([data], singly(data)):
        assert b"".join(decompressed(pieces, "gzip")) == b"oneone"


def test_no_encoding():
    for name in ("", "identity"):
        assert list(decompressed([b"one", b"two"], name)) == [b"one", b"two"]


@pytest.mark.parametrize(
    "data, encoding, problem",
    [
        (b"text", "gzip", "not the gzip data"),
        (gzip.compress(b"text")[:-1], "gzip", "too early"),
        (b"\0" + gzip.compress(b"text"), "gzip", "not the gzip data"),
        (gzip.compress(b"text") + b"more", "gzip", "the gzip data .* is followed by data that is not gzip"),
        (gzip.compress(b"text") + gzip.compress(b"more")[:-1], "gzip", "too early"),
        (gzip.compress(b"text")[:-8] + bytes(8), "gzip", "not the gzip data"),
        (zlib.compress(b"text"), "deflate", "Content-Encoding 'deflate'; accepted is gzip"),
        (b"text", "br", "Content-Encoding 'br'"),
        (gzip.compress(gzip.compress(b"text")), "gzip, gzip", "Content-Encoding 'gzip, gzip'"),
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
    "body, reason",
    [
        (b"", "it is empty"),
        (b"   ", "it is cut off: no element found"),
        (b"no XML", "syntax error"),
        (b"<html/>", "it is XML without values"),
        (b"<methodResponse><params></params>", "it is cut off: no element found"),
        (b"<methodResponse><params></par", "it is cut off: unclosed token"),
        (b"<methodResponse><![CDATA[", "it is cut off: unclosed CDATA section"),
        (b"<methodResponse>\xe2\x82", "it is cut off: partial character"),
        (BODY + b"<more/>", "junk after document element"),
        (BODY.replace(b"<int>5", b"<int>five"), "ValueError: invalid literal for int"),
        (BODY.replace(b"<int>5", b"<int>"), "ValueError: invalid literal for int"),
        (BODY.replace(b"<boolean>1", b"<boolean>yes"), "bad boolean value"),
        (BODY.replace(b"int>", b"complex>"), "unknown tag 'complex'"),
        (BODY.replace(b"<int>5", b"<int>" + b"5" * 5000), "ValueError: "),
        (BODY.replace(b"<int>5", b"<i4>5"), "mismatched tag"),
        (b"<methodResponse><fault><value><int>4</int></value></fault></methodResponse>", "TypeError"),
        (b"<a>" + b"<name>x</name><struct></struct>" + b"</a>", "it is XML without values"),
        (xmlrpc.client.dumps((5,), "method").encode(), "it is a method call"),
        (BODY.decode().encode("utf-16")[1:], "it is not UTF-8, from byte 0 on"),
        (b"<?xml version='1.0' encoding='no-such'?>" + BODY, "unknown encoding"),
        (b"<?xml version='1.0' encoding='utf-16'?><a/>", "encoding specified in XML declaration is incorrect"),
    ],
)
def test_what_is_not_xmlrpc(body, reason):
    what = rf"not an XML-RPC response; its content type is 'text/xml' \(.*({reason})"
    for pieces in ([body], singly(body)) if body else ([],):
        with pytest.raises(InvalidResponse, match=what) as caught:
            loads(*pieces)
        assert isinstance(caught.value, xmlrpc.client.ResponseError)
        assert len(str(caught.value)) < 500


WRAPPED = BODY.strip().replace(b"?>", b"?><!-- \xe2\x82\xac -->").replace(b"value<", b"<![CDATA[v]]>&#97;]lue<")


@pytest.mark.parametrize("body", [BODY.strip(), WRAPPED, WRAPPED.decode().encode("utf-16")])
def test_a_document_that_is_cut_off_anywhere_is_marked(body):
    assert loads(body)
    for end in range(len(body)):
        for pieces in ([body[:end]], singly(body[:end])) if end else ([],):
            with pytest.raises(InvalidResponse) as caught:
                loads(*pieces)
            assert caught.value.is_cut_off


@pytest.mark.parametrize("body", [b"no XML", b"<html/>", BODY + b"<more/>", BODY.replace(b"<int>5", b"<int>five")])
def test_a_document_that_is_wrong_is_not_marked_as_cut_off(body):
    with pytest.raises(InvalidResponse) as caught:
        loads(body)
    assert not caught.value.is_cut_off


@pytest.mark.parametrize("body", [BODY, dumps(Fault(4, "no"), methodresponse=True).encode(), BODY[:-20]])
def test_a_parser_is_gone_with_its_last_reference(body):
    """Parser and unmarshaller hold each other, and the values of a large reply, until the collector comes."""
    parser, unmarshaller = make_parser(False, False)
    watched = weakref.ref(parser), weakref.ref(unmarshaller)
    gc.disable()
    try:
        with suppress(InvalidResponse, Fault):
            decode([body] if body else [], parser, unmarshaller, "text/xml")
        del parser, unmarshaller
        assert [reference() for reference in watched] == [None, None]
    finally:
        gc.enable()


def test_gzip_that_is_cut_off_is_marked():
    data = gzip.compress(BODY)
    for wrong, is_cut_off in ((data[:-1], True), (data[:20], True), (data + b"more", False), (BODY, False)):
        with pytest.raises(InvalidResponse) as caught:
            list(decompressed([wrong], "gzip"))
        assert caught.value.is_cut_off is is_cut_off


@pytest.mark.parametrize("body", [b"<a>\xe9 </a>", b"<a>\xe2\x82 </a>", b"<a>\xed\xa0\x80</a>", b'<a>\xf0\x9f\x98"'])
@pytest.mark.parametrize("before", ["", "<?xml version='1.0' encoding='UTF-8'?>", "<!-- \U0001f600 -->\n" * 5000])
def test_bytes_that_are_not_utf8_are_named(body, before):
    body = before.encode() + body
    with pytest.raises(UnicodeDecodeError) as standard:
        body.decode()
    for pieces in ([body], singly(body)):
        with pytest.raises(InvalidResponse, match=rf"\(it is not UTF-8, from byte {standard.value.start} on\)"):
            loads(*pieces)


@pytest.mark.parametrize(
    "body",
    [
        "<?xml version='1.0' encoding='us-ascii'?><a>é</a>".encode(),
        b"<?xml version='1.0' encoding='windows-1252'?><a>\x81</a>",
        "<a>\N{NULL}é</a>".encode(),
        b"<a>\0\xff</a>",
        "<\N{MULTIPLICATION SIGN}/>".encode(),
    ],
)
def test_other_bad_characters_are_not_taken_for_bad_utf8(body):
    for pieces in ([body], singly(body)):
        with pytest.raises(InvalidResponse, match=r"\(not well-formed"):
            loads(*pieces)


# -- content types ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/xml",
        "TEXT/Xml",
        "application/xml",
        "application/xmlrpc+XML",
        "text/xml; charset=utf-16",
        'text/xml ;charset="a, b"; q=1',
        "text/xml;",
    ],
)
def test_every_type_of_xml_is_taken(content_type):
    assert loads(BODY, content_type=content_type) == xmlrpc.client.loads(BODY)[0]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/html",
        "text/html; charset=text/xml",
        "application/json",
        "text/plain",
        "text",
        "text/xmlx",
        "+xml",
        "a/b/c+xml",
        "text/xml, text/html",
        "text/xml; charset=utf-8, text/html",
        "text/html, text/xml",
        "; text/xml",
        'text/xml; charset="',
        "text/xml;" + '"' * 9999,
    ],
)
def test_no_other_type_is_looked_at(content_type):
    def pieces():
        raise AssertionError("it was read")
        yield

    what = f"type is {content_type[:200]!r} (expected is text/xml, application/xml or one that ends in +xml)"
    with pytest.raises(InvalidResponse, match=re.escape(what)):
        decode(pieces(), *make_parser(False, False), content_type, is_verified=True)


LOCKED = "your-account-is-locked"
QUOTING = {
    "a tag": (
        f"<methodResponse><params><param><value><{LOCKED}/></value></param></params></methodResponse>",
        "text/xml",
    ),
    "a number": (BODY.decode().replace(">5<", f">{LOCKED}<"), "text/xml"),
    "a type": (BODY.decode(), f"text/{LOCKED}"),
    "a parameter": ("<html>", f"text/xml; charset={LOCKED}"),
}


@pytest.mark.parametrize("body, content_type", QUOTING.values(), ids=QUOTING)
@pytest.mark.parametrize("is_verified", [False, True])
def test_only_a_verified_body_is_quoted(body, content_type, is_verified):
    with pytest.raises(InvalidResponse, match="not an XML-RPC response") as caught:
        loads(body.encode(), content_type=content_type, is_verified=is_verified)
    assert (LOCKED in str(caught.value)) is is_verified


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=x"])
def test_usual_types_are_named_in_any_case(content_type):
    with pytest.raises(InvalidResponse, match="its content type is 'text/html'"):
        loads(BODY, content_type=content_type, is_verified=False)


def test_an_unknown_coding_is_not_named():
    with pytest.raises(InvalidResponse, match="has an unknown Content-Encoding; accepted is gzip"):
        loads(*decompressed([BODY], LOCKED))


# -- what the parser keeps --------------------------------------------------------------------------------------------


def nested(depth):
    """Return a body with lists within each other, of so many elements."""
    lists = (depth - 4) // 3  # the others: methodResponse, params, param and the innermost value
    return b"".join(
        [
            b"<methodResponse><params><param>",
            b"<value><array><data>" * lists,
            b"<x>" * (depth - 4 - 3 * lists) + b"<value>" + b"</value>" + b"</x>" * (depth - 4 - 3 * lists),
            b"</data></array></value>" * lists,
            b"</param></params></methodResponse>",
        ]
    )


def test_nesting_is_bounded():
    for depth in range(MAX_DEPTH - 3, MAX_DEPTH + 1):
        assert loads(nested(depth)) == xmlrpc.client.loads(nested(depth))[0]
    for body in (nested(MAX_DEPTH + 1), b"<a>" * 100_000, b"<value>" * 100_000, b"<x:array>" * 100_000):
        with pytest.raises(InvalidResponse, match=f"nested more than {MAX_DEPTH} elements deep"):
            loads(body)
    beside = b"<params>" + b"<param><value>x</value></param>" * MAX_DEPTH + b"</params>"
    assert loads(beside) == ("x",) * MAX_DEPTH


UNFINISHED = {
    "tag": (b"<a ", b" ", b"/>"),
    "name": (b"<a", b"a", b"/>"),
    "value of an attribute": (b"<a b='", b"x", b"'/>"),
    "end": (b"<a></a", b" ", b">"),
    "comment": (b"<!--", b"x", b"--><a/>"),
    "instruction": (b"<?a ", b"x", b"?><a/>"),
    "declaration": (b"<?xml", b" ", b"version='1.0'?><a/>"),
}


@pytest.mark.parametrize("start, filling, end", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("size", [1, 1000, PIECE])
def test_a_tag_or_comment_that_does_not_end_is_refused(start, filling, end, size):
    def cut(count):
        body = start + filling * count + end
        return [body[position : position + size] for position in range(0, len(body), size)]

    limit = MAX_NAMES if start == b"<a" else MAX_TOKEN
    with pytest.raises(InvalidResponse, match="XML without values"):
        loads(*cut(limit - 100))  # some versions of expat do not look at a short rest at once
    with pytest.raises(InvalidResponse, match=f"more than {MAX_TOKEN} bytes|more than {MAX_NAMES} characters"):
        loads(*cut(MAX_TOKEN + 2 * PIECE))


def test_a_text_is_not_taken_for_something_that_does_not_end():
    text = "x" * (MAX_TOKEN + 3 * PIECE)
    for value in (text, f"<![CDATA[{text}]]>", text + "&#65;", "\n" * len(text)):
        body = f"<methodResponse><params><param><value>{value}</value></param></params></methodResponse>".encode()
        pieces = [body[position : position + 1000] for position in range(0, len(body), 1000)]
        assert loads(*pieces) == xmlrpc.client.loads(body)[0]


@pytest.mark.parametrize("kind", ["<{}/>", "<a {}=''/>"])
def test_names_are_bounded(kind):
    def body(count):
        names = "".join(kind.format(f"a{number:05}") for number in range(count))
        return BODY.replace(b"<params>", names.encode() + b"<params>")

    enough = (MAX_NAMES - 200) // 6
    assert loads(body(enough)) == xmlrpc.client.loads(BODY)[0]
    with pytest.raises(InvalidResponse, match=f"more than {MAX_NAMES} characters in different names"):
        loads(body(MAX_NAMES // 6 + 1))


class Counting:
    """An XML parser that counts what it is given, and how often."""

    def __init__(self, parser):
        self._parser = parser
        self.sizes = []

    def Parse(self, data, final):  # noqa: N802  # the name is expat's
        self.sizes.append(len(data))
        return self._parser.Parse(data, final)

    def __getattr__(self, name):
        return getattr(self._parser, name)


@pytest.mark.parametrize("filling", [b"x", b"\r\n", b"<!--" + b"x" * 50000 + b"-->", b"<a b='" + b"x" * 50000 + b"'/>"])
def test_many_small_pieces_are_not_parsed_one_by_one(filling):
    parser, unmarshaller = make_parser(False, False)
    counting = parser._parser = Counting(parser._parser)
    text = BODY.replace(b">value<", b">" + filling * (1_000_000 // len(filling)) + b"<")
    assert decode(singly(text), parser, unmarshaller, "") == xmlrpc.client.loads(text)[0]
    assert sum(counting.sizes) == len(text)
    assert len(counting.sizes) < 500
    assert counting.sizes[0] == 1  # what is wrong at the start is seen at once


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize("start", ["", " ", "\n"])
def test_the_encoding_is_recognized_in_small_pieces(encoding, start):
    body = (start + BODY.decode().partition("?>")[2].lstrip()).encode(encoding)
    assert loads(*singly(body)) == loads(body)


def lost(*pieces):
    """Raise the error of a connection that breaks after these pieces."""
    yield from pieces
    raise ConnectionResetError


REFUSED = {
    "not": [BODY],
    "not XML": [b"<html><p></html>"],
    "cut off": [BODY[:-10]],
    "a DTD": [b"<!DOCTYPE a><a/>"],
    "too deep": [b"<a>" * (MAX_DEPTH + 1)],
    "no value": [BODY.replace(b"int", b"double").replace(b">5<", b">five<")],
    "an unknown tag": [BODY.replace(b"array", b"arrow")],
    "empty": [],
    "a broken connection": lost(BODY[:100]),
}


def is_freed_at_once(pieces, content_type="text/xml", keep=lambda parser: None):
    """Say whether a decoded body leaves nothing for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        parser, unmarshaller = make_parser(False, False)
        keep(parser)
        left = [weakref.ref(parser), weakref.ref(unmarshaller)]
        try:
            decode(pieces, parser, unmarshaller, content_type)
        except (InvalidResponse, ConnectionResetError):
            pass
        del parser, unmarshaller
        return not any(found() for found in left)
    finally:
        gc.enable()


@pytest.mark.parametrize("pieces", REFUSED.values(), ids=REFUSED)
def test_a_refused_body_leaves_no_reference_cycle(pieces):
    assert is_freed_at_once(pieces)


def test_a_body_of_another_type_leaves_no_reference_cycle():
    assert is_freed_at_once([BODY], "text/html")


def test_a_parser_that_is_not_released_is_a_reference_cycle():
    def keep(parser):
        parser.release = lambda: None

    assert not is_freed_at_once(REFUSED["not XML"], keep=keep)


def test_faults():
    body = xmlrpc.client.dumps(xmlrpc.client.Fault(4, "no"), methodresponse=True).encode()
    with pytest.raises(xmlrpc.client.Fault, match="no"):
        loads(body)
