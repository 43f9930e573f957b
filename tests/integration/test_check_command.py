"""``krbxmlrpc check`` on the real realm and hub: each step finds the faults, and says what to do about them."""

import datetime
import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from http.cookiejar import MozillaCookieJar
from xmlrpc.client import Binary, Fault, dumps

import pytest
from cookie_jars import cookie
from helpers import COMMAND
from internals import (
    CHECK_STEPS,
    finding_of_name,
    limit_header,
    no_holder_is_known,
    run_command,
    set_file_of_sssd,
    set_patience_with_kdcs,
    set_slow_kdc,
)
from secret_witness import COOKIE, HEADER, QUERY, QUOTED, REPLIES, SERVER_COOKIE, SET
from servers import apache, software
from servers.dns import DNS
from servers.scripted import ScriptedServer, honest, message, say
from servers.scripted_proxy import Tunnel, ask

from krbxmlrpc.testing.loopback import Hangup

STEPS = "config kdc credentials proxy name ticket tcp tls offer clock call session xmlrpc".split()


class Report:
    """What ``check --json`` reports."""

    def __init__(self, status, printed, complaints):
        self.status = status
        self.printed = printed
        self.complaints = complaints
        self.steps = {step["step"]: step for step in json.loads(printed)["steps"]}
        assert json.loads(printed)["ok"] is (status == 0) is (not self.of("failed"))

    def __getitem__(self, name):
        return self.steps[name]

    def of(self, state):
        """Return the names of the steps in this state."""
        return [name for name, step in self.steps.items() if step["state"] == state]

    def failed(self, *names, skipped=()):
        """Check that just these steps failed, and just those were skipped, and that there is something to be done."""
        assert (self.status, self.of("failed"), self.of("skipped")) == (1, list(names), list(skipped))
        assert all(self[name]["remedy"] for name in names)
        assert all(f"because {names[0]} failed" in self[name]["found"] for name in skipped if name != "clock")
        return self[names[0]]


@pytest.fixture
def check(capsys, hub, user):
    """Check a path of the hub, or a URL; return the `Report`."""

    def check_it(place="/xmlrpc", *words, listener="https", trust=True):
        url = hub.url(place, listener) if place.startswith("/") else place
        trusted = ["--cafile", hub.cafile] if trust and url.startswith("https") else []
        status = run_command(["check", "--json", *trusted, url, *words])
        return Report(status, *capsys.readouterr())

    return check_it


