"""An adapter for clients of Pulp 2: a server wrapper for Pulp's bindings.

The wrapper turns the bindings' arguments into requests, and replies into JSON values. The transport authenticates the
requests, with the same tickets, sessions and connections as XML-RPC calls.
"""

from __future__ import annotations

import json
import re
from typing import Any

from . import InsecureKerberosTransport, InvalidResponse, KerberosTransport, Resource
from ._checks import checked
from ._http.address import parse_address, shown_path
from ._xmlrpc.decoding import described_type

_JSON = re.compile(r"(?:(?:application|text)/|[^/;]+/[^/;]+\+)json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)

# For these statuses, the bindings parse the body as an error of Pulp. If the body of another error is text, the
# bindings raise an ApacheServerException.
_PULP_ERRORS = (400, 404, 409)


class KerberosServerWrapper:
    """A ``server_wrapper`` for Pulp 2's ``PulpConnection``, with Kerberos instead of a password::

        wrapper = KerberosServerWrapper("pulp.example.com")
        connection = PulpConnection("pulp.example.com", server_wrapper=wrapper)

    The connection then ignores its own arguments for host, passwords, certificates, CA and timeout. The arguments of
    the wrapper and of the transport replace them.

    Args:
        host: the server, ``host`` or ``host:port``. The default port is 443, or 80 for an `InsecureKerberosTransport`.
        transport: the transport for the requests; default: a `KerberosTransport` of the wrapper's own. If the transport
            also makes XML-RPC calls, the requests share sessions and connections with the calls. The
            transport's ``idempotent`` lists the HTTP methods that may be repeated, for example ``{"GET"}``.

    Attributes:
        transport: the transport, as passed or the wrapper's own.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    def __init__(self, host: str, transport: KerberosTransport | InsecureKerberosTransport | None = None) -> None:
        self._host = checked("host", host, "'host' or 'host:port'", (str,))
        parse_address(host, 443)
        kinds = (KerberosTransport, InsecureKerberosTransport, type(None))
        checked("transport", transport, "a KerberosTransport, or None", kinds)
        self.transport = KerberosTransport() if transport is None else transport

    def request(self, method: str, url: str, body: str | bytes | None = None) -> tuple[int, Any]:
        """Make a request, and return the status and the JSON value of the reply.

        The value of a reply without a body is None. Errors with a status other than 400, 404 and 409 differ: if the
        body is not JSON, the value is the body as text, even if the body is empty. The bindings turn this text into an
        ``ApacheServerException``. A 401 is raised as a `KerberosXMLRPCError`, and not returned.

        Args:
            method: the HTTP method, in upper case.
            url: the path, with a query if there is one.
            body: JSON, or the bytes of an upload, or None for no body.

        Raises:
            TypeError, ValueError: an argument is wrong.
            InvalidResponse: the reply is not JSON, or is larger than the transport's ``max_response_bytes``.
            KerberosXMLRPCError: as from a call. If the connection broke, the request may have had its effect
                (`CallOutcomeUnknown`).

        Source: the bindings of Pulp 2, ``pulp.bindings.server``; RFC 8259.
        """
        if not isinstance(body, (str, bytes, type(None))):  # not shown: it may hold secrets
            raise TypeError(f"body is of type {type(body).__name__}; accepted is JSON as str, or bytes, or None")
        content = body.encode() if isinstance(body, str) else body or b""
        headers: dict[str, str] = {"Accept": "application/json"}
        if content:
            headers["Content-Type"] = "application/json"
        answer = self.transport.fetch(method, self._host, url, content, headers.items())
        return answer.status, self._value(answer, f"{self._host}{shown_path(url)}")

    def close(self) -> None:
        """Close the transport's connections, and save the cookies if they have a file."""
        self.transport.close()

    def _value(self, answer: Resource, url: str) -> Any:
        may_be_text = answer.status >= 400 and answer.status not in _PULP_ERRORS
        if not answer.content:
            return "" if may_be_text else None
        reason: Exception | None = None
        if not answer.content_type or _JSON.fullmatch(answer.content_type):
            try:
                return json.loads(answer.content)
            except (ValueError, RecursionError) as error:
                reason = error
        if may_be_text:
            return answer.content.decode("utf-8", "replace")
        why = f" ({type(reason).__name__})" if reason else ""  # the error's text could contain the whole body
        raise InvalidResponse(
            f"{url} answered {answer.status}, and the body is not JSON{why}; its content type is "
            f"{described_type(answer.content_type, is_verified=False)}",
            hint="check the path of the URL: it has to lead to Pulp's API, not to a login or error page",
        ) from reason

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._host} by {self.transport!r}>"
