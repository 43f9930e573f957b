"""Encoded calls and replies: as the standard library's, except for integers of 33 to 64 bits."""

import xmlrpc.client
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from xmlrpc.client import Binary, DateTime, Fault, Marshaller

import pytest
from hypothesis import given, strategies as st

from krbxmlrpc import dumps
from krbxmlrpc._xmlrpc.decoding import decode, make_parser

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF))


def nested(numbers):
    """Return a strategy for values of each type, with numbers of this strategy in them."""
    scalars = st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | TEXT
    return st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=10)


SMALL, LARGE = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)


def decoded(text):
    """Return the values of a reply, decoded as the transport does."""
    return decode([text.encode()], *make_parser(False, False), "text/xml")


@given(nested(SMALL), st.booleans())
def test_other_values_are_encoded_as_by_xmlrpc_client(value, allow_i8):
    for how in ({"methodname": "a.method"}, {"methodresponse": True}, {}, {"methodname": "a", "encoding": "latin-1"}):
        expected = xmlrpc.client.dumps((value,), **how, allow_none=True)
        assert dumps((value,), **how, allow_none=True, allow_i8=allow_i8) == expected


@pytest.mark.parametrize(
    "value", [datetime(2026, 11, 26), DateTime(0), Binary(b"\0"), b"\0", bytearray(b"\0"), (1, "a")]
)
def test_types_of_python_are_encoded_as_by_xmlrpc_client(value):
    assert dumps((value, [value]), "method", allow_i8=True) == xmlrpc.client.dumps((value, [value]), "method")


@given(nested(LARGE))
def test_our_decoder_reads_what_we_encode(value):
    assert decoded(dumps((value,), methodresponse=True, allow_none=True, allow_i8=True)) == (value,)


@given(nested(LARGE))
def test_xmlrpc_client_reads_what_we_encode(value):
    text = dumps((value, [value]), "method", allow_none=True, allow_i8=True)
    assert xmlrpc.client.loads(text.encode()) == ((value, [value]), "method")


@pytest.mark.parametrize("value", [2**31, 2**32, 2**63 - 1, -(2**31) - 1, -(2**63)])
def test_only_large_integers_are_i8(value):
    text = dumps((value, 2**31 - 1, -(2**31), True), "method", allow_i8=True)
    assert f"<i8>{value}</i8>" in text and text.count("i8") == 2
    assert text.count("<int>") == 2 and "<boolean>1</boolean>" in text


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63 - 1])
@pytest.mark.parametrize("place", [lambda value: value, lambda value: [{"a": value}]], ids=["outside", "nested"])
def test_without_allow_i8_large_integers_are_refused(value, place):
    with pytest.raises(OverflowError, match=r"the range of <int>, -2\*\*31 to 2\*\*31 - 1: pass allow_i8=True .* text"):
        dumps((place(value),), "method")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**5000], ids=["above", "below", "huge"])
@pytest.mark.parametrize("allow_i8", [False, True])
def test_integers_over_64_bits_are_refused(value, allow_i8):
    """Python 3.11 and later refuse to convert the last one to text."""
    with pytest.raises(OverflowError, match=r"range of <i8>, -2\*\*63 to 2\*\*63 - 1: send it as text$"):
        dumps((value,), "method", allow_i8=allow_i8)


class Number(IntEnum):
    """An integer of a type that the standard library does not encode."""

    LARGE = 2**40


@pytest.mark.parametrize("value", [Number.LARGE, None, Decimal(1), {1: 2}])
def test_types_that_xmlrpc_client_refuses_are_refused(value):
    with pytest.raises(TypeError) as expected:
        xmlrpc.client.dumps((value,))
    with pytest.raises(TypeError) as caught:
        dumps((value,), allow_i8=True)
    assert str(caught.value) == str(expected.value)


def test_a_fault_is_a_reply():
    fault = Fault(2**40, "no such build")
    text = dumps(fault, allow_i8=True)
    assert "<i8>1099511627776</i8>" in text
    with pytest.raises(Fault) as caught:
        decoded(text)
    assert (caught.value.faultCode, caught.value.faultString) == (2**40, "no such build")
    assert dumps(Fault(1, "a")) == xmlrpc.client.dumps(Fault(1, "a"))


def test_a_method_name_is_escaped():
    assert xmlrpc.client.loads(dumps((), "a<b&c")) == ((), "a<b&c")


@pytest.mark.parametrize(
    "error, params, words",
    [
        (TypeError, [1], "params is of type list; accepted is a tuple or a Fault"),
        (ValueError, (), "params has 0 values; a reply has exactly one"),
        (ValueError, (1, 2), "params has 2 values"),
    ],
)
def test_wrong_params_are_explained(error, params, words):
    with pytest.raises(error, match=words):
        dumps(params, methodresponse=True)


def test_the_standard_library_stays_as_it_is():
    before = dict(Marshaller.dispatch)
    dumps((2**40,), "method", allow_i8=True)
    assert Marshaller.dispatch == before
    with pytest.raises(OverflowError, match="int exceeds XML-RPC limits"):
        xmlrpc.client.dumps((2**40,))


def test_types_that_a_program_has_added_are_encoded(monkeypatch):
    def dump(marshaller, value, write):
        write(f"<value><string>{value}</string></value>\n")

    monkeypatch.setitem(Marshaller.dispatch, Decimal, dump)
    assert "<i8>1099511627776</i8>" in dumps((Decimal("1.5"), 2**40), allow_i8=True)
