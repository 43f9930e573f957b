"""Sessions, and connections that a server attributes to a user, serve only the principal whose exchange began them."""

import os
import subprocess
from http.cookiejar import CookieJar, LWPCookieJar, MozillaCookieJar

import pytest
from internals import open_connections

pytestmark = pytest.mark.usefixtures("library")

JARS = pytest.mark.parametrize("kind", [MozillaCookieJar, LWPCookieJar])


@pytest.fixture
def act_as(alice, bob, tmp_path, monkeypatch):
    """Have the default credential cache of this process, of some type, hold the tickets of ``alice`` or ``bob``."""
    people = {"alice": alice, "bob": bob}

    def act(name, kind="FILE"):
        cache = f"{kind}:{tmp_path}/{'ccache' if kind == 'FILE' else 'caches'}"
        if kind == "DIR":
            (tmp_path / "caches").mkdir(exist_ok=True)
        people[name].kinit(cache)
        monkeypatch.setenv("KRB5CCNAME", cache)
        return people[name].principal

    return act


def logged(hub, case, count):
    """Return who made the calls of a case, and which of them carried tickets."""
    return [(line.user.partition("@")[0], line.ticket) for line in hub.logged(case, count)]


# -- who asks for an identity -----------------------------------------------------------------------------------------


def identity(person, tmp_path, how):
    """Return the arguments by which a transport asks for a person's identity."""
    if how == "keytab":
        return {"keytab": person.keytab}
    ccache = person.kinit(f"FILE:{tmp_path}/of-{person.principal}")
    return {"ccache": ccache} if how == "ccache" else {"ccache": ccache, "principal": person.principal}


HOW = pytest.mark.parametrize("how", ["ccache", "keytab", "principal"])


@JARS
@HOW
def test_a_saved_session_does_not_override_an_identity(call_hub, hub, case, user, alice, bob, tmp_path, kind, how):
    path = tmp_path / "cookies"
    with call_hub("/session", cookiejar=kind(path), **identity(alice, tmp_path, how)) as proxy:
        assert proxy.whoami() == alice.principal
    for person in (bob, bob, alice, bob):
        with call_hub("/session", cookiejar=kind(path), **identity(person, tmp_path, how)) as proxy:
            assert [proxy.whoami(), proxy.whoami()] == [person.principal] * 2
            assert proxy("transport").principal == person.principal
    tickets = [ticket for _, ticket in logged(hub, case, 9)]
    assert tickets == [True, True, False, False, False, True, False, True, False]


@HOW
def test_cookies_of_an_unknown_principal_are_nobodys_session(call_hub, hub, case, user, alice, bob, tmp_path, how):
    path = tmp_path / "cookies"
    with call_hub("/session", cookiejar=MozillaCookieJar(path), **identity(alice, tmp_path, how)) as proxy:
        proxy.whoami()
    plain = MozillaCookieJar(path)
    plain.load(ignore_discard=True)
    plain.save(ignore_discard=True)  # as another program does
    assert call_hub("/session", cookiejar=MozillaCookieJar(path)).whoami() == alice.principal  # nobody asked for more
    with call_hub("/session", cookiejar=MozillaCookieJar(path), **identity(bob, tmp_path, how)) as proxy:
        assert proxy.whoami() == bob.principal
    assert logged(hub, case, 3) == [("alice", True), ("alice", False), ("bob", True)]


def test_a_principal_without_its_realm_is_the_same(call_hub, hub, case, user, tmp_path):
    path = tmp_path / "cookies"
    for _ in range(2):
        with call_hub("/session", cookiejar=MozillaCookieJar(path), principal="user") as proxy:
            assert proxy.whoami() == user
    assert logged(hub, case, 2) == [("user", True), ("user", False)]


def test_transports_of_two_people_share_a_jar(call_hub, hub, case, user, alice, bob, tmp_path):
    jar = CookieJar()
    proxies = [call_hub("/session", cookiejar=jar, keytab=person.keytab) for person in (alice, bob)]
    assert [proxy.whoami() for proxy in proxies * 2] == [alice.principal, bob.principal] * 2


