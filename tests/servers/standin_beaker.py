"""A stand-in for a Beaker server: the application that Apache runs with the system's Python, behind ``/bkr``.

It follows Beaker 29.1: ``authentication.py``, ``identity.py`` and ``xmlrpccontroller.py`` of ``Server/bkr/server``, and
the commented-out section for GSSAPI in ``Server/apache/beaker-server.conf``. It was read in the source, not seen on a
real server:

* Apache authenticates ``/bkr/login`` only. A caller with a ticket gets a token in the cookie ``beaker_auth_token``.
* Each reply has a new token, or ``deleted`` if the caller is anonymous.
* Methods for users answer anonymous callers with a Fault, before they run.
* The same token is for REST: ``/bkr/users/+self`` tells about the caller. The command ``bkr`` uses it.
* ``auth.login_krbv`` takes a bare Kerberos AP-REQ, and returns no proof of the server.

The stand-in has one user besides the principals of the realm: ``guest``, who has the permission ``proxy_auth``.
"""

import base64
import ctypes
import json
import os
import secrets
import sys
from http.cookies import SimpleCookie
from xmlrpc.client import Fault, dumps, loads

sys.dont_write_bytecode = True

COOKIE = "beaker_auth_token"
KEYTAB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http.keytab")
PASSWORDS = {"guest": "password of guest"}

users = {}
"""The users by their tokens."""


def application(environ, start_response):
    """Answer one request."""
    page = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if page == "/bkr/login":
        user = environ["REMOTE_USER"].partition("@")[0]
        return answer(start_response, "302 Found", b"", user, ("Location", "/bkr/"))
    cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    caller = Caller(users.get(cookies[COOKIE].value) if COOKIE in cookies else None)
    if page == "/bkr/users/+self":
        status = "401 Unauthorized" if caller.user is None else "200 OK"
        return answer(start_response, status, json.dumps(caller.attributes()).encode(), caller.user)
    if page != "/bkr/client/":
        return answer(start_response, "404 Not Found", b"<html>", None)
    try:
        reply = dumps((caller.call(environ["wsgi.input"].read()),), methodresponse=True, allow_none=True)
    except Fault as fault:
        reply = dumps(fault)
    except Exception as error:
        reply = dumps(Fault(1, f"{type(error)}:{error}"))
    return answer(start_response, "200 OK", reply.encode(), caller.user)


def answer(start_response, status, body, user, *headers):
    """Send a reply, with a new token for a user."""
    token = "deleted"
    if user is not None:
        token = secrets.token_hex()
        users[token] = user
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body))), *headers]
    start_response(status, [*headers, ("Set-Cookie", f"{COOKIE}={token}; Max-Age=86400; Path=/")])
    return [body]


class Caller:
    """The caller of a request. A login changes its user."""

    def __init__(self, user):
        self.user = user

    def attributes(self):
        """Tell about the caller, for REST."""
        return {"user_name": self.user, "email_address": f"{self.user}@example.test"}

    def call(self, body):
        """Make a call; return its value."""
        arguments, name = loads(body)
        methods = {
            "auth.renew_session": self.renew_session,
            "auth.login_password": self.login_password,
            "auth.login_krbv": self.login_krbv,
            "auth.logout": self.logout,
            "auth.who_am_i": self.who_am_i,
            "jobs.upload": self.upload,
        }
        if name not in methods:
            raise Fault(1, f"XML-RPC method {name} not implemented by this server")
        return methods[name](*arguments)

    def renew_session(self):
        """Say whether the caller has to log in."""
        return self.user is None

    def login_password(self, user, password, proxy_user=None):
        """Log in with a password."""
        if PASSWORDS.get(user) != password:
            raise Fault(1, "<class 'bkr.server.authentication.LoginException'>:Invalid username or password")
        self.user = proxy_user or user
        return self.user

    def login_krbv(self, request, proxy_user=None):
        """Log in with an AP-REQ."""
        user = client_of(base64.b64decode(request)).partition("@")[0]
        if proxy_user:
            error = f"{user} does not have proxy_auth permission"
            raise Fault(1, f"<class 'bkr.server.authentication.LoginException'>:{error}")
        self.user = user
        return user

    def logout(self):
        """End the session."""
        self.user = None
        return True

    def who_am_i(self):
        """Tell who the caller is."""
        self.require(self.user, "Anonymous access denied")
        return {"username": self.user, "email_address": f"{self.user}@example.test"}

    def upload(self, job):
        """Take a job; this needs a permission that all users have here."""
        self.require(self.user, "Please log in")
        return f"J:{len(job)}"

    @staticmethod
    def require(condition, words):
        """Refuse the call if the condition is false."""
        if not condition:
            raise Fault(1, f"<class 'bkr.server.identity.IdentityFailure'>: {words}")


def client_of(request):
    """Verify an AP-REQ (RFC 4120, section 5.5.1) with the server's keytab; return the client principal."""
    krb5 = ctypes.CDLL("libkrb5.so.3")
    context, keytab, exchange, found = (ctypes.c_void_p() for _ in range(4))
    data, name = Data(0, len(request), request), ctypes.c_char_p()

    def check(code):
        if code:
            raise ValueError(f"krb5 error {code}")

    check(krb5.krb5_init_context(ctypes.byref(context)))
    try:
        check(krb5.krb5_kt_resolve(context, KEYTAB.encode(), ctypes.byref(keytab)))
        check(krb5.krb5_rd_req(context, ctypes.byref(exchange), ctypes.byref(data), None, keytab, None, None))
        check(krb5.krb5_auth_con_getauthenticator(context, exchange, ctypes.byref(found)))
        principal = ctypes.cast(found, ctypes.POINTER(Authenticator)).contents.client
        check(krb5.krb5_unparse_name(context, ctypes.c_void_p(principal), ctypes.byref(name)))
        return name.value.decode()
    finally:
        krb5.krb5_free_context(context)


class Data(ctypes.Structure):
    """``krb5_data``."""

    _fields_ = [("magic", ctypes.c_int), ("length", ctypes.c_uint), ("data", ctypes.c_char_p)]


class Authenticator(ctypes.Structure):
    """The beginning of ``krb5_authenticator``."""

    _fields_ = [("magic", ctypes.c_int), ("client", ctypes.c_void_p)]
