"""The input and output of the command line: nothing is lost, whatever a file takes or gives at a time."""

import io
import os

import pytest

from krbxmlrpc._cli.console import read_all, write_all


class Pipe(io.FileIO):
    """An end of a pipe that does not block. When it has nothing, or has no room, it calls a function."""

    def __init__(self, descriptor, mode, when_blocked):
        super().__init__(descriptor, mode)
        os.set_blocking(descriptor, False)
        self._when_blocked = when_blocked
        self.blocked = 0

    def read(self, size):
        data = super().read(size)
        self._note(data)
        return data

    def write(self, data):
        written = super().write(data)
        self._note(written)
        return written

    def _note(self, result):
        if result is None:
            self.blocked += 1
            self._when_blocked()


@pytest.mark.parametrize("buffered", [True, False])
def test_input_that_comes_late_is_not_lost(buffered):
    reading, writing = os.pipe()
    parts = [b"one", b"two" * 30_000, None]

    def more():
        part = parts.pop(0)
        os.close(writing) if part is None else os.write(writing, part[:60_000])

    pipe = Pipe(reading, "rb", more)
    with io.TextIOWrapper(io.BufferedReader(pipe) if buffered else pipe) as stream:
        assert read_all(stream) == b"one" + (b"two" * 30_000)[:60_000]
    assert pipe.blocked == 3


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("output", ["\u00fc" * 200_000, "\u00fc".encode() * 200_000])
def test_output_that_has_no_room_is_not_lost(buffered, output):
    reading, writing = os.pipe()
    read = bytearray()
    pipe = Pipe(writing, "wb", lambda: read.extend(os.read(reading, 50_000)))
    stream = io.TextIOWrapper(io.BufferedWriter(pipe) if buffered else pipe, "utf-8", write_through=not buffered)
    with stream, open(reading, "rb", buffering=0) as rest:
        write_all(stream, output)
        stream.close()
        read += rest.read()
    assert read.decode() == "\u00fc" * 200_000
    assert pipe.blocked > 1


def test_output_stands_behind_what_was_printed_before():
    with io.TextIOWrapper(io.BytesIO(), "ascii", "backslashreplace") as stream:
        stream.write("a")
        write_all(stream, "b\u00fc")
        write_all(stream, b"c")
        assert stream.buffer.getvalue() == b"ab\\xfcc"