# -- the default principal changes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["FILE", "DIR"])
@pytest.mark.parametrize("path", ["/session", "/persistent", "/bound"])
def test_a_new_default_principal_makes_the_next_call(call_hub, hub, case, act_as, kind, path):
    proxy = call_hub(path)
    for name in ("alice", "bob", "alice"):
        principal = act_as(name, kind)
        assert [proxy.whoami() for _ in range(3)] == [principal] * 3
        assert proxy("transport").principal == principal


def test_other_caches_of_a_collection_can_become_the_default(call_hub, act_as, realm, tmp_path):
    proxy = call_hub("/session")
    alice, bob = act_as("alice", "DIR"), act_as("bob", "DIR")
    for principal in (bob, alice, bob):
        subprocess.run(["kswitch", "-p", principal], env={**realm.env, **os.environ}, check=True)
        assert [proxy.whoami(), proxy.whoami()] == [principal] * 2


def test_another_cache_in_the_environment_is_noticed(call_hub, alice, bob, tmp_path, monkeypatch):
    proxy = call_hub("/session")
    caches = {person: person.kinit(f"FILE:{tmp_path}/{number}") for number, person in enumerate((alice, bob))}
    for person in (alice, bob, alice):
        monkeypatch.setenv("KRB5CCNAME", caches[person])
        assert [proxy.whoami(), proxy.whoami()] == [person.principal] * 2


def test_more_tickets_of_the_same_principal_change_nothing(call_hub, hub, case, act_as, bob, realm):
    proxy = call_hub("/session")
    for _ in range(3):
        act_as("alice")
        proxy.whoami()
    realm.run(["kvno", bob.principal], env={**realm.env, "KRB5CCNAME": os.environ["KRB5CCNAME"]})
    proxy.whoami()
    assert [ticket for _, ticket in logged(hub, case, 4)] == [True, False, False, False]


def test_a_cache_that_is_gone_names_nobody_else(call_hub, hub, case, act_as):
    """A session outlives the tickets that began it."""
    proxy = call_hub("/session")
    act_as("alice")
    proxy.whoami()
    os.unlink(os.environ["KRB5CCNAME"].partition(":")[2])
    proxy.whoami()
    act_as("bob")
    proxy.whoami()
    assert logged(hub, case, 3) == [("alice", True), ("alice", False), ("bob", True)]


def test_a_saved_session_of_a_former_principal_is_not_used(call_hub, hub, case, act_as, tmp_path):
    for name in ("alice", "alice", "bob", "bob", "alice"):
        act_as(name)
        with call_hub("/session", cookiejar=MozillaCookieJar(tmp_path / "cookies")) as proxy:
            proxy.whoami()
    users = ["alice", "alice", "bob", "bob", "alice"]
    assert logged(hub, case, 5) == list(zip(users, [True, False, True, False, True]))


def test_a_cache_that_cannot_be_watched_ends_no_session(call_hub, hub, case, alice, bob, monkeypatch):
    """The manual says so: there is nothing to look at that costs next to nothing."""
    gssapi = pytest.importorskip("gssapi")
    proxy = call_hub("/session")
    name = f"MEMORY:{case}"
    monkeypatch.setenv("KRB5CCNAME", name)
    for person in (alice, bob):
        store = {"client_keytab": person.keytab, "ccache": f"FILE:{person.keytab}.cache"}
        credentials = gssapi.Credentials(usage="initiate", store=store)
        credentials.store({"ccache": name}, overwrite=True)
        proxy.whoami()
    assert logged(hub, case, 2) == [("alice", True), ("alice", False)]


def test_a_connection_of_another_principal_is_given_up(call_hub, hub, case, act_as):
    proxy = call_hub("/bound")
    act_as("alice")
    proxy.whoami()
    (first,) = open_connections(proxy("transport"))
    act_as("bob")
    proxy.whoami()
    assert first not in open_connections(proxy("transport")) and first.sock is None
    assert [line.earlier for line in hub.logged(case, 2)] == [0, 0]


def test_cookies_that_somebody_else_may_not_use_are_not_sent(call_hub, act_as):
    """Not even with a ticket: a server that looks at the cookies first would answer somebody else."""
    jar = CookieJar()
    proxy = call_hub("/session", cookiejar=jar)
    act_as("alice")
    proxy.whoami()
    act_as("bob")
    assert proxy.header("Cookie") in (None, "")
