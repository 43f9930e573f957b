"""For the tests of clients: a Kerberos realm and a Negotiate-protected XML-RPC server, both real and both throwaway."""

try:
    import k5test  # type: ignore[import-untyped]  # noqa: F401
    import trustme  # noqa: F401
except ImportError as error:
    raise ImportError("krbxmlrpc.testing needs k5test and trustme: pip install 'krbxmlrpc[testing]'") from error
