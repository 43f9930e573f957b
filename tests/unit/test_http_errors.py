"""The errors about replies: what they tell of a reply, and what they never quote."""

import datetime
from email.utils import format_datetime
from http.client import HTTPMessage
from xmlrpc.client import Fault

import pytest
from fuzz.replies import check_date, check_location, check_reply
from hypothesis import given, strategies as st

from krbxmlrpc import AuthenticationRejected, CallOutcomeUnknown, ClockSkewRejected, GatewayFailed, UnexpectedStatus
from krbxmlrpc._negotiate.http_errors import (
    LARGE_HEAD,
    clock_difference,
    failure,
    is_elsewhere,
    redirect_target,
    rejected,
    session_refused,
)
from krbxmlrpc._negotiate.policy import Allowance, Call, Expects, Reply, Step

NOON = datetime.datetime(2026, 11, 23, 12, 0, 0, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    "date, seconds",
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 12:10:00 GMT", 600),
        ("Mon, 23 Nov 2026 11:59:00 -0000", -60),
        ("Mon, 23 Nov 2026 13:00:00 +0100", 0),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Mon, 99 Nov 2026 12:00:00 GMT", None),
        ("Mon, 23 Nov 99999999999 12:00:00 GMT", None),
    ],
)
def test_clock_difference(date, seconds):
    assert clock_difference(date, NOON) == seconds


CALL = Call("hub:8443", "/xmlrpc;jsessionid=secret?key=secret", b"", "hub", "HTTP@hub", Allowance(), "user@REALM")


def reply(status=401, authorization="Negotiate YII=", **headers):
    message = HTTPMessage()
    for name, value in headers.items():
        message[name] = value
    return Reply(status, "quoted\x1b", message, authorization)


@pytest.mark.parametrize("seconds, kind", [(290, AuthenticationRejected), (310, ClockSkewRejected)])
@pytest.mark.parametrize("sign, direction", [(1, "ahead of"), (-1, "behind")])
def test_the_clocks_may_differ_by_five_minutes(seconds, kind, sign, direction):
    then = datetime.datetime.now(datetime.timezone.utc) + sign * datetime.timedelta(seconds=seconds)
    error = rejected(CALL, reply(Date=format_datetime(then)))
    assert type(error) is kind
    if kind is ClockSkewRejected:
        assert abs(error.seconds - sign * seconds) < 5
        assert f"seconds {direction} this machine's" in error.message
    assert (error.url, error.errmsg, error.principal) == ("hub:8443/xmlrpc", "Unauthorized", "user@REALM")


@pytest.mark.parametrize("refusal, helps", [(0, True), (31, True), (44, True), (60, True), (35, False), (None, False)])
def test_a_new_ticket_may_help_against_a_changed_key(refusal, helps):
    refused = reply()._replace(refusal=refusal)
    assert rejected(CALL, refused).new_ticket_may_help is helps
    assert rejected(CALL, refused, ValueError("no mechanism"), "look for the keytab").new_ticket_may_help is helps
    assert not rejected(CALL, refused._replace(principal="user@REALM")).new_ticket_may_help  # it took the ticket


def test_the_first_remedy_for_a_refused_ticket_is_a_new_one():
    old = rejected(CALL, reply()._replace(again="run kinit again"))
    assert old.hint.startswith("run kinit again, then repeat the call: ") and " to a ticket for " in old.message
    new = rejected(CALL._replace(has_new_ticket=True), reply()._replace(again="run kinit again"))
    assert "kinit" not in new.hint and " to a new ticket for " in new.message
    for hint in (old.hint, new.hint):
        assert hint.index("'klist -k'") < hint.index("'klist -e'") < hint.index("'klist -ke'") < hint.index("error log")


def test_a_large_ticket_is_named_as_a_possible_cause():
    assert "too large" not in rejected(CALL, reply(authorization="x" * (8190 - len("Authorization: ")))).hint
    large = reply(authorization="x" * (8191 - len("Authorization: ")))._replace(head_bytes=8300)
    assert "the head of the request has 8300 bytes, and the ticket's header 8191;" in rejected(CALL, large).hint


@pytest.mark.parametrize(
    "status, head_bytes, authorization, is_too_large",
    [
        (400, 1000, "Negotiate YII=", False),
        (400, LARGE_HEAD, "Negotiate YII=", False),
        (400, LARGE_HEAD + 1, "Negotiate YII=", True),
        (400, LARGE_HEAD + 1, None, True),  # cookies
        (400, 0, None, False),
        (431, 1000, None, True),  # the server says so
        (404, 9000, None, False),
    ],
)
def test_only_a_large_request_is_called_too_large(status, head_bytes, authorization, is_too_large):
    error = failure(Step.UNEXPECTED, CALL, reply(status, authorization)._replace(head_bytes=head_bytes))
    assert ("too large" in error.hint) is is_too_large
    assert ("the ticket's header" in error.hint) is (is_too_large and authorization is not None)


