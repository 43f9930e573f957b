"""For koji.rst: a hub of Koji's, and a profile for its command line."""

CONFIGURATION = """[koji]
server = {url}
serverca = {cafile}
authtype = kerberos
"""


def prepare(runner, request):
    """Let the hub of the page be the stand-in of the newest release."""
    servers = request.getfixturevalue("servers")
    url = servers.url("/kojihub")
    runner.stand_ins[:0] = [
        ("https://koji.example.com/kojihub", url),
        ("/path/to/ca.pem", servers.cafile),
    ]
    request.getfixturevalue("monkeypatch").setenv("SSL_CERT_FILE", servers.cafile)
    (runner.folder / ".koji").mkdir()
    (runner.folder / ".koji" / "config").write_text(CONFIGURATION.format(url=url, cafile=servers.cafile))
