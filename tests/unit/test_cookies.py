"""The cookie store: whose cookies are kept, where they go, when they carry a call, and the files that hold them."""

import os
import stat
import time
from http.cookiejar import CookieJar, FileCookieJar, LWPCookieJar, MozillaCookieJar

import pytest
from cookie_jars import USER, Somebody, cookie, store_of
from fuzz import cookies as fuzz_cookies
from hypothesis import given, strategies as st

from krbxmlrpc import KerberosTransport
from krbxmlrpc._negotiate.cookies import MAX_COOKIES, MAX_HEADER, MAX_PLACES, Cookies
from krbxmlrpc._negotiate.set_cookie import MAX_ATTRIBUTE, MAX_COOKIE


def proved_session(jar=None):
    """Return the cookies of a transport to which some hosts have proved themselves."""
    session = store_of(jar)
    for host in ("hub", "hub.test", "HUB.test:8443", "sub.hub.test", "test", "nothub.test", "hub.co.uk"):
        session.prove(host)
    return session


def test_a_cookie_that_has_expired_is_not_sent(monkeypatch):
    now = time.time()
    session = proved_session()
    session.keep("https://hub/xmlrpc", ["a=1; Max-Age=100", "b=2"], USER)
    assert session.cookies("https://hub/xmlrpc").header == "a=1; b=2"
    monkeypatch.setattr(time, "time", lambda: now + 200)
    assert session.cookies("https://hub/xmlrpc").header == "b=2"


HOSTS = ("hub.test", "sub.hub.test", "nothub.test", "test", "hub.co.uk", "hub", "hub.local", "github.io", "a.github.io")
DOMAINS_OF_HOSTS = [
    ("hub.test", ("", "hub.test", ".hub.test")),
    ("sub.hub.test", ("", "hub.test", ".hub.test", "sub.hub.test", "test")),
    ("a.github.io", ("github.io", ".github.io", "io")),
    ("hub", ("", "hub", ".hub", "hub.local", ".local", "local")),
    ("hub.local", ("", "local", ".local", "hub.local")),
    ("hub.co.uk", ("co.uk", ".co.uk", "uk", "hub.co.uk")),
]


def proved_hosts(jar=None):
    """Return the cookies of a transport to which all of `HOSTS` have proved their identity."""
    session = store_of(jar)
    for host in HOSTS:
        session.prove(host)
    return session


@pytest.mark.parametrize("host, domains", DOMAINS_OF_HOSTS)
def test_a_cookie_of_the_default_jar_goes_only_to_its_own_host(host, domains):
    for domain in domains:
        session = proved_hosts()
        attribute = domain and f"; Domain={domain}"
        session.keep(f"https://{host}/", [f"a=1{attribute}"], USER)
        for other in HOSTS:
            expected = ("", "a=1") if other == host else ("",)
            assert session.cookies(f"https://{other}/").header in expected, (other, domain)


@pytest.mark.parametrize("jar, elsewhere", [(None, ""), (CookieJar(), "a=1")])
def test_a_domain_counts_only_in_the_callers_own_jar(jar, elsewhere):
    session = proved_hosts(jar)
    session.keep("https://sub.hub.test/", ["a=1; Domain=hub.test"], USER)
    assert session.cookies("https://sub.hub.test/").header == "a=1"
    assert session.cookies("https://hub.test/").header == elsewhere


def test_no_host_fills_the_header_of_another():
    session = proved_hosts()
    session.keep("https://hub.test/", ["session=own"], USER)
    for number in range(200):
        session.keep("https://sub.hub.test/", [f"c{number}=x; Domain=hub.test; Path=/"], USER)
    assert session.cookies("https://hub.test/").header == "session=own"


def test_a_host_without_dots_may_name_itself():
    for jar in (None, CookieJar()):
        session = proved_session(jar)
        session.keep("https://hub/", ["a=1; Domain=hub"], USER)
        assert session.cookies("https://hub/").header == "a=1"


