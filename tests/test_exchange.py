"""The table of the specification, row by row; and the plain functions that make errors of replies."""

import datetime
from email.utils import format_datetime
from http.client import HTTPMessage

import pytest
from fuzz.replies import check_date, check_location, check_reply
from hypothesis import given, strategies as st

from krbxmlrpc import AuthenticationRejected, ClockSkewRejected
from krbxmlrpc._negotiate.http_errors import clock_difference, failure, redirect_target, rejected
from krbxmlrpc._negotiate.policy import (
    Allowance,
    Call,
    Expects,
    MutualAuthentication,
    Reply,
    Sent,
    Step,
    may_keep_cookies,
    needed_next,
    next_step,
    to_be_verified,
)

REQUIRED, OPTIONAL, DISABLED = MutualAuthentication
ANY = tuple(MutualAuthentication)
NOTHING, COOKIES, CONNECTION, TICKET, _ = Sent
STRANGE = (201, 204, 301, 302, 400, 403, 404, 500, 503)

# row, what was sent, statuses, what stands behind Negotiate, modes: to be verified?, then what
TABLE = [
    (1, TICKET, (200,), "token", (REQUIRED, OPTIONAL), True, Step.ACCEPT),
    (1, TICKET, (200,), "token", (DISABLED,), False, Step.ACCEPT),
    (2, TICKET, (200,), "", (REQUIRED,), False, Step.UNPROVEN),
    (2, TICKET, (200,), None, (REQUIRED,), False, Step.UNPROVEN),
    (2, TICKET, (200,), "", (OPTIONAL, DISABLED), False, Step.ACCEPT),
    (2, TICKET, (200,), None, (OPTIONAL, DISABLED), False, Step.ACCEPT),
    (4, TICKET, (401,), "token", ANY, False, Step.ANOTHER_LEG),
    (5, TICKET, (401,), "", ANY, False, Step.REJECTED),
    (6, TICKET, (401,), None, ANY, False, Step.NOT_OFFERED),
    (6, NOTHING, (401,), None, ANY, False, Step.NOT_OFFERED),
    (7, NOTHING, (401,), "", ANY, False, Step.RENEW),
    (7, NOTHING, (401,), "token", ANY, False, Step.RENEW),
    (8, NOTHING, (200,), None, (REQUIRED,), False, Step.UNPROVEN),
    (8, NOTHING, (200,), "token", (REQUIRED,), False, Step.UNPROVEN),
    (8, NOTHING, (200,), None, (OPTIONAL, DISABLED), False, Step.ACCEPT),
    (9, COOKIES, (200,), None, ANY, False, Step.ACCEPT),
    (9, COOKIES, (200,), "token", ANY, False, Step.ACCEPT),
    (10, COOKIES, (401,), "", ANY, False, Step.RENEW),
    (10, COOKIES, (401,), None, ANY, False, Step.RENEW),
    (9, CONNECTION, (200,), None, ANY, False, Step.ACCEPT),
    (10, CONNECTION, (401,), "", ANY, False, Step.RENEW),
    (10, CONNECTION, (401,), None, ANY, False, Step.RENEW),
    (12, CONNECTION, STRANGE, None, ANY, False, Step.UNEXPECTED),
    (12, COOKIES, STRANGE, None, ANY, False, Step.UNEXPECTED),
    (12, TICKET, STRANGE, "token", (REQUIRED, OPTIONAL), True, Step.UNEXPECTED),
    (12, TICKET, STRANGE, "token", (DISABLED,), False, Step.UNEXPECTED),
    (12, TICKET, STRANGE, None, ANY, False, Step.UNEXPECTED),
    (12, NOTHING, STRANGE, None, ANY, False, Step.UNEXPECTED),
]


@pytest.mark.parametrize("row, sent, statuses, negotiate, modes, verified, step", TABLE)
def test_the_table(row, sent, statuses, negotiate, modes, verified, step):
    for status in statuses:
        for mode in modes:
            assert to_be_verified(sent, status, negotiate, mode) is verified
            assert next_step(sent, status, negotiate, verified, mode) is step


@pytest.mark.parametrize("status", [200, 204, 301, 302, 399])
def test_a_login_page_may_point_to_another(status):
    assert next_step(TICKET, status, "token", True, REQUIRED, Expects.WELCOME) is Step.ACCEPT
    assert next_step(TICKET, status, None, False, REQUIRED, Expects.WELCOME) is Step.UNPROVEN
    assert next_step(TICKET, 400, "token", True, REQUIRED, Expects.WELCOME) is Step.UNEXPECTED


