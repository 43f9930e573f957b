"""kobo's client against a real hub of kobo's, whose database says who did what: our `HubProxy`, and kobo's own."""

import gzip
import io
import logging
import os
import socket
import ssl
import subprocess
import sys
import tracemalloc
import warnings
import xmlrpc.client
from http.cookiejar import CookieJar, MozillaCookieJar
from pathlib import Path
from xmlrpc.client import Fault, MultiCall, ProtocolError, ServerProxy, dumps

import kobo.client
import kobo.worker.taskmanager
import kobo.xmlrpc
import pytest
from helpers import TESTS, in_child, in_threads
from internals import idle_connections_of, settings_of
from kobo.exceptions import AuthenticationError, ImproperlyConfigured
from servers import kdc, kobohub, software
from servers.kobohub import ADMIN, SERVICE, WORKER, WORKER_KEY
from servers.scripted import honest, message, say

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    CertificateRejected,
    KerberosTransport,
    KerberosXMLRPCError,
    NoCredentials,
    ServerUnreachable,
    ServiceUnknown,
    UnexpectedStatus,
)
from krbxmlrpc.kobo import ClientCommandContainer, HubProxy, HubTransport, InsecureHubTransport

LOGIN = "auth/krb5login/"
CLIENT = "xmlrpc/client/"
kobo_leaves_sockets_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
GUEST = {"AUTH_METHOD": "password", "USERNAME": "guest", "PASSWORD": "password of guest"}
ENDED = "PermissionDenied: Login required."


@pytest.fixture
def conf(kobo_hub, case, user):
    """The configuration of a client that has a ticket."""
    kobo_hub.end_sessions()
    return {"HUB_URL": kobo_hub.hub_url(case), "AUTH_METHOD": "gssapi", "CA_CERT": kobo_hub.cafile}


@pytest.fixture
def connect(conf):
    """Open a proxy: ``connect(AUTH_METHOD="krbv")``, ``connect(transport_args={"timeout": 5.0})``."""
    opened = []

    def open_proxy(cls=HubProxy, client_type=None, transport=None, transport_args=None, **changes):
        opened.append(cls({**conf, **changes}, client_type, None, transport, transport_args=transport_args))
        return opened[-1]

    yield open_proxy
    for hub in opened:
        hub._transport.close()


@pytest.fixture
def requests(kobo_hub, case):
    """Tell what was asked for since it was last called, when it is `count` requests: ``["301 auth/krb5login/", …]``."""
    seen = []

    def take(count):
        lines = kobo_hub.logged(case, len(seen) + count)
        new = [f"{line.status} {line.path.split('/', 3)[3]}" for line in lines[len(seen) :]]
        seen.extend(new)
        return new

    return take


@pytest.fixture
def notes(kobo_hub):
    """Tell who has written a note, one entry each time that it was written."""

    def written(text):
        statement = "SELECT username FROM xmlrpc_xmlrpclog JOIN auth_user ON user_id = auth_user.id WHERE args = ?"
        return [name for (name,) in kobo_hub.database(statement, text)]

    return written


@pytest.fixture
def plain(kobo_hub, case, conf):
    """Make a transport for kobo's own client: ``plain(KerberosTransport, timeout=5.0)``."""
    made = []

    def make(cls=KerberosTransport, login_path=f"/{case}/hub/{LOGIN}", **arguments):
        context = ssl.create_default_context(cafile=kobo_hub.cafile)
        made.append(cls(login_path=login_path, **{"context": context, **arguments}))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture
def task(connect, kobo_hub):
    """A task that the worker has begun, its proxy, and a maker of more tasks: ``task["id"]``, ``task["hub"]``."""
    admin = connect(KRB_PRINCIPAL=ADMIN, KRB_KEYTAB=kobo_hub.admin_keytab)
    arguments = {"owner_name": ADMIN, "label": "a build", "method": "Build", "args": {"name": "bash"}}
    arguments.update(arch_name="noarch", channel_name="default")
    number = admin.client.create_task(dict(arguments))
    worker = connect(client_type="worker", KRB_PRINCIPAL=f"worker/{WORKER}", KRB_KEYTAB=kobo_hub.worker_keytab)
    worker.worker.open_task(number)
    return {"id": number, "hub": worker, "create": lambda: admin.client.create_task(dict(arguments))}


def folder(number):
    """Return where the hub has the logs of a task."""
    return ("tasks", "0", "0", str(number))


# -- our HubProxy: logging in and calling -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["krbv", "gssapi"])
def test_it_logs_in_and_calls(connect, kobo_hub, requests, notes, case, user, method):
    hub = connect(AUTH_METHOD=method)
    assert hub.is_logged_in
    assert hub.notes.whoami() == "user"
    assert hub.notes.write(case) == case
    assert requests(4) == [f"301 {LOGIN}"] + [f"200 {CLIENT}"] * 3
    assert kobo_hub.session_users() == ["user"]
    assert notes(case) == ["user"]
    assert hub._transport.principal == user


def test_it_is_a_hub_proxy_of_kobos(connect, kobo_hub):
    hub = connect()
    assert isinstance(hub, kobo.client.HubProxy)
    assert isinstance(hub._transport, HubTransport)
    assert [cookie.name for cookie in hub._transport.cookiejar] == ["sessionid"]
    assert hub.get_hub_hostname() == "localhost"
    assert hub.get_server_principal(realm="R") == "HTTP/localhost@R"
    assert isinstance(hub._hub, ServerProxy)
    assert hub.client.list_workers() == [WORKER]


