"""The reply of an application that does not speak XML-RPC: whole (`Resource`), or in pieces (`StreamedResource`)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any, Callable, NamedTuple

from .._hints import told
from .._xmlrpc.decoding import described_type
from ..errors import KerberosXMLRPCError


class Resource(NamedTuple):
    """The reply of an application that does not speak XML-RPC; see `KerberosTransport.fetch`."""

    status: int
    """The HTTP status."""
    content_type: str
    """The ``Content-Type`` header, or ``""`` if there is none."""
    content: bytes
    """The body, decoded from its ``Content-Encoding``."""
    headers: http.client.HTTPMessage
    """The headers. Lookup ignores the case of names, and repeated headers are kept. The values are texts with a blank
    ``repr``, because some of them can be secrets."""

    def json(self) -> Any:
        """Return the value of the content, which has to be JSON in UTF-8, whatever its ``Content-Type`` says.

        Raises:
            ValueError: the content is not JSON. The message tells the status and the ``Content-Type``, and no content.

        Source: RFC 8259, section 8.1.
        """
        try:
            return json.loads(self.content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            where = f" from line {error.lineno} on" if isinstance(error, json.JSONDecodeError) else ""
            what = "is empty" if not self.content else f"is not JSON{where} ({type(error).__name__})"
        content_type = described_type(self.content_type, is_verified=False)
        # The error is not the cause of this one, because it holds the content.
        raise ValueError(
            f"the content {what}; the reply has the status {self.status} and the content type {content_type}"
        )


class StreamedResource:
    """A verified reply in pieces: an iterator of bytes; see ``stream`` of `KerberosTransport.fetch`.

    The pieces are decoded from their ``Content-Encoding``. The last piece gives the connection back. To stop earlier,
    call `close`, or use the reply in a ``with`` block. One thread at a time can read it.

    Attributes:
        status: the HTTP status.
        content_type: the ``Content-Type`` header, or ``""`` if there is none.
        headers: the headers, as in `Resource`.

    Raises:
        ValueError: from an iteration after `close`.
        KerberosXMLRPCError: from an iteration: the pieces so far are not the whole body. As from a call, the error is
            `ResponseTooLarge` if the body is over the limit, and `BrokenReply` if the connection broke.
    """

    def __init__(
        self,
        status: int,
        content_type: str,
        headers: http.client.HTTPMessage,
        pieces: Iterator[bytes],
        give_back: Callable[[], None],
        argument_names: Mapping[str, str],
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.headers = headers
        self._pieces = pieces
        self._give_back = give_back
        self._argument_names = argument_names
        self._is_open = True
        self._has_ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._is_open and not self._has_ended:
            raise ValueError("the reply is closed, and the rest of its body is lost: read it before close()")
        try:
            return next(self._pieces)
        except BaseException as error:
            if isinstance(error, KerberosXMLRPCError):
                error.hint = told(error.hint, self._argument_names)
            self._has_ended = isinstance(error, StopIteration)
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back. The transport drops the connection if the body has not been read to its end."""
        if self._is_open:
            self._is_open = False
            self._give_back()

    def __enter__(self) -> StreamedResource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    __del__ = close

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with status {self.status}>"
