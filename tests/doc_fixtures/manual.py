"""For manual.rst: whom the proxy knows, and a client certificate."""

from servers import squid


def prepare(runner, request):
    """Give the names of user and password, which a document has no value for, and the certificate."""
    runner.names.update(user=squid.USER, password=squid.PASSWORD)

    def client_certificate():
        path = runner.folder / "client.pem"
        certificate = request.getfixturevalue("hub").ca.issue_cert("client@example.test")
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    runner.stand_ins.append(("/path/to/client.pem", client_certificate))
