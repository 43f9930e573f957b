"""Access to the inside of the package for the integration tests: they name no private module or attribute of it.

All that is used here may change without notice: if it does, this is the place to follow.
"""

import functools
import ssl
import threading
import time
import types
import xmlrpc.client

from krbxmlrpc import _settings
from krbxmlrpc._cli import check as _check, kdcs as _kdcs, main as _main, options as _options
from krbxmlrpc._forks import no_fork
from krbxmlrpc._http import connection as _connection, pool as _pool
from krbxmlrpc._http.connection import DRAIN_LIMIT, KEEPALIVE, SEND_PIECE, Connection
from krbxmlrpc._http.pool import LOOK_AFTER, MAX_IDLE
from krbxmlrpc._http.response import READ
from krbxmlrpc._kerberos import (
    copies as _copies,
    credentials as _credentials,
    kept as _kept,
    kept_context as _kept_context,
    libraries as _libraries,
    own_cache as _own_cache,
    pykerberos as _pykerberos,
    python_gssapi as _python_gssapi,
)
from krbxmlrpc._kerberos.credentials import TicketMaker
from krbxmlrpc._kerberos.libraries import credentials_of
from krbxmlrpc._kerberos.ticket import Ticket
from krbxmlrpc._kerberos.tokens import decode_token, read_offer
from krbxmlrpc._negotiate import call as _call
from krbxmlrpc._negotiate.policy import MAX_LEGS, MAX_REQUESTS
from krbxmlrpc._negotiate.proxy import ProxyWire, Tunnel
from krbxmlrpc._secrets import Secret, SecretBuffer, SecretBytes
from krbxmlrpc.testing import acceptor, kdc as _kdc, software

__all__ = [
    "CHECK_STEPS",
    "DRAIN_LIMIT",
    "KEEPALIVE",
    "LOOK_AFTER",
    "MAX_IDLE",
    "MAX_LEGS",
    "MAX_REQUESTS",
    "READ",
    "SEND_PIECE",
    "TUNNEL_DIAL",
    "TUNNEL_NEGOTIATE",
    "Connection",
    "ProxyWire",
    "Secret",
    "SecretBuffer",
    "SecretBytes",
    "Ticket",
    "TicketMaker",
    "build_parser",
    "credentials_of",
    "decode_token",
    "read_offer",
    "run_command",
    "target_of",
]

run_command = _main.main
build_parser, target_of = _options.build_parser, _options.target_of
CHECK_STEPS = _check.STEPS
TUNNEL_DIAL = (Tunnel, "_open_socket")
TUNNEL_NEGOTIATE = (Tunnel, "_negotiate")
"""Methods that tests put others around: by ``getattr(*…)``, and ``monkeypatch.setattr(*…, other)``."""


# -- a transport ------------------------------------------------------------------------------------------------------


def idle_connections(proxy):
    """Return the idle connections of a proxy, the one that was used last at the end."""
    return idle_connections_of(proxy("transport"))


def idle_connections_of(transport):
    """Return the idle connections of a transport, the one that was used last at the end."""
    return [held.connection for idle in transport._client.pool._idle.values() for held in idle]


def open_connections(transport):
    """Return the connections of a transport that are open, the ones in use included."""
    return transport._client.pool._open


def parts(transport):
    """Return what a transport is made of: itself, the pool, and the cookie store."""
    return transport, transport._client.pool, cookie_store(transport)


def cookie_store(transport):
    """Return the cookie store of a transport."""
    return transport._client.memory.cookies


def cookies_may_be_session(transport):
    """Say whether no cookies of a transport have been refused before they carried a call."""
    return not any(host.refusals for host in cookie_store(transport)._hosts.values())


def session_locks(transport, netloc):
    """Return the locks of a transport's session with this host and port, in the order in which they are taken."""
    store = cookie_store(transport)
    login = transport._client.logins._locks.setdefault(netloc, threading.RLock())
    return store._keeping, store.jar._cookies_lock, login


def make_next_ticket(transport, make):
    """Have a transport get its next ticket by ``make(usual, service, ...)``; it gets later ones as usual."""
    names = transport._client.tickets.names
    usual = names.new_ticket

    def once(*arguments, **options):
        names.new_ticket = usual
        return make(usual, *arguments, **options)

    names.new_ticket = once


def tickets_in_memory(transport, folder):
    """Return how many service tickets the cache in memory of a transport has, and how many such caches there are."""
    import subprocess

    store = transport._settings.new_ticket.credentials
    raw, copy = store.gssapi, f"FILE:{folder}/copy"
    place, oid = {b"ccache": copy.encode()}, _python_gssapi.oid(store.gssapi, "krb5")
    raw.store_cred_into(place, store.acquire("krb5"), usage="initiate", mech=oid, overwrite=True)
    lines = subprocess.run(["/usr/bin/klist", "-c", copy], capture_output=True, text=True, check=True).stdout
    return lines.count("HTTP/") - lines.count("Ticket server"), 2 + store.own.spares


