"""The servers of tests and examples, on loopback: a realm, Apache, Squid and HAProxy, all real, and some of our own.

`kdc` starts the realm and is that of `krbxmlrpc.testing`; `apache` starts an Apache with mod_auth_gssapi and the hub
(`hub.conf`, `hub.py`, and `samples` for its large replies), `kobohub` one with a hub of kobo's (`kobohub.conf`,
`kobosite`), `standins` one with stand-ins for servers of others (`standins.conf`); `balancer` is a HAProxy
before several Apaches (`haproxy.cfg`), `squid` a proxy (`squid.conf`), and `daemon` what all of these have in common.
`scripted` is a server of our own that misbehaves as a test wants it to: `scripted_proxy` makes it a proxy,
`two_leg_acceptor` gives it an exchange of two legs, and `channel_bindings_acceptor` has it demand channel bindings.
`forwarder` breaks the connections to Apache as a test wants it to. ``python -m servers COMMAND`` runs a command beside
a realm and a hub.
"""

from krbxmlrpc.testing import kdc

__all__ = ["kdc"]
