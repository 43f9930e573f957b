"""Channel bindings: a ticket that says which certificate the client has seen."""

import base64
import hashlib
import ssl
from xmlrpc.client import ServerProxy

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from servers.channel_bindings_acceptor import Certificate, bound, passed_on
from servers.scripted import ScriptedServer, honest
from servers.scripted_proxy import Tunnel

from krbxmlrpc import (
    AuthenticationRejected,
    InsecureKerberosTransport,
    KerberosTicket,
    KerberosTransport,
    tls_server_end_point,
)

pytestmark = pytest.mark.usefixtures("user", "library")

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ECDSA = ec.generate_private_key(ec.SECP256R1())
KINDS = {
    "RSA, SHA-256": (RSA, hashes.SHA256(), {}, "sha256"),
    "RSA, SHA-384": (RSA, hashes.SHA384(), {}, "sha384"),
    "RSA, SHA-512": (RSA, hashes.SHA512(), {}, "sha512"),
    "RSA-PSS, SHA-384": (
        RSA,
        hashes.SHA384(),
        {"rsa_padding": padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH)},
        "sha384",
    ),
    "ECDSA, SHA-256": (ECDSA, hashes.SHA256(), {}, "sha256"),
    "ECDSA, SHA-384": (ECDSA, hashes.SHA384(), {}, "sha384"),
    "ECDSA, SHA-512": (ECDSA, hashes.SHA512(), {}, "sha512"),
}


@pytest.fixture(params=KINDS)
def kind(request):
    key, algorithm, options, name = KINDS[request.param]
    return Certificate(key, algorithm, **options), name


def call(server, certificate, **arguments):
    """Make a call to a server, trusting a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificate.configure_trust(context)
    with ServerProxy(server.url(), transport=KerberosTransport(context=context, timeout=60.0, **arguments)) as proxy:
        return proxy.method()


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_a_server_that_demands_bindings(kind, mechanism):
    certificate, name = kind
    with ScriptedServer(certificate, *[bound(certificate, name)] * 3) as server:  # a refused ticket is replaced once
        assert call(server, certificate, mechanism=mechanism, channel_bindings="tls-server-end-point") == "bound"
        with pytest.raises(AuthenticationRejected):
            call(server, certificate, mechanism=mechanism)


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
def test_a_man_in_the_middle_who_passes_tokens_on(kind, mechanism):
    """He has a certificate that the client trusts, and the exchange as such is in order; the ticket tells of him."""
    certificate, name = kind
    his = Certificate(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    with ScriptedServer(certificate) as server, ScriptedServer(his, *[passed_on(server.port)] * 5) as middle:
        server.play(honest())
        assert call(middle, his, mechanism=mechanism) == "an honest answer"  # a server that does not look at bindings
        server.play(*[bound(certificate, name)] * 5)
        with pytest.raises(AuthenticationRejected):
            call(middle, his, mechanism=mechanism, channel_bindings="tls-server-end-point")
        with pytest.raises(AuthenticationRejected):
            call(middle, his, mechanism=mechanism)
        assert call(server, certificate, mechanism=mechanism, channel_bindings="tls-server-end-point") == "bound"
        assert len(server.requests) == 6


def test_servers_that_do_not_look_at_bindings(call_hub, user):
    proxy = call_hub(channel_bindings="tls-server-end-point")
    assert [proxy.whoami(), proxy.whoami()] == [user, user]


def test_the_hash_is_the_signatures(kind):
    certificate, name = kind
    digest = hashlib.new(name, certificate.der).digest()
    assert tls_server_end_point(certificate.der) == b"tls-server-end-point:" + digest


# Signed by ECDSA with SHA-1, which cryptography does not do any more.
SHA1 = base64.b64decode(
    "MIIBbDCCARKgAwIBAgIUCswhlL5wRJ1h3JAFjb+bq27aU7owCQYHKoZIzj0EATAMMQowCAYDVQQDDAFoMB4XDTI2MTEyNDAxMDI1"
    "MloXDTI2MTIwNDAxMDI1MlowDDEKMAgGA1UEAwwBaDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPqdMvpe/oZdePvNpRXoJh1V"
    "83wOuhXD2HmHOTqT5rs+DUlseBPkj1LoVg96ihjS9kRRm0ABK2cHBBwyCWulepujUzBRMB0GA1UdDgQWBBQf/nDoC1AihFwP3Caz"
    "imtPwrx8HzAfBgNVHSMEGDAWgBQf/nDoC1AihFwP3CazimtPwrx8HzAPBgNVHRMBAf8EBTADAQH/MAkGByqGSM49BAEDSQAwRgIh"
    "AOtPaEUhiacrxRNvx4a/uIxqpmoEZo8ASALo+c5pOtxLAiEA/AkMqVI3un0Xuq4QsbQraacU7Zp6r2qtABfoaAZ0hWs="
)


def test_weak_hashes_are_replaced_by_sha_256():
    assert tls_server_end_point(SHA1) == b"tls-server-end-point:" + hashlib.sha256(SHA1).digest()


@pytest.mark.row("channel bindings not possible")
def test_a_certificate_without_a_hash_function(trouble):
    certificate = Certificate(ed25519.Ed25519PrivateKey.generate(), None)
    with pytest.raises(ValueError, match="no hash function"):
        tls_server_end_point(certificate.der)
    with ScriptedServer(certificate) as server:
        error = trouble(lambda: call(server, certificate, channel_bindings="tls-server-end-point"))
        assert "no hash function" in error.message and "RFC 5929" in error.hint
        assert server.requests == []


def test_what_is_no_certificate():
    for wrong in (b"", b"certificate", Certificate(ECDSA, hashes.SHA256()).der[:-1]):
        with pytest.raises(ValueError, match="cannot be read"):
            tls_server_end_point(wrong)


def test_bindings_need_tls():
    with pytest.raises(ValueError, match="without TLS there is nothing to bind to"):
        InsecureKerberosTransport(channel_bindings="tls-server-end-point")


def test_a_ticket_that_is_bound_outside_a_transport():
    with pytest.raises(TypeError, match="channel_bindings"):
        KerberosTicket("HTTP@localhost", channel_bindings="tls-server-end-point")


def test_bindings_are_the_servers_also_through_a_proxy(kind):
    certificate, name = kind
    with ScriptedServer(certificate, bound(certificate, name)) as server, ScriptedServer(None, Tunnel()) as proxy:
        bindings = {"channel_bindings": "tls-server-end-point", "proxy": f"http://127.0.0.1:{proxy.port}"}
        assert call(server, certificate, **bindings) == "bound"
        assert len(proxy.requests) == 1


def test_a_man_in_the_middle_behind_a_proxy(kind):
    certificate, name = kind
    his = Certificate(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    with ScriptedServer(certificate) as server, ScriptedServer(his, *[passed_on(server.port)] * 3) as middle:
        with ScriptedServer(None, *[Tunnel()] * 3) as proxy:
            through = {"proxy": f"http://127.0.0.1:{proxy.port}"}
            server.play(honest(), *[bound(certificate, name)] * 2)
            assert call(middle, his, **through) == "an honest answer"
            with pytest.raises(AuthenticationRejected):
                call(middle, his, channel_bindings="tls-server-end-point", **through)
            assert len(proxy.requests) == 2
