"""`krbxmlrpc.koji.KojiSession`: logins, calls, options and errors, against stand-ins for Koji's hubs.

`test_koji_faults` has the faults in each phase, `test_koji_command` the command line.
"""

import os
import pickle
import ssl
import traceback
import uuid
from contextlib import ExitStack, suppress
from urllib.parse import parse_qs, urlsplit
from xmlrpc.client import dumps

import koji
import pytest
import requests
from helpers import in_child
from internals import ask_for_client_certificate
from servers import forwarder, scripted
from servers.scripted import hang_up, honest, message, say, values

import krbxmlrpc
from krbxmlrpc.koji import KojiSession
from krbxmlrpc.testing.loopback import Hangup

QUICK = {"max_retries": 2, "retry_interval": 0, "timeout": 60}
SESSION = {"session-id": 7, "session-key": "1-key-of-the-session", "header-auth": True}


@pytest.fixture
def session_at(servers, user):
    """Make a session at a hub, and close it at the end: ``session_at("/kojihub", timeout=5)``."""
    with ExitStack() as made:

        def make(path, url=servers.url, **opts):
            session = KojiSession(url(path), {**QUICK, "serverca": servers.cafile, **opts})
            made.callback(end, session)
            return session

        yield make


def end(session):
    """Log out, and close the connections."""
    with suppress(koji.AuthError):  # some have no session any more
        session.logout()
    session.setSession(None)
    session.rsession.close()


@pytest.fixture
def session(session_at, koji_path):
    """A session that has logged in."""
    made = session_at(koji_path)
    assert made.gssapi_login() is True
    return made


# -- logins -----------------------------------------------------------------------------------------------------------


def test_a_login_takes_one_request(session_at, asked, koji_path):
    session = session_at(koji_path)
    session.gssapi_login()
    assert asked(1) == [f"200 ticket POST {koji_path}/ssllogin"]
    assert session.getLoggedInUser()["krb_principal"] == "user@EXAMPLE.TEST"
    assert asked(1) == [f"200 POST {koji_path}"]


def test_a_login_and_its_calls_use_one_connection(servers, user, ca, cafile, koji_path):
    with forwarder.Forwarder(ca, servers) as way:
        session = KojiSession(way.url(koji_path), {"serverca": cafile})
        session.gssapi_login()
        for number in range(10):
            assert session.echo(number) == [number]
        session.logout()
        assert way.connections == 1


@pytest.fixture
def scripted_session(server, cafile):
    """Make a session at the scripted server: ``scripted_session(sinfo=SESSION, timeout=5)``."""
    made = []

    def make(sinfo=None, **opts):
        session = KojiSession(server.url("/kojihub"), {**QUICK, "serverca": cafile, **opts}, sinfo)
        made.append(session)
        return session

    yield make
    for session in made:
        session.setSession(None)
        session.rsession.close()


def refuse(request, send):
    send(message(401, [("WWW-Authenticate", "Negotiate")]))


@pytest.mark.parametrize(
    "answer, cause",
    [
        (say(message(body=values(SESSION))), "MutualAuthenticationError"),
        (honest(lambda token: "bm90aGluZw==", body=values(SESSION)), "MutualAuthenticationError"),
        (refuse, "AuthenticationRejected"),
        (honest(body=values("no session")), "AuthError"),
        (honest(body=values(SESSION), status=500), "UnexpectedStatus"),
        (honest(body=b"<html>"), "InvalidResponse"),
        (honest(body=dumps(koji.Fault(1002, "no such user")).encode()), "AuthError"),
    ],
    ids=["no proof", "wrong proof", "refused", "no session", "500", "not XML-RPC", "Fault"],
)
def test_a_login_that_fails_begins_no_session(server, scripted_session, answer, cause):
    session = scripted_session()
    server.play(answer, answer)
    with pytest.raises(koji.GSSAPIAuthError, match=f"gssapi auth failed: {cause}: ") as failed:
        session.gssapi_login()
    assert type(failed.value.__cause__).__name__ == cause
    assert (session.logged_in, session.sinfo) == (False, None)
    assert len(server.requests) == (2 if cause == "AuthenticationRejected" else 1)  # a refused ticket is replaced once
    assert "1-key-of-the-session" not in str(failed.value)
    server.play(honest(body=values(SESSION)), say(message(body=values("a result"))))
    assert session.gssapi_login() is True and session.getTag("f42") == "a result"


