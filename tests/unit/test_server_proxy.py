"""The proxy: what it gives to a transport, and what it has in common with the proxy of the standard library."""

import xmlrpc.client
from xmlrpc.client import MultiCall, loads

import pytest

from krbxmlrpc import ServerProxy

URL = "https://hub.example.com/xmlrpc"


class Answering(xmlrpc.client.Transport):
    """A transport that keeps each call, and answers with values of ours."""

    def __init__(self, *values):
        super().__init__()
        self.values, self.calls, self.closed = values, [], False

    def request(self, host, handler, request_body, verbose=False):
        self.calls.append((host, handler, request_body, verbose))
        return self.values

    def close(self):
        self.closed = True


def sent(kind, url, *arguments, **options):
    """Make a call, and return what the transport gets."""
    transport = Answering("answer")
    kind(url, transport, **options).system.multi.call(*arguments)
    return transport.calls


@pytest.mark.parametrize(
    "options",
    [{}, {"encoding": "iso-8859-1"}, {"verbose": True}, {"allow_none": True}],
    ids=["default", "encoding", "verbose", "none"],
)
def test_the_transport_gets_what_it_gets_from_xmlrpc_client(options):
    arguments = (1, "é€\r\n<&", [True, {"a": 1.5}], *([None] if options.get("allow_none") else []))
    calls = sent(ServerProxy, URL, *arguments, **options)
    assert calls == sent(xmlrpc.client.ServerProxy, URL, *arguments, **options)
    assert len(calls) == 1 and isinstance(calls[0][2], bytes)


@pytest.mark.parametrize(
    "url, host, handler",
    [
        ("https://hub.example.com", "hub.example.com", "/RPC2"),
        ("http://hub.example.com:8080/", "hub.example.com:8080", "/"),
        ("https://hub.example.com/a/b?c=d&e", "hub.example.com", "/a/b?c=d&e"),
        ("https://hub.example.com?c=d", "hub.example.com", "?c=d"),
        ("https://hub.example.com//a", "hub.example.com", "//a"),
        ("https://hub.example.com/a#part", "hub.example.com", "/a"),
    ],
)
def test_the_parts_of_the_url(url, host, handler):
    assert sent(ServerProxy, url)[0][:2] == (host, handler)


def test_large_integers_are_sent_only_if_allowed():
    [(_, _, body, _)] = sent(ServerProxy, URL, 2**40, [-(2**40)], allow_i8=True)
    assert loads(body) == ((2**40, [-(2**40)]), "system.multi.call") and body.count(b"<i8>") == 2
    transport = Answering("answer")
    with pytest.raises(OverflowError, match="allow_i8=True"):
        ServerProxy(URL, transport).method(2**40)
    with pytest.raises(OverflowError, match="send it as text"):
        ServerProxy(URL, transport, allow_i8=True).method(2**64)
    assert transport.calls == []


@pytest.mark.parametrize("values, result", [(("one",), "one"), ((1, 2), (1, 2)), ((), ())])
def test_one_value_is_returned_itself(values, result):
    assert ServerProxy(URL, Answering(*values)).method() == result


def test_many_calls_in_one():
    transport = Answering([[1], [2]])
    calls = MultiCall(ServerProxy(URL, transport, allow_i8=True))
    calls.first(2**40)
    calls.second.part()
    assert list(calls()) == [1, 2]
    expected = [{"methodName": "first", "params": [2**40]}, {"methodName": "second.part", "params": []}]
    assert loads(transport.calls[0][2]) == ((expected,), "system.multicall")


def test_the_transport_can_be_had_and_closed():
    transport = Answering("answer")
    with ServerProxy(URL, transport) as hub:
        assert hub("transport") is transport and not transport.closed
    assert transport.closed and isinstance(hub, xmlrpc.client.ServerProxy)
    transport.closed = False
    hub("close")()
    assert transport.closed
    with pytest.raises(AttributeError, match="Attribute 'other' not found"):
        hub("other")


def test_a_proxy_without_a_transport_is_refused():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'transport'"):
        ServerProxy(URL)
    with pytest.raises(
        TypeError, match=r"transport is None; accepted is a transport, for example KerberosTransport\(\)"
    ):
        ServerProxy(URL, None)


@pytest.mark.parametrize("name", ["use_datetime", "use_builtin_types", "headers", "context"])
def test_arguments_of_the_transport_are_refused(name):
    """The standard proxy ignores them if it gets a transport."""
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        ServerProxy(URL, Answering(), **{name: True})


@pytest.mark.parametrize("url", ["hub.example.com/xmlrpc", "ftp://hub.example.com"])
def test_other_schemes_are_refused(url):
    with pytest.raises(OSError, match="unsupported XML-RPC protocol"):
        ServerProxy(url, Answering())


def test_repr_shows_no_secret():
    hub = ServerProxy("https://user:secret@hub.example.com:8443/xmlrpc?token=secret", Answering())
    assert repr(hub) == "<ServerProxy for hub.example.com:8443/xmlrpc>"
