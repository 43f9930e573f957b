"""The benchmark: that it runs and calculates correctly. No test measures time."""

import json
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
from bench import cases, chart, decoding, features, goals, imports, instructions, report, tables
from bench.contestants import CONTESTANTS
from servers import samples

TESTS = Path(__file__).resolve().parent.parent
SVG = "{http://www.w3.org/2000/svg}"
RATE, CPU = "calls_per_second", "cpu_per_call"
MB = 1024 * 1024

PROFILE = """# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 4711
cmd:  python -m bench.worker session
part: 1

desc: I1 cache:
desc: Trigger: Program termination

positions: line
events: Ir
summary: 6123456

fn=(1) main
12 6123400
calls=1 0
13 56

totals: 6123456
"""


def sample(contestant, case, number=0, **quantities):
    return {"contestant": contestant, "case": case, "round": number, **quantities}


def made_result(made):
    return report.result({"processor": "P", "cores": 1, "system": "S"}, {"Python": "3"}, {}, made)


def goal(found, start):
    (one,) = [goal for goal in found if goal["what"].startswith(start)]
    return one["measured"], one["reached"]


def test_medians():
    made = [sample("open", "1 thread", **{RATE: rate, CPU: 1 / rate}) for rate in (100.0, 500.0, 200.0)]
    made += [sample("open", "20 MB up", memory=7), sample("kobo", "1 thread", error="Sorry: no")]
    assert report.summary(made) == {
        "open": {"1 thread": {RATE: 200.0, CPU: 0.005}, "20 MB up": {"memory": 7}},
        "kobo": {"1 thread": {"error": "Sorry: no"}},
    }


def test_spread():
    made = [sample("open", "1 thread", **{CPU: cpu}) for cpu in (1.0, 1.5, 2.0)]
    made.append(sample("kobo", "1 thread", error="Sorry: no"))
    assert report.spread(made, "open") == "67%"
    assert report.spread(made, "kobo") == "-"
    assert report.spread(made, "freeipa") == "-"


@pytest.mark.parametrize("above, below, wanted", [(3.0, 2.0, 1.5), (None, 2.0, None), (3.0, None, None), (3, 0, None)])
def test_ratio(above, below, wanted):
    assert goals.ratio(above, below) == wanted


def test_goals_of_calls():
    found = goals.goals(
        {
            "session": {
                "1 thread": {RATE: 900.0, CPU: 0.0002},
                "8 threads": {RATE: 1800.0},
                "no keep-alive": {CPU: 0.001},
                "listTagged": {CPU: 0.3},
                "text, 20 MB": {"memory": 45 * MB},
            },
            "cookie": {
                "1 thread": {RATE: 1000.0, CPU: 0.0002},
                "8 threads": {RATE: 2000.0},
                "no keep-alive": {CPU: 0.0015},
                "listTagged": {CPU: 1.2},
            },
            "spnego": {"1 thread": {RATE: 800.0, CPU: 0.0008}},
            "spnego pykerberos": {"1 thread": {CPU: 0.00125}},
            "krb5": {"1 thread": {CPU: 0.0004}},
            "thin spnego": {"1 thread": {RATE: 400.0, CPU: 0.00125}},
            "requests-gssapi opportunistic": {"1 thread": {RATE: 400.0, CPU: 0.0024}},
            "kobo": {"1 thread": {"error": "Sorry: no"}},
        }
    )
    assert goal(found, "session : SafeTransport with a cookie set by hand, CPU") == (1.0, True)
    assert goal(found, "session : SafeTransport with a cookie set by hand, calls/s") == (0.9, False)
    assert goal(found, "session : the same, CPU, no keep-alive") == (pytest.approx(1 / 1.5), True)
    assert goal(found, "8 threads : 1, session") == (1.0, True)
    assert goal(found, "listTagged, session : SafeTransport, CPU") == (pytest.approx(0.25), True)
    assert goal(found, "text, 20 MB, session, MB of memory") == (45, False)
    assert goal(found, "a ticket a call : thinnest preemptive, CPU") == (pytest.approx(0.64), True)
    assert goal(found, "a ticket a call : thinnest preemptive, calls/s") == (2.0, True)
    assert goal(found, "a ticket a call : a ticket a call, krb5, CPU") == (2.0, False)
    assert goal(found, "a ticket a call, pykerberos alone : thinnest preemptive, CPU") == (1.0, False)
    assert goal(found, "a ticket a call, spnego : requests-gssapi") == (2.0, True)
    assert goal(found, "requests-gssapi opportunistic : a ticket a call, spnego") == (pytest.approx(3.0), True)
    assert goal(found, "a ticket a call : kobo") == (None, None)
    assert goal(found, "a ticket a call : FreeIPA's KerbTransport, CPU") == (None, None)


