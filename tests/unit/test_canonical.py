"""The scanner for usual XML does the same as expat, or leaves the work to expat."""

import gc
import xmlrpc.client
from contextlib import suppress
from xmlrpc.client import Fault

import pytest
from decoders import form, in_pieces, outcome, outcomes, reads_alone, small_windows
from encoders import BODIES, DJANGO_FAULT, FOR_EXPAT, OF_TYPES, OF_TYPES_BUILTIN, PYTHON, TYPES
from hypothesis import given, settings, strategies as st

from krbxmlrpc import InvalidResponse
from krbxmlrpc._xmlrpc import canonical
from krbxmlrpc._xmlrpc.decoding import MAX_DEPTH, decode, make_parser

SIZES = (1, 2, 3, 7, 64, 1_000_000)
START, END = b"<methodResponse><params><param>", b"</param></params></methodResponse>"


def with_value(value):
    return START + b"<value>" + value + b"</value>" + END


@pytest.mark.parametrize("body, values", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("size", SIZES)
def test_bodies_of_encoders_are_decoded(body, values, size):
    assert outcomes(body, size) == [form(values)] * 2
    with small_windows():
        assert outcome(in_pieces(body, size)) == form(values)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("size", SIZES)
def test_the_scanner_reads_usual_bodies_alone(name, size):
    assert reads_alone(BODIES[name][0], size) is (name not in FOR_EXPAT)


@pytest.mark.parametrize("size", SIZES)
def test_the_scanner_reads_a_fault_alone(size):
    expected = ("Fault", form([1, "Not logged in & more"]))
    assert outcomes(DJANGO_FAULT, size) == [expected] * 2
    parser, unmarshaller = make_parser(False, False)
    for piece in in_pieces(DJANGO_FAULT, size):
        parser.feed(piece)
    parser.close()
    assert parser._parser is None
    with pytest.raises(Fault):
        unmarshaller.close()


@pytest.mark.parametrize("types", [(False, True), (True, True), (True, False)])
def test_the_types_of_dates_and_bytes_can_be_chosen(types):
    values = [OF_TYPES_BUILTIN[0], *(OF_TYPES_BUILTIN if types[1] else OF_TYPES)[1:]]
    assert outcomes(TYPES, 100, types) == [form((values,))] * 2


INSERTED = (
    b"<!-- -->",
    b"<![CDATA[x]]>",
    b' a="1"',
    b"<?a b?>",
    b"\r",
    b"&#5;",
    b"\xff",
    b"<",
    b"</value>",
    b"<ex:a/>",
)


@pytest.mark.parametrize("name", ["Perl RPC::XML", "Koji", "all types", "several params", "one text"])
@pytest.mark.parametrize("inserted", INSERTED)
def test_a_handover_at_any_place_changes_nothing(name, inserted):
    body = BODIES[name][0]
    for at in range(len(body) + 1):
        changed = body[:at] + inserted + body[at:]
        scanners, expats = outcomes(changed, 1_000_000)
        assert scanners == expats, changed
        scanners, expats = outcomes(changed, max(1, at))
        assert scanners == expats, changed


@pytest.mark.parametrize("name", BODIES)
def test_a_cut_at_any_place_is_told_in_the_same_words(name):
    body = BODIES[name][0]
    for end in range(len(body)):
        for size in (end + 1, 9):
            scanners, expats = outcomes(body[:end], size)
            assert scanners == expats, body[:end]


def test_each_character_is_read_as_by_expat():
    text = "".join(chr(code) for code in range(32, 0x3000) if code not in (38, 60))
    body = with_value(text.encode())
    assert outcomes(body, 1_000_000) == [form((text,))] * 2
    assert reads_alone(body, 1_000_000)
    special = [*range(32), 127, 0xD7FF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 0x10FFFF]
    for code in special:
        for size in (1, 1_000_000):
            scanners, expats = outcomes(with_value(f"<string>a{chr(code)}b</string>".encode()), size)
            assert scanners == expats, code


NUMBERS = [
    *range(33),
    *(0x7F, 0x85, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF, 0x110000, 0xFFFFFF),
    9999999,
]


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_each_reference_is_read_as_by_expat(size):
    references = [f"&#{number};" for number in NUMBERS] + [f"&#x{number:x};" for number in NUMBERS]
    references += [f"&{name};" for name in ("lt", "gt", "amp", "quot", "apos", "nbsp", "LT", "x", "amp;lt", "#X41")]
    references += ["&", "& ", "&;", "&#;", "&#x;", "&#00000000065;", "&lt", "&#65", "&amp;amp;", "&&lt;"]
    for reference in references:
        for place in ("<string>%s</string>", "%s", "<nil>%s</nil>", "<int>5%s</int>", "<base64>YW%sI=</base64>"):
            scanners, expats = outcomes(with_value((place % reference).encode()), size)
            assert scanners == expats, (reference, place)
        member = f"<struct><member><name>n{reference}</name><value>1</value></member></struct>"
        scanners, expats = outcomes(with_value(member.encode()), size)
        assert scanners == expats, reference


UNUSUAL = [
    b"<value> <int>5</int> </value>",
    b"<value>a<int>5</int>b</value>",
    b"<value><int>5</int>&amp;</value>",
    b"<value><struct>" + b"\r\n" * 40 + b"<value>5</value></struct></value>",
    b"<value><int/></value>",
    b"<value><int>5/></value>",
    b"<value><string>a/></value>",
    b"<value><string><nil/></value>",
    b"<value><string>a]]>b</string></value>",
    b"<value><string>]]</string></value>",
    b"<value><struct>text</struct></value>",
    b"<value><struct> </struct></value><value><struct><member><name>x</name></member></struct></value>",
    b"<value><struct><member><name></name><value>1</value></member></struct></value>",
    b"<value><struct><member><value>1</value><name>x</name></member></struct></value>",
    b"<value><struct><member><name>x</name><value>1</value></member>"
    b"<member><name>x</name><value>2</value></member></struct></value>",
    b"<value><struct><value>1</value></struct></value>",
    b"<value><struct><data><value>1</value></data></struct></value>",
    b"<value><array><data><member><name>x</name><value>1</value></member></data></array></value>",
    b"<value><array><value>1</value></array></value>",
    b"<value><array><data></struct></value>",
    b"<value><struct></data></array></value>",
    b"<value><struct><member><name>x</name></struct></value>",
    b"<value><array></array></value>",
    b"<value><array><data/></array></value>",
    b"<value><data>5</data></value>",
    b"<value><i3>5</i3></value>",
    b"<value><int>5</double></value>",
    b"<value><nil/>5</value>",
    b"<value><nil/",
    b"<value><nil>5</nil></value>",
    b"<value><boolean>true</boolean></value>",
    b"<value><base64>a</base64></value>",
    "<value><base64>é</base64></value>".encode(),
    b"<value><double>x</double></value>",
    b"<value><bigdecimal>1.50</bigdecimal></value><value><bigdecimal>x</bigdecimal></value>",
    b"<value></value/></value>",
    b"<value><member></member></value>",
    b"text",
    b"<methodName>x</methodName>",
    b"<value><struct><member><name>x</name><value><struct></struct></value>"
    + b" " * 600
    + b"</member></struct></value>",
    b"<value><struct><member><name>x</name><value><struct></struct></value><value>2</value></member></struct></value>",
]


@pytest.mark.parametrize("value", UNUSUAL)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("types", [(False, False), (True, True)])
def test_unusual_values_are_left_to_expat(value, size, types):
    for body in (
        START + value + END,
        START.replace(b"<params><param>", b"<fault>") + value + b"</fault></methodResponse>",
    ):
        scanners, expats = outcomes(body, size, types)
        assert scanners == expats
        with small_windows():
            assert outcome(in_pieces(body, size), types) == expats


STARTS = [
    *(b" <?xml version='1.0'?>", b"<?xml version='1.0'?> ", b"<?xml version='1.1'?>", b"<?xml version='1.0' ?>\r\n"),
    *(
        b'<?xml version="1.0" encoding="utf-8"?>',
        b"<?xml version='1.0' encoding='us-ascii'?>",
        b"\xef\xbb\xbf",
        b" " * 300,
    ),
    *(b"<?xml version='1.0' encoding=\"utf-8'?>", b"<!-- -->", b"\r\n\t ", b"a", b"<a/>", b"<methodRespons/>", b"</"),
]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("size", SIZES)
def test_starts_and_ends_are_read_as_by_expat(start, size):
    for end in (b"", b" \r\n", b"\r\n<a/>", b"\r<a/>", b"<a/>", b"<!-- -->", b"x", b"\r", b"</methodResponse>"):
        scanners, expats = outcomes(start + with_value("é".encode()) + end, size)
        assert scanners == expats


@pytest.mark.parametrize("lists", [100, 119, 120, 121, 169, 170, 200])
@pytest.mark.parametrize("kind", ["lists", "structs"])
def test_deep_values_are_read_as_by_expat(lists, kind):
    opening, closing = {
        "lists": (b"<value><array><data>", b"</data></array></value>"),
        "structs": (b"<value><struct><member><name>x</name>", b"</member></struct></value>"),
    }[kind]
    body = START + opening * lists + b"<value>x</value>" + closing * lists + END
    for size in (1, 100, 1_000_000):
        scanners, expats = outcomes(body, size)
        assert scanners == expats


def test_many_different_names_are_read():
    members = b"".join(b"<member><name>n%d</name><value>%d</value></member>" % (each, each) for each in range(5000))
    body = with_value(b"<struct>" + members + b"</struct>")
    assert outcomes(body, 65536) == [form(({f"n{each}": str(each) for each in range(5000)},))] * 2
    assert reads_alone(body, 65536)


def test_equal_names_of_members_are_one_string():
    member = b"<value><struct><member><name>a name</name><value>x</value></member></struct></value>"
    body = with_value(b"<array><data>" + member * 2 + b"</data></array>")
    ((one, other),) = decode([body], *make_parser(False, False), "text/xml")
    assert list(one)[0] is list(other)[0]


def test_long_texts_are_read():
    for text in ("x" * 300_000, "é\n" * 100_000, "a &amp; b &lt;\r\n" * 20_000, "]] " * 50_000):
        body = with_value(f"<string>{text}</string>".encode())
        for size in (1000, 65536):
            scanners, expats = outcomes(body, size)
            assert scanners == expats
            assert reads_alone(body, size)


@pytest.mark.parametrize("count, is_read", [(90, True), (110, False)])
def test_many_different_references_are_left_to_expat(count, is_read):
    text = "".join(map(chr, range(0x400, 0x400 + count)))
    body = with_value("".join(f"&#{ord(character)};" for character in text).encode())
    assert outcomes(body, 65536) == [form((text,))] * 2
    assert reads_alone(body, 65536) is is_read


@pytest.mark.parametrize("count, is_read", [(900, True), (1100, False)])
def test_many_references_in_a_text_are_left_to_expat(count, is_read):
    for reference, character in (("&#65;", "A"), ("&quot;", '"')):
        body = with_value((reference * count).encode())
        assert outcomes(body, 65536) == [form((character * count,))] * 2
        assert reads_alone(body, 65536) is is_read


@pytest.mark.parametrize(
    "item, value", [(b"<value><struct/></value>", {}), (b"<value><array><data/></array></value>", [])]
)
@pytest.mark.parametrize("count, is_read", [(100, True), (1000, False)])
def test_many_unusual_items_are_left_to_expat(item, value, count, is_read):
    body = with_value(b"<array><data>" + item * count + b"</data></array>")
    assert outcomes(body, 65536) == [form(([value] * count,))] * 2
    assert reads_alone(body, 65536) is is_read


def test_the_pair_is_used_as_in_the_standard_library():
    parser, unmarshaller = make_parser(False, False)
    parser.feed(PYTHON)
    parser.close()
    assert unmarshaller.close() == xmlrpc.client.loads(PYTHON)[0]


def test_an_unmarshaller_can_have_a_dispatch_of_its_own():
    parser, unmarshaller = make_parser(False, False)
    unmarshaller.dispatch = {**unmarshaller.dispatch, "int": lambda self, data: self.append(f"number {data}")}
    parser.feed(with_value(b"<int>5</int>"))
    parser.close()
    assert unmarshaller.close() == ("number 5",)


@pytest.mark.parametrize("kind", [xmlrpc.client.Unmarshaller, type("Own", (type(make_parser(0, 0)[1]),), {})])
def test_another_unmarshaller_gets_the_events_of_expat(kind):
    unmarshaller = kind(*(() if kind is xmlrpc.client.Unmarshaller else (False, False)))
    parser = type(make_parser(False, False)[0])(unmarshaller)
    parser.feed(PYTHON)
    parser.close()
    assert unmarshaller.close() == xmlrpc.client.loads(PYTHON)[0]
    assert parser._parser is not None and parser.has_begun


def test_a_parser_tells_after_its_release_whether_it_had_begun():
    for body, has_begun in ((PYTHON, True), (PYTHON[:100], True), (b"<?xml", False), (b"<a/>", False)):
        parser, unmarshaller = make_parser(False, False)
        with suppress(InvalidResponse):
            decode([body], parser, unmarshaller, "text/xml")
        assert parser.has_begun is has_begun


def test_values_of_the_scanner_need_no_collector():
    gc.collect()
    gc.disable()
    try:
        decode([PYTHON], *make_parser(False, False), "text/xml")
        assert gc.collect() == 0
    finally:
        gc.enable()


# -- random bodies ----------------------------------------------------------------------------------------------------

TEXT = st.text("ab <&>]\r\n\té€\U0001f600", max_size=12)
SPACE = st.sampled_from(["", "", "", "\n", "\r\n", "  ", "\t", " " * 60])
SIMPLE = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False), TEXT, st.binary(max_size=60)
)
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
MUTATIONS = [
    *(
        b"<",
        b">",
        b"</",
        b"&",
        b"&#13;",
        b"&lt;",
        b"]]>",
        b"\r",
        b"\xff",
        b"\xc3",
        b"\0",
        b" ",
        b"/",
        b"/>",
        b"<value>",
    ),
    *(b"</value>", b"<nil/>", b"<int>", b"</struct>", b"<member>", b"<!---->", b"<a>", b"x"),
]


