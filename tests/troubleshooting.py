"""README's tables of what goes wrong: what an error is and says there, it has to be and to say; and Apache's log.

A test that provokes a row is marked ``@pytest.mark.row("…")`` with the first cell, and makes its call by the fixture
`trouble`. The second cell names the error's class, and quotes its message (… is for anything); what is ``literal`` or
*emphasized* in the third, the remedy, has to be in its hint.
"""

import re
from pathlib import Path

import docutils.core
from docutils import nodes

TITLE = "When it does not work"

_README = Path(__file__).resolve().parent.parent / "README.rst"


class Row:
    """A row of the tables.

    Attributes:
        name: what is wrong.
        errors: the names of the error's class: one.
        words: what its message has.
        remedies: what its hint has.
    """

    def __init__(self, symptom, error, remedy):
        self.name = _line(symptom)
        self.errors = [_line(literal) for literal in error.findall(nodes.literal)]
        self.words = re.findall('"([^"]+)"', _line(error))
        self.remedies = [_line(text) for text in remedy.findall() if isinstance(text, (nodes.literal, nodes.emphasis))]

    def check(self, error):
        """Raise AssertionError where README does not describe the error."""
        assert [type(error).__name__] == self.errors
        for words in self.words:
            pattern = ".*".join(re.escape(part.strip()) for part in words.split("…"))
            assert re.search(pattern, error.message), f"{error.message!r} has not {words!r}"
        for remedy in self.remedies:
            assert remedy in error.hint, f"{error.hint!r} has not {remedy!r}"


def _line(cell):
    return " ".join(cell.astext().split())


def rows():
    """Return README's rows."""
    return [Row(*row) for table in _tables(TITLE) for row in table]


def logged():
    """Return what README says that Apache's error log has: the quoted words in the table of the hub's errors."""
    table = _tables("The hub's side")[-1]
    return [words for row in table for words in re.findall('"([^"]+)"', _line(row[1]))]


def _tables(title):
    """Return the bodies of the tables in a section of README."""
    document = docutils.core.publish_doctree(
        _README.read_text(encoding="utf-8"), settings_overrides={"syntax_highlight": "none", "report_level": 4}
    )
    (section,) = [found for found in document.findall(nodes.section) if found.next_node(nodes.title).astext() == title]
    return list(section.findall(nodes.tbody))
