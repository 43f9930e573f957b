"""Finds the programs that a realm needs, and tells how to install missing ones."""

import os
import shutil
import subprocess

_KDC = (
    "/usr/sbin/krb5kdc",
    "/usr/sbin/kdb5_util",
    "/usr/sbin/kadmin.local",
    "/usr/bin/kinit",
    "/usr/bin/klist",
    "/usr/bin/krb5-config",  # k5test asks it for plugins
)
_KDC_PACKAGES = {
    "Debian, Ubuntu": "apt-get install krb5-kdc krb5-admin-server krb5-user libkrb5-dev",
    "Fedora, RHEL": "dnf install krb5-server krb5-workstation krb5-devel",
}
_CLOCK_PACKAGES = {"Debian, Ubuntu": "apt-get install faketime", "Fedora": "dnf install libfaketime"}


def require() -> None:
    """Raise RuntimeError if programs of MIT Kerberos are missing. The message has the commands that install them."""
    _require(_KDC_PACKAGES, *_KDC)


def other_clock(offset: str) -> dict[str, str]:
    """Return the environment that changes a program's clock by an offset, for example ``+20m``.

    Raises:
        RuntimeError: libfaketime is missing. The message has the commands that install it.
    """
    _require(_CLOCK_PACKAGES, "/usr/bin/faketime")
    shown = subprocess.run(["faketime", "-f", offset, "env"], check=True, capture_output=True, text=True).stdout
    variables = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return {name: variables[name] for name in ("LD_PRELOAD", "FAKETIME")}


def _require(packages: dict[str, str], *programs: str) -> None:
    """Raise RuntimeError if programs are missing. Look on the PATH, then at the packages' paths, as k5test does."""
    names = [os.path.basename(program) for program in programs]
    missing = [name for name, path in zip(names, programs) if not shutil.which(name) and not os.path.exists(path)]
    if missing:
        commands = "; ".join(f"{command} ({systems})" for systems, command in packages.items())
        raise RuntimeError(f"missing: {', '.join(missing)}. As root, install the missing programs with: {commands}")
