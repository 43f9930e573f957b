"""The language of docstrings, comments and test names (see CONTRIBUTING). Numbers cannot show that a text reads well.

``python tests/unit/test_language.py`` prints the figures of each file.
"""

import ast
import io
import re
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "krbxmlrpc"
LONGEST_NAME = 59


def prose(path):
    """Return the docstrings and comments of a file as one text."""
    source = path.read_text(encoding="utf-8")
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr)]
    values = [node.value.value for node in statements if isinstance(node.value, ast.Constant)]
    strings = [value for value in values if isinstance(value, str)]
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(strings + comments)


def counts(text):
    """Return how many words a text has, and how often some of them come."""
    words = re.findall(r"[A-Za-z']+", text.lower())
    return {"words": len(words), **{word: words.count(word) for word in ("where", "what", "if", "when")}}


def total(paths):
    found = [counts(prose(path)) for path in paths]
    return {word: sum(one[word] for one in found) for word in found[0]}


def test_the_package_is_written_in_plain_english():
    found = total(sorted(PACKAGE.rglob("*.py")))
    thousands = found["words"] / 1000
    assert found["where"] / thousands < 3, found
    assert found["what"] / thousands < 4, found
    assert found["if"] + found["when"] > found["where"] + found["what"], found


@pytest.mark.parametrize("text, words", [("Where it is. What?", (1, 1)), ("somewhere, whatever", (0, 0))])
def test_words_are_counted_as_words(text, words):
    assert (counts(text)["where"], counts(text)["what"]) == words


def test_names_of_tests_are_short():
    names = [
        node.name
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in names if len(name) > LONGEST_NAME] == []


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:] or sorted(PACKAGE.rglob("*.py"))):
        print(f"{path}: {counts(prose(path))}")
