"""Cookies: a byte that says which host sets them, and ``Set-Cookie`` lines."""

from http.cookiejar import LWPCookieJar

from cookie_jars import USER, store_of

from krbxmlrpc._negotiate.cookies import strict_policy

FRIENDS = {
    "hub.example.test": {"other.example.test"},
    "example.test:8443": {"other.example.test"},
    "hub": set(),
    "hub.local": set(),
    "hub.co.uk": set(),
    "127.0.0.1": set(),
    "[::1]:8443": set(),
}
"""Hosts, and to which of the others they may set cookies."""
OTHERS = {"other.example.test", "other.test", "other", "other.local", "other.co.uk", "10.0.0.1"}
ALLOWED = {*range(256)} - {*range(32), 127} | {*b"\t"}
"""What can be in a header line that has been read."""


def one_input(data):
    host = list(FRIENDS)[data[0] % len(FRIENDS)] if data else "hub"
    lines = bytes(byte for byte in data[1:] if byte in ALLOWED or byte == 10).decode("latin-1").split("\n")
    check(host, lines)


def check(host, lines):
    """Check that cookies go only where they may, and do no harm."""
    session = store_of(LWPCookieJar(policy=strict_policy()))
    strangers = OTHERS - FRIENDS[host]
    for name in (host, *OTHERS):
        session.prove(name)
    for name in strangers:
        session.keep(url(name), ["own=1; Path=/"], USER)
    session.keep(url(host), lines, USER)
    for name in (host, *OTHERS):
        header = session.cookies(url(name)).header
        assert all(character.isprintable() or "\x80" <= character <= "\xad" for character in header)
        assert len(header) <= sum(len(line) + 2 for line in lines) + len("own=1")
        assert name not in strangers or header == "own=1"
    assert session.cookies(url(f"{host.partition(':8')[0]}:1")).header == ""
    session.jar.as_lwp_str()
    cookies = session.cookies(url(host))
    assert cookies.may_authenticate is cookies.is_own_session is bool(cookies.header)


def url(host):
    """Return the URL of the calls to a host."""
    return f"https://{host}/folder/xmlrpc"
