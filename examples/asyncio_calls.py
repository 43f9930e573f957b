"""List the methods of a hub and what they do: many calls at a time from an asyncio program, whose event loop goes on.

usage: asyncio_calls.py URL [CAFILE]

CAFILE holds the CA's certificate where the server's is not signed by one that this machine knows.

A call is made in a thread (asyncio.to_thread), all on one transport. It cannot be taken back: who awaits it and is
cancelled, or runs into asyncio.wait_for, goes on at once, but the call runs to its end, and changes what it changes. It
takes up its place until then, and the program ends when it has ended. What limits the time that a call takes is the
transport's deadline=, which ends it by CallOutcomeUnknown if the call may have run.
"""

import asyncio
import sys
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport


class AsyncHub:
    """A hub whose calls can be awaited. It is made in a coroutine; arguments are those of `KerberosTransport`."""

    def __init__(self, url, at_a_time=8, **arguments):
        self.proxy = ServerProxy(url, transport=KerberosTransport(**arguments), allow_none=True)
        self.places = asyncio.Semaphore(at_a_time)

    async def call(self, method, *arguments):
        """Make a call, when there is a place for it."""
        await self.places.acquire()
        running = asyncio.ensure_future(asyncio.to_thread(getattr(self.proxy, method), *arguments))
        running.add_done_callback(lambda _: self.places.release())
        return await asyncio.shield(running)  # so that the place stays taken where only the waiting is cancelled

    def close(self):
        """Close the connections; calls that are under way get their answers."""
        self.proxy("close")()


async def main(url, cafile=None):
    """Make the calls and print what came of them; return the exit status."""
    hub = AsyncHub(url, cafile=cafile)
    try:
        methods = await hub.call("system.listMethods")
        calls = [hub.call("system.methodHelp", method) for method in methods]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)  # else the first failure hides what else came
    finally:
        hub.close()
    failed = [isinstance(outcome, Exception) for outcome in outcomes]
    for method, outcome, wrong in zip(methods, outcomes, failed):
        words = f"{type(outcome).__name__}: {outcome}" if wrong else outcome
        print(f"{method}: {(words.splitlines() or [''])[0]}")
    return 1 if any(failed) else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        sys.exit(asyncio.run(main(*sys.argv[1:])))
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
