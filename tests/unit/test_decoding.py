"""Decoding bodies, without a network."""

import gc
import gzip
import re
import weakref
import xmlrpc.client
import zlib
from contextlib import suppress
from xml.parsers.expat import ParserCreate
from xmlrpc.client import Fault, dumps

import pytest
from decoders import DECODERS

from krbxmlrpc import InvalidResponse, ResponseTooLarge, UnsafeResponse
from krbxmlrpc._xmlrpc.canonical import Scanner
from krbxmlrpc._xmlrpc.decoding import (
    MAX_DEPTH,
    MAX_FAULT,
    MAX_NAMES,
    MAX_TOKEN,
    PIECE,
    decode,
    decompressed,
    fault_in,
    limited,
    make_parser,
)

BODY = xmlrpc.client.dumps((["value", 5, True, {"a": b"bytes"}],), methodresponse=True).encode()


@pytest.fixture(scope="module", autouse=True, params=DECODERS.values(), ids=DECODERS)
def decoder(request):
    """Run each test with both decoders."""
    with request.param():
        yield


def loads(*pieces, content_type="text/xml", is_verified=True):
    return decode(pieces, *make_parser(False, False), content_type, is_verified)


def singly(data):
    """Return data in pieces of one byte."""
    return [data[position : position + 1] for position in range(len(data))]


def errors_of(body, problem, **arguments):
    """Return the errors for a body, in one piece and in pieces of one byte."""
    errors = []
    for pieces in ([body], singly(body)) if body else ([],):
        with pytest.raises(InvalidResponse, match=problem) as caught:
            loads(*pieces, **arguments)
        assert isinstance(caught.value, xmlrpc.client.ResponseError)
        assert len(str(caught.value)) < 500
        errors.append(caught.value)
    return errors


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


FAULT = dumps(Fault(7, "seven"), methodresponse=True).encode()
RESULTS = b"<methodResponse><params><param><value>%s</value></param></params></methodResponse>"


