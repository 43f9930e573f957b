"""An exchange that never ends: a ticket that has a next leg for every challenge."""

from internals import Ticket

MORE = "b25jZSBtb3Jl"


class Insatiable(Ticket):
    """Answers one challenge by a new ticket, as often as it comes: Kerberos itself has no exchange of many legs."""

    def __init__(self, service, **arguments):
        super().__init__(service, **arguments)
        self._arguments = arguments

    def answer_token(self, token):
        if token == MORE:
            self.__init__(self.service, **self._arguments)
            return True
        return super().answer_token(token)
