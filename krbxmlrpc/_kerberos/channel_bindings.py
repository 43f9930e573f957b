"""Channel bindings: tie a Kerberos exchange to the TLS connection that it goes over. It knows neither of the two.

Somebody in the middle, with a certificate that the client trusts, can pass tokens on between client and server. With
bindings the token says which certificate the client has seen, so a server that demands them notices.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from .._hints import Hint

_PREFIX = b"tls-server-end-point:"
_WEAK = ("md5", "sha1")


def require_cryptography() -> Any:
    """Return the library that reads certificates; ImportError says what to install."""
    try:
        import cryptography.exceptions
        import cryptography.x509
    except ImportError as error:
        raise ImportError(
            Hint(
                "{args.channel_bindings} needs the library cryptography, to read certificates: "
                "pip install 'krbxmlrpc[channel-bindings]'"
            )
        ) from error
    return cryptography


@functools.lru_cache(maxsize=64)
def tls_server_end_point(certificate: bytes) -> bytes:
    """Return the channel bindings of type ``tls-server-end-point`` for a server's certificate, for `KerberosTicket`.

    Args:
        certificate: the certificate as it came over TLS, in DER: what `ssl.SSLSocket.getpeercert` returns when it is
            given True.

    Raises:
        ValueError: it is not a certificate; or its signature uses no hash function of its own, or an unknown one (as
            with Ed25519), and then these bindings are not defined for it.
        ImportError: the library `cryptography` is missing (extra ``channel-bindings``).

    Source: RFC 5929, section 4.1; the prefix from RFC 5056, section 2.1.
    """
    cryptography = require_cryptography()
    try:
        algorithm = cryptography.x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except ValueError as error:
        raise ValueError(f"the server's certificate cannot be read: {error}") from error
    except cryptography.exceptions.UnsupportedAlgorithm:
        algorithm = None
    if algorithm is None:
        raise ValueError("the signature of the server's certificate has no hash function of its own to bind by")
    name = "sha256" if algorithm.name in _WEAK else algorithm.name.replace("-", "_")
    return _PREFIX + hashlib.new(name, certificate).digest()
