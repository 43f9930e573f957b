"""A stand-in for Kiwi TCMS: the application that Apache runs with the system's Python.

It follows Kiwi TCMS 12.4 to 16.2 (``tcms/rpc/api``, ``tcms/utils/permissions.py``), django-modern-rpc 0.12, 1.1 and 2.1
(the answers to a call that nobody is logged in for), social-auth-kerberos 0.3 (the login by two pages),
social-auth-app-django 5.4 and 6.0 (the methods of the first page), and Django 4.2 (sessions, the CSRF check).

These facts were seen on a real Kiwi TCMS 12.4 and 16.2. The answer of 13 to 16.0, and the CSRF check of a POST, are
from the sources:

* Django takes the ticket, not Apache. It keeps the GSSAPI context in the memory of the process, under a name that is in
  the session, until the second page asks for it.
* A login that ends after the first page leaves its context. Each later login of the session then fails, until the
  client removes its cookies.
* Another process does not have the context. With several workers, the second page fails.
* The group Tester, to which each new user belongs, may call ``Version.filter``, but not ``User.filter``.
* A call without a session is HTTP 403 on 12.4, Fault -32603 on 13 to 16.0, and Fault -32098 on 16.2.
* From social-auth-app-django 6.0 on, the first page takes only POST.

The file ``kiwi.json`` beside this one chooses between these servers: see `SWITCHES`. There is no database: a user is
made of a principal, as social-auth-kerberos does it. ``bob`` belongs to the group Administrator, and all others to
Tester.
"""

import base64
import itertools
import json
import secrets
import sys
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit
from xmlrpc.client import Fault, dumps, loads

import gssapi

sys.dont_write_bytecode = True

FOLDER = Path(__file__).resolve().parent
SWITCHES = {
    "release": "16.2",  # or "16.0", which answers as 13 to 16.0 do, or "12.4"
    "post_only": False,  # whether the first page takes only POST
    "workers": 1,  # processes, which answer in turn
    "proof": True,  # whether the first page sends its token; the real one always does
}

VERSIONS = [
    {"id": 1, "value": "unspecified", "product": 1, "product__name": "Gadget"},
    {"id": 2, "value": "2.0", "product": 1, "product__name": "Gadget"},
    {"id": 3, "value": "1.0", "product": 2, "product__name": "Widget"},
]

sessions = {}
contexts = {}
"""The GSSAPI contexts: by worker, and by the name in the session."""
turns = itertools.count()


def application(environ, start_response):
    """Answer one request."""
    pages = {"/login/kerberos/": begin, "/complete/kerberos/": complete, "/xml-rpc/": answer_call}
    page = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if page not in pages:
        return answer(start_response, "404 Not Found", "text/html", b"<html>")
    switches = {**SWITCHES, **json.loads((FOLDER / "kiwi.json").read_text())}
    cookies = {name: morsel.value for name, morsel in SimpleCookie(environ.get("HTTP_COOKIE", "")).items()}
    worker = next(turns) % switches["workers"]
    return pages[page](environ, start_response, cookies, switches, contexts.setdefault(worker, {}))


def answer(start_response, status, content_type, body, *headers):
    """Send a reply."""
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers])
    return [body]


# -- the login ---------------------------------------------------------------------------------------------------------


def begin(environ, start_response, cookies, switches, known):
    """Take a ticket. Nobody is logged in by that; the second page does it."""
    method = environ["REQUEST_METHOD"]
    if method == "POST" and not is_from_own_page(environ, cookies):
        return answer(start_response, "403 Forbidden", "text/html", b"<html>CSRF verification failed.")
    if method != "POST" and switches["post_only"]:
        return answer(start_response, "405 Method Not Allowed", "text/html", b"", ("Allow", "POST"))
    key = cookies.get("sessionid")
    if key not in sessions:
        key = secrets.token_hex(16)
        sessions[key] = {}
    session = sessions[key]
    if "_krb5" not in session:
        session["_krb5"] = secrets.token_hex(8)
        known[session["_krb5"]] = None
    if "HTTP_AUTHORIZATION" not in environ:
        challenge = ("WWW-Authenticate", "Negotiate")
        return answer(
            start_response, "401 Unauthorized", "text/html", b"Authorization Required", challenge, cookie(key)
        )
    try:
        token = take_ticket(environ["HTTP_AUTHORIZATION"], session["_krb5"], known)
    except (ValueError, KeyError, gssapi.exceptions.GSSError):
        return answer(start_response, "500 Internal Server Error", "text/html", b"<html>")
    proof = [("WWW-Authenticate", f"Negotiate {base64.b64encode(token).decode()}")] if token else []
    target = f"https://{environ['HTTP_HOST']}/complete/kerberos/"
    return redirect(start_response, target, key, *(proof if switches["proof"] else []))