@pytest.mark.parametrize(
    "body, reason",
    [
        (b"", "it is empty"),
        (b"   ", "it is cut off: no element found"),
        (b"no XML", "syntax error"),
        (b'{"result": 5}', "not well-formed"),
        (b"<html/>", "its first element is not methodResponse: 'html'"),
        (b"<html><br></html>", "its first element is not methodResponse: 'html'"),
        (b"<!DOCTYPE html><html>", "it is a page in HTML"),
        (b"<!-- a page --><!doctype HTML>", "syntax error"),
        (b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">', "it is a page in HTML"),
        (b"<!-- -- -->", "not well-formed"),
        (b"<methodRespons", "it is cut off: unclosed token"),
        (b"<methodResponses/>", "its first element is not methodResponse"),
        (b"<params><param><value>5</value></param></params>", "its first element is not methodResponse: 'params'"),
        (b"<a>" + b"<name>x</name><struct></struct>" + b"</a>", "its first element is not methodResponse"),
        (xmlrpc.client.dumps((5,), "method").encode(), "it is a method call"),
        (BODY.decode().encode("utf-16")[1:], "it is not UTF-8, from byte 0 on"),
        (b"\1" + BODY, "byte 0 is the control character 0x01"),
        (b"<?xml version='1.0' encoding='no-such'?>" + BODY, "unknown encoding"),
        (b"<?xml version='1.0' encoding='utf-16'?><a/>", "encoding specified in XML declaration is incorrect"),
        (b"\n<?xml version='1.0'?>" + BODY, "XML or text declaration not at start of entity"),
    ],
)
def test_what_is_not_xmlrpc(body, reason):
    what = rf"not an XML-RPC response; its content type is 'text/xml' \((.*{reason}.*)\)"
    for error in errors_of(body, what):
        assert "login" in error.hint and not error.has_run


@pytest.mark.parametrize(
    "body, problem",
    [
        (b"<methodResponse/>", "there is neither a value nor a Fault, at result"),
        (b"<methodResponse><params></params>", "it is cut off: no element found: line 1, column 33"),
        (b"<methodResponse><params></par", "it is cut off: unclosed token"),
        (b"<methodResponse><![CDATA[", "it is cut off: unclosed CDATA section"),
        (b"<methodResponse>\xe2\x82", "it is cut off: partial character"),
        (BODY[: BODY.index(b"</base64>")], "it is cut off: .*, at result[3]['a']"),
        (BODY + b"<more/>", "junk after document element: line 21, column 0"),
        (BODY.replace(b"<int>5", b"<int>five"), "a number cannot be read: 'five', at result[1]"),
        (BODY.replace(b"<int>5", b"<int>"), "a number cannot be read: '', at result[1]"),
        (BODY.replace(b"<int>5", b"<int>" + b"5" * 5000), "a number cannot be read: '555"),
        (BODY.replace(b"int>", b"double>").replace(b"5", b"1,5"), "a number cannot be read: '1,5', at result[1]"),
        (BODY.replace(b"int>", b"bigdecimal>").replace(b"5", b"x"), "a number cannot be read: 'x', at result[1]"),
        (BODY.replace(b"<boolean>1", b"<boolean>yes"), "a boolean is neither 0 nor 1: 'yes', at result[2]"),
        (BODY.replace(b"Ynl0ZXM=", b"Ynl0Z"), "a base64 value cannot be read: '"),
        (BODY.replace(b"int>", b"complex>"), "a value has an unknown type: 'complex', at result[1]"),
        (BODY.replace(b"<int>5", b"<i4>5"), "mismatched tag: line 7, column 14, at result[1]"),
        (BODY.replace(b">value<", b">a\x1bb<"), "is the control character 0x1b, at result[0]"),
        (BODY.replace(b">value<", b">a&#27;b<"), "reference to invalid character number: .*, at result[0]"),
        (BODY.replace(b">value<", b">a&nbsp;b<"), "undefined entity: .*, at result[0]"),
        (BODY.replace(b">value<", b">a & b<"), "not well-formed (invalid token): .*, at result[0]"),
        (BODY.replace(b">value<", b">\xe9<"), "it is not UTF-8, from byte "),
        (BODY.replace(b"<name>a</name>", b""), "a struct has a member without a name or without a value, at result[3]"),
        (FAULT.replace(b"faultString", b"other"), "the Fault has no faultString: {'faultCode': 7, 'other': 'seven'}"),
        (FAULT.replace(b"faultCode", b"other"), "the Fault has no faultCode: "),
        (FAULT.replace(b"<int>7", b"<int>x"), "a number cannot be read: 'x', at fault['faultCode']"),
        (
            b"<methodResponse><fault><value>no</value></fault></methodResponse>",
            "the Fault has no faultCode and no fault",
        ),
        (b"<methodResponse><fault></fault></methodResponse>", "the Fault has no faultCode and no faultString"),
        (b"<methodResponse><methodName>x</methodName></methodResponse>", "it is a method call"),
        (RESULTS % b"<array><data><value>1</value></array>", "mismatched tag: line 1, column "),
    ],
)
def test_a_response_that_cannot_be_decoded(body, problem):
    """The call has run, and the error says at which value its answer is wrong."""
    what = "the XML-RPC response cannot be decoded: .*" + re.escape(problem).replace(re.escape(".*"), ".*")
    for error in errors_of(body, what):
        assert error.has_run and error.hint.startswith("the call has run; ")
        assert "login" not in error.hint and "path" not in error.hint


DATES = [(True, False), (False, True), (True, True)]


@pytest.mark.parametrize("types", DATES)
@pytest.mark.parametrize("date", ["2026-02-29T01:02:03", "20260229T01:02:03", "today", ""])
def test_a_date_that_use_datetime_cannot_read(types, date):
    value = (
        f"<struct><member><name>due</name><value><dateTime.iso8601>{date}</dateTime.iso8601></value></member></struct>"
    )
    body = RESULTS % value.encode()
    assert loads(body)[0]["due"] == date
    with pytest.raises(InvalidResponse) as caught:
        decode([body], *make_parser(*types), "text/xml", True)
    assert caught.value.message.endswith(f"a date cannot be read: {date!r}, at result['due']")
    assert "without use_datetime and use_builtin_types" in caught.value.hint and caught.value.has_run


def value_at(*path):
    """Return a body with a wrong value at this place, with others before it."""
    value = "<boolean>wrong</boolean>"
    for step in reversed(path):
        if isinstance(step, int):
            inner = "<value>x</value>" * step + f"<value>{value}</value>"
            value = f"<array><data>{inner}</data></array>"
        else:
            other = "<member><name>other</name><value><array><data><value/></data></array></value></member>"
            value = f"<struct>{other * 2}<member><name>{step}</name><value>{value}</value></member></struct>"
    return RESULTS % value.encode()


@pytest.mark.parametrize(
    "path", [(), (0,), (3,), ("a",), ("a", "b"), (1, 2, 3), (0, "a", 1, "b"), ("it's", 5), ("é\u2028",)]
)
def test_the_place_of_a_value_is_told(path):
    shown = "".join(f"[{step!a}]" for step in path)
    with pytest.raises(InvalidResponse) as caught:
        loads(value_at(*path))
    assert caught.value.message.endswith(f"a boolean is neither 0 nor 1: 'wrong', at result{shown}".replace("\\", "\\"))
    with pytest.raises(InvalidResponse) as caught:
        loads(value_at(*path), is_verified=False)
    hidden = "".join(f"[{step!r}]" if isinstance(step, int) else "[?]" for step in path)
    assert caught.value.message.endswith(f"a boolean is neither 0 nor 1, at result{hidden}")


def test_the_place_of_a_value_in_another_param():
    body = RESULTS.replace(b"<param>", b"<param><value>1</value></param><param>", 1) % b"<int>x</int>"
    with pytest.raises(InvalidResponse, match="at param 2$"):
        try:
            loads(body)
        except InvalidResponse as error:
            raise InvalidResponse(error.message) from error


def test_a_long_place_is_shortened():
    with pytest.raises(InvalidResponse) as caught:
        loads(value_at(*["x" * 100, 7] * 40))
    assert len(caught.value.message) < 300
    assert ", at result..." in caught.value.message and caught.value.message.endswith("[7]")


def test_a_fault_with_other_members_is_a_fault():
    """xmlrpc.client raises a TypeError for it, and its text is lost."""
    more = b"<member><name>more</name><value>1</value></member></struct>"
    with pytest.raises(Fault) as caught:
        loads(FAULT.replace(b"</struct>", more))
    assert (caught.value.faultCode, caught.value.faultString) == (7, "seven")


@pytest.mark.parametrize(
    "body, has_run",
    [
        (b"<methodResponse>" + b"<a>" * MAX_DEPTH, True),
        (b"<a>" * MAX_DEPTH, False),
        (b"<methodResponse><a b='" + b"x" * 2 * MAX_TOKEN, True),
        (b"<!--" + b"x" * 2 * MAX_TOKEN, False),
    ],
)
def test_a_limit_in_a_response_says_that_the_call_has_run(body, has_run):
    with pytest.raises(InvalidResponse) as caught:
        loads(body)
    assert caught.value.has_run is has_run
    assert (caught.value.hint or "").startswith("the call has run; ") is has_run


def test_a_large_response_says_that_the_call_has_run():
    with pytest.raises(ResponseTooLarge, match="the call has run; .*max_response_bytes=") as caught:
        decode(limited([BODY[:100], BODY[100:]], 150, "decoded"), *make_parser(False, False), "")
    assert caught.value.has_run
    with pytest.raises(ResponseTooLarge) as caught:
        decode(limited([BODY], 10, "decoded"), *make_parser(False, False), "")
    assert not caught.value.has_run and "has run" not in caught.value.hint


WRAPPED = BODY.strip().replace(b"?>", b"?><!-- \xe2\x82\xac -->").replace(b"value<", b"<![CDATA[v]]>&#97;]lue<")


@pytest.mark.parametrize("body", [BODY.strip(), WRAPPED, WRAPPED.decode().encode("utf-16")])
def test_a_document_that_is_cut_off_anywhere_is_marked(body):
    assert loads(body)
    for end in range(len(body)):
        assert all(error.is_cut_off for error in errors_of(body[:end], "XML-RPC response"))


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


@pytest.mark.parametrize("body", [b"\xe9 ", b"\xe2\x82 ", b"\xed\xa0\x80", b'\xf0\x9f\x98"'])
@pytest.mark.parametrize("before", ["", "<?xml version='1.0' encoding='UTF-8'?>", "<!-- \U0001f600 -->\n" * 5000])
def test_bytes_that_are_not_utf8_are_named(body, before):
    body = before.encode() + RESULTS % body
    with pytest.raises(UnicodeDecodeError) as standard:
        body.decode()
    errors_of(body, f": it is not UTF-8, from byte {standard.value.start} on, at result")


@pytest.mark.parametrize(
    "body",
    [
        b"<?xml version='1.0' encoding='us-ascii'?>" + RESULTS % "é".encode(),
        b"<?xml version='1.0' encoding='windows-1252'?>" + RESULTS % b"\x81",
        (RESULTS % b"x").replace(b"x", "<\N{MULTIPLICATION SIGN}/>".encode()),
        RESULTS % "\ufffe".encode(),
    ],
)
def test_other_bad_characters_are_not_taken_for_bad_utf8(body):
    errors_of(body, ": not well-formed")


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "us-ascii"])
@pytest.mark.parametrize("character", [0, 1, 8, 11, 12, 14, 31])
def test_a_control_character_is_named(encoding, character):
    body = f"<?xml version='1.0' encoding='{encoding}'?>".encode() + RESULTS % (b"ab" + bytes([character]) + b"\xff")
    at = body.index(bytes([character]))
    for error in errors_of(body, f"byte {at} is the control character 0x{character:02x}"):
        assert "base64" in error.hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_half_a_character_of_utf16_is_no_control_character(encoding):
    body = (RESULTS % b"\x01").decode().encode(encoding)
    errors_of(body, ": not well-formed")


