"""``WWW-Authenticate``: header values, a line each."""

import re

from krbxmlrpc._http.www_authenticate import challenges, negotiate_details, www_auth

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = r'"(?:[^"\\]|\\.)*"'
MEMBER = re.compile(rf'((?:[^",]|{QUOTED})*)(?:,|\Z)', re.DOTALL)
PARAMETER = re.compile(rf"{TOKEN}[ \t]*=[ \t]*(?:{TOKEN}|{QUOTED})", re.DOTALL)
CHALLENGE = re.compile(rf"({TOKEN})(?:[ \t]+([A-Za-z0-9\-._~+/]+=*|{PARAMETER.pattern}))?", re.DOTALL)


def by_the_grammar(line):
    """Return the challenges of a line that follows RFC 9110, section 11.6.1; None for one that does not."""
    found = []
    at = 0
    while at < len(line):
        match = MEMBER.match(line, at)
        if match is None:
            return None
        at = match.end()
        member = match[1].strip(" \t")
        if PARAMETER.fullmatch(member):
            if not found or not PARAMETER.fullmatch(found[-1][-1]):
                return None
            found[-1].append(member)
        elif member:
            challenge = CHALLENGE.fullmatch(member)
            if challenge is None:
                return None
            found.append([challenge[1].lower(), challenge[2] or ""])
    return [(scheme, ", ".join(details)) for scheme, *details in found]


def one_input(data):
    check(data.decode("latin-1").split("\n"))


def check(lines):
    """Check what is read in any header values."""
    found = list(challenges(lines))
    assert found == [challenge for line in lines for challenge in challenges(line)]
    for scheme, details in found:
        assert scheme == scheme.lower() and scheme.isascii() and scheme.isprintable() and " " not in scheme != ""
        assert details == details.strip(" \t")
        assert list(challenges(f"{scheme} {details}")) == [(scheme, details)]
    assert sum(len(scheme) + len(details) for scheme, details in found) <= 2 * sum(map(len, lines))
    schemes = www_auth(lines)
    assert list(schemes) == list(dict.fromkeys(scheme for scheme, _ in found))
    assert negotiate_details(lines) == schemes.get("negotiate")
    for line in lines:
        assert by_the_grammar(line) in (None, list(challenges(line)))
        assert negotiate_details([line]) == negotiate_details(line) == www_auth([line]).get("negotiate")
