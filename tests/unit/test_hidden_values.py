"""Texts and bytes that `repr` does not show."""

import copy
import pickle

import pytest

from krbxmlrpc._secrets import Secret, SecretBuffer, SecretBytes, hidden, type_name

WORDS = "5ecret"


@pytest.mark.parametrize("made", [Secret(WORDS), SecretBytes(WORDS.encode()), SecretBuffer(WORDS.encode())])
def test_repr_is_blank_also_inside_of_others(made):
    for shown in (repr(made), repr([made]), repr({"a": (made,)}), f"{made!r}", ascii(made)):
        assert WORDS not in shown and "<secret>" in shown


def test_a_secret_is_a_text_in_every_other_respect():
    secret = Secret(WORDS)
    assert secret == WORDS and hash(secret) == hash(WORDS)
    assert f"{secret}" == str(secret) == "".join([secret]) == WORDS
    assert repr(secret[:3]) == "'5ec'"  # parts have to be wrapped again


@pytest.mark.parametrize("secret", [Secret(WORDS), SecretBytes(WORDS.encode())])
def test_copies_are_secrets(secret):
    for made in (copy.copy(secret), copy.deepcopy(secret), pickle.loads(pickle.dumps(secret))):
        assert made == secret and type(made) is type(secret)


def test_texts_in_lists_are_hidden():
    given = [("X-Key", WORDS), ["X-Key", WORDS.encode()], (b"X-Key", 1), None]
    assert hidden(given) == given
    assert WORDS not in repr(hidden(given))
    assert [type(pair) for pair in hidden(given)] == [tuple, list, tuple, type(None)]


def test_secrets_and_other_objects_stay_what_they_are():
    for value in (Secret(WORDS), SecretBytes(b"x"), 1, None, {"a": "b"}, iter("ab")):
        assert hidden(value) is value


def test_messages_name_the_type_that_the_caller_knows():
    assert [type_name(value) for value in (hidden(WORDS), hidden(b"x"), WORDS, 1, [])] == [
        "str",
        "bytes",
        "str",
        "int",
        "list",
    ]
