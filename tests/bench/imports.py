"""Measures the processor time of a process that only imports a module."""

import resource
import subprocess
import sys
from collections.abc import Iterator

CASE = "import"
"""The name of the case."""

PROGRAMS = {
    "Python alone": "pass",
    "xmlrpc.client": "import xmlrpc.client",
    "krbxmlrpc": "import krbxmlrpc",
    "krbxmlrpc, pykerberos alone": "import sys; sys.modules['gssapi'] = None; import krbxmlrpc",
}
"""The programs. The first shows the part of the figures that is Python's own start."""


def measure(environment: dict[str, str]) -> Iterator[tuple[str, float]]:
    """Run each program once; yield its name and the seconds of processor time of its whole process."""
    # As for users, the modules' bytecode is on disk: the first run of all writes it.
    environment = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name, program in PROGRAMS.items():
        before = _of_children()
        subprocess.run([sys.executable, "-c", program], env=environment, check=True)
        yield name, _of_children() - before


def _of_children() -> float:
    """Return the processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
