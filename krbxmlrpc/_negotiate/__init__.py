"""The Negotiate protocol over HTTP: what each request carries, and what each reply means (RFC 4559, RFC 9110).

It knows what a ticket, a connection and a body are for, and gets them from `_kerberos`, `_http` and `_xmlrpc`. It must
not know the transport, the command line or an adapter: these use it.
"""
