"""Reading WWW-Authenticate, against the grammar of RFC 9110."""

import string

import pytest
from fuzz.challenge import check
from helpers import in_child
from hypothesis import given, strategies as st

from krbxmlrpc import www_auth
from krbxmlrpc._http.www_authenticate import brings_ntlm, challenges, known_schemes, negotiate_details, offered

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
TOKEN68 = st.from_regex(r"[A-Za-z0-9\-._~+/]{1,40}={0,2}", fullmatch=True)
TEXT = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f") | st.just("\t")
QUOTED_PAIR = TEXT.map("\\{}".format)
QUOTED = st.lists(TEXT.filter(lambda character: character not in '"\\') | QUOTED_PAIR, max_size=20).map(
    lambda characters: '"' + "".join(characters) + '"'
)
BLANK = st.text(" \t", max_size=2)
PARAMETER = st.builds("{}{}={}{}".format, TOKEN, BLANK, BLANK, TOKEN | QUOTED)
DETAILS = TOKEN68.map(lambda token: [token]) | st.lists(PARAMETER, max_size=4)
CHALLENGES = st.lists(st.tuples(TOKEN, DETAILS), max_size=5)
COMMA = st.from_regex(r"[ \t]*,[ \t,]*", fullmatch=True)  # members of a list may be empty (RFC 9110, section 5.6.1.2)


@pytest.mark.parametrize(
    "header, expected",
    [
        ('Negotiate, Basic realm="Example Realm"', {"negotiate": "", "basic": 'realm="Example Realm"'}),
        ('Basic realm="a, Negotiate b", NEGOTIATE c==', {"basic": 'realm="a, Negotiate b"', "negotiate": "c=="}),
        (
            'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',  # RFC 9110, 11.6.1
            {"newauth": 'realm="apps", type=1, title="Login to \\"apps\\""', "basic": 'realm="simple"'},
        ),
        (["Basic a=b", "Negotiate"], {"basic": "a=b", "negotiate": ""}),
        (["Negotiate", "Negotiate YII="], {"negotiate": "YII="}),
        ("Negotiate a, Negotiate b", {"negotiate": "a"}),
        ('Digest a = b , c\t=\t"d" ,Bearer', {"digest": 'a = b, c\t=\t"d"', "bearer": ""}),
        ("", {}),
        ([], {}),
        (" , ,", {}),
        # What does not follow the grammar hides nothing else.
        ("Basic realm=My Realm, Negotiate", {"basic": "realm=My Realm", "negotiate": ""}),
        ('Basic realm="no end, Negotiate', {"basic": 'realm="no end, Negotiate'}),
        ('"?", Negotiate a', {"negotiate": "a"}),
        ("é, Negotiate", {"negotiate": ""}),
        ("Negotiate two words", {"negotiate": "two words"}),
    ],
)
def test_www_auth(header, expected):
    assert www_auth(header) == expected


@given(CHALLENGES, st.data())
def test_valid_headers_are_read_as_they_were_written(written, data):
    lines = [data.draw(st.just("") | COMMA)]
    for scheme, members in written:
        text = scheme
        for place, member in enumerate(members):
            text += (data.draw(COMMA) if place else " " * data.draw(st.integers(1, 3))) + member
        if data.draw(st.booleans()):
            lines.append(text)
        else:
            lines[-1] += (data.draw(COMMA) if lines[-1].strip(" \t,") else "") + text
    lines[-1] += data.draw(st.just("") | COMMA)
    assert list(challenges(lines)) == [(scheme.lower(), ", ".join(members)) for scheme, members in written]


@given(st.lists(st.text() | st.text('Negotiate ,"\\=ab\t') | st.binary().map(lambda data: data.decode("latin-1"))))
def test_any_text_is_read_without_an_error(lines):
    check(lines)


SIZE = 300_000
"""Characters of a line for which work that grows with its square would never end."""


@pytest.mark.parametrize(
    "start, again, end",
    [
        ("", '"', ""),
        ("a ", '\\"', ""),
        ("a ", "a", "@"),
        ("a ", "=", "@"),
        ("a", " ", "@"),
        ("a b=c", " ", "@"),
        ("a b=c", ",", "@"),
        ("a b=", ' "', "@"),
        ('a b="', "\\", '"@'),
        ("a ", "b=c@,", ""),
        ("", 'a b="c"d,', ""),
        ("", 'a b="\\",', ""),
        ("", 'a b="c, ', ""),
        ('a b="', "c", ""),
    ],
)
def test_long_lines_do_not_take_more_work_for_each_character(start, again, end):
    assert in_child(lambda: len(list(challenges(start + again * (SIZE // len(again)) + end)))) <= SIZE


@given(st.text('Negotiate ,"\\=ab'), TOKEN68)
def test_a_line_of_its_own_is_not_hidden_by_others(text, token):
    assert negotiate_details([f"Basic {text}", f"Negotiate {token}"]) is not None


@given(st.sampled_from(["Negotiate", "negotiate", "Negotiate:", "Basic"]), st.text("aZ09+/=-._~ ,\t", max_size=12))
def test_the_negotiate_short_cut_agrees_with_the_full_reading(scheme, details):
    line = f"{scheme} {details}"
    assert negotiate_details([line]) == www_auth(line).get("negotiate")


@pytest.mark.parametrize(
    "values, words",
    [
        ([], "nothing"),
        (["basic"], "Basic"),
        (["negotiate, basic", "scram-sha-256, VAPID"], "Negotiate, Basic, SCRAM-SHA-256, vapid"),
        (["call-now"], "1 unknown scheme"),
        (["call-now, dpop", "basic-"], "DPoP and 2 unknown schemes"),
    ],
)
def test_messages_name_known_schemes_and_count_the_others(values, words):
    assert offered(values) == words
    assert known_schemes(values) == tuple(scheme for scheme in www_auth(values) if scheme not in ("call-now", "basic-"))


PICKED = "oRUwE6ADCgEBoQwGCisGAQQBgjcCAgo="  # accept-incomplete, and NTLM as the mechanism (RFC 4178, section 4.2.2)


@pytest.mark.parametrize(
    "line, ntlm",
    [
        ("Negotiate TlRMTVNTUAACAAAA", True),
        ("NTLM TlRMTVNTUAACAAAA", True),
        ("Basic realm=x, nTLM TlRMTVNTUAACAAAA", True),
        (f"Negotiate {PICKED}", True),
        ("NTLM", False),
        ("Negotiate", False),
        ("Negotiate, NTLM", False),
        ("Negotiate oQcwBaADCgEC", False),
        ("Negotiate TlRMTVNTUE", False),
        ("Basic TlRMTVNTUAACAAAA", False),
        ("Negotiate !no base64!", False),
        ("Negotiate \u00e9", False),
        ("", False),
    ],
)
def test_a_token_of_ntlm_is_known(line, ntlm):
    assert brings_ntlm([line]) is brings_ntlm(["Basic", line]) is ntlm
