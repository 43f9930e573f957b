"""What has to be installed for the tests beside a KDC, and what to do where it is not."""

import os
from pathlib import Path

from krbxmlrpc.testing.software import other_clock

__all__ = ["other_clock", "require"]

PACKAGES = (Path(__file__).parent / "packages.txt").read_text().split()
APACHE = "/usr/sbin/apache2"
APACHE_MODULES = "/usr/lib/apache2/modules"
PYTHON = "/usr/bin/python3"
"""The one that mod_wsgi has in it."""
HAPROXY = "/usr/sbin/haproxy"
SQUID = "/usr/sbin/squid"
SQUID_HELPERS = "/usr/lib/squid"
_FILES = (
    "/usr/bin/ktutil",
    "/etc/gss/mech.d/mech.ntlmssp.conf",
    APACHE,
    PYTHON,
    HAPROXY,
    f"{APACHE_MODULES}/mod_auth_gssapi.so",
    f"{APACHE_MODULES}/mod_session_cookie.so",
    f"{APACHE_MODULES}/mod_ssl.so",
    f"{APACHE_MODULES}/mod_wsgi.so",
    "/usr/lib/python3/dist-packages/gssapi",
    SQUID,
    f"{SQUID_HELPERS}/basic_ncsa_auth",
    f"{SQUID_HELPERS}/negotiate_kerberos_auth",
)


def require() -> None:
    """Raise RuntimeError with the command that installs what is missing."""
    missing = [path for path in _FILES if not os.path.exists(path)]
    if missing:
        command = f"apt-get update && apt-get install -y {' '.join(PACKAGES)}"
        raise RuntimeError(f"missing: {', '.join(missing)}; as root, install it with: {command}")
