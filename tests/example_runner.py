"""Runs the examples as a user does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(*command, input="", **environment):
    """Run a command in the project; return its exit status, what it printed, and what it complained of."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        input=input,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def example(name, *arguments, **options):
    return run(sys.executable, ROOT / "examples" / name, *arguments, **options)


def recipe(name):
    """Import an example."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