def test_login_again(connect, kobo_hub, requests):
    hub = connect()
    hub.login()  # it is
    hub._login()
    assert requests(3) == [f"301 {LOGIN}", f"200 {CLIENT}", f"200 {CLIENT}"]
    hub._login(force=True)
    assert requests(3) == [f"200 {CLIENT}", f"301 {LOGIN}", f"200 {CLIENT}"]
    kobo_hub.end_sessions()
    hub._login()
    assert requests(3) == [f"200 {CLIENT}", f"301 {LOGIN}", f"200 {CLIENT}"]
    assert hub.is_logged_in and kobo_hub.session_users() == ["user"]
    hub._logout()
    assert kobo_hub.session_users() == []


def test_what_it_logs(conf, kobo_hub, caplog):
    caplog.set_level(logging.DEBUG)
    hub = HubProxy(conf, logger=logging.getLogger("client"), **GUEST)
    hub.notes.whoami()
    hub._login(force=True)
    (cookie,) = hub._transport.cookiejar
    hub._transport.close()
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("New session created.") == 2
    assert not any(cookie.value in message or GUEST["PASSWORD"] in message for message in messages)


def test_what_it_prints(connect, capsys):
    hub = connect(DEBUG_XMLRPC=True)
    assert hub.notes.whoami() == "user"
    (cookie,) = hub._transport.cookiejar
    printed = capsys.readouterr().out
    assert printed.count("send: POST") == 2 and "<boolean>0</boolean>" in printed
    assert cookie.value not in printed


@pytest.mark.parametrize(
    "client_type, changes",
    [("client", GUEST), ("worker", {"AUTH_METHOD": "worker_key", "WORKER_KEY": WORKER_KEY})],
    ids=["password", "worker key"],
)
def test_it_does_not_print_the_session_that_a_login_returns(connect, capsys, client_type, changes):
    hub = connect(client_type=client_type, DEBUG_XMLRPC=True, **changes)
    (cookie,) = hub._transport.cookiejar
    printed = capsys.readouterr().out
    assert printed.count("send: POST") == 2 and "<boolean>1</boolean>" in printed
    assert cookie.value not in printed


def test_it_needs_no_library_but_pykerberos(conf):
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['requests', 'requests_gssapi', 'gssapi', 'krbV', 'Django']))\n"
        "from krbxmlrpc.kobo import HubProxy\n"
        f"print(HubProxy({conf!r}).notes.whoami())"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("user\n", "")


def test_without_kobo_it_says_how_to_get_it():
    script = "import sys; sys.modules['kobo'] = None; import krbxmlrpc.kobo"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.endswith("ImportError: krbxmlrpc.kobo needs kobo: pip install kobo\n")


def test_one_call_is_one_request_on_one_connection(connect, kobo_hub, requests, case):
    hub = connect()
    for _ in range(5):
        hub.notes.whoami()
    requests(7)
    assert [line.earlier for line in kobo_hub.logged(case)] == list(range(7))
    assert [line.ticket for line in kobo_hub.logged(case)] == [True] + [False] * 6


# -- credentials and service ------------------------------------------------------------------------------------------


@pytest.fixture
def no_ticket(monkeypatch, conf, tmp_path):
    """Leave the environment without a ticket."""
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")


def test_a_keytab(connect, kobo_hub, no_ticket):
    worker = connect(client_type="worker", KRB_PRINCIPAL=f"worker/{WORKER}", KRB_KEYTAB=kobo_hub.worker_keytab)
    assert worker.worker.get_worker_info()["name"] == WORKER
    assert kobo_hub.session_users() == [f"worker/{WORKER}"]


def test_a_keytab_says_whose_it_is(connect, kobo_hub, no_ticket):
    assert connect(KRB_KEYTAB=kobo_hub.admin_keytab).notes.whoami() == ADMIN


def test_a_keytab_fills_a_credential_cache(connect, kobo_hub, no_ticket, tmp_path):
    ccache = tmp_path / "ccache"
    hub = connect(KRB_PRINCIPAL=ADMIN, KRB_KEYTAB=kobo_hub.admin_keytab, KRB_CCACHE=str(ccache))
    assert hub.notes.whoami() == ADMIN
    assert ccache.exists()


def test_a_credential_cache(connect, realm, no_ticket):
    assert connect(KRB_CCACHE=realm.ccache).notes.whoami() == "user"
    with pytest.raises(NoCredentials):
        connect(KRB_CCACHE=realm.ccache + "-not-there")


def test_a_principal_without_keytab_is_taken_from_the_tickets(connect, user):
    assert connect(KRB_PRINCIPAL=user).notes.whoami() == "user"
    with pytest.raises(NoCredentials, match="nobody"):
        connect(KRB_PRINCIPAL=f"nobody@{kdc.REALM}")


@pytest.mark.parametrize(
    "changes, service",
    [
        ({}, "HTTP@localhost"),
        ({"KRB_SERVICE": "HTTP"}, "HTTP@localhost"),
        ({"KRB_REALM": kdc.REALM}, f"HTTP/localhost@{kdc.REALM}"),
        ({"KRB_SERVICE": "kobohub"}, SERVICE.replace("/", "@")),
        ({"KRB_SERVICE": "kobohub", "KRB_REALM": kdc.REALM}, f"{SERVICE}@{kdc.REALM}"),
    ],
)
def test_service_and_realm(connect, changes, service):
    hub = connect(**changes)
    assert hub.notes.whoami() == "user"
    assert f"service={service if changes else 'HTTP@ and the host of the URL'} " in repr(hub._transport)


def test_a_service_that_is_not_known(connect):
    with pytest.raises(ServiceUnknown, match="nobody/localhost") as caught:
        connect(KRB_SERVICE="nobody")
    assert "with KRB_SERVICE, KRB_REALM or transport_args['service'];" in caught.value.hint
    assert "service=" not in caught.value.hint
    with pytest.raises(Exception) as caught:
        connect(KRB_REALM="ELSEWHERE.TEST")
    assert "ELSEWHERE.TEST" in str(caught.value)