@pytest.mark.parametrize("how", ["keytab", "ccache", "principal", "krb_login"])
def test_a_login_uses_the_given_credentials(session_at, alice, tmp_path, monkeypatch, koji_path, how):
    session = session_at(koji_path)
    cache = alice.kinit(f"FILE:{tmp_path}/cache")
    if how == "principal":
        monkeypatch.setenv("KRB5CCNAME", cache)
    before = dict(os.environ)
    arguments = {"keytab": alice.keytab, "ccache": cache, "principal": alice.principal}
    if how == "krb_login":
        assert session.krb_login(alice.principal, alice.keytab) is True
    else:
        assert session.gssapi_login(**{how: arguments[how]}) is True
    assert session.getLoggedInUser()["krb_principal"] == alice.principal
    assert dict(os.environ) == before


def test_a_renewal_uses_the_credentials_of_the_login(servers, session_at, alice, koji_path):
    session = session_at(koji_path)
    session.gssapi_login(keytab=alice.keytab)
    for _ in range(2):
        servers.end_koji_sessions()
        assert session.getLoggedInUser()["krb_principal"] == alice.principal


def test_another_login_replaces_the_session(session, servers):
    first = session.sinfo["session-id"]
    assert session.gssapi_login() is True
    second = session.sinfo["session-id"]
    assert second != first and session.getSessionInfo(details=True)["id"] == second
    with servers.stale_keytab(), pytest.raises(koji.GSSAPIAuthError, match="AuthenticationRejected: .*keytab"):
        session.gssapi_login()
    assert session.getSessionInfo(details=True)["id"] == second  # the session is as before


def test_the_hub_decides_who_may_log_in_for_others(session_at):
    session = session_at("/kojihub")
    with pytest.raises(koji.GSSAPIAuthError, match="is not authorized to login other users"):
        session.gssapi_login(proxyuser="somebody", proxyauthtype=koji.AUTHTYPES["SSL"])
    assert not session.logged_in


def test_a_login_always_uses_tls(session_at, servers, koji_path):
    session = session_at(koji_path, url=lambda path: servers.url(path).replace("https:", "http:"))
    session.gssapi_login()
    assert session.baseurl == servers.url(koji_path) and session.getLoggedInUser()["name"] == "user"


def test_a_login_with_a_certificate_sends_no_ticket(server, server_context, ca, scripted_session, tmp_path):
    certificate = ca.issue_cert("client.example.test")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    seen = []

    def answer(request, send):
        seen.append((request.token, request.sock.getpeercert()))
        send(message(body=values(SESSION)))

    ask_for_client_certificate(server, ca)
    server.play(answer)
    session = scripted_session()
    assert session.ssl_login(cert=str(tmp_path / "client.pem")) is True
    ((token, presented),) = seen
    assert token is None and "client.example.test" in str(presented)


# -- calls ------------------------------------------------------------------------------------------------------------


def test_calls_behave_as_kojis_own_do(session):
    assert session.echo(2**40, -(2**63), [None, "é"]) == [2**40, -(2**63), [None, "é"]]
    assert session.getTag("f42", strict=True)["name"] == "f42"  # a named argument
    with pytest.raises(koji.ParameterError):
        session.getTag()
    with pytest.raises(koji.GenericError, match="Invalid method: noSuchMethod"):
        session.noSuchMethod()
    with pytest.raises(OverflowError):
        session.echo(2**63)
    with session.multicall() as calls:
        found, failed = calls.getTag("f42"), calls.noSuchMethod()
    assert found.result["name"] == "f42"
    with pytest.raises(koji.GenericError, match="Invalid method"):
        print(failed.result)
    session.multicall = True
    session.echo(1)
    session.getTag("f42")
    assert [len(result) for result in session.multiCall()] == [1, 1]


