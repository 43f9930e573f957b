"""Reads HTTP/1.1 replies, strictly by RFC 9112; knows nothing of what is in them.

`http.client` reads leniently: of lengths that contradict each other it takes one, it takes a head that is cut off for a
whole one, and some replies keep it waiting for ever. Then a reply can be read in two ways, and the rest of one be taken
for the next. Here whatever is not plain is a `MalformedReply`, all of it is bounded, and a connection is called
reusable only where the reply has ended just where it said. No error quotes what the server sent.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPMessage, RemoteDisconnected
from typing import Any, List, Optional, Set, Tuple

READ = 64 * 1024
"""How many bytes are asked of the socket at a time."""

MAX_LINE = 64 * 1024
"""Bytes of one line of a head: room for the largest Kerberos token."""

MAX_LINES = 200
"""Lines of one head, and of the trailers behind a chunked body."""

MAX_INTERIM = 10
"""Interim replies (1xx) before the final one."""

MAX_CHUNK_LINE = 128
"""Bytes of the line in front of a chunk: sixteen digits, and some room for extensions, which nobody uses."""

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\0-\x08\x0a-\x1f\x7f]*))?")
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(rb"[\0-\x08\x0a-\x1f\x7f]")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\0-\x08\x0a-\x1f\x7f]*)?")


class MalformedReply(HTTPException):
    """A reply is not HTTP/1.1, contradicts itself, or ends too early."""


class Response:
    """One reply: what `http.client.HTTPResponse` is to a connection, as far as it is needed.

    Attributes:
        status, reason, version, headers: as there.
    """

    # http.client would close a connection that does not persist, and so the socket, before the body has been read.
    # Whether it can be kept is `reusable` for its owner to ask.
    will_close = False

    def __init__(self, sock: Any, debuglevel: int = 0, method: Optional[str] = None) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._left: Optional[int] = None  # bytes to the end of the body or chunk; None: to the end of the connection
        self._chunked = False
        self._between_chunks = False
        self._finished = False
        self._closed = False
        self.persistent = False
        self.status = 0
        self.reason = ""
        self.version = 11
        self.headers = HTTPMessage()

    # -- the head -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Read the head of the final reply.

        Raises:
            OSError: from the socket; `RemoteDisconnected` where it closed before it said anything.
            MalformedReply: the head is not one, or the body could be read in more than one way.
        """
        if not self._receive():
            raise RemoteDisconnected("the server closed the connection without a reply")
        for _ in range(MAX_INTERIM + 1):
            self._read_head()
            if self.status >= 200:
                self._find_end()
                return
            if self.status == 101:
                raise MalformedReply("the server switches to another protocol, unasked")
        raise MalformedReply("the server sends interim replies without end")

    def _read_head(self) -> None:
        found = _STATUS.fullmatch(self._line(MAX_LINE))
        if found is None:
            raise MalformedReply("the reply does not begin with an HTTP/1 status line")
        self.version = 10 + int(found[1])
        self.status = int(found[2])
        self.reason = (found[3] or b"").decode("latin-1").strip()
        self.headers = HTTPMessage()
        for name, value in self._fields():
            self.headers[name.decode("ascii")] = value.decode("latin-1")

    def _fields(self) -> List[Tuple[bytes, bytes]]:
        """Read header lines up to the empty one (RFC 9112, section 5)."""
        fields: List[Tuple[bytes, bytes]] = []
        for _ in range(MAX_LINES):
            line = self._line(MAX_LINE)
            if not line:
                return fields
            name, colon, value = line.partition(b":")
            if line[:1] in b" \t" and fields:  # section 5.2: an old way to go on with a value
                name, value = fields.pop()
                value += b" " + line.strip(b" \t")
            elif not colon or not _NAME.fullmatch(name):
                raise MalformedReply("the reply has a header line without a name")
            if _CONTROL.search(value):
                raise MalformedReply("the reply has a control character in its head")
            fields.append((name, value.strip(b" \t")))
        raise MalformedReply(f"the reply has more than {MAX_LINES} header lines")

    def _find_end(self) -> None:
        """Find out where the body ends (RFC 9112, section 6.3), and whether the connection persists (section 9.3)."""
        options = self._listed("Connection")
        self.persistent = "close" not in options and (self.version == 11 or "keep-alive" in options)
        lengths, codings = self._listed("Content-Length"), self._listed("Transfer-Encoding")
        if self.status in (204, 304):  # never a body; where one is announced all the same, better not wait for it
            self.persistent &= not lengths and not codings
            self._finished = True
        elif codings:
            if codings != {"chunked"} or len(self.headers.get_all("Transfer-Encoding", [])) > 1:
                raise MalformedReply("the reply has a Transfer-Encoding other than chunked")
            if lengths or self.version == 10:
                raise MalformedReply("the reply is chunked, and has a Content-Length or is of HTTP/1.0")
            self._chunked, self._left = True, 0
        elif lengths:
            length = lengths.pop()
            if lengths or not _LENGTH.fullmatch(length):
                raise MalformedReply("the reply has a Content-Length that is not one number")
            self._left = int(length)
            self._finished = not self._left
        else:
            self.persistent = False

    def _listed(self, name: str) -> Set[str]:
        """Return the members of a header that is a list, in lower case; repeated lines make one list."""
        return {
            member.strip(" \t").lower() for value in self.headers.get_all(name, []) for member in value.split(",")
        }

    def getheader(self, name: str, default: Any = None) -> Any:
        """Return the values of a header, joined by commas."""
        values = self.headers.get_all(name)
        return default if values is None else ", ".join(values)

    def getheaders(self) -> List[Tuple[str, str]]:
        """Return all names and values."""
        return self.headers.items()

    # -- the body -----------------------------------------------------------------------------------------------------

    def read(self, amt: Optional[int] = None) -> bytes:
        """Read up to `amt` bytes of the body, or all; nothing is returned only at its end.

        Raises:
            OSError: from the socket.
            MalformedReply: the body ends before the place that the head announced, or its chunks are not in order.
        """
        if amt is None:
            return b"".join(iter(lambda: self.read(READ), b""))
        if self._chunked and not self._left and not self.isclosed():
            self._next_chunk()
        if self.isclosed() or amt <= 0:
            return b""
        wanted = amt if self._left is None else min(amt, self._left)
        if not self._buffer and not self._receive(wanted):
            if self._left is not None:
                raise MalformedReply("the body ends before the place that was announced")
            self._finished = True
            return b""
        data = bytes(self._buffer[:wanted])
        del self._buffer[:wanted]
        if self._left is not None:
            self._left -= len(data)
            self._finished = not self._left and not self._chunked
        return data

    def _next_chunk(self) -> None:
        """Read what stands between chunks (RFC 9112, section 7.1)."""
        if self._between_chunks and self._line(2):
            raise MalformedReply("a chunk of the body is longer than announced")
        self._between_chunks = True
        found = _CHUNK.fullmatch(self._line(MAX_CHUNK_LINE))
        if found is None:
            raise MalformedReply("a chunk of the body has no proper size")
        self._left = int(found[1], 16)
        if not self._left:
            self._fields()  # trailers: nobody has use for them
            self._finished = True

    def isclosed(self) -> bool:
        """Say whether there is nothing more to be read."""
        return self._finished or self._closed

    def close(self) -> None:
        """Give up what is left of the body."""
        self._closed = True

    @property
    def reusable(self) -> bool:
        """Whether the connection stands just where the next reply begins."""
        return self._finished and self.persistent and not self._buffer

    # -- the socket ---------------------------------------------------------------------------------------------------

    def _receive(self, wanted: int = READ) -> bool:
        data = self._sock.recv(min(wanted, READ))
        self._buffer += data
        return bool(data)

    def _line(self, limit: int) -> bytes:
        """Read a line, without its end."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end > limit or (end < 0 and len(self._buffer) > limit):
                raise MalformedReply(f"the reply has a line of more than {limit} bytes")
            if end >= 0:
                break
            searched = len(self._buffer)
            if not self._receive():
                raise MalformedReply("the connection ended in the middle of a line")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line[:-1] if line.endswith(b"\r") else line
