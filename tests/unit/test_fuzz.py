"""The fuzzer's targets: they hold for all of their corpus, without the fuzzer."""

import importlib

import pytest
from fuzz import CORPUS, FOLDER, TARGETS
from helpers import in_child


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_still_holds(target):
    one_input = importlib.import_module(f"fuzz.{target}").one_input
    inputs = [b"", *[path.read_bytes() for path in sorted((CORPUS / target).iterdir())]]
    assert len(inputs) > 1
    in_child(lambda: [one_input(data) for data in inputs])  # a child: what hangs is an error, too


def test_every_target_is_run_and_every_corpus_has_one():
    modules = {path.stem for path in FOLDER.glob("*.py") if "\ndef one_input(" in path.read_text()}
    assert modules == set(TARGETS) == {path.name for path in CORPUS.iterdir()}
