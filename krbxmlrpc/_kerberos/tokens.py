"""Reads the tokens of an exchange strictly: the client's first token, and the server's tokens.

Plain functions on bytes, without GSSAPI. They exist because GSSAPI libraries read the server's token leniently: MIT's
library ignores lengths, the state of the negotiation and the encryption type in the frame around the encrypted part.
Some of its versions also ignore the checksum of the negotiation. No key protects that frame, so this module checks each
bit of the frame against the standards. The rules name the standard, and depend on no version of a library. An altered
token never passes for the server's; `_MICROSOFT_KRB5` gives the one exception, which alters no meaning. The module also
restricts SPNEGO to Kerberos: it refuses a server that picks another mechanism, because that mechanism could not prove
the server's identity.
"""

from __future__ import annotations

import binascii
import hashlib
from typing import NamedTuple, TypeVar

from .._secrets import SecretBytes
from .principals import unparsed

Key = TypeVar("Key")
Read = TypeVar("Read")

# Object identifiers in DER, without tag and length.
_SPNEGO = b"\x2b\x06\x01\x05\x05\x02"  # 1.3.6.1.5.5.2, RFC 4178
_KRB5 = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"  # 1.2.840.113554.1.2.2, RFC 4121

# 1.2.840.48018.1.2.2: Windows 2000 cut the number 113554 to 16 bits. By RFC 4178, appendix C, this OID can name
# Kerberos, too. Old servers send it although the client did not offer it. The two OIDs differ in one bit. Somebody who
# alters that bit changes no meaning: both OIDs select Kerberos, and the proof has an OID of its own.
_MICROSOFT_KRB5 = b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"

# The first two bytes of a Kerberos token inside its frame: its kind (RFC 4121, section 4.1).
_AP_REQ = b"\x01\x00"
_AP_REP = b"\x02\x00"
_ERROR = b"\x03\x00"

# DER tags.
_INTEGER, _OCTETS, _OID, _ENUMERATED, _SEQUENCE = 0x02, 0x04, 0x06, 0x0A, 0x30
_STRING = 0x1B  # GeneralString, RFC 4120, section 5.2.1
_FRAME = 0x60  # RFC 2743, section 3.1
_NEG_TOKEN_RESP = 0xA1  # RFC 4178, section 4.2
_APPLICATION_1 = 0x61  # Ticket, RFC 4120, section 5.3
_APPLICATION_14, _APPLICATION_15 = 0x6E, 0x6F  # AP-REQ and AP-REP, RFC 4120, section 5.5
_APPLICATION_30 = 0x7E  # KRB-ERROR, RFC 4120, section 5.9.1

_ACCEPT_COMPLETED, _REJECT, _REQUEST_MIC = b"\x00", b"\x02", b"\x03"  # negState, RFC 4178, section 4.2.2

NO_REASON = 0
"""The code of a refusal without a reason. Kerberos has no error with this code (RFC 4120, section 7.5.9)."""


class Offer(NamedTuple):
    """The parts of the client's first token that the server's token has to match."""

    mechanisms: tuple[bytes, ...]
    """The mechanisms that SPNEGO offers; empty if the token is a bare Kerberos token."""
    enctype: bytes
    """The encryption type of the session key, which encrypts the server's proof, as the bytes of a DER integer."""
    service: str
    """The principal for which the ticket was issued, as the ticket says in clear text. GSSAPI displays it like this."""
    fingerprint: str = ""
    """A hash of the ticket: it tells whether two tokens hold the same ticket."""


def decode_token(token: str) -> SecretBytes:
    """Return the bytes of a base64 token. Raise ValueError unless they encode to exactly this token (RFC 4648, 3.5)."""
    try:
        data = SecretBytes(binascii.a2b_base64(token))  # lenient: it ignores invalid characters
    except (binascii.Error, ValueError):
        data = SecretBytes()
    if not data or binascii.b2a_base64(data, newline=False).decode("ascii") != token:
        raise ValueError("the token is not base64")
    return data


