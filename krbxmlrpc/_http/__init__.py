"""HTTP/1.1 over sockets and TLS: addresses, connections, the pool, replies and ``WWW-Authenticate`` (RFC 9112).

It knows what goes over the wire. It must not know Kerberos or XML-RPC: a token is text to it, and a body is bytes.
"""
