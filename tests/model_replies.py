"""The replies that the model knows: strategies that draw them, and their bytes."""

import base64
import gzip
from xmlrpc.client import Fault, dumps

from hypothesis import strategies as st
from model import BODIES, CUT, ENDS, HEADLESS, TOKENS, WHOLE, Reply

LIMIT = 300_000


def mostly(*kinds, otherwise=()):
    """Return one of these about two times of three, or one of the others; the first is the simplest."""
    return st.sampled_from([*kinds] * (2 * len(otherwise) // len(kinds) + 1) + [*otherwise])


def readable(reply):
    """Leave out what could fail in two ways: a body that is cut off, and no XML-RPC anyhow."""
    return reply._replace(body="value") if reply.framing in CUT and BODIES[reply.body] not in (str, Fault) else reply


REPLIES = st.builds(
    Reply,
    status=mostly(200, 401, otherwise=(204, 301, 302, 307, 400, 403, 404, 407, 429, 440, 500, 502, 503, 504)),
    token=mostly("good", "", None, "leg", "more", otherwise=TOKENS),
    body=mostly("value", otherwise=tuple(BODIES)),
    framing=mostly("length", otherwise=WHOLE + CUT + HEADLESS),
    end=mostly("kept", otherwise=ENDS),
    cookie=st.sampled_from([None, None, "session", "node", "-session", "-node"]),
    to=mostly("elsewhere", otherwise=("login", "single sign-on")),
    schemes=st.sampled_from(["alone", "before", "behind", "other line", "case"]),
    interim=mostly(0, otherwise=(100, 103)),
    persistent=st.sampled_from([False, False, True]),
    late=mostly(False, otherwise=(True,)),
    position=st.integers(0, 63),
).map(readable)


def values(value):
    """Return the body of a reply that has a value."""
    return dumps((value,), methodresponse=True).encode()


FORGED = b"HTTP/1.1 200 forged\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(values("forged"))
FORGED += values("forged")


def body_of(reply):
    """Return the bytes of a body, and its coding."""
    mark = reply.mark
    bodies = {
        "value": lambda: values(mark),
        "fault": lambda: dumps(Fault(7, mark), methodresponse=True).encode(),
        "gzip": lambda: gzip.compress(values(mark)),
        "long": lambda: values(mark + "x" * 200_000),
        "page": lambda: f"<html><p>{mark}</p></html>".encode(),
        "garbage": lambda: f"{mark} is no XML".encode(),
        "empty": lambda: b"",
        "call": lambda: dumps((mark,), "method").encode(),
        "no gzip": lambda: values(mark),
        "half gzip": lambda: gzip.compress(values(mark))[:-20],
        "strange coding": lambda: values(mark),
        "entities": lambda: b'<!DOCTYPE x [<!ENTITY y "z">]>' + values(mark),
        "too long": lambda: values(mark + "x" * LIMIT),
        "bomb": lambda: gzip.compress(values(mark + "x" * LIMIT)),
    }
    codings = {"gzip": "gzip", "no gzip": "gzip", "half gzip": "gzip", "bomb": "gzip", "strange coding": "strange"}
    return bodies[reply.body](), codings.get(reply.body)


def framed(reply):
    """Return the header line that says how the body is framed, and the body as it is sent."""
    body, _ = body_of(reply)
    if reply.status == 204:
        return [], b""
    if reply.framing in ("chunks", "no last chunk"):
        half = len(body) // 2
        chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part]
        return ["Transfer-Encoding: chunked"], b"".join(chunks) + b"0\r\n\r\n" * (reply.framing == "chunks")
    if reply.framing == "to the end":
        return [], body
    return [f"Content-Length: {len(body) + 10 * (reply.framing == 'short')}"], body


def challenges(reply, token):
    """Return the lines of WWW-Authenticate."""
    other = f'Basic realm="of, {reply.mark}"'
    if token is None:
        return [] if reply.schemes == "alone" else [other]
    own = f"{'nEGOTIATE' if reply.schemes == 'case' else 'Negotiate'} {token}".rstrip()
    beside = {"before": [f"{other}, {own}"], "behind": [f"{own}, {other}"], "other line": [other, own]}
    return beside.get(reply.schemes, [own])


def encoded(reply, token):
    """Return all the bytes of a reply."""
    framing, body = framed(reply)
    _, coding = body_of(reply)
    lines = [f"HTTP/1.1 {reply.status} {reply.mark}", f"X-Note: {reply.mark}", "Content-Type: text/xml", *framing]
    lines += [f"WWW-Authenticate: {line}" for line in challenges(reply, token)]
    lines += [f"Content-Encoding: {coding}"] * (coding is not None)
    target = {"login": "/login", "single sign-on": "https://sso.test/login"}.get(reply.to)
    target = target or f"https://elsewhere.test/{reply.number}"
    lines += [f"Location: {target}?{reply.mark}"] * (300 <= reply.status < 400)
    lines += ["Connection: close"] * (reply.end == "announced")
    lines += ["Persistent-Auth: true"] * reply.persistent
    lines += ["Date: Mon, 01 Jan 2001 00:00:00 GMT"] * reply.late
    if reply.cookie is not None:
        name = reply.cookie.lstrip("-")
        lines.append(f"Set-Cookie: {name}={reply.mark}; Path=/" + "; Max-Age=0" * reply.cookie.startswith("-"))
    head = "\r\n".join(lines).encode()
    if reply.framing == "cut head":
        return head
    forged = FORGED if reply.framing == "a forged reply behind it" else b""
    interim = f"HTTP/1.1 {reply.interim} wait\r\nX-Note: {reply.mark}\r\n\r\n".encode() if reply.interim else b""
    return interim + head + b"\r\n\r\n" + body + forged


def flipped(token, position):
    """Flip one bit of a token: near its end, where no frame is."""
    data = bytearray(base64.b64decode(token))
    data[-1 - position // 8] ^= 1 << position % 8
    return base64.b64encode(data).decode()