def read_offer(token: bytes) -> Offer:
    """Read the client's first token. Raise ValueError if it is not a Kerberos token."""
    known = _offers.get(len(token))
    if known is None or not known[0].frames(token):
        known = _remembered(_offers, len(token), _parsed_offer(token))
    return known[1]


def check_reply(token: bytes, offer: Offer, *, final: bool) -> None:
    """Check the frame of a server's first token. (RFC 4178, section 5, allows no second token from a Kerberos server.)

    Args:
        token: the server's token.
        offer: the offer of the client's first token.
        final: whether the token ends the exchange, so that the negotiation must be complete. If not, GSSAPI has
            verified the checksum in the token, and its answer holds the client's checksum.

    Raises:
        ValueError: the token does not conform to the standards; the error states the defect.
    """
    key = (len(token), offer, final)
    known = _replies.get(key)
    if known is None or not known.frames(token):
        _remembered(_replies, key, _parsed_reply(token, offer, final))


def requests_checksum(token: bytes, offer: Offer) -> bool:
    """Say whether a server's token conforms to the standards, and requests the client's checksum of the negotiation."""
    try:
        check_reply(token, offer, final=False)
    except ValueError:
        return False
    return True


def refusal_code(token: str) -> int | None:
    """Return the error code of Kerberos by which a server refuses a ticket; None if its token is no refusal.

    No key protects a refusal: anybody on the network path could have made it.

    Args:
        token: the token in base64; ``""`` if the server sent none.
    """
    if not token:
        return NO_REASON
    try:
        return _parsed_refusal(decode_token(token))
    except ValueError:
        return None


def _parsed_refusal(token: bytes) -> int:
    fields = _Fields(token)
    response = fields.take_optional(_NEG_TOKEN_RESP)
    if response is not None:
        answer = response.take(_SEQUENCE)
        state = answer.take_optional(0xA0)
        answer.take_optional(0xA1)
        proof = answer.take_optional(0xA2)
        if proof is None:
            _expect(_required(state), _ENUMERATED, (_REJECT,))
            return NO_REASON
        fields = proof.take(_OCTETS)
    error = _kerberos_message(fields, _ERROR).take(_APPLICATION_30).take(_SEQUENCE)
    for tag in (0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5):  # version, type, and the times of both sides
        error.take_optional(tag)
    return int.from_bytes(error.take(0xA6).take(_INTEGER).rest, "big")


def _required(field: _Fields | None) -> _Fields:
    if field is None:
        raise ValueError("a field of the token is missing")
    return field


class _Frame(NamedTuple):
    """The bytes around the encrypted part of a token. Tokens of one length and frame give the same result."""

    head: bytes
    tail: bytes

    def frames(self, token: bytes) -> bool:
        """Whether a token of the same length has this frame."""
        return token.startswith(self.head) and token.endswith(self.tail)


# All tokens made from one service ticket, while it is valid, have the same frames. So compare frames first, and parse
# only new frames.
_MAX_FRAMES = 64
_offers: dict[int, tuple[_Frame, Offer]] = {}
_replies: dict[tuple[int, Offer, bool], _Frame] = {}


def _remembered(known: dict[Key, Read], key: Key, read: Read) -> Read:
    if len(known) >= _MAX_FRAMES:
        known.clear()
    known[key] = read
    return read


