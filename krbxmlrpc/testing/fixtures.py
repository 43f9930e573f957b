"""Fixtures of pytest for the tests of clients. A test suite opts in, in the conftest.py at its top:

    pytest_plugins = ["krbxmlrpc.testing.fixtures"]

``krb_realm``
    A `krbxmlrpc.testing.Realm`, one for the whole run.
``krb_user``
    Puts a new ticket of ``user`` and the realm into the environment, for one test; gives the principal.
``krb_server``
    A `krbxmlrpc.testing.KerberosXMLRPCServer` for one test, with ``krb_user``'s environment around it.
``krb_serve``
    Starts more of them, or other ones, for one test: ``krb_serve(sessions=True)``.
"""

from contextlib import ExitStack
from typing import Any, Callable, Iterator

import pytest

from . import KerberosXMLRPCServer, Realm


@pytest.fixture(scope="session")
def krb_realm() -> Iterator[Realm]:
    """A realm for the whole run."""
    with Realm() as realm:
        yield realm


@pytest.fixture
def krb_user(krb_realm: Realm, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a new ticket of ``user`` into the environment; give the principal."""
    krb_realm.get_ticket()
    for name, value in krb_realm.environment.items():
        monkeypatch.setenv(name, value)
    return krb_realm.user


@pytest.fixture
def krb_serve(krb_realm: Realm, krb_user: str) -> Iterator[Callable[..., KerberosXMLRPCServer]]:
    """Start a server, which stops when the test ends; takes the arguments of `KerberosXMLRPCServer`."""
    with ExitStack() as started:

        def serve(**arguments: Any) -> KerberosXMLRPCServer:
            return started.enter_context(KerberosXMLRPCServer(krb_realm, **arguments))

        yield serve


@pytest.fixture
def krb_server(krb_serve: Callable[..., KerberosXMLRPCServer]) -> KerberosXMLRPCServer:
    """A server that wants a ticket for each call."""
    return krb_serve()
