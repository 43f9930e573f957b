"""A temporary Kerberos realm: an MIT KDC on loopback, started by k5test."""

import errno
import os
import random
import socket
from typing import Any, Optional

import k5test  # type: ignore[import-untyped]

from . import software

REALM = "EXAMPLE.TEST"
HOST = "localhost"
SERVICE = f"HTTP/{HOST}"

_LIBDEFAULTS = {
    # Use the host names of the tests unchanged, whatever the machine's DNS says about them.
    "dns_canonicalize_hostname": "false",
    "dns_lookup_realm": "false",
    "rdns": "false",
    "qualify_shortname": '""',
    "forwardable": "true",
}
_KDC = {
    "kdc_ports": None,
    "kdc_tcp_ports": None,
    "kdc_listen": "127.0.0.1:$port0",
    "kdc_tcp_listen": "127.0.0.1:$port0",
}


def free_ports(count: int, address: str = "127.0.0.1") -> int:
    """Return the first of `count` adjacent ports that no program uses at this address."""
    while True:
        first = random.randrange(20000, 32000 - count)
        try:
            for port in range(first, first + count):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(socket.AF_INET, kind) as probe:
                        probe.bind((address, port))
            return first
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise  # another port would not help


def start(clock: Optional[str] = None) -> Any:
    """Start a realm with ``user``, a ticket for that principal, and ``HTTP/localhost`` with its key in the keytab.

    Args:
        clock: the offset of the clock that the KDC and ``kinit`` see, for example ``-2d``.
    """
    software.require()
    realm = _start_kdc(software.other_clock(clock) if clock else {})
    try:
        realm.kinit(realm.user_princ, realm.password("user"))
        realm.addprinc(SERVICE)
        realm.extract_keytab(SERVICE, realm.keytab)
    except BaseException:
        realm.stop()
        raise
    return realm


def _start_kdc(env: dict[str, str]) -> Any:
    for attempt in range(10):
        realm = k5test.K5Realm(
            realm=REALM,
            create_kdb=False,  # a failure during creation would leave the folder behind
            portbase=free_ports(10),
            krb5_conf={"libdefaults": _LIBDEFAULTS, "realms": {"$realm": {"kdc": "127.0.0.1:$port0"}}},
            kdc_conf={"realms": {"$realm": _KDC}},
        )
        try:
            realm.env.update(env)
            realm.create_kdb()
            realm.addprinc(realm.user_princ, realm.password("user"))
            realm.addprinc(realm.admin_princ, realm.password("admin"))
            # Apache's children do not run as root, and must be able to open krb5.conf. Every secret in this folder has
            # mode 0600.
            os.chmod(realm.tmpdir, 0o711)
            realm.start_kdc()
            return realm
        except BaseException as error:
            realm.stop()
            if attempt == 9 or not isinstance(error, Exception):
                raise  # in all other cases, another program has probably taken a port: try again
    raise AssertionError("not reached")


def client_environment(realm: Any) -> dict[str, str]:
    """Return the environment variables for a client, and for a process that accepts tickets.

    ``no_proxy`` keeps connections away from a proxy that the machine may use.
    """
    return {"no_proxy": "*", **{name: value for name, value in realm.env.items() if name.startswith("KRB5")}}
