"""XML-RPC: it turns bodies into values, within limits.

It knows XML and content encodings. It must not know Kerberos, sockets or HTTP messages.
"""
