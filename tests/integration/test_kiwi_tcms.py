"""The recipe for Kiwi TCMS, against a real KDC and a real Apache with a stand-in: see `servers.standin_kiwi_tcms`.

What the stand-in refuses is tested, too: it would prove nothing if it took everything.
"""

from xmlrpc.client import Fault

import pytest
from example_runner import example, recipe
from servers.standins import end_session


def test_kiwi_tcms(servers, user, asked):
    status, printed, complaints = example("kiwi_tcms.py", servers.url("/xml-rpc/"), "Gadget", servers.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        "Kiwi TCMS 15.0",
        "it takes you for: user <user@example.test>",
        "version of Gadget: unspecified",
        "version of Gadget: 2.0",
    ]
    pages = ["302 ticket GET /login/kerberos/", "302 GET /complete/kerberos/"]
    assert asked(5) == pages + ["200 POST /xml-rpc/"] * 3


def test_a_session_at_kiwi_tcms_is_begun_again(servers, call_standin):
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    for _ in range(2):
        recipe("kiwi_tcms").log_in(servers.url("/xml-rpc/"), tcms("transport"))
        assert tcms.User.filter({"username": "user"})[0]["email"] == "user@example.test"
        end_session(tcms)
        with pytest.raises(Fault, match="Authentication failed"):
            tcms.User.filter()


def test_the_first_page_of_kiwi_tcms_alone_logs_nobody_in(call_standin):
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    for call in (tcms.KiwiTCMS.version, tcms.User.filter):
        with pytest.raises(Fault, match="Authentication failed when calling") as refused:
            call()
        assert refused.value.faultCode == -32603


def test_the_second_page_of_kiwi_tcms_alone_does_not_either(servers, call_standin):
    module = recipe("kiwi_tcms")
    tcms = call_standin("/xml-rpc/", login_path="/login/kerberos/")
    tcms("transport").login = lambda host: None
    with pytest.raises(OSError, match="does not complete the login: 500"):
        module.log_in(servers.url("/xml-rpc/"), tcms("transport"))
