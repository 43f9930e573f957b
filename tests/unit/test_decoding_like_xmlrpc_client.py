"""Bodies of all kinds, against the standard decoder: the same values, or an error of ours."""

import gzip
import xmlrpc.client
from base64 import b64encode
from datetime import datetime
from xml.parsers import expat
from xml.sax.saxutils import escape

import pytest
from decoders import DECODERS
from hypothesis import given, settings, strategies as st

from krbxmlrpc import InvalidResponse
from krbxmlrpc._xmlrpc.decoding import decode, decompressed, make_parser

thoroughly = settings(deadline=None, max_examples=300)


@pytest.fixture(scope="module", autouse=True, params=DECODERS.values(), ids=DECODERS)
def decoder(request):
    """Run each test with both decoders."""
    with request.param():
        yield


def plain(value):
    """Return a value with the types of all that is in it, so that equal ones are equal in these, too."""
    if isinstance(value, (list, tuple)):
        return [type(value), *map(plain, value)]
    if isinstance(value, dict):
        return [dict, *[(plain(name), plain(item)) for name, item in value.items()]]
    if isinstance(value, xmlrpc.client.Binary):
        return [type(value), value.data]
    return [type(value), str(value)]


def ours(body, types, size, packed):
    """Return what is decoded from a body in pieces of this size."""
    data = gzip.compress(body, 1) if packed else body
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    try:
        return plain(decode(decompressed(pieces, "gzip" if packed else ""), *make_parser(*types), "text/xml"))
    except xmlrpc.client.Fault as fault:
        return plain([fault.faultCode, fault.faultString])
    except InvalidResponse:
        return "refused"


def root(body):
    """Return the name of the first element of a document."""
    names = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: names.append(name.rpartition(":")[2])
    parser.Parse(body, True)
    return names[0]


def the_standards(body, types):
    """Return what the standard decoder makes of it; of other documents, too, which it takes for responses."""
    try:
        if root(body) != "methodResponse":
            return "refused"
        values, method = xmlrpc.client.loads(body, *types)
        return plain(values) if method is None else "refused"
    except xmlrpc.client.Fault as fault:
        return plain([fault.faultCode, fault.faultString])
    except Exception:
        return "refused"


TYPES = st.sampled_from([(False, False), (True, False), (False, True), (True, True)])
SIZE = st.sampled_from([1, 2, 3, 7, 100, 1_000_000])
TEXT = st.text(max_size=20) | st.sampled_from(["<&>]]>", " \r\n\t", "\0", "\ufffe", "é\U0001f600", "]]", "&amp;", ""])
SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(),
    TEXT,
    st.binary(max_size=100),
    st.builds(xmlrpc.client.Binary, st.binary(max_size=10)),
    st.datetimes(min_value=datetime(1000, 1, 1)),
)
VALUES = st.recursive(
    SIMPLE, lambda value: st.lists(value, max_size=4) | st.dictionaries(TEXT, value, max_size=4), max_leaves=15
)
FAULTS = st.builds(xmlrpc.client.Fault, st.integers(-(2**31), 2**31 - 1), TEXT)


@thoroughly
@given(VALUES | FAULTS, TYPES, SIZE, st.booleans())
def test_values_encoded_by_xmlrpc_client_are_decoded_unchanged(value, types, size, packed):
    params = value if isinstance(value, xmlrpc.client.Fault) else (value,)
    body = xmlrpc.client.dumps(params, methodresponse=True, allow_none=True).encode()
    assert ours(body, types, size, packed) == the_standards(body, types)


# -- what can be written in more than one way -------------------------------------------------------------------------

ESCAPED = st.text("aé€\U0001f600<&>]' \t\r\n5", max_size=20).map(escape)
NUMBER = st.integers(-(2**80), 2**80).map(str)
BY_TYPE = {
    "nil": st.just(""),
    "boolean": st.sampled_from("012"),
    **{name: NUMBER | st.sampled_from([" 5 ", "1_0", "0x1", "٣"]) for name in ("i1", "i2", "i4", "i8", "int")},
    "biginteger": NUMBER,
    "double": st.floats().map(repr),
    "float": st.sampled_from(["nan", "-inf", "1e999", "1,5"]),
    "bigdecimal": st.decimals().map(str) | st.just("x"),
    "string": ESCAPED,
    "base64": st.binary(max_size=99).map(lambda data: b64encode(data).decode()) | st.sampled_from(["aG\nk=", "a"]),
    "dateTime.iso8601": st.sampled_from(["20200229T01:02:03", "2020-02-29T01:02:03", "20200230T01:02:03", "today"]),
}
BESIDE = st.sampled_from(["", "", "", " ", "\r\n\t", "<!-- <value> -->", "<?php exit; ?>"])
AROUND = BESIDE | st.sampled_from(["", "<![CDATA[]]>", "text"])
WITHIN = st.sampled_from(["", "", "", "<![CDATA[<5>]]>", "&#53;", "&#x20ac;", "&lt;", "<!---->", "<?a?>", "]", "\r"])