@pytest.mark.parametrize("is_tls", [True, False])
def test_only_plain_http_can_meet_a_tls_port(is_tls):
    error = failure(Step.UNEXPECTED, CALL._replace(is_tls=is_tls), reply(400))
    assert ("TLS port" in error.hint) is not is_tls


@pytest.mark.parametrize(
    "handler, url, shown",
    [
        ("/xmlrpc", "hub/xmlrpc", "hub/xmlrpc"),
        ("/xmlrpc?key=secret", "hub/xmlrpc", "hub/xmlrpc"),
        ("/a;jsessionid=secret/b;c=d;e?key=;", "hub/a;jsessionid=secret/b;c=d;e", "hub/a/b"),
        ("/;?", "hub/;", "hub/"),
    ],
)
def test_messages_show_less_of_a_url_than_selects_cookies(handler, url, shown):
    call = CALL._replace(netloc="hub", handler=handler)
    assert (call.url, call.shown) == (url, shown)
    assert rejected(call, reply()).url == shown


def test_the_query_and_parameters_of_a_login_page_are_not_shown():
    assert "at /login" in str(session_refused(CALL, reply(), "/login;jsessionid=secret?key=secret"))
    assert "secret" not in str(session_refused(CALL, reply(), "/login;jsessionid=secret?key=secret"))


@pytest.mark.parametrize("step", [step for step in Step if step not in (Step.ACCEPT, Step.RENEW)])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 431, 500, 502, 503, 504])
def test_failures_name_both_sides_and_quote_nothing_unverified(step, status):
    error = failure(step, CALL, reply(status, Location="https://elsewhere/"))
    assert (error.service, error.host, error.principal) == ("HTTP@hub", "hub", "user@REALM")
    assert "hub:8443/xmlrpc" in str(error)
    assert not any(word in f"{error}{error!r}" for word in ("quoted", "secret", "\x1b"))
    verified = failure(step, CALL, reply(status)._replace(principal="other@REALM"))
    assert verified.principal == "other@REALM"
    assert str(verified).isprintable()


