"""Bombs and large values: decoding takes no more memory than the limit and a little, or the value and its parts."""

import gzip
import subprocess
import sys
import zlib

import pytest
from helpers import DEADLINE

LIMIT = 16 * 1024 * 1024
ALLOWANCE = 10 * 1024 * 1024
SIZE = 1024 * 1024 * 1024
PACKED = 2 * 1024 * 1024

# It prints by how much, in bytes, decoding the bomb raises the peak of its memory over that of a small reply, and what
# came of it. The peak is the kernel's own for this program; that of `getrusage` begins with what its parent had.
CLIENT = """
import sys
from krbxmlrpc import InsecureKerberosTransport, InvalidResponse

class Response:
    def __init__(self, path, encoding):
        self.read = open(path, "rb").read
        self._encoding = encoding

    def getheader(self, name, default):
        return self._encoding if name == "Content-Encoding" else default

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))

limit, *bodies = sys.argv[1:]
transport = InsecureKerberosTransport(max_response_bytes=int(limit))
small, bomb = (Response(body, "gzip") for body in bodies)
transport.parse_response(small)
before = peak()
try:
    transport.parse_response(bomb)
    print(peak() - before, "decoded")
except InvalidResponse as error:
    print(peak() - before, type(error).__name__)
"""


def packed(start, filling):
    """Return gzip data that begins with `start` and goes on with `filling`, to a gigabyte if that packs so well."""
    squeeze = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    data = squeeze.compress(start) + squeeze.flush(zlib.Z_FULL_FLUSH)
    filling *= max(1, 4 * 1024 * 1024 // len(filling))
    # What is compressed between two full flushes stands by itself, so it may be repeated.
    block = squeeze.compress(filling) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return data + block * min(SIZE // len(filling), PACKED // len(block))


# Of values only those that take as much as their XML: a limit on bytes does not bound what an empty list takes.
ROOT = b"<methodResponse>"
BEGIN = ROOT + b"<params><param><value>"
BOMBS = {
    "one long text": (BEGIN, b"x"),
    "lines": (BEGIN, b"x\n"),
    "characters by number": (BEGIN, b"&#65;&#66;"),
    "space between elements": (ROOT, b" "),
    "space before the root": (b"", b"\n"),
    "nested tags": (ROOT, b"<a>"),
    "nested values": (BEGIN, b"<array><data><value>"),
    "tags": (ROOT, b"<a></a>"),
    "closed tags": (ROOT, b"<a b='c'/>"),
    "numbers": (BEGIN + b"<array><data>", b"<value><int>5</int></value>"),
    "texts": (BEGIN + b"<array><data>", b"<value>" + b"a text" * 40 + b"</value>"),
    "a comment": (b"<!--", b"x"),
    "comments": (ROOT, b"<!--x-->"),
    "an instruction": (b"<?a ", b"x"),
    "CDATA": (BEGIN + b"<![CDATA[", b"x"),
    "CDATA sections": (BEGIN, b"<![CDATA[x]]>"),
    "the name of a tag": (ROOT + b"<a", b"a"),
    "the value of an attribute": (ROOT + b"<a b='", b"x"),
    "attributes": (ROOT + b"<a", b"".join(b" a%d=''" % number for number in range(100_000))),
    "names": (ROOT, b"".join(b"<a%d/>" % number for number in range(400_000))),
    "large names within each other": (ROOT, b"".join(b"<a%s>" % (b"%d" % number * 5000) for number in range(400))),
    "a large name within itself": (ROOT, b"<" + b"a" * 8000 + b">"),
    "a declaration": (b"<?xml version='1.0' ", b" "),
    "a document type": (b"<!DOCTYPE a [", b"<!ELEMENT a (b)>"),
}


END = b"</value></param></params></methodResponse>"


def decoded(folder, limit, content):
    """Decode gzip data in a program of its own; return the growth of its memory, and what came of it."""
    small, large = folder / "small", folder / "large"
    small.write_bytes(gzip.compress(BEGIN + b"5" + END))
    large.write_bytes(content)
    command = [sys.executable, "-c", CLIENT, str(limit), str(small), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE)
    assert done.returncode == 0, done.stderr
    growth, result = done.stdout.split()
    return int(growth), result


@pytest.mark.parametrize("start, filling", BOMBS.values(), ids=BOMBS)
def test_a_bomb_takes_little_more_memory_than_the_limit(tmp_path, start, filling):
    growth, error = decoded(tmp_path, LIMIT, packed(start, filling))
    assert error in ("ResponseTooLarge", "InvalidResponse", "UnsafeResponse")
    assert growth < LIMIT + ALLOWANCE


TEXT = 20_000_000
TEXTS = {
    "a usual reply": BEGIN + b"<string>" + b"x" * TEXT + b"</string>" + END,
    "a reply for expat": BEGIN + b"<!-- --><string>" + b"x" * TEXT + b"</string>" + END,
}


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS)
def test_a_long_text_takes_the_memory_of_itself_and_its_parts(tmp_path, body):
    growth, result = decoded(tmp_path, 2 * TEXT, gzip.compress(body, 1))
    assert result == "decoded"
    assert growth <= 2 * TEXT + 4_000_000
