"""``python -m krbxmlrpc._cli.man`` prints the manual page krbxmlrpc(1), which has the same source as the help.

The repository holds the page as ``docs/krbxmlrpc.1``. A test compares the two.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby

from .._version import __version__
from .options import build_parser

_SUMMARY = "XML-RPC calls with Kerberos"
_SEE_ALSO = "kinit(1), klist(1), krb5.conf(5), curl(1)"


def page() -> str:
    """Return the manual page in the language of man(7)."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    parser, commands = build_parser()
    yield f'.TH KRBXMLRPC 1 "" "krbxmlrpc {__version__}" "User Commands"'
    yield from (".SH NAME", rf"krbxmlrpc \- {_SUMMARY}", ".SH SYNOPSIS")
    for command in commands.values():
        yield from (".PP", _bold(command.usage))
    yield from (".PP", _bold("krbxmlrpc --version"), ".SH DESCRIPTION")
    yield from _text(parser.description)
    yield from _text(parser.epilog)
    yield ".SH COMMANDS"
    shared = set.intersection(*(_names(command) for name, command in commands.items() if name != "hubs"))
    for name, command in commands.items():
        yield from (f".SS {name}", ".PP", _bold(command.usage))
        yield from _text(command.description)
        own = [action for action in command._actions if name == "hubs" or action.dest not in shared]
        yield from _arguments(own)
        yield from _text(command.epilog)
    yield from (".SH OPTIONS", ".PP", r"\fBcall\fR, \fBlist\fR and \fBcheck\fR take these options.")
    for group in commands["call"]._action_groups:
        actions = [action for action in group._group_actions if action.option_strings and action.dest in shared]
        if actions:
            yield f".SS {'General' if actions[0].dest == 'help' else group.title}"
            yield from _arguments(actions)
    yield from (".SH SEE ALSO", _SEE_ALSO)


def _names(parser: argparse.ArgumentParser) -> set[str]:
    """Return the names of a parser's options."""
    return {action.dest for action in parser._actions if action.option_strings}


def _arguments(actions: Iterable[argparse.Action]) -> Iterator[str]:
    """Describe arguments and options."""
    for action in actions:
        value = "" if action.nargs == 0 else action.metavar or "{" + ",".join(action.choices or ()) + "}"
        words = [", ".join(map(_bold, action.option_strings))]
        words += [rf"\fI{_escaped(str(value))}\fR"] if value else []
        yield from (".TP", " ".join(filter(None, words)))
        yield _escaped((action.help or "") % vars(action))


def _text(text: str | None) -> Iterator[str]:
    """Set a text of the help: its paragraphs, and its indented lines as they are."""
    for is_indented, lines in groupby((text or "").splitlines(), lambda line: line.startswith(" ")):
        if is_indented:
            yield from (".RS 2", ".nf", *(_escaped(line[2:]) for line in lines), ".fi", ".RE")
        else:
            yield from (_escaped(line) or ".PP" for line in ["", *lines])


def _bold(text: str | None) -> str:
    return rf"\fB{_escaped(text or '')}\fR"


def _escaped(text: str) -> str:
    """Return a line of text with its special characters escaped."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"[^\x00-\x7f]", lambda found: rf"\[u{ord(found.group()):04X}]", text)
    text = text.translate({ord("'"): r"\(aq", ord("`"): r"\(ga", ord("^"): r"\(ha", ord("~"): r"\(ti"})
    return rf"\&{text}" if text.startswith(".") else text


if __name__ == "__main__":
    sys.stdout.write(page())
