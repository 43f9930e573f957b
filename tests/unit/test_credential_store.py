"""Stores of credentials: those of one cache take turns."""

import sys

from helpers import in_threads

from krbxmlrpc._kerberos.credentials import _turns_at


def test_stores_that_are_made_in_the_same_moment_take_turns():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(500):
            assert len(set(in_threads(*[lambda number=number: _turns_at(f"cache {number}")] * 3))) == 1
    finally:
        sys.setswitchinterval(interval)
