"""For kobo.rst: a hub of kobo's, and its worker."""

import warnings

import kobo.client
import kobo.worker.taskmanager
from servers.kobohub import WORKER

CA = "/path/to/ca.pem"


def prepare(runner, request):
    """Have the hub of the page be one of kobo's, and put kobo's worker back in order behind it."""
    hub, monkeypatch = request.getfixturevalue("kobo_hub"), request.getfixturevalue("monkeypatch")
    runner.stand_ins[:0] = [
        ("https://hub.example.com/hub/xmlrpc", hub.hub_url("page")),
        ("/hub/auth/krb5login/", "/page/hub/auth/krb5login/"),
        (CA, hub.cafile),
        ("/etc/hub/builder.keytab", hub.worker_keytab),
        ("builder.example.com", WORKER),
    ]
    monkeypatch.setattr(kobo.worker.taskmanager, "HubProxy", kobo.client.HubProxy)

    # Names that a block takes for others leave connections to the collector.
    ignoring = warnings.catch_warnings()
    ignoring.__enter__()
    request.addfinalizer(lambda: ignoring.__exit__(None, None, None))
    warnings.simplefilter("ignore", ResourceWarning)