ROOTS = ("methodResponse", "root")


@st.composite
def elements(draw, name, content):
    """Draw an element: with a prefix, with attributes, with something around and within, or plain."""
    before, after = (draw(AROUND) if name not in ROOTS else "" for _ in range(2))
    prefix = draw(st.sampled_from(["", "", "", "ex:", "a:b:", ":"]))
    attributes = draw(st.sampled_from(["", "", " a='1' b:c=\"&lt;\"", "\n"]))
    if not content and draw(st.booleans()):
        return f"<{prefix}{name}{attributes}/>"
    inner = draw(WITHIN) + content + draw(WITHIN)
    return f"{before}<{prefix}{name}{attributes}>{inner}</{prefix}{name} >{after}"


def of_type(name):
    return BY_TYPE[name].flatmap(lambda text: elements(name, text))


def wrapped(*names):
    """Return what puts several drawn contents in one element for each of these names, the first one innermost."""

    def wrap(contents):
        strategy = st.lists(contents, max_size=3).map("".join)
        for name in names:
            strategy = strategy.flatmap(lambda content, name=name: elements(name, content))
        return strategy

    return wrap


@st.composite
def members(draw, contents):
    """Draw the member of a struct, whose parts may be missing."""
    name = draw(st.just("") | ESCAPED.flatmap(lambda text: elements("name", text)))
    return draw(elements("member", name + draw(contents)))


ANYWHERE = ["value", "unknown", "array", "struct", "string", "params", "fault", "methodName", "é"]
TYPED = st.sampled_from(sorted(BY_TYPE)).flatmap(of_type)
CONTENT = st.recursive(
    (TYPED | ESCAPED).flatmap(lambda content: elements("value", content)),
    lambda inner: st.one_of(
        wrapped("data", "array", "value")(inner),
        wrapped("struct", "value")(members(inner)),
        wrapped("struct", "value")(members(inner)),
        st.sampled_from(ANYWHERE).flatmap(lambda name: wrapped(name)(inner)),
    ),
    max_leaves=8,
)
WHOLE = st.one_of(
    wrapped("param", "params", "methodResponse")(CONTENT),
    wrapped("fault", "methodResponse")(CONTENT),
    wrapped("params", "root")(CONTENT),
)
ENCODINGS = ["utf-8", "UTF-8", "utf-16", "iso-8859-1", "us-ascii", "windows-1252", "no-such", "shift_jis"]


@st.composite
def documents(draw):
    """Draw a document, which says what its encoding is, rightly or not, or does not say it."""
    declared = draw(st.sampled_from([None] * 9 + ENCODINGS))
    declaration = "" if declared is None else f"<?xml version='1.0' encoding='{declared}'?>"
    encoding = draw(st.sampled_from([declared or "utf-8"] * 9 + ["utf-8", "utf-16", "iso-8859-1"]))
    text = declaration + draw(BESIDE) + draw(WHOLE) + draw(BESIDE)
    try:
        return text.encode(encoding, "xmlcharrefreplace")
    except LookupError:
        return text.encode()


@thoroughly
@given(documents(), TYPES, SIZE, st.booleans())
def test_any_xml_is_decoded_as_by_xmlrpc_client_or_refused(body, types, size, packed):
    assert ours(body, types, size, packed) == the_standards(body, types)


@thoroughly
@given(documents(), st.data(), SIZE, st.booleans())
def test_damaged_bodies_are_decoded_as_xmlrpc_client_or_refused(body, data, size, packed):
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(body))] * 2)))
    new = data.draw(st.binary(max_size=4) | st.sampled_from([b"<", b"</value>", b"&", b"&x;", b"\xff", b"]]>", b""]))
    damaged = body[:start] + new + body[min(end, start + 10) :]
    assert ours(damaged, (False, False), size, packed) == the_standards(damaged, (False, False))


@given(st.binary(max_size=200), SIZE, st.sampled_from(["", "gzip"]))
def test_any_bytes_are_refused(data, size, encoding):
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    with pytest.raises(InvalidResponse):
        decode(decompressed(pieces, encoding), *make_parser(False, False), "text/xml")
