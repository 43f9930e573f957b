"""Which header fields a request sends."""

import pytest
from hypothesis import given, strategies as st

from krbxmlrpc._http.fields import ONCE, field_key, joined_cookies, merged, repeated
from krbxmlrpc._secrets import Secret

NAMES = st.sampled_from(["A", "a", b"A", "Accept", "User-Agent", "user-agent", b"REFERER"])
FIELDS = st.lists(st.tuples(NAMES, st.text("xyz", max_size=3)), max_size=6)


@given(FIELDS, FIELDS, FIELDS)
def test_of_each_name_the_fields_of_the_first_source_are_sent(first, second, third):
    sent = merged(first, second, third)
    for name in {field_key(name) for name, _ in first + second + third}:
        of_name = [[pair for pair in source if field_key(pair[0]) == name] for source in (sent, first, second, third)]
        assert of_name[0] == next(found for found in of_name[1:] if found)


@given(FIELDS)
def test_a_repeated_field_is_found_if_http_allows_it_once(fields):
    keys = [field_key(name) for name, _ in fields]
    found = repeated(fields)
    assert (found is not None) == any(keys.count(key) > 1 for key in keys if key in ONCE)


@pytest.mark.parametrize(
    "first, second, whole",
    [("a=1", "b=2", "a=1; b=2"), ("a=1; b=2", "b=2; a=3", "a=1; b=2; a=3"), ("a=1", "a=1", "a=1")],
)
def test_cookies_are_joined(first, second, whole):
    joined = joined_cookies(first, second)
    assert joined == whole and isinstance(joined, Secret)
