"""Turns a body into values, within limits; knows nothing of where the body came from.

What it is given is streamed: no more than one piece is held beside what the XML parser makes of it.
"""

from __future__ import annotations

import zlib
from typing import Any, Iterable, Iterator, Tuple
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ResponseError, Unmarshaller

import defusedxml
from defusedxml.xmlrpc import DefusedExpatParser

from .errors import InvalidResponse, ResponseTooLarge, UnsafeResponse

PIECE = 64 * 1024
"""How many bytes are read, and decompressed, at a time."""


def make_parser(use_datetime: bool, use_builtin_types: bool) -> Tuple[Any, Unmarshaller]:
    """Return an XML parser that refuses DTDs and entities, and the unmarshaller that it feeds."""
    unmarshaller = Unmarshaller(use_datetime=use_datetime, use_builtin_types=use_builtin_types)
    parser: Any = DefusedExpatParser(unmarshaller, forbid_dtd=True)
    parser._parser.buffer_text = True  # text comes in large pieces then, not a line at a time
    return parser, unmarshaller


def limited(pieces: Iterable[bytes], limit: int, what: str) -> Iterator[bytes]:
    """Pass pieces on until they come to more than `limit` bytes, then raise ResponseTooLarge."""
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise ResponseTooLarge(
                f"the {what} body of the reply is over the limit of {limit} bytes",
                limit=limit,
                hint="if it has to be that large, raise max_response_bytes=",
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
    def member() -> Any:
        return zlib.decompressobj(16 + zlib.MAX_WBITS)

    unzip = member()
    started = False
    try:
        for piece in pieces:
            while piece:
                if unzip.eof:  # RFC 1952, section 2.2: members simply follow each other
                    unzip = member()
                started = True
                data = unzip.decompress(piece, PIECE)
                piece = unzip.unconsumed_tail or unzip.unused_data
                if data:
                    yield data
    except zlib.error as error:
        raise InvalidResponse(f"the body of the reply is not the gzip data that it claims to be: {error}") from error
    if not started or not unzip.eof:
        raise InvalidResponse("the gzip data of the reply ends too early")


def decode(pieces: Iterable[bytes], parser: Any, unmarshaller: Any, content_type: str) -> Any:
    """Feed pieces to a parser; return the values that its unmarshaller makes of them.

    Args:
        content_type: what the sender says it is, for error messages.

    Raises:
        xmlrpc.client.Fault: the body holds one.
        UnsafeResponse: the XML has a document type declaration or entities.
        InvalidResponse: the body is not an XML-RPC response.
    """
    try:
        for piece in pieces:
            parser.feed(piece)
        parser.close()
        values = unmarshaller.close()
        if unmarshaller.getmethodname() is not None:
            raise _not_xmlrpc(content_type, "it is a method call")
        return values
    except (Fault, InvalidResponse):
        raise
    except defusedxml.DefusedXmlException as error:
        raise UnsafeResponse(
            "the XML of the reply was refused: it has a document type declaration or entities, which no XML-RPC needs",
            hint="tell the server's operator: this is an attack, or not an XML-RPC server",
        ) from error
    except (ExpatError, ResponseError) as error:
        raise _not_xmlrpc(content_type, str(error) if isinstance(error, ExpatError) else "") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What the standard unmarshaller raises for well-formed XML that breaks the XML-RPC specification.
        raise _not_xmlrpc(content_type, f"{type(error).__name__}: {error}") from error


def _not_xmlrpc(content_type: str, reason: str) -> InvalidResponse:
    return InvalidResponse(
        f"the body of the reply is not an XML-RPC response; its content type is {content_type[:200]!a}"
        + (f" ({ascii(reason[:200])[1:-1]})" if reason else ""),
        hint="check the path of the URL; a login or error page answers like this too",
    )
