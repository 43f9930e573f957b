"""Turns a body into values, within limits; knows nothing of where the body came from.

What it is given is streamed: no more than one piece is held beside what the XML parser makes of it. What expat keeps
by itself is bounded, too: open tags, names, and a token that has not come to its end.
"""

from __future__ import annotations

import re
import zlib
from typing import Any, Callable, Iterable, Iterator, Tuple
from xml.parsers.expat import ExpatError, errors
from xmlrpc.client import Fault, ResponseError, Unmarshaller

import defusedxml
from defusedxml.xmlrpc import DefusedExpatParser

from .._hints import Hint
from ..errors import InvalidResponse, ResponseTooLarge, UnsafeResponse

PIECE = 64 * 1024
"""How many bytes are read, and decompressed, at a time."""

MAX_DEPTH = 512
"""Elements within each other. A value within another takes three: lists or structs can be some 170 deep."""

MAX_TOKEN = 64 * 1024
"""Bytes of one tag, comment or processing instruction that has not ended when a piece has. Text comes in parts."""

MAX_NAMES = 8 * 1024
"""Characters of all different names of elements and attributes. XML-RPC has some twenty names."""

_GZIP = 16 + zlib.MAX_WBITS

_XML = re.compile(
    r'(?:(?:text|application)/xml|[^/;,\s]+/[^/;,\s]+\+xml)[ \t]*(?:;(?:[^,"]|"[^"]*")*)?', re.IGNORECASE
)
_INVALID = errors.codes[errors.XML_ERROR_INVALID_TOKEN]
_CUT_OFF = {
    errors.codes[error]
    for error in (
        errors.XML_ERROR_NO_ELEMENTS,
        errors.XML_ERROR_PARTIAL_CHAR,
        errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        errors.XML_ERROR_UNCLOSED_TOKEN,
    )
}


class _BoundedUnmarshaller(Unmarshaller):
    """The standard one, with a bounded depth, and no slower for that: it makes the same values with fewer steps."""

    data: Any

    def __init__(self, use_datetime: bool, use_builtin_types: bool) -> None:
        super().__init__(use_datetime=use_datetime, use_builtin_types=use_builtin_types)
        self._depth = 0
        self.data = self._data.append

    def start(self, tag: str, attrs: Any) -> None:
        """Begin an element."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidResponse(f"the XML of the reply is nested more than {MAX_DEPTH} elements deep")
        self._data.clear()
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag == "value":
            self._value = True
            return
        if self._value:
            if tag not in self.dispatch:
                raise ResponseError(f"unknown tag {tag!r}")
            self._value = False
        if tag in ("array", "struct"):
            self._marks.append(len(self._stack))

    def end(self, tag: str) -> None:
        """End an element."""
        self._depth -= 1
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag == "value":
            if self._value:
                self.append("".join(self._data))
                self._value = False
        elif tag in self.dispatch:
            self.dispatch[tag](self, "".join(self._data))


class _BoundedParser(DefusedExpatParser):
    """Refuses DTDs and entities, and whatever makes expat keep more than the values need."""

    def __init__(self, target: Unmarshaller) -> None:
        super().__init__(target, forbid_dtd=True)
        self._parser: Any
        self._target: Any
        self._parser.buffer_text = True  # text comes in large pieces then, not a line at a time
        if hasattr(self._parser, "SetReparseDeferralEnabled"):
            self._parser.SetReparseDeferralEnabled(False)  # newer versions wait as `feed` does, without saying it
        self._parser.XmlDeclHandler = self._declared
        self._encoding = "utf-8"
        self._waiting = bytearray()
        self._parsed = 0  # bytes
        self._unfinished = 0  # bytes of them, at their end
        self._last = b""

    def _declared(self, version: str, encoding: Any, standalone: int) -> None:
        self._encoding = (encoding or self._encoding).lower()

    def feed(self, data: Any) -> None:
        """Parse a piece, which is bytes; raise ExpatError or ResponseError where it is not good XML."""
        self._waiting += data
        # A token that is not complete is parsed again from its start: not before there is twice as much of it. And each
        # time ends a part of a text, which is a string of its own: so small pieces of a large body are put together.
        if len(self._waiting) >= max(self._unfinished, min(self._parsed // 16, PIECE)):
            self._parse()

    def _parse(self, final: bool = False) -> None:
        data, self._waiting = self._waiting, bytearray()
        try:
            self._parser.Parse(data, final)
        except ExpatError as error:
            at = self._parser.ErrorByteIndex
            if error.code == _INVALID and self._encoding == "utf-8":
                _check_utf8(self._last + data, at - self._parsed + len(self._last), at)
            raise
        if final:
            return
        self._parsed += len(data)
        self._unfinished = self._parsed - self._parser.CurrentByteIndex
        kept = max(self._unfinished, 3)  # a character can begin there
        self._last = bytes(self._last + data[-kept:])[-kept:]
        if self._unfinished > MAX_TOKEN:
            raise InvalidResponse(f"the XML of the reply has a tag or comment of more than {MAX_TOKEN} bytes")
        if sum(map(len, self._parser.intern)) > MAX_NAMES:
            raise InvalidResponse(f"the XML of the reply has more than {MAX_NAMES} characters in different names")

    def close(self) -> None:
        """Parse what is left; errors as of `feed`."""
        try:
            self._parse(final=True)
        finally:
            del self._target, self._parser  # each holds the other


def _check_utf8(data: bytes, start: int, at: int) -> None:
    """Raise ResponseError if no character of UTF-8 begins at `start`, which is at `at` in the body."""
    try:
        data[start : start + 4].decode()
    except UnicodeDecodeError as error:
        if not error.start:
            raise ResponseError(f"it is not UTF-8, from byte {at} on") from error


def make_parser(use_datetime: bool, use_builtin_types: bool) -> Tuple[Any, Unmarshaller]:
    """Return an XML parser that refuses what XML-RPC never needs, and the unmarshaller that it feeds."""
    unmarshaller = _BoundedUnmarshaller(use_datetime, use_builtin_types)
    return _BoundedParser(unmarshaller), unmarshaller


def body(read: Callable[[int], bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Yield a body in pieces, its ``Content-Encoding`` undone.

    Args:
        read: returns up to so many bytes of it, nothing at its end.
        limit: how many bytes it may have, as it is sent and, by itself, as it is decoded.

    Raises:
        ResponseTooLarge: it has more.
        InvalidResponse: the encoding is not gzip, or the body not what it claims to be.
    """
    pieces = limited(iter(lambda: read(PIECE), b""), limit, "encoded")
    return limited(decompressed(pieces, encoding), limit, "decoded") if encoding else pieces