def set_login_path(transport, path):
    """Have a transport log in at another path from now on."""
    transport._authentication.path = path


def wait_for_logins(transport, seconds):
    """Have the calls of a transport wait this long at most for the login of another thread."""
    transport._client = transport._client._replace(timeout=seconds)


def settings_of(transport):
    """Return the arguments of a transport, as they were checked."""
    return transport._settings


# -- what tests replace -----------------------------------------------------------------------------------------------


def use_libkrb5_names():
    """Have libkrb5 look names up in the DNS in all realms of this run, as it does by its own defaults."""
    for setting in ("dns_canonicalize_hostname", "rdns", "qualify_shortname"):
        del _kdc._LIBDEFAULTS[setting]


def use_pykerberos(monkeypatch):
    """Have transports get their tickets by pykerberos, unless they name a cache or a keytab."""
    monkeypatch.setattr(_libraries, "library", lambda: None)


def use_tickets_of(monkeypatch, make):
    """Have transports get their tickets by this function; it takes `KerberosTicket`'s arguments."""
    monkeypatch.setattr(
        TicketMaker, "__call__", lambda maker, service, **options: make(service, **maker.options, **options)
    )


def let_no_step_complete(monkeypatch, ticket):
    """Have the context of a ticket never say that the exchange is complete."""
    (context,) = ticket._context
    step = context.step
    monkeypatch.setattr(context, "step", lambda token: (False, step(token)[1]))


def let_gssapi_alone_check_tokens(monkeypatch):
    """Have tickets take any token of a server that GSSAPI takes."""
    monkeypatch.setattr(Ticket, "_check", lambda ticket, token, final: None)


def replace_sleep(monkeypatch, sleep):
    """Have calls wait by this function before they are repeated."""
    monkeypatch.setattr(_call.time, "sleep", sleep)


def replace_clock(monkeypatch, clock):
    """Have connections and pools read the time of this clock."""
    monkeypatch.setattr(_connection, "time", clock)
    monkeypatch.setattr(_pool, "time", clock)


def replace_deadline_clock(monkeypatch, clock):
    """Have the deadlines of calls count the time of this clock, a function."""
    monkeypatch.setattr(_settings, "Deadline", functools.partial(_settings.Deadline, clock=clock))


def limit_idle(monkeypatch, count):
    """Have a pool keep this many idle connections at most."""
    monkeypatch.setattr(_pool, "MAX_IDLE", count)


def send_at_once(monkeypatch, size):
    """Have connections send this many bytes at a time."""
    monkeypatch.setattr(_connection, "SEND_PIECE", size)


def drain_for(monkeypatch, seconds):
    """Have connections read an unwanted body for this long at most."""
    monkeypatch.setattr(_connection, "DRAIN_SECONDS", seconds)


def close_connections_in_children(monkeypatch):
    """Have a child process close the connections on which calls are under way."""
    monkeypatch.setattr(Connection, "disconnect", Connection.close)


def limit_header(monkeypatch, size):
    """Have ``krbxmlrpc check`` warn of tickets whose header is longer than this."""
    monkeypatch.setattr(_check, "LARGE_HEADER", size)


def set_patience_with_kdcs(monkeypatch, seconds):
    """Have ``krbxmlrpc check`` wait this long for a KDC."""
    monkeypatch.setattr(_kdcs, "PATIENCE", seconds)


def set_slow_kdc(monkeypatch, seconds):
    """Have ``krbxmlrpc check`` warn of KDCs that take longer than this."""
    monkeypatch.setattr(_check, "SLOW", seconds)


def set_file_of_sssd(monkeypatch, beginning):
    """Have ``krbxmlrpc check`` look for SSSD's file about KDCs at this path. The realm follows the path."""
    monkeypatch.setattr(_kdcs, "SSSD", beginning)


def option_of(argument):
    """Return the option of the command line for an argument of the transport; None if it is no argument."""
    return _options.OPTIONS[argument].flag if argument in _options.OPTIONS else None


def failed_call(error):
    """Return the transport, the URL, the method and the arguments of the call that failed with this error."""
    frame = error.__traceback__
    while not (frame.tb_frame.f_code.co_name == "single_request" and "handler" in frame.tb_frame.f_locals):
        frame = frame.tb_next
    seen = frame.tb_frame.f_locals
    arguments, method = xmlrpc.client.loads(seen["request_body"])
    transport = seen["self"]
    url = f"{transport._scheme}://{seen['host']}{seen['handler']}"
    return transport, url, method, arguments


