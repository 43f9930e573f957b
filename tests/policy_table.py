"""The rules of the exchange as a table: what was sent, what came, and what follows."""

from krbxmlrpc._negotiate.policy import MutualAuthentication, Sent, Step

REQUIRED, OPTIONAL, DISABLED = MutualAuthentication
ANY = tuple(MutualAuthentication)
NOTHING, COOKIES, CONNECTION, TICKET, _ = Sent
STRANGE = (201, 204, 301, 302, 400, 403, 404, 500, 503)
# row, what was sent, statuses, what stands behind Negotiate, modes: to be verified?, then what
TABLE = [
    (1, TICKET, (200,), "token", (REQUIRED, OPTIONAL), True, Step.ACCEPT),
    (1, TICKET, (200,), "token", (DISABLED,), False, Step.ACCEPT),
    (2, TICKET, (200,), "", (REQUIRED,), False, Step.UNPROVEN),
    (2, TICKET, (200,), None, (REQUIRED,), False, Step.UNPROVEN),
    (2, TICKET, (200,), "", (OPTIONAL, DISABLED), False, Step.ACCEPT),
    (2, TICKET, (200,), None, (OPTIONAL, DISABLED), False, Step.ACCEPT),
    (4, TICKET, (401,), "token", ANY, False, Step.ANOTHER_LEG),
    (5, TICKET, (401,), "", ANY, False, Step.REJECTED),
    (6, TICKET, (401,), None, ANY, False, Step.NOT_OFFERED),
    (6, NOTHING, (401,), None, ANY, False, Step.NOT_OFFERED),
    (7, NOTHING, (401,), "", ANY, False, Step.RENEW),
    (7, NOTHING, (401,), "token", ANY, False, Step.RENEW),
    (8, NOTHING, (200,), None, (REQUIRED,), False, Step.UNPROVEN),
    (8, NOTHING, (200,), "token", (REQUIRED,), False, Step.UNPROVEN),
    (8, NOTHING, (200,), None, (OPTIONAL, DISABLED), False, Step.ACCEPT),
    (9, COOKIES, (200,), None, ANY, False, Step.ACCEPT),
    (9, COOKIES, (200,), "token", ANY, False, Step.ACCEPT),
    (10, COOKIES, (401,), "", ANY, False, Step.RENEW),
    (10, COOKIES, (401,), None, ANY, False, Step.RENEW),
    (9, CONNECTION, (200,), None, ANY, False, Step.ACCEPT),
    (10, CONNECTION, (401,), "", ANY, False, Step.RENEW),
    (10, CONNECTION, (401,), None, ANY, False, Step.RENEW),
    (12, CONNECTION, STRANGE, None, ANY, False, Step.UNEXPECTED),
    (12, COOKIES, STRANGE, None, ANY, False, Step.UNEXPECTED),
    (12, TICKET, STRANGE, "token", (REQUIRED, OPTIONAL), True, Step.UNEXPECTED),
    (12, TICKET, STRANGE, "token", (DISABLED,), False, Step.UNEXPECTED),
    (12, TICKET, STRANGE, None, ANY, False, Step.UNEXPECTED),
    (12, NOTHING, STRANGE, None, ANY, False, Step.UNEXPECTED),
]
