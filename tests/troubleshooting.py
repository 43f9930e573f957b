"""The tables on the page "Troubleshooting": an error has to be and to say what its row says. Also Apache's log.

A test that provokes a row is marked ``@pytest.mark.row("…")`` with the first cell, and makes its call by the fixture
`trouble`. The second cell names the error's class, and quotes its message (… is for anything); what is ``literal`` or
*emphasized* in the third, the remedy, has to be in its hint.

The fixture then makes the same call by ``krbxmlrpc call`` and ``krbxmlrpc check``. Both have to name the same cause and
the same remedy, in the terms of the command line.
"""

import contextlib
import functools
import io
import json
import re
import tempfile
from pathlib import Path

import docutils.core
import internals
from docutils import nodes
from servers.scripted import ScriptedServer, message, say

_DOCS = Path(__file__).resolve().parent.parent / "docs"


class Row:
    """A row of the tables.

    Attributes:
        name: what is wrong.
        errors: the names of the error's class: one.
        words: what its message has.
        remedies: what its hint has.
        options: the same in the terms of the command line.
    """

    def __init__(self, symptom, error, remedy):
        self.name = _line(symptom)
        self.errors = [_line(literal) for literal in error.findall(nodes.literal)]
        self.words = re.findall('"([^"]+)"', _line(error))
        literals = {_line(text): on_command_line(_line(text)) for text in remedy.findall(nodes.literal)}
        emphasized = [_line(text) for text in remedy.findall(nodes.emphasis)]
        self.remedies = [*literals, *emphasized]
        self.options = [*literals.values(), *emphasized]

    def check(self, error):
        """Raise AssertionError where the page does not describe the error."""
        assert [type(error).__name__] == self.errors
        self._compare(error.message, error.hint, self.remedies)

    def check_call(self, said):
        """Raise AssertionError where the page does not describe what ``krbxmlrpc call`` says."""
        found, _, hint = said.partition("\n  hint: ")
        self._compare(found, hint, self.options)

    def check_check(self, report):
        """Raise AssertionError where the page does not describe what ``krbxmlrpc check`` reports."""
        troubles = [step for step in report["steps"] if step["state"] in ("failed", "warning")]
        found, remedies = ("\n".join(str(step[key]) for step in troubles) for key in ("found", "remedy"))
        words, remedy = OF_CHECK.get(self.name, (self.words, self.options))
        self._compare(found, remedies, remedy, words)

    def _compare(self, found, hint, remedies, all_words=None):
        for words in self.words if all_words is None else all_words:
            pattern = ".*".join(re.escape(part.strip()) for part in words.split("…"))
            assert re.search(pattern, found), f"{found!r} has not {words!r}"
        for remedy in remedies:
            assert remedy in hint, f"{hint!r} has not {remedy!r}"


OF_CHECK = {
    "an unknown host name": (["does not resolve"], ["host name", "DNS"]),
    "a call that is too large": ([], []),  # its own calls are small
    "a refused ticket without an offer": (
        ["answered 401 to a ticket"],
        ["keytab"],
    ),  # its first request knows the offer
}
"""What ``krbxmlrpc check`` says of a row, if it is not what the error says: words of the cause, and of the remedy."""

ONLY_IN_PROGRAMS = {
    "no post_handshake_auth in context",
    "a date that is not valid",
}
"""The rows that need a ``context`` or ``use_datetime`` of the caller, for which the command line has no option. So do
those whose context has flags of its own."""

_ON_COMMAND_LINE = {
    "KerberosTransport": "https:// in the URL asks for TLS",
    "InsecureKerberosTransport": "--insecure-http",
}


def on_command_line(remedy):
    """Return the words of a remedy in the terms of the command line."""
    if remedy in _ON_COMMAND_LINE:
        return _ON_COMMAND_LINE[remedy]
    argument, _, value = remedy.partition("=")
    option = internals.option_of(argument)
    if option is None:
        return remedy
    value = value.strip("'\"")
    return f"{option} {'none' if value == 'None' else value}".rstrip()


OFFER = say(message(401, [("WWW-Authenticate", "Negotiate")]))


def commands(row, error, before, prepare, offer):
    """Make the call that failed with this error by ``krbxmlrpc call`` and by ``check``, and compare with the row.

    Args:
        before: how many answers each scripted server had given before the call.
        prepare: is called before each command, with the number of requests that come before the call.
        offer: the answer of scripted servers to the first request of ``check``, which carries no ticket.
    """
    if row.name in ONLY_IN_PROGRAMS:
        return
    transport, url, method, arguments = internals.failed_call(error)
    if internals.has_flags_of_its_own(transport.context):
        return
    others_case = functools.partial(re.sub, r"case=\w+", "case=of_a_command")
    servers = [(server, server.played[before.get(server, 0) :]) for server in ScriptedServer.running()]
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as trusted:
        words = [*map(others_case, internals.command_line_of(transport, trusted)), others_case(url)]
        prepare(0)
        in_json = [json.dumps(argument) for argument in arguments]
        status, _, said = _run(["call", *words, method, "--", *in_json], servers, [])
        assert status == 2, said
        row.check_call(said)
        prepare(1)
        _, printed, said = _run(["check", "--json", *words], servers, [offer])
        assert said == ""
        row.check_check(json.loads(printed))


def _run(words, servers, first):
    """Run a command; return its exit status, its output and its complaints.

    Args:
        servers: the scripted servers, each with the answers to repeat.
        first: answers that come before these.
    """
    with contextlib.ExitStack() as stack:
        for server, played in servers:
            stack.enter_context(server.again([*first * server.is_tls, *played * 9]))
        printed, said = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
            status = internals.run_command(words)
        return status, *(stream.buffer.getvalue().decode() for stream in (printed, said))


def _line(cell):
    return " ".join(cell.astext().split())


def rows():
    """Return the rows of the tables on the page about trouble."""
    return [Row(*row) for table in _tables("troubleshooting") for row in table]


def logged():
    """Return the words of Apache's log that the page about the hub's side quotes for mod_auth_gssapi."""
    (table,) = _tables("hub", "A client's error, and Apache's log")
    return [words for row in table for words in re.findall('"([^"]+)"', _line(row[1]))]


def _tables(page, title=None):
    """Return the bodies of the tables on a page, or in the section of the page that has this title."""
    document = docutils.core.publish_doctree(
        (_DOCS / f"{page}.rst").read_text(encoding="utf-8"),
        settings_overrides={"syntax_highlight": "none", "report_level": 5},  # roles of Sphinx are unknown here
    )
    part = document
    if title is not None:
        (part,) = (node for node in document.findall(nodes.section) if node[0].astext() == title)
    return list(part.findall(nodes.tbody))