@pytest.mark.parametrize("status", [200, 201, 202, 204, 400, 403, 404, 409, 500, 503])
def test_an_application_that_speaks_by_statuses_answers_by_any_that_is_certainly_its_own(status):
    for sent, verified, mode in ((TICKET, True, REQUIRED), (COOKIES, False, REQUIRED), (TICKET, False, OPTIONAL)):
        assert next_step(sent, status, None, verified, mode, Expects.RESOURCE) is Step.ACCEPT
    unproven = Step.UNPROVEN if status < 300 else Step.UNEXPECTED
    assert next_step(TICKET, status, None, False, REQUIRED, Expects.RESOURCE) is unproven
    assert next_step(NOTHING, status, None, False, REQUIRED, Expects.RESOURCE) is unproven


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 399])
def test_an_application_does_not_answer_by_a_redirection(status):
    for sent, verified in ((TICKET, True), (COOKIES, False), (TICKET, False)):
        for mode in ANY:
            assert next_step(sent, status, "token", verified, mode, Expects.RESOURCE) is Step.UNEXPECTED


@pytest.mark.parametrize("step", Step)
def test_cookies_are_kept_only_of_replies_that_are_the_servers(step):
    assert may_keep_cookies(TICKET, True, step)
    assert not may_keep_cookies(TICKET, False, step)
    assert not may_keep_cookies(NOTHING, False, step)
    assert may_keep_cookies(COOKIES, False, step) is (step is Step.ACCEPT)
    assert may_keep_cookies(CONNECTION, False, step) is (step is Step.ACCEPT)


def test_a_connection_is_the_users_when_a_server_that_has_proved_itself_says_so():
    assert needed_next(TICKET, True, Step.ACCEPT, ["True"]) is CONNECTION
    assert needed_next(TICKET, False, Step.ACCEPT, ["true"]) is TICKET
    assert needed_next(NOTHING, False, Step.ACCEPT, ["true"]) is NOTHING
    for values in ([], ["false"], [""], ["true", "true"], ["true, false"]):
        assert needed_next(TICKET, True, Step.ACCEPT, values) is TICKET


def test_a_connection_stays_the_users_until_the_server_says_otherwise():
    assert needed_next(CONNECTION, False, Step.ACCEPT, []) is CONNECTION
    assert needed_next(CONNECTION, False, Step.UNEXPECTED, ["true"]) is CONNECTION
    assert needed_next(CONNECTION, False, Step.ACCEPT, ["false"]) is TICKET
    assert needed_next(CONNECTION, False, Step.RENEW, ["true"]) is TICKET


def test_what_has_once_asked_for_a_ticket_is_not_tried_without():
    assert needed_next(NOTHING, False, Step.RENEW, []) is TICKET
    assert needed_next(NOTHING, False, Step.ACCEPT, []) is NOTHING


def test_a_login_leaves_one_request_for_the_call():
    allowance = Allowance()
    call = CALL._replace(allowance=allowance)
    login = call._replace(expects=Expects.WELCOME)
    assert (call.legs, login.legs) == (5, 5)
    allowance.left = 2
    assert (call.legs, login.legs) == (2, 1)


def test_the_last_leg_of_a_proven_exchange_needs_no_token():
    for mode in ANY:
        assert next_step(TICKET, 200, None, True, mode) is Step.ACCEPT


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


CALL = Call("hub:8443", "/xmlrpc?key=secret", b"", "hub", "HTTP@hub", Allowance(), "user@REALM")


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


def test_a_large_ticket_is_named_as_a_possible_cause():
    assert "too large" not in rejected(CALL, reply()).hint
    assert "9000 bytes" in rejected(CALL, reply(authorization="x" * 9000)).hint


@pytest.mark.parametrize("step", [step for step in Step if step not in (Step.ACCEPT, Step.RENEW)])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 431, 500])
def test_every_failure_names_both_sides_and_quotes_nothing_unverified(step, status):
    error = failure(step, CALL, reply(status, Location="https://elsewhere/"))
    assert (error.service, error.host, error.principal) == ("HTTP@hub", "hub", "user@REALM")
    assert "hub:8443/xmlrpc" in str(error)
    assert not any(word in f"{error}{error!r}" for word in ("quoted", "secret", "\x1b"))
    verified = failure(step, CALL, reply(status)._replace(principal="other@REALM"))
    assert verified.principal == "other@REALM"
    assert str(verified).isprintable()


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
    assert redirect_target(location) == shown


def test_redirect_target_is_short():
    assert len(redirect_target("/" + "x" * 10_000)) == 200


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


@given(st.text() | URLS)
def test_any_location_is_fit_for_a_message_or_none(text):
    check_location(text)


@given(st.integers(200, 599), st.text(), st.lists(FIELDS))
def test_errors_about_any_reply_can_be_shown_and_quote_nothing_unverified(status, reason, fields):
    check_reply(status, reason, fields)
