"""For README.rst: what is on the pages that it shows something of."""

from . import kobo, pulp


def prepare(runner, request):
    """Have kobo's hub under a name of its own, and Pulp's under its."""
    pulp.prepare(runner, request)
    hub = request.getfixturevalue("kobo_hub")
    runner.stand_ins[:0] = [("https://kobo.example.com/hub/xmlrpc", hub.hub_url("readme")), (kobo.CA, hub.cafile)]
    request.getfixturevalue("monkeypatch").delenv("XDG_CONFIG_HOME", raising=False)
    hubs = runner.folder / ".config/krbxmlrpc/hubs.ini"

    def define(block):
        hubs.parent.mkdir(parents=True)
        hubs.write_text(block.text)
        hubs.chmod(0o600)

    runner.languages["ini"] = define
