"""For command-line.rst: Koji's hub, and the file that names hubs."""


def prepare(runner, request):
    """Have the page find Koji's hub, and write its ``hubs.ini``."""
    runner.stand_ins[:0] = [("https://koji.example.com/kojihub", request.getfixturevalue("servers").url("/kojihub"))]
    request.getfixturevalue("monkeypatch").delenv("XDG_CONFIG_HOME", raising=False)
    hubs = runner.folder / ".config/krbxmlrpc/hubs.ini"

    def define(block):
        hubs.parent.mkdir(parents=True)
        hubs.write_text(block.text)
        hubs.chmod(0o600)

    runner.languages["ini"] = define
