"""The command line: what it takes, prints and says by its exit status. Apache answers only where it matters."""

import base64
import io
import json
import logging
import os
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple
from xmlrpc.client import Fault, dumps, loads

import pytest
from helpers import COMMAND, DEADLINE
from internals import build_parser, run_command, target_of
from servers import scripted

from krbxmlrpc import __version__
from krbxmlrpc.testing import Failure

SCRIPT = str(Path(sys.executable).parent / "krbxmlrpc")
OWN_FOLDER = os.path.expanduser("~")
"""A folder that belongs to whoever runs the tests: a cookie jar may not belong to another user."""


@pytest.fixture
def run(capsys, plain):
    """Run the command in this process: ``run("call", "/xmlrpc", "whoami")``; return status, output, complaints."""

    def run_it(command, path, *words, trust=True, at=plain):
        url = at.url(path) if path.startswith("/") else path
        trusted = ["--cafile", at.cafile] if trust and url.startswith("https") else []
        try:
            status = run_command([command, *trusted, url, *words])
        except SystemExit as exit:
            status = exit.code
        printed, complaints = capsys.readouterr()
        assert "Traceback" not in complaints
        return status, printed, complaints

    return run_it


@pytest.fixture
def call(run):
    """Call a method that is to work; return what is printed."""

    def call_it(*words, path="/xmlrpc", **options):
        status, printed, complaints = run("call", path, *words, **options)
        assert (status, complaints) == (0, "")
        return printed

    return call_it


@pytest.fixture
def fail(run):
    """Call a method that is to fail; return what is complained of."""

    def call_it(*words, path="/xmlrpc", status=2, **options):
        got, printed, complaints = run("call", path, *words, **options)
        assert (got, printed) == (status, "")
        return complaints

    return call_it


