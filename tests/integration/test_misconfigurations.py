"""Mistakes in configurations, provoked on the real realm: the message of an error has the cause, its hint the remedy.

docs/troubleshooting.rst has the same in tables. The fixture `trouble` compares each error with its row.
"""

import base64
import datetime
import gc
import os
import re
import shutil
import socket
import ssl
import uuid
from pathlib import Path
from xmlrpc.client import Fault, ProtocolError, ServerProxy, dumps

import pytest
import trustme
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from helpers import in_child
from servers import apache, software
from servers.channel_bindings_acceptor import Certificate
from servers.scripted import ScriptedServer, honest, message, say
from servers.scripted_proxy import ask

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    ClockSkew,
    InsecureKerberosTransport,
    KerberosTicket,
    KerberosTransport,
    KerberosXMLRPCError,
    NegotiateNotOffered,
    NoCredentials,
    ServerUnreachable,
    ServiceUnknown,
    TicketExpired,
    UnexpectedStatus,
)

pytestmark = pytest.mark.usefixtures("library")

KRB5 = -1765328384  # the base of the krb5 error table
MECHANISMS = pytest.mark.parametrize("mechanism", ["spnego", "krb5"])


def test_each_row_of_the_readme_is_provoked(rows):
    provoked = set()
    for file in Path(__file__).parent.glob("test_*.py"):
        provoked.update(re.findall(r'pytest\.mark\.row\("(.+)"\)', file.read_text(encoding="utf-8")))
    assert provoked == set(rows)
    for row in rows.values():
        assert len(row.errors) == 1 and row.words and row.remedies, row.name


@pytest.fixture
def configured(realm, monkeypatch, tmp_path):
    """Have clients read another krb5.conf: ``configured("permitted_enctypes = aes128-cts")`` adds that line."""

    def configure(line):
        gc.collect()  # with a damaged krb5.conf, python-gssapi cannot release credentials of earlier tests
        conf = Path(realm.env["KRB5_CONFIG"]).read_text().replace("[libdefaults]", f"[libdefaults]\n{line}")
        (tmp_path / "krb5.conf").write_text(conf)
        monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))

    return configure


# -- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.row("no credential cache")
@MECHANISMS
def test_no_credential_cache(call_hub, trouble, hub, case, monkeypatch, tmp_path, mechanism, library):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    error = trouble(call_hub(mechanism=mechanism).whoami)
    assert f"{tmp_path}/none does not exist" in error.message
    assert f"FILE:{tmp_path}/none" in error.hint
    assert "KRB5_CLIENT_KTNAME" in error.hint
    assert (error.service, error.host, error.principal) == ("HTTP@localhost", "localhost", None)
    assert error.major.code == 7 << 16  # GSS_S_NO_CRED
    assert error.minor.code - KRB5 in (141, 195)  # KRB5_CC_NOTFOUND, KRB5_FCC_NOFILE
    assert error.minor.text in error.message
    assert hub.logged(case, 0) == []


def test_no_credential_cache_by_default(user, monkeypatch, tmp_path):
    """Which one that is only GSSAPI knows; and it does not say that there was to be a keytab, too."""
    monkeypatch.delenv("KRB5CCNAME")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", f"{tmp_path}/none")
    with pytest.raises(NoCredentials) as caught:
        KerberosTicket("HTTP@localhost")
    assert "KRB5CCNAME is not set" in caught.value.hint
    assert f"KRB5_CLIENT_KTNAME names the keytab {tmp_path}/none" in caught.value.hint


def head_of(cache):
    """Return what a cache has when there are no tickets in it yet: its version, a header, and whose it is."""
    end = 4 + int.from_bytes(cache[2:4], "big")
    parts = int.from_bytes(cache[end + 4 : end + 8], "big")
    end += 8
    for _ in range(parts + 1):
        end += 4 + int.from_bytes(cache[end : end + 4], "big")
    return cache[:end]


@pytest.mark.row("an empty credential cache")
@pytest.mark.parametrize("content", [lambda cache: b"", head_of], ids=["no bytes", "no tickets"])
def test_empty_credential_cache(call_hub, trouble, realm, monkeypatch, tmp_path, content):
    cache = tmp_path / "empty"
    cache.write_bytes(content(Path(realm.ccache).read_bytes()))
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    error = trouble(call_hub().whoami)
    assert f"{cache} is empty" in error.message
    assert str(cache) in error.hint


@pytest.mark.row("a damaged credential cache")
@pytest.mark.parametrize(
    "content",
    [lambda cache: b"not a credential cache", lambda cache: cache[:6], lambda cache: head_of(cache) + b"\0" * 9],
    ids=["text", "cut off in its head", "cut off in a ticket"],
)
def test_damaged_credential_cache(call_hub, trouble, realm, monkeypatch, tmp_path, content):
    cache = tmp_path / "damaged"
    cache.write_bytes(content(Path(realm.ccache).read_bytes()))
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    error = trouble(call_hub().whoami)
    assert str(cache) in error.message and str(cache) in error.hint


def test_cache_of_another_version_is_not_called_damaged(call_hub, realm, monkeypatch, tmp_path):
    cache = tmp_path / "older"
    cache.write_bytes(b"\5\3" + Path(realm.ccache).read_bytes()[2:])
    monkeypatch.setenv("KRB5CCNAME", str(cache))
    with pytest.raises(NoCredentials) as caught:
        call_hub().whoami()
    assert "damaged" not in caught.value.message