# -- content types ----------------------------------------------------------------------------------------------------

TYPES = [
    *("", "text/xml", "application/xml", "text/html", "text/html; charset=utf-16", "application/json", "text/plain"),
    *("text", "+xml", "text/xml, text/html", "text/html, text/xml", "; text/xml", 'text/xml; charset="', '"' * 9999),
]
STARTS = [b"", b"\xef\xbb\xbf", b"\r\n\t ", b"<?xml version='1.0'?>\n", b"<!-- <html> --> <?php ?>\n"]


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("start", STARTS)
def test_the_first_bytes_decide_and_not_the_type(content_type, start):
    """As in xmlrpc.client, which does not look at the type."""
    body = start + BODY.partition(b"?>\n")[2] if start else BODY
    for pieces in ([body], singly(body)):
        assert loads(*pieces, content_type=content_type) == xmlrpc.client.loads(BODY)[0]


def test_a_prefix_of_a_namespace_does_not_matter():
    body = RESULTS.replace(b"methodResponse>", b"x:methodResponse>") % b"5"
    assert loads(body, content_type="text/html") == xmlrpc.client.loads(body)[0] == ("5",)


@pytest.mark.parametrize("content_type", TYPES)
@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"<html><form>", b"Please log in", b'{"error": "login"}'])
def test_a_page_is_refused_whatever_its_type(content_type, page):
    """Even if there are values in it: a page can show what somebody has written."""
    body = page + RESULTS % b"<int>5</int>"
    for error in errors_of(body, "not an XML-RPC response; its content type is ", content_type=content_type):
        assert "login_path=" in error.hint
        assert type(error) is InvalidResponse and not error.has_run


