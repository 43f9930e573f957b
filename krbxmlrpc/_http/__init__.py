"""HTTP/1.1 over sockets and TLS: addresses, connections, the pool, replies and ``WWW-Authenticate`` (RFC 9112).

This package handles the bytes on the wire. It must not know Kerberos or XML-RPC: it treats a token as text, and a body
as bytes.
"""
