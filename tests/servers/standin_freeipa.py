"""A stand-in for a FreeIPA server: the application that Apache runs with the system's Python, behind ``/ipa``.

It follows FreeIPA 4.13.3, that is these files of its source:

- ``install/share/ipa.conf.template``: Apache protects everything below ``/ipa``. So each path takes a ticket, and each
  path takes the session that any of them began. ``standins.conf`` has the same directives.
- ``ipaserver/rpcserver.py``: the paths, the Referer, the calling convention, ``system.*``, and the statuses.
- ``ipalib/rpc.py``: which values a reply cannot have, so that they become strings.
- ``ipalib/frontend.py``, ``ipalib/capabilities.py``, ``ipalib/errors.py``: versions, the numbers and texts of errors.
- ``ipaserver/plugins``: the commands ``ping``, ``whoami``, ``user_show``, ``cert_find`` and ``session_logout``.

``/ipa/xml`` is the path to which FreeIPA's own client (``ipalib``) sends a call with a ticket. On a session it calls
``/ipa/session/xml``. The server takes both at either path. There are two differences. A wrong Referer is a Fault at
``/ipa/xml``, and status 400 at ``/ipa/session/xml``. Only ``/ipa/session/xml`` looks if the user's credentials are
still good.

As at FreeIPA, these credentials are a cache that mod_auth_gssapi makes for each session, by S4U2Proxy, and that
``KRB5CCNAME`` names. When the cache is gone, ``/ipa/session/xml`` answers 401 without ``WWW-Authenticate``.

The stand-in has no LDAP: there is one user, the caller. FreeIPA's login page asks itself for a session with the user's
credentials, and hands over that session by the header ``IPASESSION``; here the session of the request itself remains.

These facts are from the source. None of them has been compared with a running FreeIPA. But the client of FreeIPA
(``ipalib`` 4.13.1) understands the stand-in: it called all commands but one, with tickets. It needed a Referer without
the port.
"""

import datetime
import os
import sys
from urllib.parse import urlsplit
from xmlrpc.client import MAXINT, MININT, DateTime, Fault, dumps, loads

RELEASE, API_VERSION = "4.13.3", "2.257"
VERSION_WITHOUT_CAPABILITIES = "2.51"
"""The version that a call means if it names none."""
DATETIME_VALUES = (2, 84)
"""The version from which on a date in a reply is a dateTime. Before, it is a string."""

VALID_UNTIL = datetime.datetime(2037, 12, 31, 23, 59, 59)
SERIAL_NUMBERS = [268304385, 2**31, 2**127 + 1]
"""The second one is the lowest that an XML-RPC ``int`` has no room for."""

sys.dont_write_bytecode = True


# -- requests and replies ---------------------------------------------------------------------------------------------


def application(environ, start_response):
    """Answer one request."""
    path = environ["PATH_INFO"]
    if path not in ("/xml", "/session/xml", "/session/login_kerberos"):
        return answer(start_response, "404 Not Found", "text/html", "<html><h1>Not Found</h1></html>")
    if path != "/xml" and not is_own(environ.get("HTTP_REFERER", ""), environ["SERVER_NAME"]):
        return answer(start_response, "400 Bad Request", "text/html", "<html><strong>denied</strong></html>")
    if path != "/xml" and not has_credentials(environ):
        start_response("401 Unauthorized", [])
        return [b""]
    if path == "/session/login_kerberos":
        return answer(start_response, "200 Success", "text/plain", "")
    reply, headers = execute(environ)
    return answer(start_response, "200 Success", "text/xml", reply, headers)


