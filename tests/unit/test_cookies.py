"""The cookie store: whose cookies are kept, where they go, when they carry a call, and the files that hold them."""

import os
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, LWPCookieJar, MozillaCookieJar

import pytest
from cookie_jars import cookie
from fuzz import cookies as fuzz_cookies
from hypothesis import given, strategies as st

from krbxmlrpc import KerberosTransport, NoCredentials
from krbxmlrpc._negotiate.cookies import JUST, MAX_PLACES, CookieStore


def proved_session(jar=None):
    """Return the cookies of a transport to which some hosts have proved themselves."""
    session = CookieStore(jar)
    for host in ("hub", "hub.test", "HUB.test:8443", "sub.hub.test", "test", "nothub.test", "hub.co.uk"):
        session.prove(host)
    return session


def test_a_cookie_that_has_expired_is_not_sent(monkeypatch):
    now = time.time()
    session = proved_session()
    session.keep("https://hub/xmlrpc", ["a=1; Max-Age=100", "b=2"], fresh=True)
    assert session.cookies("https://hub/xmlrpc") == "a=1; b=2"
    monkeypatch.setattr(time, "time", lambda: now + 200)
    assert session.cookies("https://hub/xmlrpc") == "b=2"


@pytest.mark.parametrize("lines, elsewhere", [(["a=1"], ""), (["a=1; Domain=hub.test"], "a=1")])
def test_a_cookie_goes_to_its_own_host_unless_it_says_otherwise(lines, elsewhere):
    session = proved_session()
    session.keep("https://hub.test/", lines, fresh=True)
    assert session.cookies("https://HUB.test:8443/xmlrpc") == "a=1"
    assert session.cookies("https://sub.hub.test/") == elsewhere
    assert session.cookies("https://test/") == session.cookies("https://nothub.test/") == ""


@pytest.mark.parametrize(
    "line", ["a=1; Domain=other.test", "a=1; Domain=.co.uk", "a=b\tc", "a=1; Domain=hub", "a=1; Max-Age=0"]
)
def test_cookies_that_are_not_taken(line):
    session = proved_session()
    session.keep("https://hub.co.uk/", [line], fresh=True)
    assert list(session.jar) == []


@pytest.mark.parametrize("domain", [".local", "local", "hub.local.local"])
@pytest.mark.parametrize("host", ["hub", "hub.local", "127.0.0.1"])
def test_undotted_hosts_and_ip_addresses_share_no_cookie_domain(host, domain):
    session = CookieStore(None)
    for name in (host, "other", "other.local", "10.0.0.1"):
        session.prove(name)
        session.keep(f"https://{name}/", ["a=own", "b=own; Path=/"], fresh=True)
    domain = ".0.0.1" if host == "127.0.0.1" else domain
    session.keep(f"https://{host}/", [f"c=1; Domain={domain}", f"b=2; Path=/; Domain={domain}; Max-Age=0"], fresh=True)
    for name in (host, "other", "other.local", "10.0.0.1"):
        assert session.cookies(f"https://{name}/") == "a=own; b=own"


@pytest.mark.parametrize("domain", ["other.test", ".other.test", "hub.test.local"])
def test_a_host_removes_no_cookie_of_another(domain):
    session = proved_session()
    held = cookie(domain=f".{domain.lstrip('.')}", path="/")
    session.jar.set_cookie(held)
    session.keep("https://hub.test/", [f"session=; Domain={domain}; Path=/; Max-Age=0"], fresh=True)
    assert list(session.jar) == [held]


@pytest.mark.parametrize(
    "line",
    ["a=1; Max-Age", "a=1; Expires=Mon, 23 Jov 2026 12:00:00 GMT", "a=1; Max-Age=soon", "a=1; Port=x", "a=1; Domain"],
)
def test_an_attribute_that_cannot_be_read_does_not_count(line):
    session = proved_session()
    session.keep("https://hub.test/", ["before=1", line, "after=1"], fresh=True)
    assert session.cookies("https://hub.test/") == "before=1; a=1; after=1"


@pytest.mark.parametrize("attribute", ["Secure", "secure=", "SECURE=yes"])
def test_a_secure_cookie_is_one_however_it_says_so(attribute):
    session = proved_session()
    session.keep("https://hub.test/", [f"a=1; {attribute}"], fresh=True)
    assert (session.cookies("https://hub.test/"), session.cookies("http://hub.test/")) == ("a=1", "")


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
    session = CookieStore(None)
    session.prove("hub.example.test")
    session.keep(url, ["; ".join([f"{name}={value}", *attributes])], fresh=True)
    assert session.cookies(url) == f"{name}={value}"


def test_a_late_reply_changes_cookies_only_after_a_ticket():
    session, url = proved_session(), "https://hub/"
    for value, fresh, sent, kept in (
        ("a", True, "", "a"),
        ("late", False, "", "a"),
        ("b", False, "session=a", "b"),
        ("c", True, "session=a", "c"),
    ):
        session.keep(url, [f"session={value}"], fresh=fresh, sent=sent)
        assert session.cookies(url) == f"session={kept}"


