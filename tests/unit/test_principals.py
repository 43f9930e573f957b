"""The names of principals and services as text."""

import pytest

from krbxmlrpc._kerberos.principals import (
    asked_name,
    has_no_realm,
    host_based_name,
    is_ticket_for,
    principal_name,
    shown,
    unparsed,
)

REALMS = {"hub.mapped.test": "MAPPED", ".domain.test": "DOMAIN"}


@pytest.mark.parametrize(
    "service, principal, asked, by_host",
    [
        ("HTTP@hub", "HTTP/hub@", "HTTP/hub", "HTTP@hub"),
        ("HTTP/hub@", "HTTP/hub@", "HTTP/hub", "HTTP@hub"),
        ("HTTP/hub@REALM", "HTTP/hub@REALM", "HTTP/hub@REALM", "HTTP@hub"),
        ("HTTP@hub.mapped.test", "HTTP/hub.mapped.test@MAPPED", "HTTP/hub.mapped.test", "HTTP@hub.mapped.test"),
        ("HTTP/hub.domain.test@", "HTTP/hub.domain.test@DOMAIN", "HTTP/hub.domain.test", "HTTP@hub.domain.test"),
        (
            "HTTP/hub.mapped.test@OTHER",
            "HTTP/hub.mapped.test@OTHER",
            "HTTP/hub.mapped.test@OTHER",
            "HTTP@hub.mapped.test",
        ),
        ("ldap@::1", "ldap/::1@", "ldap/::1", "ldap@::1"),
    ],
)
def test_the_forms_of_a_service(service, principal, asked, by_host):
    assert principal_name(service, REALMS) == principal
    assert asked_name(service) == asked
    assert host_based_name(service) == by_host
    assert has_no_realm(service) is ("@" not in asked)


@pytest.mark.parametrize(
    "service, name, expected",
    [
        ("HTTP@hub", "HTTP/hub@ANY", True),
        ("HTTP/hub@", "HTTP/hub@ANY", True),
        ("HTTP/hub@REALM", "HTTP/hub@REALM", True),
        ("HTTP/hub@REALM", "HTTP/hub@OTHER", False),
        ("HTTP@hub", "HTTP/hub.test@ANY", False),
        ("HTTP@hub", "HTTP/other@ANY", False),
        ("HTTP@hub", "HTTP/HUB@ANY", False),
        ("HTTP@hub", "http/hub@ANY", False),
        ("HTTP@hub", "HTTP/hub/more@ANY", False),
        ("HTTP@hub", "HTTP/hub", False),
        ("HTTP@hub", r"HTTP/hub\@ANY@OTHER", False),
        ("HTTP@hub.test", "HTTP/hubxtest@ANY", False),
    ],
)
def test_a_ticket_is_for_the_service_that_was_asked_for(service, name, expected):
    assert is_ticket_for(service, name) is expected


def test_names_are_written_so_that_they_can_be_read_again():
    assert unparsed(b"REALM", [b"HTTP", b"hub"]) == "HTTP/hub@REALM"
    assert unparsed(b"R@", [b"a/b", b"c\\\t\n\b\0"]) == r"a\/b/c\\\t\n\b\0@R\@"
    assert unparsed("\xe4".encode(), [b"\xff"]) == "\ufffd@\xe4"


def test_a_message_shows_no_control_characters():
    assert shown(r"few.person\@mail@REALM") == r"few.person\@mail@REALM"
    assert shown("a\x1b@R") == r"a\x1b@R" and shown("\xe4@R") == r"\xe4@R"
