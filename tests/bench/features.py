"""Find out what each transport does where servers and connections are not as they should be.

Each probe is a conversation of one contestant with a scripted server or with Apache, and what comes of it is a word or
two. It is held in a process of its own: ``python -m bench.features CONTESTANT PROBE``.
"""

import json
import logging
import os
import subprocess
import sys
import uuid
from typing import Callable
from xmlrpc.client import dumps

import trustme
from servers import apache, kdc
from servers.scripted import Answer, ScriptedServer, honest, message, say, values

from krbxmlrpc.testing.loopback import Hangup, Request

from .contestants import CONTESTANTS, Client
from .processes import client_environment

SHOWN = ["spnego", "kobo", "requests-gssapi", "requests-kerberos", "tcms-api", "freeipa"]

PATIENCE = 60.0
"""Seconds for one conversation; what takes longer hangs."""

_ENTITY = b'<?xml version="1.0"?><!DOCTYPE methodResponse [<!ENTITY a "expanded">]>'

Probe = Callable[[str], str]


def _said(client: Client, what: str = "whoami") -> str:
    """Return what comes of a call: its value, or the name of the error."""
    try:
        return str(client(what))
    except Exception as error:  # whatever it is, it is the result
        return type(error).__name__


def _asking(answer: Answer, *challenges: str) -> Answer:
    """Ask for a ticket where there is none; then answer."""
    lines = [("WWW-Authenticate", challenge) for challenge in challenges or ("Negotiate",)]

    def converse(request: Request, send: Callable[[bytes], None]) -> None:
        if request.token is None:
            send(message(401, lines))
        else:
            answer(request, send)

    return converse


def _scripted(name: str, answer: Answer, talk: Callable[[Client, ScriptedServer], str]) -> str:
    """Have a contestant talk to a scripted server."""
    ca = trustme.CA()
    with ca.cert_pem.tempfile() as cafile, ScriptedServer(ca) as server:
        os.environ["SSL_CERT_FILE"] = cafile  # for those who take no context
        server.otherwise = answer
        return talk(CONTESTANTS[name].make(server.url(), cafile), server)


def _believes(answer: Answer) -> Probe:
    def probe(name: str) -> str:
        said = _scripted(name, answer, lambda client, server: _said(client))
        return "yes" if said == "believed" else f"no: {said}"

    return probe


def _unproven() -> bytes:
    return message(body=values("believed"))


def _altered(token: str) -> str:
    return token[:-12] + "AAAAAAAAAAA="


def _finds_second_line(name: str) -> str:
    answer = _asking(honest(body=values("found")), 'Basic realm="hub"', "Negotiate")
    said = _scripted(name, answer, lambda client, server: _said(client))
    return "yes" if said == "found" else f"no: {said}"


def _expands_entities(name: str) -> str:
    body = _ENTITY + dumps(("PLACE",), methodresponse=True).partition("?>")[2].encode().replace(b"PLACE", b"&a;")
    said = _scripted(name, _asking(honest(body=body)), lambda client, server: _said(client))
    return "yes" if said == "expanded" else f"no: {said}"


def _runs(name: str) -> str:
    """Break the connection twice when the call has run."""
    runs: list[Request] = []

    def run(request: Request, send: Callable[[bytes], None]) -> None:
        runs.append(request)
        if len(runs) <= 2:
            raise Hangup
        honest()(request, send)

    said = _scripted(name, _asking(run), lambda client, server: _said(client))
    return f"{len(runs)}: {said}"


def _tickets(name: str) -> str:
    case = uuid.uuid4().hex
    url, ca = f"{os.environ['HUB_URL']}/session?case={case}", os.environ["HUB_CA"]
    client = CONTESTANTS[name].make(url, ca)
    for _ in range(10):
        said = _said(client)
        if "@" not in said:
            return f"fails: {said}"
    return f"case {case}"


def _stale(name: str) -> str:
    return _said(CONTESTANTS[name].make(f"{os.environ['HUB_URL']}/stale-keytab", os.environ["HUB_CA"]))


PROBES: dict[str, Probe] = {
    "reads a reply of a server that never asked for a ticket": _believes(say(_unproven())),
    "reads a reply to its ticket without the server's proof": _believes(_asking(say(_unproven()))),
    "reads a reply whose proof was altered": _believes(_asking(honest(_altered, body=values("believed")))),
    "finds Negotiate on the second WWW-Authenticate line": _finds_second_line,
    "tickets for ten calls to a server with sessions": _tickets,
    "runs of one call, when the connection breaks in it": _runs,
    "expands XML entities": _expands_entities,
    "a stale keytab on the server is": _stale,
}


def _hold(name: str, probe: str, environment: dict[str, str], hub: apache.Apache) -> str:
    """Have one conversation held in a process of its own."""
    command = [sys.executable, "-m", "bench.features", name, probe]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "hangs"
    if done.returncode:
        return f"failed: {(done.stderr.splitlines() or [''])[-1][:200]}"
    said: str = json.loads(done.stdout.splitlines()[-1])
    if said.startswith("case "):
        return str(sum(line.ticket for line in hub.logged(said[5:], 10)))
    return said


def find(names: list[str]) -> dict[str, dict[str, str]]:
    """Start realm and hub, hold all conversations; return what came of them, by probe and contestant."""
    os.environ["GSS_MECH_CONFIG"] = os.devnull
    realm = kdc.start()
    try:
        hub = apache.Apache(realm).start()
        try:
            environment = client_environment(hub, realm)
            return {probe: {name: _hold(name, probe, environment, hub) for name in names} for probe in PROBES}
        finally:
            hub.stop()
    finally:
        realm.stop()


def table(found: dict[str, dict[str, str]]) -> str:
    """Return it as text."""
    lines = []
    for probe, answers in found.items():
        lines += ["", probe, "-" * len(probe)]
        lines += [f"{CONTESTANTS[name].title:<28} {answer}" for name, answer in answers.items()]
    return "\n".join(lines[1:])


def main(name: str, probe: str) -> None:
    """Hold one conversation; print what comes of it."""
    logging.getLogger().addHandler(logging.NullHandler())  # what is complained of is in the errors
    print(json.dumps(PROBES[probe](name)))


if __name__ == "__main__":
    main(*sys.argv[1:])
