"""XML-RPC: turns bodies into values, within limits, and values into bodies.

This package knows XML and content encodings. It must not know Kerberos, sockets or HTTP messages.
"""
