"""The command ``krbxmlrpc-koji``, beside Koji's own command, against stand-ins for Koji's hubs."""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

COMMANDS = Path(sys.executable).parent


@pytest.fixture
def run(servers, user, tmp_path, koji_path):
    """Run a command with a profile: ``run("krbxmlrpc-koji", "list-tags")`` returns its status and what it printed."""
    (tmp_path / ".koji").mkdir()
    for name, authtype in (("koji", "kerberos"), ("other", "kerberos")):
        with open(tmp_path / ".koji" / "config", "a") as file:
            file.write(f"[{name}]\nserver = {servers.url(koji_path)}\nserverca = {servers.cafile}\n")
            file.write(f"authtype = {authtype}\nmax_retries = 1\nretry_interval = 0\n")

    def run_one(command, *arguments, **environment):
        variables = {**os.environ, "HOME": str(tmp_path), **environment}
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            variables.pop(name, None)
        script = command if os.path.isabs(command) else str(COMMANDS / command)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", script, *arguments],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run_one


def comparable(printed):
    """Return what a command printed without its greeting and the times, which differ each time."""
    printed = re.sub(r"^.*, user!$", "(a greeting)", printed, flags=re.MULTILINE)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d+)?", "(a time)", printed)


@pytest.mark.parametrize(
    "arguments, status",
    [
        (["moshimoshi"], 0),
        (["call", "getLoggedInUser"], 0),
        (["call", "--json-output", "echo", "1", "two"], 0),
        (["call", "noSuchMethod"], 1),
        (["list-tags"], 0),
        (["hostinfo", "builder.example.test"], 0),
        (["hostinfo", "no-such-host"], 1),
        (["version"], 0),
        (["--noauth", "list-tags"], 0),
        (["--noauth", "call", "createTag", "refused"], 1),
        (["-p", "other", "list-tags"], 0),
        (["-p", "unknown", "list-tags"], 2),
        (["list-permissions"], 0),
        (["add-tag", "f42"], 1),
        (["grant-permission", "no-such-permission", "user"], 1),
        (["help"], 0),
        (["no-such-command"], 1),
        (["list-tags", "--help"], 0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_the_output_is_that_of_kojis_own_command(run, arguments, status):
    theirs, ours = run("koji", *arguments), run("krbxmlrpc-koji", *arguments)
    assert ours[0] == theirs[0] == status
    assert comparable(ours[1]) == comparable(theirs[1])


def test_changes_reach_the_hub(run):
    tag, permission = uuid.uuid4().hex, uuid.uuid4().hex
    assert run("krbxmlrpc-koji", "add-tag", tag) == (0, "")
    assert tag in run("koji", "list-tags")[1].split()
    assert run("krbxmlrpc-koji", "grant-permission", "--new", permission, "user")[0] == 0
    assert permission in run("koji", "list-permissions", "--user", "user")[1]


def test_principal_and_keytab_are_used(run, alice):
    options = ["--principal", alice.principal, "--keytab", alice.keytab]
    for command in ("koji", "krbxmlrpc-koji"):
        status, printed = run(command, *options, "call", "getLoggedInUser", KRB5CCNAME="MEMORY:none")
        assert status == 0 and alice.principal in printed


def test_a_failure_says_how_to_go_on(run, servers):
    status, printed = run("krbxmlrpc-koji", "moshimoshi", KRB5CCNAME="FILE:/nowhere/none")
    assert status == 1 and "GSSAPIAuthError: " in printed and "kinit" in printed and "Traceback" not in printed
    with servers.stale_keytab():
        status, printed = run("krbxmlrpc-koji", "moshimoshi")
    assert status == 1 and "AuthenticationRejected: " in printed and "keytab" in printed


@pytest.fixture
def without(tmp_path):
    """Make a module that cannot be imported; return the PYTHONPATH."""

    def hide(name):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no module named {name}')")
        return {"PYTHONPATH": str(tmp_path)}

    return hide


@pytest.mark.parametrize("koji_path", ["/kojihub"], indirect=True)
def test_without_koji_the_command_says_what_to_install(run, without):
    status, printed = run("krbxmlrpc-koji", "moshimoshi", **without("koji"))
    assert status == 1 and printed == "krbxmlrpc-koji: krbxmlrpc.koji needs koji: pip install koji\n"


@pytest.mark.parametrize("koji_path", ["/kojihub"], indirect=True)
def test_the_command_of_the_system_is_found_in_the_path(run, tmp_path):
    """A distribution's package can lack the list of its files, or install the command elsewhere."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "koji"
    command.write_text("import koji, sys\nprint(koji.ClientSession.__name__, sys.argv[1:])\n")
    command.chmod(0o755)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    script = tmp_path / "run.py"
    script.write_text(
        "from importlib import metadata\n"
        "metadata.files = lambda name: None\n"
        "from krbxmlrpc._cli.koji_command import main\n"
        "main()\n"
    )
    assert run(str(script), "moshimoshi", **path) == (0, "KojiSession ['moshimoshi']\n")
    status, printed = run(str(script), "moshimoshi", PATH="/nowhere")
    assert status == 1 and printed.startswith("krbxmlrpc-koji: the command koji is not there: ")
