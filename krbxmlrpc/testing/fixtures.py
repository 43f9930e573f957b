"""Pytest fixtures for the tests of clients. To use them, add this line to the top-level conftest.py of a test suite:

    pytest_plugins = ["krbxmlrpc.testing.fixtures"]

``krb_realm``
    One `krbxmlrpc.testing.Realm` for the whole test run.
``krb_user``
    Gets a new ticket for ``user`` and puts the realm into the environment for one test. The value is the principal.
``krb_server``
    A `krbxmlrpc.testing.KerberosXMLRPCServer` for one test, in the environment of ``krb_user``.
``krb_serve``
    A function that starts more servers for one test, also with arguments: ``krb_serve(sessions=True)``.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Callable

import pytest

from . import KerberosXMLRPCServer, Realm


@pytest.fixture(scope="session")
def krb_realm() -> Iterator[Realm]:
    """A realm for the whole test run."""
    with Realm() as realm:
        yield realm


@pytest.fixture
def krb_user(krb_realm: Realm, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a new ticket of ``user`` into the environment, and return the principal."""
    krb_realm.get_ticket()
    for name, value in krb_realm.environment.items():
        monkeypatch.setenv(name, value)
    return krb_realm.user


@pytest.fixture
def krb_serve(krb_realm: Realm, krb_user: str) -> Iterator[Callable[..., KerberosXMLRPCServer]]:
    """A function that starts a server with the arguments of `KerberosXMLRPCServer`. The server stops after the test."""
    with ExitStack() as started:

        def serve(**arguments: Any) -> KerberosXMLRPCServer:
            return started.enter_context(KerberosXMLRPCServer(krb_realm, **arguments))

        yield serve


@pytest.fixture
def krb_server(krb_serve: Callable[..., KerberosXMLRPCServer]) -> KerberosXMLRPCServer:
    """A server that requires a ticket for each call."""
    return krb_serve()
