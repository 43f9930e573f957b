"""The stand-in for Koji hubs: it accepts and refuses the same as the hubs do. See `servers.standin_koji`."""

import uuid
from urllib.parse import urlencode
from xmlrpc.client import Fault

import pytest
from servers.standins import KOJI_HUBS

NUMBERS = {"/kojihub": "Koji-Session-Callnum", "/kojihub-1.31": "Koji-Callnum"}
"""The header in which a hub reads the number of a call."""


@pytest.fixture(params=KOJI_HUBS)
def koji_path(request):
    """The path of a hub of each release."""
    return request.param


@pytest.fixture
def call_koji(call_standin, koji_path):
    """Open a proxy whose calls name a session: ``call_koji(said, callnum=0)``."""

    def open_proxy(said=None, path=koji_path, **changes):
        said = {name.replace("_", "-"): str(value) for name, value in {**(said or {}), **changes}.items()}
        headers = []
        if path in NUMBERS:
            number = [(NUMBERS[path], said["callnum"])] if "callnum" in said else []
            headers = [(f"Koji-{name.title()}", said[name]) for name in ("session-id", "session-key") if name in said]
            headers += number
        target = koji_path if path in NUMBERS or not said else f"{koji_path}?{urlencode(said)}"
        return call_standin(target, headers=headers, preemptive=False, mutual_authentication="optional")

    return open_proxy


@pytest.fixture
def said(call_standin, koji_path):
    """The result of a login: the id and the key of a session."""
    return call_standin(f"{koji_path}/ssllogin").sslLogin()


def refused(call, *arguments):
    """Return the number and the text of the Fault that a call is answered with."""
    with pytest.raises(Fault) as caught:
        call(*arguments)
    return caught.value.faultCode, caught.value.faultString


def test_koji_refuses_callers_that_are_not_logged_in(call_koji):
    assert call_koji().getLoggedInUser() is None
    code, text = refused(call_koji().createTag, uuid.uuid4().hex)
    assert code == 1004 and "user not logged in" in text


def test_koji_refuses_unknown_sessions(call_koji, said):
    assert call_koji(said).getLoggedInUser()["name"] == "user"
    unknown = (1002, "Invalid session or bad credentials")
    assert refused(call_koji(said, session_key="1-guessed").echo) == unknown
    assert refused(call_koji(said, session_id=said["session-id"] + 1000).echo) == unknown


def test_koji_refuses_numbers_that_are_none(call_koji, said, koji_path):
    code, text = refused(call_koji(said, callnum="one").echo)
    if koji_path == "/kojihub-old":
        assert (code, text) == (1002, "Invalid callnum: 'one'")
    else:
        assert code == 1 and "ValueError" in text


def test_koji_refuses_wrong_numbers_once_something_was_changed(call_koji, said):
    numbered = [call_koji(said, callnum=number) for number in range(3)]
    assert numbered[2].echo() == numbered[1].echo() == []  # nothing was changed, so nothing is kept
    numbered[1].createTag(uuid.uuid4().hex)
    assert refused(numbered[0].echo) == (1008, f"1 > 0 (session {said['session-id']})")
    assert refused(numbered[1].echo)[0] == 1009
    assert numbered[2].echo("goes on") == ["goes on"]


def test_koji_reads_sessions_from_headers_or_from_the_url(call_koji, said, koji_path):
    other = "/kojihub" if koji_path == "/kojihub-old" else "/kojihub-old"
    assert call_koji(said, path=other).getLoggedInUser() is None


def test_koji_wants_a_ticket_for_a_login(call_koji):
    assert refused(call_koji().sslLogin) == (1002, "could not verify client: None")
