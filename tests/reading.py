"""How hard the sentences of a document are to read, by their length.

``python tests/reading.py DOCTREES [PAGE …]`` prints the paragraphs that are over the bounds; DOCTREES is the folder
``.doctrees`` that docs/build.sh leaves beside its pages.
"""

import pickle
import re
import sys
from pathlib import Path
from typing import NamedTuple

from docutils import nodes

MOST_WORDS = 30
"""The bound for one sentence."""

MOST_WORDS_ON_AVERAGE = 22
"""The bound for the sentences of one paragraph, if it has several."""


class Paragraph(NamedTuple):
    """A paragraph of a document, an item of a list, or a cell of a table.

    Attributes:
        text: with one word for each literal.
        sentences: the number of words of each sentence.
    """

    text: str
    sentences: list

    @property
    def average(self):
        """The mean number of words in a sentence."""
        return sum(self.sentences) / max(len(self.sentences), 1)

    @property
    def is_hard(self):
        """Whether the paragraph is over a bound."""
        too_long = max(self.sentences, default=0) > MOST_WORDS
        return too_long or (len(self.sentences) > 1 and self.average > MOST_WORDS_ON_AVERAGE)

    def __str__(self):
        return f"{self.average:.0f} words on average, {max(self.sentences)} at most: {self.text}"


def paragraphs(document):
    """Yield the paragraphs of a document, without those of docstrings."""
    for node in document.findall(nodes.paragraph):
        if not any(type(parent).__name__ == "desc" for parent in _parents(node)):
            text = " ".join(_text(node).split())
            yield Paragraph(text, [count for count in map(_words, _sentences(text)) if count])


def hard(document):
    """Return the paragraphs of a document that are over a bound."""
    return [paragraph for paragraph in paragraphs(document) if paragraph.is_hard]


def _parents(node):
    while node.parent is not None:
        node = node.parent
        yield node


def _text(node):
    """Return the text of a node, in which a piece of code is one word."""
    if isinstance(node, nodes.literal):
        return "code"
    if isinstance(node, nodes.Text):
        return node.astext()
    return "".join(map(_text, node.children))


def _sentences(text):
    """Return the sentences of a text. A colon ends a sentence: an enumeration follows it."""
    return re.split(r'(?<=[.!?:])["”’)]*\s+', text)


def _words(sentence):
    return len(re.findall(r"\S*\w\S*", sentence))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for path in [folder / f"{page}.doctree" for page in sys.argv[2:]] or sorted(folder.rglob("*.doctree")):
        for paragraph in hard(pickle.loads(path.read_bytes())):
            print(f"{path.relative_to(folder).with_suffix('')}: {paragraph}")
