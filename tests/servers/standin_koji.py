"""A stand-in for Koji hubs: the application that Apache runs with the system's Python, behind ``/kojihub…``.

The path chooses the release that the stand-in follows. Each path has its own users, sessions, tags, tasks and files.

===================  ========  ====================================================================================
Path                 Release   A session, and the number of a call
===================  ========  ====================================================================================
``/kojihub``         1.36      in headers, the number in ``Koji-Session-Callnum`` (or else in ``Koji-Callnum``)
``/kojihub-1.31``    1.34.3    in headers, the number in ``Koji-Callnum`` only, as in the releases 1.31 to 1.35
``/kojihub-1.31.1``  1.31.1    the same; this release knows no renewals of expired sessions
``/kojihub-old``     1.29.1    in the query of the URL
===================  ========  ====================================================================================

1.36 is the head of development (1.35.2-154). The first two paths do not accept sessions in URLs (DisableURLSessions).

This module follows kojihub/kojixmlrpc.py: HTTP, the order of the checks, the encoding, and multiCall.
`standin_koji_sessions` follows kojihub/auth.py. `standin_koji_methods`, `standin_koji_hub` and `standin_koji_uploads`
follow kojihub/kojihub.py.

These facts were seen on real hubs of the four releases, behind mod_auth_gssapi and a KDC:

- ``authtype`` is 3 (GSSAPI), and ``getLoggedInUser`` has ``krb_principal``.
- Wrong arguments are Fault 1019.
- The newest hub answers an empty body with the status 400, and sends ``Koji-Version``.
- An expired session is Fault 1007, and an unknown session is Fault 1002.
- Hubs of 1.31 to 1.35.3 ignore the number that the official client sends, so a repeated call runs twice.
- 1.31.1 refuses each request that names an expired session, also a login (Fault 1007).
- The head of development does not reset the number of a renewed session. The official client does.

These differences between the releases come from the source and its history:

- From 1.31 on, a login returns ``header-auth``, and ``logout`` takes the id of another session.
- From 1.32 on, ``sslLogin`` takes ``renew``, and a closed session is Fault 1002. Before, it is Fault 1007.
- From 1.35 on, replies have ``Koji-Version``.
- From 1.36 on, a body that is no call is answered with the status 400. Before, the answer is a Fault.
- From 1.36 on, each piece of an upload has to end at the end of the file. Before, a hub cuts the file off at the piece.

There is no database: everything is kept in memory, apart from uploads. Sessions do not expire after a time. If a file
beside this one changes, sessions end, or the hub is offline; see `Switches`.
"""

import os
import traceback
from xmlrpc.client import Fault, Marshaller, loads

from standin_koji_hub import Hub
from standin_koji_methods import methods_of
from standin_koji_sessions import GENERIC, OFFLINE, PARAMETER, Request

FOLDER = os.path.dirname(os.path.abspath(__file__))
MULTICALLS = ("multiCall", "system.multicall")
LONGEST = 4 * 2**20
"""The bytes that a call may have (MaxRequestLength). An upload may have more."""
NAMED = "__starstar"
"""The key that marks the last argument of a call as the struct of its named arguments."""


class HTTPError(Exception):
    """An answer of HTTP: its status and its text."""


class KojiMarshaller(Marshaller):
    """Writes integers of up to 64 bits."""

    dispatch = Marshaller.dispatch.copy()

    def dump_int(self, value, write):
        if not -(2**63) <= value < 2**63:
            raise OverflowError("long int exceeds XML-RPC limits")
        name = "int" if -(2**31) <= value < 2**31 else "i8"
        write(f"<value><{name}>{value}</{name}></value>\n")

    dispatch[int] = dump_int


class Switches:
    """The files that tests write. If one of the first two changes, the sessions of all hubs end.

    - ``koji-expired``: the sessions have expired (Fault 1007), and can be renewed.
    - ``koji-dropped``: the sessions are unknown (Fault 1002).
    - ``koji-offline``: while it exists, a hub is offline (Fault 1014).
    """

    def __init__(self):
        self.expired, self.dropped = self.read()

    def read(self):
        found = []
        for name in ("koji-expired", "koji-dropped"):
            with open(os.path.join(FOLDER, name)) as file:
                found.append(file.read())
        return found

    def are_offline(self):
        return os.path.exists(os.path.join(FOLDER, "koji-offline"))

    def apply(self, sessions):
        """End the sessions if a file has changed since the last call."""
        before, (self.expired, self.dropped) = (self.expired, self.dropped), self.read()
        if before[0] != self.expired:
            sessions.expire_all()
        if before[1] != self.dropped:
            sessions.drop_all()