def test_directory_in_the_place_of_a_cache(call_hub, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", str(tmp_path))
    with pytest.raises(KerberosXMLRPCError, match=f"is named DIR:{tmp_path}"):
        call_hub().whoami()


@pytest.mark.row("another user's credential cache")
def test_credential_cache_of_another_user(call_hub, trouble, realm, monkeypatch, tmp_path):
    proxy = call_hub()
    cache = realm.ccache
    root = os.geteuid() == 0  # may read all, so another user has to try
    if not root:
        cache = shutil.copy(cache, tmp_path / "his")
        cache.chmod(0)
        monkeypatch.setenv("KRB5CCNAME", str(cache))

    def call():
        if root:
            os.setgid(65534)
            os.setuid(65534)
        return trouble(proxy.whoami)

    assert f"{cache} may not be read by this user" in in_child(call).message


@pytest.mark.row("a misspelt cache type")
@pytest.mark.parametrize("name", ["FILLE:/path", "file:/path"])
def test_type_of_cache_that_does_not_exist(call_hub, trouble, monkeypatch, name):
    monkeypatch.setenv("KRB5CCNAME", name)
    assert f"in '{name}'" in trouble(call_hub().whoami).message


@pytest.mark.row("KCM without its daemon")
@pytest.mark.parametrize("is_default", [False, True])
def test_kcm_without_its_daemon(call_hub, trouble, configured, monkeypatch, tmp_path, is_default):
    configured(f"kcm_socket = {tmp_path}/none\n" + "default_ccache_name = KCM:\n" * is_default)
    monkeypatch.setenv("KRB5CCNAME", "KCM:")
    if is_default:
        monkeypatch.delenv("KRB5CCNAME")
    assert f"there is no {tmp_path}/none" in trouble(call_hub().whoami).message


@pytest.mark.row("another principal's credential cache")
@MECHANISMS
def test_credential_cache_of_another_principal(call_hub, trouble, realm, mechanism):
    error = trouble(call_hub(principal="nobody@EXAMPLE.TEST", mechanism=mechanism).whoami)
    assert error.principal == "nobody@EXAMPLE.TEST"
    assert f"{realm.ccache} has tickets of user@EXAMPLE.TEST" in error.message
    assert "nobody@EXAMPLE.TEST" in error.message and "nobody@EXAMPLE.TEST" in error.hint


@pytest.mark.row("a principal not in the collection")
@MECHANISMS
def test_principal_that_is_not_in_the_collection(call_hub, trouble, realm, monkeypatch, tmp_path, mechanism):
    (tmp_path / "caches").mkdir()
    collection = f"DIR:{tmp_path}/caches"
    realm.kinit(realm.user_princ, realm.password("user"), env={**realm.env, "KRB5CCNAME": collection})
    monkeypatch.setenv("KRB5CCNAME", collection)
    assert call_hub(principal="user@EXAMPLE.TEST", mechanism=mechanism).whoami() == "user@EXAMPLE.TEST"
    error = trouble(call_hub(principal="nobody@EXAMPLE.TEST", mechanism=mechanism).whoami)
    assert error.principal == "nobody@EXAMPLE.TEST"
    assert "as nobody@EXAMPLE.TEST" in error.message and "nobody@EXAMPLE.TEST" in error.hint
    assert collection in error.hint


@pytest.mark.row("an expired ticket")
@MECHANISMS
def test_expired_ticket(call_hub, trouble, other_realm, mechanism):
    other_realm(clock="-2d")
    error = trouble(call_hub(mechanism=mechanism).whoami)
    assert error.major.code
    assert error.minor.code - KRB5 == 32  # KRB5KRB_AP_ERR_TKT_EXPIRED
    now = datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=0.5) < now - error.since < datetime.timedelta(days=2)
    assert f"since {error.since:%Y-%m-%d}" in error.message


@pytest.mark.row("a ticket that is not yet valid")
@MECHANISMS
def test_ticket_that_is_not_yet_valid(call_hub, trouble, realm, monkeypatch, tmp_path, mechanism):
    """It looks like this if this machine's clock is slow: the KDC's time has not come here yet."""
    monkeypatch.setenv("KRB5CCNAME", f"{tmp_path}/later")
    realm.kinit(realm.user_princ, realm.password("user"), flags=["-s", "1h"], env=dict(os.environ))
    error = trouble(call_hub(mechanism=mechanism).whoami)
    assert error.minor.code - KRB5 == 33  # KRB5KRB_AP_ERR_TKT_NYV
    start = re.search(r"it is valid from (\S+ \S+) UTC", error.message)[1]
    ahead = datetime.datetime.strptime(start, "%Y-%m-%d %H:%M:%S") - datetime.datetime.now(
        datetime.timezone.utc
    ).replace(tzinfo=None)
    assert 50 * 60 < ahead.total_seconds() < 70 * 60


@pytest.mark.row("an unusable default keytab")
@MECHANISMS
@pytest.mark.parametrize(
    "content, words", [(None, "does not exist"), ("", "is empty"), ("junk", "is not a keytab"), ("/", "is a directory")]
)
def test_default_keytab_that_is_of_no_use(call_hub, trouble, monkeypatch, tmp_path, mechanism, content, words):
    keytab = tmp_path / "keytab"
    if content == "/":
        keytab.mkdir()
    elif content is not None:
        keytab.write_text(content)
    monkeypatch.setenv("KRB5CCNAME", f"{tmp_path}/none")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", str(keytab))
    assert f"{keytab} {words}" in trouble(call_hub(mechanism=mechanism).whoami).message


@pytest.fixture
def unreadable(realm, tmp_path):
    """Make a call as a user who may not read a keytab: ``unreadable(keytab, call)``."""

    def make(keytab, call):
        if os.geteuid() != 0:
            os.chmod(keytab, 0)
            return call()

        def as_nobody():
            os.setgid(65534)
            os.setuid(65534)
            return call()

        return in_child(as_nobody)

    return make


def keytab_of_root(realm):
    keytab = f"{realm.tmpdir}/{uuid.uuid4().hex}.keytab"
    realm.extract_keytab(realm.user_princ, keytab)
    os.chmod(keytab, 0o600)
    return keytab


@pytest.mark.row("another user's keytab")
@pytest.mark.parametrize("principal", [None, "user@EXAMPLE.TEST"])
def test_keytab_that_may_not_be_read(call_hub, trouble, realm, unreadable, principal):
    keytab = keytab_of_root(realm)
    proxy = call_hub(keytab=keytab, principal=principal)
    error = unreadable(keytab, lambda: trouble(proxy.whoami))
    assert f"{keytab} may not be read by this user" in error.message
    assert "nonexistent" not in error.message and "Permission denied" not in error.message
    assert keytab in error.hint


