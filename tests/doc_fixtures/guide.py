"""For the pages of the guide: the names that they all use, a user of the proxy, and a client certificate."""

from xmlrpc.client import MultiCall, ServerProxy

from servers import squid

import krbxmlrpc


def prepare(runner, request):
    """Give the names that the pages do not define."""
    runner.names.update({name: getattr(krbxmlrpc, name) for name in krbxmlrpc.__all__ if name != "ServerProxy"})
    runner.names.update(
        ServerProxy=ServerProxy, MultiCall=MultiCall, url=runner.replaced("https://hub.example.com/xmlrpc")
    )
    runner.names.update(user=squid.USER, password=squid.PASSWORD)

    def client_certificate():
        path = runner.folder / "client.pem"
        certificate = request.getfixturevalue("hub").ca.issue_cert("client@example.test")
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    runner.stand_ins.append(("/path/to/client.pem", client_certificate))
