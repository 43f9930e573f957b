"""The stand-in for Koji hubs: it accepts and refuses the same as the hubs do. See `servers.standin_koji`.

Koji's own client takes part in the tests.
"""

import http.client
import ssl
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlencode
from xmlrpc.client import Fault, dumps, loads

import koji
import pytest
from servers import forwarder
from servers.standins import KOJI_HUBS

KOJI = str(Path(sys.executable).parent / "koji")
"""Koji's own command line."""

PIECE = 1000
"""The bytes of a piece of an upload."""

NUMBERS = dict(zip(KOJI_HUBS, ("Koji-Session-Callnum", "Koji-Callnum", None)))
"""The header in which a hub reads the number of a call."""


@pytest.fixture
def call_koji(call_standin, koji_path):
    """Open a proxy whose calls name a session, as this release wants it: ``call_koji(said, callnum=0)``."""

    def open_proxy(said=None, in_url=koji_path == "/kojihub-old", headers=(), **changes):
        said = {name.replace("_", "-"): str(value) for name, value in {**(said or {}), **changes}.items()}
        if in_url and said:
            path, headers = f"{koji_path}?{urlencode(said)}", list(headers)
        else:
            names = {"session-id": "Koji-Session-Id", "session-key": "Koji-Session-Key", "callnum": NUMBERS[koji_path]}
            path, headers = koji_path, [*headers, *((names[key], said[key]) for key in names if key in said)]
        return call_standin(path, headers=headers, preemptive=False, mutual_authentication="optional")

    return open_proxy


@pytest.fixture
def said(call_standin, koji_path):
    """The result of a login: the id and the key of a session."""
    return call_standin(f"{koji_path}/ssllogin").sslLogin()


@pytest.fixture
def log_in(servers, user):
    """Log in with Koji's own client: ``log_in("/kojihub")``."""
    sessions = []

    def open_session(path, cafile=servers.cafile, url=None):
        options = {"serverca": cafile, "max_retries": 2, "retry_interval": 0, "upload_blocksize": PIECE}
        sessions.append(koji.ClientSession(url or servers.url(path), options))
        sessions[-1].gssapi_login()
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.rsession.close()
        session.logged_in = False  # else the destructor makes a call


@pytest.fixture
def client(log_in, koji_path):
    """A session of Koji's own client at a hub of each release."""
    return log_in(koji_path)


