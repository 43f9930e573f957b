"""Credentials that are kept for later tickets: they are the present ones, and nobody waits for a KDC of others."""

import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from helpers import DEADLINE, Threads, in_child, in_threads
from internals import (
    copy_of,
    end_of_tickets,
    forget_credentials,
    gssapi_calls,
    gssapi_functions_fail,
    kept_copies,
    principals_in_memory,
    set_clock_of_kept_credentials,
)

from krbxmlrpc import InsecureKerberosTransport, KDCUnreachable, KerberosXMLRPCError, NoCredentials, TicketExpired

CHANGES = 1000
USER = "user@EXAMPLE.TEST"


@pytest.fixture(autouse=True)
def nothing_kept():
    """Let no other test have credentials that this one finds."""
    forget_credentials()


@pytest.fixture
def cache(user, realm, monkeypatch, tmp_path):
    """A credential cache of the test's own, with tickets of ``user``; its file."""
    path = tmp_path / "cache"
    shutil.copy(realm.ccache, path)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{path}")
    return path


def keep(whoami, is_own=False):
    """Make calls until the credentials are kept; return who made the last one.

    Args:
        is_own: whether the credentials are those of a cache in memory.
    """
    for _ in range(10_000):
        who = whoami()
        if kept_copies() or is_own:
            return who
    pytest.fail("no credentials are kept")


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("arguments", [{}, {"principal": USER}, {"principal": "user"}])
def test_a_later_ticket_needs_no_look_into_the_cache(call_hub, cache, monkeypatch, mechanism, arguments):
    proxy = call_hub(mechanism=mechanism, **arguments)
    assert keep(proxy.whoami) == USER
    gssapi_functions_fail(monkeypatch, "acquire_cred", "acquire_cred_from")
    assert [proxy.whoami() for _ in range(3)] == [USER] * 3


def test_a_cache_of_the_transport_is_kept_too(call_hub, cache, alice, tmp_path, monkeypatch):
    proxy = call_hub(ccache=alice.kinit(f"FILE:{tmp_path}/of-alice"))
    assert keep(proxy.whoami) == alice.principal
    gssapi_functions_fail(monkeypatch, "acquire_cred", "acquire_cred_from")
    assert proxy.whoami() == alice.principal


def test_tickets_from_a_keytab_are_kept_in_memory(call_hub, alice, monkeypatch):
    proxy = call_hub(keytab=alice.keytab)
    assert [proxy.whoami(), proxy.whoami()] == [alice.principal] * 2
    gssapi_functions_fail(monkeypatch, "acquire_cred", "acquire_cred_from")
    assert proxy.whoami() == alice.principal


def test_transports_share_one_copy(call_hub, cache):
    for proxy in [call_hub() for _ in range(3)]:
        keep(proxy.whoami)
    assert len(kept_copies()) == 1


def test_the_cache_alone_gets_tickets(call_hub, cache, realm, tmp_path):
    """The next process needs no KDC, and nothing else of the user is written anywhere."""
    call_hub().whoami()
    assert b"HTTP" in cache.read_bytes()
    assert "HTTP/localhost" in subprocess.run(["/usr/bin/klist"], capture_output=True, text=True, check=True).stdout
    keep(call_hub().whoami)
    content = cache.read_bytes()
    other = "HTTP/other.example.test"
    realm.addprinc(f"{other}@EXAMPLE.TEST")
    with pytest.raises(KerberosXMLRPCError):
        call_hub(service=f"{other}@EXAMPLE.TEST").whoami()  # the server has another name
    assert other.encode().split(b"/")[1] in cache.read_bytes()[len(content) :]
    keep(call_hub().whoami)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_a_copy_leaves_only_the_tickets_of_nobody_behind(call_hub, cache, alice):
    for _ in range(3):
        keep(call_hub().whoami)
        forget_credentials()
    assert principals_in_memory() == {"nobody@NONE"}