def is_from_own_page(environ, cookies):
    """Do Django's CSRF check: a cookie, the same value in a header, and a Referer of this server."""
    secret = cookies.get("csrftoken", "")
    is_secret = len(secret) == 32 and secret.isascii() and secret.isalnum()
    referer = urlsplit(environ.get("HTTP_REFERER", ""))
    is_own = (referer.scheme, referer.netloc) == ("https", environ["HTTP_HOST"])
    return is_secret and environ.get("HTTP_X_CSRFTOKEN") == secret and is_own


def take_ticket(authorization, name, known):
    """Give the client's token to the context of the session; return the token that goes back.

    If the context is complete, python-gssapi returns an error token for the next ticket, and fails for each later one.

    Raises:
        KeyError: the context is in another process.
        ValueError, gssapi.exceptions.GSSError: the token is wrong, or the context takes no more tokens.
    """
    scheme, token = authorization.split(" ")
    if scheme.lower() != "negotiate":
        raise ValueError("Negotiate scheme not found")
    if known[name] is None:
        store = {"keytab": str(FOLDER / "http.keytab")}
        known[name] = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept", store=store))
    return known[name].step(base64.b64decode(token.strip()))


def complete(environ, start_response, cookies, switches, known):
    """Log in the principal of the ticket. The session has another key from then on."""
    key = cookies.get("sessionid")
    context = known.pop(sessions.get(key, {}).get("_krb5"), None)
    if context is None or not context.complete:
        return answer(start_response, "500 Internal Server Error", "text/html", b"<html>context_id not found!")
    del sessions[key]
    key = secrets.token_hex(16)
    sessions[key] = {"user": str(context.initiator_name)}
    return redirect(start_response, "/", key)


def redirect(start_response, target, key, *headers):
    """Send to another page, with a cookie."""
    return answer(start_response, "302 Found", "text/html", b"", ("Location", target), cookie(key), *headers)


def cookie(key):
    """Return the header that gives the client a session."""
    return "Set-Cookie", f"sessionid={key}; HttpOnly; Max-Age=86400; Path=/; SameSite=Lax; Secure"


# -- calls -------------------------------------------------------------------------------------------------------------


class NotAllowed(Exception):
    """Nobody is logged in, or the user may not call the method. The real server does not tell these cases apart."""


def answer_call(environ, start_response, cookies, switches, known):
    """Answer a call."""
    if environ["REQUEST_METHOD"] != "POST":
        return answer(start_response, "405 Method Not Allowed", "text/html", b"", ("Allow", "OPTIONS, POST"))
    user = sessions.get(cookies.get("sessionid"), {}).get("user")
    status = "200 OK"
    try:
        params, method = loads(environ["wsgi.input"].read())
        body = dumps((call(user, method, params, switches["release"]),), methodresponse=True, allow_none=True)
    except NotAllowed:
        status, fault = REFUSALS[switches["release"]]
        body = dumps(Fault(fault[0], fault[1].format(method)))
    except Fault as fault:
        body = dumps(fault)
    except Exception as error:
        body = dumps(Fault(-32603, f"Internal error: {error}"))
    return answer(start_response, status, "application/xml", body.encode())


REFUSALS = {
    "12.4": ("403 Forbidden", (-32603, 'Internal error: Authentication failed when calling "{}"')),
    "16.0": ("200 OK", (-32603, 'Authentication failed when calling "{}"')),
    "16.2": ("200 OK", (-32098, 'Authentication failed when calling "{}"')),
}


def call(principal, method, params, release):
    """Carry out a call; return its result."""
    if method not in METHODS:
        raise Fault(-32601, f'Method not found: "{method}"')
    permission, function = METHODS[method]
    if principal is None or not may(principal, permission):
        raise NotAllowed
    return release if method == "KiwiTCMS.version" else function(principal, *params)


def may(principal, permission):
    """Say whether a user has a permission; None: each user has it."""
    apps = ["attachments", "bugs", "django_comments", "linkreference", "management"]
    apps += ["testcases", "testplans", "testruns"]
    return permission is None or principal.startswith("bob@") or permission.partition(".")[0] in apps


def filter_users(principal, query=None):
    """Return users; without a query, the caller."""
    email = principal.rpartition("/")[2].lower()
    user = {"email": email, "first_name": "", "id": 2, "is_active": True, "is_staff": True, "is_superuser": False}
    user.update(last_name="", username=email.partition("@")[0])
    return matching([user], query or {})


def filter_versions(principal, query):
    """Return versions of products."""
    return matching(VERSIONS, query)


def matching(rows, query):
    """Return the rows that a query asks for."""
    return [row for row in rows if all(row[field] == value for field, value in query.items())]


METHODS = {
    "KiwiTCMS.version": (None, None),
    "User.filter": ("auth.view_user", filter_users),
    "Version.filter": ("management.view_version", filter_versions),
}
