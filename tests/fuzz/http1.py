"""Replies off the wire: a byte that says in which pieces they come, and the reply."""

import http.client
import io
import re

from krbxmlrpc._http.response import MalformedReply, Response, keep_alive_seconds, without_interim

END = re.compile(rb"\r?\n")
CHUNK = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\n]*)?\r?\n")
TRAILERS = re.compile(rb"(?:[^\r\n]+\r?\n)*\r?\n")


class Wire:
    """What is read from a socket: pieces, and then its end."""

    def __init__(self, *pieces):
        self._pieces = [piece for piece in pieces if piece]

    def recv(self, size):
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def makefile(self, mode):
        return io.BytesIO(b"".join(self._pieces))

    def __len__(self):
        return sum(map(len, self._pieces))


def in_pieces(data, size):
    """Cut data into pieces."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def read(*pieces):
    """Read a reply, body and all."""
    response = Response(Wire(*pieces))
    response.begin()
    return response, response.read()


def outcome(*pieces):
    """Return what is read in a reply; None where it is refused."""
    try:
        response, body = read(*pieces)
    except (MalformedReply, http.client.RemoteDisconnected) as error:
        assert str(error).isprintable()
        return None
    return response.status, response.reason, response.version, response.getheaders(), response.persistent, body


def one_input(data):
    size, whole = 1 + data[0] if data else 1, data[1:]
    check_pieces(whole, size)
    check_interim(whole)
    seconds = keep_alive_seconds.__wrapped__(whole.decode("latin-1"))
    assert seconds is None or 0 <= seconds < 10**9


def check_pieces(whole, size):
    """Check that a reply is read in one way only, however it comes, and that it has one end only."""
    expected = outcome(whole)
    assert outcome(*in_pieces(whole, size)) == expected
    wire = Wire(*in_pieces(whole, 1))
    response = Response(wire)
    try:
        response.begin()
        start = len(whole) - len(wire)
        body = response.read()
    except (MalformedReply, http.client.RemoteDisconnected):
        assert expected is None and not response.reusable
        return
    assert expected is not None and 200 <= response.status <= 999 and response.isclosed()
    end = len(whole) - len(wire)
    assert response.reusable is response.persistent
    assert response.status in (204, 304) or framed(response, whole[start:end]) == body
    assert outcome(whole[:end]) == expected
    assert read(whole)[0].reusable is (response.persistent and end == len(whole))
    if response.persistent:
        assert not read(whole[:end] + b"x")[0].reusable
        for cut in (0, end - 1, end // 2, size):
            assert cut >= end or outcome(whole[:cut]) is None
    assert agrees_with_http_client(whole, response, body)


def framed(response, sent):
    """Return the body in what was sent behind the head, by the letter of RFC 9112, section 6; None where it is not."""
    if response.getheader("Transfer-Encoding"):
        body = b""
        while True:
            found = CHUNK.match(sent)
            if found is None:
                return None
            size = int(found[1], 16)
            body, sent = body + sent[found.end() : found.end() + size], sent[found.end() + size :]
            end = END.match(sent) if size else TRAILERS.fullmatch(sent)
            if end is None:
                return None
            if not size:
                return body
            sent = sent[end.end() :]
    for length in response.getheader("Content-Length", f"{len(sent)}").split(","):
        if not length.strip(" \t").isdecimal() or int(length) != len(sent):
            return None
    return sent


def agrees_with_http_client(whole, ours, body):
    """Say whether http.client reads in a reply what we read; where it reads none, there is nothing to compare.

    Nor is there where a length is repeated (RFC 9110, section 8.6): then http.client knows none; where there can be no
    body: it reads chunks all the same; where there is a blank behind "chunked": it knows no chunks; and where there is
    an interim reply other than 100: it takes that for the final one.
    """
    if "," in ours.getheader("Content-Length", "") or ours.status in (204, 304):
        return True
    theirs = http.client.HTTPResponse(Wire(whole))
    try:
        theirs.begin()
        their_body = theirs.read()
    except (http.client.HTTPException, OSError, ValueError):
        return True
    finally:
        theirs.close()
    headers = [(name, " ".join(value.split())) for name, value in theirs.getheaders()]
    if theirs.status < 200 or theirs.getheader("Transfer-Encoding", "").endswith((" ", "\t")):
        return True
    return (theirs.status, theirs.reason, their_body, headers) == (
        ours.status,
        ours.reason,
        body,
        [(name, " ".join(value.split())) for name, value in ours.getheaders()],
    )


def check_interim(whole):
    """Check that without interim replies the final one is what it was."""
    rest = without_interim(whole)
    assert whole.endswith(rest) and without_interim(rest) == rest
    expected = outcome(whole)
    assert expected is None or outcome(rest) == expected
