"""Turns a body into values, within limits. The source of the body does not matter.

The body is streamed: the module holds only a few pieces of the body, and the values that the XML parser has made. The
memory of expat is limited, too: open tags, names, and an unfinished token.
"""

from __future__ import annotations

import functools
import io
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Callable
from xml.parsers.expat import ErrorString, ExpatError, errors
from xmlrpc.client import Fault, ResponseError, Unmarshaller

import defusedxml

from .._forks import no_fork
from .._hints import Hint
from ..errors import InvalidResponse, ResponseTooLarge, UnsafeResponse
from .defused import DefusedExpatParser

if TYPE_CHECKING:
    from .canonical import Scanner

PIECE = 64 * 1024
"""The number of bytes that are read, and decompressed, at a time."""

MAX_FAULT = 256 * 1024
"""The most bytes of a decoded body in which a Fault is looked for, if the status of the reply is an error."""

MAX_DEPTH = 512
"""The deepest nesting of elements. A nested value takes three elements: lists or structs can nest some 170 deep."""

MAX_TOKEN = 64 * 1024
"""The most bytes of a tag, comment or processing instruction that is unfinished at the end of a piece.

Text has no such limit, because expat passes text on in parts.
"""

MAX_NAMES = 8 * 1024
"""The most characters in all different names of elements and attributes, without those of XML-RPC itself."""

_KNOWN_TYPES = (
    *("application/json", "application/octet-stream", "application/xhtml+xml", "application/xml"),
    *("text/html", "text/plain", "text/xml"),
)
_KNOWN_CODINGS = ("br", "compress", "deflate", "gzip", "x-gzip", "zstd")
_GZIP = 16 + zlib.MAX_WBITS

BROKEN_RULES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""The errors of the standard unmarshaller for well-formed XML that breaks the XML-RPC specification."""

_INVALID = errors.codes[errors.XML_ERROR_INVALID_TOKEN]
_BAD_REFERENCE = errors.codes[errors.XML_ERROR_BAD_CHAR_REF]
_CUT_OFF = {
    errors.codes[error]
    for error in (
        errors.XML_ERROR_NO_ELEMENTS,
        errors.XML_ERROR_PARTIAL_CHAR,
        errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        errors.XML_ERROR_UNCLOSED_TOKEN,
    )
}


_RAN = "the call has run; "

_BREAKS_RULES = f"{_RAN}the reply breaks the rules of XML-RPC: tell the server's operator"

_FAULTS = {
    "base64": "a base64 value cannot be read",
    "boolean": "a boolean is neither 0 nor 1",
    "dateTime.iso8601": "a date cannot be read",
    "struct": "a struct has a member without a name or without a value",
}
"""The words for a value that cannot be read, by its type. All other such types are numbers."""

_WITHOUT_TEXT = ("array", "fault", "params", "struct")
"""Elements whose text does not matter. It can be the long text of a value before their end."""

_HINTS = {
    "dateTime.iso8601": Hint(
        "the call has run; without {name.use_datetime} and {name.use_builtin_types}, a date is an "
        "xmlrpc.client.DateTime, which keeps any text"
    ),
    "control character": f"{_RAN}XML has no control characters but tabs and line ends: the server has to leave them "
    "out, or to send such text as base64",
    "cut off": f"{_RAN}the server did not send the whole reply: its error log may tell why",
}


class _Defect(ResponseError):
    """The body is not an XML-RPC response. The message has no text of the server, unlike the standard library's.

    Attributes:
        shown: a text of the server, for the errors about verified replies; or None.
        hint: the next step for the user, if the reply is XML-RPC.
        is_cut_off: whether the body ends too early.
    """

    def __init__(
        self, reason: str, shown: object = None, hint: str = _BREAKS_RULES, *, is_cut_off: bool = False
    ) -> None:
        super().__init__(reason)
        self.shown = shown
        self.hint = hint
        self.is_cut_off = is_cut_off


_MAX_NAME, _MAX_PLACE, _MAX_SHOWN = 40, 150, 60
"""The most characters of a member's name, of a place, and of a value, in an error."""


