"""The strict reading of tokens: what the exhaustive bit test over real ones does not reach."""

import base64

import pytest
from fuzz import CORPUS, tokens as fuzzed
from fuzz.tokens import (
    AES256,
    BARE,
    KRB5,
    MICROSOFT,
    SERVICE,
    SPNEGO,
    answer,
    checksum,
    der,
    mechanism,
    offered,
    one_input,
    proof,
    state,
    verdict,
)
from hypothesis import given, strategies as st
from scripted_credentials import ScriptedContext, ScriptedCredentials

from krbxmlrpc import MutualAuthenticationError
from krbxmlrpc._kerberos import tokens
from krbxmlrpc._kerberos.ticket import Ticket
from krbxmlrpc._kerberos.tokens import (
    NO_REASON,
    Offer,
    check_reply,
    decode_token,
    read_offer,
    refusal_code,
    requests_checksum,
)

NTLM = bytes.fromhex("2b06010401823702020a")
PROOF = der(0xA2, der(4, proof()))


@pytest.mark.parametrize(
    "token, offer, final",
    [
        (proof(), BARE, True),
        (proof(cipher=b"c" * 100_000), BARE, True),
        (answer(state(0), mechanism(KRB5), PROOF), SPNEGO, True),
        (answer(state(0), PROOF), SPNEGO, True),
        (answer(PROOF), SPNEGO, True),
        (answer(state(0), mechanism(MICROSOFT), PROOF), SPNEGO, True),
        (answer(state(3), mechanism(KRB5), PROOF, checksum()), SPNEGO, False),
        (answer(state(3), mechanism(MICROSOFT), PROOF, checksum()), SPNEGO, False),
        (answer(state(3), mechanism(KRB5), checksum()), SPNEGO, False),  # nobody asked the server for a proof
    ],
)
def test_what_the_standards_allow(token, offer, final):
    check_reply(token, offer, final=final)
    for extra in (token + b"\0", token[:-1]):
        with pytest.raises(ValueError):
            check_reply(extra, offer, final=final)


@pytest.mark.parametrize(
    "token, offer, final",
    [
        (b"", BARE, True),
        (b"\x60", BARE, True),
        (b"\x60\x80", BARE, True),
        (b"\x60\x84\xff\xff\xff\xff", BARE, True),
        (proof(enctype=b"\x11"), BARE, True),
        (proof(kvno=der(0xA1, der(2, b"\x01"))), BARE, True),
        (proof(), BARE, False),
        (proof(), SPNEGO, True),
        (answer(PROOF), BARE, True),
        (answer(state(1), mechanism(KRB5), PROOF), SPNEGO, True),
        (answer(state(2), mechanism(KRB5), PROOF), SPNEGO, True),
        (answer(state(0), mechanism(NTLM), PROOF), SPNEGO, True),
        (answer(state(0), mechanism(KRB5), PROOF), Offer((NTLM,), AES256, SERVICE), True),
        (answer(state(0), mechanism(MICROSOFT), PROOF), Offer((NTLM,), AES256, SERVICE), True),
        # RFC 4178, sections 4.2.2 and 5: a server goes on only if it requests the checksums, and then sends its own.
        *[(answer(*known, PROOF), SPNEGO, False) for known in ([], [state(0)], [state(1)], [state(2)], [state(3)])],
        *[(answer(*known, PROOF, checksum()), SPNEGO, False) for known in ([], [state(0)], [state(1)], [state(2)])],
        *[(answer(state(value), PROOF), SPNEGO, True) for value in (1, 2, 3, 4)],
        *[(answer(state(value), PROOF, checksum()), SPNEGO, True) for value in (0, 1, 2, 3)],
        (answer(PROOF, checksum()), SPNEGO, True),
        (answer(mechanism(KRB5), state(0), PROOF), SPNEGO, True),
        (answer(state(0), state(0), PROOF), SPNEGO, True),
        (answer(state(0), PROOF, PROOF), SPNEGO, True),
        (answer(state(0), der(0xA2, der(4, proof(), b"\0"))), SPNEGO, True),
        (answer(state(0), der(0xA2, der(4, proof()), b"\0")), SPNEGO, True),
        (answer(state(3), PROOF, der(0xA3, der(4, b"checksum"), b"\0")), SPNEGO, False),
        (der(0xA1, der(0x30, state(3), PROOF), checksum()), SPNEGO, False),
        # Lengths in a form that is not the shortest.
        (b"\xa1\x81\x07" + answer(state(0))[2:], SPNEGO, True),
        (b"\xa1\x82\x00\x07" + answer(state(0))[2:], SPNEGO, True),
        (b"\x60\x83\x00" + proof(cipher=b"c" * 300)[2:], BARE, True),
    ],
)
def test_what_they_do_not(token, offer, final):
    with pytest.raises(ValueError):
        check_reply(token, offer, final=final)


