"""What the page about the tests of clients meets beside the servers of all documents."""


def prepare(runner, request):
    """Let a command that runs until Ctrl-C get that signal."""
    runner.stand_ins.append(("$ python -m krbxmlrpc.testing\n", "$ timeout -s INT 3 python -m krbxmlrpc.testing\n"))