@pytest.mark.parametrize(
    "url, line, kept",
    [
        ("https://hub.test/a/b", "__Host-a=1; Secure; Path=/", True),
        ("https://hub.test/a/b", "__host-a=1; Secure; Path=/; Domain=hub.test", False),
        ("https://hub.test/a/b", "__Host-a=1; Secure", False),
        ("https://hub.test/a/b", "__Host-a=1; Secure; Path=/a", False),
        ("https://hub.test/a/b", "__Host-a=1; Path=/", False),
        ("http://hub.test/a/b", "__Host-a=1; Secure; Path=/", False),
        ("https://hub.test/a/b", "__Secure-a=1; secure", True),
        ("https://hub.test/a/b", "__SECURE-a=1", False),
        ("http://hub.test/a/b", "__Secure-a=1; Secure", False),
        ("https://hub.test/a/b", "__Hostess=1", True),
    ],
)
def test_a_prefix_of_a_name_is_a_promise(url, line, kept):
    for jar in (None, CookieJar()):
        session = proved_session(jar)
        session.keep(url, [line], USER)
        assert len(session.jar) == kept


@pytest.mark.parametrize(
    "attributes, path",
    [
        ("Path=/x; Path=/a", "/a/b"),
        ("Path=/x; Path=a", "/a/b"),  # not a path: the default one
        ("Path=relative", "/a/b"),
        ("Path", "/a/b"),
        ("Max-Age=0; Max-Age=100", "/a/b"),
        ("Expires=Wed, 09 Jun 1999 10:18:14 GMT; Max-Age=100", "/a/b"),
        ("Max-Age=100; Max-Age=soon", "/a/b"),
        ("Domain=other.test; Domain=hub.test", "/a/b"),
    ],
)
def test_the_last_of_repeated_attributes_counts(attributes, path):
    session = proved_session()
    session.keep("https://hub.test/a/b", [f"a=1; {attributes}"], USER)
    assert session.cookies(f"https://hub.test{path}").header == "a=1"


@pytest.mark.parametrize(
    "attributes", ["Path=/a; Path=/x", "Max-Age=100; Max-Age=0", "Domain=hub.test; Domain=other.test"]
)
def test_the_first_of_repeated_attributes_does_not_count(attributes):
    session = proved_session()
    session.keep("https://hub.test/a/b", [f"a=1; {attributes}"], USER)
    assert session.cookies("https://hub.test/a/b").header == ""


@pytest.mark.parametrize(
    "lines, kept", [(["a=1", "a=; Max-Age=0"], ""), (["a=; Max-Age=0", "a=1"], "a=1"), (["a=1", "a=2"], "a=2")]
)
def test_the_last_line_for_a_cookie_counts(lines, kept):
    session = proved_session()
    for _ in range(2):
        session.keep("https://hub.test/", lines, USER)
        assert session.cookies("https://hub.test/").header == kept


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length, kept", [(MAX_COOKIE - 4, True), (MAX_COOKIE - 3, False), (60_000, False)])
def test_a_cookie_has_four_kilobytes_at_most(length, kept):
    session = proved_session()
    session.keep("https://hub.test/", [f"name={'x' * length}"], USER)
    assert len(session.jar) == kept


def test_a_host_has_fifty_cookies_at_most_and_the_oldest_go():
    session = proved_session()
    session.keep("https://hub/", ["other=1"], USER)
    for reply in range(80):
        session.keep("https://hub.test/", [f"c{reply}-{number}=x" for number in range(190)], USER)
        assert len(session.jar) == MAX_COOKIES + 1
    session.keep("https://hub.test/", ["new=1"], USER)
    assert "new=1" in session.cookies("https://hub.test/").header
    assert len(session.jar) == MAX_COOKIES + 1
    assert session.cookies("https://hub/").header == "other=1"


def test_cookies_of_the_caller_are_not_removed():
    jar = CookieJar()
    for number in range(2 * MAX_COOKIES):
        jar.set_cookie(cookie(f"given{number}", "x", domain="hub.test"))
    session = proved_session(jar)
    session.keep("https://hub.test/", [f"c{number}=x" for number in range(2 * MAX_COOKIES)], USER)
    assert len(jar) == 3 * MAX_COOKIES


def test_a_cookie_header_is_not_too_long_for_a_server():
    session = proved_session()
    for number in range(5):
        session.keep("https://hub.test/", [f"c{number}={'x' * 3000}"], USER)
    header = session.cookies("https://hub.test/").header
    assert [each.partition("=")[0] for each in header.split("; ")] == ["c3", "c4"] and len(header) <= MAX_HEADER


def test_too_many_cookies_of_the_caller_are_an_error():
    jar = CookieJar()
    for number in range(5):
        jar.set_cookie(cookie(f"c{number}", "secret" * 500, domain="hub.test"))
    with pytest.raises(ValueError, match="^cookiejar holds cookies of more than 8000 characters for one URL") as caught:
        proved_session(jar).cookies("https://hub.test/")
    assert "secret" not in str(caught.value)


