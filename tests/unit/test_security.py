"""SECURITY.rst: each promise names tests, and these tests exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.rst").read_text(encoding="utf-8")
NAMED = re.compile(r"``(test_[a-z0-9_]+)\.(test_[a-z0-9_]+)``")


def promises():
    """Return the rows of the table: a promise and the tests that it names."""
    table = TEXT.partition(".. list-table::")[2].partition("\nNot defended\n")[0]
    rows = [row.partition("\n     -") for row in table.split("\n   * - ")[2:]]
    return [(" ".join(promise.split()), NAMED.findall(tests)) for promise, _, tests in rows]


def exists(module, name):
    """Say whether there is such a test."""
    paths = [ROOT / "tests" / folder / f"{module}.py" for folder in ("unit", "integration")]
    return any(f"\ndef {name}(" in path.read_text(encoding="utf-8") for path in paths if path.exists())


def test_each_promise_names_its_tests():
    found = promises()
    assert len(found) > 20
    assert [promise for promise, tests in found if not tests and not promise.startswith("**")] == []


def test_the_tests_that_are_named_exist():
    named = NAMED.findall(TEXT)
    assert [f"{module}.{name}" for module, name in named if not exists(module, name)] == []
    assert not exists("test_security", "test_that_nobody_wrote")
