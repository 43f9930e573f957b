"""The fuzzer's targets: they hold for all of their corpus, without the fuzzer."""

import importlib

import pytest
from fuzz import CORPUS, FOLDER, TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_still_holds(target):
    one_input = importlib.import_module(f"fuzz.{target}").one_input
    inputs = sorted((CORPUS / target).iterdir())
    assert inputs
    one_input(b"")
    for path in inputs:
        one_input(path.read_bytes())


def test_every_target_is_run_and_every_corpus_has_one():
    modules = {path.stem for path in FOLDER.glob("*.py") if "\ndef one_input(" in path.read_text()}
    assert modules == set(TARGETS) == {path.name for path in CORPUS.iterdir()}
