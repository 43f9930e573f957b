"""A stand-in for a Bugzilla server: the application that Apache runs with the system's Python, behind ``/bugzilla``.

It follows Bugzilla 5.0: the XML-RPC methods that the tests of python-bugzilla need, the numbers of their Faults
(``Bugzilla/WebService/Constants.pm``), and the parameter ``user_info_class = Env``, by which the web server's
REMOTE_USER is the user of a request. Nothing of it was seen on a real server.

A caller without REMOTE_USER is the user of its token (``User.login``), or nobody. The custom fields of each
bug tell which token and key the call carried, and which User-Agent it had.
"""

import secrets
import sys
from xmlrpc.client import Fault, dumps, loads

sys.dont_write_bytecode = True

PASSWORDS = {"guest@example.test": "password of guest"}

tokens = {}
bugs = {1: {"id": 1, "summary": "The coffee is cold", "status": "NEW", "creator": "guest@example.test"}}


def application(environ, start_response):
    """Answer one request."""
    if environ["PATH_INFO"] != "/xmlrpc.cgi":
        return answer(start_response, "404 Not Found", b"<html>")
    try:
        (parameters,), name = loads(environ["wsgi.input"].read())
        user = environ.get("REMOTE_USER") or tokens.get(parameters.get("Bugzilla_token"))
        parameters["User-Agent"] = environ["HTTP_USER_AGENT"]
        if name not in METHODS:
            raise Fault(-32601, f"Failed to locate method ({name}) in class (Bugzilla::WebService)")
        reply = dumps((METHODS[name](user, parameters),), methodresponse=True, allow_none=True)
    except Fault as fault:
        reply = dumps(fault)
    return answer(start_response, "200 OK", reply.replace("\r", "&#xd;").encode())


def answer(start_response, status, body):
    """Send a reply."""
    start_response(status, [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def version(user, parameters):
    """Tell Bugzilla's version."""
    return {"version": "5.0.6"}


def login(user, parameters):
    """Begin a session of a user with a password."""
    if PASSWORDS.get(parameters["login"]) != parameters["password"]:
        raise Fault(300, "The username or password you entered is not valid.")
    token = secrets.token_hex()
    tokens[token] = parameters["login"]
    return {"id": 1, "token": token}


def get_user(user, parameters):
    """Tell about users; a user may ask for users by number."""
    if user is None:
        raise Fault(505, "Logged-out users cannot use the 'ids' argument to this function to access any user data.")
    return {"users": [{"id": 1, "name": user, "real_name": user, "email": user}]}


def get_bugs(user, parameters):
    """Tell about bugs."""
    for number in parameters["ids"]:
        if int(number) not in bugs:
            raise Fault(101, f"Bug #{number} does not exist.")
    fields = {"cf_token": "Bugzilla_token", "cf_api_key": "Bugzilla_api_key", "cf_user_agent": "User-Agent"}
    custom = {field: parameters.get(name, "") for field, name in fields.items()}
    return {"bugs": [{**bugs[int(number)], **custom} for number in parameters["ids"]], "faults": []}


def create_bug(user, parameters):
    """File a bug."""
    if user is None:
        raise Fault(410, "You must log in before using this part of Bugzilla.")
    number = max(bugs) + 1
    bugs[number] = {"id": number, "summary": parameters["summary"], "status": "NEW", "creator": user}
    return {"id": number}


METHODS = {
    "Bugzilla.version": version,
    "User.login": login,
    "User.get": get_user,
    "Bug.get": get_bugs,
    "Bug.create": create_bug,
}
