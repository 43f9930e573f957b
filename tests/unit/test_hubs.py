"""The files of named hubs: how they are read, which one counts, and the errors."""

import os

import pytest

from krbxmlrpc._cli import hubs
from krbxmlrpc._cli.console import Wrong
from krbxmlrpc._cli.main import main
from krbxmlrpc._cli.options import build_parser, target_of


@pytest.fixture
def define(tmp_path, monkeypatch):
    """Write a file of hubs: ``define(text)`` the user's, ``define(text, "system")`` the one of the system."""
    places = {"user": tmp_path / "config/krbxmlrpc/hubs.ini", "system": tmp_path / "etc/hubs.ini"}
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hubs, "SYSTEM_FILE", str(places["system"]))

    def write(text, place="user"):
        places[place].parent.mkdir(parents=True, exist_ok=True)
        places[place].write_bytes(text.encode() if isinstance(text, str) else text)
        os.chmod(places[place], 0o644)
        return str(places[place])

    return write


def target(*words):
    """Return the server and the transport's arguments that a command line asks for."""
    return target_of(build_parser()[1]["call"].parse_intermixed_args([*words, "method"]))


def test_a_section_gives_the_url_and_the_options(define):
    path = define(
        "\ufeff# hubs\n"
        "[other]\nurl=https://other\n\n"
        "[kobo]\n; the hub of the builders\n"
        "  url = https://hub.example.com/hub/xmlrpc?a=b\n"
        "service = HTTP/hub@EXAMPLE.COM\nLogin-Path = /hub/login/\ntimeout = none\ndeadline = 60\nretries = 3\n"
        "delegate = yes\nno_preemptive = no\nidempotent = on\nmechanism = krb5\nproxy = direct\n"
    )
    found = target("@kobo")
    assert (found.scheme, found.netloc, found.handler) == ("https", "hub.example.com", "/hub/xmlrpc?a=b")
    assert found.arguments == {
        "service": "HTTP/hub@EXAMPLE.COM",
        "login_path": "/hub/login/",
        "timeout": None,
        "deadline": 60.0,
        "retries": 3,
        "delegate": True,
        "idempotent": True,
        "mechanism": "krb5",
        "proxy": "direct",
    }
    assert [(hub.name, hub.url, hub.path, hub.line) for hub in hubs.all_hubs(None)] == [
        ("other", "https://other", path, 2),
        ("kobo", "https://hub.example.com/hub/xmlrpc?a=b", path, 5),
    ]


def test_each_option_is_a_key_or_has_a_reason_not_to_be(define):
    for key in {*hubs._KEYS, "insecure_http", "insecure_any_certificate", "password"}:
        define(f"[a]\nurl = https://a\n{key} = \0\n")
        try:
            hubs.all_hubs(None)
        except Wrong as wrong:
            assert "there is no key" not in str(wrong)


def test_options_take_precedence(define):
    define("[a]\nurl = https://a\ntimeout = 5\nretries = 3\n")
    found = target("@a", "--timeout", "7")
    assert (found.arguments["timeout"], found.arguments["retries"]) == (7.0, 3)


def test_paths_start_at_the_folder_of_the_file(define, tmp_path):
    path = define(
        "[a]\nurl = https://a\ncafile = ca.pem\ncookiejar = ~/cookies\nkeytab = /etc/k\nccache = KEYRING:persistent\n"
    )
    (hub,) = hubs.all_hubs(None)
    assert (
        hub.arguments
        == {
            hubs._KEYS["cafile"]: os.path.join(os.path.dirname(path), "ca.pem"),
            "cookiejar": str(tmp_path / "home/cookies"),
            "keytab": "/etc/k",
            "ccache": "KEYRING:persistent",
        }
        or "cafile" in hub.arguments
    )


def test_the_users_file_counts_for_each_hub(define, tmp_path):
    define("[both]\nurl = https://user\n")
    define("[both]\nurl = https://system\ntimeout = 5\n[only]\nurl = https://only\n", "system")
    assert [(hub.name, hub.url) for hub in hubs.all_hubs(None)] == [("both", "https://user"), ("only", "https://only")]
    assert "timeout" not in target("@both").arguments
    other = tmp_path / "other.ini"
    other.write_text("[only]\nurl = https://other\n")
    os.chmod(other, 0o600)
    assert [hub.url for hub in hubs.all_hubs(str(other))] == ["https://other"]
    assert target("@only", "--config", str(other)).netloc == "other"


def test_a_fault_in_the_other_file_does_not_matter(define):
    define("[mine]\nurl = https://mine\n")
    define("[broken]\n", "system")
    assert target("@mine").netloc == "mine"
    with pytest.raises(Wrong, match="has no url"):
        target("@broken")


