"""The command ``krbxmlrpc``: its options, what it reads and prints, and ``check``.

It knows the transport and all below it. Nothing of the package may know the command line.
"""
