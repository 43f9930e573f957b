"""Reads HTTP/1.1 replies, strictly by RFC 9112. This module knows nothing of their contents.

`http.client` reads leniently: it picks one of several contradicting lengths, it accepts a truncated head, and some
replies keep it waiting forever. Then a reply can be read in two ways, and the rest of one reply can be taken for the
next. This module raises `MalformedReply` for any ambiguous reply, and bounds every part of a reply. A connection counts
as reusable only if the reply has ended exactly at its announced end. No error quotes text that the server sent.
"""

from __future__ import annotations

import functools
import io
import re
import ssl
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage, RemoteDisconnected
from typing import Any, Callable

from .._secrets import Secret, SecretBuffer, SecretBytes
from .progress import Meter, Report

READ = 16 * 1024
"""Ask the socket for this many bytes at a time, the most that TLS delivers at once. If we asked for more, Python would
allocate a larger buffer for each piece of a body and then shrink it. The gaps would cost up to half as much memory
again. Receiving into one buffer (``recv_into``) is not faster, because each piece has to be copied out of the buffer.
"""

MAX_LINE = 64 * 1024
"""Bytes of one line of a head: enough for the largest Kerberos token."""

MAX_LINES = 200
"""Lines of one head, and of the trailers after a chunked body."""

MAX_HEAD = 512 * 1024
"""Bytes of one head."""

MAX_INTERIM = 10
"""Interim replies (1xx) before the final one."""

MAX_CHUNK_LINE = 128
"""Bytes of the line before a chunk: enough for fifteen digits and for short extensions, which nobody uses."""

_STATUS = re.compile(r"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (.*))?")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_ALLOWED = bytes({*range(256)} - {*range(32), 127} | {*b"\t\r\n"})  # other control characters are forbidden
_TLS_ALERT = b"\x15\x03"  # the content type, and the first byte of the version (RFC 8446, section 5.1)
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\0-\x08\x0a-\x1f\x7f]*)?")
_KEEP_ALIVE = re.compile(r"(?:^|[,;\s])timeout\s*=\s*\"?([0-9]{1,9})\b", re.IGNORECASE)


class MalformedReply(HTTPException):
    """A reply is not HTTP/1, contradicts itself, exceeds a limit, or ends too early."""


class TLSReply(MalformedReply):
    """A reply over plain HTTP is a TLS alert: the port speaks TLS."""

    def __init__(self) -> None:
        super().__init__("it is a TLS alert, so the port speaks TLS")


