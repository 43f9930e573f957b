"""Reading the files of credential caches."""

import pytest

from krbxmlrpc._kerberos import ccache


@pytest.mark.parametrize("content", [b"", b"\x05\x04", b"\x05\x03\x00\x00", b"\x05\x04\x00\x00" + b"\xff" * 40])
def test_a_cache_that_cannot_be_read_tells_no_owner(tmp_path, content):
    (tmp_path / "cache").write_bytes(content)
    assert ccache.cache_owner(str(tmp_path / "cache")) is None


@pytest.mark.parametrize(
    "head, seconds",
    [
        (b"\x05\x04\x00\x00", 0),
        (b"\x05\x04\x00\x0c\x00\x01\x00\x08\x00\x00\x01\x00\x00\x00\x00\x07", 256),
        (b"\x05\x04\x00\x0c\x00\x01\x00\x08\xff\xff\xff\xff\x00\x00\x00\x00", -1),
        (b"\x05\x04\x00\x12\x00\x02\x00\x02xx\x00\x01\x00\x08\x00\x00\x00\x05\x00\x00\x00\x00", 5),
        (b"\x05\x04\x00\x0c\x00\x01\x00\x08\x00", 0),
        (b"\x05\x04\x00\x0c\x00\x02\x00\xff\x00", 0),
        (b"", 0),
    ],
)
def test_the_difference_of_the_clocks(tmp_path, head, seconds):
    (tmp_path / "cache").write_bytes(head)
    assert ccache.time_offset(str(tmp_path / "cache")) == seconds
    assert ccache.time_offset(str(tmp_path / "none")) == 0


def test_a_cache_of_nobody_is_a_cache(tmp_path):
    (tmp_path / "cache").write_bytes(ccache.cache_of_nobody(2_000_000_000))
    path = str(tmp_path / "cache")
    assert ccache.cache_state(path) == f"{path} has tickets of nobody@NONE"
    assert ccache.ticket_end(path).timestamp() == 2_000_000_000
