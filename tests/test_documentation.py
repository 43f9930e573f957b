"""The documents: that they can be built, that they tell of all there is, and that the code in them does what they say."""

import configparser
import pickle
import re
import subprocess
import textwrap
from pathlib import Path

import docutils.core
import pages
import pytest
from blocks import ROOT, Block, Runner, blocks, is_installable
from helpers import descriptors
from realm import software

import krbxmlrpc

DOCS = ROOT / "examples" / "docs"
PAGES = sorted(path.relative_to(ROOT) for path in DOCS.glob("*.rst"))
AT_ROOT = [Path(name) for name in ("README.rst", "SECURITY.rst", "CHANGELOG.rst")]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Build the documentation; return the folder, and what the program said."""
    folder = tmp_path_factory.mktemp("html")
    return folder, subprocess.run([DOCS / "build.sh", folder], capture_output=True, text=True)


@pytest.fixture(scope="module")
def people(realm, tmp_path_factory):
    """Return the keytab and the cache of those whom the documents name, by ``robot.keytab`` and so on."""
    folder = tmp_path_factory.mktemp("people")
    found = {}
    for name, principal in pages.PEOPLE.items():
        keytab, ccache = str(folder / f"{name}.keytab"), f"DIR:{folder}"
        realm.addprinc(principal)
        realm.extract_keytab(principal, keytab)
        realm.kinit(principal, flags=["-k", "-t", keytab], env={**realm.env, "KRB5CCNAME": ccache})
        found.update({f"{name}.keytab": keytab, f"{name}.ccache": ccache})
    return found


@pytest.fixture
def document(request, built):
    """Return a document as docutils or Sphinx has read it."""
    path = request.param
    if path.parent == Path("."):
        source = str(ROOT / path)
        settings = {"report_level": 2, "halt_level": 2}  # a warning is an error
        return docutils.core.publish_doctree((ROOT / path).read_text(), source, settings_overrides=settings)
    return pickle.loads((built[0] / ".doctrees" / f"{path.stem}.doctree").read_bytes())


def read(text, path="text.rst"):
    """Return the blocks of a text."""
    path.write_text(text)
    return list(blocks(docutils.core.publish_doctree(text, str(path))))


def test_the_documentation_can_be_built_without_a_warning(built):
    folder, done = built
    assert (done.returncode, done.stderr) == (0, "")
    assert krbxmlrpc.__version__ in (folder / "index.html").read_text()


def test_the_reference_has_all_public_names(built):
    reference = (built[0] / "reference.html").read_text()
    assert [name for name in krbxmlrpc.__all__ if f'id="krbxmlrpc.{name}"' not in reference] == []


@pytest.mark.parametrize("document", AT_ROOT + PAGES, ids=str, indirect=True)
def test_the_code_of_a_document_does_what_it_says(document, request, tmp_path):
    path = Path(document["source"])
    runner = pages.runner(path.stem, request, tmp_path)
    try:
        for block in blocks(document):
            runner.run(block)
    finally:
        runner.forget()


@pytest.mark.parametrize("name", AT_ROOT + PAGES, ids=str)
def test_the_files_that_a_document_names_are_there(name):
    named = re.findall(r"``((?:tests|examples|krbxmlrpc)/[^\s`]*|[A-Z]+\.rst)``", (ROOT / name).read_text())
    made_by_tools = {"tests/fuzz/found/"}
    assert [file for file in named if file not in made_by_tools and not (ROOT / file).exists()] == []