class Response(io.BufferedIOBase):
    """One reply, with the interface of `http.client.HTTPResponse`, which hooks of subclasses expect.

    As a stream of `io` it is a context manager, can be wrapped, and has ``readline`` and iteration, too.

    Args:
        sock: the socket, or another object with a method ``recv``.
        debuglevel: whether `verbose` is set for the call.
        received: the bytes of the reply that have been read already.
        method: the method of the request. Replies to CONNECT and HEAD have no body, even if their heads announce one.

    Attributes:
        status, reason, version, headers: as in `http.client.HTTPResponse`.
        persistent: whether the server keeps the connection.
        ends_with_connection: whether the body ends when the connection ends, because the head announces no length.
        needs_clean_end: whether such a body needs a clean end of the connection. Set this to False only if the body
            itself shows whether it is complete.
        is_verified: whether the server has proved that it sent the reply. Errors quote only such replies.
    """

    def __init__(self, sock: Any, debuglevel: int = 0, received: bytes = b"", method: str = "POST") -> None:
        self._recv = sock.recv
        self._method = method
        self._buffer = SecretBuffer(received)  # received and not yet used
        self._names: list[tuple[str, str]] = []
        self._values: dict[str, list[str]] = {}
        self._left: int | None = None  # bytes to the end of the body or chunk; None: to the end of the connection
        self._chunked = False
        self._between_chunks = False
        self._finished = False
        self._closed = False
        self._ended_uncleanly = False
        self._meter: Meter | None = None
        self.debuglevel = debuglevel
        self.persistent = False
        self.ends_with_connection = False
        self.needs_clean_end = True
        self.is_verified = False
        self.status = 0
        self.reason = ""
        self.version = 11

    # -- the head -----------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Read the head of the final reply.

        Raises:
            OSError: from the socket; `RemoteDisconnected` if the server closed the connection before it sent anything.
            MalformedReply: the head is malformed, or the body could be read in more than one way.
        """
        if not self._buffer and not self._fill():
            raise RemoteDisconnected("the connection was closed without a reply")
        for _ in range(MAX_INTERIM + 1):
            self._read_head()
            if self.status >= 200:
                self._find_end()
                return
            if self.status == 101:
                raise MalformedReply("the server switches to another protocol, unasked")
        raise MalformedReply("the server sends interim replies without end")

    def _read_head(self) -> None:
        """Read a status line, and the header lines up to the empty line."""
        end = searched = 0
        while not end:
            end = _end_of_head(self._buffer, searched)
            if (end or len(self._buffer)) > MAX_HEAD:
                raise MalformedReply(f"the reply has a head of more than {MAX_HEAD} bytes")
            searched = max(0, len(self._buffer) - 2)
            if not end and not self._fill():
                self._raise_if_tls()
                raise MalformedReply("the connection ended in the middle of the head")
        self._raise_if_tls()
        start, *fields = _split_lines(SecretBytes(self._buffer[:end]))
        del self._buffer[:end]
        found = _STATUS.fullmatch(start)
        if found is None:
            raise MalformedReply("the reply does not begin with an HTTP/1 status line")
        self.version = 10 + int(found[1])
        self.status = int(found[2])
        self.reason = (found[3] or "").strip()
        self._names = parse_fields(fields)
        self._values = {}
        for name, value in self._names:
            self._values.setdefault(_lower_name(name), []).append(value)

    def _raise_if_tls(self) -> None:
        if self._buffer.startswith(_TLS_ALERT):
            raise TLSReply

    def _find_end(self) -> None:
        """Determine the end of the body (RFC 9112, section 6.3) and whether the connection persists (section 9.3)."""
        if self._method == "CONNECT" and self.status < 300:
            # RFC 9110, section 9.3.6: the tunnel begins here, even if the head announces a body.
            self.persistent = self._finished = True
            return
        options = self._members("connection")
        self.persistent = "close" not in options and (self.version == 11 or "keep-alive" in options)
        lengths, codings = self._members("content-length"), self._members("transfer-encoding")
        if self._method == "HEAD":  # the head announces the body that GET would have brought
            self._finished = True
        elif self.status in (204, 304):  # never a body; if one is announced, drop the connection
            self.persistent &= not lengths and not codings
            self._finished = True
        elif codings:
            if [value.lower() for value in self.values("transfer-encoding")] != ["chunked"]:
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
            self.ends_with_connection, self.persistent = True, False

    def _members(self, name: str) -> set[str]:
        """Return the members of a list header, in lower case. Repeated lines make one list."""
        values = self._values.get(name)
        if values is None:
            return set()
        if len(values) == 1 and "," not in values[0]:
            return {values[0].lower()}
        return {member.strip(" \t").lower() for value in values for member in value.split(",")}

    def values(self, name: str) -> list[str]:
        """Return the values of a header, one for each of its lines. Pass the name in lower case."""
        return self._values.get(name, [])

    def getheader(self, name: str, default: Any = None) -> Any:
        """Return the values of a header, joined by commas."""
        values = self._values.get(name.lower())
        return default if values is None else Secret(", ".join(values))

    def getheaders(self) -> list[tuple[str, str]]:
        """Return all names and values."""
        return self._names[:]

    @property
    def headers(self) -> HTTPMessage:
        """All headers. Build them on demand, because building takes as long as the rest of reading a head."""
        message = HTTPMessage()
        for name, value in self._names:
            message[name] = value
        return message

    # `http.client.HTTPResponse` has more than one name for some of its parts.

    msg = headers

    def info(self) -> HTTPMessage:
        """Return all headers."""
        return self.headers

    def getcode(self) -> int:
        """Return the status."""
        return self.status

    code = property(getcode)

    @property
    def will_close(self) -> bool:
        """Whether the connection ends after this reply."""
        return not self.persistent

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks (RFC 9112, section 7.1)."""
        return self._chunked

    @property
    def length(self) -> int | None:
        """The bytes that are left of the body; None if the head does not announce the length."""
        return None if self._chunked else self._left if not self.isclosed() else 0

    # -- the body -----------------------------------------------------------------------------------------------------

    def read_from(self, sock: Any) -> None:
        """Receive the rest of the reply from another object with a method ``recv``."""
        self._recv = sock.recv

    def report_to(self, report: Report) -> None:
        """Report to a function how much of the body has been read, from now on. Say nothing if there is no body."""
        if not self.isclosed():
            self._meter = Meter(report, None if self._chunked else self._left)

    def read(self, amt: int | None = None) -> bytes:
        """Read `amt` bytes of the body, or all of it if there are fewer, or if `amt` is None or negative.

        Raises:
            OSError, MalformedReply: as from `read1`.
        """
        if amt is None or amt < 0:
            return b"".join(iter(self.read1, b""))
        pieces = []
        while amt > 0:
            piece = self.read1(amt)
            if not piece:
                break
            pieces.append(piece)
            amt -= len(piece)
        return b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        """Read bytes of the body into a buffer; return how many. Fewer than its length mean the end of the body."""
        return self._read_into(buffer, self.read)

    def readinto1(self, buffer: Any) -> int:
        """Read bytes of the body into a buffer; return how many. No bytes mean the end of the body."""
        return self._read_into(buffer, self.read1)

    def _read_into(self, buffer: Any, read: Callable[[int], bytes]) -> int:
        with memoryview(buffer).cast("B") as view:
            data = read(len(view))
            view[: len(data)] = data
        return len(data)

    def read1(self, amt: int = READ) -> bytes:
        """Read up to `amt` bytes of the body, as they come. Return no bytes only at the end of the body.

        Raises:
            OSError: from the socket.
            MalformedReply: the body ends before its announced end, or its chunks are malformed. Or the body ends with
                the connection, the connection ended uncleanly, and `needs_clean_end` is set.
        """
        amt = READ if amt < 0 else amt
        if self._chunked and not self._left and not self.isclosed():
            self._next_chunk()
        if self.isclosed() or not amt:
            return b""
        wanted = amt if self._left is None else min(amt, self._left)
        if self._buffer:
            data = bytes(self._buffer[:wanted])
            del self._buffer[:wanted]
        else:
            data = self._receive(min(wanted, READ))
        if self._left is None:
            if self._ended_uncleanly and self.needs_clean_end:
                raise MalformedReply("the connection broke off, and only its end can show where the body ends")
            self._finished = not data
        elif not data:
            raise MalformedReply("the body ends before its announced end")
        else:
            self._left -= len(data)
            self._finished = not self._left and not self._chunked
        if self._meter is not None and data:
            self._meter.add(len(data))
        return data

    def _next_chunk(self) -> None:
        """Read the line end after the previous chunk, if any, and the size of the next one (RFC 9112, section 7.1)."""
        if self._between_chunks and self._line(2):
            raise MalformedReply("a chunk of the body is longer than announced")
        self._between_chunks = True
        found = _CHUNK.fullmatch(self._line(MAX_CHUNK_LINE))
        if found is None:
            raise MalformedReply("a chunk of the body has no valid size")
        self._left = int(found[1], 16)
        if not self._left:
            self._read_trailers()
            self._finished = True

    def _read_trailers(self) -> None:
        """Read and discard the header lines after the last chunk."""
        lines = SecretBytes()
        for _ in range(MAX_LINES):
            line = self._line(MAX_LINE)
            if not line:
                parse_fields(_split_lines(SecretBytes(lines + b"\r\n")) if lines else [])
                return
            lines = SecretBytes(lines + line + b"\r\n")
            if len(lines) > MAX_HEAD:
                raise MalformedReply(f"the reply has trailers of more than {MAX_HEAD} bytes")
        raise MalformedReply(f"the reply has more than {MAX_LINES} header lines")

    def isclosed(self) -> bool:
        """Say whether there is nothing more to read."""
        return self._finished or self._closed

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def readable(self) -> bool:
        """Return True: it is a stream to read from."""
        return True

    def close(self) -> None:
        """Discard the rest of the body."""
        self._closed = True

    @property
    def has_begun(self) -> bool:
        """Whether any byte of the reply has come."""
        return bool(self._buffer or self.status)

    @property
    def reusable(self) -> bool:
        """Whether the connection is exactly at the start of the next reply."""
        return self._finished and self.persistent and not self._buffer

    # -- the socket ---------------------------------------------------------------------------------------------------

    def _receive(self, size: int) -> SecretBytes:
        """Receive up to `size` bytes; no bytes if the connection has ended.

        An unclean end matters only for a body that ends with the connection (RFC 9112, sections 8 and 9.8). All other
        parts of a reply announce their ends.
        """
        try:
            return SecretBytes(self._recv(size))
        except (ssl.SSLError, ConnectionResetError) as error:
            is_reset = isinstance(error, ConnectionResetError)
            if not (self.ends_with_connection if is_reset else is_end_without_notice(error)):
                raise
            self._ended_uncleanly = True
            return SecretBytes()

    def _fill(self) -> bool:
        """Receive more bytes of the reply into the buffer. Return whether any came."""
        data = self._receive(READ)
        self._buffer += data
        return bool(data)

    def _line(self, limit: int) -> SecretBytes:
        """Read a line, without its end."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end > limit or (end < 0 and len(self._buffer) > limit):
                raise MalformedReply(f"the reply has a line of more than {limit} bytes")
            if end >= 0:
                break
            searched = len(self._buffer)
            if not self._fill():
                raise MalformedReply("the connection ended in the middle of a line")
        line = SecretBytes(self._buffer[: end - self._buffer.endswith(b"\r", 0, end)])
        del self._buffer[: end + 1]
        return line


def header_of(response: Any, name: str) -> str:
    """Return a header of a reply, ``""`` if there is none. A file, which hooks may use as a reply, has no headers."""
    return response.getheader(name, "") or "" if hasattr(response, "getheader") else ""


def is_end_without_notice(error: OSError) -> bool:
    """Say whether the connection has ended without TLS's notice of its end (RFC 8446, section 6.1: close_notify).

    Many servers send no such notice. But anybody on the network path can also end a connection like that.
    """
    # Before Python 3.10, ssl has no class of its own for this error of OpenSSL 3.
    return isinstance(error, ssl.SSLEOFError) or getattr(error, "reason", None) == "UNEXPECTED_EOF_WHILE_READING"


def _end_of_head(data: bytearray, start: int) -> int:
    """Return the end of the head, after its first empty line; 0 if no empty line has come. Search from `start` on."""
    end = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, len(data) if end < 0 else end + 1)
    if bare >= 0:
        return bare + 2
    return 0 if end < 0 else end + 3


def without_interim(data: SecretBytes) -> SecretBytes:
    """Return the data without complete interim replies (RFC 9110, section 15.2) at its start."""
    while data[9:10] == b"1" and data[9:12] != b"101":
        end = _end_of_head(SecretBuffer(data), 0)
        if not end:
            break
        data = SecretBytes(data[end:])
    return data


def _split_lines(head: SecretBytes) -> list[Secret]:
    """Return the lines of a head without line ends, and without the empty line at the end of the head."""
    if head.translate(None, _ALLOWED) or head.count(b"\r") != head.count(b"\r\n"):
        raise MalformedReply("the reply has a control character in its head")
    return list(map(Secret, head.decode("latin-1").replace("\r\n", "\n").split("\n")[:-2]))


def parse_fields(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return names and values of header lines (RFC 9112, section 5). `repr` does not show the values."""
    if len(lines) >= MAX_LINES:
        raise MalformedReply(f"the reply has more than {MAX_LINES} header lines")
    fields: list[tuple[str, str]] = []
    for line in lines:
        if len(line) > MAX_LINE:
            raise MalformedReply(f"the reply has a header line of more than {MAX_LINE} bytes")
        colon = line.find(":")
        if colon > 0 and _lower_name(line[:colon]):
            fields.append((line[:colon], Secret(line[colon + 1 :].strip(" \t"))))
        elif line.startswith((" ", "\t")) and fields:  # section 5.2: an obsolete way to continue a value
            name, value = fields.pop()
            fields.append((name, Secret(f"{value} {line.strip()}".strip())))
        else:
            raise MalformedReply("the reply has a header line without a name")
    return fields


@functools.lru_cache(maxsize=256)
def _lower_name(name: str) -> str:
    """Return the name of a header in lower case, "" if it is not valid. Cached, because the same names recur."""
    return name.lower() if _NAME.fullmatch(name) else ""


@functools.lru_cache(maxsize=64)
def keep_alive_seconds(value: str) -> int | None:
    """Return the idle seconds until the server closes the connection, from ``Keep-Alive``; None if it does not say.

    Source: RFC 2068, section 19.7.1.1, defines the header. Only its ``timeout`` is still useful.
    """
    found = _KEEP_ALIVE.search(value)
    return None if found is None else int(found[1])
