"""Reading replies off the wire: against http.client where that is right, and with anything at all."""

import http.client
import ssl

import pytest
from fuzz.http1 import Wire, in_pieces, one_input, read
from hypothesis import given, strategies as st

from krbxmlrpc._http import response as http1
from krbxmlrpc._http.response import MalformedReply, Response

NAME = st.from_regex(r"X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,10}", fullmatch=True)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f\x85\xa0"), max_size=30)
HEADERS = st.lists(st.tuples(NAME, VALUE), max_size=10)
REASON = st.text("abc XYZ!", max_size=10).map(str.strip)
BODY = st.lists(st.binary(max_size=50), max_size=5)


STATUS = st.integers(200, 599).filter(lambda status: status not in (204, 304))


INTERIM = b"HTTP/1.1 100 Continue\r\nX-Early: yes\r\n\r\n"
EXTENSION = st.from_regex(rb"(;[a-z]{1,5}(=[a-z]{1,5})?)?", fullmatch=True)


@given(STATUS, REASON, HEADERS, BODY, st.booleans(), st.data())
def test_what_is_plain_is_read_as_http_client_reads_it(status, reason, headers, body, chunked, data):
    lines = [f"HTTP/1.1 {status} {reason}", *[f"{name}: {value}" for name, value in headers]]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        sent = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), data.draw(EXTENSION), chunk) for chunk in body if chunk)
        sent += b"0\r\n" + b"X-Trailer: yes\r\n" * data.draw(st.integers(0, 2)) + b"\r\n"
    else:
        sent = b"".join(body)
        lines.append(f"Content-Length: {len(sent)}")
    whole = INTERIM * data.draw(st.integers(0, 2)) + "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + sent
    theirs = http.client.HTTPResponse(Wire(whole))
    theirs.begin()
    cut = data.draw(st.integers(0, len(whole)))
    for pieces in ([whole], [whole[:cut], whole[cut:]], in_pieces(whole, 1)):
        ours, read_body = read(*pieces)
        assert (ours.status, ours.reason, ours.version) == (theirs.status, theirs.reason, theirs.version)
        assert ours.getheaders() == theirs.getheaders()
        assert read_body == b"".join(body)
        assert ours.reusable
    theirs.close()
    with pytest.raises(MalformedReply):
        read(whole[: data.draw(st.integers(1, len(whole) - 1))])
    ours, _ = read(whole + b"x")
    assert not ours.reusable


PARTS = [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 100 x", b"HTTP/1.0 401 ", b"\r\n", b"\r\n", b"\n", b"\r", b"Content-Length: ", b"5",
    b"Transfer-Encoding: chunked", b"Connection: close", b"abcde", b"0", b"-1", b";x", b": ", b" ", b"\0", b"\xff",
]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=5), max_size=30), st.booleans(), st.integers(0, 255))
def test_anything_at_all_is_read_in_one_way_or_refused(parts, plain_start, size):
    one_input(bytes([size]) + (b"HTTP/1.1 200 OK\r\n" if plain_start else b"") + b"".join(parts))


def test_interim_replies_are_cut_off():
    interim, final = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 401 x\r\n"
    assert http1.without_interim(interim + interim + final) == final
    for data in (b"", interim[:8], interim[:-2], final, b"HTTP/1.1 101 x\r\n\r\n"):
        assert http1.without_interim(data) == data


