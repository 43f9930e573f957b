"""The checks of the code itself: types, style, and the oldest Python that it runs on."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "command",
    [
        ["mypy"],
        ["mypy", "--strict", "tests/typed_client.py"],
        ["flake8"],
        # Hints are not evaluated at run time, so they may be newer.
        ["vermin", "--target=3.9-", "--no-tips", "--violations", "krbxmlrpc", "tests", "examples", "setup.py"],
    ],
    ids=["types", "types of a client", "style", "oldest Python"],
)
def test_checks(command):
    command[0] = str(Path(sys.executable).parent / command[0])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
