"""For manual.rst: whom the proxy knows."""

from servers import squid


def prepare(runner, request):
    """Give the names of user and password, which a document has no value for."""
    runner.names.update(user=squid.USER, password=squid.PASSWORD)