@pytest.mark.row("another user's keytab")
def test_default_keytab_that_may_not_be_read(call_hub, trouble, realm, unreadable, monkeypatch, tmp_path):
    keytab = keytab_of_root(realm)
    monkeypatch.setenv("KRB5CCNAME", f"{realm.tmpdir}/none")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", keytab)
    proxy = call_hub()
    error = unreadable(keytab, lambda: trouble(proxy.whoami))
    assert "KRB5_CLIENT_KTNAME names a keytab" in error.message and keytab in error.hint


@pytest.fixture
def account(realm, tmp_path):
    """A principal whose account a test may change: ``account("-allow_tix")``; give the principal and a keytab."""
    principal, keytab = f"{uuid.uuid4().hex}@EXAMPLE.TEST", str(tmp_path / "account.keytab")
    realm.addprinc(principal)
    realm.extract_keytab(principal, keytab)

    def change(*flags):
        realm.run(["/usr/sbin/kadmin.local", "-q", f"modprinc {' '.join(flags)} {principal}"])
        return principal, keytab

    return change


@pytest.mark.row("a disabled account")
@pytest.mark.parametrize("change", ["-allow_tix", "-expire yesterday", "-pwexpire yesterday"])
def test_account_that_is_disabled(call_hub, trouble, account, change):
    principal, keytab = account(change)
    error = trouble(call_hub(keytab=keytab, principal=principal).whoami)
    assert principal in error.hint
    assert "klist -k" not in error.hint  # the keytab is good


@pytest.mark.parametrize("argument", ["default", "ccache"])
def test_owner_of_a_cache_can_be_pasted(call_hub, realm, monkeypatch, tmp_path, argument):
    """Enterprise names (RFC 6806, section 5) have an @ of their own."""
    owner = r"few.person\@example.test@EXAMPLE.TEST"
    realm.run(["/usr/sbin/kadmin.local", "-q", f"addprinc -pw password {owner}"])
    cache = f"{tmp_path}/cache"
    realm.kinit(owner, "password", env={**os.environ, "KRB5CCNAME": cache})
    monkeypatch.setenv("KRB5CCNAME", cache)
    arguments = {"ccache": cache} if argument == "ccache" else {}
    with pytest.raises(NoCredentials) as caught:
        call_hub(principal="nobody@EXAMPLE.TEST", **arguments).whoami()
    assert f"has tickets of {owner}" in caught.value.message
    assert call_hub(principal=owner, **arguments).whoami() == owner
    with pytest.raises(NoCredentials) as caught:
        call_hub(principal=owner.replace("few", "no"), **arguments).whoami()
    assert r"'no.person\@example.test@EXAMPLE.TEST'" in caught.value.hint  # quoted for the shell


def test_expired_ticket_and_a_default_keytab_of_no_use(call_hub, other_realm, monkeypatch, tmp_path):
    other_realm(clock="-2d")
    monkeypatch.setenv("KRB5_CLIENT_KTNAME", f"{tmp_path}/none")
    with pytest.raises(TicketExpired, match=f"KRB5_CLIENT_KTNAME names a keytab, but {tmp_path}/none does not exist"):
        call_hub().whoami()


def test_expired_ticket_is_renewed_from_a_keytab(call_hub, other_realm):
    realm = other_realm(clock="-2d")
    realm.stop_kdc()
    realm.start_kdc()
    with pytest.raises(TicketExpired):
        call_hub().whoami()
    realm.extract_keytab(realm.user_princ, realm.client_keytab)
    # The hub is of another realm: it has another key.
    with pytest.raises(AuthenticationRejected):
        call_hub().whoami()


# -- krb5.conf and the KDC --------------------------------------------------------------------------------------------

NEW = "HTTP@new.example.test"  # a service for which there is no ticket in the cache yet: the KDC has to be asked


@pytest.mark.row("no krb5.conf")
def test_no_krb5_conf(call_hub, trouble, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CONFIG", f"{tmp_path}/krb5.conf")
    error = trouble(call_hub(service=NEW).whoami)
    assert f"{tmp_path}/krb5.conf, which KRB5_CONFIG names, does not exist" in error.message
    assert error.minor.code - KRB5 == 154  # KRB5_REALM_UNKNOWN


@pytest.mark.row("another user's krb5.conf")
def test_krb5_conf_that_may_not_be_read(call_hub, trouble, configured, realm, monkeypatch):
    configured("")
    proxy = call_hub()
    conf = f"{realm.tmpdir}/krb5.conf of root"
    Path(conf).unlink(missing_ok=True)  # a user who is not root cannot write to the file of an earlier test
    shutil.copy(os.environ["KRB5_CONFIG"], conf)
    os.chmod(conf, 0o600 if os.geteuid() == 0 else 0)
    monkeypatch.setenv("KRB5_CONFIG", conf)

    def call():
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        return trouble(proxy.whoami)

    assert f"{conf}, which KRB5_CONFIG names, may not be read by this user" in in_child(call).message


@pytest.mark.row("a folder as krb5.conf")
def test_krb5_conf_that_is_a_folder(call_hub, trouble, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path))
    error = trouble(call_hub(service=NEW).whoami)
    assert f"{tmp_path}, which KRB5_CONFIG names, is a folder" in error.message


@pytest.mark.row("a damaged krb5.conf")
def test_damaged_krb5_conf(call_hub, trouble, configured):
    configured("[realms")
    error = trouble(call_hub().whoami)
    assert os.environ["KRB5_CONFIG"] in error.hint
    assert error.minor.code - KRB5 == 136  # KRB5_CONFIG_BADFORMAT


