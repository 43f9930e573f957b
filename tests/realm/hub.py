"""The hub: the XML-RPC application that Apache runs with the system's Python, without other packages.

A query asks for special replies: ``status=503``, ``location=…`` to go with it, ``chunked=1``, ``type=text/html``.
"""

import gzip
import os
import sys
from urllib.parse import parse_qs
from xmlrpc.client import Fault, gzip_decode
from xmlrpc.server import SimpleXMLRPCDispatcher


def application(environ, start_response):
    """Answer one request."""
    query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
    body = environ["wsgi.input"].read()
    if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = gzip_decode(body)
    headers = [("Content-Type", query.get("type", "text/xml"))]
    if "location" in query:
        headers.append(("Location", query["location"]))
    if query.get("status", "200") != "200":
        reply = b"<html>" + b"no values here " * int(query.get("long", "1")) + b"</html>"
    else:
        reply = dispatcher(environ)._marshaled_dispatch(body)
    if len(reply) > 1400 and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        reply = gzip.compress(reply, 1)
        headers.append(("Content-Encoding", "gzip"))
    if "chunked" not in query:
        headers.append(("Content-Length", str(len(reply))))
    start_response(query.get("status", "200") + " said the hub", headers)
    return [reply]


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

    for method in (whoami, echo, header, delegated, fail):
        methods.register_function(method)
    return methods


sys.dont_write_bytecode = True
