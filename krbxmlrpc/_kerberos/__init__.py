"""Kerberos: tickets, credentials, tokens, channel bindings, and the contents of krb5.conf and credential caches.

This package knows GSSAPI, through pykerberos and python-gssapi. It must not know sockets, HTTP or XML-RPC.
"""