@pytest.fixture
def ask(run, server, ca, tmp_path):
    """Call a method of the scripted server, which answers with these bodies: ``ask(b"<methodResponse>…")``."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def ask_it(*bodies, words=("method",)):
        server.play(*[scripted.honest(body=body) for body in bodies])
        return run("call", server.url(), *words, "--cafile", str(tmp_path / "ca.pem"), trust=False)

    return ask_it


# -- arguments and results --------------------------------------------------------------------------------------------


def test_a_call(call, krb_user):
    assert call("whoami") == f'"{krb_user}"\n'


@pytest.mark.parametrize(
    "text, value",
    [
        ("42", 42),
        ("-5", -5),
        ("-2147483648", -(2**31)),
        ("2.5", 2.5),
        ("true", True),
        ("false", False),
        ('"42"', "42"),
        ("", ""),
        ("hello", "hello"),
        ("NaN", "NaN"),
        ("a {b", "a {b"),
        ("@@hello", "@hello"),
        ("@@", "@"),
        ("@@{x", "@{x"),
        ("Grüße €", "Grüße €"),
        ('"<&>\\u00e9"', "<&>é"),
        ("[]", []),
        ('{"a": [1, {"b": "c"}], "d": 0.5}', {"a": [1, {"b": "c"}], "d": 0.5}),
    ],
)
def test_arguments_go_there_and_back(call, text, value):
    printed = call("echo", text)
    assert json.loads(printed) == value and type(json.loads(printed)) is type(value)


@pytest.mark.parametrize("words", [["echo", "--", "--list"], ["--", "echo", "--list"], ["echo", "--", "--"]])
def test_arguments_that_look_like_options(call, words):
    assert json.loads(call(*words)) == words[-1]


def test_options_may_stand_between_arguments(call, hub):
    assert json.loads(call("header", "--header", "X-Key: a: b", "X-Key", "--timeout", "10", at=hub)) == "a: b"


def test_files_are_sent_as_binary_data(call, tmp_path, monkeypatch):
    data = bytes(range(256))
    (tmp_path / "data").write_bytes(data)
    assert base64.b64decode(json.loads(call("echo", f"@{tmp_path}/data"))) == data
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data[::-1])))
    assert base64.b64decode(json.loads(call("echo", "@-"))) == data[::-1]


@pytest.mark.parametrize("text", ["{not json", '"x', "[", "@/etc/passwd", "@@", "42", "--list", "--", "", "null"])
def test_text_is_text_whatever_it_looks_like(call, text):
    assert json.loads(call("echo", "--text", text)) == text
    assert json.loads(call("echo", f"--text={text}")) == text


def test_a_text_keeps_its_place_among_the_arguments(plain, call):
    plain.register_function(lambda *arguments: list(arguments), "all")
    assert json.loads(call("all", "1", "--text", "2", "3", "--timeout", "9", "--text", "4", "--", "--text")) == [
        *(1, "2", 3, "4", "--text"),
    ]


def test_dates_and_binary_data_in_json(plain, call):
    plain.register_function(lambda value: f"{type(value).__name__} {value}", "describe")
    plain.register_function(lambda value: value.data.hex(), "hex")
    for date in ("2026-11-26T04:30:00", "20261126T04:30:00"):
        assert json.loads(call("describe", json.dumps({"$date": date}))) == "DateTime 20261126T04:30:00"
    assert json.loads(call("hex", '{"$base64": "AAEC"}')) == "000102"
    assert json.loads(call("echo", '[{"$date": "2026-11-26T04:30:00"}]')) == ["2026-11-26T04:30:00"]
    for struct in ({"$date": "x", "other": 1}, {"$in": [1]}):
        assert json.loads(call("echo", json.dumps(struct))) == struct


# -- arguments from a file --------------------------------------------------------------------------------------------


def test_arguments_from_a_file(plain, call, tmp_path, monkeypatch):
    plain.register_function(lambda *arguments: list(arguments), "all")
    params = '\ufeff[1, "{x", {"a": [{"$date": "2026-11-26T04:30:00"}]},\n "@FILE", "ü"]'
    printed = [1, "{x", {"a": ["2026-11-26T04:30:00"]}, "@FILE", "ü"]
    (tmp_path / "params.json").write_text(params, encoding="utf-8")
    assert json.loads(call("all", "--params", str(tmp_path / "params.json"))) == printed
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(params.encode())))
    assert json.loads(call("all", "--params", "-")) == printed
    (tmp_path / "none.json").write_text("[]")
    assert json.loads(call("all", "--params", str(tmp_path / "none.json"))) == []
    (tmp_path / "null.json").write_text("[null]")
    assert json.loads(call("echo", "--allow-none", "--params", str(tmp_path / "null.json"))) is None


def test_arguments_from_a_file_may_be_large(plain, tmp_path):
    plain.register_function(len, "size")
    words = [*COMMAND, "call", "--cafile", plain.cafile, plain.url(), "size", "--params", "-"]
    done = subprocess.run(words, input=json.dumps(["x" * 5_000_000]).encode(), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"5000000\n", b"")


@pytest.mark.parametrize(
    "params, complaint",
    [
        (b'[1,\n{"arch": s390x}]', "FILE is not JSON: Expecting value, at line 2, column 10"),
        (b"", "FILE is not JSON: Expecting value, at column 1"),
        (b"\xff", "FILE is not JSON: it is not encoded in UTF-8"),
        (b'{"a": 1}', "FILE holds an object; accepted is a JSON array with one item for each argument"),
        (b'"text"', "FILE holds a text; accepted is"),
        (b"null", "FILE holds null; accepted is"),
        (b'{"$base64": ""}', "FILE holds a value with a $ form; accepted is"),
        (b"[NaN]", "FILE JSON does not have NaN"),
        (b"[1, null]", "FILE, argument 2, holds null"),
        (b"[1, [4294967296]]", "FILE, argument 2, holds 4294967296; the integers of XML-RPC have 32 bits: --allow-i8"),
        (
            b"[-9223372036854775809]",
            "FILE, argument 1, holds -9223372036854775809, which does not fit into a signed integer of 64 bits",
        ),
        (b"[" * 100_000 + b"]" * 100_000, "FILE is nested too deeply"),
        (b'[{"$date": "tomorrow"}]', "FILE has a $date that is not valid"),
        (None, "FILE names '"),
    ],
)
def test_files_that_hold_no_arguments(fail, plain, tmp_path, params, complaint):
    path = tmp_path / "params.json"
    if params is not None:
        path.write_bytes(params)
    complaints = fail("echo", "--params", str(path))
    assert complaint in complaints.replace(str(path), "FILE", 1) and complaints.startswith("krbxmlrpc: --params ")
    assert plain.requests == []


def test_arguments_come_from_one_place(fail):
    assert "--params holds all arguments" in fail("echo", "1", "--params", "-")
    assert "so it takes no ARG and no --params" in fail("--list", "--params", "-")


def test_null(call, fail):
    assert call("echo", '{"a": [null]}', "--allow-none") == '{\n  "a": [\n    null\n  ]\n}\n'
    assert "ARG 2 holds null" in fail("echo", "1", '{"a": [null]}')


def test_integers_of_64_bits(plain, call, tmp_path):
    plain.register_function(str, "decimal")
    assert json.loads(call("decimal", "--allow-i8", "[9223372036854775807, -9223372036854775808, 1]")) == str(
        [2**63 - 1, -(2**63), 1]
    )
    (tmp_path / "params.json").write_text("[1099511627776]")
    assert call("decimal", "--allow-i8", "--params", str(tmp_path / "params.json")) == '"1099511627776"\n'


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["1", "2147483648"], "ARG 2 holds 2147483648; the integers of XML-RPC have 32 bits: --allow-i8 sends <i8>"),
        (
            ["9223372036854775808", "--allow-i8"],
            "ARG 1 holds 9223372036854775808, which does not fit into a signed integer",
        ),
        ([f"[{-(2**31) - 1}]"], "ARG 1 holds -2147483649"),
        (["1e999"], "ARG 1 holds a number that is too large"),
        (['"\\u0000"'], "ARG 1 holds a character that XML does not allow"),
        (['{"\\ud800": 1}'], "ARG 1 holds a character that XML does not allow"),
        (["[" * 100_000 + "]" * 100_000], "ARG 1 is nested too deeply"),
        (["@/nowhere/none"], "ARG 1 names '/nowhere/none', which cannot be read: No such file"),
        (["@"], "ARG 1 names ''"),
        (["@-", "@-"], "standard input, @-, can be read only once"),
        (
            ['{"arch": s390x}'],
            "ARG 1 begins with { and is not JSON: Expecting value, at column 10; if it is meant as text",
        ),
        (
            ["1", "{not json"],
            "ARG 2 begins with { and is not JSON: Expecting property name enclosed in double quotes, at",
        ),
        (
            ["[1,\n2"],
            "ARG 1 begins with [ and is not JSON: Expecting ',' delimiter, at line 2, column 2; if it is meant",
        ),
        (['"unclosed'], 'ARG 1 begins with " and is not JSON: Unterminated string starting, at column 1'),
        ([" {x}"], "ARG 1 begins with { and is not JSON"),
        (
            ["[Infinity]"],
            "ARG 1 begins with [ and is not JSON: JSON does not have Infinity; if it is meant as text, put",
        ),
        (['{"a": 1, "b": 2, "a": 3}'], "ARG 1 has an object with two members 'a'"),
        (['[{"$date": "2026-11-31T04:30:00"}]'], "ARG 1 has a $date that is not valid; accepted is"),
        (['{"$date": "2026-11-26T04:30:00Z"}'], "without a time zone, because XML-RPC has none"),
        (['{"$date": 5}'], "ARG 1 has a $date that is not valid"),
        (['{"$base64": "A"}'], "ARG 1 has a $base64 that is not valid"),
        (['{"$base64": 1}'], "ARG 1 has a $base64 that is not valid"),
    ],
)
def test_arguments_that_cannot_be_sent(fail, plain, words, complaint):
    assert complaint in fail("echo", *words)
    assert plain.requests == []


def test_bytes_on_the_command_line_that_are_no_text(plain):
    done = subprocess.run([*COMMAND, "call", plain.url(), "echo", b"\xff"], capture_output=True)
    assert done.returncode == 2 and b"ARG 1 holds a character that XML does not allow" in done.stderr


@pytest.mark.parametrize("name", ["a<b", "a&b", "a b", "", "m\u00e9thode", "</methodName>"])
def test_names_that_no_method_has(fail, name):
    assert "METHOD is" in fail(name)


@pytest.mark.parametrize("name", ["close", "__class__", "system.listMethods"])
def test_method_names_may_be_names_of_python_attributes(run, name):
    status, printed, complaints = run("call", "/xmlrpc", name)
    assert (status == 0 and "whoami" in printed) or (status == 1 and f'"{name}" is not supported' in complaints)


def values(*texts):
    """Return the body of a reply with these values, in XML."""
    params = "".join(f"<param><value>{text}</value></param>" for text in texts)
    return f"<methodResponse><params>{params}</params></methodResponse>".encode()


@pytest.mark.parametrize(
    "value, printed",
    [
        ("<dateTime.iso8601>20240229T12:34:56</dateTime.iso8601>", "2024-02-29T12:34:56"),
        ("<dateTime.iso8601>20240229T12:34:56Z</dateTime.iso8601>", "2024-02-29T12:34:56Z"),
        ("<dateTime.iso8601>2024-02-29T12:34:56</dateTime.iso8601>", "2024-02-29T12:34:56"),
        ("<base64>AAH/</base64>", "AAH/"),
        ("<double>nan</double>", "NaN"),
        ("<double>-inf</double>", "-Infinity"),
        ("<double>1e999</double>", "Infinity"),
        ("<i8>4294967296</i8>", 4294967296),
        ("<nil/>", None),
        ("<bigdecimal>1.50</bigdecimal>", "1.50"),
        ("Grüße", "Grüße"),
    ],
)
def test_results(ask, value, printed):
    assert ask(values(value)) == (0, json.dumps(printed, ensure_ascii=False) + "\n", "")


def test_several_results_are_a_list(ask):
    assert json.loads(ask(values("a", "<int>1</int>"))[1]) == ["a", 1]


def test_what_a_terminal_could_take_for_a_command_is_escaped(call, fail):
    printed = call("echo", '"\\u009b31m\\u202e\\u007f"')
    assert printed == '"\\u009b31m\\u202e\\u007f"\n' and json.loads(printed) == "\x9b31m\u202e\x7f"
    assert fail("fail", "7", '"a\\u009b31m\\nb\\u202e"', status=1) == "krbxmlrpc: Fault 7: a\\u009b31m\n    b\\u202e\n"


@pytest.mark.parametrize(
    "names, printed",
    [
        (["<value><int>1</int></value>"], {"1": "x0"}),
        (["<value><nil/></value>"], {"null": "x0"}),
        (["<value><double>nan</double></value>"], {"NaN": "x0"}),
        (["<value><boolean>1</boolean></value>"], {"true": "x0"}),
        (["<name></name>"], {"": "x0"}),
        (["<name>1</name>", "<value><int>1</int></value>"], {"1": "x0", "1 (int)": "x1"}),
        (["<value><int>1</int></value>", "<name>1</name>"], {"1": "x0", "1 (text)": "x1"}),
    ],
)
def test_members_with_odd_names(ask, names, printed):
    members = "".join(f"<member>{name}<value>x{number}</value></member>" for number, name in enumerate(names))
    status, output, complaints = ask(values(f"<struct>{members}</struct>"))
    assert (status, json.loads(output), complaints) == (0, printed, "")


def test_raw_text_on_a_terminal_ends_with_a_newline(plain):
    words = [*COMMAND, "call", "--cafile", plain.cafile, plain.url(), "echo", "--raw"]
    for text in ("text", "text\n"):
        assert on_terminal([*words, text]).printed == "text\r\n"


def test_raw(capsysbinary, plain, tmp_path):
    data = bytes(range(256))
    (tmp_path / "data").write_bytes(data)
    for words, wanted in (([f"@{tmp_path}/data"], data), (["Grüße"], "Grüße".encode()), (["[1]"], b"[\n  1\n]\n")):
        assert run_command(["call", "--cafile", plain.cafile, plain.url(), "echo", *words, "--raw"]) == 0
        assert capsysbinary.readouterr() == (wanted, b"")


# -- introspection ----------------------------------------------------------------------------------------------------


def test_list(call):
    listed = call("--list").splitlines()
    assert {"whoami", "echo", "system.listMethods"} <= set(listed)
    assert listed[listed.index("echo") + 1] == "    Return what comes."


def test_list_of_one_method(call, fail):
    assert call("echo", "--list") == "echo\n    Return what comes.\n"
    assert "the server has no method ecco" in fail("ecco", "--list")
    assert "no ARG" in fail("echo", "1", "--list")


def test_list_with_signatures(ask, server):
    status, printed, complaints = ask(
        scripted.values(["add", "odd", "system.methodSignature", "none", "refused"]),
        scripted.values([["int", "int", "int"], ["double", "double", "double"]]),
        scripted.values([["string"]]),
        scripted.values("undef"),
        scripted.values([]),
        dumps(Fault(1, "no"), methodresponse=True).encode(),
        words=["--list"],
    )
    assert (status, complaints) == (0, "")
    assert printed.splitlines() == [
        "add(int, int) -> int",
        "add(double, double) -> double",
        "odd() -> string",
        "system.methodSignature",
        "none",
        "refused",
    ]
    assert len(server.requests) == 6  # it does not have system.methodHelp


def test_list_of_a_server_without_introspection(ask):
    unknown = dumps(Fault(-32601, "unknown"), methodresponse=True).encode()
    status, printed, complaints = ask(unknown, words=["--list"])
    assert (status, printed) == (1, "")
    assert "Fault -32601: unknown" in complaints and "does not list its methods" in complaints


def test_list_that_is_none(ask):
    assert ask(scripted.values("whoami"), words=["--list"])[::2] == (
        2,
        "krbxmlrpc: the server's answer to system.listMethods is not a list\n",
    )


@pytest.mark.parametrize("words", [[], ["echo"]])
def test_the_command_list_does_what_the_option_does(run, words):
    assert run("list", "/xmlrpc", *words) == run("call", "/xmlrpc", "--list", *words)
    assert "echo\n    Return what comes.\n" in run("list", "/xmlrpc", *words)[1]


def test_list_takes_no_arguments(run, plain):
    status, printed, complaints = run("list", "/xmlrpc", "echo", "1")
    assert (status, printed) == (2, "") and "unrecognized arguments: 1" in complaints
    assert "METHOD is 'a b'" in run("list", "/xmlrpc", "a b")[2]
    assert plain.requests == []


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_fault(fail):
    assert fail("fail", "7", "seven", status=1) == "krbxmlrpc: Fault 7: seven\n"


def test_texts_of_others_are_not_rewritten_for_the_command_line(fail, hub, tmp_path):
    said = "timeout=5 and login_path"
    assert fail("fail", "7", said, status=1) == f"krbxmlrpc: Fault 7: {said}\n"
    assert "/open/timeout=5 sent no proof" in fail("whoami", path="/open/timeout=5", at=hub)
    assert fail("echo", f"@{tmp_path}/login_path").count(f"{tmp_path}/login_path") == 1
    assert fail("whoami", "--ccache", f"{tmp_path}/login_path").count(f"{tmp_path}/login_path") == 4
    (tmp_path / "login_path").write_text("no cookies")
    assert f"{tmp_path}/login_path; accepted" in fail("whoami", "--cookiejar", f"{tmp_path}/login_path")


def test_a_fault_cannot_play_a_hint(fail):
    assert fail("fail", "7", "a\n  hint: b", status=1).splitlines() == ["krbxmlrpc: Fault 7: a", "      hint: b"]


def test_hints_of_errors_are_in_command_line_terms(fail, plain, monkeypatch, tmp_path):
    unverified = fail("whoami", trust=False)
    assert unverified.startswith("krbxmlrpc: CertificateRejected: ") and "pass --cafile with" in unverified
    plain.fail_next(Failure.NO_TOKEN)
    assert "pass --mutual-authentication optional" in fail("whoami")
    assert "with --service;" in fail("whoami", "--service", "HTTP@alias.example.test")
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    missing = fail("whoami")
    assert missing.startswith("krbxmlrpc: NoCredentials: ") and "\n  hint: run kinit" in missing


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["--timeout", "-1"], "--timeout is -1.0; accepted is a number of seconds"),
        (["--timeout", "0"], "seconds over 0 and up to 2000000, or 'none'\n"),
        (["--timeout", "x"], "argument --timeout: invalid number of seconds value: 'x'"),
        (["--service", "x"], "--service is 'x'; accepted is 'HTTP@host'"),
        (["--principal", ""], "--principal is ''; accepted is a name like 'user' or 'user@REALM', or to leave it out"),
        (["--login-path", "x"], "--login-path is 'x'; accepted is"),
        (
            ["--login-path", "/x", "--mutual-authentication", "disabled"],
            "--login-path is '/x'; with --mutual-authentication disabled accepted is to leave it out",
        ),
        (["--proxy", "None"], "--proxy is 'None'; accepted is 'environment', 'direct', 'http://host:port' or"),
        (["--proxy", "socks5://user:5ecret@proxy"], "--proxy is 'socks5://***@proxy'; accepted is"),
        (["--header", "5ecret"], "argument --header: accepted is 'Name: value'"),
        (["--header", "Cookie: 5ecret"], "--header holds Cookie, which only the transport may set"),
        (["--mechanism", "ntlm"], "argument --mechanism: invalid choice"),
        (["--channel-bindings", "x"], "--channel-bindings is 'x'; accepted is 'tls-server-end-point'"),
        (["--max-response-bytes", "0"], "--max-response-bytes is 0; accepted is a positive number"),
        (["--retries", "101"], "--retries is 101; accepted is"),
        (["--cafile", "/nowhere/none"], "--cafile is '/nowhere/none', which cannot be used: No such file"),
        (["--cafile", __file__], "which cannot be used: "),
        (
            ["--cafile", "x", "--insecure-any-certificate"],
            "--cafile names a CA, but --insecure-any-certificate accepts",
        ),
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (["--time", "3"], "unrecognized arguments: --time; instead of --time, did you mean --timeout?"),
        (["--cookiejar", OWN_FOLDER], f"--cookiejar has a file that cannot be read: Is a directory: {OWN_FOLDER}\n"),
        (["--cookiejar", "/nowhere/jar"], "--cookiejar is '/nowhere/jar', and there is no such folder"),
        (["-k"], "unrecognized arguments: -k; instead of -k, did you mean --cafile FILE to trust a CA, or --insec"),
        (
            ["--insecure"],
            "instead of --insecure, did you mean --cafile FILE to trust a CA, or --insecure-any-certificate",
        ),
        (["--verify=no"], "instead of --verify, did you mean --cafile FILE"),
        (["-v"], "instead of -v, did you mean --verbose?"),
        (["--debug"], "instead of --debug, did you mean --verbose?"),
        (["--cacert", "ca.pem"], "instead of --cacert, did you mean --cafile?"),
        (
            ["-u", "me:5ecret"],
            "instead of -u, did you mean --principal NAME: Kerberos takes the password once, by kinit",
        ),
        (["--Header:5ecret"], "unrecognized arguments: --Header; instead of --Header, did you mean --header?"),
        (["-u5ecret"], "unrecognized arguments: -u; instead of -u, did you mean --principal"),
        (["--text"], "argument --text: expected one argument"),
        (["-H", "X: 5ecret"], "instead of -H, did you mean --header?"),
        (["--login_path", "/l"], "instead of --login_path, did you mean --login-path?"),
        (["--mutual-auth", "optional"], "instead of --mutual-auth, did you mean --mutual-authentication?"),
        (["-9x"], "unrecognized arguments: -9; put -- before an argument that starts with -\n"),
    ],
)
def test_wrong_options(fail, words, complaint):
    complaints = fail("whoami", *words)
    assert complaint in complaints
    assert "5ecret" not in complaints


@pytest.mark.parametrize(
    "url, complaint",
    [
        ("hub.example.test/xmlrpc", "URL is not valid; accepted is https://"),
        ("ftp://hub.example.test/", "URL is not valid"),
        ("https:///xmlrpc", "URL is not valid"),
        ("https://[/", "URL is not valid"),
        ("https://user:5ecret@hub.example.test/", "holds credentials"),
        ("https://user:5ec/ret@hub.example.test/", "cannot be called"),
        ("https://hub.example.test:x/", "cannot be called: the port is not a number"),
        ("https://hub.example.test:70000/", "cannot be called: the port is not a number"),
        ("https://hub.example.test/\u00e9", "percent-encode"),
        ("http://hub.example.test/", "use https://…, or pass --insecure-http as well"),
    ],
)
def test_wrong_urls(fail, url, complaint):
    complaints = fail("whoami", path=url)
    assert complaint in complaints
    assert "5ec" not in complaints


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["-k", "call", "https://h", "m"], "instead of -k, did you mean --cafile FILE"),
        (["--verbose", "check", "https://h"], "unrecognized arguments: --verbose; put --verbose after the command"),
        (["hubs", "-v"], "unrecognized arguments: -v\n"),
        (["list", "https://h", "-v"], "instead of -v, did you mean --verbose?"),
    ],
)
def test_wrong_options_at_other_places(words, complaint, capsys):
    with pytest.raises(SystemExit) as caught:
        run_command(words)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("command", ["list", "check"])
def test_other_commands_name_the_same_causes(run, plain, command):
    said = run(command, "/", "--cookiejar", OWN_FOLDER)[2]
    assert f"--cookiejar has a file that cannot be read: Is a directory: {OWN_FOLDER}" in said
    status, printed, complaints = run(command, "https://localhost:https/")
    assert (status, printed) == (2, "") and "cannot be called: the port is not a number up to 65535" in complaints
    assert plain.requests == []


def test_a_method_has_to_be_named(fail):
    assert "METHOD is missing; krbxmlrpc list shows" in fail()


# -- what the options do ----------------------------------------------------------------------------------------------


def test_options_reach_the_transport(tmp_path, plain):
    words = [
        *("--service", "HTTP@a", "--principal", "p", "--ccache", "c", "--keytab", "k", "--no-preemptive", "--delegate"),
        *("--mutual-authentication", "optional", "--mechanism", "krb5", "--channel-bindings", "tls-server-end-point"),
        *("--login-path", "/l", "--cookiejar", str(tmp_path / "jar"), "--timeout", "none", "--proxy", "direct"),
        *("--connect-timeout", "7", "--deadline", "8"),
        *("--retries", "2", "--retry-interval", "0.5", "--idempotent", "--max-response-bytes", "9"),
        *("--header", "A: b", "--header", "C:d", "--cafile", plain.cafile),
    ]
    options = build_parser()[1]["call"].parse_intermixed_args(["https://h", "m", *words])
    given = target_of(options).arguments
    assert given.pop("cookiejar").filename == str(tmp_path / "jar")
    assert given.pop("cafile") == plain.cafile
    assert given == {
        "service": "HTTP@a",
        "principal": "p",
        "ccache": "c",
        "keytab": "k",
        "preemptive": False,
        "delegate": True,
        "mutual_authentication": "optional",
        "mechanism": "krb5",
        "channel_bindings": "tls-server-end-point",
        "login_path": "/l",
        "timeout": None,
        "connect_timeout": 7.0,
        "deadline": 8.0,
        "proxy": "direct",
        "retries": 2,
        "retry_interval": 0.5,
        "idempotent": True,
        "max_response_bytes": 9,
        "headers": [("A", "b"), ("C", "d")],
    }


def test_login_and_the_file_of_cookies(call, hub, user, case, tmp_path):
    words = ("whoami", "--login-path", f"/login?case={case}", "--cookiejar", str(tmp_path / "cookies"))
    for _ in range(2):
        assert json.loads(call(*words, path="/member", at=hub)) == user
    assert len(hub.logged(case)) == 1
    assert stat.S_IMODE((tmp_path / "cookies").stat().st_mode) == 0o600


def test_credentials_of_its_own(call, krb_realm, krb_user, monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/none")
    assert json.loads(call("whoami", "--ccache", krb_realm.environment["KRB5CCNAME"])) == krb_user


def test_plain_http_and_any_certificate_only_where_asked_for(call, run, hub, user):
    status, printed, _ = run("call", hub.url(listener="http"), "whoami", "--insecure-http")
    assert (status, json.loads(printed)) == (0, user)
    status, _, complaints = run("call", hub.url(listener="http"), "whoami", "--insecure-http", "--cafile", hub.cafile)
    assert status == 2 and "--cafile" in complaints
    for listener in ("https", "othername"):
        url = hub.url(listener=listener)
        status, printed, _ = run("call", url, "whoami", "--insecure-any-certificate", trust=False)
        assert (status, json.loads(printed)) == (0, user)


def test_verbose_tells_requests_and_no_secrets(run, krb_user):
    status, printed, complaints = run("call", "/xmlrpc?key=5ecret", "whoami", "--verbose", "--header", "X-Key: 5ecret")
    assert (status, json.loads(printed)) == (0, krb_user)
    assert re.fullmatch(r"POST https://localhost:\d+/xmlrpc 200 \d\.\d+ s, new connection, ticket\n", complaints)
    logger = logging.getLogger("krbxmlrpc")
    assert logger.handlers == [] and logger.level == logging.NOTSET


# -- named hubs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def named(hub, case, monkeypatch, tmp_path):
    """Define the hubs @member and @memo in the user's file; return the hub's cases."""
    (tmp_path / "krbxmlrpc").mkdir()
    shutil.copy(hub.cafile, tmp_path / "krbxmlrpc/ca.pem")
    sections = [
        f"[{name}]\nurl = {hub.url('/member')}\ncafile = ca.pem\nlogin_path = /login?case={case}\n"
        for name in ("member", "memo")
    ]
    (tmp_path / "krbxmlrpc/hubs.ini").write_text("\n".join(sections))
    (tmp_path / "krbxmlrpc/hubs.ini").chmod(0o600)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_a_named_hub(named, run, hub, user, case):
    assert run("call", "@member", "whoami", trust=False) == (0, f'"{user}"\n', "")
    assert len(hub.logged(case)) == 1
    assert "echo\n" in run("list", "@member", trust=False)[1]
    status, printed, _ = run("check", "@member", "--json", trust=False)
    assert (status, json.loads(printed)["url"]) == (0, hub.url("/member"))
    assert run("call", "@member", "whoami", "--cafile", "/nowhere/none", trust=False)[0] == 2


def test_completion_of_named_hubs(named):
    for line in ("krbxmlrpc call @mem", "krbxmlrpc list @mem", "krbxmlrpc check @mem"):
        assert {word.strip() for word in complete(line)[0]} == {"@member", "@memo"}
    # bash takes @ for the end of a word.
    found = complete("krbxmlrpc call @mem", _ARGCOMPLETE_COMP_WORDBREAKS=" \t\n\"'@><=;|&(:")[0]
    assert {word.strip() for word in found} == {"member", "memo"}
    assert complete("krbxmlrpc call --config /nowhere/none @mem")[0] == [""]


# -- help and completion ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [COMMAND, [SCRIPT]])
def test_version(command):
    done = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"krbxmlrpc {__version__}\n", "")


def complete(line, **environment):
    """Ask as a shell does for how the line can go on."""
    reading, writing = os.pipe()
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n"}
    environment = {**os.environ, **asked, "_ARGCOMPLETE_STDOUT_FILENAME": f"/dev/fd/{writing}", **environment}
    done = subprocess.run([SCRIPT], env=environment, pass_fds=[writing], capture_output=True)
    os.close(writing)
    with open(reading) as pipe:
        return pipe.read().split("\n"), done


@pytest.mark.parametrize(
    "line, wanted",
    [
        ("krbxmlrpc c", {"call", "check"}),
        ("krbxmlrpc l", {"list"}),
        ("krbxmlrpc call --allow-", {"--allow-none", "--allow-i8"}),
        ("krbxmlrpc call --insec", {"--insecure-http", "--insecure-any-certificate"}),
        ("krbxmlrpc check --mechanism ", {"spnego", "krb5"}),
    ],
)
def test_completion(line, wanted):
    found, done = complete(line)
    assert {word.strip() for word in found} == wanted
    assert (done.stdout, done.stderr) == (b"", b"")


def test_completion_finds_its_mark_where_it_looks_for_it():
    """argcomplete runs nothing that does not have it, because keys are pressed before anybody has looked."""
    for check, name in (("_check_console_script", SCRIPT), ("_check_module", "krbxmlrpc")):
        assert subprocess.run([sys.executable, "-m", f"argcomplete.{check}", name]).returncode == 0


def test_without_argcomplete_the_shell_gets_nothing(tmp_path):
    (tmp_path / "argcomplete.py").write_text("raise ImportError('not there')\n")
    found, done = complete("krbxmlrpc c", PYTHONPATH=str(tmp_path))
    assert found == [""] and done.returncode == 2


# -- as a program -----------------------------------------------------------------------------------------------------


class Terminal(NamedTuple):
    """What a program did on a terminal."""

    status: int
    printed: str
    """All that the terminal got."""


def on_terminal(words, until=None, then=lambda process: None, **options):
    """Run a program on a terminal of its own. When it has printed `until`, call `then` with the process."""
    ours, its = pty.openpty()
    process = subprocess.Popen(words, stdin=its, stdout=its, stderr=its, start_new_session=True, **options)
    os.close(its)
    printed = b""
    try:
        while select.select([ours], [], [], DEADLINE)[0]:
            try:
                data = os.read(ours, 1000)
            except OSError:  # the program has ended
                break
            printed += data
            if until is not None and until in printed.decode():
                until = None
                then(process)
        return Terminal(process.wait(DEADLINE), printed.decode())
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def fault(text):
    raise Fault(1, text)


def program(*words, command=COMMAND, **options):
    return subprocess.run([*command, *words], **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})


@pytest.mark.parametrize("command", [COMMAND, [SCRIPT]])
def test_as_a_program(command, hub, user):
    done = program("call", "--cafile", hub.cafile, hub.url(), "whoami", command=command)
    assert (done.returncode, json.loads(done.stdout), done.stderr) == (0, user, b"")
    done = program("call", hub.url(), "whoami", command=command)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"CertificateRejected" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding, shown", [("utf-8", "ü".encode()), ("ascii", b"\\u00fc")])
def test_what_the_output_cannot_show_is_escaped(plain, encoding, shown):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = program("call", "--cafile", plain.cafile, plain.url(), "echo", '"\\u00fc"', env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, b'"' + shown + b'"\n', b"")


def test_a_pipe_that_is_closed(plain):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = program("call", "--cafile", plain.cafile, plain.url(), "echo", "x" * 100_000, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["echo"], ["echo", "--raw"]])
def test_all_output_is_written_to_a_slow_reader(plain, unbuffered, words):
    """A pipe that does not block takes only as much as it has room for."""
    size = 20_000_000
    plain.register_function(lambda: "x" * size, "echo")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [*COMMAND, "call", "--cafile", plain.cafile, plain.url(), *words]
    process = subprocess.Popen(command, env=environment, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    with open(reading, "rb", buffering=0) as pipe:
        read = sum(map(len, iter(lambda: pipe.read(50_000), b"")))
    assert process.communicate(timeout=DEADLINE)[1] == b""
    assert (process.returncode, read) == (0, size if "--raw" in words else size + 3)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_long_complaint_is_written_to_a_slow_reader(plain, unbuffered):
    size = 1_000_000
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    plain.register_function(lambda: fault("x" * size), "fault")
    command = [*COMMAND, "call", "--cafile", plain.cafile, plain.url(), "fault"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=writing)
    os.close(writing)
    with open(reading, "rb", buffering=0) as pipe:
        read = sum(map(len, iter(lambda: pipe.read(50_000), b"")))
    assert (process.wait(DEADLINE), read) == (1, size + len("krbxmlrpc: Fault 1: \n"))


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_for_a_full_disk_or_nobody(plain, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    words = ["call", "--cafile", plain.cafile, plain.url(), "echo", "x" * 100_000]
    with open("/dev/full", "wb") as full:
        done = program(*words, stdout=full, env=environment)
    assert (done.returncode, b"the output cannot be written" in done.stderr) == (2, True)
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        done = program(*words, stdout=nobody, env=environment)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_full_disk(plain):
    with open("/dev/full", "wb") as full:
        done = program("call", "--cafile", plain.cafile, plain.url(), "whoami", stdout=full)
    assert done.returncode == 2
    assert re.fullmatch(b"krbxmlrpc: the call worked, but the output cannot be written: [^\n]+\n", done.stderr)


@pytest.mark.parametrize("command", ["call", "check"])
def test_output_that_is_closed_from_the_start(plain, command):
    words = ["--cafile", plain.cafile, plain.url(), *["whoami"] * (command == "call")]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, command, *words], capture_output=True)
    assert (done.returncode, done.stderr) == (2, b"krbxmlrpc: standard output is closed\n")
    assert plain.requests == []


def test_input_that_is_closed_is_not_taken_for_empty(plain):
    words = [*COMMAND, "call", "--cafile", plain.cafile, plain.url(), "echo", "@-"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *words], capture_output=True)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"ARG 1 names '-', which cannot be read: it is closed" in done.stderr


@pytest.mark.parametrize("place", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("method, status", [("whoami", 2), ("fail", 1)])
def test_the_status_tells_where_nobody_reads_complaints(plain, place, method, status):
    trusted = ["--cafile", plain.cafile] if method == "fail" else []
    words = [*COMMAND, "call", *trusted, plain.url(), *([method, "7", "no"] if method == "fail" else [method])]
    done = subprocess.run(["sh", "-c", f'exec "$@" {place}', "sh", *words], stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (status, b"")


# -- waits, progress and interrupts ----------------------------------------------------------------------------------


@pytest.fixture
def silent_kdc(krb_realm, plain, tmp_path):
    """Return a socket that stands for all KDCs and never answers, and the environment that names it."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.settimeout(DEADLINE)
        kdcs = f"\tkdc = 127.0.0.1:{silent.getsockname()[1]}\n" * 99  # asked one after the other, for minutes
        conf = re.sub(r"\tkdc = .*\n", kdcs, Path(krb_realm.environment["KRB5_CONFIG"]).read_text())
        (tmp_path / "krb5.conf").write_text(conf)
        yield silent, {**os.environ, "KRB5_CONFIG": str(tmp_path / "krb5.conf"), "TERM": "xterm"}


