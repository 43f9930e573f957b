"""The rules of the exchange, row by row."""

from http.client import HTTPMessage

import pytest
from policy_table import ANY, CONNECTION, COOKIES, NOTHING, OPTIONAL, REQUIRED, TABLE, TICKET

from krbxmlrpc._negotiate.policy import (
    Allowance,
    Call,
    Expects,
    Keep,
    Reply,
    Sent,
    Step,
    cookies_to_keep,
    is_offer,
    may_have_ended,
    needed_next,
    next_step,
    redirected_to,
    to_be_verified,
)


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
def test_fetch_returns_error_statuses_of_a_verified_server(status):
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
    accepted = Keep.ALL if step is Step.ACCEPT else Keep.NONE
    for expects in (Expects.VALUES, Expects.RESOURCE):
        assert cookies_to_keep(TICKET, True, step, expects) is Keep.ALL
        assert cookies_to_keep(TICKET, False, step, expects) is Keep.NONE
        assert cookies_to_keep(NOTHING, False, step, expects) is Keep.NONE
        assert cookies_to_keep(CONNECTION, False, step, expects) is accepted
        removals = Keep.ALL if step is Step.ACCEPT else Keep.REMOVALS
        assert cookies_to_keep(COOKIES, False, step, expects) is removals
        assert cookies_to_keep(TICKET, False, step, expects, own_session=True) is removals
    assert cookies_to_keep(TICKET, True, step, Expects.WELCOME) is accepted


@pytest.mark.parametrize("status", [200, 204, 302, 303, 403, 404, 440, 500, 503])
@pytest.mark.parametrize("expects", [Expects.VALUES, Expects.WELCOME, Expects.RESOURCE])
def test_a_success_without_a_token_on_the_own_session(status, expects):
    """The transport's own session, that is: all else needs the server's proof."""
    on_session = next_step(TICKET, status, None, False, REQUIRED, expects, own_session=True)
    without = next_step(TICKET, status, None, False, REQUIRED, expects)
    is_answer = status == 200 or (status == 204 and expects is not Expects.VALUES)
    assert on_session is (Step.ACCEPT if is_answer else without)
    assert without is not Step.ACCEPT


def test_a_refusal_is_read_by_an_earlier_offer():
    for mode in ANY:
        assert next_step(TICKET, 401, None, False, mode) is Step.NOT_OFFERED
        assert next_step(TICKET, 401, None, False, mode, was_offered=True) is Step.REJECTED
        assert next_step(NOTHING, 401, None, False, mode, was_offered=True) is Step.NOT_OFFERED


@pytest.mark.parametrize("row, sent, statuses, negotiate, modes, verified, step", TABLE)
def test_an_earlier_offer_changes_nothing_else(row, sent, statuses, negotiate, modes, verified, step):
    """Nobody has verified it, so somebody on the way may have written it."""
    expected = Step.REJECTED if step is Step.NOT_OFFERED and sent is TICKET else step
    for status in statuses:
        for mode in modes:
            assert next_step(sent, status, negotiate, verified, mode, was_offered=True) is expected


@pytest.mark.parametrize(
    "status, negotiate, verified, offers",
    [
        (401, "", False, True),
        (401, "token", False, True),
        (401, None, False, False),
        (200, None, False, False),
        (200, "token", False, False),  # not verified: anybody may have written it
        (200, "token", True, True),
        (403, None, True, True),  # after an earlier leg
        (407, "", False, False),
    ],
)
def test_replies_that_show_that_the_server_takes_tickets(status, negotiate, verified, offers):
    assert is_offer(status, negotiate, verified) is offers
    assert is_offer(407, "", False, Expects.TUNNEL)


@pytest.mark.parametrize(
    "negotiate, step", [(None, Step.NOT_OFFERED), ("", Step.REJECTED), ("token", Step.ANOTHER_LEG)]
)
def test_a_session_changes_nothing_of_a_401_to_a_ticket(negotiate, step):
    assert next_step(TICKET, 401, negotiate, False, REQUIRED, own_session=True) is step


@pytest.mark.parametrize("status", [301, 302, 303, 307, 399])
def test_a_redirection_to_a_login_ends_a_session(status):
    for expects in (Expects.VALUES, Expects.RESOURCE):
        assert next_step(COOKIES, status, None, False, REQUIRED, expects, to_login=True) is Step.RENEW
        assert next_step(COOKIES, status, None, False, REQUIRED, expects) is Step.UNEXPECTED
        assert next_step(TICKET, status, None, True, REQUIRED, expects, to_login=True) is Step.UNEXPECTED
    assert next_step(COOKIES, 200, None, False, REQUIRED, to_login=True) is Step.ACCEPT


@pytest.mark.parametrize("status", [200, 201, 301, 302, 400, 403, 404, 419, 429, 440, 498, 500, 501, 503])
def test_statuses_that_put_a_session_in_doubt(status):
    expected = status in (301, 302, 403, 419, 440, 498, 500)
    assert may_have_ended(COOKIES, status, Step.UNEXPECTED) is expected
    assert not may_have_ended(COOKIES, status, Step.RENEW)  # it certainly has ended
    for sent in set(Sent) - {COOKIES}:
        assert not may_have_ended(sent, status, Step.UNEXPECTED)


