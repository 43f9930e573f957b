"""Who may use what: the direction of imports in the package, the names for adapters, and the names for tests."""

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pictures.imports import imported, part, part_of

import krbxmlrpc

PACKAGE = Path(krbxmlrpc.__file__).parent

LEAVES = {"errors", "_checks", "_forks", "_hints", "_secrets", "_unknown_arguments", "_version"}
"""Modules at the bottom. They import none of the package but `_hints`, which imports none."""

MAY_IMPORT = {
    **{leaf: {"_hints"} for leaf in LEAVES},
    "_http": LEAVES,
    "_kerberos": LEAVES,
    "_xmlrpc": LEAVES,
    "_negotiate": LEAVES | {"_http", "_kerberos", "_xmlrpc"},
    "_settings": LEAVES | {"_negotiate", "_http", "_kerberos", "_xmlrpc"},
    "transport": LEAVES | {"_settings", "_negotiate", "_http", "_kerberos", "_xmlrpc"},
    "__init__": LEAVES | {"transport", "_negotiate", "_http", "_kerberos", "_xmlrpc"},
    "_cli": LEAVES | {"koji", "transport", "_settings", "_negotiate", "_http", "_kerberos", "_xmlrpc"},
    "__main__": {"_cli"},
    "kobo": {"__init__", "errors", "_hints"},
    "koji": {"__init__", "_http", "_secrets"},
    "pulp": {"__init__", "_checks", "_http", "_xmlrpc"},
    "testing": {"__init__", "errors", "_kerberos"},
}
"""Which parts of the package each part may import. A part is a module, or a folder of modules."""


def against_the_direction(path):
    """Return what a file imports and may not."""
    own = part_of(path, PACKAGE)
    return [name for name in imported(path, PACKAGE) if part(name) not in MAY_IMPORT[own] | {own}]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_in_one_direction(path):
    assert against_the_direction(path) == []


@pytest.mark.parametrize(
    "place, line",
    [
        ("_http/connection.py", "from .._kerberos import ticket"),
        ("_kerberos/tokens.py", "import krbxmlrpc._http.response"),
        ("_xmlrpc/decoding.py", "from .._negotiate.policy import Call"),
        ("_negotiate/policy.py", "from ..transport import KerberosTransport"),
        ("_negotiate/call.py", "from .. import KerberosTransport"),
        ("_settings.py", "from . import transport"),
        ("errors.py", "from ._checks import checked"),
        ("transport.py", "from ._cli import main"),
        ("kobo.py", "from ._negotiate.call import LoginPage"),
    ],
)
def test_an_import_against_the_direction_is_found(place, line, tmp_path, monkeypatch):
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"def later():\n    {line}\n")
    for name in MAY_IMPORT:
        (tmp_path / f"{name}.py").touch()
    monkeypatch.setattr("test_structure.PACKAGE", tmp_path)
    assert len(against_the_direction(path)) == 1


RARE = """
    argparse asyncio cryptography dataclasses difflib dns gssapi html http.server importlib.metadata inspect kerberos
    kobo koji multiprocessing pydoc requests runpy secrets socketserver statistics subprocess tqdm unittest uuid xml.dom
    xml.etree xml.sax xmlrpc.server krbxmlrpc._cli krbxmlrpc._kerberos.pykerberos krbxmlrpc._kerberos.python_gssapi
    krbxmlrpc._xmlrpc.canonical krbxmlrpc.kobo krbxmlrpc.koji krbxmlrpc.pulp krbxmlrpc.testing
"""
"""Modules that few programs need. They are loaded when they are needed."""

IMPORT = """
import sys
# These are needed in any case. With some versions of Python, they load some of the others.
import concurrent.futures.thread, defusedxml, http.cookiejar, logging, typing, xmlrpc.client
before = set(sys.modules)
import krbxmlrpc
print(*set(sys.modules) - before)
"""


def test_the_import_of_the_package_is_cheap():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert "krbxmlrpc.transport" in done.stdout.split()
    assert set(RARE.split()) & set(done.stdout.split()) == set()


@pytest.mark.parametrize("name", ["kobo.py", "koji.py", "pulp.py"])
def test_an_adapter_uses_no_private_name_of_another_module(name):
    tree = ast.parse((PACKAGE / name).read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert [found for found in names if found.startswith("_")] == []
    own = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    private = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    }
    assigned = {
        node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    of_koji = {"_sanitize_url"}
    of_kobo = {"_auth_method", "_client_type", "_conf", "_hub_url", "_logger", "_logout"}
    assert private - own - assigned - of_kobo - of_koji == set()


# -- the tests --------------------------------------------------------------------------------------------------------

TESTS = Path(__file__).resolve().parent.parent

OF_KOBO = {"_hub", "_hub_url", "_login", "_logout", "_transport"}
"""Private attributes of kobo's `HubProxy`, which its users and our adapter share."""


@functools.cache
def own_attributes():
    """Return the private names that the package gives to attributes, methods, functions and variables."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return {name for name in found if name.startswith("_") and not name.startswith("__")} - OF_KOBO


def inside_of_the_package(source):
    """Return the private modules and attributes of the package, and the test files, that a test file uses."""
    found, private = [], own_attributes()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module, *[f"{node.module}.{alias.name}" for alias in node.names]]
        elif isinstance(node, ast.Attribute) and node.attr in private:
            if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
                found.append(f".{node.attr}")
    return [name for name in found if re.match(r"krbxmlrpc(\.\w+)*\._(?!_)|\._|(\w+\.)*test_", name)]


@pytest.mark.parametrize("path", sorted(TESTS.glob("integration/*.py")), ids=lambda path: path.name)
def test_integration_tests_use_nothing_private(path):
    assert inside_of_the_package(path.read_text()) == []


@pytest.mark.parametrize("path", sorted(TESTS.glob("unit/*.py")), ids=lambda path: path.name)
def test_no_unit_test_imports_a_test_file(path):
    assert [name for name in inside_of_the_package(path.read_text()) if "test_" in name] == []


@pytest.mark.parametrize(
    "line",
    [
        "from krbxmlrpc._http import pool",
        "from krbxmlrpc import _forks",
        "import krbxmlrpc._hints",
        "transport._client.pool",
        "from test_cli import COMMAND",
        "import test_cli",
        "from unit import test_cookies",
    ],
)
def test_private_use_in_an_integration_test_is_found(line):
    assert inside_of_the_package(line)