@pytest.mark.parametrize("length", [b"+5", b"-5", b"0x5", b"5 5", b"5, 6", b"5,", b"", b"5.0", b"\xb2", b"1" * 19])
def test_a_length_that_is_not_one_number_is_refused(length):
    with pytest.raises(MalformedReply, match="Content-Length"):
        read(b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nabcde" % length)


@pytest.mark.parametrize("start", [b"5", b"5;", b"5" * 100, b"5\r"])
def test_a_chunk_line_without_an_end_is_refused_early(start):
    class Endless:
        taken = 0

        def recv(self, size):
            data = b"x" * size if self.taken else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + start
            self.taken += len(data)
            assert self.taken < 10 * http1.READ
            return data

    response = Response(Endless())
    response.begin()
    with pytest.raises(MalformedReply, match=f"a line of more than {http1.MAX_CHUNK_LINE} bytes"):
        response.read()


@pytest.mark.parametrize("between", [b"x\r\n", b"x\n", b"xy\r\n", b"\r\r\n", b"\r\n\r\n", b""])
def test_a_chunk_that_is_longer_than_announced_is_refused(between):
    with pytest.raises(MalformedReply):
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde" + between + b"0\r\n\r\n")


def trailers(size):
    """Return a reply whose trailers have this many bytes."""
    line = b"X: " + b"x" * 59_995 + b"\r\n"
    lines = line * (size // len(line))
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + lines + b"\r\n"


def test_trailers_are_bounded_as_a_head_is():
    assert read(trailers(http1.MAX_HEAD))[1] == b""
    with pytest.raises(MalformedReply, match="the reply has trailers of more than 524288 bytes"):
        read(trailers(2 * http1.MAX_HEAD))


def test_a_trailer_that_ends_in_a_control_character_is_refused():
    with pytest.raises(MalformedReply, match="control character"):
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\r\n\r\n")


def test_a_coding_that_is_named_twice_is_refused():
    with pytest.raises(MalformedReply, match="Transfer-Encoding"):
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n")


def test_an_end_at_the_start_is_a_disconnection():
    with pytest.raises(http.client.RemoteDisconnected):
        read()


class BrokenOff(Wire):
    """A wire at whose end the socket raises an error."""

    def __init__(self, error, *pieces):
        super().__init__(*pieces)
        self._error = error

    def recv(self, size):
        data = super().recv(size)
        if not data:
            raise self._error
        return data


def ssl_error(reason):
    """Return an error as ssl raises it before Python 3.10."""
    error = ssl.SSLError(1, "an error of OpenSSL")
    error.reason = reason
    return error


WITHOUT_NOTICE = [ssl.SSLEOFError(8, "EOF"), ssl_error("UNEXPECTED_EOF_WHILE_READING")]
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nabc"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("error", [*WITHOUT_NOTICE, ConnectionResetError()])
def test_a_body_that_ends_with_the_connection_needs_a_clean_end(error):
    response = Response(BrokenOff(error, TO_THE_END))
    response.begin()
    for _ in range(2):
        with pytest.raises(MalformedReply, match="broke off"):
            response.read()
    response.needs_clean_end = False
    assert response.read() == b"" and response.isclosed()
    assert read(TO_THE_END)[1] == b"abc"


@pytest.mark.parametrize("error", [ssl_error("TLSV1_ALERT_INTERNAL_ERROR"), TimeoutError()])
def test_other_errors_do_not_end_a_body(error):
    response = Response(BrokenOff(error, TO_THE_END))
    response.begin()
    response.needs_clean_end = False
    with pytest.raises(type(error)):
        response.read()


@pytest.mark.parametrize("error", WITHOUT_NOTICE)
def test_elsewhere_an_unclean_end_is_like_any_other(error):
    response = Response(BrokenOff(error, WHOLE))
    response.begin()
    assert response.read() == b"abc" and response.reusable
    response = Response(BrokenOff(error))
    with pytest.raises(http.client.RemoteDisconnected):
        response.begin()
    for end in range(1, len(WHOLE)):
        response = Response(BrokenOff(error, WHOLE[:end]))
        with pytest.raises(MalformedReply):
            response.begin()
            response.read()


def test_a_reset_within_a_body_of_known_length_stays_a_reset():
    response = Response(BrokenOff(ConnectionResetError(), WHOLE[:-1]))
    response.begin()
    with pytest.raises(ConnectionResetError):
        response.read()


@given(BODY, st.booleans(), st.integers(1, 60), st.lists(st.integers(0, 60)))
def test_a_body_is_the_same_whatever_is_asked_for_at_a_time(body, chunked, size, amounts):
    how, sent = b"Content-Length: %d" % len(b"".join(body)), b"".join(body)
    if chunked:
        how, sent = b"Transfer-Encoding: chunked", b"".join(b"%x\n%s\n" % (len(each), each) for each in body if each)
        sent += b"0\n\n"
    response = Response(Wire(*in_pieces(b"HTTP/1.1 200 OK\n%s\n\n%s" % (how, sent), size)))
    response.begin()
    pieces = [response.read(amount) for amount in amounts]
    assert all(len(piece) <= amount for piece, amount in zip(pieces, amounts))
    assert b"".join(pieces) + response.read() == b"".join(body)
    assert response.reusable


def test_bodies_come_in_the_sizes_that_were_asked_for():
    response = Response(Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"))
    response.begin()
    assert [response.read(size) for size in (0, 3, 100, 5)] == [b"", b"012", b"3456789", b""]


def test_a_closed_response_gives_nothing_more():
    response = Response(Wire(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"))
    response.begin()
    assert response.read(2) == b"ab"
    response.close()
    assert response.isclosed() and not response.reusable
    assert response.read() == b""


def test_headers_are_found_without_case_and_joined():
    response, _ = read(b"HTTP/1.1 200 OK\r\nx-a: 1\r\nX-A:\t2 \r\n 3\r\nContent-Length: 0\r\n\r\n")
    assert response.getheader("X-a") == "1, 2 3"
    assert response.getheader("X-B", "none") == "none"


def test_the_limits_are_where_they_are_said_to_be():
    def head(lines, length):
        lines = [b"X-%d: " % number + b"y" * length for number in range(lines)]
        return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Content-Length: 0", b"", b""])

    assert len(read(head(http1.MAX_LINES - 2, 1))[0].headers) == http1.MAX_LINES - 1
    read(head(1, http1.MAX_LINE - 10))
    for wrong in (head(http1.MAX_LINES - 1, 1), head(1, http1.MAX_LINE)):
        with pytest.raises(MalformedReply, match="more than"):
            read(wrong)
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    read(interim * http1.MAX_INTERIM + head(0, 0))
    with pytest.raises(MalformedReply, match="without end"):
        read(interim * (http1.MAX_INTERIM + 1) + head(0, 0))
