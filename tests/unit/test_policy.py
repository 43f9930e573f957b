"""The rules of the exchange, row by row."""

import pytest
from policy_table import ANY, CONNECTION, COOKIES, NOTHING, OPTIONAL, REQUIRED, TABLE, TICKET

from krbxmlrpc._negotiate.policy import (
    Allowance,
    Call,
    Expects,
    Step,
    may_keep_cookies,
    needed_next,
    next_step,
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
    assert may_keep_cookies(TICKET, True, step)
    assert not may_keep_cookies(TICKET, False, step)
    assert not may_keep_cookies(NOTHING, False, step)
    assert may_keep_cookies(COOKIES, False, step) is (step is Step.ACCEPT)
    assert may_keep_cookies(CONNECTION, False, step) is (step is Step.ACCEPT)


def test_only_a_verified_server_announces_persistent_auth():
    assert needed_next(TICKET, True, Step.ACCEPT, ["True"]) is CONNECTION
    assert needed_next(TICKET, False, Step.ACCEPT, ["true"]) is TICKET
    assert needed_next(NOTHING, False, Step.ACCEPT, ["true"]) is NOTHING
    for values in ([], ["false"], [""], ["true", "true"], ["true, false"]):
        assert needed_next(TICKET, True, Step.ACCEPT, values) is TICKET


def test_persistent_auth_lasts_until_the_server_ends_it():
    assert needed_next(CONNECTION, False, Step.ACCEPT, []) is CONNECTION
    assert needed_next(CONNECTION, False, Step.UNEXPECTED, ["true"]) is CONNECTION
    assert needed_next(CONNECTION, False, Step.ACCEPT, ["false"]) is TICKET
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
