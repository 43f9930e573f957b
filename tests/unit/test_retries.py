"""What may be repeated: decided without a network."""

from http.client import HTTPMessage
from xmlrpc.client import Binary, dumps

import pytest

from krbxmlrpc import (
    AuthenticationRejected,
    BrokenReply,
    CallOutcomeUnknown,
    CertificateRejected,
    GatewayFailed,
    InvalidResponse,
    MutualAuthenticationError,
    NoCredentials,
    ServerUnreachable,
    UnexpectedStatus,
)
from krbxmlrpc._negotiate.retries import MAX_RETRY_AFTER, MAX_WAIT, Retries, is_answer, is_idempotent
from krbxmlrpc._xmlrpc.calls import method_name

UNSENT = ServerUnreachable("nobody listens")
UNKNOWN = CallOutcomeUnknown("it broke")


def status(code, kind=None, **headers):
    message = HTTPMessage()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    kind = kind or (GatewayFailed if code in (502, 504) else UnexpectedStatus)
    return kind("no", url="hub/", errcode=code, errmsg="", headers=message)


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


@pytest.mark.parametrize("code", [429, 502, 503, 504])
def test_statuses_that_pass_are_repeated_for_idempotent_methods(code):
    retries = Retries(3, 1.0, is_idempotent({"get"}))
    assert [retries.wait(status(code), done, "get") for done in range(4)] == [1.0, 2.0, 4.0, None]
    assert retries.wait(status(code), 0, "set") is None
    assert retries.wait(status(code), 0, None) is None


@pytest.mark.parametrize("code", [401, 403, 404, 408, 425, 428, 430, 500, 501, 505, 302])
def test_other_statuses_are_not_repeated(code):
    assert Retries(3, 1.0, is_idempotent(True)).wait(status(code), 0, "get") is None


@pytest.mark.parametrize("code, repeated", [(429, True), (502, True), (503, True), (504, True), (403, False)])
def test_a_login_that_meets_such_a_status_is_repeated(code, repeated):
    """No call has run, so it does not matter whether the method may run twice."""
    error = status(code, UnexpectedStatus)
    error.at_login = True
    assert (Retries(3, 1.0, is_idempotent(())).wait(error, 0, "set") is not None) is repeated


@pytest.mark.parametrize(
    "asked, waited",
    [
        (None, 2.0),
        ("0", 2.0),
        ("1", 2.0),
        ("3", 3.0),
        (f"{MAX_RETRY_AFTER:.0f}", MAX_RETRY_AFTER),
        (f"{MAX_RETRY_AFTER + 1:.0f}", None),
        ("9" * 100, 2.0),  # no number that anybody means
        ("-5", 2.0),
        ("soon", 2.0),
        ("\u0663", 2.0),
        ("Mon, 02 Jan 2006 15:04:05 GMT", 2.0),
    ],
)
def test_retry_after_is_honoured_within_a_bound(asked, waited):
    retries = Retries(9, 1.0, is_idempotent(True))
    error = status(503, **({} if asked is None else {"Retry_After": asked}))
    assert retries.wait(error, 1, "get") == waited
    assert Retries(9, 500.0, is_idempotent(True)).wait(error, 0, "get") == (500.0)


def test_retry_after_does_not_go_beyond_the_deadline():
    retries = Retries(9, 1.0, is_idempotent(True))
    assert retries.wait(status(503, Retry_After="20"), 0, "get", 21) == 20
    assert retries.wait(status(503, Retry_After="20"), 0, "get", 20) is None


def test_a_date_in_retry_after_is_compared_with_the_reply_s_own():
    """The clock of this machine does not matter."""
    date = "Mon, 02 Jan 2006 15:04:{:02} GMT"
    error = status(429, Date=date.format(5), Retry_After=date.format(45))
    assert Retries(9, 1.0, is_idempotent(True)).wait(error, 0, "get") == pytest.approx(40)


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
        (status(500), True),
        (status(403), True),
        (status(429), False),
        (status(503), False),
        (status(502), False),
        (status(504), False),
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
