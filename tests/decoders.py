"""Two decoders for a body: the package's own, and expat alone. Both have to do the same."""

import re
import xmlrpc.client
from contextlib import contextmanager, nullcontext
from xmlrpc.client import Fault

from krbxmlrpc import InvalidResponse
from krbxmlrpc._xmlrpc import canonical
from krbxmlrpc._xmlrpc.canonical import Scanner
from krbxmlrpc._xmlrpc.decoding import decode, make_parser


@contextmanager
def expat_alone():
    """Let expat decode all of each body."""
    read = Scanner.read
    Scanner.read = lambda self, data: (0, False)
    try:
        yield
    finally:
        Scanner.read = read


@contextmanager
def small_windows():
    """Let the scanner find the end of a window in many places of a short body."""
    windows = canonical._WINDOW, canonical._SMALL_WINDOW
    canonical._WINDOW, canonical._SMALL_WINDOW = 50, 20
    try:
        yield
    finally:
        canonical._WINDOW, canonical._SMALL_WINDOW = windows


ADDRESS = re.compile(" at 0x[0-9a-f]+")  # of an object in a text

DECODERS = {"scanner and expat": nullcontext, "expat alone": expat_alone}


def in_pieces(data, size):
    """Return data in pieces of this size."""
    return [data[position : position + size] for position in range(0, len(data), size)]


def form(value):
    """Return a value in a form that can be compared: types count, and NaN is equal to itself."""
    if isinstance(value, dict):
        return "dict", [(form(key), form(value)) for key, value in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [form(each) for each in value]
    if isinstance(value, (xmlrpc.client.DateTime, xmlrpc.client.Binary)):
        return type(value).__name__, str(value)
    return type(value).__name__, repr(value)


def outcome(pieces, types=(False, False), is_verified=True):
    """Return what comes of decoding a body: its values, its Fault, or all that an error says."""
    try:
        return form(decode(pieces, *make_parser(*types), "text/xml", is_verified))
    except Fault as fault:
        return "Fault", form([fault.faultCode, fault.faultString])
    except InvalidResponse as error:
        cause = error.__cause__
        said = [ADDRESS.sub("", str(words)) for words in (error, error.hint, cause)]
        return type(error), type(cause), error.has_run, error.is_cut_off, said


def outcomes(body, size, types=(False, False), is_verified=True):
    """Return what both decoders make of a body in pieces of this size."""
    found = []
    for decoder in DECODERS.values():
        with decoder():
            found.append(outcome(in_pieces(body, size), types, is_verified))
    return found


def reads_alone(body, size):
    """Say whether the scanner reads a body of a response without expat."""
    parser, unmarshaller = make_parser(False, False)
    for piece in in_pieces(body, size):
        parser.feed(piece)
    parser.close()
    return parser._parser is None
