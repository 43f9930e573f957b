"""Hints of errors that calls raise: they name arguments as the adapter of the transport says."""

from urllib.parse import urlsplit
from xmlrpc.client import ServerProxy

import pytest

from krbxmlrpc import CertificateRejected, KerberosTransport, ServiceUnknown


def test_a_transport_names_arguments_as_its_adapter_says(hub, hub_context, user):
    transport = KerberosTransport(context=hub_context, service="HTTP@unknown.example.test")
    transport.argument_names = {"service": "HUB_SERVICE"}
    for call in (
        ServerProxy(hub.url(), transport=transport).whoami,
        lambda: transport.fetch("GET", urlsplit(hub.url()).netloc, "/xmlrpc"),
    ):
        with pytest.raises(ServiceUnknown, match="with HUB_SERVICE; for an alias") as caught:
            call()
        assert "service=" not in caught.value.hint


def test_what_an_adapter_does_not_name_is_in_pythons_terms(hub, user):
    transport = KerberosTransport()
    transport.argument_names = {"service": "HUB_SERVICE"}
    with pytest.raises(CertificateRejected, match="pass cafile= with that CA's certificate"):
        ServerProxy(hub.url(), transport=transport).whoami()
    transport.argument_names = {"cafile": "HUB_CA"}
    with pytest.raises(CertificateRejected, match="pass HUB_CA with that CA's certificate"):
        ServerProxy(hub.url(), transport=transport).whoami()


def test_a_login_names_arguments_as_its_adapter_says(hub, hub_context, user):
    transport = KerberosTransport(context=hub_context, login_path="/login", service="HTTP@unknown.example.test")
    transport.argument_names = {"service": "HUB_SERVICE"}
    with pytest.raises(ServiceUnknown, match="with HUB_SERVICE; for an alias"):
        transport.login(urlsplit(hub.url()).netloc)
