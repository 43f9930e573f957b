"""Hears all that is emitted while secrets are about, and knows what must not be; and the replies that hold secrets."""

import base64
import io
import logging
import os
import ssl
import sys
import traceback
import warnings
import xmlrpc.client
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from urllib.parse import quote
from xmlrpc.client import Fault, dumps

from internals import Ticket
from servers.scripted import hang_up, honest, message, say

import krbxmlrpc
from krbxmlrpc.testing.loopback import Hangup

PASSWORD = "pass/word:5ecret"
QUOTED = quote(PASSWORD, safe="")
COOKIE, SERVER_COOKIE = "5ecret-cookie-of-the-jar", "5ecret-cookie-of-the-server"
QUERY, PARAMETER, HEADER = "5ecret-of-the-query", "5ecret-of-the-path", "5ecret-of-a-header"
WINDOW = 12
"""Characters of a secret that are too many to be shown."""

BYTES_WINDOW = 40
"""The same for bytes, as `repr` shows them: ten bytes or more. Fewer can be alike in any two tokens."""

PACKAGE = f"{Path(krbxmlrpc.__file__).parent}{os.sep}"
TESTING = f"{PACKAGE}testing{os.sep}"
STANDARD = (xmlrpc.client.__file__, ssl.__file__)
OWN_DATA = ("send_headers", "send_content", "send", "sendall", "recv", "read")
"""The functions of the standard library to which the package hands its data. Their frames are watched, too."""


EXEMPT = (
    "_secrets.py:hidden:",  # hides what it gets
    "cookies.py:_held:",  # the jar has just made these cookies, and they are hidden next
    "cookies.py:hide_cookies:",
    "connection.py:drain:data",  # bodies
    "response.py:read1:data",
    "response.py:read:piece",
)
"""Variables that may show a secret."""


class Locals:
    """Records the local variables of a call as an error reporter shows them, before each line that is run.

    An exception can leave at any line, by a signal for example. Its traceback then has the variables of all frames.
    """

    def __init__(self):
        self.seen = {}

    def __enter__(self):
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *error):
        sys.settrace(self._before)

    def _enter(self, frame, event, argument):
        """Watch a new frame after its first line: there the transport's methods hide their arguments."""
        name = frame.f_code.co_filename
        if name.startswith(STANDARD) and frame.f_code.co_name not in OWN_DATA:
            return None
        return self._skip if name.startswith((PACKAGE, *STANDARD)) and not name.startswith(TESTING) else None

    def _skip(self, frame, event, argument):
        return self._look if event == "line" else self._look(frame, event, argument)

    def look_at(self, error):
        """Record the variables in the traceback of an error, and of the errors that led to it."""
        while error is not None:
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if self._enter(frame, "line", None):
                    self._look(frame, "line", None)
            error = error.__cause__ or error.__context__

    def _look(self, frame, event, argument):
        for name, value in frame.f_locals.items():
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}:{name}"
            try:
                self.seen.setdefault(place, set()).add(repr(value))
            except AttributeError:  # the object is under construction
                pass
        return self._look

    def showing(self, secrets):
        """Return the variables that show a part of a secret, but for the exempt ones."""
        parts = {part for secret in secrets for part in windows(secret)}
        parts |= {part for secret in secrets for part in windows(as_bytes(secret), BYTES_WINDOW)}
        return {
            place
            for place, texts in self.seen.items()
            if not place.startswith(EXEMPT)
            and any(not parts.isdisjoint(windows(text) | windows(text, BYTES_WINDOW)) for text in texts)
        }


def as_bytes(token):
    """Return the part of a token that no other token has, as `repr` shows its bytes; "" for other secrets."""
    try:
        return repr(base64.b64decode(token, validate=True)[-100:-2])[2:-1] if len(token) > 200 else ""
    except ValueError:
        return ""


def windows(text, size=WINDOW):
    """Return all parts of a text that have this length."""
    return {text[start : start + size] for start in range(len(text) - size + 1)}


class Witness:
    """Hears all that is emitted, and knows what must not be.

    Attributes:
        testified: the kinds of errors of which it is said in any test that nothing secret is in them.
    """

    testified = set()

    def __init__(self):
        self.text = io.StringIO()
        self.errors = []
        self.locals = Locals()
        self.secrets = [PASSWORD, QUOTED, COOKIE, SERVER_COOKIE, QUERY, PARAMETER, HEADER]
        self.secrets.append(base64.b64encode(f"user:{PASSWORD}".encode()).decode())

    def testifies(self, *kinds):
        """Check that errors of all these kinds have been heard, and nothing secret."""
        assert {type(error) for error in self.errors} >= set(kinds)
        self.testified.update(kinds)
        assert not self.found()
        assert not (shown := self.locals.showing(self.secrets)), shown

    def hear(self, call):
        """Make a call, and note what it emits, also by its error."""
        with redirect_stdout(self.text), redirect_stderr(self.text):
            try:
                with self.locals:
                    returned = call()
                self.text.write(repr(returned))
            except Exception as error:
                self.note(error)

    def note(self, error):
        """Note what an error says, and all that it holds that could be shown in its place."""
        self.errors.append(error)
        self.text.write(f"{error} {error!r} {''.join(traceback.format_exception(type(error), error, None))}")
        self.text.write("".join(traceback.format_tb(error.__traceback__)))
        self.locals.look_at(error)
        for name in ("message", "hint", "reason", "errmsg", "location", "proxy", "service", "host", "url"):
            self.text.write(f" {getattr(error, name, '')}")

    def found(self):
        """Return what of the secrets has been emitted."""
        text = windows(self.text.getvalue())
        return {secret for secret in self.secrets if not windows(secret).isdisjoint(text)}


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
    honest(status=502, headers=[("Retry-After", SERVER_COOKIE), *SET]),
    honest(status=302, headers=[("Location", f"https://u:{PASSWORD}@h/?key={SERVER_COOKIE}"), *SET]),
    honest(status=302, headers=[("Location", f"https://u:{QUOTED}@h/;key={SERVER_COOKIE}"), *SET]),
    honest(headers=SET, body=b"<html>"),
    honest(headers=SET, body=b"<methodResponse>" + b"x" * 30_000),
    honest(headers=SET, body=b"<!DOCTYPE a><a/>"),
    honest(headers=[*SET, ("Content-Encoding", "none")]),
    cut_off,
    garbage,
    hang_up,
]
