"""The recipe for Kiwi TCMS, against a real KDC and a real Apache with a stand-in: see `servers.standin_kiwi_tcms`.

The tests also check what the stand-in refuses: a stand-in that takes everything would prove nothing.
"""

from urllib.parse import urlsplit
from xmlrpc.client import Fault

import pytest
from example_runner import example, recipe
from servers.standins import end_session

from krbxmlrpc import KerberosXMLRPCError, MutualAuthenticationError, UnexpectedStatus

FIRST = "302 ticket GET /login/kerberos/"
SECOND = "302 GET /complete/kerberos/"
CALL = "200 POST /xml-rpc/"
RELEASES = ["12.4", "16.0", "16.2"]


@pytest.fixture
def kiwi(servers):
    """Choose the kind of server: ``kiwi(release="12.4")``; see `servers.standin_kiwi_tcms`."""
    yield servers.switch_kiwi
    servers.switch_kiwi()


@pytest.fixture
def open_kiwi(call_standin):
    """Open a proxy with the example's transport."""

    def open_proxy(**arguments):
        return call_standin("/xml-rpc/", transport=recipe("kiwi_tcms").KiwiTransport, **arguments)

    return open_proxy


def host_of(servers):
    return urlsplit(servers.url()).netloc


@pytest.mark.parametrize("release", RELEASES)
def test_kiwi_tcms(servers, user, asked, kiwi, release):
    kiwi(release=release)
    status, printed, complaints = example("kiwi_tcms.py", servers.url("/xml-rpc/"), "Gadget", servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        f"Kiwi TCMS {release}",
        f"logged in by the ticket of {user}",
        "version of Gadget: unspecified",
        "version of Gadget: 2.0",
    ]
    assert asked(4) == [FIRST, SECOND, CALL, CALL]


