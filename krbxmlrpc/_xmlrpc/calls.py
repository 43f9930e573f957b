"""Reads the method's name from an encoded call. Plain functions."""

from __future__ import annotations

import re
from typing import Any

# As xmlrpc.client.dumps writes it. The match is at the start, so that no argument is mistaken for the method.
_METHOD = re.compile(
    rb"(?:<\?xml[^>]{0,100}\?>)?\s{0,9}<methodCall>\s{0,9}<methodName>([ -%'-;=-~]{1,999})</methodName>", re.DOTALL
)


def method_name(body: Any) -> str | None:
    """Return the method's name from an encoded call; None if the name cannot be found."""
    found = _METHOD.match(body) if isinstance(body, bytes) else None
    if found is None:
        return None
    return found[1].decode("ascii")
