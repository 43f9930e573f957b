"""Certificates that a client has reason to refuse: a CA and the server's certificate, each with a fault of choice."""

import datetime
import ssl
import tempfile
from pathlib import Path
from typing import Any, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import kdc

DAY = datetime.timedelta(days=1)


def name_of(text: str) -> x509.Name:
    """Return a name with this common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A CA that issues the certificate of the host of the tests: a `trustme.CA` as far as servers here need one.

    Args:
        name: the name of the CA.
        is_ca: whether its certificate says that it is a CA.
        is_strict: whether the certificates follow RFC 5280 as Python 3.13 enforces it.
        bits: the length of the server's RSA key; None: an elliptic curve.
        purpose: the purpose of the server's certificate.
        root: the CA above this one; None: it signs its own certificate.
    """

    def __init__(
        self,
        name: str = "CA",
        is_ca: bool = True,
        is_strict: bool = True,
        bits: Optional[int] = None,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        root: Optional["Authority"] = None,
    ) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = name_of(name)
        self._is_strict = is_strict
        above = root or self
        own = above._builder(self._name, self._key.public_key())
        own = own.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        if is_ca:
            own = own.add_extension(_key_usage(key_cert_sign=True, crl_sign=True), critical=True)
        self._certificate = own.sign(above._key, hashes.SHA256())
        self._server_key: Any = (
            ec.generate_private_key(ec.SECP256R1()) if bits is None else rsa.generate_private_key(65537, bits)
        )
        names = x509.SubjectAlternativeName([x509.DNSName(kdc.HOST)])
        server = self._builder(name_of(kdc.HOST), self._server_key.public_key())
        server = server.add_extension(names, critical=False)
        server = server.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        self._server = server.sign(self._key, hashes.SHA256())

    def _builder(self, name: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.timezone.utc)
        serial = x509.random_serial_number()
        builder = x509.CertificateBuilder(self._name, name, key, serial, now - DAY, now + DAY)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        if self._is_strict:
            own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(own, critical=False)
        return builder

    def issue_cert(self, *identities: str) -> "Authority":
        """Return itself: it has the server's certificate, too."""
        return self

    def configure_cert(self, context: ssl.SSLContext) -> None:
        """Have a server present its certificate, a weak one too."""
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        encoding, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        with tempfile.NamedTemporaryFile() as file:
            file.write(self._server_key.private_bytes(encoding, private, serialization.NoEncryption()))
            file.write(self._server.public_bytes(encoding))
            file.flush()
            context.load_cert_chain(file.name)

    def write_to(self, path: Path) -> str:
        """Write the CA's certificate to a file in PEM; return its path."""
        path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def context(self) -> ssl.SSLContext:
        """Return a context that trusts the CA."""
        pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def revoke(self) -> bytes:
        """Return a CRL, in PEM, in which the CA has revoked the server's certificate."""
        now = datetime.datetime.now(datetime.timezone.utc)
        revoked = x509.RevokedCertificateBuilder(self._server.serial_number, now - DAY).build()
        crl = x509.CertificateRevocationListBuilder(self._name, now - DAY, now + DAY, [], [revoked])
        return crl.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(**uses: bool) -> x509.KeyUsage:
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: uses.get(name, False) for name in names})
