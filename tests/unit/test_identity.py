"""The identity of a transport: the principal that the credential cache shows, and the sessions that it may use."""

import os
import struct

import pytest

from krbxmlrpc._kerberos.ccache import cache_owner
from krbxmlrpc._kerberos.identity import Identity
from krbxmlrpc._kerberos.principals import is_same
from krbxmlrpc._kerberos.watch import default_cache, signature

ALICE, BOB = "alice@REALM", "bob@REALM"


def write_cache(path, principal):
    """Write a credential cache without tickets: its head names the principal."""
    name, _, realm = principal.rpartition("@")
    parts = [realm.encode(), *(part.encode() for part in name.split("/"))]
    head = struct.pack(">HHII", 0x0504, 0, 1, len(parts) - 1)
    path.write_bytes(head + b"".join(struct.pack(">I", len(part)) + part for part in parts))


@pytest.fixture(autouse=True)
def no_environment(monkeypatch, tmp_path):
    """Let nothing outside of the test name a cache."""
    for name in ("KRB5CCNAME", "KRB5_CLIENT_KTNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))


def identity(principal=None, ccache=None, keytab=None, told=None):
    """Return an identity. If it asks GSSAPI for the principal, the answer is `told`."""
    return Identity(principal, ccache, keytab, lambda: told)


def held(owner):
    """Return the principals whose sessions an owner holds."""
    return {principal for principal in (ALICE, BOB, None) if owner.holds(principal)}


@pytest.mark.parametrize("prefix", ["", "FILE:"])
def test_the_owner_of_a_file_is_noticed(tmp_path, monkeypatch, prefix):
    cache = tmp_path / "cache"
    monkeypatch.setenv("KRB5CCNAME", f"{prefix}{cache}")
    whose = identity()
    write_cache(cache, ALICE)
    owner = whose.look()
    assert held(owner) == {ALICE, None} and whose.look() is owner
    cache.write_bytes(cache.read_bytes() + b"\0" * 10)
    assert whose.look() is owner  # changed, and still hers
    write_cache(cache, BOB)
    assert held(whose.look()) == {BOB, None}
    assert held(owner) == {ALICE, None}  # a call under way


def test_a_missing_or_damaged_cache_is_no_change(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    write_cache(cache, ALICE)
    whose = identity()
    owner = whose.look()
    cache.write_bytes(b"no cache")
    assert whose.look() is owner
    cache.unlink()
    assert whose.look() is owner
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "nothing"))
    assert whose.look() is owner


def test_the_primary_cache_of_a_directory_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}")
    write_cache(tmp_path / "tkt", ALICE)
    write_cache(tmp_path / "tktbob", BOB)
    whose = identity()
    assert held(whose.look()) == {ALICE, None}
    (tmp_path / "primary").write_text("tktbob\n")
    assert held(whose.look()) == {BOB, None}
    (tmp_path / "primary").write_text("../../etc/passwd\n")
    assert held(whose.look()) == {ALICE, None}
    monkeypatch.setenv("KRB5CCNAME", f"DIR::{tmp_path}/tktbob")
    assert held(whose.look()) == {BOB, None}


@pytest.mark.parametrize("name", ["KCM:", "KEYRING:persistent:0", "MEMORY:x", "API:", "UNKNOWN:"])
def test_what_cannot_be_watched_is_asked_of_gssapi_once(monkeypatch, name):
    monkeypatch.setenv("KRB5CCNAME", name)
    asked = []
    whose = Identity(None, None, None, lambda: asked.append(None) or ALICE)
    assert held(whose.look()) == held(whose.look()) == {ALICE, None}
    assert len(asked) == 1
    assert held(identity().look()) == {ALICE, BOB, None}  # nothing tells whose, and nobody asked for an identity
    monkeypatch.setenv("KRB5CCNAME", f"{name}other")
    assert held(whose.look()) == {ALICE, None} and len(asked) == 2


def test_a_verified_exchange_tells_whose(monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", "KCM:")
    owner = identity(told=ALICE).look()
    known = owner.known
    owner.note(BOB)
    assert held(owner) == {BOB, None} and owner.known != known


def test_a_verified_exchange_with_another_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}")
    write_cache(tmp_path / "tkt", ALICE)
    whose = identity()
    whose.look().note(BOB)  # by the server's realm
    assert held(whose.look()) == {ALICE, BOB, None}


def test_an_identity_that_was_asked_for_is_the_only_one(tmp_path):
    cache = tmp_path / "cache"
    write_cache(cache, ALICE)
    assert held(identity(principal=ALICE).look()) == {ALICE}
    assert held(identity(principal="alice").look()) == set()  # no default realm: it could be any alice
    (tmp_path / "krb5.conf").write_text("[libdefaults]\ndefault_realm = REALM\n")
    assert held(identity(principal="alice").look()) == {ALICE}
    assert held(identity(ccache=str(cache)).look()) == {ALICE}
    assert held(identity(ccache=str(cache), principal=BOB).look()) == {BOB}
    assert held(identity(ccache="KCM:").look()) == set()
    assert held(identity(ccache="KCM:", told=ALICE).look()) == {ALICE}
    assert held(identity(keytab="x").look()) == set()
    assert held(identity(keytab="x", told=BOB).look()) == {BOB}


def test_a_named_principal_that_was_proved_is_known(tmp_path):
    owner = identity(principal="alice").look()
    owner.note(ALICE)
    assert held(owner) == {ALICE}


@pytest.mark.parametrize("named", ["alice", "alice@REALM", r"few.person\@mail", r"odd\\@REALM"])
def test_a_name_with_and_without_its_realm(named, tmp_path):
    (tmp_path / "krb5.conf").write_text("[libdefaults]\ndefault_realm = REALM\n")
    whole = named if named.endswith("@REALM") else f"{named}@REALM"
    assert is_same(named, whole)
    assert not is_same(named, f"{whole}X") and not is_same(named, f"x{whole}")


@pytest.mark.parametrize(
    "libdefaults, cache",
    [
        ({}, f"FILE:/tmp/krb5cc_{os.getuid()}"),
        ({"default_ccache_name": "KCM:"}, "KCM:"),
        ({"default_ccache_name": "DIR:/run/%{euid}/krb5%{null}"}, f"DIR:/run/{os.geteuid()}/krb5"),
        ({"default_ccache_name": "FILE:%{TEMP}/x"}, "UNKNOWN:"),
    ],
)
def test_the_default_cache(libdefaults, cache):
    assert default_cache(libdefaults) == cache


def test_the_default_cache_of_krb5_conf_is_watched(tmp_path):
    (tmp_path / "krb5.conf").write_text(f"[libdefaults]\ndefault_ccache_name = FILE:{tmp_path}/cache\n")
    write_cache(tmp_path / "cache", ALICE)
    assert held(identity().look()) == {ALICE, None}


def test_a_name_that_no_file_can_have_is_not_watched():
    assert signature("FILE:\0").versions == (("\0", None),)


def test_the_owner_of_a_cache_can_be_pasted(tmp_path):
    write_cache(tmp_path / "cache", r"few.person@example.test@AD.TEST")
    assert cache_owner(str(tmp_path / "cache")) == r"few.person\@example.test@AD.TEST"
    write_cache(tmp_path / "cache", "HTTP/a\tb\\c@REALM")
    assert cache_owner(str(tmp_path / "cache")) == "HTTP/a\\tb\\\\c@REALM"
