"""For the pages of the guide: a user of the proxy, and a client certificate."""

from servers import squid


def prepare(runner, request):
    """Give the user of the proxy, and the file of the client certificate."""
    runner.names.update(user=squid.USER, password=squid.PASSWORD)

    def client_certificate():
        path = runner.folder / "client.pem"
        certificate = request.getfixturevalue("hub").ca.issue_cert("client@example.test")
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    runner.stand_ins.append(("/path/to/client.pem", client_certificate))
