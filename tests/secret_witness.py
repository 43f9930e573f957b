"""Hears all that is emitted while secrets are about, and knows what must not be; and the replies that hold secrets."""

import base64
import io
import logging
import traceback
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from urllib.parse import quote
from xmlrpc.client import Fault, dumps

from internals import Ticket
from servers.scripted import honest, message, say

from krbxmlrpc.testing.loopback import Hangup

PASSWORD = "pass/word:5ecret"
QUOTED = quote(PASSWORD, safe="")
COOKIE, SERVER_COOKIE = "5ecret-cookie-of-the-jar", "5ecret-cookie-of-the-server"
QUERY, PARAMETER, HEADER = "5ecret-of-the-query", "5ecret-of-the-path", "5ecret-of-a-header"
WINDOW = 12
"""Characters of a secret that are too many to be shown."""


class Witness:
    """Hears all that is emitted, and knows what must not be.

    Attributes:
        testified: the kinds of errors of which it is said in any test that nothing secret is in them.
    """

    testified = set()

    def __init__(self):
        self.text = io.StringIO()
        self.errors = []
        self.secrets = [PASSWORD, QUOTED, COOKIE, SERVER_COOKIE, QUERY, PARAMETER, HEADER]
        self.secrets.append(base64.b64encode(f"user:{PASSWORD}".encode()).decode())

    def testifies(self, *kinds):
        """Check that errors of all these kinds have been heard, and nothing secret."""
        assert {type(error) for error in self.errors} >= set(kinds)
        self.testified.update(kinds)
        assert not self.found()

    def hear(self, call):
        """Make a call, and note what it emits, also by its error."""
        with redirect_stdout(self.text), redirect_stderr(self.text):
            try:
                self.text.write(repr(call()))
            except Exception as error:
                self.note(error)

    def note(self, error):
        """Note what an error says, and all that it holds that could be shown in its place."""
        self.errors.append(error)
        self.text.write(f"{error} {error!r} {''.join(traceback.format_exception(type(error), error, None))}")
        self.text.write("".join(traceback.format_tb(error.__traceback__)))
        for name in ("message", "hint", "reason", "errmsg", "location", "proxy", "service", "host", "url"):
            self.text.write(f" {getattr(error, name, '')}")

    def found(self):
        """Return what of the secrets has been emitted."""
        text = self.text.getvalue()
        windows = {text[start : start + WINDOW] for start in range(len(text))}
        return {
            secret
            for secret in self.secrets
            for start in range(len(secret) - WINDOW + 1)
            if secret[start : start + WINDOW] in windows
        }


@contextmanager
def listening(monkeypatch):
    """Give a `Witness` who also hears the log and the warnings, and sees the tokens that come and go."""
    found = Witness()
    handler = logging.StreamHandler(found.text)
    logger = logging.getLogger()
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    real_init, real_verify, real_answer = Ticket.__init__, Ticket.verify_token, Ticket.answer_token

    def init(self, *arguments, **options):
        real_init(self, *arguments, **options)
        found.secrets.append(self.auth_header.partition(" ")[2])
        found.text.write(repr(self))

    def verify(self, token):
        found.secrets.append(token)
        real_verify(self, token)
        found.text.write(repr(self))

    def answer(self, token):
        found.secrets.append(token)
        return real_answer(self, token)

    monkeypatch.setattr(Ticket, "__init__", init)
    monkeypatch.setattr(Ticket, "verify_token", verify)
    monkeypatch.setattr(Ticket, "answer_token", answer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found.text.write("".join(str(warning.message) for warning in caught))
    logger.setLevel(level)
    logger.removeHandler(handler)


SET = [("Set-Cookie", f"server={SERVER_COOKIE}; Path=/"), ("X-Key", SERVER_COOKIE)]
LONG_AGO = ("Date", "Mon, 23 Nov 2020 12:00:00 GMT")


def challenge(*details, headers=()):
    """Answer 401."""
    return say(message(401, [*[("WWW-Authenticate", f"Negotiate {detail}".strip()) for detail in details], *headers]))


def flipped(token):
    return token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]


def garbage(request, send):
    send(f"HTTP/9 {SERVER_COOKIE}\r\n\r\n".encode())


def cut_off(request, send):
    honest(headers=SET, length=10_000)(request, send)
    raise Hangup


def hang_up(request, send):
    raise Hangup


REPLIES = [
    honest(headers=SET),
    honest(headers=SET, body=dumps(Fault(7, "seven"), methodresponse=True).encode()),
    honest(flipped, headers=SET),
    say(message(200, SET)),
    say(message(200, [("WWW-Authenticate", f"Negotiate {SERVER_COOKIE}"), *SET])),
    challenge("", headers=SET),
    challenge("", headers=[LONG_AGO, *SET]),
    challenge(base64.b64encode(SERVER_COOKIE.encode()).decode(), headers=SET),
    challenge(headers=[("WWW-Authenticate", 'Basic realm="x"'), *SET]),
    honest(status=500, headers=SET),
    honest(status=302, headers=[("Location", f"https://u:{PASSWORD}@h/?key={SERVER_COOKIE}"), *SET]),
    honest(status=302, headers=[("Location", f"https://u:{QUOTED}@h/;key={SERVER_COOKIE}"), *SET]),
    honest(headers=SET, body=b"<html>"),
    honest(headers=SET, body=b"<a>" + b"x" * 30_000),
    honest(headers=SET, body=b"<!DOCTYPE a><a/>"),
    honest(headers=[*SET, ("Content-Encoding", "none")]),
    cut_off,
    garbage,
    hang_up,
]
