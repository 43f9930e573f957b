"""Encodes calls and replies. Plain functions."""

from __future__ import annotations

import functools
from typing import Any, Callable
from xmlrpc.client import Fault, Marshaller, escape


def dumps(
    params: tuple[Any, ...] | Fault,
    methodname: str | None = None,
    methodresponse: bool | None = None,
    encoding: str | None = None,
    allow_none: bool = False,
    allow_i8: bool = False,
) -> str:
    """Encode a call or a reply as `xmlrpc.client.dumps` does, and larger integers as well.

    Args:
        params: the arguments of a call, the one value of a reply in a tuple, or a ``Fault``.
        methodname: the name of the method; it makes a call.
        methodresponse: ``True`` makes a reply. A ``Fault`` without ``methodname`` is always one.
        encoding: the encoding that the XML declares (UTF-8). The caller encodes the text.
        allow_none: whether None may be sent, as ``<nil/>``.
        allow_i8: whether integers of 33 to 64 bits may be sent, as ``<i8>``.

    Raises:
        OverflowError: an integer has more than 32 bits, or more than 64 bits with ``allow_i8``.
        TypeError: ``params`` has another type, or a value in it has a type that XML-RPC lacks.
        ValueError: a reply has not exactly one value.
    """
    if not isinstance(params, (tuple, Fault)):
        raise TypeError(f"params is of type {type(params).__name__}; accepted is a tuple or a Fault")
    if methodresponse and isinstance(params, tuple) and len(params) != 1:
        raise ValueError(f"params has {len(params)} values; a reply has exactly one")
    marshaller = Marshaller(encoding or "utf-8", allow_none)
    # Only this marshaller changes. The copy is made now, so it has the types that a program has added by now.
    marshaller.dispatch = {**marshaller.dispatch, int: functools.partial(_write_integer, allow_i8=allow_i8)}
    content = marshaller.dumps(params)
    declared = f" encoding='{encoding}'" if encoding and encoding != "utf-8" else ""
    start = f"<?xml version='1.0'{declared}?>\n"
    if methodname:
        name = f"<methodName>{escape(methodname)}</methodName>\n"
        return f"{start}<methodCall>\n{name}{content}</methodCall>\n"
    if methodresponse or isinstance(params, Fault):
        return f"{start}<methodResponse>\n{content}</methodResponse>\n"
    return content


def _write_integer(marshaller: Marshaller, value: int, write: Callable[[str], Any], *, allow_i8: bool) -> None:
    """Write an integer by the standard function, which refuses more than 32 bits before it writes anything."""
    try:
        Marshaller.dispatch[int](marshaller, value, write)
    except OverflowError:
        # The messages do not show the value: Python refuses to convert the largest integers to text.
        if not -(2**63) <= value < 2**63:
            raise OverflowError(
                "an integer is not in the range of <i8>, -2**63 to 2**63 - 1: send it as text"
            ) from None
        if not allow_i8:
            raise OverflowError(
                "an integer is not in the range of <int>, -2**31 to 2**31 - 1: pass allow_i8=True if the server reads "
                "<i8>, or send it as text"
            ) from None
        write(f"<value><i8>{value}</i8></value>\n")