@pytest.mark.parametrize(
    "location, page",
    [
        ("/login?next=/xmlrpc", ("hub", 8443, "/login")),
        ("login", ("hub", 8443, "/folder/login")),
        ("https://HUB.:8443/login;jsessionid=1#top", ("hub", 8443, "/login")),
        ("//sso.test/login", ("sso.test", 443, "/login")),
        ("http://sso.test/login", ("sso.test", 80, "/login")),
        ("https://sso.test:443/login", ("sso.test", 443, "/login")),
        ("", None),
        (None, None),
        ("https://[/", None),
        ("https://hub:99999/", None),
        ("mailto:somebody", None),
    ],
)
def test_a_redirection_is_compared_by_host_port_and_path(location, page):
    assert redirected_to("https://hub:8443/folder/xmlrpc", location) == page


def test_only_a_verified_server_announces_persistent_auth():
    assert needed_next(TICKET, True, Step.ACCEPT, ["True"]) is CONNECTION
    assert needed_next(TICKET, False, Step.ACCEPT, ["true"]) is TICKET
    assert needed_next(NOTHING, False, Step.ACCEPT, ["true"]) is NOTHING
    for values in ([], ["false"], [""], ["true", "true"], ["true, false"], ["true", "false"], ["false", "true"]):
        assert needed_next(TICKET, True, Step.ACCEPT, values) is TICKET


def test_persistent_auth_lasts_until_the_server_ends_it():
    assert needed_next(CONNECTION, False, Step.ACCEPT, []) is CONNECTION
    assert needed_next(CONNECTION, False, Step.UNEXPECTED, ["true"]) is CONNECTION
    for values in (["false"], ["true", "false"], ["false", "true"], ["true, false"], [""]):
        assert needed_next(CONNECTION, False, Step.ACCEPT, values) is TICKET
    assert needed_next(CONNECTION, False, Step.RENEW, ["true"]) is TICKET


def test_what_has_once_asked_for_a_ticket_is_not_tried_without():
    assert needed_next(NOTHING, False, Step.RENEW, []) is TICKET
    assert needed_next(NOTHING, False, Step.ACCEPT, []) is NOTHING


def test_a_login_leaves_one_request_for_the_call():
    allowance = Allowance()
    call = Call("hub:8443", "/xmlrpc", b"", "hub", "HTTP@hub", allowance)
    login = call._replace(expects=Expects.WELCOME)
    assert (call.legs, login.legs) == (5, 5)
    allowance.left = 2
    assert (call.legs, login.legs) == (2, 1)


def test_the_last_leg_of_a_proven_exchange_needs_no_token():
    for mode in ANY:
        assert next_step(TICKET, 200, None, True, mode) is Step.ACCEPT


EDGES = (199, 200, 201, 204, 299, 300, 301, 399, 400)


@pytest.mark.parametrize("status", EDGES)
def test_statuses_at_the_edges_of_what_is_an_answer(status):
    success, redirection = 200 <= status < 300, 300 <= status < 400
    for expects, answers in (
        (Expects.VALUES, status == 200),
        (Expects.WELCOME, success or redirection),
        (Expects.TUNNEL, success),
        (Expects.RESOURCE, success or status >= 400),
    ):
        expected = Step.ACCEPT if answers else Step.UNEXPECTED
        assert next_step(TICKET, status, "token", True, REQUIRED, expects) is expected
        on_session = next_step(TICKET, status, None, False, REQUIRED, expects, own_session=True)
        assert (on_session is Step.ACCEPT) is (answers and success)
    assert to_be_verified(TICKET, status, "token", REQUIRED, Expects.TUNNEL) is (status < 300)
    assert to_be_verified(TICKET, status, "token", REQUIRED, Expects.WELCOME)
    to_login = next_step(COOKIES, status, None, False, REQUIRED, to_login=True)
    assert (to_login is Step.RENEW) is redirection
    assert may_have_ended(COOKIES, status, Step.UNEXPECTED) is redirection


def test_a_proxy_asks_by_its_own_status_and_header():
    assert (Expects.TUNNEL.challenge_status, Expects.TUNNEL.challenge_header) == (407, "proxy-authenticate")
    assert (Expects.VALUES.challenge_status, Expects.VALUES.challenge_header) == (401, "www-authenticate")
    assert next_step(Sent.PASSWORD, 407, None, False, REQUIRED, Expects.TUNNEL) is Step.REJECTED
    assert next_step(Sent.PASSWORD, 401, None, False, OPTIONAL, Expects.TUNNEL) is Step.UNEXPECTED


def test_a_call_knows_its_url_and_kind():
    call = Call("hub:8443", "/xmlrpc?key=secret", b"", "hub", "HTTP@hub", Allowance())
    assert call.url == "hub:8443/xmlrpc" and not call.verbose
    assert [call._replace(expects=expects).is_login for expects in Expects] == [False, True, False, False]
    assert [call._replace(expects=expects).is_resource for expects in Expects] == [False, False, True, False]


def test_a_reply_is_verified_if_the_exchange_told_the_principal():
    reply = Reply(200, "", HTTPMessage())
    assert not reply.verified and not reply.on_session
    assert reply._replace(principal="user@REALM").verified