@pytest.fixture
def check_server(check, server, ca, tmp_path):
    """Check the scripted server, which answers as it is told."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def check_it(*answers, words=()):
        server.play(*answers)
        return check(server.url(), "--cafile", str(tmp_path / "ca.pem"), *words, trust=False)

    return check_it


BEHIND_TICKET = ["call", "session", "xmlrpc"]
OFFER = say(message(401, [("WWW-Authenticate", "Negotiate"), ("Date", "Thu, 01 Jan 2099 00:00:00 GMT")]))


# -- where all is well ------------------------------------------------------------------------------------------------


def test_all_is_well(check, hub, realm, user, case):
    report = check(f"/xmlrpc?case={case}")
    assert (report.status, report.complaints) == (0, "")
    assert list(report.steps) == STEPS == list(CHECK_STEPS) == report.of("ok")
    assert json.loads(report.printed)["url"] == hub.url("/xmlrpc")
    facts = {name: step["facts"] for name, step in report.steps.items()}
    assert facts["config"] == {"files": [realm.env["KRB5_CONFIG"]], "default_realm": "EXAMPLE.TEST"}
    expires = datetime.datetime.fromisoformat(facts["credentials"].pop("expires"))
    assert datetime.timedelta(0) < expires - datetime.datetime.now(datetime.timezone.utc) < datetime.timedelta(days=1)
    assert facts["credentials"] == {"principal": user, "cache": realm.env["KRB5CCNAME"]}
    assert facts["proxy"] == {"proxy": None}
    (asked,) = facts["kdc"].pop("kdcs")
    assert facts["kdc"] == {"realm": "EXAMPLE.TEST", "source": "krb5.conf"}
    assert asked.pop("milliseconds") >= 0
    assert asked == {"kdc": f"127.0.0.1:{realm.portbase}", "trouble": None}
    addresses = facts["name"].pop("addresses")
    assert "127.0.0.1" in addresses and list(facts["name"].pop("reverse")) == addresses
    assert facts["name"].pop("canonical_name") and facts["name"].pop("forward_name")
    assert facts["name"] == {"host": "localhost", "service": "HTTP/localhost"}
    assert facts["ticket"].pop("header_bytes") > 500
    assert facts["ticket"] == {"service": "HTTP/localhost@EXAMPLE.TEST"}
    assert facts["tcp"] == {"address": "127.0.0.1", "port": hub.ports["https"]}
    assert facts["tls"].pop("days_left") > 300
    assert facts["tls"].pop("issuer").startswith("trustme")
    assert facts["tls"].pop("not_after").endswith("+00:00")
    assert facts["tls"] == {"version": "TLSv1.3", "names": ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"]}
    assert facts["offer"] == {"path": "/xmlrpc", "status": 401, "schemes": ["negotiate"]}
    assert abs(facts["clock"]["seconds"]) < 60
    assert facts["call"] == {"principal": user, "service": "HTTP/localhost@EXAMPLE.TEST"}
    assert facts["session"] == {"cookies": []}
    assert facts["xmlrpc"] == {"methods": 15}
    assert [(line.status, line.ticket) for line in hub.logged(case, 2)] == [(401, False), (200, True)]


def test_a_session(check):
    report = check("/session")
    assert report.status == 0
    assert report["session"]["facts"] == {"cookies": [{"name": "hub_session", "path": "/session", "sent": True}]}
    assert report["session"]["found"] == "calls can use hub_session (path /session) instead of a ticket"


def test_a_login(check, hub, case):
    report = check(f"/member?case={case}", "--login-path", f"/login?case={case}")
    assert report.status == 0 and report.of("ok") == STEPS
    assert report["offer"]["facts"]["path"] == "/login"
    paths = [(line.path, line.status, line.ticket) for line in hub.logged(case, 3)]
    assert paths == [("/login", 401, False), ("/login", 301, True), ("/member", 200, False)]


def test_what_is_sent_is_harmless(check_server, server):
    report = check_server(OFFER)
    assert report["offer"]["state"] == "ok" and report["call"]["state"] == "ok"
    assert {request.line for request in server.requests} == {"POST /xmlrpc HTTP/1.1"}
    assert all(b"<methodName>system.listMethods</methodName>" in request.body for request in server.requests)
    assert [request.token is None for request in server.requests] == [True, False]


def test_cookies_of_earlier_runs_are_neither_used_nor_touched(check_server, server, tmp_path):
    jar = MozillaCookieJar(str(tmp_path / "cookies"))
    jar.set_cookie(cookie("session", COOKIE, path="/"))
    jar.save(ignore_discard=True)
    before = (tmp_path / "cookies").read_bytes()
    accepts = honest(headers=[("Set-Cookie", "session=new; Path=/")])
    assert check_server(OFFER, accepts, words=["--cookiejar", jar.filename])["call"]["state"] == "ok"
    assert [request.headers["Cookie"] for request in server.requests] == [None, None]
    assert (tmp_path / "cookies").read_bytes() == before


def test_headers_go_along(check_server, server):
    check_server(OFFER, words=["--header", "Referer: https://hub/"])
    assert [request.headers["Referer"] for request in server.requests] == ["https://hub/"] * 2


def test_credentials_of_its_own(check, realm, user, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    report = check("/xmlrpc", "--ccache", realm.ccache)
    assert report.status == 0
    assert report["credentials"]["facts"]["principal"] == user
    assert report["credentials"]["facts"]["cache"] == realm.ccache
    keytab = str(tmp_path / "client.keytab")
    realm.extract_keytab("user", keytab)
    report = check("/xmlrpc", "--keytab", keytab)
    assert report.status == 0
    assert report["credentials"]["facts"]["principal"] == user and keytab in report["credentials"]["found"]


def test_plain_http(check):
    report = check("/xmlrpc", "--insecure-http", listener="http")
    assert (report.status, report.of("warning")) == (0, ["tls"])
    assert "anyone on the network path" in report["tls"]["found"]


def test_a_proxy(check, squid, monkeypatch):
    report = check("/xmlrpc", "--proxy", squid.url("open"))
    assert report.status == 0
    assert report["proxy"]["facts"]["proxy"] == squid.url("open").partition("//")[2]
    assert report["tcp"]["facts"] == {"address": squid.host, "port": squid.ports["open"]}
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", squid.url("known"))
    report = check()
    assert report.status == 0 and "by the environment" in report["proxy"]["found"]


# -- what is wrong on this machine ------------------------------------------------------------------------------------


def test_no_krb5_conf(check, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CONFIG", f"{tmp_path}/none")
    report = check()
    assert report["config"]["state"] == "warning"  # DNS, and what is in the cache, can do without
    assert f"{tmp_path}/none cannot be read (KRB5_CONFIG names it)" in report["config"]["found"]
    assert "default_realm" in report["config"]["remedy"]


def test_no_default_realm(check, realm, monkeypatch, tmp_path):
    conf = tmp_path / "krb5.conf"
    with open(realm.env["KRB5_CONFIG"]) as file:
        conf.write_text(re.sub(r"default_realm.*", "", file.read()))
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    report = check()
    assert report["config"]["state"] == "warning" and "names no default_realm" in report["config"]["found"]


def test_no_credential_cache(check, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    step = check().failed("credentials", skipped=["ticket", *BEHIND_TICKET])
    assert step["facts"] == {"error": "NoCredentials"}
    assert "kinit" in step["remedy"] and f"{tmp_path}/none" in step["remedy"]


def test_a_principal_that_is_not_there(check):
    step = check("/xmlrpc", "--principal", "nobody").failed("credentials", skipped=["ticket", *BEHIND_TICKET])
    assert "nobody" in step["found"]


def test_an_expired_ticket(check, other_realm):
    other_realm(clock="-2d")
    step = check().failed("credentials", skipped=["ticket", *BEHIND_TICKET])
    assert step["facts"] == {"error": "TicketExpired"}
    assert "expired" in step["found"] and "since" in step["found"] and "kinit" in step["remedy"]


def test_a_ticket_that_ends_soon(check, realm, user, tmp_path, monkeypatch):
    cache = str(tmp_path / "cache")
    realm.kinit(user, realm.password("user"), flags=["-l", "300s", "-c", cache])
    monkeypatch.setenv("KRB5CCNAME", cache)
    report = check()
    assert (report.status, report.of("warning")) == (0, ["credentials"])
    assert re.search(r"for [45] min, in", report["credentials"]["found"])


@pytest.mark.parametrize("ccname", ["FILE:%s", "%s"])
def test_without_python_gssapi_the_file_tells(check, realm, user, monkeypatch, ccname):
    monkeypatch.setitem(sys.modules, "gssapi.raw", None)
    monkeypatch.setenv("KRB5CCNAME", ccname % realm.ccache)
    assert no_holder_is_known()
    report = check()
    facts = report["credentials"]["facts"]
    assert (report.status, facts["principal"]) == (0, user)
    assert datetime.datetime.fromisoformat(facts["expires"]) > datetime.datetime.now(datetime.timezone.utc)


def test_without_python_gssapi_klist_shows_other_caches(check, realm, user, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gssapi.raw", None)
    (tmp_path / "caches").mkdir(mode=0o700)
    monkeypatch.setenv("KRB5CCNAME", f"DIR:{tmp_path}/caches")
    environment = {**realm.env, "KRB5CCNAME": f"DIR:{tmp_path}/caches"}
    realm.kinit(user, realm.password("user"), env=environment)
    report = check()
    assert (report.status, report["credentials"]["state"]) == (0, "ok")
    assert "cannot be shown here" in report["credentials"]["found"] and "klist" in report["credentials"]["remedy"]


def test_a_wrong_proxy(check, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", f"socks5://user:{QUOTED}@proxy.example.test:1080")
    step = check().failed("proxy", skipped=["tcp", "tls", "offer", "clock", *BEHIND_TICKET])
    assert "SOCKS" in step["found"] and "--proxy direct" in step["remedy"]


# -- names and the KDC ------------------------------------------------------------------------------------------------


def test_a_name_that_does_not_resolve(check):
    step = check("https://nowhere.invalid/", "--service", "HTTP@localhost").failed(
        "name", skipped=["tcp", "tls", "offer", "clock", *BEHIND_TICKET]
    )
    assert "nowhere.invalid does not resolve" in step["found"] and "DNS" in step["remedy"]


def test_a_name_that_the_proxy_has_to_resolve(check):
    with ScriptedServer(None, say(message(503))) as proxy:
        words = ["--proxy", f"http://localhost:{proxy.port}", "--service", "HTTP@localhost"]
        report = check("https://nowhere.invalid/", *words)
    assert report["name"]["state"] == "ok" and "the proxy will resolve it" in report["name"]["found"]
    assert "cannot connect to nowhere.invalid" in report.failed("tcp", skipped=STEPS[7:])["found"]


def test_an_address_as_name(check, hub):
    report = check(f"https://127.0.0.1:{hub.ports['https']}/xmlrpc")
    assert "not by address" in report["name"]["found"] and "--service HTTP@" in report["name"]["remedy"]
    step = report.failed("ticket", skipped=BEHIND_TICKET)
    assert step["facts"] == {"error": "ServiceUnknown"}
    assert check(f"https://127.0.0.1:{hub.ports['https']}/xmlrpc", "--service", "HTTP@localhost").status == 0


def test_other_names_in_the_dns(monkeypatch, tmp_path):
    """The tests cannot change the DNS, so they replace the resolver."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "web1.example.test", ("192.0.2.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: found)
    monkeypatch.setattr(socket, "getnameinfo", lambda *arguments: ("node1.example.test", "443"))
    conf = tmp_path / "krb5.conf"
    monkeypatch.setenv("KRB5_CONFIG", str(conf))
    for rdns, canonical in (("true", "node1.example.test"), ("false", "web1.example.test")):
        conf.write_text(f"[libdefaults]\ndefault_realm = EXAMPLE.TEST\nrdns = {rdns}\n")
        finding = finding_of_name("hub.example.test")
        assert finding.state.value == "ok" and finding.facts["canonical_name"] == canonical
        assert finding.facts["forward_name"] == "web1.example.test"
        assert finding.facts["reverse"] == {"192.0.2.7": "node1.example.test"}
        names = "forward lookup: web1.example.test; reverse lookup: node1.example.test"
        assert finding.found == f"hub.example.test is 192.0.2.7; {names}; service HTTP/hub.example.test"
        assert finding_of_name("hub.example.test", service="HTTP@other").found.endswith("; service HTTP/other")


