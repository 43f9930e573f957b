"""Cookies: a byte that says which host sets them, and ``Set-Cookie`` lines."""

from http.cookiejar import LWPCookieJar

from krbxmlrpc.session import Session, _strict_policy

FRIENDS = {
    "hub.example.test": {"example.test", "other.example.test"},
    "example.test:8443": {"hub.example.test", "other.example.test"},
    "hub": {"hub.local"},  # http.cookiejar takes them for the same
    "hub.local": {"hub"},
    "hub.co.uk": set(),
    "127.0.0.1": set(),
    "[::1]:8443": set(),
}
"""Hosts, and to which others they may set cookies."""
OTHERS = ("example.test", "other.example.test", "other.test", "test", "other", "x.local", "other.co.uk", "10.0.0.1")
HOSTS = [*FRIENDS, *OTHERS]
ALLOWED = {*range(256)} - {*range(32), 127} | {*b"\t"}
"""What can be in a header line that has been read."""


def one_input(data):
    host = list(FRIENDS)[data[0] % len(FRIENDS)] if data else "hub"
    lines = bytes(byte for byte in data[1:] if byte in ALLOWED or byte == 10).decode("latin-1").split("\n")
    check(host, lines)


def check(host, lines):
    """Check that cookies go only where they may, and do no harm."""
    session = Session(LWPCookieJar(policy=_strict_policy()))
    for name in HOSTS:
        session.prove(name)
    strangers = {name for name in HOSTS if name.partition(":")[0] != host.partition(":")[0]} - FRIENDS[host]
    for stranger in strangers:
        session.keep(url(stranger), [f"own={number}; Path=/" for number in (1, 2)], fresh=True)
    session.keep(url(host), lines, fresh=True)
    for name in HOSTS:
        header = session.cookies(url(name))
        assert all(character.isprintable() or "\x80" <= character <= "\xad" for character in header)
        assert len(header) <= sum(len(line) + 2 for line in lines) + len("own=2")
        assert session.cookies(url("x" + name)) == session.cookies("http://unproved/") == ""
        if name in strangers:
            assert header == "own=2", (host, name, header)
    session.jar.as_lwp_str()
    assert session.carries(url(host), session.cookies(url(host))) is bool(session.cookies(url(host)))


def url(host):
    """Return the URL of the calls to a host."""
    return f"https://{host}/folder/xmlrpc"
