"""Reads and completes encoded calls. Plain functions."""

from __future__ import annotations

import re
from typing import Any

# As xmlrpc.client.dumps writes it. The match is at the start, so that no argument is mistaken for the method.
_METHOD = re.compile(
    rb"(?:<\?xml[^>]{0,100}\?>)?\s{0,9}<methodCall>\s{0,9}<methodName>([ -%'-;=-~]{1,999})</methodName>", re.DOTALL
)

_START = re.compile(rb"<\?xml version='1\.0'(?: encoding='[^']{1,40}')?\?>\n<methodCall>\n")
"""The start of a call as xmlrpc.client writes it."""


def method_name(body: Any) -> str | None:
    """Return the method's name from an encoded call; None if the name cannot be found."""
    found = _METHOD.match(body) if isinstance(body, bytes) else None
    if found is None:
        return None
    return found[1].decode("ascii")


def with_carriage_returns(body: Any) -> Any:
    """Return an encoded call whose carriage returns reach the server.

    XML parsers read a carriage return, with the line feed after it if there is one, as one line feed (XML 1.0, section
    2.11). They read ``&#13;`` as a carriage return. In a call that xmlrpc.client wrote, each carriage return is part of
    a value. All other bodies are returned as they are.
    """
    # Only markup of other authors has "<!": in a comment or a CDATA section, "&#13;" would be text.
    if isinstance(body, bytes) and b"\r" in body and _START.match(body) and b"<!" not in body:
        return body.replace(b"\r", b"&#13;")
    return body