def test_an_address_without_a_name(monkeypatch):
    def no_name(*arguments):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getnameinfo", no_name)
    finding = finding_of_name("localhost")
    assert finding.state.value == "ok" and "reverse lookup: no name; service HTTP/localhost" in finding.found


def test_a_host_that_does_not_exist_is_one_fault(check):
    step = check("https://nowhere.invalid/").failed("name", skipped=["ticket", *STEPS[6:]])
    assert "nowhere.invalid does not resolve" in step["found"]


# -- the KDC ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def kdcs(realm, user, monkeypatch, tmp_path):
    """Write a krb5.conf that names these KDCs (and has these settings). The service ticket is in the cache before."""
    realm.run(["kvno", "HTTP/localhost"])
    set_patience_with_kdcs(monkeypatch, 0.2)

    def write(*entries, **libdefaults):
        conf = tmp_path / "krb5.conf"
        settings = {"default_realm": "EXAMPLE.TEST", "dns_lookup_realm": "false", **libdefaults}
        lines = ["[libdefaults]", *(f"{name} = {value}" for name, value in settings.items())]
        lines += ["[realms]", "EXAMPLE.TEST = {", *(f"kdc = {entry}" for entry in entries), "}"]
        conf.write_text("\n".join(lines) + "\n")
        monkeypatch.setenv("KRB5_CONFIG", str(conf))

    return write