@pytest.mark.parametrize("why", ["the principal", "the clocks", "damaged"])
def test_a_cache_that_cannot_be_copied_is_asked_each_time(call_hub, cache, why, tmp_path):
    if why == "the clocks":  # libkrb5 corrects the times in its tokens by what the file says
        content = bytearray(cache.read_bytes())
        assert content[:8] == b"\x05\x04\x00\x0c\x00\x01\x00\x08"
        content[8:12] = (100).to_bytes(4, "big")
        cache.write_bytes(content)
        proxy = call_hub()
        assert [proxy.whoami() for _ in range(100)] == [USER] * 100
        assert kept_copies() == []
    if why == "damaged":
        cache.write_bytes(b"no cache")
    assert copy_of(str(cache), "alice@EXAMPLE.TEST" if why == "the principal" else USER) is None


# -- what the user changes --------------------------------------------------------------------------------------------


def replaced(path, source):
    """Put a copy of a cache in the place of another one, in one step."""
    shutil.copy(source, f"{path}.new")
    os.replace(f"{path}.new", path)


def test_kinit_as_somebody_else(call_hub, cache, alice, bob):
    proxy = call_hub()
    for person in (alice, bob, bob, alice):
        keep(proxy.whoami)
        person.kinit(f"FILE:{cache}")
        assert proxy.whoami() == person.principal
    assert len(kept_copies()) <= 1


def test_a_renewal_by_another_process(call_hub, cache, alice):
    proxy = call_hub()
    for _ in range(3):
        alice.kinit(f"FILE:{cache}")
        assert keep(proxy.whoami) == alice.principal


def test_kdestroy(call_hub, cache, alice):
    proxy = call_hub()
    keep(proxy.whoami)
    subprocess.run(["/usr/bin/kdestroy"], check=True)
    with pytest.raises(NoCredentials):
        proxy.whoami()
    assert kept_copies() == []
    alice.kinit(f"FILE:{cache}")
    assert proxy.whoami() == alice.principal


def test_another_cache_in_the_place_of_the_first_one(call_hub, cache, alice, tmp_path):
    other = alice.kinit(f"FILE:{tmp_path}/other").removeprefix("FILE:")
    proxy = call_hub()
    keep(proxy.whoami)
    replaced(cache, other)
    assert proxy.whoami() == alice.principal


def test_another_name_in_the_environment(call_hub, cache, alice, monkeypatch, tmp_path):
    other = alice.kinit(f"FILE:{tmp_path}/other")
    proxy = call_hub()
    for _ in range(3):
        keep(proxy.whoami)
        monkeypatch.setenv("KRB5CCNAME", other)
        assert proxy.whoami() == alice.principal
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{cache}")
        assert proxy.whoami() == USER
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    with pytest.raises(NoCredentials):
        proxy.whoami()


def test_another_name_in_krb5_conf(call_hub, cache, alice, realm, monkeypatch, tmp_path):
    other = alice.kinit(f"FILE:{tmp_path}/other")
    original = Path(realm.env["KRB5_CONFIG"]).read_text()

    def configure(name, default):
        text = original.replace("[libdefaults]", f"[libdefaults]\ndefault_ccache_name = {default}")
        (tmp_path / name).write_text(text)
        monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / name))

    monkeypatch.delenv("KRB5CCNAME")
    configure("one.conf", f"FILE:{cache}")
    proxy = call_hub()
    assert keep(proxy.whoami) == USER
    configure("one.conf", other)  # the file changes
    assert proxy.whoami() == alice.principal
    configure("two.conf", f"FILE:{cache}")  # another file
    assert proxy.whoami() == USER


def test_another_default_realm(call_hub, cache, realm, monkeypatch, tmp_path):
    """The same name is another principal then."""
    text = Path(realm.env["KRB5_CONFIG"]).read_text()
    assert "default_realm = EXAMPLE.TEST" in text
    (tmp_path / "krb5.conf").write_text(text)
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    proxy = call_hub(principal="user")
    assert keep(proxy.whoami) == USER
    (tmp_path / "krb5.conf").write_text(text.replace("default_realm = EXAMPLE.TEST", "default_realm = OTHER.TEST"))
    with pytest.raises(NoCredentials):
        proxy.whoami()


