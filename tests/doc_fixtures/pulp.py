"""For pulp.rst: a server that has repositories, and as much of the bindings as is between a client and its wrapper."""

import json
from typing import NamedTuple
from urllib.parse import urlsplit


class Response(NamedTuple):
    """What the bindings give their callers."""

    response_code: int
    response_body: object


class PulpConnection:
    """The bindings' class of this name, where it asks its server wrapper."""

    def __init__(self, host, server_wrapper, path_prefix="/xmlrpc/pulp/api"):
        self._wrapper = server_wrapper
        self._prefix = path_prefix

    def request(self, method, path, body=None):
        """Ask for a path; `body` is to be sent as JSON, if it is not text or bytes."""
        if not isinstance(body, (type(None), str, bytes)):
            body = json.dumps(body)
        return Response(*self._wrapper.request(method, self._prefix + path, body))

    def GET(self, path):  # noqa: N802  # the name is Pulp's
        """Ask for a path."""
        return self.request("GET", path)


def prepare(runner, request):
    """Have the page find the hub by Pulp's name, and the bindings."""
    at = urlsplit(request.getfixturevalue("hub").url())
    for part, stand_in in (
        ("https://pulp.example.com", f"https://{at.netloc}"),
        ('"pulp.example.com"', f'"{at.netloc}"'),
        ("/pulp/api/", "/xmlrpc/pulp/api/"),
    ):
        runner.stand_ins.insert(0, (part, stand_in))
    runner.names["PulpConnection"] = PulpConnection