def test_a_call_looks_only_at_the_cookies_of_its_host():
    class Walked(CookieJar):
        walks = 0

        def __iter__(self):
            self.walks += 1
            return super().__iter__()

    jar = Walked()
    session = proved_session(jar)
    jar.walks = 0
    for number in range(3):
        session.keep("https://hub.test/", [f"a={number}"], USER)
        assert session.cookies("https://hub.test/").header == f"a={number}"
    assert jar.walks == 0


@pytest.mark.parametrize(
    "line",
    ["a=1; Domain=other.test", "a=1; Domain=.com", "a=1; Domain=com.", "a=b\tc", "a=1; Domain=hub", "a=1; Max-Age=0"],
)
def test_cookies_that_are_not_taken(line):
    session = proved_session()
    session.keep("https://hub.co.uk/", [line], USER)
    assert list(session.jar) == []


@pytest.mark.parametrize("domain", [".local", "local", "hub.local.local"])
@pytest.mark.parametrize("host", ["hub", "hub.local", "127.0.0.1"])
def test_undotted_hosts_and_ip_addresses_share_no_cookie_domain(host, domain):
    session = store_of()
    for name in (host, "other", "other.local", "10.0.0.1"):
        session.prove(name)
        session.keep(f"https://{name}/", ["a=own", "b=own; Path=/"], USER)
    domain = ".0.0.1" if host == "127.0.0.1" else domain
    session.keep(f"https://{host}/", [f"c=1; Domain={domain}", f"b=2; Path=/; Domain={domain}; Max-Age=0"], USER)
    for name in (host, "other", "other.local", "10.0.0.1"):
        assert session.cookies(f"https://{name}/").header == "a=own; b=own"


@pytest.mark.parametrize("domain", ["other.test", ".other.test", "hub.test.local"])
def test_a_host_removes_no_cookie_of_another(domain):
    session = proved_session()
    held = cookie(domain=f".{domain.lstrip('.')}", path="/")
    session.jar.set_cookie(held)
    session.keep("https://hub.test/", [f"session=; Domain={domain}; Path=/; Max-Age=0"], USER)
    assert list(session.jar) == [held]


@pytest.mark.parametrize(
    "line",
    ["a=1; Max-Age", "a=1; Expires=Mon, 23 Jov 2026 12:00:00 GMT", "a=1; Max-Age=soon", "a=1; Port=x", "a=1; Domain"],
)
def test_an_attribute_that_cannot_be_read_does_not_count(line):
    session = proved_session()
    session.keep("https://hub.test/", ["before=1", line, "after=1"], USER)
    assert session.cookies("https://hub.test/").header == "before=1; a=1; after=1"


@pytest.mark.parametrize("attribute", ["Secure", "secure=", "SECURE=yes"])
def test_a_secure_cookie_is_one_however_it_says_so(attribute):
    session = proved_session()
    session.keep("https://hub.test/", [f"a=1; {attribute}"], USER)
    assert (session.cookies("https://hub.test/").header, session.cookies("http://hub.test/").header) == ("a=1", "")


NAMES = st.sampled_from(["Domain", "Path", "Max-Age", "Expires", "Secure", "Version", "Port", "comment", ""])
DOMAINS = st.sampled_from([".local", ".0.0.1", "example.test", ".other.test", "co.uk", "hub", "[::1]", "."])
DATES = st.sampled_from(["Mon, 23 Nov 2099 12:00:00 GMT", "Mon, 23 Jov 1926 12:00:00 GMT"])
OTHERS = st.sampled_from(["/", "/folder", '"', "0", "-1", "9" * 20, "\xe9\t"]) | st.text("a=; ,", max_size=4)
VALUES = DOMAINS | DATES | OTHERS
ANY_ATTRIBUTES = st.lists(NAMES | st.builds("{}={}".format, NAMES, VALUES)).map("; ".join)
LINES = st.lists(st.builds("{}={}; {}".format, st.sampled_from(["own", "a", ""]), VALUES, ANY_ATTRIBUTES))


@given(st.sampled_from(list(fuzz_cookies.FRIENDS)), LINES)
def test_cookies_of_any_form_go_to_no_other_host_and_do_no_harm(host, lines):
    fuzz_cookies.check(host, lines)


