"""Turns a body into values, within limits. The source of the body does not matter.

The body is streamed: the module holds only a few pieces of the body, and the values that the XML parser has made. The
memory of expat is limited, too: open tags, names, and an unfinished token.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Callable
from xml.parsers.expat import ExpatError, errors
from xmlrpc.client import Fault, ResponseError, Unmarshaller

import defusedxml
from defusedxml.xmlrpc import DefusedExpatParser

from .._hints import Hint
from ..errors import InvalidResponse, ResponseTooLarge, UnsafeResponse

PIECE = 64 * 1024
"""The number of bytes that are read, and decompressed, at a time."""

MAX_DEPTH = 512
"""The deepest nesting of elements. A nested value takes three elements: lists or structs can nest some 170 deep."""

MAX_TOKEN = 64 * 1024
"""The most bytes of a tag, comment or processing instruction that is unfinished at the end of a piece.

Text has no such limit, because expat passes text on in parts.
"""

MAX_NAMES = 8 * 1024
"""The most characters in all different names of elements and attributes. XML-RPC has some twenty names."""

_KNOWN_TYPES = (
    *("application/json", "application/octet-stream", "application/xhtml+xml", "application/xml"),
    *("text/html", "text/plain", "text/xml"),
)
_KNOWN_CODINGS = ("br", "compress", "deflate", "gzip", "x-gzip", "zstd")
_GZIP = 16 + zlib.MAX_WBITS

_XML = re.compile(r'(?:(?:text|application)/xml|[^/;,\s]+/[^/;,\s]+\+xml)[ \t]*(?:;(?:[^,"]|"[^"]*")*)?', re.IGNORECASE)
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


class _Defect(ResponseError):
    """The body is not an XML-RPC response. The message has no text of the server, unlike the standard library's."""


class _BoundedUnmarshaller(Unmarshaller):
    """The standard unmarshaller with limited depth. It is not slower: it makes the same values in fewer steps."""

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
    """Refuses DTDs and entities, and any XML that makes expat keep more data than the values need."""

    def __init__(self, target: Unmarshaller) -> None:
        super().__init__(target, forbid_dtd=True)
        self._parser: Any
        self._target: Any
        self._parser.buffer_text = True  # to get text in large pieces, not line by line
        if hasattr(self._parser, "SetReparseDeferralEnabled"):
            self._parser.SetReparseDeferralEnabled(False)  # newer versions of expat wait, too, but do not report it
        self._parser.XmlDeclHandler = self._declared
        self._encoding = "utf-8"
        self._waiting = bytearray()
        self._parsed = 0  # bytes
        self._unfinished = 0  # how many of these bytes, at their end, belong to an unfinished token
        self._last = b""

    def _declared(self, version: str, encoding: Any, standalone: int) -> None:
        self._encoding = (encoding or self._encoding).lower()

    def feed(self, data: Any) -> None:
        """Parse a piece of bytes; raise ExpatError or ResponseError if the XML is not valid, or is over a limit."""
        self._waiting += data
        if not self._parsed and len(self._waiting) == 1 and self._waiting != b"<":
            return  # with one byte expat takes the body for UTF-8; with two it can see that it is UTF-16
        # expat parses an unfinished token again from its start. So wait until the token has doubled. Each parse also
        # ends a part of a text, and each part is a string. So join small pieces of a large body before a parse.
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
        kept = max(self._unfinished, 3)  # an unfinished character has up to 3 bytes
        self._last = bytes(self._last + data[-kept:])[-kept:]
        if self._unfinished > MAX_TOKEN:
            raise InvalidResponse(f"the XML of the reply has a tag or comment of more than {MAX_TOKEN} bytes")
        if sum(map(len, self._parser.intern)) > MAX_NAMES:
            raise InvalidResponse(f"the XML of the reply has more than {MAX_NAMES} characters in different names")

    def close(self) -> None:
        """Parse the rest. Raise the errors of `feed`."""
        self._parse(final=True)

    def release(self) -> None:
        """Let go of expat's parser and of the unmarshaller. Expat's parser refers back to this object."""
        self.__dict__.pop("_parser", None)
        self.__dict__.pop("_target", None)


def _check_utf8(data: bytes, start: int, at: int) -> None:
    """Raise ResponseError if no UTF-8 character begins at `start`; `at` is the position of `start` in the body."""
    try:
        data[start : start + 4].decode()
    except UnicodeDecodeError as error:
        if not error.start:
            raise _Defect(f"it is not UTF-8, from byte {at} on") from error


def make_parser(use_datetime: bool, use_builtin_types: bool) -> tuple[Any, Unmarshaller]:
    """Return an XML parser that refuses any XML that XML-RPC never needs, and the unmarshaller that it feeds."""
    unmarshaller = _BoundedUnmarshaller(use_datetime, use_builtin_types)
    return _BoundedParser(unmarshaller), unmarshaller


