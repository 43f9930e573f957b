"""The recipes among the examples, run as a user runs them, against a real KDC and, where it matters, a real Apache.

The recipes for the hubs of known systems have modules of their own: test_freeipa.py, test_koji_recipe.py and
test_kiwi_tcms.py.
"""

import asyncio
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import uuid
from pathlib import Path
from xmlrpc.client import Fault, ServerProxy, dumps, loads

import pytest
from example_runner import ROOT, example, recipe
from helpers import DEADLINE
from servers import kdc, scripted
from servers.scripted import hang_up, honest, values

from krbxmlrpc import KerberosTransport

# -- a pool of threads, and asyncio ------------------------------------------------------------------------------------


def pool(*arguments, lines, **environment):
    """Run the example with arguments for calls; return its status, the outcomes, and its complaints."""
    given = "".join(f"{line}\n" for line in lines)
    status, printed, complaints = example("thread_pool.py", *arguments, input=given, **environment)
    return status, [json.loads(line) for line in printed], complaints


def test_a_thousand_calls(hub, user, case):
    url = hub.url(f"/xmlrpc?case={case}")
    status, outcomes, complaints = pool(url, "echo", hub.cafile, lines=[f'{{"id": {n}}}' for n in range(1000)])
    assert (status, complaints) == (0, "1000 calls, 0 failed\n")
    assert outcomes == [{"argument": {"id": number}, "result": {"id": number}} for number in range(1000)]
    lines = hub.logged(case, 1000)
    assert len(lines) == 1000 and {line.status for line in lines} == {200}
    assert 1 <= len([line for line in lines if not line.earlier]) <= 8  # so many connections


def test_a_session_is_for_all_of_them(hub, user, case):
    url = hub.url(f"/session?case={case}")
    status, outcomes, _ = pool(url, "echo", hub.cafile, lines=range(100))
    assert status == 0 and len(outcomes) == 100
    assert 1 <= len([line for line in hub.logged(case, 100) if line.ticket]) <= 8


def test_what_failed_is_not_lost(hub, user):
    keys = [uuid.uuid4().hex for _ in range(50)]
    arguments = [*keys[:20], "no/folder", *keys[20:30], 2**40, "no/folder", *keys[30:]]
    status, outcomes, complaints = pool(hub.url(), "execute", hub.cafile, lines=map(json.dumps, arguments))
    assert status == 1
    assert [hub.executed(key) for key in keys] == [1] * 50
    assert [outcome["argument"] for outcome in outcomes] == arguments
    failed = [outcome for outcome in outcomes if outcome.get("result") != "done"]
    assert [outcome["argument"] for outcome in failed] == ["no/folder", 2**40, "no/folder"]
    assert failed[0]["error"].startswith("Fault: ") and "FileNotFoundError" in failed[0]["error"]
    assert failed[1]["error"].startswith("OverflowError: ")
    assert complaints.startswith("53 calls, 3 failed\n2 times Fault: ")
    assert "\n1 times OverflowError: " in complaints and "Traceback" not in complaints


def test_what_all_calls_would_meet_ends_them(plain):
    nowhere = {"KRB5CCNAME": "FILE:/nowhere/none"}
    status, outcomes, complaints = pool(plain.url(), "echo", plain.cafile, lines=range(1000), **nowhere)
    assert status == 1 and "kinit" in complaints and "Traceback" not in complaints
    errors = [outcome["error"] for outcome in outcomes]
    made = [error for error in errors if error != "not called"]
    assert len(errors) == 1000 and 1 <= len(made) < 1000
    assert all(error.startswith("NoCredentials: ") for error in made)
    assert complaints.startswith("1000 calls, 1000 failed\n")
    assert plain.requests == []


def test_what_is_no_json_is_refused_before_any_call(plain):
    status, outcomes, complaints = pool(plain.url(), "echo", plain.cafile, lines=[1, 2, "three"])
    assert (status, outcomes) == (1, [])
    assert complaints.startswith("ValueError: line 3 of standard input is not JSON: ")
    assert plain.requests == []


