"""Stores of credentials: those of one cache take turns."""

import sys

from helpers import in_threads

from krbxmlrpc._kerberos.credentials import OwnCache, _turns_at


def test_stores_that_are_made_in_the_same_moment_take_turns():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(500):
            assert len(set(in_threads(*[lambda number=number: _turns_at(f"cache {number}")] * 3))) == 1
    finally:
        sys.setswitchinterval(interval)


def test_a_ticket_granting_ticket_is_replaced_ever_more_seldom():
    """Each replacement stays in memory."""
    own = OwnCache("MEMORY:cache")
    assert [number for number in range(1, 40) if own.may_replace_tgt()] == [1, 2, 4, 8, 16, 32]
    own.refusals = 0  # one was of use
    assert own.may_replace_tgt()