# -- logins that fail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["krbv", "gssapi"])
def test_without_a_ticket(connect, no_ticket, requests, method):
    with pytest.raises(NoCredentials, match="kinit"):
        connect(AUTH_METHOD=method)
    assert requests(0) == []


def test_a_hub_whose_keytab_is_stale(connect, kobo_hub, case):
    with pytest.raises(AuthenticationRejected, match="keytab") as caught:
        connect(HUB_URL=kobo_hub.hub_url(case, "stale"))
    assert caught.value.at_login


def test_a_hub_that_lets_in_and_begins_no_session(connect, kobo_hub, case, requests):
    with pytest.raises(AuthenticationError, match="accepted the login, but began no session"):
        connect(HUB_URL=kobo_hub.hub_url(case, "closed"))
    assert [line.split()[1] for line in requests(4)] == [LOGIN, CLIENT, LOGIN, CLIENT]


def test_a_hub_without_that_login_page(connect, kobo_hub, case):
    with pytest.raises(UnexpectedStatus, match="404"):
        connect(HUB_URL=kobo_hub.hub_url(case) + "/nowhere/xmlrpc")


def test_a_login_that_fails_later(connect, kobo_hub, monkeypatch, tmp_path, notes, case):
    hub = connect()
    kobo_hub.end_sessions()
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(NoCredentials) as caught:
        hub.notes.write(case)
    assert caught.value.at_login
    with pytest.raises(NoCredentials):
        hub._login(force=True)
    assert not hub.is_logged_in
    with pytest.raises(NoCredentials):
        hub.login()
    monkeypatch.undo()
    assert notes(case) == []


def test_a_method_that_is_not_known(connect):
    with pytest.raises(ImproperlyConfigured, match="AUTH_METHOD is 'magic'"):
        connect(AUTH_METHOD="magic")


# -- sessions that end ------------------------------------------------------------------------------------------------


def test_a_session_that_has_ended(connect, kobo_hub, requests, notes, case):
    hub = connect()
    requests(2)
    for number in range(2):
        assert kobo_hub.end_sessions() == 1
        assert hub.notes.write(f"{case}{number}")
        assert requests(3) == [f"200 {CLIENT}", f"301 {LOGIN}", f"200 {CLIENT}"]
        assert notes(f"{case}{number}") == ["user"]


def test_a_session_that_has_ended_before_an_upload(connect, kobo_hub, tmp_path, case):
    hub = connect()
    kobo_hub.end_sessions()
    path = tmp_path / case
    path.write_bytes(b"content")
    assert hub.upload_file(str(path), "")[1:] == (200, b"Upload finished.")
    assert kobo_hub.file("uploads", case).read_bytes() == b"content"


def test_a_session_that_has_ended_before_a_part_of_a_task_log(task, kobo_hub):
    kobo_hub.end_sessions()
    task["hub"].upload_task_log(io.BytesIO(b"one\n"), task["id"], "build.log")
    kobo_hub.end_sessions()
    task["hub"].upload_task_log(io.BytesIO(b"two\n"), task["id"], "build.log")
    assert kobo_hub.file(*folder(task["id"]), "build.log").read_bytes() == b"one\ntwo\n"


def test_a_session_that_has_ended_of_an_administrator(connect, kobo_hub, requests):
    hub = connect(KRB_PRINCIPAL=ADMIN, KRB_KEYTAB=kobo_hub.admin_keytab)
    requests(2)
    kobo_hub.end_sessions()
    hub.client.disable_worker("nobody")
    assert requests(4) == [f"200 {CLIENT}", f"301 {LOGIN}", f"200 {CLIENT}", f"200 {CLIENT}"]
    assert kobo_hub.session_users() == [ADMIN]


def test_who_lacks_permission_is_told_so(connect, requests, notes, case):
    hub = connect()
    requests(2)
    with pytest.raises(Fault, match="PermissionDenied: Not for you."):
        hub.notes.refuse(case)
    assert requests(1) == [f"200 {CLIENT}"]
    assert notes(case) == ["user"]
    with pytest.raises(Fault, match="PermissionDenied: Admin only."):
        hub.client.enable_worker(WORKER)
    assert requests(2) == [f"200 {CLIENT}"] * 2  # the other asked whether there is a session


def test_the_first_call_of_who_lacks_permission(plain, kobo_hub, case, requests):
    hub = ServerProxy(f"{kobo_hub.hub_url(case)}/client/", transport=plain(HubTransport))
    with pytest.raises(Fault, match="PermissionDenied: Admin only."):
        hub.client.enable_worker(WORKER)
    assert requests(3) == [f"301 {LOGIN}", f"200 {CLIENT}", f"200 {CLIENT}"]


def test_a_new_session_that_the_hub_does_not_take_ends_it(plain, kobo_hub, case, notes, requests):
    transport = plain(HubTransport, f"/{case}/closed/{LOGIN}")
    hub = ServerProxy(f"{kobo_hub.hub_url(case, 'closed')}/client/", transport=transport)
    with pytest.raises(Fault, match=ENDED):
        hub.notes.write(case)
    assert [line.split()[1] for line in requests(3)] == [LOGIN, CLIENT, CLIENT]
    assert notes(case) == []


def test_an_administrators_session_ends_when_the_hub_says_so(plain, kobo_hub, case, requests):
    transport = plain(HubTransport, f"/{case}/closed/{LOGIN}")
    hub = ServerProxy(f"{kobo_hub.hub_url(case, 'closed')}/client/", transport=transport)
    assert hub.auth.renew_session() is True
    with pytest.raises(Fault, match="PermissionDenied: Admin only."):
        hub.client.enable_worker(WORKER)
    assert [line.split()[1] for line in requests(6)] == [LOGIN, CLIENT, CLIENT, CLIENT, LOGIN, CLIENT]


