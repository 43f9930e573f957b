"""The fixtures: a realm for the whole run, and a ticket for each test."""

import os

import pytest
from realm import kdc

# What mechanisms there are beside Kerberos and SPNEGO is not the machine's to decide: none.
os.environ["GSS_MECH_CONFIG"] = os.devnull


@pytest.fixture(scope="session")
def realm():
    """A Kerberos realm, of type k5test.K5Realm."""
    started = kdc.start()
    yield started
    started.stop()


@pytest.fixture
def user(realm, monkeypatch):
    """Put a ticket of ``user`` into the environment; give the principal."""
    for name, value in kdc.client_environment(realm).items():
        monkeypatch.setenv(name, value)
    return realm.user_princ