class Served:
    """One hub, and its switches."""

    def __init__(self, path, version):
        self.hub = Hub(version, methods_of(version), os.path.join(FOLDER, "koji", path.strip("/")))
        self.switches = Switches()


RELEASES = {
    "/kojihub": (1, 36, 0),
    "/kojihub-1.31": (1, 34, 3),
    "/kojihub-1.31.1": (1, 31, 1),
    "/kojihub-old": (1, 29, 1),
}
HUBS = {path: Served(path, version) for path, version in RELEASES.items()}


def application(environ, start_response):
    """Answer one request."""
    served = HUBS[environ["SCRIPT_NAME"]]
    headers = [("Koji-Version", served.hub.version_text)] if served.hub.version >= (1, 35) else []
    try:
        status, content_type, body = "200 OK", "text/xml", answer(served, environ).encode()
    except HTTPError as error:
        status, text = error.args
        content_type, body = "text/plain", f"{text}\n".encode()
        if status.startswith("405"):
            headers.append(("Allow", "POST"))
    start_response(status, [*headers, ("Content-Length", str(len(body))), ("Content-Type", content_type)])
    return [body]


def answer(served, environ):
    """Return the XML that a request is answered with."""
    if environ["REQUEST_METHOD"] != "POST":
        text = "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted."
        raise HTTPError("405 Method Not Allowed", text)
    if served.switches.are_offline():
        return encoded_fault(Fault(OFFLINE, "server is offline"))
    body = environ["wsgi.input"].read()
    try:
        with served.hub.lock:
            served.switches.apply(served.hub.sessions)
            request = Request(served.hub.sessions, environ)
            result = carry_out(served.hub, request, body)
            reply = f"<methodResponse>\n{encoded((result,))}</methodResponse>\n"
            if request.has_changed:
                request.keep_number()  # the hub forgets the number of a call that has changed nothing, or has failed
            return f"<?xml version='1.0'?>\n{reply}"
    except Fault as fault:
        return encoded_fault(fault)
    except HTTPError:
        raise
    except Exception as error:
        return encoded_fault(Fault(1, f"{type(error)}: {error}"))


def carry_out(hub, request, body):
    """Run a call, or store an upload; return the result."""
    if request.environ.get("CONTENT_TYPE") == "application/octet-stream":
        request.find_session(None)
        return hub.uploads.store(request, body)
    try:
        if len(body) > LONGEST:
            raise ValueError("Request too long")
        if hub.version >= (1, 36) and not body:
            raise ValueError("Empty request")
        params, method = loads(body)
    except Exception as error:
        if hub.version >= (1, 36):
            raise HTTPError("400 Bad Request", f"Invalid request: {error}") from error
        raise
    return dispatch(hub, request, method, params)


def dispatch(hub, request, method, params):
    """Run a call; return its result."""
    function = multicall if method in MULTICALLS else hub.methods.get(method)
    if function is None:
        raise Fault(GENERIC, f"Invalid method: {method}")
    request.find_session(method)
    named = {}
    if params and isinstance(params[-1], dict) and params[-1].get(NAMED):
        *params, named = params
        named = {name: value for name, value in named.items() if name != NAMED}
    try:
        return function(hub, request, *params, **named)
    except TypeError as error:
        if error.__traceback__.tb_next is None:  # Python refused the arguments, and no line of the method has run
            raise Fault(PARAMETER, str(error)) from error
        raise


def multicall(hub, request, calls):
    """Run several calls; return a list of one element, or a struct of the fault, for each."""
    results = []
    for call in calls:
        try:
            results.append([dispatch(hub, request, call["methodName"], call["params"])])
        except Exception as error:
            code, text = (error.faultCode, error.faultString) if isinstance(error, Fault) else (1, str(error))
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            results.append({"faultCode": code, "faultString": text, "traceback": lines})
    return results


def encoded(values):
    """Return a result or a fault as XML."""
    return KojiMarshaller("utf-8", allow_none=True).dumps(values)


def encoded_fault(fault):
    """Return the XML of a reply that is a fault."""
    return f"<?xml version='1.0'?>\n<methodResponse>\n{encoded(fault)}</methodResponse>\n"
