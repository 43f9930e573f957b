"""Reading the files of credential caches."""

import pytest

from krbxmlrpc._kerberos import ccache


@pytest.mark.parametrize("content", [b"", b"\x05\x04", b"\x05\x03\x00\x00", b"\x05\x04\x00\x00" + b"\xff" * 40])
def test_a_cache_that_cannot_be_read_tells_no_owner(tmp_path, content):
    (tmp_path / "cache").write_bytes(content)
    assert ccache.cache_owner(str(tmp_path / "cache")) is None