def test_goals_of_decoding_and_import():
    decoded = {"decode listTagged": {CPU: 0.25}, "decode a small reply": {CPU: 0.002}, "import": {CPU: 0.1}}
    standard = {"decode listTagged": {CPU: 1.0}, "decode a small reply": {CPU: 0.001}, "import": {CPU: 0.04}}
    found = goals.goals({"krbxmlrpc": decoded, "xmlrpc.client": standard})
    assert goal(found, "decode listTagged") == (4.0, True)
    assert goal(found, "decode a small reply") == (0.5, False)
    assert goal(found, "decode arrays") == (None, None)
    assert goal(found, "import") == (2.5, False)


def test_each_decoded_reply_has_a_goal_except_the_small_structs():
    names = {each["what"].partition(", xmlrpc.client")[0] for each in goals.goals({})}
    assert {case.name for case in cases.DECODED} - names == {"decode 1,000 structs"}


def test_goals_by_round():
    made = []
    for number, (own, limit) in enumerate([(90.0, 100.0), (55.0, 50.0), (80.0, 100.0)]):  # the machine was slow once
        for name, rate in (("session", own), ("cookie", limit)):
            made.append(sample(name, "1 thread", number, **{RATE: rate}))
    made.append(sample("session", "counts", -1, requests=1.0))
    (found,) = [each for each in made_result(made)["goals"] if each["what"].endswith("set by hand, calls/s")]
    assert (found["measured"], found["measured_by_round"]) == (0.8, [0.9, 1.1, 0.8])


def test_what_failed_is_shown_with_its_reason():
    made = [sample("kobo", "1 thread", error="Sorry: <no>"), sample("open", "1 thread", **{RATE: 9.0, CPU: 0.1})]
    run = made_result(made)
    assert "failed: kobo on /xmlrpc (1 cases): Sorry: <no>" in tables.table(run)
    drawn = xml.etree.ElementTree.fromstring(chart.svg(run))
    assert "failed" in [text.text for text in drawn.iter(f"{SVG}text")]


def test_tables_show_instructions_decoding_and_import():
    made = [sample("spnego", "instructions", -1, instructions=1838325.95), sample("spnego", "1 thread", **{CPU: 0.001})]
    made += [sample("xmlrpc.client", "decode arrays", **{CPU: 0.5, "bytes": 2_000_000})]
    made += [sample("krbxmlrpc", "decode arrays", **{CPU: 0.1, "bytes": 2_000_000})]
    made += [sample("krbxmlrpc", "import", **{CPU: 0.0834})]
    rows = [line.split() for line in tables.table(made_result(made)).splitlines()]
    assert "krbxmlrpc, a ticket a call /xmlrpc 1.000 0% - 1.838 - -".split() in rows
    assert "decode arrays 2000000 500.000 100.000 4.0 20.0".split() in rows
    assert "krbxmlrpc 83.4 0%".split() in rows
    configuration = CONTESTANTS["spnego"].configuration
    assert f"krbxmlrpc, a ticket a call on /xmlrpc: {configuration}".split() in rows