class _BoundedUnmarshaller(Unmarshaller):
    """The standard unmarshaller with limited depth. It is not slower: it makes the same values in fewer steps.

    It also tells at which value a body cannot be read.
    """

    data: Any

    def __init__(self, use_datetime: bool, use_builtin_types: bool) -> None:
        super().__init__(use_datetime=use_datetime, use_builtin_types=use_builtin_types)
        self.depth = 0
        self._kinds: list[str] = []  # of each mark: array or struct
        self._is_fault = False
        self.data = self._data.append

    def start(self, tag: str, attrs: Any) -> None:
        """Begin an element."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise InvalidResponse(f"the XML of the reply is nested more than {MAX_DEPTH} elements deep")
        self._data.clear()
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag == "value":
            self._value = True
            return
        if self._value:
            if tag not in self.dispatch:
                raise _Defect("a value has an unknown type", tag)
            self._value = False
        if tag in ("array", "struct"):
            self.begin_container(tag)
        elif tag == "fault":
            self._is_fault = True

    def begin_container(self, tag: str) -> None:
        """Begin an array or a struct."""
        self._kinds.append(tag)
        self._marks.append(len(self._stack))

    def end(self, tag: str) -> None:
        """End an element."""
        self.depth -= 1
        if ":" in tag:
            tag = tag.rpartition(":")[2]
        if tag == "value":
            if self._value:
                self.append("".join(self._data))
                self._value = False
        elif tag in self.dispatch:
            data = "" if tag in _WITHOUT_TEXT else "".join(self._data)
            try:
                self.dispatch[tag](self, data)
            except BROKEN_RULES as error:
                shown = None if tag == "struct" else data
                words, hint = _FAULTS.get(tag, "a number cannot be read"), _HINTS.get(tag, _BREAKS_RULES)
                raise _Defect(words, shown, hint) from error

    def end_struct(self, data: str) -> None:
        """End a struct. If it cannot be made, its mark stays, so that `place` finds it."""
        stack: list[Any] = self._stack
        mark = self._marks[-1]
        if (len(stack) - mark) % 2:
            raise IndexError
        made = dict(zip(stack[mark::2], stack[mark + 1 :: 2]))
        del stack[mark:]
        stack.append(made)
        self._marks.pop()
        self._kinds.pop()
        self._value = False

    def end_array(self, data: str) -> None:
        """End an array."""
        stack, mark = self._stack, self._marks.pop()
        self._kinds.pop()
        made = stack[mark:]
        del stack[mark:]
        stack.append(made)
        self._value = False

    dispatch: dict[str, Any] = {**Unmarshaller.dispatch, "array": end_array, "struct": end_struct}

    def close(self) -> tuple[Any, ...]:
        """Return the values.

        Raises:
            xmlrpc.client.Fault: the body holds a Fault. Other members than its two are left out.
            ResponseError: the body is not an XML-RPC response.
        """
        if self._type != "fault" or self._marks:
            values: tuple[Any, ...] = super().close()
            return values
        fault = self._stack[0] if self._stack and isinstance(self._stack[0], dict) else {}
        missing = [name for name in ("faultCode", "faultString") if name not in fault]
        if missing:
            raise _Defect(f"the Fault has no {' and no '.join(missing)}", fault or None)
        raise Fault(fault["faultCode"], fault["faultString"])

    def place(self, is_verified: bool) -> str:
        """Return the place of the value that is being read, "" if all have been read: ``, at result['builds'][2]``.

        Args:
            is_verified: whether the names of members may be shown.
        """
        if self._type is not None:
            return ""
        marks, parts = self._marks, []
        for kind, start, end in zip(self._kinds, marks, [*marks[1:], len(self._stack)]):
            count = end - start
            if kind == "array":
                parts.append(f"[{count}]")
            elif count % 2:  # the name of the member is there, and its value is not
                name = self._stack[end - 1]
                parts.append(f"[{ascii(name)[:_MAX_NAME]}]" if is_verified else "[?]")
        before = marks[0] if marks else len(self._stack)
        root = "fault" if self._is_fault else f"param {before + 1}" if before else "result"
        path = "".join(parts)
        return f", at {root}{path if len(path) <= _MAX_PLACE else '...' + path[-_MAX_PLACE:]}"


@functools.cache
def _scanner_class() -> type[Scanner]:
    """Load the scanner at the first reply, because its expressions would take a tenth of the package's import."""
    return no_fork(_load_scanner)


