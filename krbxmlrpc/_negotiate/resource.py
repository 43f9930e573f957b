"""`Resource`: the reply of an application that does not speak XML-RPC."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple

from .._xmlrpc.decoding import described_type


class Resource(NamedTuple):
    """The reply of an application that does not speak XML-RPC; see `KerberosTransport.fetch`."""

    status: int
    """The HTTP status."""
    content_type: str
    """The ``Content-Type`` header, or ``""`` if there is none."""
    content: bytes
    """The body, decoded from its ``Content-Encoding``."""
    headers: http.client.HTTPMessage
    """The headers. Lookup ignores the case of names, and repeated headers are kept. The values are texts with a blank
    ``repr``, because some of them can be secrets."""

    def json(self) -> Any:
        """Return the value of the content, which has to be JSON in UTF-8, whatever its ``Content-Type`` says.

        Raises:
            ValueError: the content is not JSON. The message tells the status and the ``Content-Type``, and no content.

        Source: RFC 8259, section 8.1.
        """
        try:
            return json.loads(self.content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            where = f" from line {error.lineno} on" if isinstance(error, json.JSONDecodeError) else ""
            what = "is empty" if not self.content else f"is not JSON{where} ({type(error).__name__})"
        content_type = described_type(self.content_type, is_verified=False)
        # The error is not the cause of this one, because it holds the content.
        raise ValueError(
            f"the content {what}; the reply has the status {self.status} and the content type {content_type}"
        )
