"""The goals: most are ratios of two figures of one run."""

from typing import Any, Optional

from .cases import CLOSING, DECODED, EIGHT, ONE, REPLIES
from .imports import CASE as IMPORT

_TEXT = "text, 20 MB"
_DECODING = {
    "decode listTagged": 4.0,
    "decode deep structs": 3.0,
    "decode arrays": 3.0,
    "decode text, 20 MB": 2.0,
    "decode base64, 6 MB": 2.0,
    "decode a small reply": 1.0,
}
"""The wanted ratios of the processor time of xmlrpc.client to that of krbxmlrpc."""

_MEMORY = 44.0
"""The most megabytes that a call may take whose reply is a text of 20 MB."""

Goal = dict[str, Any]


def ratio(above: Optional[float], below: Optional[float]) -> Optional[float]:
    """Divide; None if something was not measured."""
    return None if above is None or not below else above / below


class _Figures:
    """The figures of a run, by name. A figure that was not measured is None."""

    def __init__(self, medians: Any) -> None:
        self._medians = medians

    def of(self, name: str, case: str, quantity: str) -> Optional[float]:
        found: Optional[float] = self._medians.get(name, {}).get(case, {}).get(quantity)
        return found

    def cpu(self, name: str, other: str, case: str = ONE) -> Optional[float]:
        """Return the ratio of the processor times of two contestants."""
        return ratio(self.of(name, case, "cpu_per_call"), self.of(other, case, "cpu_per_call"))

    def rate(self, name: str, other: str, case: str = ONE) -> Optional[float]:
        """Return the ratio of the rates of two contestants."""
        return ratio(self.of(name, case, "calls_per_second"), self.of(other, case, "calls_per_second"))

    def speedup(self, name: str) -> Optional[float]:
        """Return the ratio of the rates with eight threads and with one."""
        return ratio(self.of(name, EIGHT, "calls_per_second"), self.of(name, ONE, "calls_per_second"))


def goals(medians: Any) -> list[Goal]:
    """Return the goals, and the measured values.

    Args:
        medians: those of a run or of a round, as `report.summary` makes them.
    """
    figures = _Figures(medians)
    parts = _sessions, _tickets, _requests_gssapi, _threads, _replies, _decoding, _others
    return [goal for part in parts for goal in part(figures)]


def with_rounds(found: list[Goal], each: list[list[Goal]]) -> list[Goal]:
    """Add ``measured_by_round`` to each goal. If its values lie on both sides, another run may have another result.

    Args:
        found: the goals of the run.
        each: the goals of each round.
    """
    by_round = [[goal["measured"] for goal in column if goal["measured"] is not None] for column in zip(*each)]
    return [{**goal, "measured_by_round": values} for goal, values in zip(found, by_round or [[]] * len(found))]


def _sessions(figures: _Figures) -> list[Goal]:
    return [
        _at_most("session : SafeTransport with a cookie set by hand, CPU", figures.cpu("session", "cookie"), 1.0),
        _at_least("session : SafeTransport with a cookie set by hand, calls/s", figures.rate("session", "cookie"), 1.0),
        _at_least("session : kobo, calls/s", figures.rate("session", "kobo session"), 15.0),
        _at_most("session : the same, CPU, no keep-alive", figures.cpu("session", "cookie", CLOSING.name), 1.0),
    ]


def _tickets(figures: _Figures) -> list[Goal]:
    ticket, alone = "a ticket a call", "a ticket a call, pykerberos alone"
    return [
        _at_most(f"{ticket} : thinnest preemptive, CPU", figures.cpu("spnego", "thin spnego"), 0.65),
        _at_most(f"{ticket} : FreeIPA's KerbTransport, CPU", figures.cpu("spnego", "freeipa"), 0.6),
        _at_least(f"{ticket} : thinnest preemptive, calls/s", figures.rate("spnego", "thin spnego"), 1.15),
        _at_least(f"{ticket} : FreeIPA's KerbTransport, calls/s", figures.rate("spnego", "freeipa"), 1.15),
        _at_least(f"{ticket} : kobo, calls/s", figures.rate("spnego", "kobo"), 4.0),
        _at_most(f"{ticket} : {ticket}, krb5, CPU", figures.cpu("spnego", "krb5"), 1.05),
        _at_most(f"{alone} : thinnest preemptive, CPU", figures.cpu("spnego pykerberos", "thin spnego"), 0.9),
        _at_least(f"{ticket}, krb5 : thinnest preemptive, krb5, calls/s", figures.rate("krb5", "thin krb5"), 1.0),
    ]


def _requests_gssapi(figures: _Figures) -> list[Goal]:
    found = []
    for name, peer in ("spnego", "requests-gssapi opportunistic"), ("krb5", "requests-gssapi opportunistic krb5"):
        what = f"a ticket a call, {name}"
        found += [
            _at_least(f"{what} : requests-gssapi opportunistic, calls/s", figures.rate(name, peer), 1.6),
            _at_least(f"requests-gssapi opportunistic : {what}, CPU", figures.cpu(peer, name), 2.5),
        ]
    return found


def _threads(figures: _Figures) -> list[Goal]:
    found = []
    for name, thin in ("session", "cookie"), ("spnego", "thin spnego"), ("krb5", "thin krb5"):
        what = f"8 threads : 1, {name}, calls/s, : the same of thin clients"
        found.append(_at_least(what, ratio(figures.speedup(name), figures.speedup(thin)), 0.9))
    return found


def _replies(figures: _Figures) -> list[Goal]:
    """Return the goals of whole calls with a large reply."""
    found = [
        _at_most(f"{case.name}, session : SafeTransport, CPU", figures.cpu("session", "cookie", case.name), 1.0)
        for case in REPLIES
    ]
    memory = figures.of("session", _TEXT, "memory")
    found.append(_at_most(f"{_TEXT}, session, MB of memory", memory and memory / 1024 / 1024, _MEMORY))
    return found


def _decoding(figures: _Figures) -> list[Goal]:
    """Return the goals of the decoding alone."""
    cases = [case.name for case in DECODED if case.name in _DECODING]
    return [
        _at_least(f"{case}, xmlrpc.client : krbxmlrpc, CPU", figures.cpu("xmlrpc.client", "krbxmlrpc", case), wanted)
        for case, wanted in ((case, _DECODING[case]) for case in cases)
    ]


def _others(figures: _Figures) -> list[Goal]:
    what = "import, krbxmlrpc : xmlrpc.client, CPU of the process"
    return [_at_most(what, figures.cpu("krbxmlrpc", "xmlrpc.client", IMPORT), 2.0)]


def _at_most(what: str, measured: Optional[float], goal: float) -> Goal:
    return _goal(what, measured, "at most", goal, measured is not None and measured <= goal)


def _at_least(what: str, measured: Optional[float], goal: float) -> Goal:
    return _goal(what, measured, "at least", goal, measured is not None and measured >= goal)


def _goal(what: str, measured: Optional[float], bound: str, goal: float, is_reached: bool) -> Goal:
    reached = None if measured is None else is_reached
    return {"what": what, "measured": measured, "bound": bound, "goal": goal, "reached": reached}
