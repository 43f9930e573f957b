"""Hints as data: sentences that name arguments, and the terms that an audience uses for these arguments.

A Python program passes ``service=``. On the command line the same argument is ``--service``, and in the configuration
of kobo it is ``KRB_SERVICE``. A `Hint` keeps the sentence apart from the terms, and `told` puts the two together.

The sentence is a template of `str.format`, with these fields:

==========================================  ==========================================================================
``{args.service}``                          the argument in a call: ``service=`` or ``--service``
``{args.mutual_authentication:optional}``   the same with a value: ``mutual_authentication='optional'``
``{args.ccache:{cache}}``                   the same with one of the hint's values
``{name.service}``                          the argument as the subject of a sentence: ``service`` or ``--service``
``{phrase.own_context}``                    one of `PHRASES`
``{host}``                                  one of the hint's values; a `Hint` among them is told in the same terms
==========================================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union, overload

PHRASES = {
    # How to use a TLS context of the caller's.
    "own_context": "pass context= with a context",
    # How to choose between plain HTTP and TLS.
    "plain_http": "KerberosTransport speaks TLS, and InsecureKerberosTransport plain HTTP, whatever the URL says",
    # The accepted value None of an argument, if the command-line option takes a word for None, ...
    "none": "None",
    # ... or if the user has to leave the option out instead.
    "left_out": "None",
    # The accepted values of ``proxy`` that mean "no proxy".
    "direct": "'direct', None",
}
"""Phrases that differ completely between audiences, in Python's terms."""

Value = Union[str, int]


class Names:
    """The terms of one audience. This class has Python's terms; a subclass has the terms of another audience."""

    def passed(self, argument: str, value: str = "") -> str:
        """Return an argument as in a call, with its value if there is one."""
        return f"{argument}={value and _literal(value)}"

    def subject(self, argument: str) -> str:
        """Return an argument as the subject of a sentence."""
        return argument

    def phrase(self, phrase: str) -> str:
        """Return one of `PHRASES`."""
        return PHRASES[phrase]


PYTHON = Names()


class Renamed(Names):
    """Python's terms, except for the arguments and phrases in a mapping."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words

    def passed(self, argument: str, value: str = "") -> str:
        """Return the words for an argument. A value follows them, as in ``KRB_CCACHE = '/path'``."""
        if argument not in self._words:
            return super().passed(argument, value)
        return self._words[argument] + (f" = {_literal(value)}" if value else "")

    def subject(self, argument: str) -> str:
        """Return the words for an argument."""
        return self._words.get(argument) or super().subject(argument)

    def phrase(self, phrase: str) -> str:
        """Return the words for one of `PHRASES`."""
        return self._words.get(phrase) or super().phrase(phrase)


class Hint(str):
    """A sentence that names arguments. As a str it is in Python's terms; `told` puts it into the terms of an audience.

    Args:
        template: the sentence, with the fields that the docstring of this module lists.
        values: the values of the other fields. They are not templates, so they can hold any text.

    Raises:
        AttributeError: the template names a phrase that does not exist. (A test checks the names of arguments, because
            this module does not know them.)
        KeyError: the template has a field without a value.
    """

    template: str
    values: Mapping[str, Value]

    def __new__(cls, template: str, /, **values: Value) -> Hint:
        hint = super().__new__(cls, _filled(template, values, PYTHON))
        hint.template = template
        hint.values = values
        return hint

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.template, self.values)


def _remade(template: str, values: Mapping[str, Value]) -> Hint:
    return Hint(template, **values)


def subject(name: str) -> Hint:
    """Return the name of an argument as the subject of a sentence."""
    return Hint(f"{{name.{name}}}")


@overload
def told(text: str, names: Names | Mapping[str, str]) -> str: ...


@overload
def told(text: str | None, names: Names | Mapping[str, str]) -> str | None: ...


def told(text: str | None, names: Names | Mapping[str, str]) -> str | None:
    """Return a `Hint` in the terms of an audience. Return other text, and None, as it is.

    Args:
        names: the terms; or a mapping from names of arguments and of `PHRASES` to the audience's words. Names that the
            mapping lacks get Python's words. If the mapping is empty, return the hint itself, so that it can be told
            later.
    """
    if not isinstance(text, Hint) or not names:
        return text
    return _filled(text.template, text.values, names if isinstance(names, Names) else Renamed(names))


def message_of(error: BaseException) -> str:
    """Return the message of an error: its `Hint` if the error was raised with one. (str() would lose it.)"""
    return error.args[0] if len(error.args) == 1 and isinstance(error.args[0], Hint) else str(error)


def _literal(value: str) -> str:
    return value if value in ("None", "True", "False") else repr(value)


def _filled(template: str, values: Mapping[str, Value], names: Names) -> str:
    return template.format(
        args=_Passed(names),
        name=_Subjects(names),
        phrase=_Phrases(names),
        **{name: told(value, names) if isinstance(value, str) else value for name, value in values.items()},
    )


class _Passed:
    """The arguments as fields of a template."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __getattr__(self, argument: str) -> _Argument:
        return _Argument(argument, self._names)


class _Subjects:
    """The names of arguments as fields of a template."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __getattr__(self, argument: str) -> str:
        return self._names.subject(argument)


class _Phrases:
    """The phrases as fields of a template."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __getattr__(self, phrase: str) -> str:
        if phrase not in PHRASES:
            raise AttributeError(phrase)
        return self._names.phrase(phrase)


class _Argument:
    """An argument as a field of a template. The text after the field's colon is the argument's value."""

    def __init__(self, argument: str, names: Names) -> None:
        self._argument = argument
        self._names = names

    def __format__(self, value: str) -> str:
        return self._names.passed(self._argument, value)