def test_a_page_is_not_read_to_its_end():
    def pieces():
        yield b"<!DOCTYPE html><html>"
        raise AssertionError("it was read")

    with pytest.raises(InvalidResponse):
        decode(pieces(), *make_parser(False, False), "text/html", is_verified=True)


@pytest.mark.parametrize("content_type", TYPES)
def test_entities_are_refused_whatever_the_type(content_type):
    with pytest.raises(UnsafeResponse):
        loads(b"<!DOCTYPE x [<!ENTITY y 'z'>]>" + RESULTS % b"&y;", content_type=content_type)
    with pytest.raises(InvalidResponse, match="page in HTML"):
        loads(b"<!DOCTYPE html [<!ENTITY y 'z'>]>" + RESULTS % b"&y;", content_type=content_type)


LOCKED = "your-account-is-locked"
QUOTING = {
    "a tag": (RESULTS.decode() % f"<{LOCKED}/>", "text/xml"),
    "a number": (BODY.decode().replace(">5<", f">{LOCKED}<"), "text/xml"),
    "a name": (
        RESULTS.decode() % f"<struct><member><name>{LOCKED}</name><value><int>x</int></value></member></struct>",
        "text/xml",
    ),
    "a date": (RESULTS.decode() % f"<dateTime.iso8601>{LOCKED}</dateTime.iso8601>", "text/xml"),
    "a Fault": (FAULT.decode().replace("faultString", LOCKED), "text/xml"),
    "the first element": (f"<{LOCKED}/>", "text/xml"),
    "a type": ("<html>", f"text/{LOCKED}"),
    "a parameter": ("<html>", f"text/xml; charset={LOCKED}"),
}