def test_what_is_known_of_urls_does_not_grow_for_ever():
    session = proved_session()
    session.jar.set_cookie(cookie(domain="hub.local"))
    for number in range(3 * MAX_PLACES):
        assert session.cookies(f"https://hub/{number}") == "session=secret"
    assert len(session._places) <= MAX_PLACES


def test_an_unused_session_that_ended_is_not_judged_useless(monkeypatch):
    now = time.monotonic()
    session = proved_session()
    for seconds, useless in ((JUST + 1, False), (JUST - 1, True)):
        monkeypatch.setattr(time, "monotonic", lambda: now)
        session.keep("https://hub/", [f"session={seconds}"], fresh=True)
        monkeypatch.setattr(time, "monotonic", lambda now=now + seconds: now)
        session.refused("https://hub/", session.cookies("https://hub/"))
        session.keep("https://hub/", ["session=new"], fresh=False)
        assert session.carries("https://hub/", "session=new") is not useless


def test_a_session_used_on_another_path_is_not_judged_useless():
    session = proved_session()
    session.keep("https://hub/a", ["session=1; Path=/"], fresh=True)
    session.accepted("hub")
    session.refused("https://hub/a", "session=1")
    assert not session.carries("https://hub/a", "session=1")
    assert session.carries("https://hub/a", "session=2")


def test_a_cookie_being_removed_by_another_thread_is_skipped():
    class Losing(CookieJar):
        lost = ()

        def __iter__(self):
            return iter([*self.lost, *super().__iter__()])

    jar = Losing()
    jar.set_cookie(cookie(domain="hub.local"))
    session = CookieStore(jar)
    assert session.cookies("https://hub/") == "session=secret"
    jar.lost = (None,)
    assert session.cookies("https://hub/") == "session=secret"


@pytest.mark.parametrize("error", [OSError("the disk is full"), ValueError("secret"), UnicodeError("secret")])
def test_failing_to_save_cookies_does_not_lose_the_answer(tmp_path, caplog, error):
    class Failing(MozillaCookieJar):
        def save(self, *arguments, **options):
            raise error

    session = proved_session(Failing(tmp_path / "cookies"))
    session.keep("https://hub/", ["a=1"], fresh=True)
    assert session.cookies("https://hub/") == "a=1"
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
    transport._client.memory.cookies.keep("https://hub/", ["a=1"], fresh=True)
    assert "a" in (tmp_path / "cookies").read_text()


def test_cookies_of_concurrent_replies_are_all_judged_useless():
    session = proved_session()
    for number in range(16):
        session.keep("https://hub/", [f"node={number}"], fresh=True)
    session.refused("https://hub/", "node=3")
    assert not session.carries("https://hub/", "node=15")


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
    session.keep("https://hub/", ["a=1"], fresh=True)
    after = path.stat()
    assert after.st_ino != before.st_ino and stat.S_IMODE(after.st_mode) == 0o600 and link.is_symlink()
    session.save()
    assert path.stat().st_ino == after.st_ino
    session.jar.clear()
    session.save()
    assert path.stat().st_ino != after.st_ino
    assert list(CookieStore(kind(path)).jar) == []


def test_cookies_of_the_jar_itself_are_saved_at_close(tmp_path):
    transport = KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies"))
    transport.cookiejar.set_cookie(cookie())
    transport.close()
    assert [held.value for held in KerberosTransport(cookiejar=MozillaCookieJar(tmp_path / "cookies")).cookiejar] == [
        "secret"
    ]


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
    with pytest.raises(OSError, match=str(tmp_path)):
        KerberosTransport(cookiejar=MozillaCookieJar(tmp_path))  # a folder


@JARS
def test_a_cookie_that_lasts_too_long_for_a_date_is_saved(tmp_path, kind):
    session = proved_session(kind(tmp_path / "cookies"))
    session.keep("https://hub.test/", ["a=1; Max-Age=" + "9" * 20, "b=2; Max-Age=" + "9" * 12], fresh=True)
    again = CookieStore(kind(tmp_path / "cookies"))
    assert again.cookies("https://hub.test/") == session.cookies("https://hub.test/") == "a=1; b=2"


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


class Watched:
    """A lock that tells when somebody comes for it."""

    def __init__(self):
        self.came = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self):
        self.came.release()
        self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()


@pytest.mark.parametrize("fails", [False, True])
def test_threads_share_one_login_unless_it_fails(fails):
    session = CookieStore(None)
    lock = session._login_locks["hub"] = Watched()
    began = []

    def log_in():
        began.append(None)
        if len(began) == 1:
            for _ in range(8):
                assert lock.came.acquire(timeout=60)  # all have come before it ends
            if fails:
                raise NoCredentials("no ticket")

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(session.log_in_once, "hub", 0, log_in) for _ in range(8)]
    assert len([each for each in done if each.exception()]) == fails
    assert len(began) == 1 + fails
    session.log_in_once("hub", 0, log_in)
    assert len(began) == 1 + fails
    session.log_in_once("hub", session.logins("hub"), log_in)
    assert len(began) == 2 + fails
