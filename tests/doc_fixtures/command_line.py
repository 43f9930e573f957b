"""For README.rst: the hubs of the pages from which README shows something."""

from . import kobo, pulp


def prepare(runner, request):
    """Start the hubs of kobo, Koji and Pulp."""
    pulp.prepare(runner, request)
    hub, servers = request.getfixturevalue("kobo_hub"), request.getfixturevalue("servers")
    runner.stand_ins[:0] = [
        ("https://kobo.example.com/hub/xmlrpc", hub.hub_url("readme")),
        (kobo.CA, hub.cafile),
        ("https://koji.example.com/kojihub", servers.url("/kojihub")),
        ("/path/to/koji-ca.pem", servers.cafile),
    ]
    request.getfixturevalue("monkeypatch").delenv("XDG_CONFIG_HOME", raising=False)
    hubs = runner.folder / ".config/krbxmlrpc/hubs.ini"

    def define(block):
        hubs.parent.mkdir(parents=True)
        hubs.write_text(block.text)
        hubs.chmod(0o600)

    runner.languages["ini"] = define
