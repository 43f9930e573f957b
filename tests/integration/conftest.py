"""The fixtures: a realm and an Apache for the whole run, a ticket and the servers for each test."""

import gc
import os
import ssl
import subprocess
import sys
import uuid
import warnings
from contextlib import ExitStack
from pathlib import Path
from xmlrpc.client import Fault, ServerProxy

import pytest
from servers import daemon, kdc, standins

from krbxmlrpc import KerberosTransport, KerberosXMLRPCError
from krbxmlrpc.testing import caller

if "LIBKRB5_NAMES" in os.environ:
    import internals

    internals.use_libkrb5_names()

DOCS = Path(__file__).resolve().parents[2] / "docs"

# What mechanisms there are beside Kerberos and SPNEGO is not the machine's to decide: none.
os.environ["GSS_MECH_CONFIG"] = os.devnull


def pytest_configure(config):
    """Declare the mark of tests that provoke a row of the tables about trouble. Leave nothing behind if ended."""
    # What clients' authors have for their tests is good for these, too. Only a conftest.py at the top may name it.
    config.pluginmanager.import_plugin("krbxmlrpc.testing.fixtures")
    daemon.end_by_signals()
    config.addinivalue_line("markers", "row(name): the failure, as the page about trouble names it")


@pytest.fixture(scope="session")
def rows():
    """The rows of the tables about trouble, by name."""
    import troubleshooting

    return {row.name: row for row in troubleshooting.rows()}


@pytest.fixture
def trouble(request, rows):
    """Make a call that fails as the row of the table says that the test is marked with; return the error.

    The same call by ``krbxmlrpc call`` and ``krbxmlrpc check`` has to name the same cause and the same remedy. What
    scripted servers answered is repeated for these. Other servers can be prepared by ``prepare``: it is called before
    each command, with the number of requests that this command makes before the call. To the request of ``check``
    without a ticket, a scripted server answers with `offer`.
    """
    import troubleshooting

    row = rows[request.node.get_closest_marker("row").args[0]]

    def fail(call, *arguments, prepare=lambda others: None, offer=troubleshooting.OFFER):
        before = {server: len(server.played) for server in troubleshooting.ScriptedServer.running()}
        with pytest.raises(KerberosXMLRPCError) as caught:
            call(*arguments)
        row.check(caught.value)
        troubleshooting.commands(row, caught.value, before, prepare, offer)
        return caught.value

    return fail


@pytest.fixture(scope="session")
def realm(krb_realm):
    """A Kerberos realm, of type k5test.K5Realm."""
    return krb_realm.k5


@pytest.fixture(scope="session")
def hub(realm):
    """An Apache with the hub; see `servers.apache.Apache`."""
    from servers import apache

    started = apache.Apache(realm).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def kobo_hub(realm):
    """A hub of kobo's; see `servers.kobohub.KoboHub`."""
    from servers import kobohub

    started = kobohub.KoboHub(realm).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def servers(realm):
    """The stand-ins; see `servers.standins.StandIns`."""
    from servers import standins

    started = standins.StandIns(realm).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def squid(realm):
    """A Squid; see `servers.squid.Squid`."""
    from servers import squid

    started = squid.Squid(realm).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def ca():
    """The CA of the scripted servers and the forwarder."""
    import trustme

    return trustme.CA()


@pytest.fixture
def cafile(ca, tmp_path):
    """The certificate of the scripted server's CA."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return str(tmp_path / "ca.pem")


@pytest.fixture
def user(realm, monkeypatch):
    """Put a ticket of ``user`` into the environment; give the principal."""
    for name, value in kdc.client_environment(realm).items():
        monkeypatch.setenv(name, value)
    return realm.user_princ


@pytest.fixture(scope="session")
def people(realm, tmp_path_factory):
    """Alice and Bob; see `servers.person.Person`."""
    from servers import person

    folder = tmp_path_factory.mktemp("people")
    return [person.Person(realm, f"{name}@EXAMPLE.TEST", folder) for name in ("alice", "bob")]


@pytest.fixture
def alice(people):
    """A principal who is not the one in the environment."""
    return people[0]


@pytest.fixture
def bob(people):
    """Another one."""
    return people[1]


@pytest.fixture
def other_realm(monkeypatch):
    """Start a realm of the test's own and put its ticket into the environment: ``other_realm(clock="-2d")``."""
    started = []

    def start(**arguments):
        realm = kdc.start(**arguments)
        started.append(realm)
        for name, value in kdc.client_environment(realm).items():
            monkeypatch.setenv(name, value)
        return realm

    yield start
    for realm in started:
        realm.stop()


@pytest.fixture(params=["pykerberos", "python-gssapi"])
def library(request, monkeypatch):
    """Have transports get their tickets, from what the environment names, by one library or by the other."""
    if request.param == "pykerberos":
        import internals

        internals.use_pykerberos(monkeypatch)
    return request.param


