"""The manual page: it is up to date, tells of all commands and options, and renders without a warning."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from krbxmlrpc._cli.man import page
from krbxmlrpc._cli.options import build_parser

COMMITTED = Path(__file__).resolve().parent.parent.parent / "docs" / "krbxmlrpc.1"


def test_the_committed_page_is_up_to_date():
    assert page() == COMMITTED.read_text(), "run: python -m krbxmlrpc._cli.man >docs/krbxmlrpc.1"


def test_the_page_is_printed():
    done = subprocess.run([sys.executable, "-m", "krbxmlrpc._cli.man"], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (page(), "")


@pytest.fixture(scope="module")
def rendered():
    """Return the page as man shows it, on lines that are long enough."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-Tutf8", "-P-cbou", "-ww", "-rLL=400n"]
    done = subprocess.run(command, input=page(), check=True, capture_output=True, text=True, encoding="utf-8")
    assert done.stderr == ""
    return done.stdout


def actions():
    """Yield each argument and option with its command."""
    for name, parser in build_parser()[1].items():
        for action in parser._actions:
            yield name, action


def test_every_option_is_described_once_for_its_commands():
    described = re.findall(r"^\.TP\n\\fB(?:\\-h\\fR, \\fB)?(.*?)\\fR", page(), re.MULTILINE)
    flags = {action.option_strings[-1] for _, action in actions() if action.option_strings}
    assert {flag.replace("\\", "") for flag in described} == flags
    twice = {flag for flag in described if described.count(flag) > 1}
    assert twice == {r"\-\-help", r"\-\-config"}  # the options of hubs


def test_every_help_is_shown_as_it_is(rendered):
    for name, action in actions():
        assert action.help % vars(action) in rendered, (name, action.dest)


def test_every_line_of_the_help_is_there(rendered):
    words = re.sub(r"\s+", " ", rendered)
    for parser in build_parser()[1].values():
        for text in (parser.description, parser.epilog, parser.usage):
            for line in text.splitlines():
                assert re.sub(r"\s+", " ", line.strip()) in words
