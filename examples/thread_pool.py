"""Make a thousand calls with a pool of threads, all on one transport, and show a progress bar.

usage: thread_pool.py URL METHOD [CAFILE] <ARGUMENTS >RESULTS

Each line of standard input is the argument of one call, in JSON. Each line of standard output is the result of one
call, in JSON and in the same order: {"argument": …, "result": …}, or {"argument": …, "error": …}. This command makes
1000 calls, and loses no failure:

    seq 1000 | thread_pool.py https://hub.example.com/xmlrpc getTask >tasks

The exit status is 1 if a call failed. If an error would end each call, for example because there is no ticket, the
program makes no more calls. Ctrl-C has the same effect. The calls that have begun still run to their end.

The progress bar comes from tqdm if tqdm is installed (pip install tqdm; krbxmlrpc does not need it). Otherwise it is a
plain count. It is shown on terminals only.
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
"""Errors of one call; other calls may succeed. The last two are for arguments that XML-RPC cannot express."""


def read(lines):
    """Yield the arguments in the lines."""
    for number, line in enumerate(lines, 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} of standard input is not JSON: {error}") from error


def progress(calls, total):
    """Yield the calls, and show how many have ended."""
    if tqdm is not None:
        yield from tqdm(calls, total=total, unit="call", disable=None)
        return
    for count, call in enumerate(calls, 1):
        yield call
        if sys.stderr.isatty():
            print(f"\r{count}/{total} calls", end="\n" if count == total else "", file=sys.stderr, flush=True)


def make_calls(method, arguments):
    """Make a call with each argument; return the calls, in the order of the arguments, when all have ended.

    Each thread takes a free connection of the transport. All threads share a session that the server begins.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        calls = [pool.submit(method, argument) for argument in arguments]
        try:
            for call in progress(as_completed(calls), len(calls)):
                if not isinstance(call.exception(), (type(None), *OF_ONE_CALL)):
                    break
        except KeyboardInterrupt:
            cancel(calls)
            print("interrupted: waiting for the calls that have begun", file=sys.stderr)
        cancel(calls)
    return calls


def cancel(calls):
    """Cancel the calls that have not begun."""
    for call in calls:
        call.cancel()


def outcome(call):
    """Return "result" or "error", and the result or the error of a call."""
    if call.cancelled():
        return "error", "not called"
    error = call.exception()
    return ("result", call.result()) if error is None else ("error", f"{type(error).__name__}: {error}")


def main(url, method, cafile=None):
    """Make the calls and print their results; return the exit status."""
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
