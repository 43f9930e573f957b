"""Access to the inside of the package for tests that need it: what they name here may change without notice."""

import os

from krbxmlrpc._kerberos import credentials
from krbxmlrpc._kerberos.credentials import CredentialStore, StoreTicket
from krbxmlrpc._kerberos.ticket import Ticket

__all__ = ["Ticket"]


def stored_ticket(service, *, principal=None, **arguments):
    """Return what `KerberosTicket` would, got by python-gssapi from what the environment names."""
    keytab = os.environ["KRB5_CLIENT_KTNAME"]
    store = CredentialStore(principal, os.environ["KRB5CCNAME"], keytab if os.path.exists(keytab) else None)
    return StoreTicket(store, service, principal=principal, **arguments)


def use_ticket_class(monkeypatch, make):
    """Have transports get their tickets, unless they name a cache or a keytab, by this class or function."""
    monkeypatch.setattr(credentials, "PykerberosTicket", make)


def idle_connections(proxy):
    """Return the idle connections of a proxy, the one that was used last at the end."""
    return [held.connection for idle in proxy("transport")._client.pool._idle.values() for held in idle]