def answer(start_response, status, content_type, text, headers=()):
    """Send a reply."""
    body = text.encode()
    types = [("Content-Type", f"{content_type}; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, [*types, *headers])
    return [body]


def is_own(referer, host):
    """Say whether a Referer is a page of this server: pages of other servers cannot send it."""
    page = urlsplit(referer)
    return (
        referer.count("://") == 1
        and page.scheme == "https"
        and page.hostname == host
        and (page.path == "/ipa" or page.path.startswith("/ipa/"))
    )


def has_credentials(environ):
    """Say whether there is still the cache with which the server acts as the user."""
    kind, _, path = environ.get("KRB5CCNAME", "").partition(":")
    return kind == "FILE" and os.path.exists(path)


def execute(environ):
    """Carry out a call; return the encoded reply, and headers to send with it."""
    headers = []
    try:
        # Unlike `is_own`, this refuses a port.
        referer = environ.get("HTTP_REFERER", "missing")
        if not referer.startswith(f"https://{environ['SERVER_NAME']}/ipa"):
            raise Fault(911, f"Missing or invalid HTTP Referer, {referer}")
        if environ["REQUEST_METHOD"] != "POST" or not environ.get("CONTENT_TYPE", "").startswith("text/xml"):
            raise unknown_command(environ["PATH_INFO"].strip("/"))
        params, name = loads(environ["wsgi.input"].read())
        if name in SYSTEM:
            result, version = SYSTEM[name](*params), VERSION_WITHOUT_CAPABILITIES
        else:
            arguments, options = params[:2] if len(params) > 1 else (params[0] if params else [], {})
            if "version" not in options:
                options["version"] = VERSION_WITHOUT_CAPABILITIES
            version = options["version"]
            result = run(name, environ["GSS_NAME"], arguments, options)
        if name.partition("/")[0] == "session_logout":
            headers.append(("IPASESSION", "MagBearerToken="))  # for mod_session, which then removes the cookie
        return dumps((wrap(result, version),), methodresponse=True, allow_none=True), headers
    except Fault as fault:
        return dumps(fault), headers
    except Exception:
        return dumps(Fault(903, "an internal error has occurred")), headers


def wrap(value, version):
    """Return a value as it stands in a reply: XML-RPC has no integers of more than 32 bits."""
    if isinstance(value, (list, tuple)):
        return [wrap(one, version) for one in value]
    if isinstance(value, dict):
        return {key: wrap(one, version) for key, one in value.items()}
    if isinstance(value, int) and not MININT <= value <= MAXINT:
        return str(value)
    if isinstance(value, datetime.datetime):
        return DateTime(value) if parse(version) >= DATETIME_VALUES else value.strftime("%Y%m%d%H%M%SZ")
    return value


def parse(version):
    """Return a version of the API as two numbers."""
    major, _, minor = str(version).partition(".")
    return int(major), int(minor or 0)


# -- commands ---------------------------------------------------------------------------------------------------------


def run(name, principal, arguments, options):
    """Check the arguments and options of a command, and return its result."""
    command = find_command(name)
    check_version(options["version"])
    arguments = list(arguments)
    if len(arguments) > len(command.takes):
        raise too_many(command.__name__, len(command.takes))
    for option in options:
        if option not in ("version", *command.options):
            raise Fault(3005, f"Unknown option: {option}")
    for missing in command.takes[len(arguments) :]:
        raise Fault(3007, f"'{missing}' is required")
    return command(principal, *arguments, **{key: options[key] for key in options if key != "version"})


def find_command(name):
    """Return a command by its name: ``ping`` or ``ping/1``."""
    plain, _, version = name.partition("/")
    if plain not in COMMANDS or version not in ("", "1"):
        raise unknown_command(name)
    return COMMANDS[plain]


def unknown_command(name):
    """Return the Fault for a command that does not exist."""
    return Fault(905, f"unknown command '{name}'")


def too_many(name, count):
    """Return the Fault for too many arguments."""
    if count == 0:
        return Fault(3003, f"command '{name}' takes no arguments")
    return Fault(3004, f"command '{name}' takes at most {count} argument{'s' if count > 1 else ''}")


def check_version(version):
    """Refuse a text that is no version, and a version with another major number."""
    try:
        fits = parse(version)[0] == parse(API_VERSION)[0]
    except ValueError:
        fits = False
    if not fits:
        raise Fault(901, f"{version} client incompatible with {API_VERSION} server at 'https://localhost/ipa/xml'")


def ping(principal):
    """Ping a remote server."""
    return {"summary": f"IPA server version {RELEASE}. API version {API_VERSION}"}


def whoami(principal):
    """Describe currently authenticated identity."""
    return {"object": "user", "command": "user_show/1", "arguments": [principal.partition("@")[0]]}


def user_show(principal, uid, all=False, raw=False, rights=False, no_members=False):
    """Display information about a user."""
    caller = principal.partition("@")[0]
    if uid.lower() != caller:
        raise Fault(4001, f"{uid.lower()}: user not found")
    entry = {
        "dn": f"uid={caller},cn=users,cn=accounts,dc=example,dc=test",
        "uid": [caller],
        "krbprincipalname": [principal],
        "krbprincipalexpiration": [VALID_UNTIL],
    }
    return {"result": entry, "value": caller, "summary": None}


def cert_find(principal, pkey_only=False, sizelimit=0):
    """Search for existing certificates."""
    found = SERIAL_NUMBERS[: sizelimit or None]
    if pkey_only:
        entries = [{"serial_number": number} for number in found]
    else:
        entries = [{"serial_number": str(number), "serial_number_hex": f"0x{number:X}"} for number in found]
    summary = f"{len(found)} certificate{'s' if len(found) > 1 else ''} matched"
    truncated = len(found) < len(SERIAL_NUMBERS)
    return {"result": entries, "count": len(found), "truncated": truncated, "summary": summary}


def session_logout(principal):
    """RPC command used to log the current user out of their session."""
    return {"result": None}


ping.takes = whoami.takes = cert_find.takes = session_logout.takes = ()
ping.options = whoami.options = session_logout.options = ()
user_show.takes, user_show.options = ("uid",), ("all", "raw", "rights", "no_members")
cert_find.options = ("pkey_only", "sizelimit")
COMMANDS = {command.__name__: command for command in (ping, whoami, user_show, cert_find, session_logout)}


# -- introspection ----------------------------------------------------------------------------------------------------


def list_methods(*params):
    """Return the names of all commands. They take no list and no struct, unlike the commands themselves."""
    if params:
        raise too_many("system.listMethods", 0)
    return [*COMMANDS, *SYSTEM]


def method_signature(*params):
    """Return the signature, which is the same for all commands."""
    name = method_name("system.methodSignature", *params)
    if name in SYSTEM:
        return "undef"
    find_command(name)
    return [["struct", "array", "struct"]]


def method_help(*params):
    """Return the help of a command."""
    name = method_name("system.methodHelp", *params)
    return "" if name in SYSTEM else find_command(name).__doc__


def method_name(asked, *params):
    """Return the one argument of a method for introspection."""
    if not params:
        raise Fault(3007, "'method name' is required")
    if len(params) > 1:
        raise too_many(asked, 1)
    return params[0]


SYSTEM = {
    "system.listMethods": list_methods,
    "system.methodSignature": method_signature,
    "system.methodHelp": method_help,
}
