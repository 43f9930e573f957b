"""For moving.rst: what the other clients need to be run here."""

import warnings

from bugzilla import _backendxmlrpc
from kobo.xmlrpc import SafeCookieTransport
from tcms_api.xmlrpc import TCMSKerbXmlrpc

from . import trust_all


def prepare(runner, request):
    """Have kobo find its service, tcms-api its configuration and its server, and python-bugzilla its server."""
    hub, monkeypatch = request.getfixturevalue("hub"), request.getfixturevalue("monkeypatch")
    runner.stand_ins.insert(0, ("https://tcms.example.com", hub.url("")))
    runner.languages["ini"] = lambda block: (runner.folder / ".tcms.conf").write_text(block.text)

    # The page says of kobo that it asks for a service with the port in its name. That is there only for port 443.
    asked = SafeCookieTransport._kerberos_client_request
    monkeypatch.setattr(
        SafeCookieTransport,
        "_kerberos_client_request",
        lambda self, host, *facts: asked(self, host.partition(":")[0], *facts),
    )

    # Bugzilla is among the stand-ins, whose Apache has a CA of its own. The page replaces python-bugzilla's transport.
    standins = request.getfixturevalue("servers")
    runner.stand_ins.insert(0, ("https://bugzilla.example.com/", standins.url("/bugzilla/")))
    trust_all(runner, monkeypatch, hub, standins)
    monkeypatch.setattr(_backendxmlrpc, "_BugzillaXMLRPCTransport", _backendxmlrpc._BugzillaXMLRPCTransport)

    # The hub's cookie has another name than Kiwi TCMS's.
    monkeypatch.setattr(TCMSKerbXmlrpc, "session_cookie_name", "member")

    # They leave connections to the collector.
    ignoring = warnings.catch_warnings()
    ignoring.__enter__()
    request.addfinalizer(lambda: ignoring.__exit__(None, None, None))
    warnings.simplefilter("ignore", ResourceWarning)
    request.addfinalizer(TCMSKerbXmlrpc.transport.close)