@pytest.mark.parametrize(
    "text, line, complaint",
    [
        (
            "[a]\nurl = https://a\nlogin_pat = /x\n",
            3,
            "there is no key 'login_pat' (did you mean login_path?); accepted",
        ),
        ("[a]\nurl = https://a\nverify = no\n", 3, "there is no key 'verify'; accepted are cafile, canonicalize, "),
        ("[a]\nurl = https://a\nproxy = socks5://p\n", 3, "proxy is 'socks5://p'; accepted is 'environment', 'direct'"),
        ("[a]\nurl = https://a\ncafile =\n", 3, "cafile has no value"),
        ("[a]\nurl = https://a\ntimeout = soon\n", 3, "timeout is 'soon'; accepted is a number of seconds, or none"),
        ("[a]\nurl = https://a\ntimeout = 0\n", 3, "timeout is 0.0; accepted is a number of seconds over 0"),
        ("[a]\nurl = https://a\nservice = hub\n", 3, "service is 'hub'; accepted is 'HTTP@host'"),
        ("[a]\nurl = https://a\nmechanism = ntlm\n", 3, "mechanism is 'ntlm'; accepted is one of spnego, krb5"),
        ("[a]\nurl = https://a\nlogin_path = x\n", 3, "login_path is 'x'; accepted is a path like '/login/'"),
        ("[a]\nurl = https://a\ndelegate = maybe\n", 3, "delegate is 'maybe'; accepted is yes or no"),
        ("[a]\nurl = https://a\nretries = 1.5\n", 3, "retries is '1.5'; accepted is a whole number"),
        ("[a]\nurl = https://a\ntimeout = 1\ntimeout = 2\n", 4, "timeout is there already, in line 3"),
        ("[a]\nurl = https://a\n[a]\nurl = https://b\n", 3, "[a] is there already, in line 1"),
        ("[a]\ntimeout = 5\n\n[b]\nurl = https://b\n", 1, "[a] has no url"),
        ("[a]\nurl = hub\n", 2, "url is not valid; accepted is https://host[:port]/path"),
        ("url = https://a\n", 1, "a section has to begin first: [NAME]"),
        ("[DEFAULT]\ntimeout = 5\n", 1, "there are no defaults for all hubs"),
        ("[a b]\nurl = https://a\n", 1, "a section is [NAME]; accepted in a name are letters, digits and . _ -"),
        ("[a\nurl = https://a\n", 1, "a section is [NAME]"),
        ("[a]\nurl = https://a\n5ecret\n", 3, "accepted is [NAME], or a key with a value"),
        ("[a]\nurl = https://u:5ecret@a\n", 2, "url holds credentials (user:password@)"),
        ("[a]\nurl = https://a\nproxy = http://u:5ecret@proxy\n", 3, "proxy holds a password, and no secret is read"),
        ("[a]\nurl = https://a\nheader = X-Key: 5ecret\n", 3, "header is not accepted here: headers can hold secrets"),
        ("[a]\nurl = https://a\npassword = 5ecret\n", 3, "password is not accepted here: no secret is read from this"),
        ("[a]\nurl = http://a\ninsecure_http = yes\n", 3, "insecure_http is not accepted here: an option that gives"),
    ],
)
def test_errors_name_the_file_and_the_line(define, text, line, complaint):
    path = define(text)
    with pytest.raises(Wrong) as caught:
        hubs.all_hubs(None)
    assert str(caught.value).startswith(f"{path}, line {line}: {complaint}")
    assert "5ecret" not in str(caught.value)


def test_errors_of_a_named_hub_name_its_section(define):
    path = define("[a]\nurl = https://a\ncafile = none.pem\n[b]\nurl = http://b\n[c]\nurl = https://c\ncookiejar = .\n")
    with pytest.raises(Wrong, match=rf"none\.pem', which cannot be used: No such file .*\(@a in {path}, line 1\)"):
        target("@a").transport()
    with pytest.raises(Wrong, match=rf"pass --insecure-http as well \(@b in {path}, line 4\)"):
        target("@b")
    with pytest.raises(
        Wrong, match=rf"--cookiejar has a file that cannot be read: Is a directory: .* \(@c in {path}, line 6\)"
    ):
        target("@c").transport()


def test_files_that_cannot_be_read(define, tmp_path):
    with pytest.raises(Wrong, match="cannot be read from /nowhere/none: No such file"):
        hubs.all_hubs("/nowhere/none")
    with pytest.raises(Wrong, match="Is a directory"):
        hubs.all_hubs(str(tmp_path))
    path = define(b"[a]\nurl = https://\xff\n")
    with pytest.raises(Wrong, match="is not encoded in UTF-8"):
        hubs.all_hubs(None)
    for mode in (0o664, 0o646):
        os.chmod(path, mode)
        with pytest.raises(Wrong, match="is a file that others may write: run chmod go-w on it"):
            hubs.all_hubs(None)


def test_a_hub_that_is_not_defined(define):
    with pytest.raises(Wrong, match=r"no hub is defined; to define it, write \[kobo\] and url"):
        target("@kobo")
    define("[kobo]\nurl = https://a\n[koji]\nurl = https://b\n")
    with pytest.raises(Wrong, match=r"there is no hub @kobbo; did you mean @kobo\? .* lists the hubs: @kobo, @koji"):
        target("@kobbo")
    with pytest.raises(Wrong, match="there is no hub @; 'krbxmlrpc hubs' lists"):
        target("@")


def test_the_command_hubs(define, capsys):
    assert main(["hubs"]) == 0
    printed, complaints = capsys.readouterr()
    assert printed == "" and complaints.startswith("krbxmlrpc: no hub is defined\n  hint: krbxmlrpc hubs --help")
    mine = define("[kobo]\nurl = https://hub.example.com/hub/xmlrpc?key=5ecret\n")
    system = define("[a]\nurl = https://a\n", "system")
    assert main(["hubs"]) == 0
    assert capsys.readouterr().out == (
        f"@kobo  https://hub.example.com/hub/xmlrpc  {mine}\n@a     https://a                           {system}\n"
    )
    assert main(["hubs", "--config", system]) == 0
    assert capsys.readouterr().out == f"@a  https://a  {system}\n"
    assert main(["hubs", "--config", "/nowhere/none"]) == 2