def warned(report):
    """Check that only the KDC is worth a warning: the tickets are in the cache. Return the step."""
    assert (report.status, report.of("warning")) == (0, ["kdc"])
    assert report["kdc"]["remedy"]
    return report["kdc"]


def test_a_silent_kdc(check, kdcs):
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        kdcs(f"127.0.0.1:{port}")
        step = warned(check())
    assert f"127.0.0.1:{port} no answer (TCP), no answer (UDP)" in step["found"]
    assert "firewall" in step["remedy"] and "--timeout does not limit" in step["remedy"]
    assert step["facts"]["kdcs"][0]["milliseconds"] is None


def test_one_of_two_kdcs_is_down(check, kdcs, realm):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    kdcs(f"127.0.0.1:{port}", f"127.0.0.1:{realm.portbase}")
    step = warned(check())
    assert f"127.0.0.1:{port} Connection refused (TCP)" in step["found"]
    assert f"127.0.0.1:{realm.portbase} answered in" in step["found"]


def test_a_kdc_that_does_not_resolve(check, kdcs):
    kdcs("kdc.invalid")
    step = warned(check())
    assert "kdc.invalid:88 does not resolve" in step["found"] and "name in krb5.conf" in step["remedy"]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_protocol_in_krb5_conf(check, kdcs, realm, protocol):
    kdcs(f"{protocol}/127.0.0.1:{realm.portbase}")
    report = check()
    assert report.status == 0 and report["kdc"]["state"] == "ok"
    assert f"127.0.0.1:{realm.portbase} answered in" in report["kdc"]["found"]


def test_another_server_in_place_of_the_kdc(check, kdcs, hub):
    kdcs(f"tcp/127.0.0.1:{hub.ports['http']}")
    assert "the reply is not a KDC's (TCP)" in warned(check())["found"]


def test_a_proxy_for_kdcs_is_named_and_not_asked(check, kdcs):
    kdcs("https://proxy.example.test/KdcProxy")
    report = check()
    assert report.status == 0 and report["kdc"]["state"] == "ok"
    assert "https://proxy.example.test/KdcProxy (not asked here)" in report["kdc"]["found"]


def test_no_kdc_is_named(check, kdcs):
    kdcs(dns_lookup_kdc="false")
    step = warned(check())
    assert "which forbids to ask the DNS (dns_lookup_kdc), names no KDC of EXAMPLE.TEST" in step["found"]
    assert "[realms]" in step["remedy"]


def test_kdcs_in_the_dns(check, kdcs, realm, monkeypatch):
    kdcs()
    with DNS(monkeypatch, {"_kerberos._udp.EXAMPLE.TEST.": f"0 0 {realm.portbase} localhost."}):
        report = check()
    assert report.status == 0 and report["kdc"]["state"] == "ok"
    assert f"localhost:{realm.portbase} answered in" in report["kdc"]["found"]
    assert report["kdc"]["facts"]["source"] == "the DNS"
    with DNS(monkeypatch, {}):
        assert "krb5.conf and the DNS name no KDC of EXAMPLE.TEST" in warned(check())["found"]


def test_without_dnspython_the_dns_is_not_asked(check, kdcs, monkeypatch):
    kdcs()
    monkeypatch.setitem(sys.modules, "dns.resolver", None)
    report = check()
    assert report.status == 0 and report["kdc"]["state"] == "ok" and "pip install dnspython" in report["kdc"]["remedy"]


def test_kdcs_that_sssd_names(check, kdcs, realm, monkeypatch, tmp_path):
    kdcs("kdc.invalid")
    (tmp_path / "kdcinfo.EXAMPLE.TEST").write_text(f"127.0.0.1:{realm.portbase}\n")
    set_file_of_sssd(monkeypatch, f"{tmp_path}/kdcinfo.")
    report = check()
    assert report.status == 0 and report["kdc"]["facts"]["source"] == "SSSD"