def test_a_user_without_permission_is_refused(session_at, alice, koji_path):
    session = session_at(koji_path)
    session.gssapi_login(keytab=alice.keytab)
    with pytest.raises(koji.ActionNotAllowed):
        session.createTag(uuid.uuid4().hex)


def test_the_version_of_the_hub_needs_no_call(session_at, asked):
    session = session_at("/kojihub")
    session.getAPIVersion()
    asked(1)
    assert session.hub_version == (1, 36, 0)
    assert asked(0) == []


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("size, pieces", [(0, 1), (1000, 1), (2500, 3)])
def test_files_are_uploaded_in_pieces(servers, session, asked, tmp_path, koji_path, size, pieces):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    folder = f"uploads/{uuid.uuid4().hex}"
    asked(0)
    session.fastUpload(str(tmp_path / "file"), folder, blocksize=1000)
    assert asked(pieces + 1) == [f"200 POST {koji_path}"] * (pieces + 1)  # the last call checks the whole file
    assert servers.koji_upload(koji_path, folder, "file") == content


def test_a_subsession_is_a_session_of_its_own(servers, session):
    sub = session.subsession()
    assert isinstance(sub, KojiSession) and sub.sinfo["session-id"] != session.sinfo["session-id"]
    assert sub.getLoggedInUser()["name"] == "user"
    servers.end_koji_sessions()
    assert sub.getLoggedInUser()["name"] == session.getLoggedInUser()["name"] == "user"
    end(sub)
    assert session.getLoggedInUser()["name"] == "user"


def test_a_subsession_ends_with_its_session(server, scripted_session):
    """The hub renews no subsession whose session has been closed: the login returns None."""
    expired = say(message(body=dumps(koji.Fault(1007, "expired")).encode()))
    server.play(honest(body=values(SESSION)), expired, honest(body=dumps((None,), "", True, allow_none=True).encode()))
    session = scripted_session()
    session.gssapi_login()
    with pytest.raises(koji.GSSAPIAuthError, match="the session to which this subsession belongs has been closed"):
        session.getLoggedInUser()


@pytest.fixture
def locked(servers):
    """Remove the locks of exclusive sessions at the end."""
    yield
    servers.drop_koji_sessions()


@pytest.mark.parametrize("path", ["/kojihub", "/kojihub-1.31"])
def test_an_exclusive_session_stays_exclusive(servers, session_at, path, locked):
    session = session_at(path)
    session.gssapi_login()
    session.exclusiveSession()
    other = session_at(path)
    other.gssapi_login()
    with pytest.raises(koji.AuthLockError):
        other.echo()
    servers.end_koji_sessions()
    assert session.echo() == [] and session.exclusive
    other.gssapi_login()
    with pytest.raises(koji.AuthLockError):
        other.echo()


def test_a_call_waits_while_the_hub_is_offline(servers, session_at, monkeypatch, koji_path):
    session = session_at(koji_path, offline_retry=True, offline_retry_interval=3)
    waits = []

    def wait(seconds):
        waits.append(seconds)
        servers.koji_offline(len(waits) < 3)

    monkeypatch.setattr(koji.time, "sleep", wait)
    servers.koji_offline(True)
    assert session.getAPIVersion() == 1 and waits == [3, 3, 3]


def test_a_child_process_can_forget_the_session(session):
    def work():
        session._forget()
        return session.getLoggedInUser()

    assert in_child(work) is None
    assert session.getLoggedInUser()["name"] == "user"


def test_a_new_session_takes_no_lock_by_force(servers, session_at, locked):
    """The hub knows no renewals. The lock of the expired session could as well be another session's."""
    session = session_at("/kojihub-old")
    session.gssapi_login()
    session.exclusiveSession()
    servers.end_koji_sessions()
    with pytest.raises(koji.AuthLockError):
        session.echo()
    assert not session.exclusive
    session.exclusiveSession(force=True)
    assert session.echo() == []


# -- numbers and renewals ---------------------------------------------------------------------------------------------


