"""Draws one call and the next one: the client, the KDC, Apache and the application."""

from __future__ import annotations

from .drawing import Picture

TITLE = "A call with krbxmlrpc: who sends what, and when the reply is verified"
DESCRIPTION = (
    "First call. 1: The client asks the KDC for a ticket for the service HTTP/hub. 2: The KDC issues the ticket. "
    "3: The client sends the call to Apache, with the ticket in the header Authorization: Negotiate. "
    "4: Apache verifies the ticket with its keytab. 5: Apache passes the call and the name of the user to the "
    "application. 6: The application returns the result. 7: Apache sends the reply, with its own token in the header "
    "WWW-Authenticate: Negotiate, and a session cookie. 8: The client verifies the token. Only if the token is valid, "
    "the client parses the XML and keeps the cookie. If it is not valid, the call ends with MutualAuthenticationError, "
    "and nothing is parsed. Next call, on the session. 9: The client sends the call with the cookie, without a ticket "
    "and without the KDC. 10 and 11: Apache and the application answer as before. 12: Apache sends the reply."
)

WIDTH = 560
KDC, CLIENT, APACHE, APPLICATION = 54, 150, 394, 496
NAMES = {KDC: "KDC", CLIENT: "client", APACHE: "Apache", APPLICATION: "application"}


class _Exchange:
    """The picture, from top to bottom."""

    def __init__(self) -> None:
        self.picture = Picture(TITLE, DESCRIPTION, WIDTH)
        self.y = 0.0
        self._number = 0

    def arrow(self, start: int, end: int, lines: list[tuple[str, str]], is_reply: bool = False) -> None:
        """Draw a numbered message with its texts (text, classes) above it."""
        self._number += 1
        middle = (start + end) / 2
        self.y += 10
        for text, classes in lines:
            self.y += 19
            self.picture.text(middle, self.y, text, classes, "middle")
        self.y += 12
        direction = 1 if end > start else -1
        classes = "line dashed" if is_reply else "line"
        self.picture.line([(start + 13 * direction, self.y), (end - 2 * direction, self.y)], classes, "head")
        self.number(start, self.y)

    def number(self, x: float, y: float) -> None:
        """Draw the number of the present step."""
        self.picture.circle(x, y, 12, "own")
        self.picture.text(x, y + 4.5, str(self._number), "bright bold small", "middle")

    def section(self, title: str) -> None:
        """Draw the title of a part, across the picture."""
        self.y += 18
        self.picture.rect(12, self.y, WIDTH - 24, 28, "box")
        self.picture.text(WIDTH / 2, self.y + 19.5, title, "ink bold", "middle")
        self.y += 30

    def note(self, x: float, width: float, fill: str, lines: list[tuple[str, str]], edge: str = "edge") -> None:
        """Draw a numbered step that one side makes on its own."""
        self._number += 1
        self.y += 14
        height = 14 + 20 * len(lines)
        self.picture.box(x, self.y, width, height, fill, edge)
        for number, (text, classes) in enumerate(lines):
            self.picture.text(x + 22, self.y + 22 + 20 * number, text, classes)
        self.number(x, self.y + height / 2)
        self.y += height


def draw() -> str:
    """Return the picture."""
    drawn = _Exchange()
    height = _steps(drawn)
    measured = drawn
    drawn = _Exchange()
    for x in NAMES:  # behind all else
        drawn.picture.line([(x, 44), (x, height - 44)], "edge")
    _steps(drawn)
    for y in (12, height - 44):
        for x, name in NAMES.items():
            width = 104 if x == APPLICATION else 84
            drawn.picture.box(x - width / 2, y, width, 32)
            drawn.picture.text(x, y + 21, name, "ink bold small", "middle")
    assert measured.y == drawn.y
    return drawn.picture.svg(height)


def _steps(drawn: _Exchange) -> float:
    """Draw the steps; return the height of the whole picture."""
    drawn.y = 44
    drawn.section("First call, with a ticket")
    drawn.arrow(CLIENT, KDC, [("TGS request", "ink small"), ("HTTP/hub", "soft small mono")])
    drawn.arrow(KDC, CLIENT, [("ticket", "ink small")], is_reply=True)
    drawn.arrow(
        CLIENT, APACHE, [("the call, and the ticket in", "ink"), ("Authorization: Negotiate", "blue small mono")]
    )
    drawn.note(CLIENT + 34, 240, "box", [("verifies the ticket (keytab)", "ink")])
    drawn.arrow(APACHE, APPLICATION, [("call, user", "ink small")])
    drawn.arrow(APPLICATION, APACHE, [("result", "ink small")], is_reply=True)
    lines = [
        ("the reply, Apache's token in", "ink"),
        ("WWW-Authenticate: Negotiate", "blue small mono"),
        ("and a session in Set-Cookie", "ink"),
    ]
    drawn.arrow(APACHE, CLIENT, lines, is_reply=True)
    lines = [
        ("First: verify the token of the server", "ink bold"),
        ("Then: parse the XML, keep the cookie", "ink"),
        ("Not valid: an error, and nothing is parsed", "soft small"),
    ]
    drawn.note(24, 352, "good", lines, "way")
    drawn.section("Next call, on the session")
    lines = [("the call, no ticket, no KDC", "ink"), ("Cookie: session", "blue small mono")]
    drawn.arrow(CLIENT, APACHE, lines)
    drawn.arrow(APACHE, APPLICATION, [("call, user", "ink small")])
    drawn.arrow(APPLICATION, APACHE, [("result", "ink small")], is_reply=True)
    drawn.arrow(APACHE, CLIENT, [("the reply", "ink")], is_reply=True)
    return drawn.y + 22 + 44
