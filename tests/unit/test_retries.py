"""What may be repeated: decided without a network."""

from xmlrpc.client import Binary, dumps

import pytest

from krbxmlrpc import (
    AuthenticationRejected,
    BrokenReply,
    CallOutcomeUnknown,
    CertificateRejected,
    InvalidResponse,
    MutualAuthenticationError,
    NoCredentials,
    ServerUnreachable,
    UnexpectedStatus,
)
from krbxmlrpc._negotiate.retries import MAX_WAIT, Retries, is_answer, is_idempotent
from krbxmlrpc._xmlrpc.calls import method_name

UNSENT = ServerUnreachable("nobody listens")
UNKNOWN = CallOutcomeUnknown("it broke")


def body(name="echo", arguments=()):
    return dumps(tuple(arguments), name).encode()


@pytest.mark.parametrize("name", ["echo", "system.multicall", "a/b:c_d", "un-common name"])
def test_the_method_is_read_from_the_call(name):
    assert method_name(body(name)) == name
    assert method_name(dumps((1,), name, encoding="iso-8859-1").encode("iso-8859-1")) == name


@pytest.mark.parametrize(
    "call",
    [
        b"",
        b"<methodCall><params/></methodCall>",
        b"<methodCall><methodName></methodName></methodCall>",
        b"<methodCall><methodName>echo</methodCall>",
        b"<!-- <methodCall><methodName>echo</methodName> --><methodCall><methodName>other</methodName></methodCall>",
        b"x<methodCall><methodName>echo</methodName></methodCall>",
        dumps((), "\u00e9cho").encode(),
        dumps((), "less < more").encode(),
        dumps((), "&lt;").encode(),
        dumps((), "echo", encoding="utf-16").encode("utf-16"),
        "<methodCall><methodName>echo</methodName></methodCall>",
        None,
    ],
)
def test_what_is_not_plain_is_no_method(call):
    assert method_name(call) is None


def test_arguments_are_not_taken_for_the_method():
    assert method_name(body("other", ["</string><methodName>echo</methodName>", Binary(b"<methodName>")])) == "other"


@pytest.mark.parametrize(
    "idempotent, covered, others",
    [
        ((), [], ["echo"]),
        (["echo", "whoami"], ["echo", "whoami"], ["ech", "echo2", "ECHO", "system.multicall"]),
        (lambda name: name.startswith("get"), ["getAll", "get"], ["forget", "set"]),
        (True, ["anything", None], []),
    ],
)
def test_only_idempotent_methods_that_may_have_run_are_repeated(idempotent, covered, others):
    retries = Retries(3, 1.0, is_idempotent(idempotent))
    for name in covered:
        assert retries.wait(UNKNOWN, 0, name) == 1.0
    for name in others + ([None] if idempotent is not True else []):
        assert retries.wait(UNKNOWN, 0, name) is None
        assert retries.wait(UNSENT, 0, name) == 1.0


def test_the_number_is_of_all_repetitions_and_the_wait_doubles():
    retries = Retries(4, 0.5, is_idempotent(True))
    for error in (UNSENT, UNKNOWN):
        assert [retries.wait(error, done, "echo") for done in range(6)] == [0.5, 1.0, 2.0, 4.0, None, None]
    assert Retries(0, 0.5, is_idempotent(True)).wait(UNSENT, 0, "echo") is None
    assert Retries(100, 1.0, is_idempotent(True)).wait(UNSENT, 99, "echo") == MAX_WAIT
    assert Retries(100, 0, is_idempotent(True)).wait(UNSENT, 99, "echo") == 0


def test_no_wait_goes_beyond_the_deadline():
    retries = Retries(9, 1.0, is_idempotent(True))
    for error in (UNSENT, UNKNOWN):
        assert [retries.wait(error, done, "echo", 7.5) for done in range(5)] == [1, 2, 4, None, None]
        assert retries.wait(error, 2, "echo", 4) is None
    assert Retries(9, 0, bool).wait(UNSENT, 0, "echo", 0.1) == 0
    assert Retries(9, 0, bool).wait(UNSENT, 0, "echo", 0) is None


def test_what_would_fail_again_is_not_repeated():
    retries = Retries(3, 1.0, is_idempotent(True))
    facts = {"url": "hub/", "errcode": 401, "errmsg": "", "headers": None}
    for error in (
        AuthenticationRejected("no", **facts),
        CertificateRejected("no", verify_code=1, verify_message="no"),
        MutualAuthenticationError("no", reason="no"),
        NoCredentials("no"),
    ):
        assert retries.wait(error, 0, "echo") is None


def test_a_predicate_is_asked_only_where_it_matters():
    asked = []
    retries = Retries(1, 1.0, is_idempotent(asked.append))
    retries.wait(UNSENT, 0, "echo")
    retries.wait(UNKNOWN, 1, "echo")
    assert asked == []
    retries.wait(UNKNOWN, 0, "echo")
    assert asked == ["echo"]


@pytest.mark.parametrize(
    "error, answered",
    [
        (UnexpectedStatus("no", url="hub/", errcode=503, errmsg="", headers=None), True),
        (AuthenticationRejected("no", url="hub/", errcode=401, errmsg="", headers=None), False),
        (InvalidResponse("no"), True),
        (MutualAuthenticationError("no", reason="no"), True),
        (BrokenReply("no"), False),
        (NoCredentials("no"), False),
        (UNSENT, False),
        (UNKNOWN, False),
    ],
)
def test_what_is_the_outcome_of_a_call_that_may_have_run_before(error, answered):
    assert is_answer(error) is answered
    error.at_login = True
    assert not is_answer(error)