def test_of_a_multicall_nothing_is_repeated(connect, kobo_hub, requests, notes, case):
    hub = connect()
    requests(2)
    kobo_hub.end_sessions()
    calls = MultiCall(hub)
    calls.notes.write(case)
    calls.client.list_workers()
    results = calls()
    with pytest.raises(Fault, match="PermissionDenied.*:Login required."):
        results[0]
    assert results[1] == [WORKER]
    assert requests(1) == [f"200 {CLIENT}"]
    hub._login()
    assert list(calls()) == [case, [WORKER]]
    assert notes(case) == ["user"]


def test_threads(connect, kobo_hub, requests, notes, case):
    hub = connect()
    assert in_threads(*[lambda: hub.notes.whoami() for _ in range(16)]) == ["user"] * 16
    assert requests(18).count(f"301 {LOGIN}") == 1
    kobo_hub.end_sessions()
    texts = [f"{case}{number}" for number in range(16)]
    assert in_threads(*[lambda text=text: hub.notes.write(text) for text in texts]) == texts
    assert requests(18).count(f"301 {LOGIN}") == 1
    assert [notes(text) for text in texts] == [["user"]] * 16
    assert set(kobo_hub.session_users()) == {"user"}


def test_threads_that_call_first(plain, kobo_hub, case, requests):
    hub = ServerProxy(f"{kobo_hub.hub_url(case)}/client/", transport=plain(HubTransport))
    assert in_threads(*[lambda: hub.notes.whoami() for _ in range(16)]) == ["user"] * 16
    assert requests(17).count(f"301 {LOGIN}") == 1


def test_a_worker_that_forks(task, kobo_hub):
    hub, number = task["hub"], task["id"]

    def work(text):
        hub.upload_task_log(io.BytesIO(text), number, "build.log")
        return hub.worker.get_worker_id()

    worker = work(b"parent\n")
    assert in_child(lambda: work(b"child\n")) == worker
    kobo_hub.end_sessions()
    assert in_child(lambda: work(b"child again\n")) == worker
    assert work(b"parent again\n") == worker
    log = kobo_hub.file(*folder(number), "build.log").read_bytes()
    assert log == b"parent\nchild\nchild again\nparent again\n"
    statement = "SELECT owner.username, worker.name, state FROM hub_task JOIN auth_user owner ON owner_id = owner.id "
    statement += "JOIN hub_worker worker ON worker_id = worker.id WHERE hub_task.id = ?"
    assert kobo_hub.database(statement, number) == [(ADMIN, WORKER, 2)]


def test_kobos_own_worker_forks_and_runs_a_task(task, conf, kobo_hub, monkeypatch, capfd):
    class Build(kobo.worker.TaskBase):
        """Says what it is given."""

        enabled, arches, channels, foreground, exclusive, weight = True, ["noarch"], ["default"], False, False, 1.0

        def run(self):
            print("building", self.args["name"])
            self.hub.upload_task_log(io.BytesIO(b"built\n"), self.task_id, "build.log")
            self.result = "done"

    monkeypatch.setattr(kobo.worker.taskmanager, "HubProxy", HubProxy)
    kobo.worker.taskmanager.TaskContainer.register_plugin(Build)
    credentials = {"KRB_PRINCIPAL": f"worker/{WORKER}", "KRB_KEYTAB": kobo_hub.worker_keytab, "KRB_REALM": kdc.REALM}
    manager = kobo.worker.taskmanager.TaskManager({**conf, **credentials})
    task["hub"].worker.interrupt_tasks([task["id"]])
    number = task["create"]()
    kobo_hub.end_sessions()  # the manager's; the task has one of its own
    manager.get_next_task()
    assert os.waitpid(manager.pid_dict.pop(number), 0)[1] == 0
    assert kobo_hub.database("SELECT state, result FROM hub_task WHERE id = ?", number) == [(3, "done")]
    logs = {"build.log.gz": b"built\n", "stdout.log.gz": b"building bash\n"}  # the hub packs those of what has ended
    for name, content in logs.items():
        assert gzip.decompress(kobo_hub.file(*folder(number), name).read_bytes()) == content
    manager.update_tasks()
    manager.hub._transport.close()


# -- uploads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
def test_upload_file(connect, kobo_hub, tmp_path, case, requests, size):
    content = os.urandom(size)
    path = tmp_path / f'{case} "ä'
    path.write_bytes(content)
    hub = connect()
    number, status, answer = hub.upload_file(str(path), "builds")
    assert (status, answer) == (200, b"Upload finished.")
    assert requests(4)[2:] == [f"200 {CLIENT}", "200 xmlrpc/upload/"]
    assert kobo_hub.file("uploads", "builds", path.name).read_bytes() == content
    statement = "SELECT username, size, state FROM upload_fileupload JOIN auth_user ON owner_id = auth_user.id "
    assert kobo_hub.database(statement + "WHERE upload_fileupload.id = ?", number) == [("user", size, 2)]
    assert kobo_hub.logged(case)[-1].earlier == 3
    assert hub.upload_file(str(path), "builds")[1:] == (500, b"File already exists.")


def test_a_size_that_xml_rpc_has_no_number_for(connect, kobo_hub, tmp_path, case, monkeypatch):
    (tmp_path / case).write_bytes(b"x" * 100_000)
    hub = connect()
    monkeypatch.setattr(xmlrpc.client, "MAXINT", 99_999)
    number, status, _ = hub.upload_file(str(tmp_path / case), "")
    assert status == 200
    assert kobo_hub.database("SELECT size FROM upload_fileupload WHERE id = ?", number) == [(100_000,)]


