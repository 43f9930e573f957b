"""The path of one call through the modules: the one that the documents show."""

import sys
from pathlib import Path

from pictures.structure import PATH

import krbxmlrpc

PACKAGE = Path(krbxmlrpc.__file__).parent


def entered_by(function):
    """Return the files and functions of the package that a function enters, in the order of the first time."""
    found = {}

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in path.parents:
            found[str(path.relative_to(PACKAGE)), frame.f_code.co_name] = True

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return list(found)


def test_a_call_takes_the_path_of_the_picture(call_server):
    call = call_server().method
    entered = entered_by(call)
    assert [step for step in entered if step in PATH] == PATH


def test_the_path_has_all_sub_packages(call_server):
    entered = entered_by(call_server().method)
    folders = {path.partition("/")[0] for path, _ in entered if "/" in path}
    assert folders == {path.partition("/")[0] for path, _ in PATH if "/" in path}
