# PYTHON_ARGCOMPLETE_OK
"""The command ``krbxmlrpc``: it runs a subcommand and returns the exit status.

`options` reads the command line, `hubs` the named hubs, and `values` the arguments of a method. `console` writes the
output, and `waiting` shows what the command waits for. The transport makes the calls, and `check` makes the findings.
These two are imported only when they are needed, so that help and completion start fast.
"""

from __future__ import annotations

import argparse
import functools
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable

from .._hints import message_of, told
from ..errors import KerberosXMLRPCError
from .console import Wrong, can_show, give_up, harmless, has_colours, showable, to_json, write, write_all
from .options import TERMS, Target, build_parser, parse, target_of
from .values import as_json, read_arguments, read_params
from .waiting import Activity, watching

WORKED, FAULT, FAILED = 0, 1, 2
FOUND = 1  # check found a failure
INTERRUPTED, PIPE_CLOSED = 128 + signal.SIGINT, 128 + signal.SIGPIPE

_METHOD = re.compile(r"[!-%'-;=?-~]+")  # xmlrpc.client does not escape a method's name in the XML


def complain(text: str, hint: str | None = None) -> None:
    """Write an error and its hint to standard error. If that fails, the exit status alone tells of the error."""
    lines = ["krbxmlrpc: " + text.replace("\n", "\n    "), *([f"  hint: {told(hint, TERMS)}"] if hint else [])]
    if sys.stderr is not None:  # None: standard error is closed
        try:
            write_all(sys.stderr, harmless("\n".join(lines)) + "\n")
        except OSError:
            give_up(sys.stderr)


# -- the subcommands --------------------------------------------------------------------------------------------------


def call(options: argparse.Namespace, activity: Activity) -> int:
    """Run ``krbxmlrpc call``, and return the exit status."""
    if options.list:
        if options.arguments or options.params is not None:
            raise Wrong("--list calls no method, so it takes no ARG and no --params")
        return list_methods(options, activity)
    if options.method is None:
        raise Wrong("METHOD is missing; krbxmlrpc list shows the server's methods")
    if options.arguments and options.params is not None:
        raise Wrong("--params holds all arguments of the method, so there can be no ARG as well")
    _check_method(options.method)
    target = target_of(options)
    if options.params is not None:
        arguments = read_params(options.params, options.allow_none, options.allow_i8)
    else:
        arguments = read_arguments(options.arguments, options.allow_none, options.allow_i8)

    def work(transport: Any) -> None:
        # `values` has refused what the options do not allow.
        result = request(transport, target, options.method, arguments, activity)
        activity.when_interrupted = "interrupted: the call has run"
        _print_result(result, options.raw)

    activity.when_interrupted = "interrupted: the call was not sent"
    return _with_transport(target, activity, work, "interrupted: a call that was in progress may have run")


def list_methods(options: argparse.Namespace, activity: Activity) -> int:
    """Run ``krbxmlrpc list``, and return the exit status."""
    if options.method is not None:
        _check_method(options.method)
    target = target_of(options)

    def work(transport: Any) -> None:
        def ask(method: str, arguments: Sequence[Any]) -> Any:
            return request(transport, target, method, arguments, activity)

        _list(ask, options.method)

    hint = "the server does not list its methods: you cannot call system.listMethods"
    return _with_transport(target, activity, work, activity.when_interrupted, hint)


def _check_method(name: str) -> None:
    if not _METHOD.fullmatch(name):
        raise Wrong(f"METHOD is {name!r}; accepted is printable ASCII without spaces, <, > and &")


def _with_transport(
    target: Target, activity: Activity, work: Callable[[Any], None], when_sent: str, hint: str | None = None
) -> int:
    """Do some work with a transport, and return the exit status.

    Args:
        when_sent: the words to say if the user interrupts a call that may have been sent.
        hint: the hint for a Fault.
    """
    from xmlrpc.client import Fault

    def sent(done: int, total: int | None) -> None:
        activity.when_interrupted = when_sent
        activity.count("sent", done, total)
        if done == total:  # if the server asks for a ticket now, the wait can be for a KDC
            activity.begin(f"waiting for {target.server}, or for Kerberos")

    transport = target.transport(progress=(sent, functools.partial(activity.count, "received")))
    try:
        work(transport)
        return WORKED
    except Fault as fault:
        complain(f"Fault {fault.faultCode}: {fault.faultString}", hint)
        return FAULT
    finally:
        _close(transport)


