"""The caches in memory that keytabs fill."""

from krbxmlrpc._kerberos.own_cache import OwnCache


def test_a_ticket_granting_ticket_is_replaced_ever_more_seldom():
    """Each replacement stays in memory."""
    own = OwnCache("MEMORY:cache")
    assert [number for number in range(1, 40) if own.may_replace_tgt()] == [1, 2, 4, 8, 16, 32]
    own.refusals = 0  # one was of use
    assert own.may_replace_tgt()
