"""A server that demands channel bindings, and somebody in the middle who passes all on to it.

pykerberos' server side knows no bindings, so the acceptor is python-gssapi's; certificates with a signature of choice
are made here, because trustme's all have the same.
"""

import base64
import datetime
import hashlib
import http.client
import os
import ssl
import tempfile
from typing import Any, Callable

import gssapi
import gssapi.raw
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from krbxmlrpc.testing.loopback import Request

from . import kdc
from .scripted import Answer, message, values


class Certificate:
    """A certificate for the host of the tests that signs itself: a `trustme.CA` as far as servers here need one.

    Args:
        key: its private key.
        algorithm: the hash function of the signature, of cryptography's.
        options: for the signature.

    Attributes:
        der: the certificate, as TLS sends it.
    """

    def __init__(self, key: Any, algorithm: Any, **options: Any) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, kdc.HOST)])
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(name, name, key.public_key(), serial, now - day, now + day)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(kdc.HOST)]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.sign(key, algorithm, **options)
        encoding = serialization.Encoding
        self.der = certificate.public_bytes(encoding.DER)
        self._pem = certificate.public_bytes(encoding.PEM) + key.private_bytes(
            encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def issue_cert(self, *identities: str) -> "Certificate":
        """Return itself: it is the server's, too."""
        return self

    def configure_cert(self, context: ssl.SSLContext) -> None:
        """Have a server present it."""
        with tempfile.NamedTemporaryFile() as file:
            os.chmod(file.name, 0o600)
            file.write(self._pem)
            file.flush()
            context.load_cert_chain(file.name)

    def configure_trust(self, context: ssl.SSLContext) -> None:
        """Have a client trust it."""
        context.load_verify_locations(cadata=self.der)


def bound(certificate: Certificate, hash_name: str) -> Answer:
    """Accept a ticket that is bound to this certificate, and no other; say what the request has asked for."""
    data = b"tls-server-end-point:" + hashlib.new(hash_name, certificate.der).digest()
    bindings = gssapi.raw.ChannelBindings(application_data=data)

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        credentials = gssapi.raw.acquire_cred(None, usage="accept").creds
        try:
            step = gssapi.raw.accept_sec_context(base64.b64decode(request.token or ""), credentials, None, bindings)
        except gssapi.exceptions.BadChannelBindingsError:
            send(message(401, [("WWW-Authenticate", "Negotiate")], b"bound to another"))
            return
        if gssapi.RequirementFlag.channel_bound not in step.flags:
            send(message(401, [("WWW-Authenticate", "Negotiate")], b"not bound"))
            return
        proof = base64.b64encode(step.token).decode()
        send(message(200, [("WWW-Authenticate", f"Negotiate {proof}")], values("bound")))

    return answer


def passed_on(port: int) -> Answer:
    """Pass a request on to another server, and its reply back, just as they are."""

    def answer(request: Request, send: Callable[[bytes], None]) -> None:
        unverified = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(kdc.HOST, port, context=unverified)
        try:
            connection.request("POST", request.line.split(" ")[1], request.body, dict(request.headers.items()))
            reply = connection.getresponse()
            proof = reply.headers.get_all("WWW-Authenticate", [])
            send(message(reply.status, [("WWW-Authenticate", value) for value in proof], reply.read()))
        finally:
            connection.close()

    return answer