def _load_scanner() -> type[Scanner]:
    from .canonical import Scanner

    return Scanner


_CUSTOM = {"start", "end", "dispatch"}
"""Attributes that a subclass of a transport may give to an unmarshaller. If it has one, expat reads the document."""


class _BoundedParser(DefusedExpatParser):
    """Refuses DTDs and entities, other documents than XML-RPC, and XML that makes expat keep more than the values need.

    A `Scanner` reads the document first. expat, which is begun only then, reads it from the first thing on that the
    scanner does not know.

    Attributes:
        has_begun: whether the document has begun as XML-RPC does: its first element is ``methodResponse``.
    """

    has_begun = False
    _parser: Any = None
    _encoding = "utf-8"
    _start = b""  # the first two bytes
    _parsed = 0  # bytes
    _unfinished = 0  # how many of these bytes, at their end, belong to an unfinished token
    _unread = 0  # how many bytes that wait the scanner has seen, and could not read yet
    _last = b""
    _moved = 0  # the position of a byte in the document, less that in what expat has been given

    def __init__(self, target: Any) -> None:
        target.xml(None, None)
        self._target: Any = target
        self._scanner = _scanner_class()(target)
        self._waiting = bytearray()

    def _begin_expat(self) -> None:
        """Let expat read from here on. If the document has begun, expat first gets the open tags and a line end."""
        scanner, target = self._scanner, self._target
        super().__init__(target)
        parser = self._parser
        parser.buffer_text = True  # to get text in large pieces, not line by line
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # newer versions of expat wait, too, but do not report it
        parser.XmlDeclHandler = self._declared
        parser.StartElementHandler = self._begin
        if scanner.has_begun:
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
            before = f"{scanner.declaration}{scanner.open or '<methodResponse/>'}\n"
            parser.Parse(before.encode(), False)
            parser.StartElementHandler = target.start
            parser.EndElementHandler, parser.CharacterDataHandler = target.end, target.data
            target.depth = scanner.depth
            self._moved = self._parsed - len(before)
            self._start = b"<?"  # as in any document that the scanner has begun to read

    def _declared(self, version: str, encoding: Any, standalone: int) -> None:
        self._encoding = (encoding or self._encoding).lower()

    def _begin(self, tag: str, attrs: Any) -> None:
        """Begin the first element."""
        name = tag.rpartition(":")[2]
        if name == "methodCall":
            raise _Defect("it is a method call")
        if name != "methodResponse":
            raise _Defect("its first element is not methodResponse", tag)
        self.has_begun = True
        self._parser.StartElementHandler = self._target.start
        self._target.start(tag, attrs)

    def defused_start_doctype_decl(self, name: str, *others: Any) -> None:
        """Refuse a document type. That of HTML does no harm, but shows what the document is."""
        if name.lower() == "html":
            raise _Defect("it is a page in HTML")
        super().defused_start_doctype_decl(name, *others)

    def place(self, is_verified: bool) -> str:
        """Return the place of the value that is being read. A subclass of a transport may have its own unmarshaller."""
        return self._target.place(is_verified) if isinstance(self._target, _BoundedUnmarshaller) else ""

    def feed(self, data: Any) -> None:
        """Parse a piece of bytes; raise ExpatError or ResponseError if the XML is not valid, or is over a limit."""
        self._waiting += data
        if not self._parsed and len(self._waiting) == 1 and self._waiting != b"<":
            return  # with one byte expat takes the body for UTF-8; with two it can see that it is UTF-16
        # expat parses an unfinished token again from its start. So wait until the token has doubled. Each parse also
        # ends a part of a text, and each part is a string. So join small pieces of a large body before a parse.
        seen = self._parsed + self._unread
        if len(self._waiting) - self._unread >= max(self._unfinished, min(seen // 16, PIECE)):
            self._parse()

    def _parse(self, final: bool = False) -> None:
        if self._parser is None and self._scan(final):
            return
        data, self._waiting = self._waiting, bytearray()
        self._start = bytes(self._start + data[:2])[:2]
        try:
            self._parser.Parse(data, final)
        except ExpatError as error:
            at = self._parser.ErrorByteIndex + self._moved
            if error.code == _INVALID and self._start not in _WIDE:
                here = at - self._parsed + len(self._last)
                _check_character((self._last + data)[here : here + 4], at, self._encoding == "utf-8")
            raise self._in_document(error) from None
        if final:
            return
        self._parsed += len(data)
        self._unfinished = self._parsed - self._parser.CurrentByteIndex - self._moved
        kept = max(self._unfinished, 3)  # an unfinished character has up to 3 bytes
        self._last = bytes(self._last + data[-kept:])[-kept:]
        if self._unfinished > MAX_TOKEN:
            raise InvalidResponse(f"the XML of the reply has a tag or comment of more than {MAX_TOKEN} bytes")
        if sum(len(name) for name in self._parser.intern if name not in self._scanner.names) > MAX_NAMES:
            raise InvalidResponse(f"the XML of the reply has more than {MAX_NAMES} characters in different names")

    def _scan(self, final: bool) -> bool:
        """Let the scanner read on; return False if expat has to read the rest."""
        is_known = True
        if self._waiting:
            is_known = type(self._target) is _BoundedUnmarshaller and _CUSTOM.isdisjoint(vars(self._target))
        if self._waiting and is_known:
            try:
                used, is_known = self._scanner.read(self._waiting)
            finally:
                self.has_begun = self._scanner.has_begun
            self._parsed += used
            del self._waiting[:used]
            self._unread = self._unfinished = len(self._waiting)
        if is_known and (not final or (self._scanner.has_ended and not self._waiting)):
            return True
        self._unread = 0
        self._begin_expat()
        return False

    def _in_document(self, error: ExpatError) -> ExpatError:
        """Return an error of expat with its position in the whole document."""
        if not self._scanner.has_begun:
            return error
        lines, columns = self._scanner.position()
        line, column = error.lineno - 2 + lines, error.offset  # expat got one line more
        if line == lines:
            column += columns
        moved = ExpatError(f"{ErrorString(error.code)}: line {line}, column {column}")
        moved.code, moved.lineno, moved.offset = error.code, line, column
        return moved

    def close(self) -> None:
        """Parse the rest. Raise the errors of `feed`."""
        self._parse(final=True)

    def release(self) -> None:
        """Let go of expat's parser and of the unmarshaller. Expat's parser refers back to this object."""
        for name in ("_parser", "_target", "_scanner"):
            self.__dict__.pop(name, None)


_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<", b"\0 ", b" \0", b"\n\0", b"\0\n")
"""The first two bytes of documents in UTF-16."""

_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r")
"""Characters that XML does not allow (XML 1.0, section 2.2)."""


_INCOMPLETE = "unexpected end of data"
"""Python's reason for bytes that can begin a character."""


def _check_character(data: bytes, at: int, is_utf8: bool) -> None:
    """Raise ResponseError if the data begin with a control character, or with none of UTF-8; `at` is their position."""
    if data and data[0] in _CONTROL:
        raise _Defect(f"byte {at} is the control character 0x{data[0]:02x}", hint=_HINTS["control character"])
    if not is_utf8:
        return
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if not error.start and error.reason != _INCOMPLETE:
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
        content_type: the ``Content-Type`` of the body; ``""`` if there is none. It only serves the error.
        is_verified: whether the server has proved that it sent the reply. If not, no error quotes the reply.

    Raises:
        xmlrpc.client.Fault: the body holds a Fault.
        UnsafeResponse: the XML has a document type declaration or entities.
        InvalidResponse: the body is not an XML-RPC response. If it begins as one, the error has `has_run` set.
    """
    try:
        return _parsed(pieces, parser, unmarshaller)
    except Fault:
        raise
    except InvalidResponse as error:  # a limit, or the encoding
        if _has_begun(parser):
            error.has_run = True
            error.hint = Hint("{ran}{hint}", ran=_RAN, hint=error.hint or "tell the server's operator")
        raise
    except defusedxml.DefusedXmlException as error:
        raise UnsafeResponse(
            "the XML of the reply was refused: it has a document type declaration or entities, which no XML-RPC needs",
            hint="tell the server's operator: this is an attack, or not an XML-RPC server",
        ) from error
    except (ExpatError, ResponseError, *BROKEN_RULES) as error:
        raise _refusal(_defect_of(error, is_verified), parser, content_type, is_verified) from error
    finally:
        if isinstance(parser, _BoundedParser):
            parser.release()


def fault_in(content: bytes, encoding: str) -> Fault | None:
    """Return the Fault that a body holds, or None if it holds none.

    Args:
        content: the whole body.
        encoding: its ``Content-Encoding``.
    """
    try:
        decode(body(io.BytesIO(content).read, encoding, MAX_FAULT), *make_parser(False, False), "")
    except Fault as fault:
        return Fault(fault.faultCode, fault.faultString)  # without the frames of the decoder
    except InvalidResponse:
        pass
    return None


def _defect_of(error: Exception, is_verified: bool) -> _Defect:
    """Return the defect behind an error of a parser or an unmarshaller."""
    if isinstance(error, _Defect):
        return error
    if isinstance(error, ExpatError):
        if error.code in _CUT_OFF:
            return _Defect(f"it is cut off: {error}", hint=_HINTS["cut off"], is_cut_off=True)
        return _Defect(str(error), hint=_HINTS["control character"] if error.code == _BAD_REFERENCE else _BREAKS_RULES)
    if isinstance(error, ResponseError) and not error.args:
        return _Defect("there is neither a value nor a Fault")
    # The standard unmarshaller, which a subclass may use, quotes the server.
    words = error.args[0] if isinstance(error, ResponseError) else f"{type(error).__name__}: {error}"
    return _Defect(str(words) if is_verified else "a value cannot be read")


def _has_begun(parser: Any) -> bool:
    return isinstance(parser, _BoundedParser) and parser.has_begun


def _refusal(defect: _Defect, parser: Any, content_type: str, is_verified: bool) -> InvalidResponse:
    """Return the error for a body that cannot be decoded. If the reply is not verified, the error does not quote it."""
    reason = str(defect.args[0])
    if is_verified and defect.shown is not None:
        reason += f": {ascii(defect.shown)[:_MAX_SHOWN]}"
    reason = ascii(reason[:200])[1:-1]
    if _has_begun(parser):
        place = parser.place(is_verified)
        error = InvalidResponse(f"the XML-RPC response cannot be decoded: {reason}{place}", hint=defect.hint)
        error.has_run = True
    else:
        error = _not_xmlrpc(described_type(content_type, is_verified), reason)
    error.is_cut_off = defect.is_cut_off
    return error


def _parsed(pieces: Iterable[bytes], parser: Any, unmarshaller: Any) -> Any:
    """Do the work of `decode`, with the standard library's errors."""
    empty = True
    for piece in pieces:
        empty = False
        parser.feed(piece)
    if empty:
        raise _Defect("it is empty", is_cut_off=True)
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
        f"the body of the reply is not an XML-RPC response; its content type is {content_type} ({reason})",
        hint=Hint(
            "check the path of the URL; the reply may be an error page, or a login form: if the server has a page for "
            "logins by ticket, name the page by {args.login_path}"
        ),
    )
