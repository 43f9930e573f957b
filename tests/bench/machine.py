"""Describes the machine and the versions of a run."""

import importlib.metadata
import os
import platform
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servers import software

from .contestants import CONTESTANTS


def machine() -> dict[str, Any]:
    """Return the processor, the number of cores, and the system."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(": ")[2] for line in cpuinfo if line.startswith("model name")), platform.machine())
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}


def versions() -> dict[str, str]:
    """Return the versions of all that takes part."""
    server = subprocess.run([software.APACHE, "-v"], check=True, capture_output=True, text=True).stdout
    found = {
        "Python": platform.python_version(),
        "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
        "Apache": server.split("Apache/")[1].split()[0],
    }
    packages = {"krb5": "libkrb5-3", "mod_auth_gssapi": "libapache2-mod-auth-gssapi"}
    packages["mod_wsgi"] = "libapache2-mod-wsgi-py3"
    for title, package in packages.items():
        query = ["dpkg-query", "--show", "--showformat=${Version}", package]
        found[title] = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    return {**found, **dict(_distributions())}


def _distributions() -> Iterator[tuple[str, str]]:
    peers = sorted({contestant.peer for contestant in CONTESTANTS.values()} - {""})
    for name in dict.fromkeys(["krbxmlrpc", "pykerberos", "gssapi", "requests", "urllib3", *peers]):
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield name, "not installed"
