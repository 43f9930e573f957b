"""The hub: the XML-RPC application that Apache runs with the system's Python, without other packages.

A query asks for special replies: ``status=503``, ``location=…`` to go with it, ``chunked=1``, ``type=text/html``, and
``page=1`` for a page in place of XML-RPC.

``/login``, which Apache protects, begins a session, as many hubs do: it sets a cookie and points to another page.
``/member`` is for those who have one, and Apache does not protect it. ``/login/kerberos/`` and ``/xml-rpc/`` are the
same, where Kiwi TCMS has them.

The call ``sample(kind, length)`` has a large reply (`samples`).

Below ``/pulp/api``, in each of its paths, there is no XML-RPC, but repositories as Pulp 2 has them: JSON and statuses.
"""

import gzip
import json
import os
import secrets
import sys
from http.cookies import SimpleCookie
from urllib.parse import parse_qs
from xmlrpc.client import Fault, gzip_decode
from xmlrpc.server import SimpleXMLRPCDispatcher

import samples  # Apache has this folder in its path

EXECUTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "executed")

LOGINS = {"/login": "/member", "/login/kerberos/": "/xml-rpc/"}
"""Pages that begin a session, and for which page that is."""

sessions = {}
repositories = {}


def application(environ, start_response):
    """Answer one request."""
    page = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if page in LOGINS:
        return log_in(environ, start_response, LOGINS[page])
    if page.partition("/pulp/")[0] in LOGINS.values():
        cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
        environ["member"] = cookies["member"].value if "member" in cookies else None
        if environ["member"] not in sessions:
            start_response("401 log in first", [("Content-Length", "0")])
            return [b""]
        environ["REMOTE_USER"] = sessions[environ["member"]]
    if "/pulp/api" in page:
        return repository(environ, page.partition("/pulp/api")[2], start_response)
    return call(environ, start_response)


def repository(environ, path, start_response):
    """Answer a request of a client of Pulp 2: ``/v2/repositories/``, one of them, or ``/v2/broken/STATUS/``."""
    method, name = environ["REQUEST_METHOD"], path.strip("/").rpartition("/")[2]
    body = environ["wsgi.input"].read()
    headers = [("Content-Type", "application/json; charset=utf-8")]
    if path.startswith("/v2/broken/"):
        return answer(start_response, name, [("Content-Type", "text/html")], b"<html>broken</html>", environ)
    if path.startswith("/v2/uploads/"):
        return answer(start_response, "200", headers, json.dumps(len(body)).encode(), environ)
    if name != "repositories" and method != "POST" and name not in repositories:
        error = {"http_request_method": method, "http_status": 404, "error_message": f"Missing: {name}", "_href": path}
        return answer(start_response, "404", headers, json.dumps(error).encode(), environ)
    status, value = "200", None
    if name == "repositories" and method == "POST":
        value = {**json.loads(body), "made_by": environ["REMOTE_USER"], "_href": path}
        status, repositories[value["id"]] = "201", value
    elif name == "repositories":
        value = sorted(repositories)
    elif method == "PUT":
        repositories[name].update(json.loads(body)["delta"])
        value = repositories[name]
    elif method == "DELETE":
        del repositories[name]
        status, value = "202", {"spawned_tasks": [{"task_id": "1"}], "result": None}
    else:
        value = repositories[name]
    return answer(start_response, status, headers, json.dumps(value, ensure_ascii=False).encode(), environ)


def answer(start_response, status, headers, body, environ):
    """Send an answer to a client of Pulp."""
    body = compressed(body, headers, environ)
    if status == "204":
        body = b""
    else:
        headers.append(("Content-Length", str(len(body))))
    start_response(status + " said the hub", headers)
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


def log_in(environ, start_response, page):
    """Begin a session for whom Apache has let in; ``path=…`` in the query is for the cookie."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    session = secrets.token_hex()
    sessions[session] = environ["REMOTE_USER"]
    headers = [("Location", page), ("Content-Length", "0")]
    for path in query.get("path", [page]):
        headers.append(("Set-Cookie", f"member={session}; Path={path}; HttpOnly"))
    start_response("301 welcome", headers)
    return [b""]


def call(environ, start_response):
    """Answer a call."""
    query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    body = environ["wsgi.input"].read()
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = gzip_decode(body)
    sample = samples.reply_to(body)
    if sample is not None:
        return send_sample(environ, start_response, sample)
    headers = [("Content-Type", query.get("type", "text/xml"))]
    if "location" in query:
        headers.append(("Location", query["location"]))
    if query.get("status", "200") != "200":
        reply = b"<html>" + b"no values here " * int(query.get("long", "1")) + b"</html>"
    elif "page" in query:
        reply = b"<!DOCTYPE html>\n<html><body><form>log in<br></form></body></html>"
    else:
        reply = dispatcher(environ)._marshaled_dispatch(body)
    reply = compressed(reply, headers, environ)
    if "chunked" not in query:
        headers.append(("Content-Length", str(len(reply))))
    start_response(query.get("status", "200") + " said the hub", headers)
    return [reply]


def send_sample(environ, start_response, sample):
    """Send a prepared reply: the server's share of a large call is small, so that the client's share shows."""
    headers = [("Content-Type", "text/xml")]
    body = sample.plain
    if sample.zipped is not None and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        body = sample.zipped
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    start_response("200 OK", headers)
    return [body]


def compressed(body, headers, environ):
    """Return a body, compressed where that pays; the headers then say so."""
    if len(body) > 1400 and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        body = gzip.compress(body, 1)
        headers.append(("Content-Encoding", "gzip"))
    return body


def dispatcher(environ):
    """Return the methods that can be called, for one request."""
    methods = SimpleXMLRPCDispatcher(allow_none=True)
    methods.register_introspection_functions()
    methods.register_multicall_functions()

    def whoami():
        return environ.get("REMOTE_USER", "nobody")

    def echo(value):
        return value

    def header(name):
        return environ.get("HTTP_" + name.upper().replace("-", "_"))

    def delegated():
        return os.path.exists(environ.get("KRB5CCNAME", "").replace("FILE:", "") or "/nowhere")

    def fail(code, text):
        raise Fault(code, text)

    def execute(key, data="done"):
        with open(os.path.join(EXECUTED, key), "ab") as executions:
            executions.write(b"x")
        return data

    def log_out():
        return sessions.pop(environ["member"], "nobody")

    for method in (whoami, echo, header, delegated, fail, execute, log_out, size, codes, decimal, samples.text):
        methods.register_function(method)
    return methods


def size(value):
    """Return the length of a value: a large call with a small reply."""
    return len(value)


def codes(value):
    """Return the numbers of a text's characters: a reply's XML would not tell carriage returns from line feeds."""
    return [ord(character) for character in value]


def decimal(value):
    """Return an integer as text: `xmlrpc.server` reads integers of 64 bits, but cannot send them."""
    return str(value)


sys.dont_write_bytecode = True
