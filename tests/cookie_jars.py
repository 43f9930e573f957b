"""Cookies as jars hold them."""

import uuid
from http.cookiejar import Cookie

from krbxmlrpc._kerberos.identity import Owner
from krbxmlrpc._negotiate.cookies import CookieStore

USER = "user@REALM"


class Somebody:
    """The identity of a transport that acts as `USER`, until it becomes somebody else."""

    def __init__(self, principal=USER, is_asked=False):
        self._is_asked = is_asked
        self.become(principal)

    def become(self, principal):
        """Act as another principal from now on."""
        self.owner = Owner(principal, self._is_asked, None, lambda: None)

    def look(self):
        """Return the present owner."""
        return self.owner


def store_of(jar=None, identity=None):
    """Return the cookies of a transport that acts as `USER`, or has another identity."""
    return CookieStore(jar, identity or Somebody())


def cookie(name="session", value="secret", domain="localhost.local", path="/", **attributes):
    """Return a cookie as a jar holds it."""
    fields = {"version": 0, "port": None, "port_specified": False, "domain_specified": False, "secure": False}
    fields.update(domain_initial_dot=False, path_specified=True, expires=None, discard=True, comment=None)
    fields.update(comment_url=None, rest={}, **attributes)
    return Cookie(name=name, value=value, domain=domain, path=path, **fields)


def garble(jar):
    """Make the cookies of a jar ones that no server knows."""
    for held in list(jar):
        jar.set_cookie(cookie(held.name, uuid.uuid4().hex, held.domain, held.path))
