"""Fits clients of Pulp 2: a server wrapper for its bindings, over the same tickets, sessions and connections as calls.

It turns what the bindings ask for into requests, and answers into JSON values; how they authenticate it does not know.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Optional, Tuple, Union

from . import InsecureKerberosTransport, InvalidResponse, KerberosTransport, Resource
from ._checks import checked
from ._http.address import parse_address

_JSON = re.compile(r"(?:(?:application|text)/|[^/;]+/[^/;]+\+)json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)

# Of these the bindings read an error of Pulp's. Of other errors that are text, they make one of Apache's.
_PULP_ERRORS = (400, 404, 409)


class KerberosServerWrapper:
    """What Pulp 2's ``PulpConnection`` takes as its ``server_wrapper``, with Kerberos in the place of a password::

        wrapper = KerberosServerWrapper("pulp.example.com")
        connection = PulpConnection("pulp.example.com", server_wrapper=wrapper)

    Of the connection's own arguments, those of its host, passwords, certificates, CA and timeout count no more: what
    they are for, the transport has.

    Args:
        host: the server, ``host`` or ``host:port`` (443).
        transport: how it is reached; default: a `KerberosTransport` of its own. One that also makes XML-RPC calls
            shares its sessions and connections with them. What may be repeated, its ``idempotent`` says by HTTP
            methods: ``{"GET"}``.

    Attributes:
        transport: as given, or its own.

    Raises:
        TypeError, ValueError: an argument is wrong.
    """

    def __init__(
        self, host: str, transport: Union[KerberosTransport, InsecureKerberosTransport, None] = None
    ) -> None:
        self._host = checked("host", host, "'host' or 'host:port'", (str,))
        parse_address(host, 443)
        kinds = (KerberosTransport, InsecureKerberosTransport, type(None))
        checked("transport", transport, "a KerberosTransport, or None", kinds)
        self.transport = KerberosTransport() if transport is None else transport

    def request(self, method: str, url: str, body: Union[str, bytes, None] = None) -> Tuple[int, Any]:
        """Make a request, and return the status and the value of the answer's JSON.

        An answer without a body has the value None. An error that is not JSON, with a status other than 400, 404 and
        409, has its text as its value, also where that is empty: the bindings make an ``ApacheServerException`` of it.
        A 401 is not returned: it is an error below.

        Args:
            method: of HTTP, in upper case.
            url: the path, with a query if there is one.
            body: JSON, or the bytes of an upload; None: there is none.

        Raises:
            TypeError, ValueError: an argument is wrong.
            InvalidResponse: the answer is not JSON, or over the transport's ``max_response_bytes``.
            KerberosXMLRPCError: as from a call. Where the connection broke the request may have had its effect
                (`CallOutcomeUnknown`).

        Source: the bindings of Pulp 2, ``pulp.bindings.server``; RFC 8259.
        """
        if not isinstance(body, (str, bytes, type(None))):  # not shown: it may hold secrets
            raise TypeError(f"body is of type {type(body).__name__}; accepted is JSON as str, or bytes, or None")
        content = body.encode() if isinstance(body, str) else body or b""
        headers: Dict[str, str] = {"Accept": "application/json"}
        if content:
            headers["Content-Type"] = "application/json"
        answer = self.transport.fetch(method, self._host, url, content, headers.items())
        return answer.status, self._value(answer, f"{self._host}{url.partition('?')[0]}")

    def close(self) -> None:
        """Close the transport's connections, and save its cookies if they have a file."""
        self.transport.close()

    def _value(self, answer: Resource, url: str) -> Any:
        may_be_text = answer.status >= 400 and answer.status not in _PULP_ERRORS
        if not answer.content:
            return "" if may_be_text else None
        reason: Optional[Exception] = None
        if not answer.content_type or _JSON.fullmatch(answer.content_type):
            try:
                return json.loads(answer.content)
            except (ValueError, RecursionError) as error:
                reason = error
        if may_be_text:
            return answer.content.decode("utf-8", "replace")
        why = f" ({type(reason).__name__})" if reason else ""  # its words could hold all of the body
        raise InvalidResponse(
            f"{url} answered {answer.status}, and the body is not JSON{why}; its content type is "
            f"{answer.content_type[:200]!a}",
            hint="check the path of the URL, and that it is Pulp's API that answers there, not a login or error page",
        ) from reason

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._host} by {self.transport!r}>"