def test_the_primary_cache_of_a_directory(call_hub, user, alice, bob, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}")
    for person in (alice, bob):
        person.kinit(f"DIR:{tmp_path}")
    proxy = call_hub()
    for person in (alice, bob, alice):
        subprocess.run(["/usr/bin/kswitch", "-p", person.principal], check=True)
        assert proxy.whoami() == person.principal
        assert keep(proxy.whoami) == person.principal


def test_a_principal_in_a_directory(call_hub, user, alice, bob, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}")
    for person in (alice, bob):
        person.kinit(f"DIR:{tmp_path}")
    proxy = call_hub(principal=alice.principal)
    assert keep(proxy.whoami) == alice.principal
    subprocess.run(["/usr/bin/kdestroy", "-p", alice.principal], check=True)
    with pytest.raises(NoCredentials):
        proxy.whoami()
    assert call_hub().whoami() == bob.principal


def test_a_cache_that_cannot_be_watched_is_asked_each_time(call_hub, alice, bob, tmp_path):
    name = f"MEMORY:{tmp_path.name}"
    proxy = call_hub(ccache=name, keytab=alice.keytab)
    assert [proxy.whoami() for _ in range(10)] == [alice.principal] * 10
    assert kept_copies() == []


def test_expired_credentials(call_hub, cache, alice, monkeypatch):
    monkeypatch.delenv("KRB5_CLIENT_KTNAME")
    alice.kinit(f"FILE:{cache}", "-l", "3s")
    proxy = call_hub()
    with pytest.raises(TicketExpired):
        while True:
            assert proxy.whoami() == alice.principal


@pytest.mark.parametrize("arguments", [{}, {"keytab": True}])
def test_gssapi_is_asked_anew_after_half_of_the_lifetime(call_hub, cache, alice, monkeypatch, arguments):
    """So expired ones are never used, and a keytab renews tickets before they end."""
    proxy = call_hub(**{name: alice.keytab for name in arguments})
    keep(proxy.whoami, arguments)
    later = set_clock_of_kept_credentials(monkeypatch)
    calls = gssapi_calls(monkeypatch, "acquire_cred", "acquire_cred_from")
    for hours, are_asked in ((11, False), (13, True), (24, False), (26, True), (-1, True)):
        later.now = hours * 3600
        calls.clear()
        proxy.whoami()
        assert bool(calls) is are_asked, hours


@pytest.mark.parametrize("how", ["keytab=", "KRB5_CLIENT_KTNAME"])
def test_a_keytab_renews_tickets_without_a_failed_call(call_hub, user, realm, alice, monkeypatch, tmp_path, how):
    text = Path(realm.env["KRB5_CONFIG"]).read_text()
    (tmp_path / "krb5.conf").write_text(text.replace("[libdefaults]", "[libdefaults]\nticket_lifetime = 4s"))
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/cache")
    if how == "keytab=":
        # Each keytab has a cache in memory, and that of Alice's keytab may have tickets of an earlier test.
        proxy = call_hub(keytab=str(shutil.copy(alice.keytab, tmp_path / "keytab")))
    else:
        monkeypatch.setenv("KRB5_CLIENT_KTNAME", alice.keytab)
        proxy = call_hub()
    ends, deadline = set(), time.monotonic() + DEADLINE
    while len(ends) < 4:
        assert time.monotonic() < deadline, "the tickets are not renewed"
        assert in_threads(*[proxy.whoami] * 4) == [alice.principal] * 4
        ends.add(end_of_tickets(proxy("transport")))


