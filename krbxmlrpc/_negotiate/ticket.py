"""`KerberosTicket`: one Negotiate exchange for any HTTP library. It takes header values and gives header values."""

from __future__ import annotations

from typing import Optional

from .._http.www_authenticate import HeaderValues, negotiate_details
from .._kerberos.pykerberos import PykerberosTicket


class KerberosTicket(PykerberosTicket):
    """One ticket for one service, to be sent once, and the check that the answer comes from that service.

    It frees the caller from GSSAPI, and makes no assumption about the HTTP library::

        ticket = KerberosTicket("HTTP@hub.example.com")
        response = requests.get(url, headers={"Authorization": ticket.auth_header})
        ticket.verify_response(response.headers.get("www-authenticate"))

    Args:
        service: ``"HTTP@host"`` or ``"HTTP/host@REALM"``.
        principal: whose ticket to use, from the collection of credential caches; default: the default cache's.
        delegate: whether the server receives a ticket with which it can act as the user (RFC 4120, section 2.8).
            It needs a forwardable ticket-granting ticket.
        mutual: whether the server is asked for a proof of its own; without, no reply can be verified.
        mechanism: ``"spnego"`` (RFC 4178, what RFC 4559 asks for) or ``"krb5"`` (RFC 4121, a bare Kerberos token).
        channel_bindings: what ties the exchange to the TLS connection that it goes over, as `tls_server_end_point`
            returns it; None: nothing.

    Attributes:
        service, mutual: as given.
        auth_header: the value of the ``Authorization`` header to send, ``"Negotiate …"``.
        principal: the client's principal once the server has proved itself, else None.

    Raises:
        TypeError, ValueError: an argument is not as described.
        NoCredentials, TicketExpired, ServiceUnknown, KDCUnreachable, ClockSkew: no ticket could be had.
        KerberosXMLRPCError: no ticket could be had, for a reason that GSSAPI names in ``major`` and ``minor``.

    Source: RFC 4559, section 4.
    """

    def verify_response(self, www_authenticate: Optional[HeaderValues]) -> None:
        """Return if the reply with this header comes from the service, else raise. Can be called once.

        It returns only when the exchange is complete; whatever the outcome, the ticket is used up.

        Args:
            www_authenticate: the value of the reply's ``WWW-Authenticate`` header with any number of challenges, or a
                list of such values, or None: there was no such header.

        Raises:
            TypeError: it is anything else.
            ValueError: the header has no Negotiate challenge, or that has no token, or one that is not base64.
            RuntimeError: the ticket has been used before.
            MutualAuthenticationError: the token does not prove that it comes from the service.

        Source: RFC 4559, section 4.2; RFC 4178, section 4.2.2; RFC 4120, section 3.2.5.
        """
        context = self._take_context()
        self._verify(context, _required_token(www_authenticate))

    def answer_challenge(self, www_authenticate: Optional[HeaderValues]) -> bool:
        """Take the token of a 401; return whether there is an answer to it, another leg: `auth_header` then is it.

        That has to go out on the same connection. Without an answer the exchange has ended: the server accepted the
        ticket, and yet says 401. Where the exchange is complete on this side, with an answer or without, the server
        has proved itself, and `principal` is set. Where this raises, the ticket is used up.

        Args:
            www_authenticate: as for `verify_response`.

        Raises:
            TypeError, ValueError, RuntimeError: as for `verify_response`.
            MutualAuthenticationError: GSSAPI refuses the token, or it is not as the standards prescribe.

        Source: RFC 4559, section 4.2; RFC 4178, sections 4.2 and 5.
        """
        context = self._take_context()
        return self._answer(context, _required_token(www_authenticate))


def _required_token(www_authenticate: Optional[HeaderValues]) -> str:
    """Return the token of the Negotiate challenge."""
    # None is what HTTP libraries give for a header that is not there.
    token = None if www_authenticate is None else negotiate_details(www_authenticate)
    if token is None:
        raise ValueError("WWW-Authenticate has no Negotiate challenge")
    if not token:
        raise ValueError("the Negotiate challenge in WWW-Authenticate has no token")
    return token
