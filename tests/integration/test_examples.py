"""The examples, run as a user runs them."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from example_runner import ROOT, example, run
from helpers import DEADLINE
from servers import apache, kdc


def test_whoami(hub, user):
    status, printed, complaints = example("whoami.py", hub.url(), hub.cafile)
    assert (status, complaints) == (0, "")
    assert printed == [
        f"the server says you are: {user}",
        f"the server was verified before its reply was read, in an exchange as: {user}",
    ]


def test_whoami_says_what_is_wrong(hub, user, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nowhere/none")
    status, printed, complaints = example("whoami.py", hub.url(), hub.cafile)
    assert (status, printed) == (1, [])
    assert complaints.startswith("NoCredentials: ") and "kinit" in complaints and "Traceback" not in complaints


@pytest.mark.parametrize("arguments", [("https://localhost/", "/nowhere/ca.pem"), ("https://me:secret@localhost/",)])
def test_whoami_says_what_is_wrong_with_its_arguments(arguments):
    status, printed, complaints = example("whoami.py", *arguments)
    assert (status, printed) == (1, [])
    assert complaints.count("\n") == 1 and "secret" not in complaints


@pytest.mark.parametrize("path", ["/xmlrpc", "/negotiate-or-basic"])
def test_requests_session(hub, user, path):
    # A GET has no call in it: the hub answers with a Fault, but that is not what this is about.
    status, printed, complaints = example("requests_session.py", hub.url(path), hub.cafile)
    assert (status, complaints) == (0, "")
    assert printed[0].startswith("without a ticket: 401 {'negotiate': ''")
    assert printed[1] == f"with a ticket: 200 verified, as {user}"


@pytest.mark.parametrize("name", ["whoami.py", "requests_session.py"])
def test_usage(name):
    status, printed, complaints = example(name)
    assert (status, printed) == (1, [])
    assert f"usage: {name} URL" in complaints


def test_quickstart():
    run("examples/quickstart.sh")  # makes the environment if it is not there
    status, printed, complaints = run("examples/quickstart.sh")
    assert status == 0, complaints
    # The second run installs nothing.
    assert re.fullmatch(r"Starting a KDC and an Apache \.{3}\nCalling whoami\(\) at https://\S+ \.{3}\n", complaints)
    assert printed == [
        "the server says you are: user@EXAMPLE.TEST",
        "the server was verified before its reply was read, in an exchange as: user@EXAMPLE.TEST",
    ]


def test_where_software_is_missing_the_realm_says_how_to_get_it(monkeypatch):
    from servers import software

    with pytest.raises(RuntimeError, match="missing: /usr/sbin/not-there; .* apt-get install -y apache2-bin .*squid"):
        software.require([*software.APACHE_NEEDS, "/usr/sbin/not-there"])
    monkeypatch.setattr(software, "APACHE_NEEDS", ("/usr/sbin/not-there",))
    with pytest.raises(RuntimeError, match="missing: /usr/sbin/not-there; .* apt-get install -y apache2-bin ") as error:
        software.require(software.APACHE_NEEDS)
    assert "squid" not in str(error.value)  # an Apache alone does not need it


def test_running_a_command_beside_a_realm_leaves_nothing_behind(tmp_path):
    script = "import os, sys; print(os.environ['KRB5_CONFIG']); print(os.environ['HUB_CA']); sys.exit(7)"
    status, printed, complaints = run(
        sys.executable, "-m", "servers", sys.executable, "-c", script, PYTHONPATH="tests", TMPDIR=str(tmp_path)
    )
    assert (status, complaints) == (7, "")
    assert len(printed) == 2 and not any(os.path.exists(path) for path in printed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_leaves_nothing_behind_either(tmp_path, number):
    script = (
        "import os, sys; parent = os.getppid(); "
        "print(open(f'/proc/{parent}/task/{parent}/children').read(), flush=True); sys.stdin.read()"
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, and that goes on to what is started
    with subprocess.Popen(
        [sys.executable, "-m", "servers", sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "tests", "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        signal.signal(signal.SIGHUP, before)
        started = running.stdout.readline().split()
        running.send_signal(number)
        printed, complaints = running.communicate(timeout=DEADLINE)
    assert (running.returncode, printed, complaints) == (1, "", "interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert len(started) == 3  # the KDC, Apache, the command
    assert not any(os.path.exists(f"/proc/{number}") for number in started)


def test_ports_taken_by_another_program_are_replaced(realm, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as quicker:
        taken, free_ports = quicker.getsockname()[1], kdc.free_ports
        offered = [taken - 1]
        monkeypatch.setattr(kdc, "free_ports", lambda *wanted: offered.pop() if offered else free_ports(*wanted))
        hub = apache.Apache(realm).start()
        hub.stop()
    assert offered == [] and taken not in hub.ports.values()