def test_each_request_has_its_number_where_hubs_read_it(servers, user, ca, cafile, koji_path):
    with forwarder.Forwarder(ca, servers) as way:
        session = KojiSession(way.url(koji_path), {"serverca": cafile})
        session.gssapi_login()
        session.echo()
        session.rawUpload(b"content", 0, uuid.uuid4().hex, "file")
        session.logout()
        _, *calls = way.requests
    for number, request in enumerate(calls):
        said = parse_qs(urlsplit(request.line.split()[1]).query)
        in_headers = {request.headers["Koji-Callnum"], request.headers["Koji-Session-Callnum"]}
        assert said.get("callnum") == [str(number)] if koji_path == "/kojihub-old" else in_headers == {str(number)}


@pytest.mark.parametrize("path", ["/kojihub", "/kojihub-1.31"])
def test_a_renewed_session_keeps_its_number(servers, session_at, path):
    session = session_at(path)
    session.gssapi_login()
    session.makeTask("numbers", [])
    before = dict(session.sinfo)
    for _ in range(2):
        servers.end_koji_sessions()
        number = session.callnum
        session.makeTask("numbers", [])
        assert session.callnum == number + 3  # the expired call, the login, and the call
    assert session.sinfo["session-id"] == before["session-id"]
    assert session.sinfo["session-key"] != before["session-key"]


@pytest.mark.parametrize("path", ["/kojihub-1.31.1", "/kojihub-old"])
def test_a_new_session_follows_if_the_hub_renews_none(servers, session_at, path):
    session = session_at(path)
    session.gssapi_login()
    before = dict(session.sinfo)
    for _ in range(2):
        servers.end_koji_sessions()
        session.makeTask("numbers", [])
    assert session.sinfo["session-id"] != before["session-id"] and session.logged_in


def test_a_session_that_was_closed_elsewhere_is_an_error(servers, session_at):
    """It may have been closed on purpose, so no new session begins."""
    session = session_at("/kojihub")
    session.gssapi_login()
    servers.drop_koji_sessions()
    for _ in range(2):
        with pytest.raises(koji.AuthError, match="Invalid session") as refused:
            session.getLoggedInUser()
        assert type(refused.value) is koji.AuthError
    session.gssapi_login()
    assert session.getLoggedInUser()["name"] == "user"


def test_a_session_of_unknown_origin_cannot_be_renewed(servers, session, koji_path):
    copy = KojiSession(servers.url(koji_path), {**QUICK, "serverca": servers.cafile}, session.sinfo)
    assert copy.getLoggedInUser()["name"] == "user"
    servers.end_koji_sessions()
    with pytest.raises(koji.AuthExpired, match="log in again"):
        copy.getLoggedInUser()
    copy.setSession(None)
    copy.rsession.close()


# -- errors -----------------------------------------------------------------------------------------------------------


def cut_off(request, send):
    send(message(body=values(), length=9999))
    raise Hangup


def stall(request, send):
    request.stream.read(1)