@pytest.mark.row("no default realm")
def test_no_default_realm(call_hub, trouble, user, monkeypatch, tmp_path):
    (tmp_path / "krb5.conf").touch()
    monkeypatch.setenv("KRB5_CONFIG", f"{tmp_path}/krb5.conf")
    error = trouble(call_hub(principal="user").whoami)
    assert error.minor.code - KRB5 == 224  # KRB5_CONFIG_NODEFREALM


@pytest.mark.row("a realm not in krb5.conf")
def test_realm_that_krb5_conf_does_not_know(call_hub, trouble, other_realm, monkeypatch, tmp_path):
    other_realm()
    conf = tmp_path / "krb5.conf"
    conf.write_text("[libdefaults]\n default_realm = EXAMPLE.TEST\n dns_lookup_kdc = false\n")
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    error = trouble(call_hub().whoami)
    assert "EXAMPLE.TEST" in error.message
    assert str(conf) in error.hint
    assert error.minor.code - KRB5 == 154  # KRB5_REALM_UNKNOWN


@pytest.mark.row("a realm that the KDC does not know")
def test_realm_that_the_kdc_does_not_know(call_hub, trouble):
    error = trouble(call_hub(service="HTTP/localhost@NOWHERE.TEST").whoami)
    assert "NOWHERE.TEST" in error.message


@pytest.mark.row("a KDC that does not answer")
def test_kdc_that_is_down(call_hub, trouble, other_realm):
    other_realm().stop_kdc()
    error = trouble(call_hub().whoami)
    assert "EXAMPLE.TEST" in error.message
    assert error.minor.code - KRB5 == 156  # KRB5_KDC_UNREACH


@pytest.mark.row("a KDC not in the DNS")
def test_kdc_that_does_not_resolve(call_hub, trouble, realm, monkeypatch, tmp_path):
    conf = tmp_path / "krb5.conf"
    conf.write_text(re.sub(r"(\tkdc = ).*", r"\1kdc.invalid:88", Path(realm.env["KRB5_CONFIG"]).read_text()))
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    assert "kdc.invalid:88" in trouble(call_hub(service=NEW).whoami).hint


@pytest.mark.row("a wrong clock at the KDC")
def test_clock_of_the_kdc_is_off(call_hub, trouble, other_realm):
    realm = other_realm()
    realm.stop_kdc()
    realm.start_kdc(env={**realm.env, **software.other_clock("+20m")})
    error = trouble(call_hub().whoami)
    assert not isinstance(error, ProtocolError)
    assert error.minor.code - KRB5 == 37  # KRB5KRB_AP_ERR_SKEW
    assert error.seconds is None


@pytest.mark.row("an encryption type not allowed here")
@MECHANISMS
@pytest.mark.parametrize(
    "line, code",
    [
        ("permitted_enctypes = aes128-cts", 200),  # KRB5_CC_NOT_KTYPE
        ("default_tgs_enctypes = camellia256-cts", 200),
        ("permitted_enctypes = des-cbc-crc", 237),  # KRB5_CONFIG_ETYPE_NOSUPP
    ],
)
def test_encryption_type_that_krb5_conf_does_not_allow(call_hub, trouble, configured, mechanism, line, code):
    configured(line)
    error = trouble(call_hub(mechanism=mechanism).whoami)
    assert error.minor.code - KRB5 == code
    assert (error.service, error.host) == ("HTTP@localhost", "localhost")


@pytest.fixture(scope="module")
def weak_service(realm):
    """A service whose only key is one that no up-to-date Kerberos takes."""
    for query in ("addprinc -randkey -e arcfour-hmac", "setstr"):
        more = " session_enctypes arcfour-hmac" if query == "setstr" else ""
        realm.run(["/usr/sbin/kadmin.local", "-q", f"{query} HTTP/weak.example.test{more}"])
    return "HTTP@weak.example.test"


@pytest.mark.row("a service key of an old type")
@MECHANISMS
def test_encryption_type_that_the_kdc_does_not_allow(call_hub, trouble, weak_service, mechanism):
    error = trouble(call_hub(service=weak_service, mechanism=mechanism).whoami)
    assert "HTTP/weak.example.test" in error.message and "HTTP/weak.example.test" in error.hint
    assert error.minor.code - KRB5 == 14  # KRB5KDC_ERR_ETYPE_NOSUPP


# -- the service ------------------------------------------------------------------------------------------------------


@pytest.mark.row("an alias without a service")
@MECHANISMS
def test_service_that_the_kdc_does_not_know(call_hub, trouble, mechanism):
    error = trouble(call_hub(service="HTTP@alias.example.test", mechanism=mechanism).whoami)
    assert "HTTP/alias.example.test@EXAMPLE.TEST" in error.message
    assert "asked for HTTP/alias.example.test: " in error.hint and "service=" in error.hint
    assert error.minor.code - KRB5 == 7  # KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN


@pytest.mark.row("a port in the service's name")
@pytest.mark.parametrize("service", ["HTTP@localhost:443", "HTTP/localhost:443@EXAMPLE.TEST", "HTTP@[::1]:443"])
def test_service_with_a_port(call_hub, trouble, service):
    error = trouble(call_hub(service=service).whoami)
    assert service.replace("HTTP@", "HTTP/") in error.message
    assert "leave :443 out" in error.hint


@pytest.mark.row("an address in the URL")
def test_url_with_an_address(call_hub, trouble):
    error = trouble(call_hub(host="127.0.0.1").whoami)
    assert error.service == "HTTP@127.0.0.1"


@pytest.mark.row("an IPv6 address in the URL")
def test_url_with_an_address_of_ipv6(trouble, user):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        with ServerProxy(f"http://[::1]:{listening.getsockname()[1]}/", transport=InsecureKerberosTransport()) as proxy:
            error = trouble(proxy.whoami)
    assert error.service == "HTTP@::1"


def test_service_with_an_address_in_brackets(call_hub):
    with pytest.raises(ServiceUnknown, match="IP address"):
        call_hub(service="HTTP@[::1]").whoami()


@pytest.mark.row("a service in lower case")
def test_service_in_small_letters(call_hub, trouble):
    trouble(call_hub(service="http@localhost").whoami)