@st.composite
def spelt(draw):
    """Draw a body with space between its tags, as `xmlrpc.client` does not write it."""
    text = xmlrpc.client.dumps((draw(VALUES),), methodresponse=True, allow_none=True)
    marks = {
        "\n<": f"{draw(SPACE)}<",
        "><member>": f">{draw(SPACE)}<member>",
        "<string>": draw(st.sampled_from(["<string>", ""])),
    }
    if not marks["<string>"]:
        marks["</string>"] = ""
    for old, new in marks.items():
        text = text.replace(old, new)
    return text.encode()


@settings(deadline=None, max_examples=200)
@given(spelt(), st.integers(1, 200), st.sampled_from([(False, False), (True, False), (True, True)]))
def test_values_in_any_spelling_are_read_as_by_expat(body, size, types):
    scanners, expats = outcomes(body, size, types)
    assert scanners == expats
    with small_windows():
        assert outcome(in_pieces(body, size), types) == expats


@settings(deadline=None, max_examples=500)
@given(spelt(), st.data(), st.integers(1, 400))
def test_damaged_xml_is_read_as_by_expat(body, data, size):
    for _ in range(data.draw(st.integers(1, 3))):
        at, removed = data.draw(st.integers(0, len(body))), data.draw(st.sampled_from([0, 0, 1, 5, 30]))
        body = body[:at] + data.draw(st.sampled_from(MUTATIONS) | st.binary(max_size=2)) + body[at + removed :]
    is_verified = data.draw(st.booleans())
    scanners, expats = outcomes(body, size, is_verified=is_verified)
    assert scanners == expats
    with small_windows():
        assert outcome(in_pieces(body, size), is_verified=is_verified) == expats


def test_the_limits_of_the_scanner_are_within_those_of_expat():
    assert 4 * (canonical._MAX_CONTAINERS + 1) + 8 < MAX_DEPTH
