"""Cookies as jars hold them."""

import uuid
from http.cookiejar import Cookie


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
