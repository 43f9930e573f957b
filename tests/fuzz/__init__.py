"""Fuzzing, guided by coverage: what a server can send is read with anything at all, and has to keep its promises.

Each target is a module with a function ``one_input`` that takes bytes, gives them to the package, and asserts what has
to hold; so tests can use it, too. ``corpus`` holds inputs that lead to different places of the code, and some with
names, written to show a fault; the tests replay them. Run ``tests/fuzz/run.sh`` to look for more.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CORPUS = FOLDER / "corpus"
FOUND = FOLDER / "found"
"""Where inputs go that break a promise."""

TARGETS = ("challenge", "cookies", "decoding", "http1", "proxies", "replies", "tokens")
