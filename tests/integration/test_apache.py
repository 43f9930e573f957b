"""The configurations in examples/apache/, which the Apache of all the tests uses, and what their comments claim."""

import base64
import http.client
import os
import re
import ssl
import stat
import subprocess
import uuid
from contextlib import closing
from xmlrpc.client import ServerProxy, dumps

import pytest
from servers import kdc, software
from servers.apache import EXAMPLES, Apache

from krbxmlrpc import AuthenticationRejected, KerberosTicket, KerberosTransport

NOT_RUN = EXAMPLES / "mod_auth_kerb.conf"
FILES = sorted(set(EXAMPLES.glob("*.conf")) - {NOT_RUN})
MODULES = {"auth_gssapi", "authn_core", "authz_core", "authz_user"}
"""What each of them needs; some need more."""

PROTECTED = [
    location
    for file in FILES
    for location in re.findall(r"<Location (\S+)>\s+AuthType", file.read_text(encoding="utf-8"))
]


def check(tmp_path, text, modules):
    """Have Apache check a configuration, with nothing around it but what it says it needs; return what it says."""
    for name in ("keytab", "session.key"):
        (tmp_path / name).write_bytes(os.urandom(32))
    lines = [f"LoadModule mpm_event_module {software.APACHE_MODULES}/mod_mpm_event.so"]
    lines += [f"LoadModule {name}_module {software.APACHE_MODULES}/mod_{name}.so" for name in sorted(modules)]
    lines += [f"Define keytab {tmp_path}/keytab", f"Define session_key_file {tmp_path}/session.key"]
    lines += [f"Define delegated_directory {tmp_path}", f"ServerRoot {tmp_path}", f"ErrorLog {tmp_path}/error.log"]
    (tmp_path / "main.conf").write_text("\n".join([*lines, "ServerName localhost", "Listen 127.0.0.1:1", text]) + "\n")
    command = [software.APACHE, "-t", "-f", str(tmp_path / "main.conf")]
    return subprocess.run(command, capture_output=True, text=True).stderr


def test_there_are_configurations():
    assert {file.name for file in FILES} >= {"negotiate.conf", "sessions.conf", "login-page.conf", "basic-beside.conf"}
    assert len(PROTECTED) == len(FILES)


def test_a_configuration_that_is_not_run_says_so():
    assert "The tests do not run this file." in NOT_RUN.read_text(encoding="utf-8").replace("\n# ", " ")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_is_valid_by_itself_and_names_what_it_needs(tmp_path, file):
    text = file.read_text(encoding="utf-8")
    modules = MODULES | ({"session", "session_cookie"} if "Session On" in text else set())
    assert check(tmp_path, f'Include "{file}"', modules) == "Syntax OK\n"
    if "what negotiate.conf needs" not in text:
        assert MODULES <= set(re.findall(r"\w+", text))
    assert modules - MODULES <= set(re.findall(r"\w+", text))
    others = set(re.findall(r"\$\{(\w+)\}", text)) - {"keytab"}
    assert others <= set(re.findall(r"Define (\w+) /", text))
    # The twins that Apache has to complain of: a module less, and a directive that there is not.
    for module in modules:
        assert "Syntax OK" not in check(tmp_path, f'Include "{file}"', modules - {module})
    assert "Invalid command" in check(tmp_path, text.replace("Require ", "Requires "), modules)


def ask(apache, path, listener="https", headers=()):
    """Make a call without a transport, with a ticket where no other headers are given; return the reply."""
    if listener == "http":
        connection = http.client.HTTPConnection(kdc.HOST, apache.ports["http"])
    else:
        context = ssl.create_default_context(cafile=apache.cafile)
        connection = http.client.HTTPSConnection(kdc.HOST, apache.ports["https"], context=context)
    with closing(connection):
        given = dict(headers) or {"Authorization": KerberosTicket(f"HTTP@{kdc.HOST}").auth_header}
        connection.request("POST", path, dumps((), "whoami"), given)
        reply = connection.getresponse()
        reply.read()
        return reply


