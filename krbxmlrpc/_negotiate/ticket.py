"""`KerberosTicket`: one Negotiate exchange for any HTTP library. It takes and returns header values."""

from __future__ import annotations

from .._http.www_authenticate import HeaderValues, negotiate_details
from .._kerberos.ticket import Ticket
from .._secrets import hidden


class KerberosTicket(Ticket):
    """One ticket for one service. You send it once, and then check that the reply comes from that service.

    The class hides GSSAPI from the caller, and works with any HTTP library::

        ticket = KerberosTicket("HTTP@hub.example.com")
        response = requests.get(url, headers={"Authorization": ticket.auth_header})
        ticket.verify_response(response.headers.get("www-authenticate"))

    Args:
        service: ``"HTTP@host"``, ``"HTTP/host@REALM"``, or ``"HTTP/host@"`` in the realm of the host. The ticket is for
            exactly this name: DNS has no say in it.
        principal: the client principal to use, from the collection of credential caches. Default: the principal of the
            default cache.
        delegate: whether the server receives a ticket that lets it act as the user (RFC 4120, section 2.8). Delegation
            needs a forwardable ticket-granting ticket.
        mutual: whether to ask the server for a proof of its identity. Without this, no reply can be verified.
        mechanism: ``"spnego"`` (RFC 4178, as RFC 4559 demands) or ``"krb5"`` (RFC 4121, a bare Kerberos token).
        channel_bindings: the bytes that bind the exchange to its TLS connection, as `tls_server_end_point` returns
            them; None: no channel bindings.

    Attributes:
        service, mutual: the arguments.
        service_principal: the principal that the ticket is for, ``"HTTP/host@REALM"``.
        auth_header: the value of the ``Authorization`` header to send, ``"Negotiate …"``. It is a text with a blank
            ``repr``, so that error reporters do not see it.
        principal: the client's principal after the server has proved its identity, else None.
        delegates: whether the ticket lets the server act as the user; None if that is unknown. With ``delegate`` it can
            be False, if the ticket-granting ticket is not forwardable or the account may not be delegated.

    Raises:
        TypeError, ValueError: an argument is not as described.
        NoCredentials, TicketExpired, ServiceUnknown, KDCUnreachable, ClockSkew: there is no ticket.
        KerberosXMLRPCError: there is no ticket, for a reason that GSSAPI names in ``major`` and ``minor``.

    Source: RFC 4559, section 4.
    """

    def verify_response(self, www_authenticate: HeaderValues | None) -> None:
        """Return if the reply with this header comes from the service, else raise. You can call this once.

        The method returns only when the exchange is complete. After the call the ticket is used up, even if the method
        raises.

        Args:
            www_authenticate: the value of the reply's ``WWW-Authenticate`` header with any number of challenges, or a
                list of such values, or None if there was no such header.

        Raises:
            TypeError: the argument has another type.
            ValueError: the header has no Negotiate challenge, the challenge has no token, or the token is not base64.
            RuntimeError: the ticket has been used before.
            MutualAuthenticationError: the token does not prove that the service sent it.

        Source: RFC 4559, section 4.2; RFC 4178, section 4.2.2; RFC 4120, section 3.2.5.
        """
        www_authenticate = hidden(www_authenticate)
        context = self._take_context()
        self._verify(context, _required_token(www_authenticate))

    def answer_challenge(self, www_authenticate: HeaderValues | None) -> bool:
        """Answer the token of a 401; return whether the exchange has another leg.

        If there is another leg, `auth_header` holds it, and you have to send it on the same connection. If there is
        none, the exchange has ended: the server accepted the ticket, and still answered 401. If the exchange is
        complete on this side, with another leg or without, and ``mutual`` is True, the server has proved its identity,
        and `principal` is set. If the method raises, the ticket is used up.

        Args:
            www_authenticate: as for `verify_response`.

        Raises:
            TypeError, ValueError, RuntimeError: as for `verify_response`.
            MutualAuthenticationError: GSSAPI refuses the token, or the token does not follow the standards.

        Source: RFC 4559, section 4.2; RFC 4178, sections 4.2 and 5.
        """
        www_authenticate = hidden(www_authenticate)
        context = self._take_context()
        return self._answer(context, _required_token(www_authenticate))


def _required_token(www_authenticate: HeaderValues | None) -> str:
    """Return the token of the Negotiate challenge."""
    # HTTP libraries return None if there is no such header.
    token = None if www_authenticate is None else negotiate_details(www_authenticate)
    if token is None:
        raise ValueError("WWW-Authenticate has no Negotiate challenge")
    if not token:
        raise ValueError("the Negotiate challenge in WWW-Authenticate has no token")
    return token
