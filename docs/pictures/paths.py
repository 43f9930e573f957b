"""Draws the paths that a call may take, as `rules` finds them in ``krbxmlrpc/_negotiate/policy.py``."""

from __future__ import annotations

from krbxmlrpc._negotiate.policy import Sent, Step

from .drawing import Picture, width_of
from .rules import Fork, Outcome, Tree, errors_of, leaves, tree

TITLE = "The paths of a call: the reply to a request, and the next step"

ORDER = (Sent.NOTHING, Sent.COOKIES, Sent.CONNECTION, Sent.TICKET)
"""The authentications of a call, a block of the picture for each. The rest is for proxies."""

HEADERS = {
    Sent.NOTHING: "no header",
    Sent.COOKIES: "Cookie",
    Sent.CONNECTION: "no header",
    Sent.TICKET: "Authorization",
}

WIDTH, ROW, TOP, GAP = 868, 30, 52, 26
COLUMNS = {"status": 148, "page": 238, "header": 238, "mode": 390, "proof": 538, "offer": 538}
HEADINGS = {16: "request", 148: "status", 238: "header", 390: "mode", 538: "proof, offer", 720: "next step"}
PILL, PILL_WIDTH, RAIL = 720, 116, 852

GOOD, AGAIN, BAD = "good", "again", "bad"
MEANINGS = {
    Step.ACCEPT: "The body is decoded, and its values are the result of the call.",
    Step.RENEW: "The call is sent again, with a ticket or the cookies of a new login.",
    Step.ANOTHER_LEG: "The ticket answers the server's token, on the same connection.",
}


class _Paths:
    """The picture, from top to bottom."""

    def __init__(self) -> None:
        self.picture = Picture(TITLE, description(), WIDTH)
        self.y = float(TOP)
        self.again: dict[Step, list[float]] = {Step.RENEW: [], Step.ANOTHER_LEG: []}

    def block(self, sent: Sent) -> None:
        """Draw the replies to one kind of request."""
        branch = tree(sent)
        top = self.y
        height = ROW * len(list(leaves(branch)))
        middle = top + height / 2
        self.picture.box(16, middle - 27, 108, 54)
        self.picture.text(70, middle - 4, sent.value, "ink bold", "middle")
        self.picture.text(70, middle + 15, HEADERS[sent], "soft small", "middle")
        self._branches(branch, 124, middle, top)
        self.y += height + GAP

    def _branches(self, branch: Tree, x: float, y: float, top: float) -> None:
        """Draw a tree: `x` and `y` is the point that it grows from, `top` the upper end of its rows."""
        if not isinstance(branch, Fork):
            self.picture.line([(x, y), (PILL - 3, y)], "edge")
            self._result(branch, y)
            return
        column = COLUMNS[branch.fact]
        stem, ends = column - 14, []
        for label, below in branch.branches:
            rows = len(list(leaves(below)))
            middle = top + rows * ROW / 2
            ends.append(middle)
            self.picture.line([(stem, middle), (column - 4, middle)], "edge")
            classes = "ink small"
            self.picture.text(column, middle + 5, label, classes)
            self._branches(below, column + width_of(label, classes) + 2, middle, top)
            top += rows * ROW
        self.picture.line([(x, y), (stem, y)], "edge")
        self.picture.line([(stem, ends[0]), (stem, ends[-1])], "edge")

    def _result(self, outcome: Outcome, y: float) -> None:
        self.picture.box(PILL, y - 12, PILL_WIDTH, 24, kind(outcome))
        self.picture.text(PILL + PILL_WIDTH / 2, y + 5, outcome.name, "ink mono small", "middle")
        if isinstance(outcome, Step) and outcome in self.again:
            self.again[outcome].append(y)


def kind(outcome: Outcome) -> str:
    """Return the class of an outcome: the call has an answer, goes on, or ends in an error."""
    return GOOD if outcome is Step.ACCEPT else BAD if errors_of(outcome) else AGAIN


def draw() -> str:
    """Return the picture."""
    drawn = _Paths()
    for x, heading in HEADINGS.items():
        drawn.picture.text(x, 28, heading, "soft small bold")
    drawn.picture.line([(16, 38), (WIDTH - 16, 38)], "edge")
    for sent in ORDER:
        if sent is Sent.TICKET:
            lane = drawn.y - GAP / 2
            drawn.y += 4
        drawn.block(sent)
    _rail(drawn, lane)
    return drawn.picture.svg(_legend(drawn))


def _rail(drawn: _Paths, lane: float) -> None:
    """Draw the ways back from the steps that send another request with a ticket."""
    ends = [y for ys in drawn.again.values() for y in ys]
    for y in ends:
        drawn.picture.line([(PILL + PILL_WIDTH, y), (RAIL, y)], "way")
    drawn.picture.line([(RAIL, min(ends)), (RAIL, max([*ends, lane]))], "way")
    rows = len(list(leaves(tree(Sent.TICKET))))
    box = drawn.y - GAP - rows * ROW / 2 - 27
    drawn.picture.line([(RAIL, lane), (70, lane), (70, box - 2)], "way", "own")


def _legend(drawn: _Paths) -> float:
    """Say what each step means; return the height of the picture."""
    drawn.picture.line([(16, drawn.y - 6), (WIDTH - 16, drawn.y - 6)], "edge")
    drawn.y += 20
    for outcome in _outcomes():
        drawn.picture.box(16, drawn.y - 12, PILL_WIDTH, 24, kind(outcome))
        drawn.picture.text(16 + PILL_WIDTH / 2, drawn.y + 5, outcome.name, "ink mono small", "middle")
        drawn.picture.text(32 + PILL_WIDTH, drawn.y + 5, meaning(outcome), "ink small")
        drawn.y += ROW
    return drawn.y


def _outcomes() -> list[Outcome]:
    """Return the outcomes of all trees: an answer first, errors last."""
    found = dict.fromkeys(outcome for sent in ORDER for _, outcome in leaves(tree(sent)))
    return sorted(found, key=lambda outcome: [GOOD, AGAIN, BAD].index(kind(outcome)))


def meaning(outcome: Outcome) -> str:
    """Return a sentence about an outcome."""
    errors = errors_of(outcome)
    if not errors:
        return MEANINGS[outcome]
    checked = "" if isinstance(outcome, Step) else "The token had to be verified. "
    return f"{checked}The call ends with {' or '.join(errors)}."


def description() -> str:
    """Return the paths as text."""
    sentences = [f"{outcome.name}: {meaning(outcome)}" for outcome in _outcomes()]
    for sent in ORDER:
        steps = [f"{', '.join(labels)}: {outcome.name}" for labels, outcome in leaves(tree(sent))]
        sentences.append(f"Replies to a request with {_request(sent)}: {'; '.join(steps)}.")
    return " ".join(sentences)


def _request(sent: Sent) -> str:
    return "no ticket" if sent is Sent.NOTHING else f"the authentication “{sent.value}”"
