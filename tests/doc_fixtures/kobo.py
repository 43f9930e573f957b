"""For kobo.rst: a hub of kobo's, and its worker; a stand-in for Beaker, and modules named as in Beaker's client."""

import sys
import types
import warnings

import beaker_client
import kobo.client
import kobo.worker.taskmanager
from servers.kobohub import WORKER

from . import trust_all

CA = "/path/to/ca.pem"


def prepare(runner, request):
    """Have the page find its hub, Beaker and Beaker's client, and put kobo's worker back in order behind it."""
    hub, monkeypatch = request.getfixturevalue("kobo_hub"), request.getfixturevalue("monkeypatch")
    runner.stand_ins[:0] = [
        ("https://hub.example.com/hub/xmlrpc", hub.hub_url("page")),
        ("/hub/auth/krb5login/", "/page/hub/auth/krb5login/"),
        (CA, hub.cafile),
        ("/etc/hub/builder.keytab", hub.worker_keytab),
        ("builder.example.com", WORKER),
    ]
    monkeypatch.setattr(kobo.worker.taskmanager, "HubProxy", kobo.client.HubProxy)

    standins = request.getfixturevalue("servers")
    runner.stand_ins.insert(0, ("https://beaker.example.com/bkr", standins.url("/bkr")))
    trust_all(runner, monkeypatch, hub, standins)
    for name in ("bkr", "bkr.common", "bkr.common.hub", "bkr.client", "bkr.client.command"):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, attribute = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], attribute, module)
    sys.modules["bkr.common.hub"].HubProxy = beaker_client.HubProxy

    # Names that a block takes for others leave connections to the collector.
    ignoring = warnings.catch_warnings()
    ignoring.__enter__()
    request.addfinalizer(lambda: ignoring.__exit__(None, None, None))
    warnings.simplefilter("ignore", ResourceWarning)
