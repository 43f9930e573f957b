"""Credentials and contexts that take the place of GSSAPI's in tests of the rules around GSSAPI."""


class ScriptedContext:
    """A context that takes every token, and answers as a test says.

    Args:
        answer: the answer to a token of the server.
    """

    handle = holder = None

    def __init__(self, answer=""):
        self._answer = answer

    def step(self, token):
        return True, self._answer

    def client(self):
        return "user@REALM"

    def delegates(self):
        return None


class ScriptedCredentials:
    """Credentials that call a function of the test: ``begin(request)`` returns a context and its first token.

    Args:
        begin: the function.
        source: what `source` returns.
    """

    own = None

    def __init__(self, begin, source=None):
        self.begin = begin
        self._source = source

    def check_principal(self, request):
        pass

    def source(self):
        return self._source
