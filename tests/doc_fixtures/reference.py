"""For reference.rst: what the examples in docstrings take for granted."""

import xmlrpc.client

import requests

import krbxmlrpc


def prepare(runner, request):
    """Give the names that a docstring does not import."""
    runner.names.update({name: getattr(krbxmlrpc, name) for name in krbxmlrpc.__all__})
    runner.names.update(ServerProxy=xmlrpc.client.ServerProxy, requests=requests)
    runner.names["url"] = request.getfixturevalue("hub").url()
