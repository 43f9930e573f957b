"""``WWW-Authenticate``: header values, a line each."""

from krbxmlrpc.challenge import challenges, negotiate_details, www_auth


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
        assert negotiate_details([line]) == negotiate_details(line) == www_auth([line]).get("negotiate")