def test_a_thousand_changes_of_identity_under_eight_threads(call_hub, cache, alice, bob, tmp_path):
    """Each call is made as somebody who was in the cache while the call was under way."""
    caches = []
    for person in (alice, bob):
        caches.append((person.principal, tmp_path / person.principal))
        person.kinit(f"FILE:{cache}")
        call_hub().whoami()  # the cache then has the ticket for the hub, too
        shutil.copy(cache, caches[-1][1])
    people = [bob.principal]  # by the number of changes
    done = [0]  # how many changes are done
    clear = [0] * 8  # the last change after which a thread has made a call, as the only possible person
    over, progress = threading.Event(), threading.Condition()
    proxy = call_hub(listener="http", transport=InsecureKerberosTransport)

    def call(number):
        while not over.is_set():
            first = done[0]
            who = proxy.whoami()
            possible = set(people[first:])
            assert who in possible, (who, possible)
            with progress:
                clear[number] = first if len(possible) == 1 else clear[number]
                progress.notify()

    def change(number):
        principal, path = caches[number % 2]
        people.append(principal)
        replaced(cache, path)
        done[0] = number
        is_long = number % 20 == 0  # until the new credentials are kept
        with progress:
            progress.wait_for(lambda: min(clear) == number and (kept_copies() or not is_long), DEADLINE)
            assert min(clear) == number
        return bool(kept_copies())

    callers = Threads(*[lambda number=number: call(number) for number in range(8)])
    try:
        kept = sum(change(number) for number in range(1, CHANGES + 1))
    finally:
        over.set()
        callers.results()
    assert kept >= CHANGES // 20


# -- threads, forks, and KDCs -----------------------------------------------------------------------------------------


@pytest.fixture
def silent_kdc(realm, monkeypatch, tmp_path):
    """Put a KDC that never answers in the place of the realm's; return the socket that its requests reach."""
    text = Path(realm.env["KRB5_CONFIG"]).read_text()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(DEADLINE)

        def start():
            lines = [
                f"kdc = 127.0.0.1:{sock.getsockname()[1]}" if "kdc =" in line else line for line in text.split("\n")
            ]
            (tmp_path / "silent.conf").write_text("\n".join(lines))
            monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "silent.conf"))
            return sock

        yield start


@pytest.mark.parametrize("how", ["the user's cache", "keytab="])
def test_nobody_waits_for_a_kdc_that_others_ask(call_hub, cache, alice, silent_kdc, how):
    arguments = {"keytab": alice.keytab} if how == "keytab=" else {}
    proxy = call_hub(**arguments)
    who = proxy.whoami()
    sock = silent_kdc()
    other = Threads(call_hub(service="HTTP/other.example.test@EXAMPLE.TEST", **arguments).whoami)
    sock.recv(1)
    assert [proxy.whoami() for _ in range(3)] == [who] * 3
    if how != "keytab=":
        keep(proxy.whoami)
    assert other.are_alive()
    sock.close()
    with pytest.raises(KDCUnreachable):
        other.results()


def test_a_child_acquires_its_own_credentials(call_hub, cache, alice):
    proxy = call_hub()
    keep(proxy.whoami)
    assert in_child(kept_copies) == []
    assert in_child(proxy.whoami) == USER
    assert len(kept_copies()) == 1 and proxy.whoami() == USER
    alice.kinit(f"FILE:{cache}")
    assert in_child(proxy.whoami) == proxy.whoami() == alice.principal


def test_an_included_file_of_krb5_conf_is_read_again(call_hub, library, cache, realm, monkeypatch, tmp_path):
    """libkrb5 shares the parsed krb5.conf while a context lives, and then overlooks changes of included files."""
    included = tmp_path / "included.conf"
    included.touch()
    text = f"include {included}\n{Path(realm.env['KRB5_CONFIG']).read_text()}"
    (tmp_path / "krb5.conf").write_text(text)
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    proxy = call_hub()
    for _ in range(3):
        assert [proxy.whoami() for _ in range(5)] == [USER] * 5
        included.write_text("[libdefaults]\npermitted_enctypes = aes128-cts\n")
        with pytest.raises(KerberosXMLRPCError) as caught:
            proxy.whoami()
        assert "permitted_enctypes" in caught.value.hint
        included.write_text("")
