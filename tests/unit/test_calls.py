"""Encoded calls: the name of the method, and carriage returns."""

from xmlrpc.client import dumps, loads

import pytest
from hypothesis import given, strategies as st

from krbxmlrpc._xmlrpc.calls import method_name, with_carriage_returns

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF) | st.sampled_from("\r\n\t<&]>"))


@given(TEXT, st.sampled_from([None, "utf-8"]))
def test_each_text_arrives_as_it_is(text, encoding):
    body = with_carriage_returns(dumps((text, {text: [text]}), "method", encoding=encoding).encode())
    assert loads(body) == ((text, {text: [text]}), "method")
    assert method_name(body) == "method"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PUT\r\n",
        b'<?xml version="1.0"?>\r\n<methodCall>\r\n<methodName>m</methodName></methodCall>',
        b"<?xml version='1.0'?>\r\n<methodCall>\n<methodName>m</methodName></methodCall>",
        b"<?xml version='1.0'?>\n<methodCall>\n<methodName>m</methodName><!-- \r --></methodCall>",
        b"<?xml version='1.0'?>\n<methodCall>\n<methodName>m</methodName><![CDATA[\r]]></methodCall>",
        dumps(("\r",), "m", encoding="utf-16").encode("utf-16"),
    ],
)
def test_what_xmlrpc_client_did_not_write_stays_as_it_is(body):
    assert with_carriage_returns(body) is body


@pytest.mark.parametrize("body", [None, "text\r", bytearray(b"\r")])
def test_what_is_not_bytes_stays_as_it_is(body):
    assert with_carriage_returns(body) is body
