"""The documents: that they can be built and tell of all there is, and that the code in them does what they say."""

import pickle
import re
import textwrap
from pathlib import Path

import doc_fixtures
import docutils.core
import pytest
import troubleshooting
from doc_runner import ROOT, Runner, blocks
from docutils import nodes

import krbxmlrpc
from krbxmlrpc import kobo, koji, pulp, testing

TESTS = ROOT / "tests" / "integration"
DOCS = ROOT / "docs"
AT_ROOT = [Path(name) for name in ("README.rst", "SECURITY.rst", "CHANGELOG.rst")]
INCLUDING = ("changes.rst", "security.rst")  # pages that hold nothing but a document at the root
PAGES = sorted(path.relative_to(ROOT) for path in DOCS.rglob("*.rst") if path.name not in INCLUDING)


@pytest.fixture(scope="module")
def people(realm, tmp_path_factory):
    """Return the keytab and the cache of those whom the documents name, by ``robot.keytab`` and so on."""
    folder = tmp_path_factory.mktemp("people")
    found = {}
    for name, principal in doc_fixtures.PEOPLE.items():
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
    page = path.relative_to("docs").with_suffix(".doctree")
    return pickle.loads((built[0] / ".doctrees" / page).read_bytes())


def test_the_documentation_can_be_built_without_a_warning(built):
    folder, done = built
    assert done.returncode == 0, done.stderr
    assert krbxmlrpc.__version__ in (folder / "index.html").read_text()


def is_public(module, name):
    """Say whether a module without ``__all__`` has something for others under this name."""
    value = getattr(module, name)
    return not name.startswith("_") and isinstance(value, type) and value.__module__ == module.__name__


@pytest.mark.parametrize(
    "page, module",
    [("reference", krbxmlrpc), ("kobo", kobo), ("koji", koji), ("pulp", pulp), ("testing", testing)],
)
def test_the_reference_has_all_public_names(built, page, module):
    reference = (built[0] / f"{page}.html").read_text()
    names = getattr(module, "__all__", None) or [name for name in vars(module) if is_public(module, name)]
    assert names and [name for name in names if f'id="{module.__name__}.{name}"' not in reference] == []


@pytest.mark.parametrize("document", AT_ROOT + PAGES, ids=str, indirect=True)
def test_the_code_of_a_document_does_what_it_says(document, request, tmp_path):
    path = Path(document["source"])
    runner = doc_fixtures.runner(path, request, tmp_path)
    try:
        for block in blocks(document):
            runner.run(block)
    finally:
        runner.forget()


def test_apache_log_lines_in_readme_are_checked_by_tests():
    tests = "".join((TESTS / f"test_{name}.py").read_text() for name in ("apache", "misconfigurations"))
    said = troubleshooting.logged()
    assert len(said) >= 10
    assert [words for words in said if words not in tests] == []


def test_the_section_about_a_401_names_rows_that_exist():
    text = (DOCS / "troubleshooting.rst").read_text()
    section = text[text.index(".. _401-with-a-ticket:") : text.index("How to read the tables")]
    named = {" ".join(name.split()) for name in re.findall(r"(?<![*`])\*(\w[^*]*)\*", section)}
    assert len(named) >= 10
    assert named - {row.name for row in troubleshooting.rows()} == set()


@pytest.mark.parametrize("document", AT_ROOT + PAGES, ids=str, indirect=True)
def test_a_line_of_a_table_that_goes_on_is_no_row(document):
    """What stands in the first column of a simple table begins a row; one that breaks there has become two."""
    rows = [[cell.astext() for cell in row] for body in document.findall(nodes.tbody) for row in body]
    assert [row for row in rows if not row[1] or row[0].endswith((",", ":"))] == []


def test_the_ratios_in_readme_are_those_that_were_measured():
    seconds = {}
    for line in (DOCS / "performance.rst").read_text().splitlines():
        found = re.match(r"(\S.*?\S)  +(\d\.\d{3}) ", line)
        if found:  # the last table row of a name is about a ticket for each call
            seconds[found[1]] = float(found[2])
    own = seconds["**krbxmlrpc, a ticket a call**"]
    others = ["kobo", "requests-gssapi, opportunistic", "tcms-api", "FreeIPA's KerbTransport"]
    ratios = [f"{seconds[name] / own:.1f}" for name in others]
    row = re.search(
        r"^processor time of a call with a ticket +1 +(.*)$", (ROOT / "README.rst").read_text(), re.MULTILINE
    )
    assert row[1].split() == ratios


