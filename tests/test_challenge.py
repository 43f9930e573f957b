"""Reading WWW-Authenticate, against the grammar of RFC 9110."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krbxmlrpc import www_auth
from krbxmlrpc.challenge import challenges, negotiate_details

TOKEN = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=12)
TOKEN68 = st.from_regex(r"[A-Za-z0-9\-._~+/]{1,40}={0,2}", fullmatch=True)
QUOTED = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=20).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
PARAMETER = st.builds("{}={}".format, TOKEN, TOKEN | QUOTED)
# A list of parameters that is one token with "=" at its end would be a token68.
DETAILS = st.just("") | TOKEN68 | st.lists(PARAMETER, min_size=1, max_size=4).map(", ".join)
CHALLENGES = st.lists(st.tuples(TOKEN, DETAILS), max_size=5)
COMMA = st.sampled_from([",", ", ", " , ", ",,", "\t,", ", ,"])


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
        ("Digest a = b , c\t=\t\"d\" ,Bearer", {"digest": 'a = b, c\t=\t"d"', "bearer": ""}),
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
    line = ""
    for scheme, details in written:
        line += data.draw(COMMA) if line else ""
        line += f"{scheme} {details}".rstrip(" ") if details else scheme
    expected = [(scheme.lower(), details) for scheme, details in written]
    assert list(challenges(line)) == expected
    lines = [f"{scheme} {details}" if details else scheme for scheme, details in written]
    assert list(challenges(lines)) == expected


@given(st.text() | st.text('Negotiate ,"\\=ab'))
def test_any_text_is_read_without_an_error(text):
    for challenge in challenges(text):
        assert challenge.scheme == challenge.scheme.lower() != ""
    assert negotiate_details(text) is None or "negotiate" in text.lower()


@given(st.text('Negotiate ,"\\=ab'), TOKEN68)
def test_a_line_of_its_own_is_not_hidden_by_others(text, token):
    assert negotiate_details([f"Basic {text}", f"Negotiate {token}"]) is not None


@given(st.sampled_from(["Negotiate", "negotiate", "Negotiate:", "Basic"]), st.text("aZ09+/=-._~ ,\t", max_size=12))
def test_the_short_cut_for_a_header_that_is_nothing_but_negotiate_finds_the_same(scheme, details):
    line = f"{scheme} {details}"
    assert negotiate_details([line]) == www_auth(line).get("negotiate")
