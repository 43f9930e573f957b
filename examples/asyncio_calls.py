"""List the methods of a hub with their help texts: an asyncio program that makes many calls at the same time.

usage: asyncio_calls.py URL [CAFILE]

CAFILE is the file of the CA's certificate. It is needed if this machine does not know the CA of the server.

Each call runs in a thread (asyncio.to_thread), so the event loop goes on. All calls use one transport. A call that has
begun cannot be cancelled. If the awaiting task is cancelled, or asyncio.wait_for times out, the task goes on at once.
The call still runs to its end, and has its effects on the hub. Until then, the call takes the place of another call,
and the program does not end. To limit the time of a call, pass deadline= to the transport. After this time, the call
ends with CallOutcomeUnknown if it may have run.
"""

import asyncio
import sys
from xmlrpc.client import Error, ServerProxy

from krbxmlrpc import KerberosTransport


class AsyncHub:
    """A hub whose calls can be awaited. Make it in a coroutine. Its arguments go to `KerberosTransport`."""

    def __init__(self, url, at_a_time=8, **arguments):
        self.proxy = ServerProxy(url, transport=KerberosTransport(**arguments), allow_none=True)
        self.places = asyncio.Semaphore(at_a_time)

    async def call(self, method, *arguments):
        """Wait for a free place, then make a call."""
        await self.places.acquire()
        running = asyncio.ensure_future(asyncio.to_thread(getattr(self.proxy, method), *arguments))
        running.add_done_callback(lambda _: self.places.release())
        return await asyncio.shield(running)  # a cancelled task does not free the place: the call goes on

    def close(self):
        """Close the connections. Calls that have begun still get their replies."""
        self.proxy("close")()


async def main(url, cafile=None):
    """Make the calls and print their results; return the exit status."""
    hub = AsyncHub(url, cafile=cafile)
    try:
        methods = await hub.call("system.listMethods")
        calls = [hub.call("system.methodHelp", method) for method in methods]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)  # one failure hides no other result
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