@pytest.mark.parametrize("name", [*AT_ROOT, Path("CONTRIBUTING.rst"), *PAGES], ids=str)
def test_the_files_that_a_document_names_are_there(name):
    text = (ROOT / name).read_text()
    named = re.findall(r"``((?:tests|examples|docs|krbxmlrpc)/[^\s`]*|[A-Z]+\.rst)``", text)
    named += [f"krbxmlrpc/{module}" for module in re.findall(r"``(_\w+(?:/\w+)?\.py)``", text)]
    made_by_tools = {"tests/fuzz/found/"}
    assert [file for file in named if file not in made_by_tools and not (ROOT / file).exists()] == []
    tests = {path.stem for path in (ROOT / "tests").glob("*/test_*.py")}
    assert set(re.findall(r"``(test_\w+)``", text)) <= tests


# -- that a document can be wrong -------------------------------------------------------------------------------------


def run(folder, text):
    """Run the blocks of a text."""
    path = folder / "text.rst"
    path.write_text(textwrap.dedent(text))
    runner = Runner(folder)
    runner.stand_ins.append(("EXAMPLE.COM", "EXAMPLE.TEST"))
    for block in blocks(docutils.core.publish_doctree(path.read_text(), str(path))):
        runner.run(block)


def block(language, *lines):
    """Return a document with one block."""
    return "\n".join(["Text.", "", f".. code-block:: {language}", "", *[f"    {line}" for line in lines], ""])


@pytest.mark.parametrize(
    "text, message",
    [
        (block("python", "x = 1", "print(x + 1)   # 3"), "text.rst:6: the document says 3, and it is 2"),
        (block("python", "x = [1]", "x  # [1, 2]"), r"the document says \[1, 2\], and it is \[1\]"),
        (block("python", "for x in 1, 2:", "    print(x)  # 1"), "text.rst:6: the document says 1, and it is 2"),
        (block("python", "'user@EXAMPLE.COM'.lower()  # 'user@EXAMPLE.COM'"), "'user@EXAMPLE.TEST', and it is"),
        (block("python", "print(1)  # one"), "text.rst:5: the comment should be the value, .*: one"),
        (block("python", "x = 1", "x  # one"), "text.rst:6: the comment should be the value, .*: one"),
        (block("python", "print(1, 2)  # 1"), "text.rst:5: print one value"),
        (block("python", "if False:", "    print(1)  # 1"), "never reached: .*text.rst:6"),
        (block("python", "def test_it():", "    assert 1 == 2"), "assert 1 == 2"),
        (block("ruby", "puts 1"), "text.rst:5: nothing here runs ruby"),
        ("Text::\n\n    x = 1\n", "text.rst:3: the block does not say which language"),
        (">>> 1\n2\n", "text.rst:1: the block does not say which language"),
        (block("sh", "true", "false"), "text.rst:5: 1"),
        (block("sh", "pip install '.[none]'"), r"text.rst:5: there is no \.\[none\]"),
        (block("sh", "pip install requests"), "there is no requests"),
        (block("sh", "pip install krbxmlrpc"), "there is no krbxmlrpc"),
        (block("sh", "apt-get install gcc emacs"), "there is no emacs"),
        (block("sh", "README.rst"), "there is no README.rst"),
        (block("console", "$ echo one; echo two", "one", "$ true"), "says the document:\none\n\nand it is:\none\ntwo"),
        (block("console", "$ echo one", "one", "$ echo two"), "and it is:\ntwo"),
        (block("console", "echo one"), "begins with a command"),
    ],
)
def test_what_is_wrong_is_found(tmp_path, text, message):
    with pytest.raises(AssertionError, match=message):
        run(tmp_path, text)


def test_a_block_that_raises_says_where(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        run(tmp_path, block("python", "x = 1", "x / 0"))
    assert (str(caught.traceback[-1].path), caught.traceback[-1].lineno + 1) == (str(tmp_path / "text.rst"), 6)


def test_blocks_share_what_they_make_in_their_order(tmp_path):
    text = block("python", "x = 1") + block("python", "x  # 1", "x = 2") + block("python", "x  # 2")
    run(tmp_path, text)
    with pytest.raises(NameError, match="'x'"):
        run(tmp_path, block("python", "x = 1") + block("python\n    :class: alone", "x"))


def test_a_block_can_be_a_file_for_those_after_it(tmp_path):
    module = block("python", "# conftest.py", "import pytest", "@pytest.fixture", "def one():", "    return 1")
    run(tmp_path, module + block("python", "def test_it(one):", "    assert one == 1"))
    run(tmp_path, block("python", "# greet.py", "print('hello')") + block("console", "$ python greet.py", "hello"))


def test_what_stands_for_the_servers_of_the_documents_is_used(request, people, squid):
    texts = "".join((ROOT / name).read_text() for name in AT_ROOT + PAGES)
    assert [part for part, _ in doc_fixtures.stand_ins(request) if part not in texts] == []
