"""The programs that the servers of the tests need beside a KDC, and the command that installs missing ones."""

import os
from collections.abc import Sequence
from pathlib import Path

from krbxmlrpc.testing.software import other_clock

__all__ = ["other_clock", "require"]

TESTS = Path(__file__).resolve().parent.parent
QUICKSTART_PACKAGES = (TESTS.parent / "examples" / "packages.txt").read_text().split()
"""The system packages that a realm and an Apache need. ``examples/quickstart.sh`` installs only these."""
PACKAGES = QUICKSTART_PACKAGES + (TESTS / "servers" / "packages.txt").read_text().split()
"""All system packages that the tests need."""
APACHE = "/usr/sbin/apache2"
APACHE_MODULES = "/usr/lib/apache2/modules"
PYTHON = "/usr/bin/python3"
"""The one that mod_wsgi has in it."""
HAPROXY = "/usr/sbin/haproxy"
SQUID = "/usr/sbin/squid"
SQUID_HELPERS = "/usr/lib/squid"
NTLM = "/etc/gss/mech.d/mech.ntlmssp.conf"
PYTHON_GSSAPI = "/usr/lib/python3/dist-packages/gssapi"

APACHE_NEEDS = (
    "/usr/bin/ktutil",
    APACHE,
    PYTHON,
    *(f"{APACHE_MODULES}/mod_{name}.so" for name in ("auth_gssapi", "session_cookie", "ssl", "wsgi")),
)
SQUID_NEEDS = (SQUID, f"{SQUID_HELPERS}/basic_ncsa_auth", f"{SQUID_HELPERS}/negotiate_kerberos_auth")


def require(files: Sequence[str]) -> None:
    """Raise RuntimeError with the command that installs the packages if one of these files is missing."""
    missing = [path for path in files if not os.path.exists(path)]
    if missing:
        packages = PACKAGES if set(missing) - set(APACHE_NEEDS) else QUICKSTART_PACKAGES
        command = f"apt-get update && apt-get install -y {' '.join(packages)}"
        raise RuntimeError(f"missing: {', '.join(missing)}; as root, install it with: {command}")