@pytest.mark.row("any other failure of Kerberos")
@MECHANISMS
def test_kdc_whose_name_lacks_what_is_behind_its_colon(call_hub, trouble, realm, monkeypatch, tmp_path, mechanism):
    conf = tmp_path / "krb5.conf"
    conf.write_text(re.sub(r"(\tkdc = .*:).*", r"\1", Path(realm.env["KRB5_CONFIG"]).read_text()))
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    assert "Invalid argument" in trouble(call_hub(service=NEW, mechanism=mechanism).whoami).message


# -- the way there ----------------------------------------------------------------------------------------------------


@pytest.mark.row("an unknown host name")
def test_name_that_does_not_resolve(trouble, user):
    proxy = ServerProxy("https://nowhere.invalid/", transport=KerberosTransport(service="HTTP@localhost"))
    error = trouble(proxy.whoami)
    assert "nowhere.invalid" in error.message
    assert isinstance(error, socket.gaierror) and isinstance(error, ServerUnreachable)
    assert error.__cause__.errno in (socket.EAI_NONAME, socket.EAI_AGAIN)  # the latter on a machine without DNS


@pytest.mark.row("a closed port")
def test_nobody_listens(trouble, user):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = trouble(ServerProxy(f"https://localhost:{port}/", transport=KerberosTransport()).whoami)
    assert f"localhost:{port}" in error.message and f"localhost:{port}" in error.hint
    assert isinstance(error, ConnectionError)
    assert isinstance(error.__cause__, ConnectionRefusedError)


def test_nobody_listens_at_an_address(user):
    with pytest.raises(ServerUnreachable, match=r"cannot connect to \[::1\]:1: .*listens on \[::1\]:1"):
        ServerProxy("https://[::1]:1/", transport=KerberosTransport()).whoami()


@pytest.mark.row("a firewall in between")
def test_server_that_does_not_take_connections(trouble, user):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        try:
            while True:  # until its queue is full
                waiting.append(socket.create_connection(full.getsockname(), 0.2))
        except OSError:
            url = f"https://localhost:{full.getsockname()[1]}/"
            trouble(ServerProxy(url, transport=KerberosTransport(connect_timeout=0.2)).whoami)
        finally:
            for sock in waiting:
                sock.close()


def test_server_that_is_silent_from_the_start(user):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        with pytest.raises(ServerUnreachable, match="timed out"):
            ServerProxy(url, transport=KerberosTransport(connect_timeout=0.2)).whoami()


def test_server_that_does_not_read(user):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://localhost:{silent.getsockname()[1]}/"
        with ServerProxy(url, transport=InsecureKerberosTransport(timeout=0.2)) as proxy:
            with pytest.raises(CallOutcomeUnknown, match="timed out"):
                proxy.store("x" * 20_000_000)


@pytest.mark.row("https:// to a port for http")
def test_port_that_does_not_speak_tls(call_hub, trouble, hub, monkeypatch):
    monkeypatch.setitem(hub.ports, "https", hub.ports["http"])
    error = trouble(call_hub().whoami)
    assert f"localhost:{hub.ports['http']}" in error.message
    assert isinstance(error.__cause__, ssl.SSLError)


@pytest.mark.row("http:// to a port for https")
def test_port_that_speaks_tls_only(call_hub, trouble, hub, monkeypatch):
    monkeypatch.setitem(hub.ports, "http", hub.ports["https"])
    error = trouble(call_hub(listener="http", transport=InsecureKerberosTransport).whoami)
    assert error.errcode == 400


def certificate_trouble(trouble, certificate, context):
    """Call a server with such a certificate; return the error."""
    with ScriptedServer(certificate) as server:
        with ServerProxy(server.url(), transport=KerberosTransport(context=context)) as proxy:
            error = trouble(proxy.whoami)
        assert server.requests == []
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert error.host == "localhost"
    assert error.verify_code == error.__cause__.verify_code != 0
    assert error.verify_message in error.message
    return error


