"""An Apache that asks for client certificates."""

from .apache import Apache


class ClientCertificates(Apache):
    """The Apache, from the call of `start` to that of `stop`.

    Attributes:
        ports: beside ``https``, which asks on some paths only, ``required``, which wants a certificate for each
            connection; and both with TLS 1.2, where it asks otherwise: ``paths12`` and ``required12``.
    """

    configuration = "client_certificates.conf"
    listeners = ["https", "http", "required", "required12", "paths12"]