def test_the_chart_describes_itself():
    made = [sample("open", "1 thread", **{RATE: 9.0, CPU: 0.1})]
    made += [sample("krbxmlrpc", "decode arrays", **{CPU: 0.1, "bytes": 2_000_000})]
    drawn = xml.etree.ElementTree.fromstring(chart.svg(made_result(made)))
    assert drawn.get("role") == "img"
    parts = {part.get("id"): part.text for part in drawn}
    described = [parts[name] for name in drawn.get("aria-labelledby").split()]
    assert described[0].startswith("Processor time of a call on the client")
    assert "SafeTransport, no authentication on /open: 100.000" in described[1]
    assert "krbxmlrpc, arrays: 50.0" in described[1]


def test_instructions_are_the_difference_of_two_runs():
    assert instructions.total(PROFILE) == 6123456
    calls = instructions.MORE - instructions.FEWER
    assert instructions.per_call([1000, 1000 + 7 * calls]) == 7.0
    with pytest.raises(ValueError, match="0 totals"):
        instructions.total(PROFILE.partition("totals")[0])


def test_instructions_are_counted_of_known_contestants():
    assert set(instructions.COUNTED) <= CONTESTANTS.keys()


@pytest.mark.parametrize("kind", samples.KINDS)
def test_samples_have_the_length_that_was_asked_for(kind):
    reply = samples.encoded(kind, 10)
    assert samples.encoded(kind, 10) is reply  # it is encoded once
    (value,) = decoding.DECODERS["xmlrpc.client"](reply.plain)
    assert samples.length_of(value) == 10
    assert decoding.DECODERS["krbxmlrpc"](reply.plain) == (value,)


def test_the_builds_are_like_those_of_list_tagged():
    builds = samples.builds(100)
    assert {len(build) for build in builds} == {16}
    assert {type(value) for build in builds for value in build.values()} == {int, str, bool, type(None)}
    assert 1200 < len(samples.encoded("builds", 100).plain) / 100 < 1400


def test_the_decoders_are_measured():
    found = decoding.measure({"kind": "rows", "length": 3, "calls": 7})
    assert found["bytes"] == len(samples.encoded("rows", 3).plain)
    assert found[CPU].keys() == decoding.DECODERS.keys()


def test_decoders_that_disagree_are_an_error(monkeypatch):
    monkeypatch.setitem(decoding.DECODERS, "krbxmlrpc", lambda body: ("another value",))
    with pytest.raises(ValueError, match="different values"):
        decoding.measure({"kind": "rows", "length": 3, "calls": 1})


def test_a_package_can_be_hidden_from_a_module():
    command = [sys.executable, "-m", "bench.without", "gssapi", "timeit", "-n1", "-r1", "import gssapi"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True)
    assert "import of gssapi halted" in done.stderr


def test_features():
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
    titles = [
        "SMALL CALLS: CLIENT CPU",
        "SMALL CALLS: CALLS/S",
        "LARGE CALLS: ms OF CLIENT CPU",
        "LARGE CALLS: CALLS/S",
    ]
    titles += ["LARGE CALLS: MB OF MEMORY", "DECODING ALONE", "IMPORT", "GOALS", "CONFIGURATIONS"]
    for title in titles:
        assert title in done.stdout
    run = json.loads((tmp_path / "run.json").read_text())
    assert list(run["contestants"]) == [name for name, contestant in CONTESTANTS.items() if not contestant.peer]
    assert [each for each in run["samples"] if "error" in each] == []
    assert run["medians"] == report.summary(run["samples"])
    assert run["goals"] == report.result({}, {}, {}, run["samples"])["goals"]
    every = {case.name for case in [*cases.SMALL, cases.CLOSING, *cases.LARGE]} | {cases.COUNTS}
    for name in run["contestants"]:
        assert run["medians"][name].keys() == every
        assert run["medians"][name][cases.COUNTS]["requests"] >= 1
    for name in decoding.DECODERS:
        assert run["medians"][name].keys() == {case.name for case in cases.DECODED} | {imports.CASE}
    assert xml.etree.ElementTree.parse(tmp_path / "run.svg").getroot().get("role") == "img"