def body(read: Callable[[int], bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """Yield a body in pieces, decoded from its ``Content-Encoding``.

    Args:
        read: a function that returns up to the given number of bytes of the body, and no bytes at the end.
        limit: the most bytes that the body may have. The limit applies to the body as sent, and again as decoded.

    Raises:
        ResponseTooLarge: the body has more bytes.
        InvalidResponse: the encoding is neither gzip nor identity, or the body is not valid gzip data.
    """
    pieces = limited(iter(lambda: read(PIECE), b""), limit, "encoded")
    return limited(decompressed(pieces, encoding), limit, "decoded") if encoding else pieces


def limited(pieces: Iterable[bytes], limit: int, what: str) -> Iterator[bytes]:
    """Pass pieces on; raise ResponseTooLarge if they have more than `limit` bytes in all."""
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
    """Decode a ``Content-Encoding`` (RFC 9110, section 8.4.1), at most one piece at a time."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from pieces
    elif name in ("gzip", "x-gzip"):
        yield from _gunzipped(pieces)
    else:
        is_known = all(coding.strip() in _KNOWN_CODINGS for coding in name.split(","))
        shown = f"Content-Encoding {name!r}" if is_known else "an unknown Content-Encoding"
        raise InvalidResponse(f"the body of the reply has {shown}; accepted is gzip")


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
                elif unzip.eof:  # RFC 1952, section 2.2: there can be several members. Zeros often follow.
                    unzip = zlib.decompressobj(_GZIP)
                    what = "the gzip data in the body of the reply is followed by data that is not gzip"
                data = unzip.decompress(piece, PIECE)
                piece = unzip.unconsumed_tail or unzip.unused_data.lstrip(b"\0")
                if data:
                    yield data
    except zlib.error as error:
        raise InvalidResponse(f"{what}: {error}") from error
    if unzip is not None and not unzip.eof:
        raise _cut_off(InvalidResponse("the gzip data of the reply ends too early"))


def decode(
    pieces: Iterable[bytes], parser: Any, unmarshaller: Any, content_type: str, is_verified: bool = False
) -> Any:
    """Feed pieces to a parser; return the values from its unmarshaller.

    Args:
        content_type: the ``Content-Type`` of the body; ``""`` if there is none. Parameters do not count.
        is_verified: whether the server has proved that it sent the reply. If not, no error quotes the reply.

    Raises:
        xmlrpc.client.Fault: the body holds a Fault.
        UnsafeResponse: the XML has a document type declaration or entities.
        InvalidResponse: the body is not an XML-RPC response. If its type is not XML, the body is not parsed.
    """
    shown = described_type(content_type, is_verified)
    try:
        if content_type and not _XML.fullmatch(content_type):
            raise _not_xmlrpc(shown, "expected is text/xml, application/xml or one that ends in +xml")
        return _parsed(pieces, parser, unmarshaller, shown)
    except (Fault, InvalidResponse):
        raise
    except defusedxml.DefusedXmlException as error:
        raise UnsafeResponse(
            "the XML of the reply was refused: it has a document type declaration or entities, which no XML-RPC needs",
            hint="tell the server's operator: this is an attack, or not an XML-RPC server",
        ) from error
    except ExpatError as error:
        if error.code in _CUT_OFF:
            raise _cut_off(_not_xmlrpc(shown, f"it is cut off: {error}")) from error
        raise _not_xmlrpc(shown, str(error)) from error
    except ResponseError as error:
        words = str(error.args[0]) if error.args else "it is XML without values"
        if not is_verified and error.args and not isinstance(error, _Defect):
            words = "it is XML with other elements"
        raise _not_xmlrpc(shown, words) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # The standard unmarshaller raises these for well-formed XML that breaks the XML-RPC specification.
        raise _not_xmlrpc(shown, f"{type(error).__name__}{f': {error}' if is_verified else ''}") from error
    finally:
        if isinstance(parser, _BoundedParser):
            parser.release()


def _parsed(pieces: Iterable[bytes], parser: Any, unmarshaller: Any, content_type: str) -> Any:
    """Do the work of `decode`, with the standard library's errors."""
    empty = True
    for piece in pieces:
        empty = False
        parser.feed(piece)
    if empty:
        raise _cut_off(_not_xmlrpc(content_type, "it is empty"))
    parser.close()
    values = unmarshaller.close()
    if unmarshaller.getmethodname() is not None:
        raise _Defect("it is a method call")
    return values


def shows_its_end(parser: Any) -> bool:
    """Say whether a parser certainly notices if the document is cut off. Parsers of subclasses may not."""
    return isinstance(parser, _BoundedParser)


def _cut_off(error: InvalidResponse) -> InvalidResponse:
    error.is_cut_off = True
    return error


def described_type(content_type: str, is_verified: bool) -> str:
    """Return a ``Content-Type`` for a message. If the reply is not verified, only usual types are named."""
    if is_verified:
        return ascii(content_type[:200])
    name = content_type.partition(";")[0].strip(" \t").lower()
    return repr(name) if name in _KNOWN_TYPES or not name else "an unusual one"


def _not_xmlrpc(content_type: str, reason: str) -> InvalidResponse:
    return InvalidResponse(
        f"the body of the reply is not an XML-RPC response; its content type is {content_type} "
        f"({ascii(reason[:200])[1:-1]})",
        hint=Hint(
            "check the path of the URL; the reply may be an error page, or a login form: if the server has a page for "
            "logins by ticket, name the page by {args.login_path}"
        ),
    )