def wrapped_proof():
    """Return SPNEGO's answer with all its fields."""
    fields = fuzzed.der(0xA2, fuzzed.der(4, proof(cipher=b"protected"))), checksum()
    return answer(state(3), mechanism(KRB5), *fields)


@pytest.mark.parametrize("extra", [b"\0", der(5), checksum(), der(0xA9, b"x")])
@pytest.mark.parametrize("offer, build", [(BARE, lambda: proof(cipher=b"protected")), (SPNEGO, wrapped_proof)])
def test_no_bytes_may_be_added_inside_any_field(monkeypatch, offer, build, extra):
    """GSSAPI passes over them. It checks only the encrypted part and the checksum, whatever their lengths."""
    fields = []
    chosen = -1

    def extended(tag, *parts):
        fields.append(parts)
        return der(tag, *parts, *[extra] * (len(fields) == chosen))

    monkeypatch.setattr(fuzzed, "der", extended)
    check_reply(build(), offer, final=offer is BARE)
    for chosen in range(1, len(fields) + 1):
        fields.clear()
        token = build()
        if fields[chosen - 1] in ((b"protected",), (b"checksum",)):
            check_reply(token, offer, final=offer is BARE)
        else:
            with pytest.raises(ValueError):
                check_reply(token, offer, final=offer is BARE)


OFFERS = [
    Offer((KRB5, MICROSOFT), AES256, SERVICE),
    Offer((MICROSOFT, KRB5), AES256, SERVICE),
    Offer((KRB5, MICROSOFT), b"\x11", SERVICE),
    Offer((KRB5, MICROSOFT), AES256, "HTTP/hub@OTHER"),
    Offer((KRB5, MICROSOFT), AES256, "HTTP/bus@REALM"),
]


@pytest.mark.parametrize("first", OFFERS)
@pytest.mark.parametrize("second", OFFERS)
def test_offers_of_one_length_are_told_apart(first, second):
    tokens_of = [offered(offer.mechanisms, offer.enctype, service=offer.service) for offer in (first, second)]
    assert len(set(map(len, tokens_of))) == 1
    tokens._offers.clear()
    for _ in range(2):
        found = [read_offer(token) for token in tokens_of]
        assert [offer._replace(fingerprint="") for offer in found] == [first, second]
    assert (found[0].fingerprint == found[1].fingerprint) is (first.service == second.service)


def test_a_bare_offer_has_no_mechanisms():
    assert read_offer(offered(()))._replace(fingerprint="") == BARE


@pytest.mark.parametrize("offer", OFFERS)
def test_answers_of_one_length_are_told_apart_by_their_offers(offer):
    token = answer(state(0), mechanism(KRB5), PROOF)
    tokens._replies.clear()
    for _ in range(2):
        assert verdict(token, OFFERS[0], True) == "good"
        assert (verdict(token, offer, True) == "good") is (offer.enctype == AES256)
        assert verdict(token, OFFERS[0], False) != "good"


TOKENS = [path.read_bytes() for path in sorted((CORPUS / "tokens").iterdir())]


@st.composite
def altered(draw):
    """Return a token with bytes removed, replaced or added at a few places."""
    token = draw(st.sampled_from(TOKENS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(token)))
        token = token[:at] + draw(st.binary(max_size=3)) + token[at + draw(st.integers(0, 3)) :]
    return token


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda data: der(0xA1, der(0x30, data))) | altered())
def test_any_bytes_are_refused_or_what_the_standards_have(data):
    one_input(data)