COOKIE_TOKEN = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,12}", fullmatch=True)
COOKIE_OCTETS = st.from_regex(r"[!#-+\--:<-\[\]-~]{0,20}", fullmatch=True)
VALID_ATTRIBUTES = st.lists(
    st.sampled_from(["Path=/", "path=/folder", "Path=/folder/xmlrpc", "Secure", "HttpOnly", "SameSite=Lax"])
    | st.sampled_from(["Domain=hub.example.test", "domain=.Example.Test", "Version=1", "Port=80", 'Path="/"'])
    | st.sampled_from(["Expires=Wed, 09 Jun 2100 10:18:14 GMT", "expires=Wed, 09-Jun-2100 10:18:14 GMT", "x-other"])
    | st.integers(1, 10**30).map("Max-Age={}".format)
)


@given(COOKIE_TOKEN, COOKIE_OCTETS | COOKIE_OCTETS.map('"{}"'.format), VALID_ATTRIBUTES)
def test_a_valid_cookie_comes_back_as_it_is(name, value, attributes):
    url = fuzz_cookies.url("hub.example.test")
    session = store_of()
    session.prove("hub.example.test")
    session.keep(url, ["; ".join([f"{name}={value}", *attributes])], USER)
    assert session.cookies(url).header == f"{name}={value}"


def test_a_late_reply_changes_cookies_only_after_a_ticket():
    session, url = proved_session(), "https://hub/"
    for value, sent, kept in (
        ("a", None, "a"),
        ("late", "", "a"),
        ("b", "session=a", "b"),
        ("c", None, "c"),
    ):
        session.keep(url, [f"session={value}"], USER, sent=sent)
        assert session.cookies(url).header == f"session={kept}"


def test_a_refusal_only_removes_cookies():
    session, url = proved_session(), "https://hub/"
    session.keep(url, ["session=1", "node=1"], USER)
    session.keep(url, ["session=2", "node=; Max-Age=0"], USER, sent="session=1; node=1", all_of=False)
    assert session.cookies(url).header == "session=1"
    session.keep(url, ["session=; Max-Age=0"], USER, sent="session=0", all_of=False)  # of another thread's session
    assert session.cookies(url).header == "session=1"


def test_what_is_known_of_urls_does_not_grow_for_ever():
    session = proved_session()
    session.keep("https://hub/", ["session=secret; Path=/"], USER)
    for number in range(3 * MAX_PLACES):
        assert session.cookies(f"https://hub/{number}").header == "session=secret"
    assert len(session._places) <= MAX_PLACES


# -- cookies that do not authenticate ---------------------------------------------------------------------------------

URL = "https://hub/"


def tries(session, calls, lines, works=lambda number: False):
    """Make calls that try the cookies as a session if they may; return the numbers of these calls."""
    tried = []
    for number in range(calls):
        cookies = session.cookies(URL)
        if cookies.may_authenticate:
            tried.append(number)
            if works(number):
                session.accepted("hub")
                continue
            session.refused(URL, cookies)
        session.prove("hub")
        if lines:
            session.keep(URL, [line.format(number) for line in lines], USER)
    return tried


@pytest.mark.parametrize("lines", [["node=1"], ["node={}"]])
def test_cookies_that_never_authenticate_are_seldom_tried(lines):
    tried = tries(proved_session(), 1000, lines)
    assert tried[:2] == [1, 2] and 5 < len(tried) < 12
    gaps = [later - earlier for earlier, later in zip(tried, tried[1:])]
    assert gaps == sorted(gaps)


def test_cookies_that_are_not_renewed_are_not_tried_again():
    session = proved_session()
    assert tries(session, 1, ["node=1"]) == []
    assert tries(session, 100, []) == [0]


def test_one_refusal_rules_nothing_out():
    """A session can be lost before it carries a call."""
    session = proved_session()
    assert tries(session, 10, ["session={}"], works=lambda number: number > 1) == [*range(1, 10)]
    assert tries(session, 10, ["session={}"]) == [0, 1, 2, 6]  # the first one had carried calls


def test_cookies_that_worked_again_count_as_new():
    session = proved_session()
    tries(session, 100, ["node={}"])
    for number in range(1000):
        cookies = session.cookies(URL)
        if cookies.may_authenticate:
            session.accepted("hub")
            break
        session.prove("hub")
        session.keep(URL, [f"node={number}"], USER)
    assert tries(session, 5, ["node={}"], works=lambda number: True) == [*range(5)]


def test_several_threads_with_the_same_cookies_refuse_them_once():
    session = proved_session()
    session.keep(URL, ["session=1"], USER)
    cookies = session.cookies(URL)
    for _ in range(8):
        session.refused(URL, cookies)
    session.keep(URL, ["session=2"], USER)
    assert session.cookies(URL).may_authenticate