@pytest.fixture(scope="module")
def strict(realm):
    """An Apache that has the configurations as they are for those who define nothing more."""

    class Strict(Apache):
        defines = ""

    started = Strict(realm).start()
    yield started
    started.stop()


@pytest.fixture
def call_other(realm, user, tmp_path):
    """Start another Apache, and return it and what opens proxies for it: ``call_other(clock="+20m")``."""
    started = []

    def start(**arguments):
        apache = Apache(realm, **arguments).start()
        started.append(apache)

        def call(**options):
            context = ssl.create_default_context(cafile=apache.cafile)
            return ServerProxy(apache.url(), transport=KerberosTransport(context=context, **options))

        return apache, call

    yield start
    for apache in started:
        apache.stop()


@pytest.mark.parametrize("path", PROTECTED)
def test_tickets_are_taken_over_tls_only(strict, hub, user, path):
    let_in = 301 if path == "/login" else 200
    assert ask(strict, path).status == let_in
    assert ask(strict, path, "http").status == 401
    assert "Not a TLS connection" in strict.error_log()
    # The twin: where TLS is said to end before Apache.
    assert ask(hub, path, "http").status == let_in


@pytest.mark.parametrize("path", PROTECTED)
def test_nobody_is_let_in_without_a_ticket(hub, path):
    reply = ask(hub, path, headers={"Accept": "text/xml"})
    assert reply.status == 401
    beside = {"/negotiate-or-basic": ['Basic realm="hub, Negotiate realm"'], "/persistent": ["NTLM"]}
    assert reply.headers.get_all("WWW-Authenticate") == ["Negotiate", *beside.get(path, [])]


def test_a_kerberos_password_is_accepted_only_if_basic_is_on(hub, realm):
    def offer(password):
        return {"Authorization": f"Basic {base64.b64encode(f'user:{password}'.encode()).decode()}"}

    assert ask(hub, "/negotiate-or-basic", headers=offer(realm.password("user"))).status == 200
    assert ask(hub, "/negotiate-or-basic", headers=offer("wrong")).status == 401
    assert ask(hub, "/xmlrpc", headers=offer(realm.password("user"))).status == 401


# -- what goes wrong without it ----------------------------------------------------------------------------------------


@pytest.fixture
def altered(realm, tmp_path):
    """Start an Apache with one of the configurations altered: ``altered("sessions.conf", "Session On", "")``."""
    started = []

    def start(name, old, new):
        for file in FILES:
            text = file.read_text(encoding="utf-8")
            assert file.name != name or text.count(old) == 1
            (tmp_path / file.name).write_text(text.replace(old, new) if file.name == name else text, encoding="utf-8")

        class Altered(Apache):
            def words(self):
                return {**super().words(), "examples": tmp_path}

        started.append(Altered(realm).start())
        return started[-1]

    yield start
    for apache in started:
        apache.stop()


def test_without_require_it_is_open_to_all(altered, hub):
    apache = altered("negotiate.conf", "    Require valid-user\n", "")
    assert ask(apache, "/xmlrpc", headers={"Accept": "text/xml"}).status == 200
    assert ask(hub, "/xmlrpc", headers={"Accept": "text/xml"}).status == 401


def test_negotiate_once_makes_a_refused_ticket_look_not_offered(altered, hub, user):
    apache = altered("negotiate.conf", "GssapiNegotiateOnce Off", "GssapiNegotiateOnce On")
    garbage = {"Authorization": "Negotiate AAAA"}
    assert ask(apache, "/xmlrpc", headers=garbage).headers["WWW-Authenticate"] is None
    assert ask(hub, "/xmlrpc", headers=garbage).headers["WWW-Authenticate"] == "Negotiate"
    assert ask(apache, "/xmlrpc").status == 200