@pytest.mark.parametrize("body, content_type", QUOTING.values(), ids=QUOTING)
@pytest.mark.parametrize("is_verified", [False, True])
def test_only_a_verified_body_is_quoted(body, content_type, is_verified):
    with pytest.raises(InvalidResponse) as caught:
        decode([body.encode()], *make_parser(True, False), content_type, is_verified)
    assert (LOCKED in str(caught.value)) is is_verified


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=x"])
def test_usual_types_are_named_in_any_case(content_type):
    with pytest.raises(InvalidResponse, match="its content type is 'text/html'"):
        loads(b"<html>", content_type=content_type, is_verified=False)


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
    for body in (
        nested(MAX_DEPTH + 1),
        *[b"<methodResponse>" + tag * 100_000 for tag in (b"<a>", b"<value>", b"<x:array>")],
    ):
        with pytest.raises(InvalidResponse, match=f"nested more than {MAX_DEPTH} elements deep"):
            loads(body)
    beside = RESULTS.replace(b"<param><value>%s</value></param>", b"<param><value>x</value></param>" * MAX_DEPTH)
    assert loads(beside) == ("x",) * MAX_DEPTH


UNFINISHED = {
    "tag": (b"<a ", b" ", b"/>"),
    "name": (b"<a", b"a", b"/>"),
    "value of an attribute": (b"<a b='", b"x", b"'/>"),
    "end": (b"<methodResponse></methodResponse", b" ", b">"),
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
    with pytest.raises(InvalidResponse, match="its first element is not methodResponse|neither a value"):
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


@pytest.fixture
def sizes(monkeypatch):
    """The sizes of all data that the scanner reads, and for the rest that expat reads."""
    sizes = {"scanner": [], "expat": []}

    class Counting:
        """A parser of expat that notes what it is given."""

        def __init__(self, *arguments):
            vars(self)["_parser"] = ParserCreate(*arguments)

        def Parse(self, data, final):  # noqa: N802  # the name is expat's
            sizes["expat"].append(len(data))
            return self._parser.Parse(data, final)

        def __getattr__(self, name):
            return getattr(self._parser, name)

        def __setattr__(self, name, value):
            setattr(self._parser, name, value)

    def read(scanner, data):
        sizes["scanner"].append(len(data))
        return reading(scanner, data)

    reading = Scanner.read
    monkeypatch.setattr("xmlrpc.client.expat.ParserCreate", Counting)
    monkeypatch.setattr(Scanner, "read", read)
    return sizes


@pytest.mark.parametrize("filling", [b"x", b"\r\n", b"<!--" + b"x" * 50000 + b"-->", b"<a b='" + b"x" * 50000 + b"'/>"])
def test_many_small_pieces_are_not_parsed_one_by_one(filling, sizes):
    text = BODY.replace(b">value<", b">" + filling * (1_000_000 // len(filling)) + b"<")
    values = loads(*singly(text))
    read = sizes["scanner"] + sizes["expat"]
    assert values == xmlrpc.client.loads(text)[0]
    assert len(text) <= sum(read) < len(text) + 10_000  # the scanner reads an unfinished tag again
    assert len(read) < 1000
    assert read[0] == 1  # what is wrong at the start is seen at once


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
    "not XML": [b"<methodResponse><p></html>"],
    "cut off": [BODY[:-10]],
    "a DTD": [b"<!DOCTYPE a><a/>"],
    "too deep": [b"<methodResponse>" + b"<a>" * (MAX_DEPTH + 1)],
    "another document": [b"<a>"],
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


def test_a_parser_that_is_not_released_is_a_reference_cycle():
    def keep(parser):
        parser.release = lambda: None

    assert not is_freed_at_once(REFUSED["not XML"], keep=keep)


def test_faults():
    body = xmlrpc.client.dumps(xmlrpc.client.Fault(4, "no"), methodresponse=True).encode()
    with pytest.raises(xmlrpc.client.Fault, match="no"):
        loads(body)


@pytest.mark.parametrize(
    "content, encoding, found",
    [
        (FAULT, "", True),
        (gzip.compress(FAULT), "gzip", True),
        (FAULT, "gzip", False),
        (BODY, "", False),
        (FAULT[:-5], "", False),
        (b"", "", False),
        (b"<html>busy</html>", "", False),
        (b"<!DOCTYPE a><a/>", "", False),
        (gzip.compress(FAULT.replace(b"seven", bytes(MAX_FAULT).replace(b"\0", b"x"))), "gzip", False),
    ],
)
def test_a_fault_in_the_body_of_an_error(content, encoding, found):
    fault = fault_in(content, encoding)
    assert (fault is not None) is found
    assert fault is None or (fault.faultCode, fault.faultString, fault.__traceback__) == (7, "seven", None)
