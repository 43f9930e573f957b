"""Kerberos: tickets, credentials, tokens, channel bindings, and what krb5.conf and the caches say.

It knows GSSAPI, through pykerberos and python-gssapi. It must not know sockets, HTTP or XML-RPC.
"""
