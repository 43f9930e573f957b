"""The built pages as their readers meet them: links that lead somewhere, and sentences that are short enough."""

import pickle
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import docutils.core
import pytest
import reading
from doc_runner import ROOT

DOCS = ROOT / "docs"

PAGES = sorted(str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.rst"))

LONGEST_README = 160


class Page(HTMLParser):
    """The targets and links of a page.

    Attributes:
        names: the fragments that links can have.
        links: the addresses of links, pictures, styles and scripts.
    """

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.names = {""}
        self.links = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Keep the targets and links of a tag."""
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.names.add(value)
            elif name in ("href", "src"):
                self.links.append(value)


def broken_links(folder):
    """Return the links of the pages in a folder that lead to no file, or to no place in a page, with their pages."""
    pages = {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}
    found = []
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue  # a place elsewhere
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
            names = pages[target].names if target in pages else {parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in names:
                found.append((str(page.path.relative_to(folder)), link))
    return found


def test_each_link_leads_somewhere(built):
    folder, _ = built
    assert len(list(folder.rglob("*.html"))) > 10
    assert broken_links(folder) == []


@pytest.mark.parametrize("page", PAGES)
def test_no_paragraph_is_hard_to_read(built, page):
    document = pickle.loads((built[0] / ".doctrees" / f"{page}.doctree").read_bytes())
    assert list(reading.paragraphs(document)) != []
    assert list(map(str, reading.hard(document))) == []


def test_the_readme_is_one_page():
    assert len((ROOT / "README.rst").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


# -- the checks can fail ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link, is_broken",
    [
        ("b.html", False),
        ("b.html#here", False),
        ("#there", False),
        ("b.html?v=1#h%65re", False),
        ("https://example.com/none#none", False),
        ("none.html", True),
        ("b.html#there", True),
        ("#none", True),
        ("sub/", True),
    ],
)
def test_a_broken_link_is_found(tmp_path, link, is_broken):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(f'<p id="there"><a href="{link}">x</a>')
    (tmp_path / "b.html").write_text('<p id="here">')
    assert broken_links(tmp_path) == ([("a.html", link)] if is_broken else [])


def words(count):
    """Return a sentence of so many words."""
    return " ".join(["Word", *["word"] * (count - 1)]) + "."


@pytest.mark.parametrize(
    "text, sentences, is_hard",
    [
        (words(reading.MOST_WORDS), [30], False),
        (words(reading.MOST_WORDS + 1), [31], True),
        (words(22) + " " + words(22), [22, 22], False),
        (words(22) + " " + words(23), [22, 23], True),
        ('One two: three "four." (Five six!) Seven - eight', [2, 2, 2, 2], False),
        ("Pass ``--one two three`` and **four five** in krbxmlrpc.kobo.", [7], False),
    ],
)
def test_sentences_are_counted(text, sentences, is_hard):
    document = docutils.core.publish_doctree(f"Title\n=====\n\n{text}\n\n.. code::\n\n    {words(40)}\n")
    (paragraph,) = reading.paragraphs(document)
    assert paragraph.sentences == sentences
    assert reading.hard(document) == ([paragraph] if is_hard else [])
