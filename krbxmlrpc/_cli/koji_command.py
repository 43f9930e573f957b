"""The command ``krbxmlrpc-koji``: Koji's own command line, with `krbxmlrpc.koji.KojiSession` below it."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from importlib import metadata

NAME = "koji"
"""The name of Koji's command. Koji reads the profile of this name unless ``--profile`` selects another one."""


def main() -> None:
    """Run Koji's command line with the arguments of this process.

    Koji's configuration and profiles count: ``/etc/koji.conf.d``, ``/etc/koji.conf``, ``~/.koji/config.d`` and
    ``~/.koji/config``. The process ends with Koji's exit status.
    """
    try:
        from ..koji import KojiSession  # its error says what to install
    except ImportError as error:
        sys.exit(f"krbxmlrpc-koji: {error}")
    import koji

    script = find_script()
    if script is None:
        sys.exit("krbxmlrpc-koji: the command koji is not there: pip install koji, or install your system's package")
    koji.ClientSession = KojiSession
    # Koji runs its command again if a profile asks for another version of Python. There is no such file, so that this
    # cannot end in a run of the original command.
    sys.argv[0] = os.path.join(os.devnull, NAME)
    runpy.run_path(script, run_name="__main__")


def find_script() -> str | None:
    """Return the path of Koji's command: that of the installed package, or else the first one in PATH."""
    try:
        files = metadata.files(NAME) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == NAME and file.parent.name == "bin":
            return str(file.locate())
    return shutil.which(NAME)