@pytest.mark.parametrize("with_tqdm", [True, False])
def test_progress_is_shown_on_a_terminal(plain, tmp_path, with_tqdm):
    if not with_tqdm:
        (tmp_path / "tqdm.py").write_text("raise ImportError('it is not installed')")
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    done = subprocess.Popen(
        [sys.executable, str(ROOT / "examples/thread_pool.py"), plain.url(), "echo", plain.cafile],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TERM": "xterm"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=end,
    )
    os.close(end)
    done.communicate(b"1\n" * 20)
    assert done.returncode == 0
    shown = b""
    try:
        while True:
            shown += os.read(terminal, 65536)
    except OSError:  # so a terminal ends
        pass
    os.close(terminal)
    assert (b"100%" in shown) == with_tqdm and b"20/20" in shown and b"20 calls, 0 failed" in shown


@pytest.fixture
def slow_server(server):
    """A server that answers when it is let: ``arrived.acquire()`` waits for a call, ``answers.release()`` lets one."""
    server.arrived, server.answers = threading.Semaphore(0), threading.Semaphore(0)

    def answer(request, send):
        server.arrived.release()
        assert server.answers.acquire(timeout=DEADLINE)
        honest()(request, send)

    server.otherwise = answer
    return server


def test_an_interrupted_pool_finishes_calls_and_names_the_rest(slow_server, cafile):
    done = subprocess.Popen(
        [sys.executable, str(ROOT / "examples/thread_pool.py"), slow_server.url(), "build", cafile],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    done.stdin.write("1\n" * 100)
    done.stdin.close()
    done.stdin = None
    for _ in range(8):
        assert slow_server.arrived.acquire(timeout=DEADLINE)
    done.send_signal(signal.SIGINT)
    assert done.stderr.readline() == "interrupted: waiting for the calls that have begun\n"
    slow_server.answers.release(8)
    printed, complaints = done.communicate()
    assert done.returncode == 1
    outcomes = [json.loads(line) for line in printed.splitlines()]
    assert [outcome.get("result") for outcome in outcomes] == ["an honest answer"] * 8 + [None] * 92
    assert {outcome.get("error") for outcome in outcomes[8:]} == {"not called"}
    assert complaints == "100 calls, 92 failed\n92 times not called\n"


def test_asyncio_calls(plain):
    status, printed, complaints = example("asyncio_calls.py", plain.url(), plain.cafile)
    assert (status, complaints) == (0, "")
    assert "echo: Return what comes." in printed
    assert "fail: No help available." not in printed and len(plain.requests) == len(printed) + 1


def test_asyncio_calls_say_what_failed(slow_server, cafile):
    answers = [honest(body=values(["a", "b", "c"])), honest(), honest(status=500), honest(body=values("does it"))]
    slow_server.play(*answers)
    status, printed, complaints = example("asyncio_calls.py", slow_server.url(), cafile)
    assert (status, complaints) == (1, "")
    assert sorted(line.partition(": ")[0] for line in printed) == ["a", "b", "c"]
    assert sorted(line.partition(": ")[2].partition(": ")[0] for line in printed) == [
        "UnexpectedStatus",
        "an honest answer",
        "does it",
    ]


def test_who_is_cancelled_goes_on_and_the_call_keeps_its_place(slow_server, server_context, monkeypatch):
    in_thread, begun = asyncio.to_thread, []

    async def recorded(call, *arguments):
        begun.extend(arguments)
        return await in_thread(call, *arguments)

    async def play():
        hub = recipe("asyncio_calls").AsyncHub(slow_server.url(), at_a_time=1, context=server_context)
        first = asyncio.ensure_future(hub.call("build", 1))
        assert await in_thread(slow_server.arrived.acquire, timeout=DEADLINE)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        second = asyncio.ensure_future(hub.call("build", 2))
        for _ in range(10):  # it has every opportunity to begin
            await asyncio.sleep(0)
        assert begun == [1]
        slow_server.answers.release(2)
        assert await second == "an honest answer"
        hub.close()

    monkeypatch.setattr(asyncio, "to_thread", recorded)
    asyncio.run(play())
    assert begun == [1, 2]
    assert [loads(request.body)[0] for request in slow_server.requests] == [(1,), (2,)]


def test_the_event_loop_goes_on_during_calls(slow_server, server_context):
    async def play():
        hub = recipe("asyncio_calls").AsyncHub(slow_server.url(), at_a_time=3, context=server_context)
        calls = [asyncio.ensure_future(hub.call("build", number)) for number in range(6)]
        for _ in range(3):
            assert await asyncio.to_thread(slow_server.arrived.acquire, timeout=DEADLINE)
        assert len(slow_server.requests) == 3 and not any(call.done() for call in calls)
        slow_server.answers.release(6)
        assert await asyncio.gather(*calls) == ["an honest answer"] * 6
        hub.close()

    asyncio.run(play())


# -- a service with a keytab -------------------------------------------------------------------------------------------


class Service:
    """The example of a service, while it runs."""

    def __init__(self, *arguments, **environment):
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "examples/keytab_service.py"), "--interval", "0.05", *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def says(self, words):
        """Wait until it says this; return the line."""
        line = "silence"
        while line and words not in line:
            line = self._process.stderr.readline()
        assert line, f"it has ended, and not said {words}"
        return line

    def send(self, number):
        """Send a signal."""
        self._process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Stop it; return its exit status and its last words."""
        self.send(number)
        return self.ended()

    def ended(self):
        """Wait for its end; return its exit status and its last words."""
        printed, complaints = self._process.communicate(timeout=DEADLINE)
        assert printed == ""
        return self._process.returncode, complaints

    def kill(self):
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def serve(realm, user, tmp_path):
    """Start a service of a principal of its own: ``serve("robot", URL, "--keytab")``, or with ``"environment"``."""
    started = []

    def start(name, url, how, *arguments, lifetime="1d"):
        keytab = str(tmp_path / f"{name}.keytab")
        realm.run_kadminl(f"addprinc -randkey -maxlife {lifetime} {name}")
        realm.extract_keytab(f"{name}@{kdc.REALM}", keytab)
        environment = {"KRB5CCNAME": f"FILE:{tmp_path}/{name}.cache"}
        if how == "--keytab":
            arguments += ("--keytab", keytab, "--principal", name)
        else:
            environment["KRB5_CLIENT_KTNAME"] = keytab
        started.append(Service(*arguments, url, **environment))
        return started[-1]

    yield start
    for service in started:
        service.kill()


@pytest.mark.parametrize("how", ["--keytab", "environment"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_works_until_it_is_told_to_stop(serve, plain, how, number):
    name = f"robot-{how.strip('-')}-{number.name}"
    service = serve(name, plain.url(), how, "--cafile", plain.cafile)
    for _ in range(3):
        assert service.says("knows") == f"INFO the hub knows this service as {name}@{kdc.REALM}\n"
    status, words = service.stop(number)
    assert status == 0 and words.endswith("INFO stopped\n") and "Traceback" not in words


def test_a_service_ends_its_round_before_it_stops(serve, slow_server, cafile):
    service = serve("robot-in-a-round", slow_server.url(), "--keytab", "--cafile", cafile, "--interval", "3600")
    assert slow_server.arrived.acquire(timeout=DEADLINE)
    service.send(signal.SIGTERM)
    slow_server.answers.release()
    assert service.ended() == (0, "INFO the hub knows this service as an honest answer\nINFO stopped\n")


def test_a_service_renews_its_tickets(serve, realm, plain):
    services = {
        name: serve(name, plain.url(), how, "--cafile", plain.cafile, lifetime="6s")
        for name, how in [("short-lived-1", "--keytab"), ("short-lived-2", "environment")]
    }

    def issued(name):
        log = Path(realm.tmpdir, "kdc.log").read_text().splitlines()
        return [line for line in log if "AS_REQ" in line and "ISSUE" in line and f" {name}@{kdc.REALM} for" in line]

    for name, service in services.items():
        while len(issued(name)) < 2:
            service.says(f"knows this service as {name}@")
        for _ in range(100):
            service.says(f"knows this service as {name}@")
        status, words = service.stop()
        assert status == 0 and "ERROR" not in words


def test_a_service_goes_on_after_what_goes_by_itself(serve, server, cafile):
    server.play(hang_up, honest(status=500), honest(body=dumps(Fault(7, "not now")).encode()))
    service = serve("robot-patient", server.url(), "--keytab", "--cafile", cafile)
    assert "500" in service.says("ERROR ")
    assert "not now" in service.says("ERROR ")
    service.says("knows this service as an honest answer")
    assert service.stop()[0] == 0 and len(server.requests) >= 4  # the first call was made twice


def test_what_goes_by_itself_is_logged(ca, call_server, server, server_context, caplog):
    service = recipe("keytab_service")
    server.play(hang_up)
    service.try_to_work(call_server())
    away = scripted.ScriptedServer(ca)
    with away:
        pass
    service.try_to_work(ServerProxy(away.url(), transport=KerberosTransport(context=server_context)))
    lost, unreachable = [record.getMessage() for record in caplog.records if record.name == "keytab_service"]
    assert lost.startswith("a call may have run, or not: ") and unreachable.startswith("ServerUnreachable: ")


@pytest.mark.parametrize(
    "path, how, error",
    [
        ("/others", "--keytab", "AuthenticationRejected: "),
        ("/xmlrpc?status=404", "--keytab", "UnexpectedStatus: "),
        ("/xmlrpc", "no CA", "CertificateRejected: "),
        ("/xmlrpc", "no keytab", "NoCredentials: "),
    ],
)
def test_a_service_ends_where_somebody_is_needed(serve, hub, how, path, error):
    if how == "no CA":
        service = serve("robot-wary", hub.url(path), "--keytab")
    elif how == "no keytab":
        service = Service("--cafile", hub.cafile, hub.url(path), KRB5CCNAME="FILE:/nowhere/none")
    else:
        service = serve(f"robot-{error[:5]}", hub.url(path), how, "--cafile", hub.cafile)
    status, words = service.ended()
    assert status == 1 and words.startswith(error) and "Traceback" not in words


def test_a_service_says_what_python_gssapi_is_for(plain, tmp_path):
    (tmp_path / "gssapi.py").write_text("raise ImportError('it is not installed')")
    service = Service("--keytab", "robot.keytab", plain.url(), PYTHONPATH=str(tmp_path))
    status, words = service.ended()
    assert status == 1 and words.startswith("ImportError: ") and "pip install gssapi" in words


# -- what they have in common ------------------------------------------------------------------------------------------


RECIPES = [
    "freeipa.py",
    "koji.py",
    "kiwi_tcms.py",
    "several_servers.py",
    "thread_pool.py",
    "asyncio_calls.py",
    "keytab_service.py",
]

PATHS = {"freeipa.py": "", "koji.py": "/kojihub", "kiwi_tcms.py": "/xml-rpc/"}
METHODS = {"kiwi_tcms.py": ["Gadget"], "several_servers.py": ["whoami"], "thread_pool.py": ["echo"]}


@pytest.fixture(params=RECIPES)
def run_recipe(request, servers, hub, user):
    """Run each example: ``run_recipe(alter_url, cafile)``; None is its right file."""
    name = request.param

    def run(alter_url=lambda url: url, cafile=None):
        server = servers if name in PATHS else hub
        url, cafile = alter_url(server.url(PATHS.get(name, "/xmlrpc"))), cafile or server.cafile
        if name == "keytab_service.py":
            return example(name, "--cafile", cafile, url)
        return example(name, url, *METHODS.get(name, []), cafile, input="1\n")

    return run


def test_without_a_ticket(run_recipe, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    status, _, complaints = run_recipe()
    assert status == 1 and "NoCredentials: " in complaints and "kinit" in complaints and "Traceback" not in complaints


@pytest.mark.parametrize(
    "alter_url, cafile, words",
    [
        (str, "/nowhere/ca.pem", "FileNotFoundError: "),
        (lambda url: url.replace("https:", "gopher:"), None, "OSError: unsupported XML-RPC protocol"),
        (lambda url: url.replace("//", "//user:secret@"), None, "ValueError: "),
        (lambda url: url.replace("localhost", "127.0.0.1"), None, "ServiceUnknown: "),
    ],
    ids=["CA", "scheme", "password", "address"],
)
def test_what_else_is_wrong_is_said(run_recipe, alter_url, cafile, words):
    status, _, complaints = run_recipe(alter_url, cafile)
    assert status == 1 and words in complaints and "Traceback" not in complaints and "secret" not in complaints


@pytest.mark.parametrize("name", RECIPES)
def test_usage(name):
    status, printed, complaints = example(name)
    assert printed == [] and f"usage: {name} " in complaints and "URL" in complaints
    assert status == (2 if name == "keytab_service.py" else 1)  # 2 is argparse's


def test_the_usage_of_a_service_is_that_of_its_options():
    status, printed, _ = example("keytab_service.py", "--help")
    usage = next(line for line in recipe("keytab_service").__doc__.splitlines() if line.startswith("usage: "))
    assert status == 0
    words = " ".join(" ".join(printed).split())
    for option in usage.split("[")[1:]:
        assert f"[{option.partition(']')[0]}]" in words
