"""The words in which ``krbxmlrpc check`` reports."""

import datetime

import pytest

from krbxmlrpc._cli import check as doctor


def test_a_certificate_of_many_names():
    facts = {"names": [f"n{number}" for number in range(9)], "issuer": "CA", "days_left": 1, "not_after": "2030-01-01T"}
    assert "for n0, n1, n2, n3 and 5 more, signed by CA" in doctor._of_certificate(facts, is_verified=True)
    nameless = {**facts, "names": [], "issuer": None}
    assert doctor._of_certificate(nameless, is_verified=True).startswith("; it is for no name, good until")
    assert doctor._of_certificate(nameless, is_verified=False).startswith("; it says, unverified: it is for no name")


@pytest.mark.parametrize(
    "minutes, words", [(0.5, "0 min"), (59, "59 min"), (60, "1 h 0 min"), (1439, "23 h 59 min"), (1500, "1 d 1 h")]
)
def test_times_in_words(minutes, words):
    assert doctor._duration(datetime.timedelta(minutes=minutes)) == words


def test_somebody_is_waiting():
    for given, waits in (({}, 30.0), ({"timeout": None}, None), ({"timeout": 5.0}, 5.0)):
        examination = doctor.Examination("https", "localhost", "/", given)
        assert examination._settings.timeout == waits