def test_an_upload_is_sent_in_pieces_up_to_the_answer(connect, tmp_path, case):
    path = tmp_path / case
    with open(path, "wb") as file:
        file.truncate(20_000_000)  # more than the hub takes
    hub = connect()
    tracemalloc.start()
    status, answer = hub.upload_file(str(path), "")[1:]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert status == 413 and b"Too Large" in answer
    assert peak < 4_000_000
    assert hub.notes.whoami() == "user"


@pytest.fixture
def upload_while(connect, tmp_path, case, monkeypatch):
    """Prepare an upload whose file changes once it has begun: ``hub, upload = upload_while(Path.unlink)``."""

    def upload(change):
        path = tmp_path / case
        path.write_bytes(b"x" * 200_000)
        hub = connect(transport_args={"timeout": 60.0})
        register = hub._hub.upload.register_upload

        class Upload:
            def register_upload(self, *arguments):
                change(path)
                return register(*arguments)

        monkeypatch.setattr(hub, "upload", Upload(), raising=False)
        return hub, lambda: hub.upload_file(str(path), "")

    return upload


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda path: path.write_bytes(b"x" * 100_000), "became shorter"),
        (lambda path: path.unlink(), "the body of the request cannot be read: .*No such file"),
    ],
    ids=["shorter", "gone"],
)
def test_a_file_that_goes_while_it_is_uploaded(upload_while, kobo_hub, case, change, words):
    hub, upload = upload_while(change)
    with pytest.raises(ValueError, match=words):
        upload()
    assert not kobo_hub.file("uploads", case).exists()
    assert hub.notes.whoami() == "user"


def test_a_file_that_grows_while_it_is_uploaded(upload_while, kobo_hub, case):
    hub, upload = upload_while(lambda path: path.write_bytes(b"x" * 300_000))
    assert upload()[1:] == (200, b"Upload finished.")
    assert kobo_hub.file("uploads", case).read_bytes() == b"x" * 200_000
    assert hub.notes.whoami() == "user"


def test_a_file_that_is_not_there(connect, tmp_path):
    with pytest.raises(FileNotFoundError):
        connect().upload_file(str(tmp_path / "none"), "")


# -- TLS and HTTP -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gssapi", "password"])
@pytest.mark.parametrize("whose", ["nobody's", "another"])
def test_a_certificate_that_is_not_trusted(connect, ca, tmp_path, requests, method, whose):
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    with pytest.raises(CertificateRejected) as caught:
        connect(AUTH_METHOD=method, CA_CERT=None if whose == "nobody's" else str(tmp_path / "ca.pem"))
    assert requests(0) == []
    assert "pass CA_CERT with" in caught.value.hint and "context=" not in caught.value.hint


def test_hints_of_a_later_login_name_configuration_keys(connect, kobo_hub, case, realm, user, tmp_path):
    ccache = tmp_path / "{cache}"
    realm.kinit(user, realm.password("user"), env={**realm.env, "KRB5CCNAME": str(ccache)})
    hub = connect(KRB_CCACHE=str(ccache))
    kobo_hub.end_sessions()
    ccache.unlink()
    for fail in (lambda: hub.notes.write(case), hub._transport.login):
        with pytest.raises(NoCredentials) as caught:
            fail()
        assert f"run kinit -c {ccache}, or pass KRB_KEYTAB as well" in caught.value.hint


def test_verification_is_given_up_by_name_only(connect, conf):
    assert connect(CA_CERT=None, INSECURE_TLS=True).notes.whoami() == "user"
    with pytest.raises(CertificateRejected):
        connect(CA_CERT=None, INSECURE_TLS=False)
    with pytest.raises(ImproperlyConfigured, match="INSECURE_TLS is 'False'; accepted is True or False"):
        connect(INSECURE_TLS="False")
    with pytest.raises(ImproperlyConfigured, match="CA_CERT .* INSECURE_TLS"):
        connect(INSECURE_TLS=True)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_cert_that_is_none(connect, tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ImproperlyConfigured, match=f"CA_CERT is '{path}'"):
        connect(CA_CERT=str(path))


def test_a_ca_cert_in_der_says_how_to_convert_it(connect, conf, tmp_path):
    path = tmp_path / "ca.cer"
    path.write_bytes(ssl.PEM_cert_to_DER_cert(Path(conf["CA_CERT"]).read_text()))
    with pytest.raises(ImproperlyConfigured, match=f"CA_CERT is '{path}'.*openssl x509 -inform der -in {path}"):
        connect(CA_CERT=str(path))


def test_a_ca_cert_can_be_a_folder(connect, conf, tmp_path):
    (tmp_path / "ca.crt").write_text(Path(conf["CA_CERT"]).read_text())
    assert connect(CA_CERT=str(tmp_path)).notes.whoami() == "user"


def test_arguments_of_the_transport_replace_ca_cert(connect, conf):
    other = ssl.create_default_context(cafile=conf["CA_CERT"])
    for arguments in ({"cafile": conf["CA_CERT"]}, {"context": other}):
        assert connect(CA_CERT=None, transport_args=arguments).notes.whoami() == "user"


@pytest.mark.parametrize("method", ["gssapi", "password", "worker_key"])
def test_plain_http_is_refused(connect, kobo_hub, case, requests, method):
    with pytest.raises(ImproperlyConfigured, match="INSECURE_HTTP = True"):
        connect(HUB_URL=kobo_hub.hub_url(case, listener="http"), AUTH_METHOD=method)
    assert requests(0) == []


@pytest.mark.parametrize("url", ["localhost/hub", "ftp://localhost/hub", "http://user:secret@localhost/hub"])
def test_what_is_not_https_is_refused(connect, url):
    with pytest.raises(ImproperlyConfigured, match="HUB_URL begins with (no scheme|ftp|http), not https") as caught:
        connect(HUB_URL=url)
    assert "secret" not in str(caught.value)