@given(st.text())
def test_what_decodes_is_what_it_encodes_to(text):
    try:
        data = decode_token(text)
    except ValueError:
        return
    assert base64.b64encode(data).decode() == text


@pytest.mark.parametrize(
    "token, offer, final",
    [
        (proof(cipher=b"c" * 60), BARE, True),
        (answer(state(0), mechanism(KRB5), der(0xA2, der(4, proof(cipher=b"c" * 60)))), SPNEGO, True),
        (answer(state(0), PROOF), SPNEGO, True),
        (answer(state(3), mechanism(KRB5), PROOF, checksum()), SPNEGO, False),
        (answer(state(0)), SPNEGO, True),
    ],
)
def test_frames_that_are_known_are_read_as_if_they_were_not(token, offer, final):
    for bit in range(len(token) * 8):
        other = bytearray(token)
        other[bit // 8] ^= 1 << bit % 8
        for asked in [(offer, final), (offer, not final), (BARE if offer is SPNEGO else SPNEGO, final)]:
            tokens._replies.clear()
            fresh = verdict(bytes(other), *asked)
            assert verdict(token, offer, final) == "good"
            assert verdict(bytes(other), *asked) == fresh


def test_what_is_known_of_frames_does_not_grow_for_ever():
    for size in range(3 * tokens._MAX_FRAMES):
        check_reply(proof(cipher=b"c" * size), BARE, final=True)
    assert len(tokens._replies) <= tokens._MAX_FRAMES


def refuses(token, offer, final):
    """Say whether a server's token is refused."""
    try:
        check_reply(bytes(token), offer, final=final)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("offer, final", [(SPNEGO, True), (SPNEGO, False), (BARE, True)])
def test_no_byte_of_a_frame_can_have_another_value(offer, final):
    """There is one exception: one byte has two values that mean the same."""
    cipher, mic = b"c" * 200, b"m" * 28
    whole = proof(cipher=cipher)
    if offer.mechanisms:
        fields = mechanism(KRB5), der(0xA2, der(4, whole))
        whole = answer(state(0), *fields) if final else answer(state(3), *fields, checksum(mic))
    tokens._replies.clear()
    assert not refuses(whole, offer, final)
    protected = set()
    for part in (cipher, mic):
        if part in whole:
            protected |= set(range(whole.index(part), whole.index(part) + len(part)))
    exceptions = []
    for position in set(range(len(whole))) - protected:
        for value in set(range(256)) - {whole[position]}:
            altered = bytearray(whole)
            altered[position] = value
            if not refuses(altered, offer, final):
                exceptions.append(bytes(altered))
    # RFC 4178, appendix C: this OID is Kerberos, too. It has one bit other than KRB5, and alters no meaning.
    assert exceptions == [whole.replace(mechanism(KRB5), mechanism(MICROSOFT))] * len(offer.mechanisms)
    assert [bin(one ^ other).count("1") for one, other in zip(KRB5, MICROSOFT)] == [0, 0, 0, 1, 0, 0, 0, 0, 0]


def test_only_a_valid_request_for_checksums_is_one():
    token = answer(state(3), mechanism(KRB5), PROOF, checksum())
    assert requests_checksum(token, SPNEGO)
    for other in (token + b"\0", answer(state(3), PROOF), answer(state(0), PROOF), b"", proof()):
        assert not requests_checksum(other, SPNEGO)
    assert not requests_checksum(proof(), BARE)


@pytest.mark.parametrize("token", ["YR==", "!YQ==", "YQ==!", " YQ==", "YQ= =", "YQ==YQ==", "YQ", "~Q==", ""])
def test_base64_has_one_form(token):
    assert decode_token("YQ==") == b"a"
    with pytest.raises(ValueError, match="not base64"):
        decode_token(token)


def test_only_some_frames_are_remembered():
    tokens._replies.clear()
    for length in range(1, 3 * tokens._MAX_FRAMES):
        check_reply(proof(cipher=b"c" * length), BARE, final=True)
        assert len(tokens._replies) <= tokens._MAX_FRAMES
        assert length > tokens._MAX_FRAMES or len(tokens._replies) == length


# -- the tickets' use of these rules ----------------------------------------------------------------------------------


def scripted_ticket(answer):
    """Return a ticket whose GSSAPI takes every token, and answers as a test says."""
    token = base64.b64encode(offered()).decode()
    return Ticket(SERVICE, _credentials=ScriptedCredentials(lambda request: (ScriptedContext(answer), token)))


REQUEST = base64.b64encode(answer(state(3), mechanism(KRB5), PROOF, checksum())).decode()
COMPLETE = base64.b64encode(answer(state(0), mechanism(KRB5), PROOF)).decode()


def test_a_request_for_checksums_goes_on_with_the_answer():
    ticket = scripted_ticket("answer")
    assert ticket.answer_token(REQUEST)
    assert (ticket.auth_header, ticket.principal) == ("Negotiate answer", "user@REALM")


def test_a_request_for_checksums_without_answer_is_no_proof():
    """The server waits for the client's checksum, and nobody has verified the server's (RFC 4178, section 5 (c) IV)."""
    ticket = scripted_ticket("")
    with pytest.raises(MutualAuthenticationError, match="asks for a checksum .* GSSAPI makes none") as caught:
        ticket.answer_token(REQUEST)
    assert ticket.principal is None
    assert caught.value.hint == ticket.remedy
    assert "update the Kerberos libraries" in ticket.remedy and "mechanism='krb5'" in ticket.remedy
    with pytest.raises(RuntimeError):
        ticket.answer_token(REQUEST)


def test_a_request_for_checksums_ends_no_exchange():
    ticket = scripted_ticket("answer")
    with pytest.raises(MutualAuthenticationError, match="violates the standards"):
        ticket.verify_token(REQUEST)
    assert ticket.principal is None and ticket.remedy is None


def test_a_complete_negotiation_needs_no_answer():
    ticket = scripted_ticket("")
    assert not ticket.answer_token(COMPLETE)
    assert ticket.principal == "user@REALM"
    ticket = scripted_ticket("answer")
    with pytest.raises(MutualAuthenticationError, match="violates the standards"):
        ticket.answer_token(COMPLETE)
    assert ticket.principal is None


# -- refusals ---------------------------------------------------------------------------------------------------------


def refusal(code, times=True):
    """Return a Kerberos token with a KRB-ERROR (RFC 4120, section 5.9.1)."""
    fields = der(0xA0, der(2, b"\5")) + der(0xA1, der(2, b"\x1e"))
    if times:
        fields += b"".join(der(tag, der(2, b"\1")) for tag in (0xA3, 0xA4, 0xA5))
    fields += der(0xA6, der(2, bytes([code]))) + der(0xA9, der(0x1B, b"REALM"))
    return der(0x60, der(6, KRB5) + b"\3\0" + der(0x7E, der(0x30, fields)))


@pytest.mark.parametrize(
    "token, code",
    [
        (refusal(31), 31),
        (refusal(44, times=False), 44),
        (answer(state(2), mechanism(KRB5), der(0xA2, der(4, refusal(41)))), 41),
        (answer(state(1), der(0xA2, der(4, refusal(41)))), 41),
        (answer(state(2)), NO_REASON),
        (base64.b64decode("oQcwBaADCgEC"), NO_REASON),  # from mod_auth_gssapi with gss-ntlmssp, and no keytab
        (answer(state(2), mechanism(KRB5)), NO_REASON),
        (answer(state(0)), None),
        (answer(state(1)), None),
        (answer(mechanism(KRB5)), None),
        (answer(state(2), mechanism(KRB5), PROOF), None),
        (proof(), None),
        (b"junk", None),
    ],
)
def test_the_code_of_a_refusal(token, code):
    assert refusal_code(base64.b64encode(token).decode()) == code


def test_a_server_without_a_token_gives_no_reason():
    assert refusal_code("") == NO_REASON
    assert refusal_code("no base64") is None


@given(st.binary() | st.binary().map(lambda data: answer(state(2), der(0xA2, der(4, data)))))
def test_anything_is_a_refusal_or_none(token):
    refusal_code(base64.b64encode(token).decode())