def test_a_slow_kdc(check, kdcs, realm, monkeypatch):
    kdcs(f"127.0.0.1:{realm.portbase}")
    set_slow_kdc(monkeypatch, 0.0)
    assert "delay" in warned(check())["remedy"]


def test_a_realm_that_is_not_known(check, kdcs, monkeypatch, tmp_path):
    kdcs(default_realm="")
    monkeypatch.setenv("KRB5CCNAME", f"MEMORY:{tmp_path}")
    report = check()
    assert report["kdc"]["state"] == "skipped" and "realm" in report["kdc"]["found"]


def test_a_service_that_the_kdc_does_not_know(check):
    step = check("/xmlrpc", "--service", "HTTP@alias.example.test").failed("ticket", skipped=BEHIND_TICKET)
    assert step["facts"] == {"error": "ServiceUnknown"}
    assert "HTTP/alias.example.test" in step["found"] and "with --service;" in step["remedy"]


def test_a_kdc_that_is_down(check, other_realm):
    other_realm().stop_kdc()
    report = check()
    assert "Connection refused (TCP)" in report["kdc"]["found"] and report["kdc"]["state"] == "warning"
    step = report.failed("ticket", skipped=BEHIND_TICKET)
    assert step["facts"] == {"error": "KDCUnreachable"} and "krb5.conf" in step["remedy"]


def test_a_kdc_whose_clock_is_off(check, other_realm):
    realm = other_realm()
    realm.stop_kdc()
    realm.start_kdc(env={**realm.env, **software.other_clock("+20m")})
    step = check().failed("ticket", skipped=BEHIND_TICKET)
    assert step["facts"] == {"error": "ClockSkew"} and "NTP" in step["remedy"]


# -- the way to the server --------------------------------------------------------------------------------------------


def test_nobody_listens(check):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    step = check(f"https://localhost:{port}/").failed("tcp", skipped=["tls", "offer", "clock", *BEHIND_TICKET])
    assert "refused" in step["found"] and "port" in step["remedy"]


def test_a_proxy_that_refuses(check, squid):
    step = check("/xmlrpc", "--proxy", squid.url("closed")).failed("tcp", skipped=STEPS[7:])
    assert step["facts"] == {"error": "ProxyRefused"} and "--proxy" in step["remedy"]


def test_a_ca_that_is_not_known(check):
    step = check(trust=False).failed("tls", skipped=["offer", "clock", *BEHIND_TICKET])
    assert "issuer" in step["found"] and "--cafile" in step["remedy"]
    assert step["facts"]["names"][0] == "localhost" and step["facts"]["issuer"].startswith("trustme")


def test_a_certificate_for_another_name(check):
    step = check(listener="othername").failed("tls", skipped=["offer", "clock", *BEHIND_TICKET])
    assert (
        "not valid for" in step["found"]
        and "unverified: it is for other.example.test, signed by trustme" in step["found"]
    )
    assert step["facts"]["names"] == ["other.example.test"]


@pytest.mark.parametrize("days", [-3, 3])
def test_a_certificate_that_has_expired_or_soon_will(check, ca, tmp_path, days):
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    end = datetime.datetime.now() + datetime.timedelta(days=days, hours=1)

    class Dated:
        def issue_cert(self, *names):
            return ca.issue_cert(*names, not_before=end - datetime.timedelta(days=30), not_after=end)

    with ScriptedServer(Dated()) as server:
        server.play(OFFER)
        report = check(server.url(), "--cafile", str(tmp_path / "ca.pem"), trust=False)
    assert report["tls"]["facts"]["days_left"] == days
    if days < 0:
        assert "expired" in report["tls"]["found"] and f"expired on {end:%Y-%m-%d}" in report["tls"]["found"]
        assert report["tls"]["state"] == "failed"
    else:
        assert report["tls"]["state"] == "warning" and "renew" in report["tls"]["remedy"]


def test_any_certificate(check):
    report = check("/xmlrpc", "--insecure-any-certificate", listener="othername", trust=False)
    assert (report.status, report.of("warning")) == (0, ["tls"])
    assert "not checked; it says, unverified: it is for other.example.test" in report["tls"]["found"]
    assert "--cafile" in report["tls"]["remedy"]


def test_a_port_without_tls(check, hub):
    url = hub.url(listener="http").replace("http:", "https:")
    step = check(url).failed("tls", skipped=["offer", "clock", *BEHIND_TICKET])
    assert "plain HTTP" in step["remedy"]


def test_plain_http_to_a_tls_port(check, hub):
    report = check(hub.url().replace("https:", "http:"), "--insecure-http")
    assert report["offer"]["state"] == "warning" and report["offer"]["facts"]["status"] == 400
    assert "a TLS port answers plain HTTP" in report.failed("call", skipped=["session", "xmlrpc"])["remedy"]


def test_a_server_that_is_silent(check):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        step = check(url, "--connect-timeout", "0.2").failed("tls", skipped=["offer", "clock", *BEHIND_TICKET])
    assert "timed out" in step["found"]