def test_https_in_upper_case_is_https(connect, conf):
    assert connect(HUB_URL=conf["HUB_URL"].replace("https", "HTTPS")).notes.whoami() == "user"


@pytest.mark.parametrize("method, name", [("gssapi", "user"), ("password", "guest")], ids=["gssapi", "password"])
def test_plain_http_where_it_is_asked_for(connect, kobo_hub, case, tmp_path, method, name):
    changes = {"HUB_URL": kobo_hub.hub_url(case, listener="http"), "AUTH_METHOD": method, "INSECURE_HTTP": True}
    hub = connect(**{**GUEST, **changes})
    assert isinstance(hub._transport, InsecureHubTransport)
    assert hub.notes.whoami() == name
    (tmp_path / case).write_bytes(b"content")
    assert hub.upload_file(str(tmp_path / case), "")[1] == 200
    assert kobo_hub.file("uploads", case).read_bytes() == b"content"


# -- kobo's other methods ---------------------------------------------------------------------------------------------


def test_a_password(connect, kobo_hub, requests, notes, case, no_ticket):
    hub = connect(**GUEST)
    assert requests(3) == [f"200 {CLIENT}"] * 3  # is there a session? log in; is there one now?
    assert hub.notes.write(case) == case
    assert notes(case) == ["guest"]
    assert [line.earlier for line in kobo_hub.logged(case)] == [0, 1, 2, 3]
    kobo_hub.end_sessions()
    with pytest.raises(Fault, match=ENDED):
        hub.notes.write(case)
    hub._login()
    assert hub.notes.whoami() == "guest"
    assert notes(case) == ["guest"]


def test_a_wrong_password(connect):
    with pytest.raises(Fault, match="Invalid username or password"):
        connect(AUTH_METHOD="password", USERNAME="guest", PASSWORD="guess")
    with pytest.raises(AuthenticationError, match="USERNAME is not set"):
        connect(AUTH_METHOD="password")


def test_a_worker_key(connect, kobo_hub, no_ticket):
    worker = connect(client_type="worker", AUTH_METHOD="worker_key", WORKER_KEY=WORKER_KEY)
    assert worker.worker.get_worker_info()["name"] == WORKER
    assert kobo_hub.session_users() == [f"worker/{WORKER}"]
    with pytest.raises(Fault, match="PermissionDenied"):
        connect(client_type="worker", AUTH_METHOD="worker_key", WORKER_KEY="guess")