@pytest.mark.row("a self-signed certificate")
def test_certificate_that_signs_itself(trouble, user):
    certificate = Certificate(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    certificate_trouble(trouble, certificate, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


@pytest.mark.row("a certificate of an unknown CA")
def test_certificate_of_an_unknown_ca(trouble, user):
    certificate_trouble(trouble, trustme.CA(), None)


class At:
    """A CA that issues certificates for a day, so many days from now."""

    def __init__(self, ca, days):
        self._ca = ca
        self._start = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days)

    def issue_cert(self, *names):
        end = self._start + datetime.timedelta(days=1)
        return self._ca.issue_cert(*names, not_before=self._start, not_after=end)


@pytest.mark.row("an expired certificate")
def test_certificate_that_has_expired(trouble, user, ca, server_context):
    certificate_trouble(trouble, At(ca, -2), server_context)


@pytest.mark.row("a certificate not yet valid")
def test_certificate_that_is_not_yet_valid(trouble, user, ca, server_context):
    certificate_trouble(trouble, At(ca, 2), server_context)


@pytest.mark.row("a certificate for another name")
def test_certificate_for_another_name(call_hub, trouble):
    assert "localhost" in trouble(call_hub(listener="othername").whoami).message


# -- proxies (the rest is with the other tests of proxies) ------------------------------------------------------------


@pytest.mark.row("a proxy that does not answer")
def test_no_proxy(call_hub, trouble):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert f"127.0.0.1:{port}" in trouble(call_hub(proxy=f"http://127.0.0.1:{port}").whoami).message


@pytest.mark.row("a server that is not a proxy")
@pytest.mark.parametrize("listener", ["http", "https"])
def test_server_in_the_place_of_a_proxy(call_hub, trouble, hub, listener):
    error = trouble(call_hub(proxy=f"http://127.0.0.1:{hub.ports[listener]}").whoami)
    assert f"the proxy 127.0.0.1:{hub.ports[listener]} opens no tunnel to localhost" in error.message


@pytest.mark.row("a proxy that requires a password")
def test_proxy_that_takes_no_ticket(call_hub, trouble):
    with ScriptedServer(None, ask('Basic realm="proxy"')) as proxy:
        trouble(call_hub(proxy=f"http://localhost:{proxy.port}").whoami)


@pytest.mark.row("a proxy that decrypts TLS")
def test_proxy_that_looks_into_tls(call_hub, trouble, squid):
    """It looks to a client like this: the certificate, by a CA that it does not know, comes through the proxy."""
    trouble(call_hub(proxy=squid.url("open"), context=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).whoami)


@pytest.mark.row("a proxy under another name")
def test_proxy_that_goes_by_another_name_in_kerberos(call_hub, trouble, squid):
    """Another way to write its address, of which the KDC does not know."""
    trouble(call_hub(proxy=f"http://2130706434:{squid.ports['known']}").whoami)


# -- the server -------------------------------------------------------------------------------------------------------


@pytest.fixture
def said(hub):
    """Tell what the hub's error log has of this test."""
    before = len(hub.error_log())
    return lambda: hub.error_log()[before:]


@pytest.mark.row("no keytab on the server")
@MECHANISMS
def test_server_without_a_keytab(call_hub, trouble, hub, case, said, mechanism):
    error = trouble(call_hub("/no-keytab", mechanism=mechanism).whoami)
    assert (error.errcode, error.service) == (401, "HTTP/localhost@EXAMPLE.TEST")
    assert "kvno HTTP/localhost" in error.hint
    assert [line.status for line in hub.logged(case)] == [401, 401]  # a new ticket could have helped
    assert re.search("failed to get server creds: .*Keytab FILE:.*/no.keytab is nonexistent or empty", said())


@pytest.fixture(scope="module")
def hub_with_ntlm(realm):
    """A hub on a machine where gss-ntlmssp is installed, as on many. The other hubs have no mechanism but Kerberos."""
    software.require([software.NTLM])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("GSS_MECH_CONFIG")
        started = apache.Apache(realm).start()
    yield started
    started.stop()


@pytest.mark.row("a server that refuses Kerberos")
@pytest.mark.parametrize("path", ["/no-keytab", "/no-kerberos"])
def test_server_that_refuses_kerberos(hub_with_ntlm, trouble, user, path):
    transport = KerberosTransport(context=ssl.create_default_context(cafile=hub_with_ntlm.cafile))
    with ServerProxy(hub_with_ntlm.url(path), transport=transport) as proxy:
        error = trouble(proxy.whoami)
    assert error.errcode == 401 and "kvno" not in error.hint
    assert "An unsupported mechanism was requested" in hub_with_ntlm.error_log()


def test_a_server_with_ntlm_takes_tickets(hub_with_ntlm, user):
    transport = KerberosTransport(context=ssl.create_default_context(cafile=hub_with_ntlm.cafile))
    with ServerProxy(hub_with_ntlm.url(), transport=transport) as proxy:
        assert proxy.whoami() == user


@pytest.mark.row("an old key on the server")
@MECHANISMS
def test_server_whose_key_has_changed(call_hub, trouble, hub, case, said, mechanism):
    error = trouble(call_hub("/stale-keytab", mechanism=mechanism).whoami)
    assert (error.errcode, error.service) == (401, "HTTP/localhost@EXAMPLE.TEST")
    assert "kvno HTTP/localhost" in error.hint and "clocks" in error.hint
    assert [line.status for line in hub.logged(case)] == [401, 401]  # a new ticket could have helped
    assert "found in keytab but cannot decrypt ticket" in said()


@pytest.fixture(scope="module")
def other_service(realm):
    """A service that the KDC knows, and the hub's keytab does not."""
    realm.addprinc("HTTP/other.example.test")
    return "HTTP@other.example.test"


@pytest.mark.row("a keytab for another name")
@MECHANISMS
def test_server_whose_keytab_has_another_name(call_hub, trouble, other_service, said, mechanism):
    error = trouble(call_hub(service=other_service, mechanism=mechanism).whoami)
    assert (error.errcode, error.service) == (401, "HTTP/other.example.test@EXAMPLE.TEST")
    assert "kvno HTTP/other.example.test" in error.hint
    assert "Request ticket server HTTP/other.example.test@EXAMPLE.TEST not found in keytab" in said()


@pytest.mark.row("a wrong clock at the server")
def test_clock_of_the_server_is_off(trouble, realm, user):
    hub = apache.Apache(realm, clock="+20m").start()
    try:
        transport = KerberosTransport(context=ssl.create_default_context(cafile=hub.cafile))
        with ServerProxy(hub.url(), transport=transport) as proxy:
            error = trouble(proxy.whoami)
        assert "Clock skew too great" in hub.error_log()
    finally:
        hub.stop()
    assert isinstance(error, ClockSkew) and isinstance(error, ProtocolError) and error.errcode == 401
    assert 1190 < error.seconds < 1230
    assert "seconds ahead of this machine's" in error.message


# mod_auth_gssapi with GssapiNegotiateOnce sends Negotiate again only if it has a token to send. For such tickets it has
# none; mod_auth_kerb has never one.
UNANSWERED = {"mechanism": "krb5", "mutual_authentication": "disabled"}


@pytest.mark.row("a refused ticket without an offer")
def test_ticket_that_is_refused_without_an_offer(call_hub, trouble, hub, case, said):
    """The first request carries a ticket, so nobody can tell whether the server takes tickets at all."""
    error = trouble(call_hub("/once-stale-keytab", **UNANSWERED).whoami)
    assert (error.errcode, error.schemes) == (401, ())
    assert "to a ticket for HTTP/localhost@EXAMPLE.TEST" in error.message and "clocks" in error.hint
    assert [line.status for line in hub.logged(case)] == [401]
    assert "found in keytab but cannot decrypt ticket" in said()


@pytest.mark.row("a refused ticket after an offer")
def test_ticket_that_is_refused_after_an_offer(call_hub, trouble, hub, case):
    proxy = call_hub("/once-stale-keytab", preemptive=False, **UNANSWERED)
    for _ in range(2):  # the second call does not ask for an offer, because its connection is known to need a ticket
        assert trouble(proxy.whoami).headers["WWW-Authenticate"] is None
    # Each call makes one more request, with a new ticket.
    assert [(line.status, line.ticket) for line in hub.logged(case, 5)] == [(401, False), *[(401, True)] * 4]


@MECHANISMS
def test_a_token_with_the_reason_is_an_offer(call_hub, mechanism):
    with pytest.raises(AuthenticationRejected, match="GSSAPI refuses the server's token"):
        call_hub("/once-stale-keytab", mechanism=mechanism).whoami()


@pytest.mark.parametrize("preemptive", [True, False])
def test_clock_of_a_server_that_offers_once(realm, user, preemptive):
    hub = apache.Apache(realm, clock="+20m").start()
    try:
        context = ssl.create_default_context(cafile=hub.cafile)
        transport = KerberosTransport(context=context, preemptive=preemptive, **UNANSWERED)
        with ServerProxy(hub.url("/once"), transport=transport) as proxy:
            with pytest.raises(UnexpectedStatus) as caught:
                proxy.whoami()
    finally:
        hub.stop()
    if preemptive:
        assert isinstance(caught.value, NegotiateNotOffered)
        assert re.search("its clock is 1[12][0-9]{2} seconds ahead of this machine's: .*NTP", caught.value.hint)
    else:
        assert isinstance(caught.value, ClockSkew) and 1190 < caught.value.seconds < 1230


@pytest.mark.row("a user without permission")
@MECHANISMS
def test_user_who_is_not_let_in(call_hub, trouble, user, said, mechanism):
    error = trouble(call_hub("/others", mechanism=mechanism).whoami)
    assert f"accepted the ticket for HTTP/localhost@EXAMPLE.TEST: {user} may not" in error.message
    assert error.principal == user
    assert "keytab" not in error.hint
    assert f'AH01631: user {user}: authorization failure for "/others"' in said()


@pytest.mark.row("AuthType Basic")
@pytest.mark.parametrize("preemptive", [True, False])
def test_server_that_offers_basic_only(call_hub, trouble, hub, case, said, preemptive):
    error = trouble(call_hub("/basic", preemptive=preemptive).whoami)
    assert error.schemes == ("basic",)
    assert "it offers: Basic" in error.message
    assert len(hub.logged(case)) == 1
    assert ("AH01614: client used wrong authentication scheme: /basic" in said()) is preemptive


NTLM = base64.b64encode(b"NTLMSSP\0\2\0\0\0" + bytes(48)).decode()


@pytest.mark.row("NTLM without Negotiate")
@pytest.mark.parametrize("preemptive", [True, False])
@pytest.mark.parametrize("challenge", ["NTLM", f"NTLM {NTLM}"])
def test_server_that_offers_ntlm_only(call_server, server, trouble, preemptive, challenge):
    answer = say(message(401, [("WWW-Authenticate", challenge)]))
    server.play(answer)
    assert trouble(call_server(preemptive=preemptive).whoami, offer=answer).schemes == ("ntlm",)


@pytest.mark.row("NTLM in reply to a ticket")
@MECHANISMS
@pytest.mark.parametrize("preemptive", [True, False])
def test_server_that_goes_on_with_ntlm(call_server, server, trouble, mechanism, preemptive):
    """Its first token may be one of NTLM, too: a ticket is sent all the same."""
    answer = say(message(401, [("WWW-Authenticate", f"Negotiate {NTLM}"), ("WWW-Authenticate", "NTLM")]))
    server.play(*[answer] * (1 if preemptive else 2))
    error = trouble(call_server(mechanism=mechanism, preemptive=preemptive).whoami)
    assert "GSSAPI" not in error.message
    assert [request.token is not None for request in server.requests] == [True] if preemptive else [False, True]


@pytest.mark.row("an unknown AuthType")
def test_server_whose_authtype_is_of_no_module(call_hub, trouble, said):
    assert trouble(call_hub("/unknown-type").whoami).errcode == 500
    assert "AH01796: AuthType Kerberos configured without corresponding module" in said()


def test_server_that_fails_after_it_has_proved_itself(call_hub):
    with pytest.raises(UnexpectedStatus, match="answered 500 said the hub. Hint: .*error log") as caught:
        call_hub("/xmlrpc?status=500").whoami()
    assert "AuthType" not in caught.value.hint


@pytest.mark.row("a path without authentication")
@pytest.mark.parametrize("preemptive", [True, False])
def test_path_that_nothing_protects(call_hub, trouble, preemptive):
    trouble(call_hub("/open", preemptive=preemptive).whoami)
    assert call_hub("/open", preemptive=preemptive, mutual_authentication="optional").whoami() == "nobody"


@pytest.fixture
def large_ticket(realm, user, monkeypatch, tmp_path):
    """Be somebody whose name makes a ticket larger than Apache takes. (In Active Directory, many groups do.)"""
    name = "u" * 2000
    realm.addprinc(name, "password")
    cache = f"FILE:{tmp_path}/large"
    realm.kinit(name, "password", env={**realm.env, "KRB5CCNAME": cache})
    monkeypatch.setenv("KRB5CCNAME", cache)
    yield
    realm.run(["/usr/sbin/kadmin.local", "-q", f"delprinc -force {name}"])


@pytest.mark.row("a ticket that is too large")
def test_ticket_that_is_too_large(call_hub, trouble, large_ticket):
    error = trouble(call_hub().whoami)
    assert error.errcode == 400
    head, header = map(int, re.findall("([0-9]+)(?: bytes|;)", error.hint)[:2])
    assert 8190 < header < head


def test_400_to_a_small_request_has_another_reason(call_hub):
    for arguments in ({}, {"listener": "http", "transport": InsecureKerberosTransport}):
        with pytest.raises(UnexpectedStatus, match="answered 400") as caught:
            call_hub("/xmlrpc?status=400", mutual_authentication="disabled", **arguments).whoami()
        assert "too large" not in caught.value.hint and "check the " in caught.value.hint
        assert ("TLS" in caught.value.hint) is bool(arguments)


@pytest.mark.row("a call that is too large")
def test_server_that_takes_small_calls_only(call_hub, trouble):
    trouble(call_hub("/limited").size, "x" * 200_000)


def test_server_that_buffers_small_calls_only(call_hub, hub_context):
    """The path has TLS settings of its own, so Apache has to keep the call until the client has shown a certificate."""
    hub_context.post_handshake_auth = True
    with pytest.raises(UnexpectedStatus, match="answered 413 .*SSLRenegBufferSize"):
        call_hub("/client-certificate", context=hub_context).size("x" * 200_000)


@pytest.mark.row("a wrong path")
def test_path_that_is_not_there(call_hub, trouble, hub, case):
    proxy = call_hub("/xmlrpc?status=404")
    for _ in range(2):
        error = trouble(proxy.whoami)
        assert (error.errcode, error.errmsg) == (404, "said the hub")  # it has proved itself
        assert error.principal == "user@EXAMPLE.TEST"
    assert [line.earlier for line in hub.logged(case, 2)] == [0, 1]


@pytest.mark.parametrize("status, words", [(405, "path of the URL"), (501, "error log"), (418, None)])
def test_other_statuses(call_hub, status, words):
    with pytest.raises(UnexpectedStatus, match=f"answered {status}") as caught:
        call_hub(f"/xmlrpc?status={status}").whoami()
    assert words in caught.value.hint if words else caught.value.hint is None


@pytest.mark.row("a Fault with an error status")
@pytest.mark.parametrize("status", [400, 500])
def test_fault_with_an_error_status(call_server, server, trouble, status):
    body = dumps(Fault(7, "no such build"), methodresponse=True).encode()
    server.play(honest(status=status, body=body))
    assert "no such build" in trouble(call_server().method).message


@pytest.mark.row("a gateway without a reply")
@pytest.mark.parametrize("status", [502, 504])
def test_gateway_that_gets_no_reply(call_hub, trouble, status):
    assert trouble(call_hub(f"/xmlrpc?status={status}").whoami).errcode == status


@pytest.mark.row("an overloaded server")
def test_server_that_is_overloaded(call_hub, trouble):
    trouble(call_hub("/xmlrpc?status=503").whoami)


@pytest.mark.row("too many requests")
def test_too_many_requests(call_hub, trouble):
    trouble(call_hub("/xmlrpc?status=429").whoami)


@pytest.mark.row("access rules on the server")
def test_rules_of_the_server(call_hub, trouble):
    error = trouble(call_hub("/xmlrpc?status=403").whoami)
    assert "knows who you are" in error.hint


@pytest.mark.row("a redirection")
def test_redirection(call_hub, trouble):
    error = trouble(call_hub("/xmlrpc?status=302&location=https://localhost/login").whoami)
    assert error.location == "https://localhost/login"


@pytest.mark.row("a redirection to single sign-on")
def test_redirection_to_single_sign_on(call_server, server, trouble):
    answer = say(message(302, [("Location", "https://sso.example.test/auth?client=hub")]))
    server.play(answer)
    assert trouble(call_server().whoami, offer=answer).location == "sso.example.test/auth"


@pytest.mark.row("a login form")
def test_hub_that_answers_with_a_login_form(call_hub, trouble):
    error = trouble(call_hub("/xmlrpc?type=text/html&page=1").whoami)
    assert re.match(r"localhost:\d+/xmlrpc: the body of the reply", error.message)
    assert (error.service, error.host) == ("HTTP@localhost", "localhost")


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/json"])
def test_hub_that_gives_xmlrpc_another_type(call_hub, user, content_type):
    assert call_hub(f"/xmlrpc?type={content_type}").whoami() == user


def result(value):
    """Answer with this value, as it is."""
    body = f"<methodResponse><params><param><value>{value}</value></param></params></methodResponse>"
    return honest(body=body.encode())


@pytest.mark.row("a control character in a reply")
@pytest.mark.parametrize("text", ["\x1b[31m", "\0"])
def test_reply_with_a_control_character(call_server, server, trouble, text):
    server.play(result(f"<array><data><value>{text}</value></data></array>"))
    assert trouble(call_server().method).message.endswith(", at result[0]")


@pytest.mark.row("a date that is not valid")
@pytest.mark.parametrize("argument", ["use_datetime", "use_builtin_types"])
def test_reply_with_a_date_that_is_none(call_server, server, trouble, argument):
    server.play(result("<dateTime.iso8601>2026-02-29T00:00:00</dateTime.iso8601>"))
    trouble(call_server(**{argument: True}).method)


@pytest.mark.row("a value of an unknown type")
def test_reply_with_an_unknown_type(call_server, server, trouble):
    server.play(result("<dateTime>2026-02-28</dateTime>"))
    trouble(call_server().method)


@pytest.mark.row("a Fault without its text")
def test_reply_with_half_a_fault(call_server, server, trouble):
    body = dumps(Fault(7, "seven"), methodresponse=True).replace("faultString", "message")
    server.play(honest(body=body.encode()))
    assert "'message': 'seven'" in trouble(call_server().method).message


# -- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("a session cookie for another path")
def test_session_cookie_for_another_path(call_hub, trouble):
    error = trouble(call_hub(login_path="/session-elsewhere").whoami)
    assert "/session-elsewhere accepted the login for HTTP@localhost" in error.message
    assert "(there are some for '/elsewhere')" in error.message


def test_session_cookie_for_another_path_where_calls_need_none(call_hub, hub, case, user):
    """Each call has a ticket then, and nothing is wasted on cookies that do not go along."""
    proxy = call_hub("/session-elsewhere")
    assert [proxy.whoami() for _ in range(3)] == [user] * 3
    assert [(line.status, line.ticket) for line in hub.logged(case, 3)] == [(200, True)] * 3
