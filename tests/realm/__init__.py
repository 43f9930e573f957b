"""A real Kerberos realm and a real Apache with mod_auth_gssapi, on loopback, for tests and examples.

`kdc` starts the realm and is that of `krbxmlrpc.testing`; `apache` starts the web server with the hub (`hub.conf`,
`hub.py`), `balancer` a real HAProxy before several of them (`haproxy.cfg`); `daemon` is what these two have in common.
`scripted` is a server of our own that misbehaves as a test wants it to, `forwarder` breaks the connections to Apache as
a test wants it to. `squid` is a real proxy, and `tunnels` makes a scripted server one; `bound` demands channel
bindings; `standins` is an Apache with stand-ins for servers that cannot run here. ``python -m realm COMMAND`` runs a
command beside a realm and a hub.
"""

from krbxmlrpc.testing import kdc

__all__ = ["kdc"]