def test_refused_cookies_are_over_until_they_are_renewed():
    session = proved_session()
    session.keep(URL, ["session=1; Path=/", "node=1; Path=/"], USER)
    session.accepted("hub")
    cookies = session.cookies(URL)
    assert cookies.is_own_session
    session.refused(URL, cookies)
    assert session.cookies(URL) == cookies._replace(is_over=True)
    assert not session.cookies(URL).may_authenticate
    assert session.cookies("https://hub/other").may_authenticate  # another application's
    session.keep(URL, ["session=; Max-Age=0; Path=/"], USER, sent=cookies.header, all_of=False)
    assert session.cookies(URL).header == "node=1" and session.cookies(URL).is_over  # nothing new
    session.keep("https://hub/login", ["node=1; Path=/"], USER)
    assert session.cookies(URL).may_authenticate  # the same cookie, and a new session


@pytest.mark.parametrize("with_file", [False, True])
def test_a_session_in_doubt_is_not_used_again(tmp_path, with_file):
    jar = MozillaCookieJar(tmp_path / "cookies") if with_file else CookieJar()
    session = proved_session(jar)
    session.keep(URL, ["session=1; Path=/"], USER)
    session.doubted(URL, session.cookies(URL))
    assert session.cookies(URL).header == session.cookies("https://hub/other").header == ""
    assert len(jar) == 0 if with_file else 1
    if with_file:
        assert list(MozillaCookieJar(tmp_path / "cookies")) == []
        assert list(store_of(MozillaCookieJar(tmp_path / "cookies")).jar) == []
    session.keep(URL, ["session=2; Path=/"], USER)
    assert session.cookies(URL).may_authenticate


def test_cookies_that_the_server_ignores_are_no_session():
    session = proved_session()
    session.keep(URL, ["node=1; Path=/"], USER)
    assert session.cookies(URL).is_own_session
    session.ignored(URL, session.cookies(URL))
    assert not session.cookies(URL).is_own_session
    session.keep("https://hub/", ["session=1; Path=/"], USER)
    assert session.cookies(URL).is_own_session


def test_a_session_that_other_nodes_accept_is_tried_again():
    session = proved_session()
    session.keep(URL, ["session=1"], USER)
    for _ in range(2):
        session.refused(URL, session.cookies(URL))
        session.accepted_beside_ticket(URL)
        assert not session.cookies(URL).may_authenticate
    session.accepted_beside_ticket(URL)
    assert session.cookies(URL).may_authenticate


def test_a_late_doubt_removes_no_newer_session(tmp_path):
    session = proved_session(MozillaCookieJar(tmp_path / "cookies"))
    session.keep(URL, ["session=1"], USER)
    old = session.cookies(URL)
    session.keep(URL, ["session=2"], USER)
    session.doubted(URL, old)
    assert session.cookies(URL).may_authenticate and session.cookies(URL).header == "session=2"


# -- whose cookies ----------------------------------------------------------------------------------------------------


def given_jar(*cookies):
    """Return the caller's jar with cookies for the hub."""
    jar = CookieJar()
    for name in cookies:
        jar.set_cookie(cookie(name, "given", domain="hub.local"))
    return jar


def test_only_the_callers_cookies_go_to_an_unproved_host():
    session = store_of(given_jar("a", "b"))
    assert session.cookies(URL).header == "a=given; b=given"
    session.jar.set_cookie(cookie("c", "later", domain="hub.local"))
    assert session.cookies(URL).header == ""  # one of them is not the caller's
    session.jar.set_cookie(cookie("d", "later", domain="hub.test"))
    session.jar.clear("hub.local", "/", "c")
    assert session.cookies(URL).header == "a=given; b=given"  # a cookie of another host changes nothing
    session.prove("hub:8443")
    session.jar.set_cookie(cookie("c", "later", domain="hub.local"))
    assert session.cookies(URL).header == ""
    session.prove("hub")
    assert session.cookies(URL).header == "a=given; b=given; c=later"


@pytest.mark.parametrize("is_asked", [False, True])
def test_cookies_of_an_unknown_principal(is_asked):
    session = store_of(given_jar("a"), Somebody(is_asked=is_asked))
    session.prove("hub")
    assert session.cookies(URL).header == ("" if is_asked else "a=given")