@pytest.mark.parametrize(
    "option, found", [("--deadline", "the deadline of 1.5 seconds passed"), ("--timeout", "timed out")]
)
def test_a_server_that_does_not_answer(check_server, option, found):
    report = check_server(say(), words=[option, "1.5"])
    assert report.of("failed") == ["offer"]
    assert report["offer"]["found"].endswith(found)


# -- the server -------------------------------------------------------------------------------------------------------


def test_a_server_that_speaks_no_http(check_server):
    def answer(request, send):
        send(b"SSH-2.0\r\n")
        raise Hangup

    report = check_server(answer)
    assert (report.of("failed"), report.of("skipped")) == (["offer"], ["clock", *BEHIND_TICKET])
    assert "no answer to a request without a ticket" in report["offer"]["found"]


def test_a_reply_that_is_cut_off(check_server):
    """What it would have said behind the ticket is not known: it is not the application that answers wrongly."""

    def answer(request, send):
        honest(length=9999)(request, send)
        raise Hangup

    report = check_server(say(message(401, [("WWW-Authenticate", "Negotiate")])), answer)
    step = report.failed("call", skipped=["clock", "session", "xmlrpc"])
    assert step["facts"]["error"] == "BrokenReply" and "may have run" in step["remedy"]


def test_a_path_that_offers_basic_only(check):
    step = check("/basic").failed("offer", skipped=BEHIND_TICKET)
    assert step["facts"]["schemes"] == ["basic"]
    assert "AuthType GSSAPI" in step["remedy"] and "--login-path" in step["remedy"]


def test_a_path_that_nothing_protects(check):
    report = check("/open")
    assert report["offer"]["state"] == "warning" and "200" in report["offer"]["found"]
    assert "--mutual-authentication optional" in report.failed("call", skipped=["session", "xmlrpc"])["remedy"]
    report = check("/open", "--mutual-authentication", "optional")
    assert (report.status, report.of("warning")) == (0, ["offer", "call"])
    assert "does not prove" in report["call"]["found"]


def test_a_login_path_that_does_not_exist(check):
    step = check("/member", "--login-path", "/open?status=404").failed("offer", skipped=BEHIND_TICKET)
    assert "answers 404 Not Found: there is no login page at /open" in step["found"]
    assert "check --login-path: kobo has it at" in step["remedy"]


def test_a_login_path_that_is_open(check):
    step = check("/member", "--login-path", "/open").failed("offer", skipped=BEHIND_TICKET)
    assert "the login page /open is open, so a login there proves nothing" in step["found"]
    assert "check --login-path" in step["remedy"]


def test_a_login_form(check_server):
    form = say(message(200, body=b"<html><form>", content_type="text/html"))
    report = check_server(form, form)
    assert report["offer"]["state"] == "warning" and "--login-path" in report["offer"]["remedy"]
    step = report.failed("call", skipped=["clock", "session", "xmlrpc"])
    assert step["facts"]["error"] == "MutualAuthenticationError"


def test_a_server_whose_key_has_changed(check):
    step = check("/stale-keytab").failed("call", skipped=["session", "xmlrpc"])
    assert step["facts"]["error"] == "AuthenticationRejected" and "klist -k" in step["remedy"]


UNANSWERED = ["--mechanism", "krb5", "--mutual-authentication", "disabled"]  # such a ticket gets no token if refused


def test_a_server_that_offers_negotiate_once(check):
    report = check("/once-stale-keytab", *UNANSWERED)
    assert report["offer"]["state"] == "ok"
    step = report.failed("call", skipped=["session", "xmlrpc"])
    assert step["facts"]["error"] == "AuthenticationRejected" and "klist -k" in step["remedy"]


def test_a_login_page_that_offers_negotiate_once(check_server):
    offer = say(message(401, [("WWW-Authenticate", "Negotiate")]))
    report = check_server(offer, *[say(message(401))] * 2, words=["--login-path", "/login"])
    step = report.failed("call", skipped=["clock", "session", "xmlrpc"])
    assert step["facts"]["error"] == "AuthenticationRejected"


def test_a_user_who_is_not_let_in(check, user):
    step = check("/others").failed("call", skipped=["session", "xmlrpc"])
    assert f"{user} may not make this call" in step["found"] and "Require" in step["remedy"]


@pytest.mark.parametrize("clock, words", [("+20m", "ahead of"), ("-20m", "behind")])
def test_a_server_whose_clock_is_off(realm, check, clock, words):
    other = apache.Apache(realm, clock=clock).start()
    try:
        report = check(other.url(), "--cafile", other.cafile, trust=False)
    finally:
        other.stop()
    step = report["clock"]
    assert report.of("failed") == ["clock", "call"]
    assert words in step["found"] and "NTP" in step["remedy"]
    assert 1190 < abs(step["facts"]["seconds"]) < 1230
    assert report["call"]["facts"]["error"] == "ClockSkewRejected"