@pytest.fixture
def hub_context(hub):
    """A TLS context that trusts the hub."""
    return ssl.create_default_context(cafile=hub.cafile)


@pytest.fixture
def case():
    """A name by which the requests of one test are found in Apache's access log."""
    return uuid.uuid4().hex


@pytest.fixture
def opened():
    """Closes proxies at the end of a test: ``opened.enter_context(ServerProxy(...))`` returns the proxy."""
    with ExitStack() as proxies:
        yield proxies


@pytest.fixture
def call_hub(hub, hub_context, user, case, opened):
    """Open a proxy for a path of the hub: ``call_hub("/xmlrpc", timeout=5.0)``; its requests are logged as `case`."""

    def open_proxy(path="/xmlrpc", *, listener="https", host=kdc.HOST, transport=KerberosTransport, **arguments):
        if listener != "http":
            arguments.setdefault("context", hub_context)
        url = hub.url(f"{path}{'&' if '?' in path else '?'}case={case}", listener, host)
        return opened.enter_context(ServerProxy(url, transport=transport(**arguments)))

    return open_proxy


@pytest.fixture
def asked(servers):
    """Tell what was asked of the stand-ins since this was last called: ``["200 ticket GET /ipa/…", "200 POST …"]``."""

    def take(count):
        return [
            f"{line.status} {'ticket ' if line.ticket else ''}{line.method} {line.path}"
            for line in servers.asked(count)
        ]

    take(0)
    return take


@pytest.fixture
def call_standin(servers, user, opened):
    """Open a proxy for a path of the stand-ins: ``call_standin("/ipa/session/xml", login_path=…)``."""

    def open_proxy(path, transport=KerberosTransport, **arguments):
        arguments["context"] = ssl.create_default_context(cafile=servers.cafile)
        return opened.enter_context(ServerProxy(servers.url(path), transport=transport(**arguments), allow_none=True))

    return open_proxy


@pytest.fixture(params=standins.KOJI_HUBS)
def koji_path(request):
    """The path of a hub of each release."""
    return request.param


@pytest.fixture
def plain(krb_server):
    """A server for what Apache has no part in, with methods of the hub's."""

    def echo(value):
        """Return what comes."""
        return value

    def fail(code, text):
        raise Fault(code, text)

    krb_server.register_function(caller, "whoami")
    krb_server.register_function(echo)
    krb_server.register_function(fail)
    krb_server.register_introspection_functions()
    krb_server.register_multicall_functions()
    return krb_server


@pytest.fixture
def call_plain(plain, opened):
    """Open a proxy for that server: ``call_plain(timeout=5.0)``."""

    def open_proxy(allow_none=False, **arguments):
        transport = KerberosTransport(context=plain.context, **arguments)
        return opened.enter_context(ServerProxy(plain.url(), transport=transport, allow_none=allow_none))

    return open_proxy


@pytest.fixture
def server(ca, user):
    """A scripted server; see `servers.scripted.ScriptedServer`."""
    from servers import scripted

    with scripted.ScriptedServer(ca) as started:
        yield started


@pytest.fixture
def forwarder(ca, hub):
    """A forwarder to the hub, through which no ticket may go twice; see `servers.forwarder.Forwarder`."""
    from servers import forwarder

    with forwarder.Forwarder(ca, hub) as started:
        yield started
    tickets = [request.token for request in started.requests if request.token is not None]
    assert len(tickets) == len(set(tickets))


@pytest.fixture
def nobody_listens():
    """A URL whose port is nobody's."""
    import socket

    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        yield f"https://localhost:{unheard.getsockname()[1]}/xmlrpc"


@pytest.fixture
def server_context(ca):
    """A TLS context that trusts the scripted servers and the forwarder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(context)
    return context


@pytest.fixture
def call_server(server, server_context, opened):
    """Open a proxy for the scripted server: ``call_server(timeout=5.0)``."""

    def open_proxy(**arguments):
        arguments = {"context": server_context, "timeout": 60.0, **arguments}
        return opened.enter_context(ServerProxy(server.url(), transport=KerberosTransport(**arguments)))

    return open_proxy


@pytest.fixture
def witness(monkeypatch):
    """Hear all that is emitted, and know what must not be; see `secret_witness.Witness`."""
    import secret_witness

    with secret_witness.listening(monkeypatch) as found:
        yield found


@pytest.fixture
def without_collector():
    """What is to go has to go at once; a socket that nobody closed is an error."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a ResourceWarning in a destructor reaches pytest as an unraisable exception
        gc.disable()
        yield
        gc.enable()


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Build the documentation; return the folder, and the finished process."""
    folder = tmp_path_factory.mktemp("html")
    environment = {**os.environ, "PYTHON": sys.executable}
    return folder, subprocess.run([DOCS / "build.sh", folder], env=environment, capture_output=True, text=True)
