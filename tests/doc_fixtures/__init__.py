"""What the code blocks of the documents meet: real servers, under the names that the documents have for them.

That is the same for all documents, and stands here. A document that needs more has a module of its name beside this
one, ``doc_fixtures/kobo.py`` for ``kobo.rst``, with a function ``prepare(runner, request)`` that adds to the
`doc_runner.Runner`; `request` is pytest's, for fixtures: ``request.getfixturevalue("squid")``.
"""

import importlib.util
from pathlib import Path
from urllib.parse import urlsplit

from doc_runner import ROOT, Runner

PEOPLE = {"robot": "robot-of-the-documents", "alice": "alice-of-the-documents"}
"""The principals of the documents, and who they are in the realm, where other tests have an alice of their own."""


def runner(document, request, folder):
    """Return what runs the blocks of a document, in an environment of its own: the ticket, the files, what is trusted.

    Args:
        document: its path. A page has the module of its name. The pages in a folder share the module of the folder.
        request: pytest's.
        folder: an empty one.
    """
    monkeypatch = request.getfixturevalue("monkeypatch")
    realm, hub = request.getfixturevalue("realm"), request.getfixturevalue("hub")
    request.getfixturevalue("user")
    environment = {"KRB5CCNAME": f"FILE:{folder}/ccache", "HOME": str(folder)}
    realm.kinit(realm.user_princ, realm.password("user"), env={**realm.env, **environment})
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        environment[name] = hub.cafile
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    made = Runner(folder)
    made.answer = realm.password("user") + "\n"
    made.stand_ins += stand_ins(request)
    name = (document.stem if document.parent in (ROOT, ROOT / "docs") else document.parent.name).replace("-", "_")
    if importlib.util.find_spec(f"doc_fixtures.{name}"):
        importlib.import_module(f"doc_fixtures.{name}").prepare(made, request)
    return made


def stand_ins(request):
    """Return what stands for what, in this order; a fixture is asked for only where a document has what it is for."""
    hub, realm = request.getfixturevalue("hub"), request.getfixturevalue("realm")
    at = urlsplit(hub.url())

    def person(name):
        return lambda: request.getfixturevalue("people")[name]

    def proxy():
        squid = request.getfixturevalue("squid")
        return f"{squid.host}:{squid.ports['known']}"

    return [
        # A hub that has a login page, and leaves the rest to its application.
        ("https://hub.example.com/hub/xmlrpc", hub.url("/member")),
        ("/hub/auth/login/", "/login"),
        ("/hub/api/", "/xmlrpc/pulp/api/v2/"),
        # One that takes a password, too.
        ("https://hub.example.com/hub/", hub.url("/negotiate-or-basic")),
        ("Example Realm", "hub, Negotiate realm"),
        # The same machine by another name than that of its service.
        ("https://node1.example.com", hub.url("", host="127.0.0.1")),
        ("https://hub.example.com", hub.url("")),
        ('"hub.example.com"', f'"{at.netloc}"'),
        ("@hub.example.com", f"@{at.hostname}"),
        ("proxy.example.com:3128", proxy),
        ("/path/to/ca.pem", hub.cafile),
        ("/etc/hub/robot.keytab", person("robot.keytab")),
        ("DIR:/run/user/1000/krb5cc", person("alice.ccache")),
        *[(f"{name}@EXAMPLE.COM", f"{stand_in}@{realm.realm}") for name, stand_in in PEOPLE.items()],
        ("EXAMPLE.COM", realm.realm),
    ]


def trust_all(runner, monkeypatch, *apaches):
    """Have the blocks trust several Apaches, each of which has a CA of its own."""
    cafile = runner.folder / "cas.pem"
    cafile.write_text("".join(Path(apache.cafile).read_text() for apache in apaches))
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(cafile))