def endless(request, send):
    send(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        send(b"1000\r\n" + b" " * 0x1000 + b"\r\n")


ERRORS = {
    "404": (say(message(404)), krbxmlrpc.UnexpectedStatus, requests.exceptions.HTTPError, 1),
    "400": (say(message(400)), krbxmlrpc.UnexpectedStatus, requests.exceptions.HTTPError, 1),
    "401": (say(message(401)), krbxmlrpc.UnexpectedStatus, requests.exceptions.HTTPError, 1),
    "redirection": (say(message(302)), krbxmlrpc.UnexpectedStatus, requests.exceptions.HTTPError, 1),
    "503": (say(message(503)), krbxmlrpc.UnexpectedStatus, requests.exceptions.HTTPError, 3),
    "429": (say(message(429)), krbxmlrpc.UnexpectedStatus, requests.exceptions.HTTPError, 3),
    "hang up": (hang_up, krbxmlrpc.CallOutcomeUnknown, requests.exceptions.ConnectionError, 3),
    "cut off": (cut_off, krbxmlrpc.BrokenReply, requests.exceptions.ConnectionError, 3),
    "timeout": (stall, krbxmlrpc.CallOutcomeUnknown, requests.exceptions.ReadTimeout, 3),
    "too large": (endless, krbxmlrpc.ResponseTooLarge, krbxmlrpc.InvalidResponse, 1),
    "not XML-RPC": (say(message(body=b"<html/>")), krbxmlrpc.InvalidResponse, krbxmlrpc.InvalidResponse, 1),
    "entities": (
        say(message(body=b"<!DOCTYPE a><methodResponse/>")),
        krbxmlrpc.UnsafeResponse,
        krbxmlrpc.InvalidResponse,
        1,
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_ours_and_those_of_requests(server, scripted_session, name):
    answer, ours, theirs, tries = ERRORS[name]
    server.otherwise = answer
    timeout = 0.3 if name == "timeout" else 60
    session = scripted_session(SESSION, timeout=timeout, max_response_bytes=100_000)
    with pytest.raises(ours) as raised:
        session.getLoggedInUser()
    assert isinstance(raised.value, theirs) and type(raised.value).__name__ == ours.__name__
    assert len(server.requests) == tries
    assert "1-key-of-the-session" not in f"{raised.value} {raised.value!r}"
    if theirs is requests.exceptions.HTTPError:
        assert raised.value.errcode == (int(name) if name.isdigit() else 302)
    again = pickle.loads(pickle.dumps(raised.value))
    assert type(again) is type(raised.value) and str(again) == str(raised.value)
    server.otherwise = say(message(body=values("a result")))
    assert session.getLoggedInUser() == "a result"


def test_the_status_of_an_error_is_where_requests_has_it(server, scripted_session):
    server.play(say(message(404)))
    with pytest.raises(requests.exceptions.HTTPError, match="localhost:.*/kojihub answered 404 Not Found") as raised:
        scripted_session(SESSION).getLoggedInUser()
    assert raised.value.response.status_code == 404


def test_a_server_that_is_away_is_a_connection_error(ca, cafile, user):
    with scripted.ScriptedServer(ca) as away:
        pass
    session = KojiSession(away.url("/kojihub"), {**QUICK, "serverca": cafile})
    with pytest.raises(requests.exceptions.ConnectionError) as raised:
        session.getAPIVersion()
    assert isinstance(raised.value, krbxmlrpc.ServerUnreachable)
    with pytest.raises(koji.AuthError, match="ServerUnreachable: "):
        session.gssapi_login()


def test_a_certificate_that_is_not_trusted_ends_the_call(server, user):
    session = KojiSession(server.url("/kojihub"), QUICK, SESSION)
    with pytest.raises(requests.exceptions.SSLError, match="Hint: .*serverca") as raised:
        session.getAPIVersion()
    assert isinstance(raised.value, krbxmlrpc.CertificateRejected) and server.connections == 1
    session.setSession(None)


def test_without_a_session_calls_are_not_repeated(server, scripted_session):
    for opts, tries in [({}, 1), ({"anon_retry": True}, 3)]:
        server.play(*[hang_up] * tries, say(message(body=values("a result"))))
        session = scripted_session(**opts)
        with pytest.raises(requests.exceptions.ConnectionError):
            session.getAPIVersion()
        assert session.getAPIVersion() == "a result"


def test_errors_of_a_logout(server, scripted_session):
    session = scripted_session(SESSION)
    server.play(say(message(404)))
    with pytest.raises(requests.exceptions.HTTPError):
        session.logout()
    server.play(hang_up)
    with pytest.raises(krbxmlrpc.CallOutcomeUnknown):
        session.logout(session_id=8)  # another session
    assert session.logged_in
    server.play(hang_up)
    with pytest.raises(krbxmlrpc.CallOutcomeUnknown):
        session.logout()
    assert not session.logged_in


def test_a_proxy_that_refuses_is_a_proxy_error(scripted_session):
    with scripted.ScriptedServer(None, say(message(403))) as proxy:
        session = scripted_session(SESSION, proxy=f"http://localhost:{proxy.port}")
        with pytest.raises(requests.exceptions.ProxyError) as raised:
            session.getAPIVersion()
    assert isinstance(raised.value, krbxmlrpc.ProxyRefused) and len(proxy.played) == 1


# -- options ----------------------------------------------------------------------------------------------------------


def test_options_reach_the_transport(server, scripted_session):
    server.play(honest(body=values(SESSION)))
    session = scripted_session(service="HTTP@localhost", headers=[("X-Name", "value")], mechanism="krb5")
    assert session.gssapi_login() is True
    (request,) = server.requests
    assert request.headers["X-Name"] == "value" and request.headers["User-Agent"] == "koji/1"
    with pytest.raises(koji.GSSAPIAuthError, match="ServiceUnknown: .*opts\\['service'\\]"):
        scripted_session(service="HTTP@no-koji.example.test").gssapi_login()


@pytest.mark.parametrize("name", ["retries", "idempotent", "login_path", "preemptive", "use_datetime"])
def test_options_that_koji_decides_are_refused(name):
    with pytest.raises(ValueError, match=f"opts has '{name}', which a KojiSession does not take: "):
        KojiSession("https://koji.example.test/kojihub", {name: True})


@pytest.mark.parametrize("opts", [{"service": 1}, {"max_response_bytes": "1"}, {"mutual_authentication": "perhaps"}])
def test_wrong_options_are_found_at_once(opts):
    (name,) = opts
    with pytest.raises((TypeError, ValueError), match=f"{name} is "):
        KojiSession("https://koji.example.test/kojihub", opts)


def test_plain_http_needs_an_option(servers, koji_path):
    url = servers.url(koji_path, "http")
    with pytest.raises(ValueError, match="begins with http, .* opts\\['insecure_http'\\] = True"):
        KojiSession(url, QUICK).getAPIVersion()
    assert KojiSession(url, {**QUICK, "insecure_http": True}).getAPIVersion() == 1


def test_any_certificate_is_accepted_if_asked_for(server):
    server.otherwise = say(message(body=values("a result")))
    assert KojiSession(server.url("/kojihub"), {"no_ssl_verify": True}).getAPIVersion() == "a result"
    with pytest.raises(ValueError, match="opts has a context, and also cert or no_ssl_verify"):
        opts = {"no_ssl_verify": True, "context": ssl.create_default_context()}
        KojiSession(server.url("/kojihub"), opts).getAPIVersion()


def test_the_ca_may_be_in_a_folder(server, cafile):
    server.otherwise = say(message(body=values("a result")))
    assert KojiSession(server.url("/kojihub"), {"serverca": os.path.dirname(cafile)}).getAPIVersion() == "a result"


def test_a_context_of_the_callers_is_used(server, server_context):
    server.otherwise = say(message(body=values("a result")))
    assert KojiSession(server.url("/kojihub"), {"context": server_context}).getAPIVersion() == "a result"


# -- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("debug", [False, True])
def test_keys_and_passwords_are_not_logged(session_at, caplog, koji_path, debug):
    caplog.set_level("DEBUG")
    session = session_at(koji_path, debug_xmlrpc=debug, user="somebody", password="a-secret-password")
    with pytest.raises(koji.AuthError):
        session.login()
    session.gssapi_login()
    keys = [session.sinfo["session-key"]]
    keys.append(session.subsession().sinfo["session-key"])
    session.echo("shown in the log")
    for secret in ("a-secret-password", *keys):
        assert secret not in caplog.text
    assert ("shown in the log" in caplog.text) is debug


@pytest.mark.parametrize("sinfo", [SESSION, {key: SESSION[key] for key in ("session-id", "session-key")}])
def test_local_variables_show_no_key(server, scripted_session, sinfo):
    server.otherwise = say(message(body=b"<html/>"))
    session = scripted_session(sinfo)
    for call in (session.getLoggedInUser, lambda: session.rawUpload(b"content", 0, "folder", "file")):
        with pytest.raises(krbxmlrpc.InvalidResponse) as raised:
            call()
        frames = [frame for frame, _ in traceback.walk_tb(raised.value.__traceback__)][2:]  # without this function
        shown = "".join(repr(value) for frame in frames for value in frame.f_locals.values())
        assert len(frames) > 3 and "1-key-of-the-session" not in shown