def test_a_token_of_openid_connect(connect, kobo_hub, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", kobo_hub.cafile)
    changes = {"OIDC_CLIENT_ID": "robot", "OIDC_CLIENT_SECRET": "secret"}
    hub = connect(AUTH_METHOD="token_oidc", OIDC_AUTH_SERVER_TOKEN_URL=kobo_hub.url("/open/token"), **changes)
    assert hub.notes.whoami() == "robot"
    assert kobo_hub.session_users() == ["robot"]


def test_methods_of_a_subclass(connect):
    class Mine(HubProxy):
        def _login_mine(self):
            self._hub.auth.login_password("guest", "password of guest")

    assert connect(Mine, AUTH_METHOD="mine").notes.whoami() == "guest"


def test_a_password_on_a_hub_that_answers_401(connect, server, server_context):
    server.play(say(message(401)))
    with pytest.raises(ProtocolError, match="401") as caught:
        connect(
            HUB_URL=server.url("/hub/xmlrpc"),
            AUTH_METHOD="password",
            transport_args={"context": server_context},
            CA_CERT=None,
        )
    assert caught.value.errcode == 401 and server.requests[0].token is None


# -- the transport's arguments ----------------------------------------------------------------------------------------


def test_a_jar_of_cookies_with_a_file_spares_the_next_login(connect, tmp_path, requests):
    for count, expected in ((2, [f"301 {LOGIN}", f"200 {CLIENT}"]), (1, [f"200 {CLIENT}"])):
        jar = MozillaCookieJar(str(tmp_path / "cookies"))
        hub = connect(transport_args={"cookiejar": jar})
        assert hub._transport.cookiejar is jar
        assert requests(count) == expected
    assert hub.notes.whoami() == "user"


def test_through_a_proxy(connect, squid, tmp_path, case, kobo_hub):
    hub = connect(transport_args={"proxy": squid.url("open")})
    assert hub.notes.whoami() == "user"
    (tmp_path / case).write_bytes(b"content")
    assert hub.upload_file(str(tmp_path / case), "")[1] == 200
    (connection,) = idle_connections_of(hub._transport)
    tunnel = connection.sock.getsockname()[1]
    hub._transport.close()
    assert len(squid.logged(tunnel, 1)) == 1


def test_kobos_names_for_retries_and_timeout(connect, monkeypatch):
    monkeypatch.setenv("KOBO_XMLRPC_TIMEOUT", "77")
    transport = connect(transport_args={"retry_count": 2, "retry_timeout": 5})._transport
    settings = settings_of(transport)
    assert (settings.timeout, settings.retries, settings.retry_interval) == (77, 2, 5)
    assert settings_of(connect(transport_args={"timeout": 66.0})._transport).timeout == 66.0
    monkeypatch.setenv("KOBO_XMLRPC_TIMEOUT", "long")
    with pytest.raises(ImproperlyConfigured, match="KOBO_XMLRPC_TIMEOUT is 'long'"):
        connect()
    monkeypatch.delenv("KOBO_XMLRPC_TIMEOUT")
    with pytest.raises(TypeError, match="nonsense"):
        connect(transport_args={"nonsense": 1})


def test_a_transport_of_the_callers_own(connect, plain, case):
    transport = plain(HubTransport)
    hub = connect(transport=transport, CA_CERT=None)
    assert hub._transport is transport and hub.notes.whoami() == "user"
    with pytest.raises(ValueError, match="login_path="):
        connect(transport=plain(HubTransport, None))


@kobo_leaves_sockets_open
def test_a_transport_of_kobos(connect, kobo_hub, case, tmp_path, no_ticket):
    changes = {"HUB_URL": kobo_hub.hub_url(case, listener="http"), "transport": kobo.xmlrpc.CookieTransport()}
    with pytest.raises(ImproperlyConfigured, match="HubTransport"):
        connect(**changes)
    hub = connect(**GUEST, **changes)
    assert hub.notes.whoami() == "guest"
    (tmp_path / case).write_bytes(b"content")
    assert hub.upload_file(str(tmp_path / case), "")[1] == 200


# -- kobo's own HubProxy, and other parts of it -----------------------------------------------------------------------


@kobo_leaves_sockets_open
def test_kobos_own_proxy_with_our_transport(connect, plain, kobo_hub, requests, notes, case, tmp_path, monkeypatch):
    hub = connect(kobo.client.HubProxy, transport=plain())
    assert hub.notes.write(case) == case
    assert requests(3) == [f"301 {LOGIN}", f"200 {CLIENT}", f"200 {CLIENT}"]
    assert notes(case) == ["user"]
    (tmp_path / case).write_bytes(b"content")
    monkeypatch.setenv("SSL_CERT_FILE", kobo_hub.cafile)  # its upload asks no configuration
    assert hub.upload_file(str(tmp_path / case), "")[1:] == (200, b"Upload finished.")
    assert [cookie.name for cookie in hub._transport.cookiejar] == ["sessionid"]


def test_kobos_own_proxy_on_a_session_that_has_ended(connect, plain, kobo_hub, notes, case):
    hub = connect(kobo.client.HubProxy, transport=plain())
    kobo_hub.end_sessions()
    with pytest.raises(Fault, match=ENDED):
        hub.notes.write(case)
    hub._transport.login()
    assert hub.notes.write(case) == case
    renewing = connect(kobo.client.HubProxy, transport=plain(HubTransport))
    kobo_hub.end_sessions()
    assert renewing.notes.write(case) == case
    assert notes(case) == ["user"] * 2


def test_kobos_proxy_raises_if_our_transport_cannot_log_in(connect, plain, no_ticket):
    with pytest.raises(NoCredentials):
        connect(kobo.client.HubProxy, transport=plain())


def test_kobos_own_worker_with_our_transport(connect, plain, kobo_hub, task):
    transport = plain(principal=f"worker/{WORKER}@{kdc.REALM}", keytab=kobo_hub.worker_keytab)
    worker = connect(kobo.client.HubProxy, client_type="worker", transport=transport)
    worker.upload_task_log(io.BytesIO(b"log\n" * 500_000), task["id"], "large.log")
    assert kobo_hub.file(*folder(task["id"]), "large.log").read_bytes() == b"log\n" * 500_000
    assert in_child(worker.worker.get_worker_id) == worker.worker.get_worker_id()


@pytest.mark.parametrize("kind", [CookieJar, MozillaCookieJar])
def test_arguments_of_kobos_transports(connect, plain, squid, tmp_path, kind):
    jar = kind(str(tmp_path / "cookies")) if kind is MozillaCookieJar else kind()
    transport = plain(cookiejar=jar, timeout=44.0, proxy=squid.url("open"))
    hub = connect(kobo.client.HubProxy, transport=transport)
    assert hub.notes.whoami() == "user"
    assert hub._transport.cookiejar is jar and len(jar) == 1


def test_kobos_retries_around_our_transport(connect, plain, kobo_hub, case):
    retrying = kobo.xmlrpc.retry_request_decorator(KerberosTransport)
    transport = plain(retrying, retry_count=2, retry_timeout=0)
    assert connect(kobo.client.HubProxy, transport=transport).notes.whoami() == "user"
    assert (transport.retry_count, transport.retry_timeout) == (2, 0)


def hang_up(request, send):
    request.sock.shutdown(socket.SHUT_RDWR)


REFUSAL = dumps(Fault(1, "PermissionDenied: Admin only."), methodresponse=True).encode()


@pytest.mark.parametrize(
    "answer, error",
    [
        (say(message(401)), ProtocolError),
        (say(message(404)), ProtocolError),
        (honest(body=REFUSAL), Fault),
        (hang_up, CallOutcomeUnknown),
    ],
    ids=["401", "404", "permission denied", "outcome unknown"],
)
def test_kobos_retries_repeat_what_ours_do_not(server, server_context, capsys, answer, error):
    for cls, sent in ((kobo.xmlrpc.retry_request_decorator(KerberosTransport), 3), (KerberosTransport, 1)):
        server.otherwise = answer
        server.requests.clear()
        retries = {"retry_count": 2, "retry_timeout": 0} if sent > 1 else {"retries": 2, "retry_interval": 0}
        with ServerProxy(server.url(), transport=cls(context=server_context, **retries)) as hub:
            with pytest.raises(error):
                hub.execute("once")
        assert len(server.requests) == sent
    assert capsys.readouterr().err.count("XML-RPC connection to localhost") == 2


@kobo_leaves_sockets_open
def test_kobos_own_transport_and_ours_request_by_request(connect, kobo_hub, case, requests, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", kobo_hub.cafile)  # kobo loses CA_CERT
    for cls, connections in ((kobo.client.HubProxy, 13), (HubProxy, 1)):
        before = len(kobo_hub.logged(case, 0))
        hub = connect(cls, **GUEST)
        for _ in range(10):
            assert hub.notes.whoami() == "guest"
        assert requests(13) == [f"200 {CLIENT}"] * 13
        new = kobo_hub.logged(case, 0)[before:]
        assert sum(line.earlier == 0 for line in new) == connections


# -- commands ---------------------------------------------------------------------------------------------------------


class ListWorkers(kobo.client.ClientCommand):
    """list the workers"""

    enabled = True

    def options(self):
        """Take kobo's own options only."""

    def run(self, *args, username=None, password=None, hub=None, **kwargs):
        self.set_hub(username, password, hub)
        print(self.hub.notes.whoami(), *self.hub.client.list_workers())


@pytest.fixture
def run_command(conf, capsys):
    """Run a command line; return what it printed."""

    class Commands(ClientCommandContainer):
        """Those of a client."""

    Commands.register_plugin(ListWorkers)

    def run(*arguments, **changes):
        container = Commands({**conf, **changes})
        options = {"add_username_password_options": True, "add_hub_option": True}
        parser = kobo.cli.CommandOptionParser(command_container=container, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            parser.run(["listworkers", *arguments])
        assert isinstance(container.hub, HubProxy)
        container.hub._transport.close()
        return capsys.readouterr().out

    return run


def test_commands(run_command, kobo_hub, case):
    assert run_command() == f"user {WORKER}\n"
    assert run_command("--username", "guest", "--password", "password of guest") == f"guest {WORKER}\n"
    assert run_command("--hub", kobo_hub.hub_url(case), HUB_URL="https://nowhere.test") == f"user {WORKER}\n"


def test_a_command_asks_for_the_password(run_command, monkeypatch):
    monkeypatch.setattr(kobo.cli, "password_prompt", lambda default_value=None: "password of guest")
    assert run_command("--username", "guest") == f"guest {WORKER}\n"


# -- a program in the manner of osh-cli -------------------------------------------------------------------------------


@pytest.fixture
def osh_cli(conf, tmp_path):
    """Run `osh_cli` with this configuration: ``osh_cli(HUB_URL=…)`` returns its status and its two outputs."""

    def run(*arguments, **changes):
        file = tmp_path / "client.conf"
        file.write_text("".join(f"{name} = {value!r}\n" for name, value in {**conf, **changes}.items()))
        command = [sys.executable, os.path.join(TESTS, "osh_cli.py"), *(arguments or ["list-workers"])]
        environment = {**os.environ, "OSH_CLIENT_CONFIG_FILE": str(file), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


def test_osh_cli(osh_cli, kobo_hub, case, requests):
    workers = f"['{WORKER}']\n"
    assert osh_cli() == (0, workers, "")
    assert requests(3) == [f"301 {LOGIN}", f"200 {CLIENT}", f"200 {CLIENT}"]
    assert osh_cli("list-workers", "--username", "guest", "--password", "password of guest") == (0, workers, "")
    nowhere = {"HUB_URL": "https://nowhere.test"}
    assert osh_cli("list-workers", "--hub", kobo_hub.hub_url(case), **nowhere) == (0, workers, "")


@pytest.mark.parametrize(
    "hub, status, words",
    [
        ("https://nowhere.invalid/hub/xmlrpc", 1, "Error: cannot connect to nowhere.invalid:443"),
        ("stale", 1, "answered 401 to a"),
        ("nowhere", 1, "answered 403"),
        ("http://localhost/hub/xmlrpc", 3, "INSECURE_HTTP"),
    ],
    ids=["unknown host", "401", "403", "configuration"],
)
def test_osh_cli_reports_these_failures_in_a_line(osh_cli, kobo_hub, case, hub, status, words):
    ended, printed, complaint = osh_cli(HUB_URL=hub if ":" in hub else kobo_hub.hub_url(case, hub))
    assert (ended, printed) == (status, "")
    assert complaint.startswith("Error: ") and complaint.count("\n") == 1 and words in complaint


@pytest.mark.parametrize(
    "answer, error",
    [
        (say(message(401)), ""),
        (say(message(200)), "krbxmlrpc.errors.MutualAuthenticationError: "),
    ],
    ids=["no Negotiate", "no proof"],
)
def test_osh_cli_at_a_server_without_kerberos(osh_cli, server, ca, tmp_path, answer, error):
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    server.otherwise = answer
    status, _, complaint = osh_cli(HUB_URL=server.url("/hub/xmlrpc"), CA_CERT=str(tmp_path / "ca.pem"))
    assert status == 1
    assert complaint.splitlines()[-1].startswith(error or "Error: ")
    assert ("Traceback" in complaint) == bool(error)


def test_osh_cli_shows_the_traceback_of_other_failures(osh_cli, monkeypatch, tmp_path):
    for error, changes in (
        (CertificateRejected, {"CA_CERT": ""}),
        (ServerUnreachable, {"HUB_URL": "https://localhost:1/hub/xmlrpc"}),
        (NoCredentials, {"KRB_CCACHE": f"FILE:{tmp_path}/none"}),
    ):
        status, _, complaint = osh_cli(**changes)
        assert (status, complaint.splitlines()[0]) == (1, "Traceback (most recent call last):")
        assert complaint.splitlines()[-1].startswith(f"krbxmlrpc.errors.{error.__name__}: ")
        assert issubclass(error, KerberosXMLRPCError)


# -- the hub of these tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where, name, value, message",
    [
        (software, "PYTHON", "/bin/false", "the Python of mod_wsgi, /bin/false, cannot run the hub"),
        (kobohub, "PACKAGES", ["not_there"], "missing: the Python package not_there; tests/setup.sh installs it"),
    ],
    ids=["another Python", "a package"],
)
def test_a_hub_that_cannot_be_made_says_why(realm, monkeypatch, where, name, value, message):
    monkeypatch.setattr(where, name, value)
    hub = kobohub.KoboHub(realm)
    try:
        with pytest.raises(RuntimeError, match=message):
            hub.make_site()
    finally:
        hub.stop()
