"""Credentials of a transport's own: ``ccache=`` and ``keytab=``. (Most other tests run with them, too: `library`.)"""

import base64
import os
import shutil
import subprocess
import sys
import uuid

import gssapi
import pytest
from helpers import TESTS, in_child, in_threads
from internals import TicketMaker, ccache_of, credentials_of
from servers import kdc

from krbxmlrpc import KDCUnreachable, KerberosXMLRPCError, NoCredentials, TicketExpired

ALICE, BOB = "alice@EXAMPLE.TEST", "bob@EXAMPLE.TEST"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("prefix", ["", "FILE:"])
def test_a_credential_cache_beside_that_of_the_environment(call_plain, alice, tmp_path, mechanism, prefix):
    proxy = call_plain(ccache=alice.kinit(f"{prefix}{tmp_path}/cache"), mechanism=mechanism)
    assert proxy.whoami() == ALICE
    assert proxy("transport").principal == ALICE
    assert call_plain().whoami() == "user@EXAMPLE.TEST"


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("principal", [None, ALICE, "alice"])
def test_a_keytab_alone(call_plain, alice, tmp_path, monkeypatch, mechanism, principal):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/default")
    proxy = call_plain(keytab=alice.keytab, principal=principal, mechanism=mechanism)
    assert [proxy.whoami(), proxy.whoami()] == [ALICE, ALICE]
    assert files(tmp_path) == []  # its tickets are nobody else's default


def test_a_cache_that_is_filled_from_a_keytab(call_plain, alice, tmp_path):
    ccache = f"FILE:{tmp_path}/cache"
    assert call_plain(ccache=ccache, keytab=alice.keytab).whoami() == ALICE
    assert os.stat(tmp_path / "cache").st_mode & 0o777 == 0o600
    assert call_plain(ccache=ccache).whoami() == ALICE


@pytest.fixture(scope="module")
def expired():
    """The name of a cache whose tickets have run out: a clock that is two days behind gave them to ``user``."""
    other = kdc.start(clock="-2d")
    yield other.ccache
    other.stop()


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_tickets_that_have_run_out_are_renewed_from_the_keytab(call_plain, realm, user, tmp_path, expired, mechanism):
    keytab, ccache = str(tmp_path / "keytab"), str(tmp_path / "cache")
    realm.extract_keytab(user, keytab)
    shutil.copy(expired, ccache)
    with pytest.raises(TicketExpired) as caught:
        call_plain(ccache=ccache, mechanism=mechanism).whoami()
    assert caught.value.since is not None
    assert "keytab=" in caught.value.hint and ccache in caught.value.hint
    assert call_plain(ccache=ccache, keytab=keytab, mechanism=mechanism).whoami() == user
    assert call_plain(ccache=ccache, mechanism=mechanism).whoami() == user


