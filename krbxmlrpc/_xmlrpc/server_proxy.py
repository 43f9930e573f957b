"""`ServerProxy`: the proxy of the standard library, with integers of 64 bits."""

from __future__ import annotations

import xmlrpc.client
from typing import Any, Callable
from urllib.parse import urlsplit

from .encoding import dumps


class ServerProxy(xmlrpc.client.ServerProxy):
    """An `xmlrpc.client.ServerProxy` that can send integers of 33 to 64 bits::

        import krbxmlrpc

        transport = krbxmlrpc.KerberosTransport()
        hub = krbxmlrpc.ServerProxy("https://hub.example.com/xmlrpc", transport, allow_i8=True)
        hub.decimal(2**40)

    Args:
        uri: the URL of the server.
        transport: the transport that makes the calls. There is no default, so that no call goes without Kerberos by
            mistake. The transport takes ``use_datetime``, ``use_builtin_types``, ``headers`` and ``context``.
        encoding: the encoding of the calls (UTF-8).
        verbose: whether to print the conversation, without secrets, to standard output.
        allow_none: whether None may be sent, as ``<nil/>``.
        allow_i8: whether integers of 33 to 64 bits may be sent, as ``<i8>``. Smaller integers are still ``<int>``.

    Raises:
        OSError: ``uri`` does not begin with ``https://`` or ``http://``.
        TypeError: ``transport`` is None.

    If an argument of a method is an integer with more bits, the call raises ``OverflowError``, and nothing is sent.
    """

    def __init__(
        self,
        uri: str,
        transport: xmlrpc.client.Transport,
        encoding: str | None = None,
        verbose: bool = False,
        allow_none: bool = False,
        *,
        allow_i8: bool = False,
    ) -> None:
        if transport is None:  # the standard library would make one without Kerberos
            raise TypeError("transport is None; accepted is a transport, for example KerberosTransport()")
        super().__init__(uri, transport, encoding, verbose, allow_none)
        # Python gives the private names (__name) of the base class to this class as well, because the two classes have
        # the same name. So none of the names here begins with two underscores.
        parts = urlsplit(uri)
        self._netloc = parts.netloc
        self._handler = parts.path + (f"?{parts.query}" if parts.query else "") or "/RPC2"
        self._transport, self._verbose = transport, verbose
        self._encoding, self._allow_none, self._allow_i8 = encoding or "utf-8", allow_none, allow_i8

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        text = dumps(arguments, method, encoding=self._encoding, allow_none=self._allow_none, allow_i8=self._allow_i8)
        body = text.encode(self._encoding, "xmlcharrefreplace")
        values = self._transport.request(self._netloc, self._handler, body, verbose=self._verbose)
        return values[0] if len(values) == 1 else values

    def __getattr__(self, name: str) -> Any:
        return _Method(self._call, name)

    def __repr__(self) -> str:
        # The user and the password of a URL are secrets, and its query can be one.
        return f"<{type(self).__name__} for {self._netloc.rpartition('@')[2]}{self._handler.partition('?')[0]}>"


class _Method:
    """A method of the server. Its attributes are the methods whose names go on after a dot: ``system.listMethods``."""

    def __init__(self, call: Callable[[str, tuple[Any, ...]], Any], name: str) -> None:
        self.__call, self.__name = call, name

    def __getattr__(self, name: str) -> _Method:
        return _Method(self.__call, f"{self.__name}.{name}")

    def __call__(self, *arguments: Any) -> Any:
        return self.__call(self.__name, arguments)
