"""A real Kerberos realm and a real Apache with mod_auth_gssapi, on loopback, for tests and examples.

`kdc` starts the realm and is that of `krbxmlrpc.testing`; `apache` starts the web server with the hub (`hub.conf`,
`hub.py`), `kobohub` one with a hub of kobo's (`kobohub.conf`, `kobosite`), `standins` one with stand-ins for servers
that cannot run here (`standins.conf`); `balancer` is a real HAProxy before several Apaches (`haproxy.cfg`), `squid` a
real proxy (`squid.conf`), and `daemon` what all of these have in common. `scripted` is a server of our own that
misbehaves as a test wants it to, `forwarder` breaks the connections to Apache as a test wants it to, `tunnels` makes a
scripted server a proxy, `bound` one that demands channel bindings. ``python -m realm COMMAND`` runs a command beside a
realm and a hub.
"""

from krbxmlrpc.testing import kdc

__all__ = ["kdc"]
