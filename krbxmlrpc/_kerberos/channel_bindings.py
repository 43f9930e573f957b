"""Channel bindings: tie a Kerberos exchange to its TLS connection. This module knows neither Kerberos nor TLS.

An attacker in the middle, with a certificate that the client trusts, can relay tokens between client and server. With
channel bindings the token names the certificate that the client has seen. So a server that demands channel bindings
detects the attack.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from .._hints import Hint

_PREFIX = b"tls-server-end-point:"
_WEAK = ("md5", "sha1")


def require_cryptography() -> Any:
    """Return the library that reads certificates. The ImportError names the package to install."""
    try:
        import cryptography.exceptions
        import cryptography.x509
    except ImportError as error:
        raise ImportError(
            Hint(
                "{args.channel_bindings} needs the library cryptography to read certificates: pip install cryptography"
            )
        ) from error
    return cryptography


@functools.lru_cache(maxsize=64)
def tls_server_end_point(certificate: bytes) -> bytes:
    """Return the channel bindings of type ``tls-server-end-point`` for a server's certificate, for `KerberosTicket`.

    Args:
        certificate: the certificate as it came over TLS, in DER, as `ssl.SSLSocket.getpeercert` returns it
            when called with True.

    Raises:
        ValueError: the argument is not a certificate; or these bindings are not defined for it, because its signature
            has no hash function of its own (for example Ed25519) or an unknown one.
        ImportError: the library `cryptography` is missing (extra ``channel-bindings``).

    Source: RFC 5929, section 4.1. The prefix is from RFC 5056, section 2.1.
    """
    cryptography = require_cryptography()
    try:
        algorithm = cryptography.x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except ValueError as error:
        raise ValueError(f"the server's certificate cannot be read: {error}") from error
    except cryptography.exceptions.UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        raise ValueError(
            "the signature of the server's certificate has no hash function of its own, but channel bindings need one"
        )
    name = "sha256" if algorithm.name in _WEAK else algorithm.name.replace("-", "_")
    return _PREFIX + hashlib.new(name, certificate).digest()
