"""The errors: what they are also known as, what they say, and that they survive pickling."""

import copy
import inspect
import pickle
import socket
import ssl
import xmlrpc.client
from http.client import HTTPMessage

import pytest

import krbxmlrpc
from krbxmlrpc import errors

STATUS = {"url": "hub/xmlrpc", "errcode": 401, "errmsg": "Unauthorized", "headers": HTTPMessage()}
FACTS = {
    errors.AuthenticationRejected: STATUS,
    errors.ClockSkewRejected: {**STATUS, "seconds": 301.0},
    errors.CertificateRejected: {"verify_code": 62, "verify_message": "mismatch"},
    errors.ClockSkew: {"seconds": 301.0},
    errors.GatewayFailed: STATUS,
    errors.MutualAuthenticationError: {"reason": "none"},
    errors.NegotiateNotOffered: {**STATUS, "schemes": ("basic",)},
    errors.ProxyRefused: {"proxy": "proxy:3128", "status": 407, "schemes": ("basic",)},
    errors.ResponseTooLarge: {"limit": 10},
    errors.UnexpectedStatus: {**STATUS, "location": "https://hub/", "fault": xmlrpc.client.Fault(7, "seven")},
}
CLASSES = [
    found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, errors.KerberosXMLRPCError)
]


def make(kind):
    facts = {
        "service": "HTTP@hub",
        "host": "hub",
        "principal": "user",
        "major": errors.GSSStatus("major", 1),
        "minor": errors.GSSStatus("minor", 2),
    }
    return kind("it failed", hint="mend it", **facts, **FACTS.get(kind, {}))


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_what_and_what_to_do(kind):
    error = make(kind)
    assert str(error) == "it failed. Hint: mend it"
    assert repr(error) == f"<{kind.__name__}: it failed>"
    assert str(error.minor.text) == "minor"
    assert isinstance(error, xmlrpc.client.Error)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_survives_pickling_and_copying(kind):
    error = make(kind)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is kind
        assert str(again) == str(error)
        state = {name: value for name, value in vars(error).items() if name != "headers"}
        assert {name: value for name, value in vars(again).items() if name != "headers"} == state


@pytest.mark.parametrize(
    "kind, standard",
    [
        (krbxmlrpc.AuthenticationRejected, xmlrpc.client.ProtocolError),
        (krbxmlrpc.NegotiateNotOffered, xmlrpc.client.ProtocolError),
        (krbxmlrpc.UnexpectedStatus, xmlrpc.client.ProtocolError),
        (errors.ClockSkewRejected, xmlrpc.client.ProtocolError),
        (errors.ClockSkewRejected, krbxmlrpc.ClockSkew),
        (krbxmlrpc.CallOutcomeUnknown, ConnectionError),
        (krbxmlrpc.GatewayFailed, krbxmlrpc.UnexpectedStatus),
        (krbxmlrpc.GatewayFailed, krbxmlrpc.CallOutcomeUnknown),
        (krbxmlrpc.GatewayFailed, ConnectionError),
        (krbxmlrpc.GatewayFailed, xmlrpc.client.ProtocolError),
        (krbxmlrpc.BrokenReply, krbxmlrpc.CallOutcomeUnknown),
        (krbxmlrpc.BrokenReply, xmlrpc.client.ResponseError),
        (krbxmlrpc.ServerUnreachable, ConnectionError),
        (krbxmlrpc.HostUnknown, krbxmlrpc.ServerUnreachable),
        (krbxmlrpc.HostUnknown, socket.gaierror),
        (krbxmlrpc.ProxyRefused, ConnectionError),
        (krbxmlrpc.CertificateRejected, ssl.SSLCertVerificationError),
        (krbxmlrpc.InvalidResponse, xmlrpc.client.ResponseError),
        (krbxmlrpc.ResponseTooLarge, xmlrpc.client.ResponseError),
        (krbxmlrpc.UnsafeResponse, xmlrpc.client.ResponseError),
    ],
)
def test_existing_except_clauses_keep_working(kind, standard):
    assert issubclass(kind, standard)


def test_a_hint_may_be_missing():
    assert str(errors.ServerUnreachable("it failed")) == "it failed"
    for kind in (errors.CallOutcomeUnknown, errors.BrokenReply):
        assert "may have run" in str(kind("it failed"))


def test_all_errors_are_public():
    assert {kind.__name__ for kind in CLASSES} <= set(krbxmlrpc.__all__)