def limited(pieces: Iterable[bytes], limit: int, what: str) -> Iterator[bytes]:
    """Pass pieces on until they come to more than `limit` bytes, then raise ResponseTooLarge."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise ResponseTooLarge(
                f"the {what} body of the reply is over the limit of {limit} bytes",
                limit=limit,
                hint=Hint("if it has to be that large, raise {args.max_response_bytes}"),
            )
        yield piece


def decompressed(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo a ``Content-Encoding`` (RFC 9110, section 8.4.1), never more than a piece at a time."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from pieces
    elif name in ("gzip", "x-gzip"):
        yield from _gunzipped(pieces)
    else:
        raise InvalidResponse(f"the body of the reply has Content-Encoding {encoding[:200]!a}; accepted is gzip")


def _gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unzip: Any = None
    what = "the body of the reply is not the gzip data that it claims to be"
    try:
        for piece in pieces:
            if unzip is not None and unzip.eof:
                piece = piece.lstrip(b"\0")
            while piece:
                if unzip is None:
                    unzip = zlib.decompressobj(_GZIP)
                elif unzip.eof:  # RFC 1952, section 2.2: members simply follow each other; often zeros do, too
                    unzip = zlib.decompressobj(_GZIP)
                    what = "what follows the gzip data in the body of the reply is not gzip data"
                data = unzip.decompress(piece, PIECE)
                piece = unzip.unconsumed_tail or unzip.unused_data.lstrip(b"\0")
                if data:
                    yield data
    except zlib.error as error:
        raise InvalidResponse(f"{what}: {error}") from error
    if unzip is not None and not unzip.eof:
        raise InvalidResponse("the gzip data of the reply ends too early")


def decode(pieces: Iterable[bytes], parser: Any, unmarshaller: Any, content_type: str) -> Any:
    """Feed pieces to a parser; return the values that its unmarshaller makes of them.

    Args:
        content_type: what the sender says it is; nothing where it does not say. Parameters do not count.

    Raises:
        xmlrpc.client.Fault: the body holds one.
        UnsafeResponse: the XML has a document type declaration or entities.
        InvalidResponse: the body is not an XML-RPC response; one of a type that is not XML is not looked at.
    """
    if content_type and not _XML.fullmatch(content_type):
        raise _not_xmlrpc(content_type, "expected is text/xml, application/xml or one that ends in +xml")
    try:
        return _parsed(pieces, parser, unmarshaller)
    except (Fault, InvalidResponse):
        raise
    except defusedxml.DefusedXmlException as error:
        raise UnsafeResponse(
            "the XML of the reply was refused: it has a document type declaration or entities, which no XML-RPC needs",
            hint="tell the server's operator: this is an attack, or not an XML-RPC server",
        ) from error
    except ExpatError as error:
        raise _not_xmlrpc(content_type, f"{'it is cut off: ' if error.code in _CUT_OFF else ''}{error}") from error
    except ResponseError as error:
        raise _not_xmlrpc(content_type, *error.args or ("it is XML without values",)) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What the standard unmarshaller raises for well-formed XML that breaks the XML-RPC specification.
        raise _not_xmlrpc(content_type, f"{type(error).__name__}: {error}") from error


def _parsed(pieces: Iterable[bytes], parser: Any, unmarshaller: Any) -> Any:
    """Do what `decode` does; errors are the standard ones."""
    empty = True
    for piece in pieces:
        empty = False
        parser.feed(piece)
    if empty:
        raise ResponseError("it is empty")
    parser.close()
    values = unmarshaller.close()
    if unmarshaller.getmethodname() is not None:
        raise ResponseError("it is a method call")
    return values


def _not_xmlrpc(content_type: str, reason: str) -> InvalidResponse:
    return InvalidResponse(
        f"the body of the reply is not an XML-RPC response; its content type is {content_type[:200]!a} "
        f"({ascii(reason[:200])[1:-1]})",
        hint=Hint(
            "check the path of the URL; an error page answers like this too, and so does a login form: where the "
            "server has a page for logins by ticket, name it by {args.login_path}"
        ),
    )