def test_a_session_serves_only_its_principal():
    identity = Somebody("alice@REALM")
    session = store_of(identity=identity)
    session.prove("hub")
    session.keep(URL, ["session=1"], "alice@REALM")
    assert session.cookies(URL).principal == "alice@REALM"
    identity.become("bob@REALM")
    assert session.cookies(URL) == ("", None, False, False, False)
    session.keep(URL, ["session=2"], "bob@REALM")
    assert session.cookies(URL).header == "session=2"
    identity.become("alice@REALM")
    assert session.cookies(URL).header == ""  # bob's session has replaced it


def test_transports_of_two_principals_can_share_a_jar():
    jar = CookieJar()
    alice, bob = (store_of(jar, Somebody(name, is_asked=True)) for name in ("alice@REALM", "bob@REALM"))
    for session in (alice, bob):
        session.prove("hub")
    alice.keep(URL, ["session=1"], "alice@REALM")
    assert (alice.cookies(URL).header, bob.cookies(URL).header) == ("session=1", "")
    again = store_of(jar, Somebody("alice@REALM")).cookies(URL)
    assert again.header == "session=1" and not again.is_own_session  # another transport's exchange began it


def test_a_server_cannot_say_whose_a_session_is():
    session = store_of(LWPCookieJar(), Somebody("bob@REALM", is_asked=True))
    session.prove("hub")
    session.keep(URL, ["a=1; krbxmlrpc-principal=bob@REALM"], "alice@REALM")
    session.keep(URL, ["b=1; krbxmlrpc-principal=bob@REALM"], None, sent="")
    assert session.cookies(URL).header == ""


def test_a_cookie_being_removed_by_another_thread_is_skipped(tmp_path):
    class Losing(MozillaCookieJar):
        lost = ()

        def __iter__(self):
            lost, self.lost = self.lost, ()
            return iter([*lost, *super().__iter__()])

    session = proved_session(Losing(tmp_path / "cookies"))
    session.jar.lost = (None,)
    session.keep("https://hub/", ["session=1"], USER)
    assert session.cookies("https://hub/").header == "session=1"


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("secret"), UnicodeError("secret")])
def test_failing_to_save_cookies_does_not_lose_the_answer(tmp_path, caplog, error):
    class Failing(MozillaCookieJar):
        def save(self, *arguments, **options):
            raise error

    session = proved_session(Failing(tmp_path / "cookies"))
    session.keep("https://hub/", ["a=1"], USER)
    assert session.cookies("https://hub/").header == "a=1"
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "secret" not in caplog.text
    with pytest.raises(OSError) as caught:
        session.save()
    assert "secret" not in repr(caught.value) and not isinstance(caught.value.__context__, ValueError)
    assert os.listdir(tmp_path) == []


def test_close_in_a_signal_handler_does_not_deadlock_with_save(tmp_path):
    transport = KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies"))

    class Closing(MozillaCookieJar):
        closed = False

        def save(self, *arguments, **options):
            if not self.closed:
                self.closed = True
                transport.close()
            super().save(*arguments, **options)

    transport._client.memory.cookies.jar = Closing(tmp_path / "cookies")
    transport._client.memory.cookies.prove("hub")
    transport._client.memory.cookies.keep("https://hub/", ["a=1"], USER)
    assert "a" in (tmp_path / "cookies").read_text()


JARS = pytest.mark.parametrize("kind", [MozillaCookieJar, LWPCookieJar])


@JARS
def test_a_changed_cookie_file_is_replaced_in_one_step(tmp_path, kind):
    path = tmp_path / "cookies"
    path.write_text("")
    path.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(path)
    session = proved_session(kind(link))
    before = path.stat()
    session.save()
    assert path.stat().st_ino == before.st_ino
    session.keep("https://hub/", ["a=1"], USER)
    after = path.stat()
    assert after.st_ino != before.st_ino and stat.S_IMODE(after.st_mode) == 0o600 and link.is_symlink()
    session.save()
    assert path.stat().st_ino == after.st_ino
    session.jar.clear()
    session.save()
    assert path.stat().st_ino != after.st_ino
    assert list(store_of(kind(path)).jar) == []


def test_cookies_of_the_jar_itself_are_saved_at_close(tmp_path):
    transport = KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies"))
    transport.cookiejar.set_cookie(cookie())
    transport.close()
    assert [held.value for held in KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies")).cookiejar] == [
        "secret"
    ]


