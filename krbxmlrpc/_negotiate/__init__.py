"""The Negotiate protocol over HTTP: the content of each request, and the meaning of each reply (RFC 4559, RFC 9110).

This package uses tickets, connections and bodies, and gets them from `_kerberos`, `_http` and `_xmlrpc`. It must not
import the transport, the command line or an adapter, because these import it.
"""
