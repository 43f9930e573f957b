"""A stand-in for Kiwi TCMS: the application that Apache runs with the system's Python.

It follows social_auth_kerberos/backend.py of python-social-auth-kerberos (the login by two pages), Django's sessions
(``login`` gives a session that was nobody's a new key), the permissions of user.py, version.py and kiwitcms.py in Kiwi
TCMS's tcms/rpc/api/, and exceptions.py of django-modernrpc (the faults). That backend accepts tickets itself; here
Apache does, for ``/login/kerberos/`` only. There is no database: a user is made of a principal, as the backend does it.
"""

import secrets
import sys
from http.cookies import SimpleCookie
from xmlrpc.client import Fault, dumps, loads

sys.dont_write_bytecode = True

VERSIONS = [
    {"id": 1, "value": "unspecified", "product": 1, "product__name": "Gadget"},
    {"id": 2, "value": "2.0", "product": 1, "product__name": "Gadget"},
    {"id": 3, "value": "1.0", "product": 2, "product__name": "Widget"},
]

sessions = {}


def application(environ, start_response):
    """Answer one request."""
    pages = {"/login/kerberos/": begin, "/complete/kerberos/": complete, "/xml-rpc/": answer_call}
    page = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if page not in pages:
        return answer(start_response, "404 Not Found", "text/html", b"<html>")
    cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
    key = cookies["sessionid"].value if "sessionid" in cookies else None
    return pages[page](environ, start_response, key)


def answer(start_response, status, content_type, body, *headers):
    """Send a reply."""
    start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers])
    return [body]


def begin(environ, start_response, key):
    """Take the ticket's owner into a session, which need not be new; nobody is logged in by that."""
    if key not in sessions:
        key = secrets.token_hex(16)
    sessions[key] = {**sessions.get(key, {}), "krb5": environ["REMOTE_USER"]}
    return redirect(start_response, "/complete/kerberos/", key)


def complete(environ, start_response, key):
    """Log in whose ticket it was; the session has another key from then on."""
    session = sessions.pop(key, {})
    if "krb5" not in session:
        return answer(start_response, "500 Internal Server Error", "text/html", b"<html>context_id not found!")
    key = secrets.token_hex(16)
    sessions[key] = {"user": session["krb5"]}
    return redirect(start_response, "/", key)


def redirect(start_response, target, key):
    """Send to another page, with a cookie."""
    cookie = f"sessionid={key}; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax; Secure"
    return answer(start_response, "302 Found", "text/html", b"", ("Location", target), ("Set-Cookie", cookie))


def answer_call(environ, start_response, key):
    """Answer a call, by whomever."""
    if environ["REQUEST_METHOD"] != "POST":
        return answer(start_response, "405 Method Not Allowed", "text/html", b"", ("Allow", "OPTIONS, POST"))
    try:
        params, method = loads(environ["wsgi.input"].read())
        body = dumps((call(sessions.get(key, {}).get("user"), method, params),), methodresponse=True, allow_none=True)
    except Fault as fault:
        body = dumps(fault)
    except Exception as error:
        body = dumps(Fault(-32603, f"Internal error: {error}"))
    return answer(start_response, "200 OK", "application/xml", body.encode())


def call(principal, method, params):
    """Carry out a call; return its result."""
    if method not in METHODS:
        raise Fault(-32601, f'Method not found: "{method}"')
    if principal is None:
        raise Fault(-32603, f'Authentication failed when calling "{method}"')
    return METHODS[method](principal, *params)


def user_filter(principal, query=None):
    """Return users; without a query, who calls."""
    email = principal.rpartition("/")[2].lower()
    user = {"email": email, "first_name": "", "id": 2, "is_active": True, "is_staff": False, "is_superuser": False}
    user.update(last_name="", username=email.partition("@")[0])
    return matching([user], query or {})


def matching(rows, query):
    """Return the rows that a query is for."""
    return [row for row in rows if all(row[field] == value for field, value in query.items())]


METHODS = {
    "KiwiTCMS.version": lambda principal: "15.0",
    "User.filter": user_filter,
    "Version.filter": lambda principal, query: matching(VERSIONS, query),
}
