"""Run a module as if a package were not installed: ``python -m bench.without PACKAGE MODULE [ARGUMENT…]``."""

import runpy
import sys
from typing import Any


def main(package: str, module: str, *arguments: str) -> None:
    """Hide the package, and run the module."""
    modules: dict[str, Any] = sys.modules
    modules[package] = None  # an import of it raises ImportError
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