def request(transport: Any, target: Target, method: str, arguments: Sequence[Any], activity: Activity) -> Any:
    """Call a method, and return its result."""
    from .._xmlrpc.encoding import dumps

    body = dumps(tuple(arguments), method, allow_none=True, allow_i8=True).encode()
    with activity.during(f"connecting to {target.server} and getting a ticket"):
        returned = transport.request(target.netloc, target.handler, body)
    return returned[0] if len(returned) == 1 else returned


def _print_result(result: Any, raw: bool) -> None:
    from xmlrpc.client import Binary

    if raw and isinstance(result, str):
        end = "\n" if sys.stdout.isatty() and not result.endswith("\n") else ""  # so that the prompt has its own line
        write((result + end).encode(), "the call worked, but ")
    elif raw and isinstance(result, Binary):
        write(result.data, "the call worked, but ")
    else:
        write(f"{to_json(as_json(result), sys.stdout)}\n", "the call worked, but ")


def _list(ask: Callable[[str, Sequence[Any]], Any], method: str | None) -> None:
    """Print the server's methods, or just one, with their signatures and help. `ask` calls a method of the server."""
    known = ask("system.listMethods", [])
    if not isinstance(known, list):
        raise Wrong("the server's answer to system.listMethods is not a list")
    names = [str(name) for name in known]
    if method is not None and method not in names:
        raise Wrong(f"the server has no method {method}; without METHOD, krbxmlrpc list shows all")
    for name in names if method is None else [method]:
        write("".join(f"{showable(line, sys.stdout)}\n" for line in _described(ask, name, names)))


def _described(ask: Callable[[str, Sequence[Any]], Any], name: str, names: list[str]) -> Iterator[str]:
    """Yield the lines that describe a method."""
    from inspect import cleandoc

    signatures = _asked(ask, "system.methodSignature", name, names)
    if not isinstance(signatures, list) or not signatures or not all(isinstance(known, list) for known in signatures):
        signatures = []
    for signature in signatures:
        returned, *taken = [str(word) for word in signature] or [""]
        yield f"{name}({', '.join(taken)})" + (f" -> {returned}" if returned else "")
    if not signatures:
        yield name
    text = _asked(ask, "system.methodHelp", name, names)
    if isinstance(text, str):
        yield from (f"    {line}".rstrip() for line in cleandoc(text).splitlines())


def _asked(ask: Callable[[str, Sequence[Any]], Any], question: str, name: str, names: list[str]) -> Any:
    """Ask the server about a method. Return None if the server cannot answer."""
    from xmlrpc.client import Fault

    if question not in names:
        return None
    try:
        return ask(question, [name])
    except Fault:
        return None


def _close(transport: Any) -> None:
    try:
        transport.close()
    except OSError as error:
        complain(f"the cookies of --cookiejar cannot be saved: {error}")


def check(options: argparse.Namespace, activity: Activity) -> int:
    """Run ``krbxmlrpc check``, and return the exit status."""
    from . import check as checking
    from .findings import State

    target = target_of(options)
    target.transport().close()  # raises an error if an option or a file of cookies is invalid
    examination = checking.Examination(target.scheme, target.netloc, target.handler, target.arguments)
    findings = []
    for finding in _with_waits(examination.run(), list(checking.STEPS), activity):
        findings.append(finding)
        if not options.json:
            write("".join(f"{line}\n" for line in _shown(finding, sys.stdout)))
    failed = [finding.step for finding in findings if finding.state is State.FAILED]
    if options.json:
        report = {"url": target.url, "ok": not failed, "steps": [_for_programs(finding) for finding in findings]}
        write(f"{to_json(report, sys.stdout)}\n")
    else:
        write(f"\nFailed: {', '.join(failed)}.\n" if failed else "\nNothing failed.\n")
    return FOUND if failed else WORKED


def _with_waits(findings: Iterator[Any], steps: Sequence[str], activity: Activity) -> Iterator[Any]:
    """Yield the finding of each step. While a step is under way, show its name."""
    for step in steps:
        with activity.during(f"testing {step}"):
            finding = next(findings)
        yield finding


