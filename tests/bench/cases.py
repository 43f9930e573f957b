"""The cases: which call is measured, on which listener of the hub, and in how many threads."""

from typing import NamedTuple

_MB = 1024 * 1024


class Case(NamedTuple):
    """A call that is measured."""

    name: str
    kind: str
    """``small``: ``whoami()``; ``up``: a large argument; otherwise the kind of a large reply in `servers.samples`."""
    length: int = 0
    """The length of the argument or of the reply."""
    threads: int = 1
    listener: str = "https"
    """The listener of `servers.apache`."""


SMALL = [Case(f"{count} thread{'s' * (count > 1)}", "small", threads=count) for count in (1, 2, 4, 8, 16)]
CLOSING = Case("no keep-alive", "small", listener="closing")
LARGE = [
    Case("listTagged", "builds", 12_000),
    Case("1,000 structs", "owners", 1_000),
    Case("deep structs", "trees", 1_000),
    Case("arrays", "rows", 2_000),
    Case("base64, 6 MB", "package", 6 * _MB),
    Case("text, 1 MB", "text", _MB),
    Case("text, 20 MB", "text", 20 * _MB),
    Case("1 MB up", "up", _MB),
    Case("20 MB up", "up", 20 * _MB),
]
REPLIES = [case for case in LARGE if case.kind != "up"]
MEMORY = [case for case in LARGE if case.name in ("listTagged", "text, 20 MB", "20 MB up")]
"""The large cases whose memory is measured."""

DECODED = [Case(f"decode {case.name}", case.kind, case.length) for case in REPLIES if case.name != "text, 1 MB"]
DECODED.append(Case("decode a small reply", "text", 20))
"""The replies that are decoded without a hub. The small one is like that of ``whoami()``."""

WARM_UP = 5
"""The small calls that each client makes before it is measured: to connect, to log in, and to fill its caches."""

ONE = SMALL[0].name
EIGHT = SMALL[3].name
COUNTS = "counts"
"""The sample with the requests and connections of a call."""
INSTRUCTIONS = "instructions"
"""The sample with the instructions of a call."""
