"""Runs one target under atheris: ``python -m fuzz.target TARGET [OPTION…] FOLDER…``, or ``TARGET FILE`` for one input.

Options are libFuzzer's.
"""

import importlib
import shlex
import sys
import warnings

import atheris

INSTRUMENTED = ["krbxmlrpc", "http.cookiejar"]

warnings.simplefilter("error")
name = sys.argv[1]
with atheris.instrument_imports(include=INSTRUMENTED):
    target = importlib.import_module(f"fuzz.{name}")
# libFuzzer merges in processes of its own, which it starts by what it finds in the first place.
atheris.Setup([shlex.join([sys.executable, "-m", "fuzz.target", name]), *sys.argv[2:]], target.one_input)
atheris.Fuzz()