def test_without_mod_session_there_is_no_cookie(altered, user):
    reply = ask(altered("sessions.conf", "    Session On\n", ""), "/session")
    assert (reply.status, reply.headers["Set-Cookie"]) == (200, None)


def test_without_a_session_key_a_start_ends_all_sessions(altered, user):
    apache = altered("sessions.conf", "GssapiSessionKey file:${session_key_file}", "")
    cookie = {"Cookie": ask(apache, "/session").headers["Set-Cookie"].partition(";")[0]}
    assert ask(apache, "/session", headers=cookie).status == 200
    apache.halt()
    apache.resume()
    assert ask(apache, "/session", headers=cookie).status == 401


def test_with_the_same_session_key_sessions_go_on(strict, user):
    cookie = {"Cookie": ask(strict, "/session").headers["Set-Cookie"].partition(";")[0]}
    strict.halt()
    strict.resume()
    assert ask(strict, "/session", headers=cookie).status == 200


# -- what each of them gives -------------------------------------------------------------------------------------------


def test_local_names_have_no_realm(call_hub, user):
    proxy = call_hub("/local-names")
    assert proxy.whoami() == "user"
    assert proxy("transport").principal == user == "user@EXAMPLE.TEST"
    assert call_hub("/xmlrpc").whoami() == user


def test_who_has_no_local_name_is_refused(call_hub, hub, realm, user, monkeypatch, tmp_path):
    cache = f"FILE:{tmp_path}/admin"
    realm.kinit(realm.admin_princ, realm.password("admin"), env={**realm.env, "KRB5CCNAME": cache})
    monkeypatch.setenv("KRB5CCNAME", cache)
    assert call_hub("/xmlrpc").whoami() == realm.admin_princ
    with pytest.raises(AuthenticationRejected):
        call_hub("/local-names").whoami()
    assert "gss_localname() failed" in hub.error_log()


def test_the_session_cookie_keeps_to_itself(hub, user):
    (line,) = ask(hub, "/session").headers.get_all("Set-Cookie")
    value, *attributes = line.split(";")
    assert value.startswith("hub_session=")
    assert attributes == ["path=/session", "httponly", "secure"]


def test_the_session_key_is_32_bytes_and_is_hidden(hub):
    key = hub._root / "session.key"
    assert key.read_bytes() == hub.session_key and len(hub.session_key) == 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_delegated_ticket_is_hidden(call_hub, hub, user):
    assert call_hub("/delegation", delegate=True).delegated()
    (cache,) = (hub._root / "delegated").glob(f"{user}*")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


# -- what is read in Apache's error log: more of it is in test_misconfigurations.py -----------------------------------


def logged_by(apache, action):
    """Return what Apache adds to its error log meanwhile."""
    before = len(apache.error_log())
    action()
    return apache.error_log()[before:]


def test_the_log_tells_of_a_key_that_is_newer_than_the_keytab(call_other, realm, tmp_path):
    own = f"HTTP/{uuid.uuid4().hex}.example.test"
    realm.addprinc(own)
    realm.extract_keytab(own, str(tmp_path / "keytab"))
    realm.run_kadminl(f"cpw -randkey {own}")
    apache, call = call_other(keytab=str(tmp_path / "keytab"))
    with pytest.raises(AuthenticationRejected, match="Key version is not available"):
        call(service=f"{own}@{realm.realm}").whoami()
    said = apache.error_log()
    assert f"Request ticket server {own}@EXAMPLE.TEST kvno 2 not found in keytab; keytab is likely out of date" in said


def test_the_log_tells_of_a_ticket_that_was_seen_before(hub, user):
    header = {"Authorization": KerberosTicket(f"HTTP@{kdc.HOST}").auth_header}
    assert ask(hub, "/xmlrpc", headers=header).status == 200
    assert "Request is a replay" in logged_by(hub, lambda: ask(hub, "/xmlrpc", headers=header))
