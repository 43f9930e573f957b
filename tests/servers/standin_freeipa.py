"""A stand-in for a FreeIPA server: the application that Apache runs with the system's Python, behind ``/ipa``.

It follows FreeIPA's ipaserver/rpcserver.py (login_kerberos, xmlserver_session: the Referer, the calling convention,
the statuses), ipalib/frontend.py (versions), ipalib/errors.py (numbers and words of errors), ipaserver/plugins/ping.py
and whoami.py. What it has not: LDAP (there is one user: who calls), and tickets to act as that user, by which the real
one knows who calls; here Apache says it.
"""

import sys
from urllib.parse import urlsplit
from xmlrpc.client import Fault, dumps, loads

API_VERSION = "2.254"

sys.dont_write_bytecode = True


def application(environ, start_response):
    """Answer one request."""
    path = environ["PATH_INFO"]
    if path not in ("/session/login_kerberos", "/session/xml"):
        return answer(start_response, "404 Not Found", "text/html", b"<html>")
    if not is_own(environ.get("HTTP_REFERER", ""), environ["SERVER_NAME"]):
        return answer(start_response, "400 Bad Request", "text/html", b"<html>denied</html>")
    if "GSS_NAME" not in environ:
        return answer(start_response, "401 Unauthorized", "text/html", b"")
    if path == "/session/login_kerberos":
        return answer(start_response, "200 Success", "text/plain", b"")
    return answer(start_response, "200 Success", "text/xml", execute(environ).encode())


def answer(start_response, status, content_type, body):
    """Send a reply."""
    headers = [("Content-Type", f"{content_type}; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def is_own(referer, host):
    """Say whether a Referer is a page of this server: somebody else's page cannot send it."""
    page = urlsplit(referer)
    return (
        referer.count("://") == 1
        and page.scheme == "https"
        and page.hostname == host
        and (page.path == "/ipa" or page.path.startswith("/ipa/"))
    )


def execute(environ):
    """Carry out a call; return the encoded reply."""
    try:
        # A port is more than the server takes here.
        if not environ["HTTP_REFERER"].startswith(f"https://{environ['SERVER_NAME']}/ipa"):
            raise Fault(911, f"Missing or invalid HTTP Referer, {environ['HTTP_REFERER']}")
        params, name = loads(environ["wsgi.input"].read())
        result = command(name, params, environ["GSS_NAME"])
    except Fault as fault:
        return dumps(fault)
    except Exception:
        return dumps(Fault(903, "an internal error has occurred"))
    return dumps((result,), methodresponse=True, allow_none=True)


def command(name, params, principal):
    """Return the result of a command, a struct."""
    arguments, options = (*params, [], {})[:2] if len(params) < 2 else params[:2]
    methods = {"ping": ping, "whoami": whoami, "user_show": user_show}
    name, _, version = name.partition("/")
    if name not in methods or version not in ("", "1"):
        raise Fault(905, f"unknown command '{name}'")
    check_version(options.get("version", "2.0"))
    return methods[name](principal, *check_arguments(name, arguments))


def check_version(version):
    """Refuse versions that are none, and those of another kind."""
    parts = version.split(".")
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or parts[0] != API_VERSION.split(".")[0]:
        raise Fault(901, f"{version} client incompatible with {API_VERSION} server at 'https://localhost/ipa/xml'")


def check_arguments(name, arguments):
    """Return the arguments of a command, where they are as many as it takes."""
    if not isinstance(arguments, list):
        raise TypeError("arguments are a list")
    if name != "user_show" and arguments:
        raise Fault(3003, f"command '{name}' takes no arguments")
    return arguments


def ping(principal):
    """Tell the versions."""
    return {"summary": f"IPA server version 4.12.2. API version {API_VERSION}"}


def whoami(principal):
    """Tell how the entry of who calls is looked up."""
    return {"object": "user", "command": "user_show/1", "arguments": [principal.partition("@")[0]]}


def user_show(principal, login=None):
    """Show a user."""
    uid = principal.partition("@")[0]
    if login not in (None, uid):
        raise Fault(4001, f"{login}: user not found")
    entry = {"dn": f"uid={uid},cn=users,cn=accounts,dc=example,dc=test", "uid": [uid], "krbprincipalname": [principal]}
    return {"result": entry, "value": uid, "summary": None}
