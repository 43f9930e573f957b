"""An Apache that asks for client certificates."""

from .apache import Apache


class ClientCertificates(Apache):
    """The Apache, from the call of `start` to that of `stop`.

    Attributes:
        ports: the port of each listener. ``https`` asks for a certificate on some paths only. ``required`` wants one
            for each connection. ``paths12`` and ``required12`` do the same with TLS 1.2, in which servers ask in
            another way.
    """

    configuration = "client_certificates.conf"
    listeners = ["https", "http", "required", "required12", "paths12"]