@pytest.mark.parametrize("seconds, state", [(120, "warning"), (-120, "warning"), (10, "ok")])
def test_clocks_that_are_a_little_apart(check_server, seconds, state):
    date = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    offer = say(message(401, [("WWW-Authenticate", "Negotiate"), ("Date", f"{date:%a, %d %b %Y %H:%M:%S} GMT")]))
    report = check_server(offer)
    assert (report.status, report["clock"]["state"]) == (0, state)


def test_a_server_that_does_not_tell_the_time(check_server):
    report = check_server(say(message(401, [("WWW-Authenticate", "Negotiate")])))
    assert (report.status, report.of("skipped")) == (0, ["clock"])


def test_a_redirection(check_server):
    location = [("Location", f"https://user:{QUOTED}@other.example.test/login?key={SERVER_COOKIE}")]
    report = check_server(say(message(302, location)), honest(status=302, headers=location))
    assert report["offer"]["state"] == "warning"
    assert " and points, unverified, to other.example.test/login" in report["offer"]["found"]
    assert "--login-path" in report["offer"]["remedy"]
    assert report["call"]["state"] == "ok" and "302" in report["xmlrpc"]["found"]
    assert QUOTED not in report.printed and SERVER_COOKIE not in report.printed


def test_a_path_that_is_not_there(check):
    step = check("/xmlrpc?status=404").failed("xmlrpc")
    assert "404" in step["found"] and "path" in step["remedy"]


def test_a_page_in_the_place_of_xmlrpc(check):
    step = check("/xmlrpc?type=text/html&page=1").failed("xmlrpc")
    assert "text/html" in step["found"] and "login" in step["remedy"]


def test_a_method_that_is_not_there_is_xmlrpc_all_the_same(check_server):
    fault = dumps(Fault(-32601, "method not found"), methodresponse=True).encode()
    report = check_server(say(message(401, [("WWW-Authenticate", "Negotiate")])), honest(body=fault))
    assert report.status == 0
    assert report["xmlrpc"]["state"] == "ok" and report["xmlrpc"]["facts"] == {"methods": None, "fault": -32601}


@pytest.mark.parametrize("code", [Binary(b"code"), float("nan"), "7" * 9999])
def test_a_fault_whose_code_is_no_number(check_server, code):
    fault = dumps(({"faultCode": code, "faultString": "no"},), methodresponse=True).replace("params>", "fault>")
    body = re.sub("</?param>", "", fault).encode()
    report = check_server(say(message(401, [("WWW-Authenticate", "Negotiate")])), honest(body=body))
    assert (report.status, report["xmlrpc"]["facts"]) == (0, {"methods": None, "fault": None})
    assert report["xmlrpc"]["found"] == "it answers in XML-RPC, with a Fault: it does not list its methods"


def test_a_cookie_for_another_path(check_server):
    cookie = ("Set-Cookie", f"member={SERVER_COOKIE}; Path=/elsewhere")
    report = check_server(say(message(401, [("WWW-Authenticate", "Negotiate")])), honest(headers=[cookie]))
    assert (report.status, report["session"]["state"]) == (0, "warning")
    assert report["session"]["facts"]["cookies"] == [{"name": "member", "path": "/elsewhere", "sent": False}]
    assert "Path" in report["session"]["remedy"]
    assert SERVER_COOKIE not in report.printed


def test_a_login_without_a_session(check):
    step = check("/member", "--login-path", "/login?path=/elsewhere").failed("session", skipped=["xmlrpc"])
    assert "member (path /elsewhere)" in step["found"]
    assert "--login-path" in step["remedy"]


def test_a_ticket_that_does_not_delegate(check, realm, user, monkeypatch, tmp_path):
    report = check("/xmlrpc", "--delegate")
    assert (report.status, report["ticket"]["facts"]["delegates"]) == (0, True)
    cache = str(tmp_path / "cache")
    realm.kinit(user, realm.password("user"), flags=["-F", "-c", cache])
    monkeypatch.setenv("KRB5CCNAME", cache)
    report = check("/xmlrpc", "--delegate")
    assert (report.status, report["ticket"]["state"], report["ticket"]["facts"]["delegates"]) == (0, "warning", False)
    assert (
        "does not let the server act as you" in report["ticket"]["found"] and "kinit -f" in report["ticket"]["remedy"]
    )


def test_a_ticket_that_is_large(check, monkeypatch):
    limit_header(monkeypatch, 100)
    report = check()
    assert (report.status, report["ticket"]["state"]) == (0, "warning")
    assert "LimitRequestFieldSize" in report["ticket"]["remedy"]


# -- what is printed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--timeout", "0"], ["--service", "x"], ["--login-path", "x"], ["--proxy", "x"]])
def test_wrong_options(hub, user, capsys, words):
    assert run_command(["check", hub.url(), *words]) == 2
    assert f"{words[0]} is " in capsys.readouterr().err


@pytest.mark.parametrize(
    "url, complaint",
    [
        ("http://localhost/", "--insecure-http"),
        ("localhost", "accepted is https://"),
        ("https://user:password@localhost/", "holds credentials"),
        ("https://localhost/a path", "percent-encode"),
        ("https://localhost/pfad-ä", "percent-encode"),
        ("https://localhost:x/", "accepted is host or host:port"),
    ],
)
def test_wrong_urls(user, capsys, url, complaint):
    assert run_command(["check", url]) == 2
    assert complaint in capsys.readouterr().err


