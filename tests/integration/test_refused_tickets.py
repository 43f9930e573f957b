"""Tickets that the server or the KDC refuses, because their keys have changed since."""

import os
import ssl
import subprocess
import sys
import uuid
from pathlib import Path
from xmlrpc.client import ServerProxy

import pytest
from helpers import in_threads
from internals import run_command, tickets_in_memory
from servers import apache, kdc

from krbxmlrpc import AuthenticationRejected, KerberosTransport

MECHANISMS = pytest.mark.parametrize("mechanism", ["spnego", "krb5"])


class Changing:
    """A realm and a hub whose keys can be changed.

    Attributes:
        realm: the realm.
        hub: the hub.
        folder: a folder for caches.
    """

    def __init__(self, realm, folder):
        self.realm = realm
        self.hub = apache.Apache(realm).start()
        self.folder = folder
        self.keytab = str(folder / "user.keytab")
        realm.extract_keytab(realm.user_princ, self.keytab)
        self.begin()

    def begin(self):
        """Begin another test."""
        self.case = uuid.uuid4().hex
        self._seen = 0

    def change_key(self):
        """Give the hub a new key."""
        self._change(kdc.SERVICE)
        os.unlink(self.realm.keytab)
        self.realm.extract_keytab(kdc.SERVICE, self.realm.keytab)
        self.hub.copy_keytab()

    def drop_key_of_tickets(self):
        """Take the key by which tickets are encrypted out of the keytab of the hub. Its keys of other types stay."""
        keytab = f"{self.folder}/{uuid.uuid4().hex}.keytab"
        commands = f"rkt {self.realm.keytab}\ndelent 1\nwkt {keytab}\nq\n"
        subprocess.run(["/usr/bin/ktutil"], input=commands, text=True, check=True, capture_output=True)
        os.replace(keytab, self.realm.keytab)
        self.hub.copy_keytab()

    def change_key_of_kdc(self):
        """Give the KDC a new key, so that it can read no earlier ticket-granting ticket."""
        self._change(f"krbtgt/{kdc.REALM}")

    def _change(self, principal):
        self.realm.run(["/usr/sbin/kadmin.local", "-q", f"cpw -randkey {principal}"])

    def credentials(self, kind):
        """Return the arguments for credentials of a kind, with new tickets."""
        cache = f"{self.folder}/{uuid.uuid4().hex}"
        environment = {**self.realm.env, "KRB5CCNAME": cache if "ccache" in kind else self.realm.ccache}
        self.realm.kinit(self.realm.user_princ, self.realm.password("user"), env=environment)
        if kind == "keytab":
            # A name of its own: a cache in memory is for all transports with this keytab.
            os.symlink(self.keytab, cache)
            return {"keytab": cache}
        named = {"ccache": cache, "keytab": self.keytab}
        return {name: named[name] for name in kind.split(" and ") if name in named}

    def open(self, path="/xmlrpc", **arguments):
        """Return a proxy for a path of the hub."""
        url = self.hub.url(f"{path}?case={self.case}")
        context = ssl.create_default_context(cafile=self.hub.cafile)
        return ServerProxy(url, transport=KerberosTransport(context=context, **arguments))

    def statuses(self, count=0):
        """Return the statuses of this test's requests since the last look."""
        found = [line.status for line in self.hub.logged(self.case, self._seen + count)]
        seen, self._seen = self._seen, len(found)
        return found[seen:]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    realm = kdc.start()
    changing = Changing(realm, tmp_path_factory.mktemp("caches"))
    yield changing
    changing.hub.stop()
    realm.stop()


@pytest.fixture
def changing(keys, monkeypatch):
    """A realm and a hub whose keys can be changed; the environment has a ticket of the realm."""
    for name, value in kdc.client_environment(keys.realm).items():
        monkeypatch.setenv(name, value)
    keys.realm.kinit(keys.realm.user_princ, keys.realm.password("user"))
    keys.begin()
    return keys