def has_flags_of_its_own(context):
    """Say whether a TLS context verifies certificates by other rules than usual ones."""
    usual = {ssl.create_default_context().verify_flags, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).verify_flags}
    return context is not None and context.verify_flags not in usual


def command_line_of(transport, trusted):
    """Return the options of the command line for a transport with these arguments.

    Args:
        trusted: a file for the certificates of the CAs that the transport trusts.
    """
    words = [] if transport._scheme == "https" else ["--insecure-http"]
    for setting in _settings.definitions():
        option, value = _options.OPTIONS.get(setting.name), getattr(transport._settings, setting.name)
        if value == setting.default or setting.name in ("cookiejar", "headers", "idempotent"):
            continue
        if setting.name == "context":
            cas = [ssl.DER_cert_to_PEM_cert(held) for held in value.get_ca_certs(binary_form=True)]
            trusted.write("".join(cas))
            trusted.flush()
            words += [option_of("cafile"), trusted.name] if cas else []
        elif option is None:
            continue
        elif option.kind == "constant":
            words.append(option.flag)
        else:
            words += [option.flag, "none" if value is None else str(getattr(value, "value", value))]
    return words


# -- tickets, credentials and the command ---------------------------------------------------------------------------


def ccache_of(credentials):
    """Return the name of the cache that credentials use."""
    return credentials._ccache


def gss_failure(error):
    """Return what the package makes of pykerberos' error."""
    return _pykerberos.failure_of(error)


def no_holder_is_known():
    """Say whether the default credentials do not tell whose they are."""
    return _credentials.holder(None, None, None) is None


def acceptor_process(server):
    """Return the process that accepts the tickets of a `KerberosXMLRPCServer`."""
    return server._acceptor._process


def start_acceptor(environment):
    """Start a process that accepts tickets; return it."""
    return acceptor.Acceptor(environment)._process


def require_program(monkeypatch, path):
    """Have `krbxmlrpc.testing` need one more program."""
    monkeypatch.setattr(software, "_KDC", (*software._KDC, path))


def forks_wait():
    """Say whether this thread is where no fork may happen."""
    return no_fork.is_inside(threading.get_ident())


def finding_of_name(host, **arguments):
    """Return what ``krbxmlrpc check`` finds of a host's name."""
    return _check.Examination("https", host, "/", arguments)._resolve()


# -- kept credentials -------------------------------------------------------------------------------------------------


def forget_credentials():
    """Forget all kept credentials, and the context that is kept."""
    _kept._copies.after_fork()
    _kept_context._kept.clear()
    for own in _own_cache._own_caches.values():
        own.after_fork()


def kept_copies():
    """Return the names of the credential caches that have a kept copy."""
    return [key[0] for key, kept in list(_kept._copies.kept.items()) if kept.credentials is not None]


def copy_of(file, principal):
    """Return credentials that have a copy of a principal's cache; None if it cannot be copied."""
    import gssapi.raw as raw

    return _copies.copy(raw, file, "spnego", principal)


def principals_in_memory():
    """Return the principals of the caches in memory that copies have passed through."""
    import gssapi.raw as raw

    found = [_copies.acquire(raw, None, "krb5", ccache=place) for place in _copies._free]
    return {_copies.holder_of(raw, credentials)[0] for credentials in found}


def gssapi_functions_fail(monkeypatch, *names):
    """Have these functions of python-gssapi fail."""
    import gssapi.raw as raw

    def fail(*arguments, **options):
        raise AssertionError("GSSAPI is asked for credentials")

    for name in names:
        monkeypatch.setattr(raw, name, fail)


def gssapi_calls(monkeypatch, *names):
    """Return a list that notes each call of these functions of python-gssapi."""
    import gssapi.raw as raw

    calls = []

    def noted(name, function):
        def note(*arguments, **options):
            calls.append(name)
            return function(*arguments, **options)

        return note

    for name in names:
        monkeypatch.setattr(raw, name, noted(name, getattr(raw, name)))
    return calls


def set_clock_of_kept_credentials(monkeypatch):
    """Return an object whose attribute `now` says how many seconds later it is for kept credentials."""
    later = types.SimpleNamespace(now=0.0, time=lambda: time.time() + later.now)
    monkeypatch.setattr(_kept, "time", later)
    return later


def end_of_tickets(transport):
    """Return the end of the ticket-granting ticket of a transport, in seconds since 1970."""
    return round(time.time() + transport._settings.new_ticket.credentials.holder()[1])


def ask_for_client_certificate(server, ca):
    """Have a loopback server demand a certificate that the CA has signed."""
    server._context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(server._context)
