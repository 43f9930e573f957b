"""Make a thousand calls by a pool of threads, all on one transport, with a progress bar.

usage: thread_pool.py URL METHOD [CAFILE] <ARGUMENTS >RESULTS

Each line of standard input is the argument of one call, as JSON; each line of standard output says, as JSON, what came
of one, in the same order: {"argument": …, "result": …}, or {"argument": …, "error": …}. So

    seq 1000 | thread_pool.py https://hub.example.com/xmlrpc getTask >tasks

makes 1000 calls, and nothing of what failed is lost. The exit status is 1 if anything did. An error that all calls
would meet, as without a ticket, ends it: calls that have not begun are then not made. So does Ctrl-C.

The progress bar is tqdm's, if that is installed (pip install tqdm; krbxmlrpc does not need it), else a plain count. It
is shown on terminals only.
"""

import collections
import json
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from xmlrpc.client import Error, Fault, ServerProxy

from krbxmlrpc import CallOutcomeUnknown, InvalidResponse, KerberosTransport

try:
    from tqdm import tqdm
except ImportError:
    tqdm = None

THREADS = 8
OF_ONE_CALL = (Fault, CallOutcomeUnknown, InvalidResponse, TypeError, OverflowError)
"""Errors after which other calls may go well; the last two are those of arguments that XML-RPC has no room for."""


def read(lines):
    """Give the arguments that are in the lines."""
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} of standard input is not JSON: {error}") from error


def progress(calls, total):
    """Go through the calls, and show how many are through."""
    if tqdm is not None:
        yield from tqdm(calls, total=total, unit="call", disable=None)
        return
    for count, call in enumerate(calls, 1):
        yield call
        if sys.stderr.isatty():
            print(f"\r{count}/{total} calls", end="\n" if count == total else "", file=sys.stderr, flush=True)


def make_calls(method, arguments):
    """Make a call with each of the arguments; return the calls, in their order, when all are through.

    Each thread takes a connection of those that the transport keeps; a session that the server begins is for all.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(method, argument) for argument in arguments]
        try:
            for call in progress(as_completed(calls), len(calls)):
                if not isinstance(call.exception(), (type(None), *OF_ONE_CALL)):
                    break
        except KeyboardInterrupt:
            cancel(calls)
            print("interrupted: the calls that have begun are waited for", file=sys.stderr)
        cancel(calls)
    return calls


def cancel(calls):
    """Have those not made that have not begun."""
    for call in calls:
        call.cancel()


def outcome(call):
    """Return what came of a call, by a word."""
    if call.cancelled():
        return "error", "not called"
    error = call.exception()
    return ("result", call.result()) if error is None else ("error", f"{type(error).__name__}: {error}")


def main(url, method, cafile=None):
    """Make the calls and print what came of them; return the exit status."""
    arguments = list(read(sys.stdin))
    transport = KerberosTransport(cafile=cafile)
    with ServerProxy(url, transport=transport, allow_none=True) as hub:
        calls = make_calls(getattr(hub, method), arguments)
    failures = collections.Counter()
    for argument, call in zip(arguments, calls):
        kind, what = outcome(call)
        print(json.dumps({"argument": argument, kind: what}, default=str))
        if kind == "error":
            failures[what] += 1
    print(f"{len(calls)} calls, {sum(failures.values())} failed", file=sys.stderr)
    for what, count in failures.most_common():
        print(f"{count} times {what}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except (Error, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