def _parsed_offer(token: bytes) -> tuple[_Frame, Offer]:
    mechanisms: tuple[bytes, ...] = ()
    krb5, whole = _Fields(token), _Fields(token)
    frame = whole.take(_FRAME)
    whole.end()
    if frame.take(_OID).rest == _SPNEGO:
        init = frame.take(0xA0).take(_SEQUENCE)
        listed = init.take(0xA0).take(_SEQUENCE)
        while listed.has_more():
            mechanisms += (listed.take(_OID).rest,)
        init.take_optional(0xA1)
        krb5 = init.take(0xA2).take(_OCTETS)
    request = _kerberos_message(krb5, _AP_REQ).take(_APPLICATION_14).take(_SEQUENCE)
    for tag in (0xA0, 0xA1, 0xA2):  # version, type, options
        request.take(tag)
    ticket = request.take(0xA3)
    fingerprint = hashlib.sha256(ticket.rest).hexdigest()
    service = _service_in(ticket)
    authenticator = request.take(0xA4).take(_SEQUENCE)
    offer = Offer(mechanisms, authenticator.take(0xA0).take(_INTEGER).rest, service, fingerprint)
    authenticator.take_optional(0xA1)
    return authenticator.take(0xA2).take(_OCTETS).frame(), offer


def _service_in(field: _Fields) -> str:
    """Return the principal that a ticket is for (RFC 4120, sections 5.2.2 and 5.3)."""
    ticket = field.take(_APPLICATION_1).take(_SEQUENCE)
    field.end()
    _expect(ticket.take(0xA0), _INTEGER, (b"\x05",))  # tkt-vno
    realm = ticket.take(0xA1).take(_STRING).rest
    name = ticket.take(0xA2).take(_SEQUENCE)
    name.take(0xA0)  # name-type: only a hint
    listed = name.take(0xA1).take(_SEQUENCE)
    name.end()
    components = []
    while listed.has_more():
        components.append(listed.take(_STRING).rest)
    return unparsed(realm, components)


def _parsed_reply(token: bytes, offer: Offer, final: bool) -> _Frame:
    whole = _Fields(token)
    if not offer.mechanisms:
        if not final:
            raise ValueError("the server's proof ends an exchange without SPNEGO")  # RFC 4121, section 4.1
        return _checked_proof(whole, offer.enctype).frame()
    response = whole.take(_NEG_TOKEN_RESP)
    answer = response.take(_SEQUENCE)
    is_requested = _requests_checksum(answer.take_optional(0xA0))
    mechanism = answer.take_optional(0xA1)
    if mechanism is not None:  # section 4.2.2: the server picks a mechanism that the client offered
        _expect(mechanism, _OID, (_KRB5, _MICROSOFT_KRB5) if _KRB5 in offer.mechanisms else ())
    protected = _Fields(token, len(token))  # no bytes are protected, unless there is a proof
    proof = answer.take_optional(0xA2)
    if proof is not None:
        protected = _checked_proof(proof.take(_OCTETS), offer.enctype)
        proof.end()
    _check_checksum(answer.take_optional(0xA3), is_requested)
    for part in (answer, response, whole):
        part.end()
    if is_requested is final:
        raise ValueError("the token has another state of the negotiation than the exchange")
    return protected.frame()


def _requests_checksum(state: _Fields | None) -> bool:
    """Check the state of the negotiation (RFC 4178, section 4.2.2). Return whether the server requests the checksums.

    The client's first token holds a ticket, and Kerberos needs no second message from the client. Only the checksums of
    the negotiation (section 5) can still be missing, and a server requests them by request-mic. So accept-incomplete is
    refused. Section 5 (b) allows it with an optional checksum, but no key protects the state, and it differs from
    request-mic in one bit. If the state is missing, it follows from Kerberos: the negotiation is complete.
    """
    accepted = (_ACCEPT_COMPLETED, _REQUEST_MIC)
    return state is not None and _expect(state, _ENUMERATED, accepted) == _REQUEST_MIC


