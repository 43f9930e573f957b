"""The changes of a credential cache that are noticed, and the time until a new state counts."""

import os

import pytest

from krbxmlrpc._kerberos import watch
from krbxmlrpc._kerberos.watch import Sight, Signature, signature


def touched(path, content=b"content"):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("change", ["content", "same size", "replaced", "removed", "times set back"])
def test_each_change_of_a_file_is_noticed(tmp_path, change):
    cache = touched(tmp_path / "cache")
    os.utime(cache, ns=(0, 0))
    before = signature(f"FILE:{cache}")
    assert before.is_current(f"FILE:{cache}") and not before.is_current("FILE:other")
    if change == "removed":
        cache.unlink()
    elif change == "replaced":
        os.replace(touched(tmp_path / "other"), cache)
    else:
        touched(cache, b"content!" if change == "content" else b"CONTENT")
        if change == "times set back":
            os.utime(cache, ns=(0, 0))
    assert not before.is_current(f"FILE:{cache}")


@pytest.mark.parametrize("change", ["primary", "a new cache", "the cache"])
def test_each_change_of_a_directory_is_noticed(tmp_path, change):
    touched(tmp_path / "primary", b"tktone\n")
    touched(tmp_path / "tktone")
    os.utime(tmp_path, ns=(0, 0))
    before = signature(f"DIR:{tmp_path}")
    assert before.file == str(tmp_path / "tktone")
    if change == "primary":
        touched(tmp_path / "primary", b"tkttwo\n")
    else:
        touched(tmp_path / ("tkttwo" if change == "a new cache" else "tktone"))
    assert not before.is_current(f"DIR:{tmp_path}")


@pytest.mark.parametrize("name", ["KCM:", "KEYRING:persistent:0", "MEMORY:x", "UNKNOWN:"])
def test_other_caches_cannot_be_watched(name):
    assert signature(name) == Signature(name, "", ())


@pytest.mark.parametrize("ctime, seconds", [(1_000_000_001, 0.02), (3_000_000_000, 2.0), (None, 0.02)])
def test_a_state_counts_when_each_later_change_would_show(monkeypatch, ctime, seconds):
    now = [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    version = None if ctime is None else (1, 2, 3, 4, ctime)
    sight = Sight(Signature("FILE:x", "x", (("x", version),)))
    assert not sight.is_settled()
    now[0] += seconds * 0.9
    assert not sight.is_settled()
    now[0] += seconds * 0.2
    assert sight.is_settled()


def test_a_user_who_is_in_no_list_of_users(monkeypatch, tmp_path):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.setattr(watch.pwd, "getpwuid", unknown)
    assert len(signature(f"DIR:{tmp_path}").versions) == 3
