"""The command ``krbxmlrpc``: its options, its input and output, and ``check``.

It may use the transport and everything below. The rest of the package must not depend on the command line.
"""