def test_kiwi_tcms_that_takes_only_post(servers, user, asked, kiwi):
    kiwi(post_only=True)
    status, printed, complaints = example("kiwi_tcms.py", servers.url("/xml-rpc/"), "Widget", servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed[2:] == ["version of Widget: 1.0"]
    pages = ["405 ticket GET /login/kerberos/", "302 ticket POST /login/kerberos/", SECOND]
    assert asked(5) == [*pages, CALL, CALL]


@pytest.mark.parametrize("post_only", [False, True])
def test_kiwi_logs_in_without_preemptive_tickets(open_kiwi, kiwi, post_only):
    kiwi(post_only=post_only)
    assert open_kiwi(preemptive=False).KiwiTCMS.version() == "16.2"


def test_kiwi_logs_in_with_the_transports_credentials(open_kiwi, alice):
    tcms = open_kiwi(keytab=alice.keytab)
    tcms.KiwiTCMS.version()
    assert tcms("transport").authenticated_as == alice.principal


@pytest.mark.parametrize("release", RELEASES)
def test_kiwi_logs_in_again_when_the_session_has_ended(open_kiwi, asked, kiwi, release):
    kiwi(release=release)
    tcms = open_kiwi()
    tcms.KiwiTCMS.version()
    asked(3)
    for _ in range(2):
        end_session(tcms)
        assert [version["value"] for version in tcms.Version.filter({"id": 3})] == ["1.0"]
        refused = "403 POST /xml-rpc/" if release == "12.4" else CALL
        assert asked(4) == [refused, FIRST, SECOND, CALL]


@pytest.mark.parametrize("release", RELEASES)
def test_kiwi_says_once_more_that_a_permission_is_missing(open_kiwi, asked, kiwi, release):
    kiwi(release=release)
    tcms = open_kiwi()
    for _ in range(2):
        with pytest.raises((Fault, UnexpectedStatus)) as refused:
            tcms.User.filter()
        check_refusal(refused.value, release)
    refused_call = "403 POST /xml-rpc/" if release == "12.4" else CALL
    first = [FIRST, SECOND, refused_call, FIRST, SECOND, refused_call]
    assert tcms.KiwiTCMS.version() == release
    assert asked(6)[:6] == first


def check_refusal(error, release):
    """Check the answer to a call that nobody is logged in for."""
    if release == "12.4":
        assert isinstance(error, UnexpectedStatus) and error.errcode == 403
        error = error.fault
    assert error.faultCode == (-32098 if release == "16.2" else -32603)
    assert 'Authentication failed when calling "' in error.faultString


def test_an_administrator_of_kiwi_may_list_users(open_kiwi, bob):
    (caller,) = open_kiwi(keytab=bob.keytab).User.filter()
    assert caller["email"] == bob.principal.lower()


@pytest.mark.parametrize("release", RELEASES)
def test_kiwi_does_not_repeat_a_call_after_another_fault(open_kiwi, asked, kiwi, release):
    kiwi(release=release)
    tcms = open_kiwi()
    with pytest.raises(Fault, match="Internal error: ") as failed:
        tcms.Version.filter({"no_such_field": 1})
    assert failed.value.faultCode == -32603
    assert asked(3) == [FIRST, SECOND, CALL]


def test_kiwi_logs_in_when_the_cookies_are_gone(open_kiwi, asked):
    tcms = open_kiwi()
    for _ in range(2):
        tcms.KiwiTCMS.version()
        tcms("transport").cookiejar.clear()
    assert asked(6) == [FIRST, SECOND, CALL] * 2


def test_kiwi_logs_in_when_the_cookie_has_expired(open_kiwi, asked):
    tcms = open_kiwi()
    for _ in range(2):
        tcms.KiwiTCMS.version()
        (cookie,) = tcms("transport").cookiejar
        cookie.expires = 1
    assert asked(6) == [FIRST, SECOND, CALL] * 2


def test_kiwi_logs_in_after_a_login_that_was_broken_off(servers, open_kiwi, asked):
    tcms = open_kiwi()
    with pytest.raises(UnexpectedStatus, match="302"):
        tcms("transport").fetch("GET", host_of(servers), "/login/kerberos/")
    assert tcms.KiwiTCMS.version() == "16.2"
    assert asked(4) == [FIRST, FIRST, SECOND, CALL]


def test_kiwi_refuses_two_first_pages_in_one_session(servers, call_standin):
    transport = call_standin("/xml-rpc/")("transport")
    statuses = []
    for _ in range(3):
        with pytest.raises(KerberosXMLRPCError) as reply:
            transport.fetch("GET", host_of(servers), "/login/kerberos/")
        statuses.append(type(reply.value))
    assert statuses == [UnexpectedStatus, MutualAuthenticationError, UnexpectedStatus]


def test_kiwi_with_two_workers_loses_the_context(open_kiwi, asked, kiwi):
    kiwi(workers=2)
    tcms = open_kiwi()
    for _ in range(2):
        with pytest.raises(OSError, match="/complete/kerberos/ does not go on with the login: 500"):
            tcms.KiwiTCMS.version()
        assert asked(2) == [FIRST, "500 GET /complete/kerberos/"]


def test_kiwi_that_proves_nothing_gets_no_second_request(open_kiwi, asked, kiwi):
    kiwi(proof=False)
    with pytest.raises(UnexpectedStatus):
        open_kiwi().KiwiTCMS.version()
    assert asked(1) == [FIRST]


@pytest.mark.parametrize("release", RELEASES)
def test_the_first_page_of_kiwi_alone_logs_nobody_in(call_standin, kiwi, release):
    kiwi(release=release)
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    for call in (tcms.KiwiTCMS.version, tcms.User.filter):
        with pytest.raises((Fault, UnexpectedStatus)) as refused:
            call()
        check_refusal(refused.value, release)


def test_the_second_page_of_kiwi_alone_logs_nobody_in(servers, call_standin):
    transport = call_standin("/xml-rpc/")("transport")
    with pytest.raises(UnexpectedStatus, match="500"):
        transport.fetch("GET", host_of(servers), "/complete/kerberos/")


@pytest.mark.parametrize("post_only", [False, True])
def test_kiwi_refuses_a_post_without_a_csrf_token(servers, call_standin, kiwi, post_only):
    kiwi(post_only=post_only)
    transport = call_standin("/xml-rpc/")("transport")
    with pytest.raises(UnexpectedStatus) as refused:
        transport.fetch("POST", host_of(servers), "/login/kerberos/")
    assert refused.value.errcode == 403