def test_an_own_cache_is_not_filled_from_the_default_keytab(call_plain, alice, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", alice.keytab)
    with pytest.raises(NoCredentials) as caught:
        call_plain(ccache=str(tmp_path / "cache")).whoami()
    assert str(tmp_path / "cache") in caught.value.hint
    assert files(tmp_path) == []


@pytest.mark.parametrize("principal", [ALICE, BOB])
def test_a_principal_in_a_directory_of_caches(call_plain, alice, bob, tmp_path, principal):
    ccache = f"DIR:{tmp_path}"
    for person in (alice, bob):
        person.kinit(ccache)
    assert call_plain(ccache=ccache, principal=principal).whoami() == principal
    assert call_plain(ccache=ccache).whoami() == BOB  # the primary one
    with pytest.raises(NoCredentials, match="as nobody@EXAMPLE.TEST") as caught:
        call_plain(ccache=ccache, principal="nobody@EXAMPLE.TEST").whoami()
    assert ccache in caught.value.hint


def test_one_cache_of_a_directory(call_plain, alice, bob, tmp_path):
    alice.kinit(f"DIR::{tmp_path}/tkt-alice")
    bob.kinit(f"DIR::{tmp_path}/tkt-bob")
    assert call_plain(ccache=f"DIR::{tmp_path}/tkt-alice").whoami() == ALICE
    with pytest.raises(NoCredentials):
        call_plain(ccache=f"DIR::{tmp_path}/tkt-alice", principal=BOB).whoami()


def test_a_directory_that_is_not_there(call_plain, tmp_path):
    with pytest.raises(NoCredentials):
        call_plain(ccache=f"DIR:{tmp_path}/none", principal=ALICE).whoami()


def test_a_cache_in_the_keyring_of_the_kernel(call_plain, alice):
    ccache = f"KEYRING:user:krbxmlrpc-{uuid.uuid4().hex}"
    try:
        alice.kinit(ccache)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this system gives no keyring: {error}")
    try:
        assert call_plain(ccache=ccache).whoami() == ALICE
    finally:
        subprocess.run(["/usr/bin/kdestroy", "-c", ccache], check=True)


def test_a_cache_in_memory(call_plain, alice):
    ccache = f"MEMORY:{uuid.uuid4().hex}"
    assert call_plain(ccache=ccache, keytab=alice.keytab).whoami() == ALICE
    assert call_plain(ccache=ccache).whoami() == ALICE
    assert call_plain(ccache=f"MEMORY:{uuid.uuid4().hex}", keytab=alice.keytab).whoami() == ALICE


ENVIRONMENT = """
import os, sys
from internals import TicketMaker

def watch(event, arguments):
    assert event not in ("os.putenv", "os.unsetenv"), arguments

before = dict(os.environ)
sys.addaudithook(watch)
for ccache, keytab in ((sys.argv[1], None), (None, sys.argv[2])):
    TicketMaker("alice@EXAMPLE.TEST", "spnego", ccache, keytab)("HTTP@localhost")
assert dict(os.environ) == before
"""


def test_the_environment_is_not_changed(alice, user, tmp_path):
    ccache = alice.kinit(f"{tmp_path}/cache")
    command = [sys.executable, "-c", ENVIRONMENT, ccache, alice.keytab]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": TESTS}, check=True)


def test_transports_with_other_credentials_in_threads(call_plain, alice, bob, user, tmp_path):
    proxies = [
        (call_plain(ccache=alice.kinit(f"{tmp_path}/cache"), mechanism="krb5"), ALICE),
        (call_plain(keytab=bob.keytab), BOB),
        (call_plain(), user),
    ]

    def calls(proxy, principal):
        return [proxy.whoami() == principal for _ in range(20)]

    works = [lambda pair=pair: calls(*pair) for pair in proxies * 3]
    assert in_threads(*works) == [[True] * 20] * 9


def test_threads_renew_a_cache_one_after_the_other(call_plain, realm, user, tmp_path, expired):
    keytab = str(tmp_path / "keytab")
    realm.extract_keytab(user, keytab)
    for number in range(10):
        ccache = str(shutil.copy(expired, tmp_path / f"cache {number}"))
        names = [ccache, f"FILE:{ccache}"] * 3
        assert in_threads(*[call_plain(ccache=name, keytab=keytab).whoami for name in names]) == [user] * 6


def test_a_child_gets_tickets_from_the_keytab_too(call_plain, alice):
    proxy = call_plain(keytab=alice.keytab)
    assert proxy.whoami() == ALICE
    assert in_child(proxy.whoami) == ALICE
    assert proxy.whoami() == ALICE


def test_a_keytab_with_a_new_key_gets_a_cache_of_its_own(alice, tmp_path):
    keytab = tmp_path / "keytab"
    keytab.write_bytes(b"one")
    first, second = (ccache_of(credentials_of(None, None, str(keytab))) for _ in range(2))
    keytab.unlink()
    keytab.write_bytes(b"another")
    assert first == second != ccache_of(credentials_of(None, None, str(keytab)))
    assert first != ccache_of(credentials_of(ALICE, None, f"FILE:{keytab}"))


def test_delegation_with_a_cache_of_its_own(call_hub, alice, tmp_path):
    ccache = alice.kinit(f"{tmp_path}/cache")
    assert call_hub("/delegation", ccache=ccache, delegate=True).delegated()
    assert not call_hub("/delegation", ccache=ccache).delegated()


@pytest.fixture(params=["default", "ccache"])
def delegation(request, realm, alice, call_hub, monkeypatch, tmp_path):
    """Get a ticket with these flags of kinit, and open a proxy that delegates it: ``delegation("-F")``."""

    def delegate(*flags):
        ccache = alice.kinit(f"{tmp_path}/cache", *flags)
        if request.param == "ccache":
            return call_hub("/delegation", ccache=ccache, delegate=True)
        monkeypatch.setenv("KRB5CCNAME", ccache)
        return call_hub("/delegation", delegate=True)

    return delegate


@pytest.fixture
def undelegable(realm, alice):
    """Forbid to delegate the account of `alice`, for a test."""
    flag = ["/usr/sbin/kadmin.local", "-q", f"modprinc -allow_forwardable {alice.principal}"]
    realm.run(flag)
    yield
    realm.run([*flag[:2], flag[2].replace("-allow", "+allow")])


def warnings_in(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_ticket_that_is_not_forwardable_delegates_nothing(delegation, caplog):
    proxy = delegation("-F")
    assert [proxy.delegated(), proxy.delegated()] == [False, False]
    (warning,) = warnings_in(caplog)
    assert warning.startswith("no ticket is delegated to HTTP/localhost@EXAMPLE.TEST: ") and "kinit -f" in warning


def test_an_account_that_may_not_be_delegated_delegates_nothing(delegation, undelegable, caplog):
    assert not delegation("-f").delegated()
    (warning,) = warnings_in(caplog)
    assert "the account may not be delegated" in warning


def test_a_ticket_that_is_delegated_causes_no_warning(delegation, caplog):
    assert delegation("-f").delegated()
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("ccache", [True, False])
def test_a_ticket_tells_whether_it_delegates(user, alice, monkeypatch, tmp_path, mechanism, ccache):
    for flag, forwardable in (("-f", True), ("-F", False)):
        cache = alice.kinit(f"{tmp_path}/cache", flag)
        monkeypatch.setenv("KRB5CCNAME", cache)
        make = TicketMaker(None, mechanism, cache if ccache else None, None)
        assert make("HTTP@localhost", delegate=True).delegates is forwardable
        assert make("HTTP@localhost").delegates is False


@pytest.mark.parametrize("mutual", [True, False])
def test_a_proof_is_asked_for_only_where_it_is_wanted(alice, user, mutual):
    ticket = TicketMaker(None, "spnego", None, alice.keytab)("HTTP@localhost", mutual=mutual)
    acceptor = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept"), usage="accept")
    acceptor.step(base64.b64decode(ticket.auth_header.partition(" ")[2]))
    assert (gssapi.RequirementFlag.mutual_authentication in acceptor.actual_flags) is mutual


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.row("no keytab")
@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize("content", [None, b"", b"junk"])
def test_a_keytab_that_is_no_keytab(call_plain, trouble, tmp_path, mechanism, content):
    keytab = tmp_path / "keytab"
    if content is not None:
        keytab.write_bytes(content)
    error = trouble(call_plain(keytab=str(keytab), principal=ALICE, mechanism=mechanism).whoami)
    assert str(keytab) in error.message
    assert f"klist -k {keytab}" in error.hint


@pytest.mark.row("a principal not in the keytab")
def test_a_principal_that_is_not_in_the_keytab(call_plain, trouble, alice):
    error = trouble(call_plain(keytab=alice.keytab, principal=BOB).whoami)
    assert "No key table entry found for bob@EXAMPLE.TEST" in error.message


@pytest.mark.row("a keytab with an old key")
def test_a_keytab_with_a_key_that_the_kdc_does_not_take(call_plain, trouble, tmp_path, realm):
    realm.addprinc("carol@EXAMPLE.TEST", "new")
    keytab = str(tmp_path / "keytab")
    commands = f"addent -password -p carol@EXAMPLE.TEST -k 1 -e aes256-cts\nold\nwkt {keytab}\nq\n"
    subprocess.run(["/usr/bin/ktutil"], input=commands, text=True, check=True, capture_output=True)
    assert f"kinit -kt {keytab}" in trouble(call_plain(keytab=keytab).whoami).hint


def test_a_principal_that_the_kdc_does_not_know(call_plain, tmp_path):
    keytab = str(tmp_path / "keytab")
    commands = f"addent -password -p dave@EXAMPLE.TEST -k 1 -e aes256-cts\nold\nwkt {keytab}\nq\n"
    subprocess.run(["/usr/bin/ktutil"], input=commands, text=True, check=True, capture_output=True)
    with pytest.raises(NoCredentials, match="dave@EXAMPLE.TEST"):
        call_plain(keytab=keytab).whoami()


def test_a_keytab_when_the_kdc_is_down(call_plain, tmp_path, monkeypatch):
    other = kdc.start()
    try:
        other.extract_keytab(other.user_princ, str(tmp_path / "keytab"))
        other.stop_kdc()
        monkeypatch.setenv("KRB5_CONFIG", other.env["KRB5_CONFIG"])
        with pytest.raises(KDCUnreachable):
            call_plain(keytab=str(tmp_path / "keytab")).whoami()
    finally:
        other.stop()


def test_a_directory_that_may_not_be_read(call_plain, tmp_path, monkeypatch):
    """Root may read all, so that is played."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", refuse)
        with pytest.raises(NoCredentials):
            call_plain(ccache=f"DIR:{tmp_path}", principal=ALICE).whoami()


def test_a_cache_of_another_principal_than_the_keytabs(call_plain, alice, bob, user, tmp_path, expired):
    """It is neither used for him nor filled with his tickets."""
    ccache = bob.kinit(f"{tmp_path}/bob")
    with pytest.raises(NoCredentials, match="does not match") as caught:
        call_plain(ccache=ccache, keytab=alice.keytab, principal=ALICE).whoami()
    assert "another principal's tickets" in caught.value.hint
    assert call_plain(ccache=ccache, keytab=alice.keytab).whoami() == BOB
    shutil.copy(expired, tmp_path / "user")
    with pytest.raises(TicketExpired):
        call_plain(ccache=f"{tmp_path}/user", keytab=alice.keytab).whoami()


def test_unknown_types(call_plain):
    with pytest.raises(NoCredentials, match="Unknown credential cache type"):
        call_plain(ccache="NONE:here").whoami()
    with pytest.raises(KerberosXMLRPCError, match="(?i)key ?tab"):
        call_plain(keytab="NONE:here").whoami()


OLD = """
import gssapi.raw
from krbxmlrpc import KerberosTransport

for name in ("acquire_cred_from", "store_cred_into", "set_neg_mechs"):
    function = getattr(gssapi.raw, name)
    delattr(gssapi.raw, name)
    for arguments in ({"ccache": "/cache"}, {"keytab": "/keytab"}):
        try:
            KerberosTransport(**arguments)
        except ImportError as error:
            print(error)
    KerberosTransport()
    setattr(gssapi.raw, name, function)
KerberosTransport(ccache="/cache")
"""


def test_a_gssapi_without_the_extension_is_reported_at_once():
    """An old Heimdal has no credential store extension."""
    done = subprocess.run([sys.executable, "-c", OLD], capture_output=True, text=True, check=True)
    (message,) = set(done.stdout.splitlines())
    for word in ("ccache=", "keytab=", "credential store extension", "MIT Kerberos", "KRB5CCNAME"):
        assert word in message
    assert len(done.stdout.splitlines()) == 6


WITHOUT = """
import sys
sys.modules["gssapi"] = sys.modules["cryptography"] = None
from krbxmlrpc import KerberosTransport
for arguments in ({"ccache": "/cache"}, {"keytab": "/keytab"}, {"channel_bindings": "tls-server-end-point"}):
    try:
        KerberosTransport(**arguments)
    except ImportError as error:
        print(error)
KerberosTransport()
"""


def test_without_the_extras():
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    ccache, keytab, bindings = done.stdout.splitlines()
    assert ccache == keytab
    for word in ("ccache=", "keytab=", "pip install gssapi", "KRB5CCNAME", "KRB5_CLIENT_KTNAME"):
        assert word in ccache
    assert "pip install cryptography" in bindings and "channel_bindings=" in bindings


EITHER = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[1:]))
from krbxmlrpc import KerberosTicket, KerberosTransport
try:
    KerberosTransport()
    print(KerberosTicket("HTTP@localhost").service_principal)
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("missing", [["gssapi"], ["kerberos"], ["gssapi", "kerberos"]])
def test_either_library_is_enough(user, missing):
    done = subprocess.run([sys.executable, "-c", EITHER, *missing], capture_output=True, text=True, check=True)
    if len(missing) == 1:
        assert done.stdout == "HTTP/localhost@EXAMPLE.TEST\n"
    else:
        assert "pip install pykerberos" in done.stdout and "pip install gssapi" in done.stdout


def test_a_gssapi_without_the_library_in_c_is_none(user, tmp_path):
    """python-gssapi can be installed, and fail when it loads GSSAPI."""
    (tmp_path / "gssapi.py").write_text("raise OSError('libgssapi_krb5.so.2: cannot open shared object file')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", EITHER], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "HTTP/localhost@EXAMPLE.TEST\n"
