"""A client in the manner of Beaker's ``bkr.common.hub.HubProxy``, which is on no package index."""

import base64
from urllib.parse import urlsplit
from xmlrpc.client import ServerProxy

import gssapi


class HubProxy:
    """Makes calls, and logs in by the method that AUTH_METHOD names.

    Args:
        conf: the configuration, a dictionary.
        transport: the transport of the calls.
        auto_login: whether to log in at once.
    """

    def __init__(self, conf, transport=None, auto_login=True):
        self._conf = conf
        self._transport = transport
        self._hub_url = conf["HUB_URL"]
        self._hub = ServerProxy(f"{self._hub_url}/client/", transport, allow_none=True)
        if auto_login:
            self._login()

    def __getattr__(self, name):
        return getattr(self._hub, name)

    def _login(self):
        method = self._conf.get("AUTH_METHOD", "krbv")
        if method != "none":
            getattr(self, f"_login_{method}")()

    def _login_password(self):
        self._hub.auth.login_password(self._conf["USERNAME"], self._conf["PASSWORD"], self._conf.get("PROXY_USER"))

    def _login_krbv(self):
        """Pass a bare AP-REQ as an argument. By ``dce_style``, GSSAPI leaves out the header of its token."""
        host = urlsplit(self._hub_url).hostname
        service = gssapi.Name(f"HTTP/{host}@{self._conf['KRB_REALM']}", gssapi.NameType.kerberos_principal)
        flags = gssapi.RequirementFlag.mutual_authentication | gssapi.RequirementFlag.dce_style
        request = gssapi.SecurityContext(name=service, flags=flags, usage="initiate").step()
        self._hub.auth.login_krbv(base64.encodebytes(request).decode(), self._conf.get("PROXY_USER"))