@pytest.mark.parametrize(
    "reason, shown",
    [
        ("No such user", "No such user"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\r\nb\0\x9b", "a\\r\\nb\\x00\\x9b"),
        ("\u2028é", "\\u2028\\xe9"),
    ],
)
@pytest.mark.parametrize("step", [Step.UNEXPECTED, Step.REJECTED, Step.NOT_OFFERED])
def test_a_verified_reason_is_quoted_without_control_characters(step, reason, shown):
    error = failure(step, CALL, reply(404)._replace(reason=reason, principal="user@REALM"))
    assert error.errmsg == shown
    assert str(error).isprintable() and repr(error).isprintable()
    assert failure(step, CALL, reply(404)._replace(reason=reason)).errmsg == "Not Found"


@pytest.mark.parametrize(
    "location, shown",
    [
        ("https://other.example.com/path", "https://other.example.com/path"),
        ("https://user:secret@other.example.com:8443/path?key=secret#secret", "https://other.example.com:8443/path"),
        ("/relative?x", "/relative"),
        (None, None),
        ("", None),
        ("http://[broken", None),
        ("https:user:secret@h/a", None),
        ("https:///user:secret@h/a", None),
        ("https:\\\\user:secret@h/a", None),
        ("https://h/a;jsessionid=secret", "https://h/a"),
        ("https://h;key=secret/a", "https://h/a"),
        ("/new\u2028line\x1b[31m", "/new\\u2028line\\x1b[31m"),
    ],
)
def test_redirect_target(location, shown):
    assert redirect_target(location, True) == shown
    is_usual = shown is not None and "\\" not in shown
    assert redirect_target(location, False) == (shown.removeprefix("https://") if is_usual else None)


@pytest.mark.parametrize(
    "location, shown",
    [
        ("https://other.example.com", "other.example.com/"),
        ("https://[::1]:8443/login", "[::1]:8443/login"),
        ("//host/x", "host/x"),
        ("/your account is locked: call 0800 99", None),
        ("https://call 1-800 now/", None),
        ("https://h/run&kinit", None),
        ("login.html", None),
    ],
)
def test_an_unverified_target_of_another_form_is_not_shown(location, shown):
    assert redirect_target(location, False) == shown


@pytest.mark.parametrize("verified", [True, False])
def test_redirect_target_is_short(verified):
    assert len(redirect_target("/" + "x" * 10_000, verified)) == 200


@pytest.mark.parametrize("on_session", [True, False])
@pytest.mark.parametrize("principal", [None, "user@REALM"])
def test_an_unverified_target_is_marked_and_no_advice(principal, on_session):
    found = reply(302, Location="https://your-account-is-locked.test/call-us?now")
    error = failure(Step.UNEXPECTED, CALL, found._replace(principal=principal, on_session=on_session))
    if principal is None:
        assert " and points, unverified, to your-account-is-locked.test/call-us" in error.message
        assert "call that URL" not in error.hint and error.location == "your-account-is-locked.test/call-us"
    else:
        assert " and points to https://your-account-is-locked.test/call-us" in error.message
        assert "call that URL if you trust it" in error.hint


def test_schemes_that_are_not_registered_are_only_counted():
    words = "your-account-is-locked.call-0123"
    for more, told in (([], "1 unknown scheme"), (["Basic", "x-y z"], "Basic and 2 unknown schemes")):
        message = HTTPMessage()
        for value in [words, *more]:
            message["WWW-Authenticate"] = value
        error = failure(Step.NOT_OFFERED, CALL, Reply(401, "", message))
        assert f"(it offers: {told})" in error.message
        assert "locked" not in f"{error}{error.schemes}"


@pytest.mark.parametrize(
    "status, words",
    [
        (429, "had too many requests: try again later"),
        (502, "no valid reply from the server; the call may have run"),
        (503, "down or overloaded: try again later; if a gateway answered, the call may have run"),
        (504, "no reply from the server in time; the call may have run"),
    ],
)
@pytest.mark.parametrize("asked", ["120", "Mon, 23 Nov 2026 12:02:00 GMT"])
def test_a_status_that_passes_says_when_to_come_again(status, words, asked):
    error = failure(Step.UNEXPECTED, CALL, reply(status))
    assert words in error.hint and "retries=" in error.hint and "idempotent=" in error.hint
    assert isinstance(error, GatewayFailed) is isinstance(error, CallOutcomeUnknown) is (status in (502, 504))
    told = {"Retry-After": asked, "Date": "Mon, 23 Nov 2026 12:00:00 GMT"}
    error = failure(Step.UNEXPECTED, CALL, reply(status, **told))
    assert "; it asks you to wait 120 seconds; " in error.hint


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_login_that_meets_such_a_status_has_run_no_call(status):
    login = CALL._replace(method="GET", expects=Expects.WELCOME)
    error = failure(Step.UNEXPECTED, login, reply(status))
    assert type(error) is UnexpectedStatus
    assert "no call has run" in error.hint and "may have run" not in str(error)


def test_a_fault_is_told_only_of_a_verified_reply():
    fault = Fault(7, "no\x1b such\u2028 build" + "x" * 2000)
    verified = reply(500)._replace(principal="user@REALM", fault=fault)
    error = failure(Step.UNEXPECTED, CALL, verified)
    assert ", with Fault 7: no\\x1b such\\u2028 buildxxx" in error.message
    assert len(error.message) < 700 and str(error).isprintable() and "Fault" in error.hint
    assert (error.fault.faultCode, error.fault.faultString) == (fault.faultCode, fault.faultString)
    error = failure(Step.UNEXPECTED, CALL, verified._replace(principal=None, on_session=True))
    assert ", with a Fault" in error.message and "build" not in str(error)
    assert error.fault.faultString == fault.faultString
    assert failure(Step.UNEXPECTED, CALL, reply(500)).fault is None


@pytest.mark.parametrize("code", [None, "seven", {"code": 7}, "x" * 1000])
def test_the_code_of_a_fault_can_be_anything(code):
    found = reply(404)._replace(principal="user@REALM", fault=Fault(code, None))
    assert len(failure(Step.UNEXPECTED, CALL, found).message) < 200


DATES = st.lists(
    st.sampled_from(["Mon", ", ", "23", " ", "Nov", "2026", "26", "12:00:00", "-", "9" * 11, "GMT", "EST", "+0100"])
).map("".join)
PARTS = ["/", "//", "user", ":", "secret", "@", "host", "[", "::1", "]", "8443", "?", "#", ";", "\\", "\xa0"]
STARTS = st.sampled_from(["", "https:", "https://"])
URLS = st.builds("{}{}".format, STARTS, st.lists(st.sampled_from(PARTS)).map("".join))
SCHEMES = st.sampled_from(["Negotiate", "Negotiate YII=", 'Basic realm="a", Digest', ", ".join(map(str, range(1000)))])
VALUES = st.text() | DATES | URLS | SCHEMES
FIELDS = st.builds("{}: {}".format, st.sampled_from(["Date", "Location", "WWW-Authenticate", "Server"]), VALUES)


@given(st.text() | DATES)
def test_any_date_is_one_or_none(text):
    check_date(text)


@pytest.mark.parametrize("location", ["hub/path", "/path", "[path", "//[path"])
def test_a_path_is_not_elsewhere(location):
    assert not is_elsewhere("hub", location)


@given(st.text() | URLS)
def test_any_location_is_fit_for_a_message_or_none(text):
    check_location(text)


@given(st.integers(200, 599), st.text(), st.lists(FIELDS))
def test_errors_are_printable_and_quote_nothing_unverified(status, reason, fields):
    check_reply(status, reason, fields)