@JARS
def test_a_file_keeps_the_principal_of_a_session(tmp_path, kind):
    path = tmp_path / "cookies"
    session = store_of(kind(path), Somebody("al ice/\xe4@REALM"))
    session.prove("hub.test")
    session.keep("https://hub.test/", ["session=1; Path=/"], "al ice/\xe4@REALM")
    session.keep("https://hub.test/", ["of=nobody; Path=/"], None)
    for principal, is_asked, header in (
        ("al ice/\xe4@REALM", False, "session=1; of=nobody"),
        ("al ice/\xe4@REALM", True, "session=1"),
        ("bob@REALM", False, "of=nobody"),
        ("bob@REALM", True, ""),
    ):
        again = store_of(kind(path), Somebody(principal, is_asked))
        # Python 3.9 loads the cookies of a file in another order.
        assert set(again.cookies("https://hub.test/").header.split("; ")) == set(header.split("; "))
        again.jar.set_cookie(cookie(domain="other.test"))
        again.save()  # and the next one loads it


def test_a_file_format_without_principals(tmp_path):
    class Plain(FileCookieJar):
        """Keeps names and values."""

        def save(self, filename, ignore_discard=False, ignore_expires=False):
            with open(filename, "w") as file:
                file.writelines(f"{held.name} {held.value}\n" for held in self)

        def _really_load(self, file, filename, ignore_discard, ignore_expires):
            for line in file:
                self.set_cookie(cookie(*line.split(), domain="hub.test"))

    session = proved_session(Plain(tmp_path / "cookies"))
    session.keep("https://hub.test/", ["session=1"], USER)
    for is_asked, header in ((False, "session=1"), (True, "")):
        again = store_of(Plain(tmp_path / "cookies"), Somebody(is_asked=is_asked))
        assert again.cookies("https://hub.test/").header == header


HEAD = b"# Netscape HTTP Cookie File\n"
DAMAGED = [
    b"secret\n",
    b"\xff\xfe\0secret",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tname\tsecret\thub.test\tFALSE\n",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\tnever\tname\tsecret\n",
    HEAD + b"hub.test\tTRUE\t/\tTRUE\t\tname\tsecret\n",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tsecr",
    HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tname\t\xff\xfesecret\n",
    b"#LWP-Cookies-2.0\nSet-Cookie3: secret; version=x\n",
]


@JARS
@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_named_and_not_shown(tmp_path, kind, content):
    path = tmp_path / "cookies"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^cookiejar has a file that is damaged.*{kind.__name__}.*/cookies") as caught:
        KerberosTransport(cookiejar=kind(path))
    assert "secr" not in str(caught.value) and caught.value.__context__ is None
    assert path.read_bytes() == content


def own_file(folder, mode=0o600):
    """Return a file of cookies with one cookie."""
    path = folder / "cookies"
    path.write_bytes(HEAD + b"hub.test\tFALSE\t/\tTRUE\t\tname\tsecret\n")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_a_file_of_ones_own_is_loaded(tmp_path, mode):
    jar = KerberosTransport(cookiejar=MozillaCookieJar(own_file(tmp_path, mode))).cookiejar
    assert [held.value for held in jar] == ["secret"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
def test_a_file_that_others_may_write_is_refused(tmp_path, mode):
    jar = MozillaCookieJar(own_file(tmp_path, mode))
    with pytest.raises(
        ValueError, match="^cookiejar has a file that others may write: .*/cookies; run chmod"
    ) as caught:
        KerberosTransport(cookiejar=jar)
    assert "secret" not in str(caught.value) and len(jar) == 0


def give_away(monkeypatch, path):
    """Let a file or a link belong to another user, as far as the package sees it: to do it takes root."""
    lstat = os.lstat

    def lstat_with_owner(asked):
        fields = list(lstat(asked))
        if os.fspath(asked) == str(path):
            fields[stat.ST_UID] = os.getuid() + 1
        return os.stat_result(fields)

    monkeypatch.setattr(os, "lstat", lstat_with_owner)


@pytest.mark.parametrize("given", ["cookies", "link"])
@pytest.mark.parametrize("owned", ["cookies", "link"])
def test_a_file_or_link_of_another_user_is_refused(tmp_path, monkeypatch, given, owned):
    own_file(tmp_path)
    (tmp_path / "link").symlink_to("cookies")
    give_away(monkeypatch, tmp_path / owned)
    jar = MozillaCookieJar(tmp_path / given)
    if (given, owned) == ("cookies", "link"):
        assert len(KerberosTransport(cookiejar=jar).cookiejar) == 1
        return
    what = "file" if owned == "cookies" else "link"
    with pytest.raises(ValueError, match=f"^cookiejar has a {what} of another user .*/{owned}; accepted is") as caught:
        KerberosTransport(cookiejar=jar)
    assert "secret" not in str(caught.value) and len(jar) == 0


def test_a_link_of_another_user_to_no_file_is_refused(tmp_path, monkeypatch):
    """The store would create the file behind the link."""
    (tmp_path / "link").symlink_to("cookies")
    give_away(monkeypatch, tmp_path / "link")
    with pytest.raises(ValueError, match="^cookiejar has a link of another user "):
        KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "link"))