def _for_programs(finding: Any) -> dict[str, Any]:
    return {
        "step": finding.step,
        "state": finding.state.value,
        "found": finding.found,
        "remedy": told(finding.remedy, TERMS),
        "facts": dict(finding.facts),
    }


# For each state: the mark, a word if the encoding does not have the mark, and the colour on a terminal (ECMA-48).
_MARKS = {
    "ok": ("✓", "ok  ", 32),
    "warning": ("!", "warn", 33),
    "failed": ("✗", "FAIL", 31),
    "skipped": ("–", "skip", 2),
}


def _shown(finding: Any, stream: Any) -> Iterator[str]:
    """Yield the lines that show a finding to a person."""
    from shutil import get_terminal_size
    from textwrap import wrap

    from .check import STEPS

    mark, word, colour = _MARKS[finding.state.value]
    mark = mark if can_show("✓✗–", stream) else word
    start = f"{mark} {finding.step:{max(map(len, STEPS))}}  "
    width = max(get_terminal_size().columns or 80, len(start) + 20) if stream.isatty() else sys.maxsize
    for text, indent in ((finding.found, start), (told(finding.remedy or "", TERMS), " " * (len(start) + 2))):
        lines = wrap(
            showable(text, stream),
            width - 1,
            initial_indent=indent,
            subsequent_indent=" " * len(indent),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            marked = line.startswith(mark) and has_colours(stream)
            yield f"\x1b[{colour}m{mark}\x1b[0m{line[len(mark) :]}" if marked else line


def hubs(options: argparse.Namespace, activity: Activity) -> int:
    """Run ``krbxmlrpc hubs``, and return the exit status."""
    from .hubs import all_hubs

    rows = [(f"@{hub.name}", hub.shown_url, hub.path) for hub in all_hubs(options.config)]
    widths = [max(map(len, column)) for column in list(zip(*rows))[:2]]
    for name, url, path in rows:
        write(f"{showable(f'{name:{widths[0]}}  {url:{widths[1]}}  {path}', sys.stdout)}\n")
    if not rows:
        complain("no hub is defined", "krbxmlrpc hubs --help shows how to define one")
    return WORKED


# -- the command ------------------------------------------------------------------------------------------------------

_COMMANDS: dict[str, Callable[[argparse.Namespace, Activity], int]] = {
    "call": call,
    "list": list_methods,
    "check": check,
    "hubs": hubs,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return the exit status.

    Args:
        arguments: the words after the command's name. The default is the command line of this process.

    Raises:
        SystemExit: the command line is wrong, or asks for help.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_ARGCOMPLETE" in os.environ:
        _complete(build_parser()[0])
    options = parse(words)
    return _run(_COMMANDS[options.command], options)


def _run(command: Callable[[argparse.Namespace, Activity], int], options: argparse.Namespace) -> int:
    is_shown = sys.stderr is not None and sys.stderr.isatty() and not options.verbose  # the log shows as much
    activity = Activity(sys.stderr if is_shown else None)
    try:
        if sys.stdout is None:
            raise Wrong("standard output is closed")
        with watching(activity, lambda: _interrupted(activity)), _logging(options.verbose):
            return command(options, activity)
    except Wrong as wrong:
        complain(str(wrong))
    except KerberosXMLRPCError as error:
        complain(f"{type(error).__name__}: {error.message}", error.hint)
    except KeyboardInterrupt:
        return _interrupted(activity)
    except BrokenPipeError:
        return PIPE_CLOSED
    except (OSError, ValueError) as error:  # ValueError: the URL is wrong
        complain(told(message_of(error), TERMS))
    return FAILED


def _interrupted(activity: Activity) -> int:
    activity.hide()
    complain(activity.when_interrupted)
    return INTERRUPTED


@contextmanager
def _logging(verbose: bool) -> Iterator[None]:
    """Write the log to standard error if `verbose` is true."""
    if not verbose:
        yield
        return
    logger = logging.getLogger("krbxmlrpc")
    handler, level = logging.StreamHandler(sys.stderr), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def _complete(parser: argparse.ArgumentParser) -> None:
    """If argcomplete is installed, give the shell the completions and exit."""
    try:
        import argcomplete
    except ImportError:
        return
    argcomplete.autocomplete(parser)