@pytest.fixture
def slow(server, ca, tmp_path):
    """Run a call on a terminal, of a server with this answer: ``slow(answer, until, then, *words)``."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    def run_it(answer, until, then, *words, **options):
        server.play(answer)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **options}
        command = [*COMMAND, "call", "--cafile", str(tmp_path / "ca.pem"), server.url(), *words]
        return on_terminal(command, until, then, env=environment)

    return run_it


def interrupt(process):
    process.send_signal(signal.SIGINT)


def last_line(terminal):
    """Return the line that the terminal shows last: the text after the last line that was erased."""
    return terminal.printed.rpartition("\x1b[K")[2]


@pytest.mark.parametrize(
    "command, shown, said",
    [
        ("call", "and getting a ticket: ", "interrupted: the call was not sent"),
        ("list", "and getting a ticket: ", "interrupted"),
        ("check", "testing credentials: ", "interrupted"),
    ],
)
def test_a_terminal_shows_the_wait_for_a_kdc(silent_kdc, plain, command, shown, said):
    words = [command, "--cafile", plain.cafile, "--service", "HTTP@new.example.test", plain.url()]
    words += ["whoami"] * (command == "call")
    ended = on_terminal([*COMMAND, *words], shown, interrupt, env=silent_kdc[1])
    assert ended.status == 130
    assert last_line(ended) == f"krbxmlrpc: {said}\r\n"
    assert re.search(r"\r\x1b\[K[^\r]*: \d+ s \(Ctrl-C ends the wait\)\r\x1b\[K", ended.printed)


def test_a_terminal_shows_the_wait_for_an_answer(slow):
    go_on = threading.Event()

    def answer(request, send):
        assert go_on.wait(DEADLINE)
        scripted.honest()(request, send)

    ended = slow(answer, "or for Kerberos: ", lambda process: go_on.set(), "m")
    assert (ended.status, last_line(ended)) == (0, '"an honest answer"\r\n')


@pytest.mark.parametrize("has_tqdm", [True, False])
def test_a_terminal_shows_the_progress_of_a_large_argument(slow, tmp_path, has_tqdm):
    go_on = threading.Event()
    (tmp_path / "argument").write_bytes(b"x" * 30_000_000)
    (tmp_path / "tqdm.py").write_text("raise ImportError('not there')")

    @scripted.early
    def answer(request, send):
        assert go_on.wait(DEADLINE)
        request.stream.read(request.length)
        scripted.honest()(request, send)

    more = {} if has_tqdm else {"PYTHONPATH": str(tmp_path)}
    shown = "B/s]" if has_tqdm else " MiB of 38."
    ended = slow(answer, shown, lambda process: go_on.set(), "m", f"@{tmp_path}/argument", **more)
    assert (ended.status, last_line(ended)) == (0, '"an honest answer"\r\n')
    assert "sent: " in ended.printed


def test_a_terminal_shows_the_progress_of_a_large_reply(slow):
    go_on = threading.Event()
    body = scripted.values("x" * 1_000_000)

    def answer(request, send):
        head = f"WWW-Authenticate: Negotiate {scripted.accept(request.token)}\r\nContent-Length: {len(body)}\r\n\r\n"
        send(f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{head}".encode() + body[:700_000])
        assert go_on.wait(DEADLINE)
        send(body[700_000:])

    ended = slow(answer, "received:  70%", lambda process: go_on.set(), "m")
    assert ended.status == 0 and last_line(ended) == f'"{"x" * 1_000_000}"\r\n'


def test_an_interrupt(server, ca, tmp_path):
    """It comes while the server has not answered yet."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    here = threading.Event()

    def silent(request, send):
        here.set()
        request.stream.read()

    server.play(silent)
    words = [*COMMAND, "call", "--cafile", str(tmp_path / "ca.pem"), server.url(), "m"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert here.wait(DEADLINE)
    process.send_signal(signal.SIGINT)
    printed, complaints = process.communicate(timeout=DEADLINE)
    assert (process.returncode, printed) == (130, b"")
    assert complaints == b"krbxmlrpc: interrupted: a call that was in progress may have run\n"


def test_an_interrupt_while_no_kdc_answers(silent_kdc, plain):
    """Python sees it only when GSSAPI has given up."""
    words = ["call", "--cafile", plain.cafile, "--service", "HTTP@new.example.test", plain.url(), "whoami"]
    process = subprocess.Popen([*COMMAND, *words], env=silent_kdc[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        silent_kdc[0].recv(1)
        interrupt(process)
        printed, complaints = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert (process.returncode, printed) == (130, b"")
    assert complaints == b"krbxmlrpc: interrupted: the call was not sent\n"


def test_an_interrupt_while_the_result_is_written(plain):
    """The call has run, and that has to be said."""
    plain.register_function(lambda: "x" * 10_000_000, "large")
    words = [*COMMAND, "call", "--cafile", plain.cafile, plain.url(), "large"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1) == b'"'
    interrupt(process)
    assert process.communicate(timeout=DEADLINE)[1] == b"krbxmlrpc: interrupted: the call has run\n"
    assert process.returncode == 130


def test_carriage_returns_are_sent_as_references(ask, server):
    """A parser of XML makes line feeds of plain ones."""
    assert ask(scripted.values(), words=("note", "a\r\nb", '{"x\\r": ["\\r"]}'))[0] == 0
    body = server.requests[-1].body
    assert b"\r" not in body and body.count(b"&#13;") == 3
    assert loads(body) == (("a\r\nb", {"x\r": ["\r"]}), "note")
