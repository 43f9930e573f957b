"""A stand-in for Koji hubs: the application that Apache runs with the system's Python, behind ``/kojihub``.

It follows Koji's kojihub/kojixmlrpc.py (what is answered, and how), kojihub/auth.py (logins, sessions, the numbers of
calls) and koji/__init__.py (the numbers of errors). ``/kojihub`` is a hub of Koji 1.30 or later that wants the session
in headers only (DisableURLSessions); ``/kojihub-old`` is one before that, which wants it in the URL only.

There is no database: one user, who has the permission ``tag``, and what is changed is kept in memory. Sessions end when
the file ``sessions`` beside this one changes, not after a time.
"""

import itertools
import os
import secrets
import sys
import threading
from urllib.parse import parse_qs
from xmlrpc.client import Fault, dumps, loads

sys.dont_write_bytecode = True

GENERIC, AUTH, NOT_ALLOWED, EXPIRED, SEQUENCE, RETRY = 1000, 1002, 1004, 1007, 1008, 1009
CHANGING = ("createTag",)
AGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sessions")

lock = threading.Lock()
numbers = itertools.count(1)
sessions = {}
tags = []


def application(environ, start_response):
    """Answer one request."""
    if environ["REQUEST_METHOD"] != "POST":
        body = b"Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n"
        headers = [("Allow", "POST"), ("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("405 Method Not Allowed", headers)
        return [body]
    try:
        params, method = loads(environ["wsgi.input"].read())
        with lock:
            reply = dumps((call(environ, method, params),), methodresponse=True, allow_none=True)
    except Fault as fault:
        reply = dumps(fault)
    except Exception as error:
        reply = dumps(Fault(1, f"{type(error)}: {error}"))
    body = reply.encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Content-Type", "text/xml")])
    return [body]


def call(environ, method, params):
    """Carry out a call; return its result."""
    hub = "old" if environ["SCRIPT_NAME"] == "/kojihub-old" else "new"
    session, number = find_session(environ, hub, method)
    if method == "sslLogin":
        return log_in(environ, hub, session, *params)
    if method not in METHODS:
        raise Fault(GENERIC, f"Invalid method: {method}")
    result = METHODS[method](session, *params)
    if session is not None and method in CHANGING and number is not None:
        session["callnum"] = number  # it is kept only where the call has changed something
    return result


def find_session(environ, hub, method):
    """Return the session that a call belongs to, and the number of the call; None where it says none."""
    said = read_session(environ, hub)
    if said is None:
        return None, None
    session_id, key, number = said
    session = sessions.get(session_id)
    if session is None or (session["key"], session["hub"]) != (key, hub):
        raise Fault(AUTH, "Invalid session or bad credentials")
    if session["age"] != age():
        if method not in ("login", "sslLogin"):
            raise Fault(EXPIRED, f'session "{session_id}" has expired')
        return None, None
    return session, check_number(session, method, number)


def read_session(environ, hub):
    """Return what a call says of its session: its number, its key, and the number of the call."""
    if hub == "new":
        if "HTTP_KOJI_SESSION_ID" not in environ:
            return None
        number = environ.get("HTTP_KOJI_CALLNUM")
        return int(environ["HTTP_KOJI_SESSION_ID"]), environ["HTTP_KOJI_SESSION_KEY"], number
    if not environ["QUERY_STRING"]:
        return None
    said = parse_qs(environ["QUERY_STRING"], strict_parsing=True)
    for field in ("session-id", "session-key"):
        if field not in said:
            raise Fault(AUTH, f"'{field}' not specified in session args")
    return int(said["session-id"][0]), said["session-key"][0], said.get("callnum", [None])[0]


def check_number(session, method, number):
    """Return the number of a call, where it may be carried out."""
    if number is None:
        return None
    if not number.isdigit():
        raise Fault(AUTH, f"Invalid callnum: {number!r}")
    last = session["callnum"]
    if last is not None and last > int(number):
        raise Fault(SEQUENCE, f"{last} > {number} (session {session['id']})")
    if last == int(number):
        raise Fault(RETRY, f"unable to retry call {number} (method {method}) for session {session['id']}")
    return int(number)


def log_in(environ, hub, session, *params):
    """Begin a session for whom Apache has let in."""
    if session is not None:
        raise Fault(AUTH, "Already logged in")
    if params not in ((), (None,)):
        raise Fault(AUTH, f"{environ.get('REMOTE_USER')} is not authorized to login other users")
    if "REMOTE_USER" not in environ:
        raise Fault(AUTH, "could not verify client: None")
    session_id, key = next(numbers), f"1-{secrets.token_urlsafe(14)}"
    sessions[session_id] = {
        "id": session_id,
        "key": key,
        "hub": hub,
        "principal": environ["REMOTE_USER"],
        "callnum": None,
        "age": age(),
    }
    reply = {"session-id": session_id, "session-key": key}
    return reply if hub == "old" else {**reply, "header-auth": True}


def age():
    """Return what changes when the sessions so far are to end."""
    with open(AGE) as file:
        return file.read()


def log_out(session):
    """End a session."""
    if session is None:
        raise Fault(AUTH, "Not logged in")
    del sessions[session["id"]]


def get_logged_in_user(session):
    """Tell whose session it is."""
    if session is None:
        return None
    principal = session["principal"]
    name = principal.partition("@")[0]
    return {"id": 1, "name": name, "status": 0, "usertype": 0, "authtype": 2, "krb_principals": [principal]}


def create_tag(session, name):
    """Change something."""
    if session is None:
        raise Fault(NOT_ALLOWED, "tag permission required (user not logged in)")
    if name in tags:
        raise Fault(GENERIC, f"A tag with the name '{name}' already exists")
    tags.append(name)
    return tags.index(name) + 1


METHODS = {
    "createTag": create_tag,
    "echo": lambda session, *arguments: list(arguments),
    "getAPIVersion": lambda session: 1,
    "getLoggedInUser": get_logged_in_user,
    "logout": log_out,
}