def _check_checksum(field: _Fields | None, is_requested: bool) -> None:
    """Check that the token has a checksum of the negotiation, mechListMIC, only if it requests the client's as well.

    A server that requests the checksums sends its own (RFC 4178, sections 5 (b) and 5 (c) IV). The contents are
    protected: GSSAPI has verified them if it answers. If the negotiation is complete, and the client sent no checksum,
    the server sends none (section 5 (b)). GSSAPI may overlook such a checksum, so nobody would have verified it.
    """
    if is_requested and field is None:
        raise ValueError("the token requests the checksums of the negotiation, and has none")
    if field is not None:
        field.take(_OCTETS)
        field.end()
        if not is_requested:
            raise ValueError("the token has a checksum of the negotiation, and does not request the client's")


def _checked_proof(token: _Fields, enctype: bytes) -> _Fields:
    """Check an AP-REP (RFC 4120, sections 5.2.9 and 5.5.2), except its encrypted part. Return the encrypted part."""
    message = _kerberos_message(token, _AP_REP)
    reply = message.take(_APPLICATION_15)
    fields = reply.take(_SEQUENCE)
    _expect(fields.take(0xA0), _INTEGER, (b"\x05",))  # pvno
    _expect(fields.take(0xA1), _INTEGER, (b"\x0f",))  # msg-type
    wrapped = fields.take(0xA2)
    encrypted = wrapped.take(_SEQUENCE)
    _expect(encrypted.take(0xA0), _INTEGER, (enctype,))
    # Only long-term keys have a key version (section 5.2.9). This is a session key, so there is none.
    cipher = encrypted.take(0xA2)
    protected = cipher.take(_OCTETS)
    for part in (cipher, encrypted, wrapped, fields, reply, message):
        part.end()
    return protected


def _kerberos_message(token: _Fields, kind: bytes) -> _Fields:
    """Unwrap a Kerberos token (RFC 4121, section 4.1; RFC 2743, section 3.1)."""
    frame = token.take(_FRAME)
    token.end()
    if frame.take(_OID).rest != _KRB5 or not frame.skip(kind):
        raise ValueError("the token is not a Kerberos token of the expected kind")
    return frame


def _expect(field: _Fields, tag: int, accepted: tuple[bytes, ...]) -> bytes:
    value = field.take(tag).rest
    field.end()
    if value not in accepted:
        raise ValueError("a field of the token has a value that is not allowed")
    return value


class _Fields:
    """A sequence of DER fields, in exactly the form that X.690 prescribes."""

    __slots__ = ("_data", "_at", "_end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = at
        self._end = len(data) if end is None else end

    @property
    def rest(self) -> bytes:
        """The bytes that are not yet taken."""
        return SecretBytes(self._data[self._at : self._end])

    def frame(self) -> _Frame:
        """Return the bytes around these fields."""
        return _Frame(SecretBytes(self._data[: self._at]), SecretBytes(self._data[self._end :]))

    def has_more(self) -> bool:
        """Whether there are bytes that are not yet taken."""
        return self._at < self._end

    def take(self, tag: int) -> _Fields:
        """Take the next field, which must have this tag. Return its contents."""
        data, start = self._data, self._at + 2
        if start > self._end or data[self._at] != tag:
            raise ValueError("a field of the token is missing, or another field is in its place")
        length = data[start - 1]
        if length > 0x7F:
            size, start = length & 0x7F, start + (length & 0x7F)
            length = int.from_bytes(data[start - size : start], "big")
            if length < 0x80 or data[start - size] == 0:
                raise ValueError("a length in the token is not in its shortest form")
        if start + length > self._end:
            raise ValueError("the token is cut off")
        self._at = start + length
        return _Fields(data, start, self._at)

    def take_optional(self, tag: int) -> _Fields | None:
        """Take the next field if it has this tag."""
        return self.take(tag) if self.has_more() and self._data[self._at] == tag else None

    def skip(self, prefix: bytes) -> bool:
        """Take these bytes if they come next. Return whether they did."""
        found = self._data.startswith(prefix, self._at, self._end)
        self._at += len(prefix) * found
        return found

    def end(self) -> None:
        """Check that nothing follows."""
        if self.has_more():
            raise ValueError("the token continues after its end")
