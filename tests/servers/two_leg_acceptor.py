"""An acceptor whose exchange takes two legs.

Kerberos under SPNEGO takes a single round trip, unless the acceptor protects the negotiation with a checksum (RFC 4178,
section 5, mechListMIC) and waits for the client's. That takes an acceptor that speaks SPNEGO itself: here is one, in
the few DER fields that are needed, around a real krb5 acceptor of python-gssapi.
"""

import base64
from typing import Any, Callable

import gssapi

from krbxmlrpc.testing.loopback import Request

from .scripted import message, values

_KRB5 = bytes.fromhex("06092a864886f712010202")


def _der(tag: int, data: bytes) -> bytes:
    size = b"" if len(data) < 128 else len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([tag, len(data)]) + data if not size else bytes([tag, 0x80 | len(size)]) + size + data


def _inside(data: bytes, *tags: int) -> bytes:
    """Return what is in the first field with this tag, and in that with the next, and so on."""
    for tag in tags:
        while True:
            length, start = data[1], 2
            if length > 127:
                start += length & 127
                length = int.from_bytes(data[2:start], "big")
            if data[0] == tag:
                data = data[start : start + length]
                break
            data = data[start + length :]
    return data


class TwoLegs:
    """Asks for the client's checksum, and sends its own.

    Args:
        alter: changes its token.
        last: what it puts into WWW-Authenticate of its last reply, if anything.
    """

    def __init__(self, alter: Callable[[bytes], bytes] = lambda token: token, last: str = "") -> None:
        self._alter = alter
        self._last = last
        self._context: Any = None
        self._listed = b""

    def ask(self, offered: str) -> str:
        """Take the first token; return request-mic, with the proof and the server's checksum."""
        init = _inside(base64.b64decode(offered), 0x60, 0xA0, 0x30)
        self._listed = _inside(init, 0xA0)
        self._context = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept"), usage="accept")
        proof = self._context.step(_inside(init, 0xA2, 0x04))
        checksum = self._context.get_signature(self._listed)
        fields = _der(0xA0, _der(0x0A, b"\x03")) + _der(0xA1, _KRB5)
        fields += _der(0xA2, _der(0x04, proof)) if proof else b""  # none where the client did not ask for one
        fields += _der(0xA3, _der(0x04, checksum))
        return base64.b64encode(self._alter(_der(0xA1, _der(0x30, fields)))).decode()

    def check(self, answer: str) -> None:
        """Check the client's checksum in the second token."""
        token = base64.b64decode(answer)
        self._context.verify_signature(self._listed, _inside(token, 0xA1, 0x30, 0xA3, 0x04))

    def first(self, request: Request, send: Callable[[bytes], None]) -> None:
        """Answer the first leg."""
        send(message(401, [("WWW-Authenticate", f"Negotiate {self.ask(request.token or '')}")]))

    def second(self, request: Request, send: Callable[[bytes], None]) -> None:
        """Answer the second leg, with the values."""
        self.check(request.token or "")
        send(message(200, [("WWW-Authenticate", self._last)] * bool(self._last), values("in two legs")))
