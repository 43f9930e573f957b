"""The checks of the code itself: types, style, and the oldest Python that it runs on."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    "argument",
    ["mechanism='spengo'", "mutual_authentication='require'", "channel_bindings='tls-unique'", "timeout='5'"],
)
def test_a_misspelt_value_is_an_error_of_the_type_checker(argument, tmp_path):
    client = tmp_path / "client.py"
    client.write_text(f"from krbxmlrpc import KerberosTransport\n\nKerberosTransport({argument})\n")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache", client]
    done = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "client.py:3: error: Argument " in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["mypy"],
        ["mypy", "--strict", "tests/typed_client.py"],
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        # Hints are not evaluated at run time, so they may be newer.
        ["vermin", "--target=3.9-", "--no-tips", "--violations", "krbxmlrpc", "tests", "examples", "setup.py"],
    ],
    ids=["types", "types of a client", "lint", "format", "oldest Python"],
)
def test_checks(command):
    command[0] = str(Path(sys.executable).parent / command[0])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
