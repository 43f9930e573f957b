"""Interrupts functions at each of their steps, as a signal handler that raises an exception can."""

import dis
import sys


class Interruption(BaseException):
    """The exception of the signal handler."""


def interrupt(work, functions, number, after_calls=False):
    """Do work, and raise `Interruption` at one step of some functions.

    Args:
        work: calls the functions.
        functions: the functions to interrupt.
        number: the number of the step, counted from 0. A step is an instruction of the interpreter.
        after_calls: count only steps after a call. Since Python 3.10, an exception of a signal handler comes only
            there, at the start of a function, and at the end of a loop's pass.

    Returns:
        Whether the work had so many steps.
    """
    codes = {function.__code__ for function in functions}
    left = number
    before = {}  # the last instruction of each frame

    def at_step(frame, event, argument):
        nonlocal left
        if event != "opcode":
            return at_step
        code = frame.f_code.co_code
        last, before[frame] = before.get(frame), frame.f_lasti
        if after_calls and (last is None or not dis.opname[code[last]].startswith("CALL")):
            return at_step
        left -= 1
        if left < 0:
            sys.settrace(former)
            raise Interruption
        return at_step

    def at_call(frame, event, argument):
        if frame.f_code not in codes:
            return None
        frame.f_trace = at_step  # first: Python 3.13 ignores the next line otherwise
        frame.f_trace_opcodes = True
        return at_step

    former = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks at this when `settrace` is called
    sys.settrace(at_call)
    try:
        work()
    except Interruption:
        return True
    finally:
        sys.settrace(former)
        before.clear()
    return False
