"""Asks `krbxmlrpc._negotiate.policy` about each reply that is possible, and makes trees of the answers.

A tree has a level for each fact that decides: the status, then the header, and so on. A fact that decides nothing is
left out, and values that lead to the same next step share a branch.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Union

from krbxmlrpc import MutualAuthenticationError
from krbxmlrpc._negotiate import policy
from krbxmlrpc._negotiate.http_errors import failure
from krbxmlrpc._negotiate.policy import MutualAuthentication, Sent, Step

FACTS = ("status", "page", "header", "mode", "proof", "offer")
"""The facts that decide, in the order of the levels."""

STATUSES = range(200, 600)
NO_HEADER, NO_TOKEN, TOKEN = "no Negotiate", "Negotiate, no token", "a token"
VALID, NOT_VALID, EARLIER_LEG, OWN_SESSION, NOTHING = "valid", "not valid", "earlier leg", "own session", "no proof"
TO_LOGIN, ELSEWHERE = "to the login page", "elsewhere"
OFFERED, NEVER_OFFERED = "offered before", "never offered"

_NEGOTIATE = {NO_HEADER: None, NO_TOKEN: "", TOKEN: "token"}
_MERGED = {
    (NO_HEADER, NO_TOKEN): "no token",
    (NO_TOKEN, TOKEN): "Negotiate",
}


class NotValid:
    """The outcome if a token has to be verified and is not valid. `next_step` is not asked any more."""

    name = "NOT_VALID"


NOT_VALID_TOKEN = NotValid()

Outcome = Union[Step, NotValid]


class Fork(NamedTuple):
    """A level of a tree: a fact, and a branch for each group of its values."""

    fact: str
    branches: tuple[tuple[str, Tree], ...]


Tree = Union[Outcome, Fork]
Case = tuple[tuple[Any, ...], Outcome]


@functools.cache
def tree(sent: Sent) -> Tree:
    """Return the tree of all replies to a call that carried this authentication."""
    return _tree(list(_cases(sent)), 0)


def _cases(sent: Sent) -> Iterator[Case]:
    """Yield each combination of facts that is possible, with the outcome."""
    for status, header, mode in itertools.product(STATUSES, _NEGOTIATE, MutualAuthentication):
        negotiate = _NEGOTIATE[header]
        is_checked = policy.to_be_verified(sent, status, negotiate, mode)
        pages = (TO_LOGIN, ELSEWHERE) if 300 <= status < 400 else (ELSEWHERE,)
        proofs = _proofs(sent, mode, is_checked)
        for page, (proof, own), offer in itertools.product(pages, proofs, (OFFERED, NEVER_OFFERED)):
            outcome: Outcome = NOT_VALID_TOKEN
            if proof != NOT_VALID:
                outcome = policy.next_step(
                    sent,
                    status,
                    negotiate,
                    proof in (VALID, EARLIER_LEG),
                    mode,
                    own_session=own,
                    to_login=page == TO_LOGIN,
                    was_offered=offer == OFFERED,
                )
            yield (status, page, header, mode.value, (proof, own), offer), outcome


def _proofs(sent: Sent, mode: MutualAuthentication, is_checked: bool) -> list[tuple[str, bool]]:
    """Return the proofs of the server's identity that a reply may come with, without and with an own session."""
    if sent is not Sent.TICKET:
        return [(NOTHING, False)]
    if is_checked:
        proofs = [VALID, NOT_VALID]
    else:
        proofs = [NOTHING] if mode is MutualAuthentication.DISABLED else [NOTHING, EARLIER_LEG]
    return list(itertools.product(proofs, (False, True)))


def _tree(cases: Sequence[Case], level: int) -> Tree:
    """Return the tree of cases that agree in all facts before this level."""
    outcomes = {outcome for _, outcome in cases}
    if len(outcomes) == 1:
        return outcomes.pop()
    grouped: dict[Any, list[Case]] = {}
    for case in cases:
        grouped.setdefault(case[0][level], []).append(case)
    values_of: dict[Tree, list[Any]] = {}
    for value, of_value in grouped.items():
        values_of.setdefault(_tree(of_value, level + 1), []).append(value)
    if len(values_of) == 1:
        return next(iter(values_of))
    return _fork(FACTS[level], values_of)


def _fork(fact: str, values_of: dict[Tree, list[Any]]) -> Fork:
    """Return a fork with a label for each group of values."""
    rest = max(values_of.values(), key=len) if fact == "status" else None
    branches = [(_label(fact, values, values is rest), branch) for branch, values in values_of.items()]
    branches.sort(key=lambda pair: pair[0] == "any other")  # the order is the one of the values, but for this
    labels = [label for label, _ in branches]
    if len(set(labels)) < len(labels):
        raise ValueError(f"a picture needs a label for each branch: {fact}, {labels}")
    return Fork(fact, tuple(branches))


def _label(fact: str, values: list[Any], is_rest: bool) -> str:
    """Return the label of a group of values."""
    if fact == "status":
        return "any other" if is_rest else ", ".join(runs(values))
    if fact == "proof":
        values = [OWN_SESSION if proof == NOTHING and own else proof for proof, own in values]
    names = tuple(dict.fromkeys(values))
    return _MERGED.get(names) or ", ".join(names)


def runs(statuses: list[int]) -> list[str]:
    """Return the shortest text for statuses in ascending order: 3xx, or 200, or 201-299."""
    found = []
    for _, run in itertools.groupby(enumerate(statuses), lambda pair: pair[1] - pair[0]):
        numbers = [status for _, status in run]
        first, last = numbers[0], numbers[-1]
        whole = first % 100 == 0 and last == first + 99
        found.append(f"{first // 100}xx" if whole else str(first) if first == last else f"{first}-{last}")
    return found


def leaves(branch: Tree, labels: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Outcome]]:
    """Yield the outcomes of a tree, from top to bottom, with the labels on the way."""
    if isinstance(branch, Fork):
        for label, below in branch.branches:
            yield from leaves(below, (*labels, label))
    else:
        yield labels, branch


@functools.cache
def errors_of(outcome: Outcome) -> list[str]:
    """Return the names of the errors that end a call with this outcome; none if it goes on or has succeeded."""
    if isinstance(outcome, NotValid):
        return [MutualAuthenticationError.__name__]
    if outcome in (Step.ACCEPT, Step.RENEW, Step.ANOTHER_LEG):
        return []
    ending = {facts[0] for sent in Sent for facts, step in _cases(sent) if step is outcome}
    found = {}
    for status, date in itertools.product(sorted(ending), (None, "Thu, 01 Jan 1970 00:00:00 GMT")):
        headers = policy.HTTPMessage()
        if date is not None:
            headers["Date"] = date
        found[type(failure(outcome, _CALL, policy.Reply(status, "", headers))).__name__] = True
    return list(found)


_CALL = policy.Call("hub", "/xmlrpc", b"", "hub", "HTTP@hub", policy.Allowance())
