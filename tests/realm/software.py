"""What has to be installed for the realm and the hub, and what to do where it is not."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Dict

PACKAGES = (Path(__file__).parent / "packages.txt").read_text().split()
APACHE = "/usr/sbin/apache2"
APACHE_MODULES = "/usr/lib/apache2/modules"
HAPROXY = "/usr/sbin/haproxy"
SQUID = "/usr/sbin/squid"
SQUID_HELPERS = "/usr/lib/squid"
_FILES = (
    "/usr/sbin/krb5kdc",
    "/usr/sbin/kdb5_util",
    "/usr/sbin/kadmin.local",
    "/usr/bin/kinit",
    "/usr/bin/ktutil",
    "/etc/gss/mech.d/mech.ntlmssp.conf",
    APACHE,
    HAPROXY,
    f"{APACHE_MODULES}/mod_auth_gssapi.so",
    f"{APACHE_MODULES}/mod_session_cookie.so",
    f"{APACHE_MODULES}/mod_ssl.so",
    f"{APACHE_MODULES}/mod_wsgi.so",
    SQUID,
    f"{SQUID_HELPERS}/basic_ncsa_auth",
    f"{SQUID_HELPERS}/negotiate_kerberos_auth",
)


def require() -> None:
    """Raise RuntimeError with the command that installs what is missing."""
    missing = [path for path in _FILES if not os.path.exists(path)]
    if not shutil.which("faketime"):
        missing.append("faketime")
    if missing:
        command = f"apt-get update && apt-get install -y {' '.join(PACKAGES)}"
        raise RuntimeError(f"missing: {', '.join(missing)}; as root, install it with: {command}")


def other_clock(offset: str) -> Dict[str, str]:
    """Return the environment in which a program sees a clock that is off by, for example, ``+20m``."""
    shown = subprocess.run(["faketime", "-f", offset, "env"], check=True, capture_output=True, text=True).stdout
    variables = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    return {name: variables[name] for name in ("LD_PRELOAD", "FAKETIME")}
