"""The proxy with integers of 64 bits, against a real hub."""

from xmlrpc.client import Fault, MultiCall

import pytest

from krbxmlrpc import KerberosTransport, ServerProxy, dumps


@pytest.fixture
def open_hub(hub, hub_context, user, opened):
    """Open a proxy for the hub: ``open_hub(allow_i8=True)``."""

    def open_proxy(**arguments):
        transport = KerberosTransport(context=hub_context, use_builtin_types=True)
        return opened.enter_context(ServerProxy(hub.url(), transport, **arguments))

    return open_proxy


@pytest.mark.parametrize("value", [2**31, 2**40, 2**63 - 1, -(2**31) - 1, -(2**63)])
def test_a_hub_reads_integers_of_64_bits(open_hub, value):
    hub = open_hub(allow_i8=True)
    assert hub.decimal(value) == str(value)
    assert hub.size([value, {"inside": value}]) == 2


def test_several_calls_with_large_integers(open_hub):
    calls = MultiCall(open_hub(allow_i8=True, allow_none=True))
    calls.decimal(2**40)
    calls.decimal(None)
    calls.echo(b"\0")
    assert list(calls()) == ["1099511627776", "None", b"\0"]


def test_a_large_integer_is_refused_before_the_call(open_hub):
    hub = open_hub()
    with pytest.raises(OverflowError, match="pass allow_i8=True if the server reads <i8>, or send it as text"):
        hub.decimal(2**40)
    assert hub("transport").authenticated_as is None
    assert hub.decimal(2**31 - 1) == "2147483647"


def test_a_hub_in_python_reads_i8_and_cannot_send_it(open_hub):
    with pytest.raises(Fault, match="OverflowError.*int exceeds XML-RPC limits"):
        open_hub(allow_i8=True).echo(2**40)


def test_a_call_that_a_program_encodes_itself(open_hub, hub):
    transport = open_hub()("transport")
    netloc = hub.url().split("/")[2]
    body = dumps((2**40,), "decimal", allow_i8=True).encode()
    assert transport.request(netloc, "/xmlrpc", body) == ("1099511627776",)