def test_a_damaged_file_of_cookies(hub, user, capsys, tmp_path):
    (tmp_path / "cookies").write_text("no cookies")
    assert run_command(["check", hub.url(), "--cookiejar", str(tmp_path / "cookies")]) == 2
    assert "--cookiejar has a file that is damaged" in capsys.readouterr().err


def in_terminal(*words, **environment):
    """Run the command in a terminal of 80 columns; return its status and what the terminal was sent."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment}
    process = subprocess.Popen([*COMMAND, *words], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)
    sent = b""
    try:
        while True:
            sent += os.read(master, 4096)
    except OSError:  # it has ended
        pass
    os.close(master)
    return process.wait(), sent.decode()


@pytest.fixture
def words(hub, user, monkeypatch):
    """Return the words of a check in which steps are good, failed and skipped."""
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return ["check", "--cafile", hub.cafile, hub.url("/basic")]


def test_in_a_terminal_it_is_coloured_and_fits(words):
    status, sent = in_terminal(*words)
    assert status == 1
    assert "\x1b[32m✓\x1b[0m credentials  " in sent and "\x1b[31m✗\x1b[0m offer  " in sent
    assert "\x1b[2m–\x1b[0m call         not tried, because offer failed\r\n" in sent
    plain = re.sub("\x1b\\[[0-9]+m", "", sent)
    assert all(len(line) < 80 for line in plain.splitlines())
    lines = plain.splitlines()
    remedy = lines.index(next(line for line in lines if "check the path of the URL" in line))
    assert lines[remedy].startswith(" " * 17 + "check") and lines[remedy - 1].startswith(("✗ offer", " " * 15))
    assert lines[-2:] == ["", "Failed: offer."]


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_in_a_terminal_without_colours(words, environment):
    status, sent = in_terminal(*words, **environment)
    assert status == 1 and "✓ credentials" in sent and "\x1b" not in sent


def test_in_a_pipe_a_line_each(words):
    done = subprocess.run([*COMMAND, *words], env={**os.environ, "PYTHONIOENCODING": "utf-8"}, stdout=subprocess.PIPE)
    lines = done.stdout.decode().splitlines()
    assert done.returncode == 1 and b"\x1b" not in done.stdout
    assert len(lines) == len(STEPS) + 1 + 2  # one remedy; the end
    assert [line.split()[1] for line in lines if line[0:1] in "✓✗–" and line] == STEPS


def test_where_the_encoding_has_no_marks(words):
    done = subprocess.run([*COMMAND, *words], env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True)
    lines = done.stdout.decode("ascii").splitlines()
    assert (done.returncode, done.stderr) == (1, b"")
    assert [line.split()[0] for line in lines if line and line[0] != " "] == [
        *(["ok"] * 8 + ["FAIL", "ok"] + ["skip"] * 3),
        "Failed:",
    ]


def test_all_is_well_for_a_person(hub, user, capsys):
    assert run_command(["check", "--cafile", hub.cafile, hub.url()]) == 0
    printed = capsys.readouterr().out
    assert printed.endswith("\n\nNothing failed.\n")
    assert f"both sides are verified: it is HTTP/localhost@EXAMPLE.TEST, and you are {user}\n" in printed


def test_a_pipe_that_is_closed(words):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*COMMAND, *words], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_nothing_secret_is_printed(witness, server, ca, tmp_path, capsys):
    """Whatever the server says, and with all options that have a secret."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    jar = MozillaCookieJar(str(tmp_path / "cookies"))
    jar.set_cookie(cookie("jar", COOKIE, path="/"))
    jar.save(ignore_discard=True)
    words = ["--cafile", str(tmp_path / "ca.pem"), "--header", f"X-Key: {HEADER}", "--cookiejar", jar.filename]
    for answer in REPLIES:
        for style in ([], ["--json", "--verbose"]):
            for command in (["check"], ["call", "--list"]):
                server.play(*[say(message(401, [("WWW-Authenticate", "Negotiate")]))] * (command == ["check"]), answer)
                run_command([*command, *(style if command == ["check"] else []), server.url(f"/?k={QUERY}"), *words])
                witness.text.write("".join(capsys.readouterr()))
    with ScriptedServer(None) as proxy:
        for answer in (ask(f'Basic realm="{SERVER_COOKIE}"'), say(message(403, SET)), Tunnel()):
            proxy.play(*[answer] * 9)
            through = ["--proxy", f"http://user:{QUOTED}@localhost:{proxy.port}"]
            for command in ("check", "call"):
                run_command([command, server.url(), *["m"] * (command == "call"), *words, *through])
                witness.text.write("".join(capsys.readouterr()))
    text = witness.text.getvalue()
    assert "server (path /)" in text and "CallOutcomeUnknown" in text and "POST https://localhost" in text
    assert len(witness.secrets) > 30 and not witness.found()
