"""The process in which the decoders are measured, on replies that are in memory already.

usage: python -m bench.decoding

Each line of standard input is an order, a JSON object with the fields of a `bench.cases.Case` and ``calls``. Each line
of standard output is the processor time of each decoder. xmlrpc.client's parser gets the whole body at once, which is
faster than the pieces of 1,024 bytes that its transport reads.
"""

import gc
import io
import time
import xmlrpc.client
from typing import Any, Callable

from servers import samples

from krbxmlrpc import KerberosTransport

from .worker import answer_orders

_TURNS = 5
"""The most turns in which the decoders alternate within an order."""


class _Reply(io.BytesIO):
    """A reply without gzip, which the hooks of a transport can read."""

    def getheader(self, name: str, default: Any = None) -> Any:
        """Return a header."""
        return "text/xml" if name == "Content-Type" else default


def _by_standard(body: bytes) -> Any:
    parser, unmarshaller = xmlrpc.client.getparser()
    parser.feed(body)
    parser.close()
    return unmarshaller.close()


_TRANSPORT = KerberosTransport()

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "xmlrpc.client": _by_standard,
    "krbxmlrpc": lambda body: _TRANSPORT.parse_response(_Reply(body)),
}
"""The function of each decoder. It returns the values of a body."""


def _cpu(decode: Callable[[bytes], Any], body: bytes, calls: int) -> float:
    """Return the processor time of some calls."""
    gc.collect()  # otherwise one decoder would collect the garbage of the other
    begin = time.process_time()
    for _ in range(calls):
        decode(body)
    return time.process_time() - begin


def measure(order: dict[str, Any]) -> dict[str, Any]:
    """Carry out one order; return the processor time of a call, by decoder, and the size of the body in bytes.

    Raises:
        ValueError: the decoders do not agree.
    """
    body = samples.encoded(order["kind"], order["length"]).plain
    wanted, *others = [decode(body) for decode in DECODERS.values()]
    if any(other != wanted for other in others):
        raise ValueError("the decoders return different values")
    del wanted, others
    turns = min(order["calls"], _TURNS)
    spent = dict.fromkeys(DECODERS, 0.0)
    for _ in range(turns):
        for name, decode in DECODERS.items():
            spent[name] += _cpu(decode, body, order["calls"] // turns)
    calls = order["calls"] // turns * turns
    return {"bytes": len(body), "cpu_per_call": {name: cpu / calls for name, cpu in spent.items()}}


if __name__ == "__main__":
    answer_orders(measure)
