"""Tokens: the strict reading of the client's first one, and of a server's answers to it."""

import base64

from krbxmlrpc._kerberos import tokens
from krbxmlrpc._kerberos.tokens import NO_REASON, Offer, check_reply, decode_token, read_offer, refusal_code

KRB5 = bytes.fromhex("2a864886f712010202")
MICROSOFT = bytes.fromhex("2a864882f712010202")  # Windows 2000's OID of Kerberos (RFC 4178, appendix C)
_SPNEGO_OID = bytes.fromhex("2b0601050502")
AES256 = b"\x12"
SERVICE = "HTTP/hub@REALM"
SPNEGO = Offer((KRB5,), AES256, SERVICE)
BARE = Offer((), AES256, SERVICE)


def der(tag, *parts):
    """Encode a field as X.690 prescribes."""
    data = b"".join(parts)
    if len(data) < 128:
        return bytes([tag, len(data)]) + data
    size = len(data).to_bytes((len(data).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + data


def proof(enctype=AES256, cipher=b"c" * 200, kvno=b""):
    """Return a Kerberos token that answers a ticket."""
    encrypted = der(0x30, der(0xA0, der(2, enctype)), kvno, der(0xA2, der(4, cipher)))
    reply = der(0x30, der(0xA0, der(2, b"\x05")), der(0xA1, der(2, b"\x0f")), der(0xA2, encrypted))
    return der(0x60, der(6, KRB5), b"\x02\x00", der(0x6F, reply))


def answer(*fields):
    """Return SPNEGO's token for an answer."""
    return der(0xA1, der(0x30, *fields))


def ticket(service=SERVICE, version=b"\x05"):
    """Return the part of a ticket that is not encrypted, and no more."""
    name, _, realm = service.partition("@")
    parts = [der(0x1B, part.encode()) for part in name.split("/")]
    sname = der(0x30, der(0xA0, der(2, b"\x03")), der(0xA1, der(0x30, *parts)))
    fields = der(0xA0, der(2, version)), der(0xA1, der(0x1B, realm.encode())), der(0xA2, sname)
    return der(0x61, der(0x30, *fields, der(0xA3)))


def offered(mechanisms=(KRB5,), enctype=AES256, cipher=b"c" * 200, service=SERVICE):
    """Return a client's first token; a bare one if there are no mechanisms."""
    fields = [*[der(tag) for tag in (0xA0, 0xA1, 0xA2)], der(0xA3, ticket(service))]
    authenticator = der(0xA4, der(0x30, der(0xA0, der(2, enctype)), der(0xA2, der(4, cipher))))
    bare = der(0x60, der(6, KRB5), b"\x01\x00", der(0x6E, der(0x30, *fields, authenticator)))
    if not mechanisms:
        return bare
    listed = der(0xA0, der(0x30, *[der(6, oid) for oid in mechanisms]))
    return der(0x60, der(6, _SPNEGO_OID), der(0xA0, der(0x30, listed, der(0xA2, der(4, bare)))))


def state(value):
    """Return a field of an answer: how the negotiation stands."""
    return der(0xA0, der(0x0A, bytes([value])))


def mechanism(oid):
    """Return a field of an answer: the mechanism that was picked."""
    return der(0xA1, der(6, oid))


def checksum(data=b"checksum"):
    """Return a field of an answer: the checksum of the negotiation."""
    return der(0xA3, der(4, data))


def verdict(token, offer, final):
    """Return what is wrong with a server's token; "good" where nothing is."""
    try:
        check_reply(token, offer, final=final)
    except ValueError as error:
        return str(error)
    return "good"


def one_input(data):
    for offer in (SPNEGO, BARE):
        for final in (True, False):
            check_answer(data, offer, final)
    check_offer(data)
    check_base64(data)
    check_refusal(data)


def check_refusal(token):
    """Check that a server's token is read as a refusal only if no answer of a server is read from it."""
    code = refusal_code(base64.b64encode(token).decode())
    if token and code is not None:
        assert code >= NO_REASON
        assert "good" not in [verdict(token, offer, final) for offer in (SPNEGO, BARE) for final in (True, False)]


def check_answer(token, offer, final):
    """Check that a token is refused, or is just what the standards have for what is in it."""
    tokens._replies.clear()
    fresh = verdict(token, offer, final)
    assert verdict(token, offer, final) == fresh
    if fresh == "good":
        assert token in canonical(token, offer, final)
        for other in (token + b"\0", token[:-1], b"\0" + token[1:]):
            assert verdict(other, offer, final) != "good"
    assert fresh.isprintable()


def canonical(token, offer, final):
    """Yield all tokens of the same size that hold the same encrypted part and checksum."""
    ((head, tail),) = tokens._replies.values()
    cipher = token[len(head) : len(token) - len(tail)]
    if not offer.mechanisms:
        yield proof(cipher=cipher)
        return
    for negotiation in (b"", state(0)) if final else (state(3),):
        for picked in (b"", mechanism(KRB5), mechanism(MICROSOFT)):
            for proved in (b"", der(0xA2, der(4, proof(cipher=cipher)))):
                if final:
                    yield answer(negotiation, picked, proved)
                else:
                    for size in range(len(token)):
                        yield answer(negotiation, picked, proved, checksum(token[len(token) - size :]))


def check_offer(token):
    """Check that a client's token is refused, or read in one way whatever was read before."""
    tokens._offers.clear()
    try:
        offer = read_offer(token)
    except ValueError as error:
        assert str(error).isprintable()
        return
    assert read_offer(token) == offer
    assert all(token.count(part) for part in (*offer.mechanisms, offer.enctype))
    for other in (token + b"\0", *[token[:cut] for cut in range(len(token))]):
        try:
            read_offer(other)
        except ValueError:
            continue
        raise AssertionError("a token that is cut off, or goes on, was read")


def check_base64(data):
    """Check that only what encoding yields is decoded."""
    text = data.decode("latin-1")
    try:
        decoded = decode_token(text)
    except ValueError as error:
        assert str(error) == "the token is not base64"
        decoded = None
    assert decoded is None or base64.b64encode(decoded).decode() == text
    assert not data or decode_token(base64.b64encode(data).decode()) == data