def tickets(cache):
    """Return the lines of klist about the tickets in a cache."""
    done = subprocess.run(["/usr/bin/klist", "-c", cache], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[4:]


@MECHANISMS
@pytest.mark.parametrize("kind", ["default", "ccache", "keytab", "ccache and keytab"])
def test_a_ticket_for_a_former_key_is_replaced(changing, kind, mechanism):
    arguments = changing.credentials(kind)
    with changing.open(mechanism=mechanism, **arguments) as proxy:
        case = changing.case
        assert proxy.execute(case) == "done"
        changing.change_key()
        assert [proxy.execute(case), proxy.execute(case)] == ["done"] * 2
    assert changing.hub.executed(case) == 3
    assert changing.statuses(4) == [200, 401, 200, 200]


@pytest.mark.parametrize("kind", ["default", "ccache", "ccache and keytab"])
def test_the_rest_of_the_users_cache_stays(changing, kind):
    arguments = changing.credentials(kind)
    cache = arguments.get("ccache", changing.realm.ccache)
    with changing.open(**arguments) as proxy:
        proxy.whoami()
        before = tickets(cache)
        changing.change_key()
        proxy.whoami()
        once = tickets(cache)
        proxy.whoami()
    assert once[: len(before)] == before and len(once) > len(before)
    assert tickets(cache) == once


@pytest.mark.parametrize("service", ["HTTP@localhost", "HTTP/localhost@EXAMPLE.TEST", "HTTP/localhost@"])
@pytest.mark.parametrize("mapped", [False, True])
def test_each_form_of_a_service(changing, service, mapped, monkeypatch, tmp_path):
    if mapped:
        conf = tmp_path / "krb5.conf"
        conf.write_text(f"{Path(os.environ['KRB5_CONFIG']).read_text()}\n[domain_realm]\n localhost = EXAMPLE.TEST\n")
        monkeypatch.setenv("KRB5_CONFIG", str(conf))
    with changing.open(service=service) as proxy:
        proxy.whoami()
        changing.change_key()
        assert [proxy.whoami(), proxy.whoami()] == ["user@EXAMPLE.TEST"] * 2
    assert changing.statuses(4) == [200, 401, 200, 200]


def test_a_second_change(changing):
    """GSSAPI has two names for a service, so the user's cache can take one new ticket. A transport's own takes any."""
    with changing.open(**changing.credentials("keytab")) as proxy, changing.open() as other:
        proxy.whoami()
        other.whoami()
        for number in range(3):
            changing.change_key()
            assert proxy.whoami() == "user@EXAMPLE.TEST"
            if number:
                with pytest.raises(AuthenticationRejected) as caught:
                    other.whoami()
                assert caught.value.hint.startswith("run kinit again")
            else:
                assert other.whoami() == "user@EXAMPLE.TEST"
        changing.realm.kinit(changing.realm.user_princ, changing.realm.password("user"))
        for _ in range(2):
            assert other.whoami() == "user@EXAMPLE.TEST"
            changing.change_key()


def test_without_python_gssapi(changing, monkeypatch):
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with changing.open() as proxy:
        proxy.whoami()
        changing.change_key()
        assert [proxy.whoami(), proxy.whoami()] == ["user@EXAMPLE.TEST"] * 2
        assert changing.statuses(4) == [200, 401, 200, 200]
        changing.change_key()  # there is an older ticket for both names now
        with pytest.raises(AuthenticationRejected) as caught:
            proxy.whoami()
        assert changing.statuses(2) == [401, 401]
        assert caught.value.hint.startswith("run kinit again")
        assert "kvno gets a new ticket" in caught.value.hint
        changing.realm.kinit(changing.realm.user_princ, changing.realm.password("user"))
        assert proxy.whoami() == "user@EXAMPLE.TEST"


@pytest.mark.parametrize("kind", ["default", "keytab"])
def test_a_login_gets_a_new_ticket_too(changing, kind):
    arguments = changing.credentials(kind)
    with changing.open("/member", login_path="/login", **arguments) as proxy:
        proxy.whoami()
        changing.change_key()
        proxy("transport").cookiejar.clear()
        assert proxy.whoami() == "user@EXAMPLE.TEST"


@pytest.mark.parametrize("kind", ["default", "ccache", "keytab"])
def test_threads(changing, kind):
    arguments = changing.credentials(kind)
    with changing.open(**arguments) as one, changing.open(**arguments) as other:
        case = changing.case
        assert one.execute(case) == "done"
        changing.change_key()
        in_threads(*[lambda proxy=proxy: proxy.execute(case) for proxy in [one, other] * 4])
    assert changing.hub.executed(case) == 9


def test_all_transports_with_a_keytab_share_the_new_ticket(changing):
    arguments = changing.credentials("keytab")
    with changing.open(**arguments) as first:
        first.whoami()
        changing.change_key()
        with changing.open(**arguments) as second:
            assert second.whoami() == "user@EXAMPLE.TEST"
        assert first.whoami() == "user@EXAMPLE.TEST"
    assert changing.statuses(4) == [200, 401, 200, 200]


def test_the_command_check_gets_a_new_ticket(changing, capsys):
    with changing.open() as proxy:
        proxy.whoami()
    changing.change_key()
    assert run_command(["check", changing.hub.url(), "--cafile", changing.hub.cafile]) == 0
    assert "both sides are verified" in capsys.readouterr().out


@MECHANISMS
@pytest.mark.parametrize("kind", ["default", "ccache", "ccache and keytab"])
def test_a_server_without_the_current_key(changing, kind, mechanism):
    """The user's cache does not grow for ever: a new ticket is fetched after the 1st, 2nd, 4th, 8th, … refusal."""
    arguments = changing.credentials(kind)
    cache = arguments.get("ccache", changing.realm.ccache)
    with changing.open("/stale-keytab", mechanism=mechanism, **arguments) as proxy:
        for number in range(1, 10):
            with pytest.raises(AuthenticationRejected) as caught:
                proxy.whoami()
            is_repeated = number in (1, 2, 4, 8)
            is_new = number == 1  # GSSAPI finds the same ticket later
            assert caught.value.new_ticket_may_help
            assert (" to a new ticket for " in caught.value.message) is is_new
            assert ("kinit" in caught.value.hint) is not is_new
            assert "'klist -e'" in caught.value.hint and "'klist -ke'" in caught.value.hint
            assert changing.statuses(1 + is_repeated) == [401] * (1 + is_repeated)
    assert len([line for line in tickets(cache) if "HTTP/localhost@" in line and "server" not in line]) == 5


@MECHANISMS
def test_refusals_do_not_fill_the_memory(changing, mechanism):
    arguments = changing.credentials("keytab")
    with changing.open("/stale-keytab", mechanism=mechanism, **arguments) as proxy:
        for _ in range(20):
            with pytest.raises(AuthenticationRejected, match="to a new ticket for") as caught:
                proxy.whoami()
            assert "kinit" not in caught.value.hint
        assert changing.statuses(40) == [401] * 40
        assert tickets_in_memory(proxy("transport"), changing.folder) == (1, 2)  # beside the ticket-granting ticket


@pytest.mark.row("a keytab without the right key type")
@MECHANISMS
def test_a_keytab_that_lacks_an_encryption_type(changing, trouble, mechanism):
    """The key versions agree, so that kvno and klist -k show nothing."""
    changing.change_key()
    changing.drop_key_of_tickets()
    try:
        error = trouble(changing.open(mechanism=mechanism, **changing.credentials("ccache")).whoami)
    finally:
        changing.change_key()
    assert error.new_ticket_may_help
    assert error.hint.index("'klist -k'") < error.hint.index("'klist -e'") < error.hint.index("'klist -ke'")


# -- the key of the KDC -----------------------------------------------------------------------------------------------


def other_service(changing):
    """Return a service for which there is no ticket in any cache yet."""
    name = f"HTTP/{uuid.uuid4().hex}.example.test"
    changing.realm.addprinc(name)
    changing.realm.extract_keytab(name, changing.realm.keytab)
    changing.hub.copy_keytab()
    return name.replace("/", "@")


@MECHANISMS
def test_a_keytab_replaces_a_refused_ticket_granting_ticket(changing, mechanism):
    arguments = {"mechanism": mechanism, **changing.credentials("keytab")}
    with changing.open(**arguments) as proxy:
        proxy.whoami()
        for _ in range(3):
            changing.change_key_of_kdc()
            with changing.open(service=other_service(changing), **arguments) as other:
                assert other.whoami() == "user@EXAMPLE.TEST"
            changing.change_key_of_kdc()
            changing.change_key()
            assert proxy.whoami() == "user@EXAMPLE.TEST"


@pytest.mark.row("a KDC with a new key")
@MECHANISMS
@pytest.mark.parametrize("kind", ["default", "ccache", "ccache and keytab"])
def test_a_ticket_granting_ticket_that_the_kdc_refuses(changing, trouble, kind, mechanism):
    arguments = {"mechanism": mechanism, **changing.credentials(kind)}
    changing.change_key_of_kdc()
    error = trouble(changing.open(service=other_service(changing), **arguments).whoami)
    command = f"kinit -c {arguments['ccache']}" if "ccache" in arguments else "kinit"
    assert f"run {command}" in error.hint
    # Now the server's key has changed, too. The KDC gives no new ticket, so the error is about the refused one.
    arguments = {"mechanism": mechanism, **changing.credentials(kind)}
    with changing.open(**arguments) as proxy:
        proxy.whoami()
        changing.change_key()
        changing.change_key_of_kdc()
        with pytest.raises(AuthenticationRejected, match="401 to a ticket") as caught:
            proxy.whoami()
    assert "run kinit" in caught.value.hint


def test_a_keytab_when_the_kdc_is_down(changing):
    with changing.open(**changing.credentials("keytab")) as proxy:
        proxy.whoami()
        changing.change_key()
        changing.realm.stop_kdc()
        try:
            with pytest.raises(AuthenticationRejected):
                proxy.whoami()
        finally:
            changing.realm.start_kdc()
        assert proxy.whoami() == "user@EXAMPLE.TEST"
