"""The benchmark: that it runs and reckons right. How fast anything is, is not for a test to say."""

import json
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
from bench import features, report
from bench.contestants import CONTESTANTS

TESTS = Path(__file__).resolve().parent.parent
RATE, CPU = "calls_per_second", "cpu_per_call"


def sample(contestant, case, **quantities):
    return {"contestant": contestant, "case": case, "round": 0, **quantities}


def goal(found, start):
    (one,) = [goal for goal in found if goal["what"].startswith(start)]
    return one["measured"], one["reached"]


def test_medians():
    samples = [sample("open", "1 thread", **{RATE: rate, CPU: 1 / rate}) for rate in (100.0, 500.0, 200.0)]
    samples += [sample("open", "20 MB up", memory=7), sample("kobo", "1 thread", error="Sorry: no")]
    assert report.summary(samples) == {
        "open": {"1 thread": {RATE: 200.0, CPU: 0.005}, "20 MB up": {"memory": 7}},
        "kobo": {"1 thread": {"error": "Sorry: no"}},
    }


def test_spread():
    samples = [sample("open", "1 thread", **{RATE: rate}) for rate in (100.0, 150.0, 200.0)]
    assert report.spread(samples, "open") == "67%"
    assert report.spread(samples, "kobo") == "-"


@pytest.mark.parametrize("above, below, wanted", [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None), (3, 0, None)])
def test_ratio(above, below, wanted):
    assert report.ratio(above, below) == wanted


def test_goals():
    found = report.goals(
        {
            "session": {
                "1 thread": {RATE: 900.0},
                "8 threads": {RATE: 1800.0},
                "20 MB down": {RATE: 4.0, "memory": 120},
            },
            "cookie": {"1 thread": {RATE: 1000.0}, "8 threads": {RATE: 2000.0}},
            "open": {"20 MB down": {RATE: 2.0, "memory": 100}},
            "spnego": {"1 thread": {RATE: 800.0, CPU: 0.001}},
            "requests-gssapi opportunistic": {"1 thread": {RATE: 400.0, CPU: 0.003}},
            "kobo": {"1 thread": {"error": "Sorry: no"}},
        }
    )
    assert goal(found, "session : SafeTransport") == (0.9, False)
    assert goal(found, "8 threads : 1, session") == (1.0, True)
    assert goal(found, "20 MB down, session : SafeTransport, seconds") == (0.5, True)
    assert goal(found, "20 MB down, session : SafeTransport, memory") == (1.2, False)
    assert goal(found, "a ticket a call, spnego : requests-gssapi") == (2.0, True)
    assert goal(found, "requests-gssapi opportunistic : a ticket a call, spnego") == (3.0, True)
    assert goal(found, "a ticket a call : kobo") == (None, None)


def test_goals_by_round():
    samples = []
    for number, (own, limit) in enumerate([(90.0, 100.0), (55.0, 50.0), (80.0, 100.0)]):  # the machine was slow once
        for name, rate in (("session", own), ("cookie", limit)):
            samples.append({**sample(name, "1 thread", **{RATE: rate}), "round": number})
    first = report.with_rounds(report.goals(report.summary(samples)), samples)[0]
    assert (first["measured"], first["measured_by_round"]) == (0.8, [0.9, 1.1, 0.8])


def test_what_failed_is_shown_with_its_reason():
    samples = [sample("kobo", "1 thread", error="Sorry: <no>"), sample("open", "1 thread", **{RATE: 9.0, CPU: 0.1})]
    run = report.result({"processor": "P", "cores": 1, "system": "S"}, {}, {}, samples)
    assert "failed: kobo on /xmlrpc (1 cases): Sorry: <no>" in report.table(run)
    drawn = xml.etree.ElementTree.fromstring(report.svg(run))
    assert "failed" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]


def test_what_is_found_of_features():
    script = "import json; from bench import features; print(json.dumps(features.find(['spnego'])))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {probe: answers["spnego"] for probe, answers in found.items()} == {
        "reads a reply of a server that never asked for a ticket": "no: MutualAuthenticationError",
        "reads a reply to its ticket without the server's proof": "no: MutualAuthenticationError",
        "reads a reply whose proof was altered": "no: MutualAuthenticationError",
        "finds Negotiate on the second WWW-Authenticate line": "yes",
        "tickets for ten calls to a server with sessions": "1",
        "runs of one call, when the connection breaks in it": "1: CallOutcomeUnknown",
        "expands XML entities": "no: UnsafeResponse",
        "a stale keytab on the server is": "AuthenticationRejected",
    }
    assert "krbxmlrpc, a ticket a call   AuthenticationRejected" in features.table(found)


def test_the_smallest_run(tmp_path):
    command = [sys.executable, "-m", "bench", "--smoke", "--json", str(tmp_path / "run.json")]
    command += ["--svg", str(tmp_path / "run.svg")]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    for title in ("SMALL CALLS", "LARGE CALLS, seconds", "LARGE CALLS, MB of memory", "GOALS", "krbxmlrpc, session"):
        assert title in done.stdout
    run = json.loads((tmp_path / "run.json").read_text())
    assert list(run["medians"]) == [name for name, contestant in CONTESTANTS.items() if not contestant.peer]
    assert [each for each in run["samples"] if "error" in each] == []
    assert run["medians"] == report.summary(run["samples"])
    assert run["goals"] == report.with_rounds(report.goals(run["medians"]), run["samples"])
    for cases in run["medians"].values():
        assert {*report.THREADS, *report.LARGE, report.COUNTS} <= cases.keys()
        assert cases[report.COUNTS]["requests"] >= 1
    assert xml.etree.ElementTree.parse(tmp_path / "run.svg").getroot().get("role") == "img"