@pytest.fixture
def post(servers, koji_path):
    """Make a request: ``post(b"<methodCall>…", method="GET")``. Return the response and its body."""
    context = ssl.create_default_context(cafile=servers.cafile)
    connection = http.client.HTTPSConnection("localhost", servers.ports["https"], context=context)

    def request(body, method="POST", query="", content_type="text/xml"):
        connection.request(method, koji_path + query, body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response, response.read()

    yield request
    connection.close()


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
    assert call_koji(said, in_url=koji_path != "/kojihub-old").getLoggedInUser() is None


@pytest.mark.parametrize(
    "numbers, kept",
    [
        ({"Koji-Callnum": "3"}, (3, 3, None)),
        ({"Koji-Session-Callnum": "4"}, (4, None, None)),
        ({"Koji-Callnum": "3", "Koji-Session-Callnum": "4"}, (4, 3, None)),
        ({}, (None, None, None)),
    ],
    ids=["first", "second", "both", "none"],
)
def test_koji_reads_the_number_of_a_call_from_headers(call_koji, said, koji_path, numbers, kept):
    call_koji(said, headers=numbers.items()).createTag(uuid.uuid4().hex)
    assert call_koji(said).getSessionInfo()["callnum"] == dict(zip(KOJI_HUBS, kept))[koji_path]


def test_koji_wants_a_ticket_for_a_login(call_koji):
    assert refused(call_koji().sslLogin) == (1002, "could not verify client: None")


# -- sessions ---------------------------------------------------------------------------------------------------------


def test_koji_tells_who_is_logged_in(client, user):
    assert client.getLoggedInUser() == {
        "id": 1,
        "name": "user",
        "status": 0,
        "usertype": 0,
        "krb_principals": [user],
        "authtype": 3,
        "krb_principal": user,
    }


def test_koji_says_that_sessions_have_expired(servers, call_koji, said, koji_path):
    servers.end_koji_sessions()
    expired = (1007, f'session "{said["session-id"]}" has expired')
    assert refused(call_koji(said).getLoggedInUser) == refused(call_koji(said).logout) == expired
    assert refused(call_koji(said).sslLogin)[0] == (1007 if koji_path == "/kojihub-old" else 1002)


def test_koji_forgets_sessions(servers, call_koji, said):
    servers.drop_koji_sessions()
    assert refused(call_koji(said).echo) == (1002, "Invalid session or bad credentials")


def test_koji_closes_sessions_and_their_subsessions(call_koji, said, koji_path):
    child = call_koji(said).subsession()
    other = call_koji(said).subsession()
    call_koji(said).logoutChild(other["session-id"])
    closed = 1007 if koji_path == "/kojihub-old" else 1002
    assert refused(call_koji(other).echo)[0] == closed
    assert call_koji(child).getLoggedInUser()["name"] == "user"
    call_koji(said).logout()
    assert [refused(call_koji(one).echo)[0] for one in (said, child)] == [closed] * 2


def test_koji_lets_only_admins_close_sessions_of_others(call_standin, call_koji, said, alice, koji_path):
    of_alice = call_standin(f"{koji_path}/ssllogin", keytab=alice.keytab).sslLogin()
    if koji_path == "/kojihub-old":
        assert refused(call_koji(said).logout, of_alice["session-id"])[0] == 1019
        return
    assert refused(call_koji(of_alice).logout, said["session-id"])[0] == 1004
    call_koji(said).logout(of_alice["session-id"])
    assert refused(call_koji(of_alice).echo)[0] == 1002


def test_koji_does_not_log_in_on_a_session(call_koji, said):
    assert refused(call_koji(said).sslLogin) == (1002, "Already logged in")


def test_koji_lets_nobody_log_in_for_others(call_standin, user, koji_path):
    login = call_standin(f"{koji_path}/ssllogin")
    assert refused(login.sslLogin, "alice") == (1002, f"{user} is not authorized to login other users")


def test_koji_does_not_reset_the_number_of_a_renewed_session(servers, call_standin, call_koji, said, koji_path):
    login = f"{koji_path}/ssllogin"
    call_koji(said, callnum=5).createTag(uuid.uuid4().hex)
    servers.end_koji_sessions()
    headers = [(f"Koji-{name.title()}", str(said[name])) for name in ("session-id", "session-key")]
    renewal = (None, None, True)
    if koji_path == "/kojihub-old":
        code, text = refused(call_standin(login, headers=headers).sslLogin, *renewal)
        assert code == 1 and "TypeError" in text
        return
    renewed = call_standin(login, headers=headers).sslLogin(*renewal)
    assert renewed["session-id"] == said["session-id"] and renewed["session-key"] != said["session-key"]
    assert refused(call_koji(said).echo)[0] == 1002
    assert refused(call_koji(renewed, callnum=0).echo)[0] == 1008
    assert call_koji(renewed, callnum=6).echo("goes on") == ["goes on"]


@pytest.mark.parametrize("path", KOJI_HUBS[:2])
def test_koji_renews_an_exclusive_session(servers, call_standin, user, path):
    login = f"{path}/ssllogin"
    said = call_standin(login).sslLogin()
    servers.end_koji_sessions()
    names = ("session-id", "session-key")
    headers = [(f"Koji-{name.title()}", str(said[name])) for name in names]
    renewed = call_standin(login, headers=headers).sslLogin(None, None, True, True)
    headers = [(f"Koji-{name.title()}", str(renewed[name])) for name in names]
    hub = call_standin(path, headers=headers, preemptive=False, mutual_authentication="optional")
    assert hub.getSessionInfo()["exclusive"] is True
    hub.logout()


def test_koji_refuses_calls_beside_an_exclusive_session(call_koji, call_standin, said, koji_path):
    other = call_standin(f"{koji_path}/ssllogin").sslLogin()
    call_koji(said).exclusiveSession()
    try:
        assert refused(call_koji(other).echo) == (1006, "User locked by another session")
        assert refused(call_koji(other).exclusiveSession) == (1006, "Cannot get exclusive session")
        call_koji(said).sharedSession()
        assert call_koji(other).echo(1) == [1]
        call_koji(said).exclusiveSession()
        call_koji(other).exclusiveSession(True)
        assert refused(call_koji(said).echo)[0] in (1002, 1007)
    finally:
        call_koji(other).logout()


@pytest.mark.parametrize("path, runs", [("/kojihub", 1), ("/kojihub-1.31", 2), ("/kojihub-old", 1)])
def test_a_repeated_call_of_kojis_client_runs_twice_at_1_31(servers, log_in, ca, cafile, path, runs):
    name = uuid.uuid4().hex
    with forwarder.Forwarder(ca, servers) as way:
        session = log_in(path, cafile, way.url(path))
        way.play(forwarder.Break(forwarder.Phase.EXECUTED, forwarder.How.FIN))
        if runs == 1:
            with pytest.raises(koji.RetryError, match="unable to retry call"):
                session.makeTask(name, [])
        else:
            session.makeTask(name, [])
        assert session.listTasks({"method": name}, {"countOnly": True}) == runs


# -- calls ------------------------------------------------------------------------------------------------------------


def test_koji_refuses_wrong_arguments(call_koji, said):
    hub = call_koji(said)
    for arguments in ((), (1,) * 20, ({"__starstar": True, "tag": "x"},)):
        assert refused(hub.createTag, *arguments)[0] == 1019
    assert refused(hub.sslLogin, 1, 2, 3, 4, 5)[0] == 1
    assert refused(hub.unknown) == (1000, "Invalid method: unknown")


def test_koji_accepts_named_arguments(client):
    name = uuid.uuid4().hex
    client.createTag(name, arches="x86_64", locked=True)
    (tag,) = client.listTags(pattern=f"{name[:20].upper()}*")
    assert (tag["name"], tag["arches"], tag["locked"]) == (name, "x86_64", True)


def test_koji_knows_integers_of_64_bits(client, post):
    values = [2**31, -(2**31) - 1, 2**63 - 1, -(2**63), None, 2**31 - 1]
    assert client.echo(*values) == values
    _, reply = post(dumps((1,), "echo").replace("<int>1</int>", f"<i8>{2**40}</i8>"))
    assert f"<i8>{2**40}</i8>".encode() in reply
    _, reply = post(dumps((1,), "echo"))
    assert b"<int>1</int>" in reply
    _, reply = post(dumps((1,), "echo").replace("<int>1</int>", f"<i8>{2**63}</i8>"))
    code, text = refused(loads, reply)
    assert code == 1 and "OverflowError" in text


def test_koji_makes_several_calls_in_one(client):
    name = uuid.uuid4().hex
    calls = client.multicall()
    for call in (calls.createTag, calls.createTag, calls.unknown, calls.echo):
        call(name)
    calls.echo(named=1)
    made, exists, unknown, echoed, wrong = calls.call_all()
    assert isinstance(made[0], int) and echoed == [[name]]
    assert [(fault["faultCode"], fault["faultString"]) for fault in (exists, unknown)] == [
        (1000, f"A tag with the name '{name}' already exists"),
        (1000, "Invalid method: unknown"),
    ]
    assert wrong["faultCode"] == 1019 and wrong["traceback"][0].startswith("Traceback")


def test_a_multicall_that_changes_something_keeps_its_number(call_koji, said):
    calls = [{"methodName": "createTag", "params": [uuid.uuid4().hex]}, {"methodName": "error", "params": []}]
    assert call_koji(said, callnum=3).multiCall(calls)[1]["faultString"] == "test error"
    assert refused(call_koji(said, callnum=3).echo)[0] == 1009


def test_koji_asks_for_permissions(log_in, call_standin, call_koji, alice, koji_path):
    said = call_standin(f"{koji_path}/ssllogin", keytab=alice.keytab).sslLogin()
    hub = call_koji(said)
    for call, arguments in [(hub.createTag, ["x"]), (hub.makeTask, ["x", []]), (hub.grantPermission, ["user", "tag"])]:
        code, text = refused(call, *arguments)
        assert code == 1004 and text.endswith("permission required (logged in as alice)")
    assert hub.getPerms() == []
    assert isinstance(hub.build("cli-build/package.src.rpm", "f42"), int)


def test_koji_counts_tasks(client):
    name = uuid.uuid4().hex
    first, second = client.makeTask(name, [1, None]), client.makeTask(name, [], priority=5)
    assert second != first
    assert [task["id"] for task in client.listTasks({"method": name})] == [first, second]
    assert client.listTasks({"method": name}, {"countOnly": True}) == 2
    assert client.getTaskInfo(second, strict=True)["priority"] == 5


@pytest.mark.parametrize(
    "command, printed",
    [
        (["moshimoshi"], "Authenticated via GSSAPI"),
        (["call", "echo", "1"], "[1]"),
        (["list-tags", "f42-*"], "f42-build\nf42-updates"),
        (["hostinfo", "builder.example.test"], "Channels: default createrepo"),
        (["add-tag", "NEW"], ""),
        (["grant-permission", "--new", "NEW", "user"], ""),
        (["version"], "Hub:    "),
        (["--noauth", "call", "getLoggedInUser"], "None"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_kojis_command_line_works(servers, user, koji_path, tmp_path, command, printed):
    settings = tmp_path / "koji.conf"
    settings.write_text(f"[koji]\nserver = {servers.url(koji_path)}\nserverca = {servers.cafile}\nmax_retries = 1\n")
    command = [uuid.uuid4().hex if word == "NEW" else word for word in command]
    done = subprocess.run([KOJI, "--config", str(settings), *command], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert printed in done.stdout


# -- uploads ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def upload(tmp_path):
    """A file of three pieces."""
    path = tmp_path / "upload"
    path.write_bytes(bytes(range(256)) * 10)
    return path


# Koji's client does not close the file.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_kojis_client_uploads_files(servers, client, upload, koji_path):
    folder = f"cli-build/{uuid.uuid4().hex}"
    client.fastUpload(str(upload), folder)
    client.uploadWrapper(str(upload), folder, "other")
    for name in ("upload", "other"):
        assert servers.koji_upload(koji_path, folder, name) == upload.read_bytes()
    with pytest.raises(koji.GenericError, match="upload path exists"):
        client.fastUpload(str(upload), folder)
    client.fastUpload(str(upload), folder, overwrite=True)
    found = client.checkUpload(folder, "upload", "sha256", 3)
    assert (found["size"], found["sumlength"]) == (2560, 3)
    assert client.checkUpload(folder, "missing") is None


def test_koji_refuses_uploads(client, post, koji_path):
    for name, folder, words in [("../x", "x", "filename"), (".x", "x", "filename"), ("x", "../x", "directory")]:
        with pytest.raises(koji.GenericError, match=f"Invalid upload {words}"):
            client.rawUpload(b"", 0, folder, name)
    with pytest.raises(koji.GenericError, match="Unsupported verify type: crc"):
        client.rawUpload(b"", 0, uuid.uuid4().hex, "x", verify="crc")
    said = {} if koji_path != "/kojihub-old" else {"session-id": "1"}
    query = urlencode({"filename": "x", **said})
    _, reply = post(b"data", query=f"?{query}", content_type="application/octet-stream")
    assert refused(loads, reply)[0] == (1002 if said else 1004)


def test_an_upload_in_the_middle_of_a_file(servers, client, koji_path):
    folder = uuid.uuid4().hex
    client.rawUpload(b"12345", 0, folder, "x")
    if koji_path == "/kojihub":
        with pytest.raises(koji.GenericError, match="Expected 3, actual 5"):
            client.rawUpload(b"4", 2, folder, "x")
    else:
        client.rawUpload(b"4", 2, folder, "x")
        assert servers.koji_upload(koji_path, folder, "x") == b"124"


# -- HTTP -------------------------------------------------------------------------------------------------------------


def test_koji_accepts_post_only(post, koji_path):
    response, text = post(b"", method="GET")
    assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert b"Only POST requests are accepted" in text
    assert response.headers["Koji-Version"] == ("1.36.0" if koji_path == "/kojihub" else None)


def test_koji_refuses_bodies_that_are_no_calls(post, koji_path):
    for body, words in [(b"", "Empty request"), (b"<methodCall>", "no element found"), (b"x" * 5 * 2**20, "too long")]:
        response, reply = post(body)
        if koji_path == "/kojihub":
            assert response.status == 400
            assert reply.startswith(b"Invalid request: ") and words.encode() in reply
        else:
            assert response.status == 200
            assert refused(loads, reply)[0] in (1, 1000)


def test_koji_wants_to_know_the_length_of_a_body(post):
    response, _ = post(iter([dumps((1,), "echo").encode()]))  # without a length, the body is sent in chunks
    assert response.status == 411


def test_koji_is_offline_for_a_time(servers, post, call_koji, said):
    servers.koji_offline(True)
    try:
        assert refused(call_koji(said).echo) == (1014, "server is offline")
        assert post(b"", method="GET")[0].status == 405
    finally:
        servers.koji_offline(False)
    assert call_koji(said).echo() == []
