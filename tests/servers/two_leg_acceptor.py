"""An acceptor whose exchange takes two legs.

Kerberos under SPNEGO takes a single round trip, unless the acceptor protects the negotiation with a checksum (RFC 4178,
section 5, mechListMIC) and waits for the client's. That takes an acceptor that speaks SPNEGO itself: here is one, in
the few DER fields that are needed, around a real krb5 acceptor of python-gssapi.

The client needs a GSSAPI library that looks at the acceptor's checksum and makes its own. `gssapi_answers` says if the
library of this platform does, and `second_leg` states what has to happen if it does not.
"""

import base64
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

import gssapi
import pytest

from krbxmlrpc import AuthenticationRejected, KerberosXMLRPCError
from krbxmlrpc.testing.loopback import Request

from .scripted import message, values

_SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
_KRB5 = bytes.fromhex("06092a864886f712010202")

STATE, CHECKSUM = 0xA0, 0xA3
"""Tags of fields in an acceptor's token: the state of the negotiation, and its checksum (negState, mechListMIC)."""

COMPLETED, INCOMPLETE, REJECTED, REQUEST_CHECKSUM = (bytes([0x0A, 1, value]) for value in range(4))
"""The contents of the field STATE."""


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


def with_fields(token: bytes, changed: dict[int, bytes]) -> bytes:
    """Return an acceptor's token with other contents of these fields; empty contents remove the field."""
    listed = _inside(token, 0xA1, 0x30)
    fields = {}
    while listed:
        contents = _inside(listed, listed[0])
        fields[listed[0]] = contents
        listed = listed[len(_der(listed[0], contents)) :]
    kept = sorted((tag, contents) for tag, contents in {**fields, **changed}.items() if contents)
    return _der(0xA1, _der(0x30, b"".join(_der(tag, contents) for tag, contents in kept)))


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


@functools.cache
def gssapi_answers() -> bool:
    """Say whether this platform's GSSAPI answers the acceptor's checksum, as RFC 4178, section 5, prescribes.

    MIT krb5 1.21.0 to 1.22.1 does not: it looks for the checksum in a field with another tag (MIT's ticket 9183).
    """
    name = gssapi.Name("HTTP@localhost", gssapi.NameType.hostbased_service)
    client = gssapi.SecurityContext(name=name, mech=_SPNEGO, usage="initiate")
    reply = TwoLegs().ask(base64.b64encode(client.step()).decode())
    return bool(client.step(base64.b64decode(reply)))


@contextmanager
def second_leg(error: type[KerberosXMLRPCError] = AuthenticationRejected) -> Iterator[None]:
    """Run a block in which a call takes two legs. If GSSAPI makes no second leg, the first one has to end the call."""
    if gssapi_answers():
        yield
        return
    with pytest.raises(error, match="asks for a checksum of the negotiation .* and GSSAPI makes none") as caught:
        yield
    assert "update the Kerberos libraries" in caught.value.hint and "mechanism='krb5'" in caught.value.hint