def test_a_link_of_the_administrator_is_followed(tmp_path, monkeypatch):
    own_file(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "cookies")
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    lstat = os.lstat
    owners = {"link": 0, "cookies": 1234}

    def lstat_with_owners(asked):
        fields = list(lstat(asked))
        fields[stat.ST_UID] = owners.get(os.path.basename(asked), 0)
        return os.stat_result(fields)

    monkeypatch.setattr(os, "lstat", lstat_with_owners)
    assert len(KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "link")).cookiejar) == 1


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert len(KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "a")).cookiejar) == 0


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        KerberosTransport(cookiejar=MozillaCookieJar(tmp_path))
    assert caught.value.strerror == "cookiejar has a file that cannot be read: Is a directory"
    assert caught.value.filename == str(tmp_path)


@JARS
def test_a_cookie_that_lasts_too_long_for_a_date_is_saved(tmp_path, kind):
    session = proved_session(kind(tmp_path / "cookies"))
    session.keep("https://hub.test/", ["a=1; Max-Age=" + "9" * 20, "b=2; Max-Age=" + "9" * 12], USER)
    again = store_of(kind(tmp_path / "cookies"))
    assert again.cookies("https://hub.test/").header == session.cookies("https://hub.test/").header == "a=1; b=2"


def test_a_file_stays_as_it_was_where_saving_fails(tmp_path):
    class Failing(MozillaCookieJar):
        def save(self, *arguments, **options):
            super().save(*arguments, **options)
            raise OSError("the disk is full")

    path = tmp_path / "cookies"
    path.write_bytes(HEAD)
    session = proved_session(Failing(path))
    session.jar.set_cookie(cookie())
    with pytest.raises(OSError, match="disk is full"):
        session.save()
    assert path.read_bytes() == HEAD
    assert os.listdir(tmp_path) == ["cookies"]


@pytest.mark.parametrize(
    "attribute, removes",
    [
        ("Expires=Wed, 09 Jun 1999 10:18:14 GMT", True),
        ("Expires=Wed, 09 Jun 2100 10:18:14 GMT", False),
        ("Max-Age=0", True),
        ("Max-Age=-1", True),
        ("Max-Age=1", False),
        ("Max-Age=1; Expires=Wed, 09 Jun 1999 10:18:14 GMT", False),
        ("Secure", False),
    ],
)
def test_what_removes_a_cookie(attribute, removes):
    session, url = proved_session(), "https://hub/"
    session.keep(url, ["session=1"], USER)
    session.keep(url, [f"session=2; {attribute}"], USER, sent="session=1", all_of=False)
    assert session.cookies(url).header == ("" if removes else "session=1")


@pytest.mark.parametrize(
    "length, counts", [(MAX_ATTRIBUTE - 1, True), (MAX_ATTRIBUTE, True), (MAX_ATTRIBUTE + 1, False)]
)
def test_an_attribute_that_is_too_long_does_not_count(length, counts):
    session = proved_session()
    session.keep("https://hub.test/a/b", [f"a=1; Path=/{'x' * (length - 1)}"], USER)
    assert [held.path for held in session.jar] == ["/" + "x" * (length - 1) if counts else "/a"]


def test_the_limits_are_those_of_the_rfc():
    assert (MAX_COOKIE, MAX_ATTRIBUTE, MAX_COOKIES) == (4096, 1024, 50)


@pytest.mark.parametrize("domain", ["gub.local", "zub.local", "gub", "zub", "hub.localx"])
def test_a_host_without_dots_has_only_its_own_domain(domain):
    for jar in (None, CookieJar()):
        session = proved_session(jar)
        session.keep("https://hub/", [f"a=1; Domain={domain}"], USER)
        assert list(session.jar) == []


def test_no_cookies_are_no_session():
    """A login carries none: only the server's token proves that the login was accepted."""
    assert Cookies() == ("", None, False, False, False) and not Cookies().may_authenticate
