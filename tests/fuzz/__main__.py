"""Runs the targets, two at a time, and adds what they found to the corpus: ``python -m fuzz [SECONDS] [TARGET…]``."""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz import CORPUS, FOLDER, FOUND, TARGETS

AT_A_TIME = 2
LIMITS = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096"]
"""Seconds and megabytes from which an input is one that breaks a promise; bytes of an input."""
HASH = re.compile("[0-9a-f]{40}")  # libFuzzer's name for an input


def libfuzzer(target, log, *arguments):
    """Run one target with arguments of libFuzzer; return its exit status."""
    command = [sys.executable, "-m", "fuzz.target", target, *map(str, arguments)]
    return subprocess.run(command, cwd=FOLDER.parent, stdout=log, stderr=log).returncode


def hunt(target, seconds):
    """Run a target; return whether all was well. What leads to new places of the code becomes part of the corpus."""
    corpus = CORPUS / target
    with tempfile.TemporaryDirectory() as folder, open(FOUND / f"{target}.log", "w") as log:
        new, smallest = Path(folder, "new"), Path(folder, "smallest")
        new.mkdir()
        smallest.mkdir()
        for path in corpus.iterdir():
            if not HASH.fullmatch(path.name):  # written by hand, and there for a reason
                shutil.copy(path, smallest)
        print(f"{target}: {seconds} seconds", flush=True)
        prefix = f"-artifact_prefix={FOUND / target}-"
        status = libfuzzer(target, log, *LIMITS, f"-max_total_time={seconds}", prefix, new, corpus)
        if not status:
            status = libfuzzer(target, log, *LIMITS, "-merge=1", prefix, smallest, corpus, new)
        if not status:
            shutil.rmtree(corpus)
            shutil.copytree(smallest, corpus)
    return report(target, status)


def report(target, status):
    """Say how a run ended; return whether all was well."""
    found = sorted(path for path in FOUND.glob(f"{target}-*"))
    if status or found:
        print(f"{target}: FAILED with status {status}; see {FOUND / target}.log. To see it again:")
        for path in found:
            print(f"    (cd {FOLDER.parent} && ../.venv-fuzz/bin/python -m fuzz.target {target} {path})")
    else:
        print(f"{target}: nothing found; {len(list((CORPUS / target).iterdir()))} inputs in the corpus", flush=True)
    return not status and not found


def main():
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="tests/fuzz/run.sh", description="Fuzzes what reads what a server can send.")
    parser.add_argument("seconds", nargs="?", type=int, default=600, help="how long to run each target (600)")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"which (all): {', '.join(TARGETS)}")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    FOUND.mkdir(exist_ok=True)
    targets = arguments.targets or TARGETS
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return not all(list(pool.map(lambda target: hunt(target, arguments.seconds), targets)))


sys.exit(main())
