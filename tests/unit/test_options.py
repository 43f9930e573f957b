"""The options of the command line, and its help."""

import subprocess
import sys

import pytest

from krbxmlrpc import KerberosTransport
from krbxmlrpc._cli import main as cli
from krbxmlrpc._cli.options import OPTIONS, TERMS, build_parser, target_of
from krbxmlrpc._hints import Hint, told


@pytest.mark.parametrize(
    "hint, python, terminal",
    [
        (Hint("pass {args.cafile} with it"), "pass cafile= with it", "pass --cafile with it"),
        (
            Hint("{phrase.own_context} that"),
            "pass context= with a context that",
            "no option does that, but a program can pass KerberosTransport(context=...) a context that",
        ),
        (
            Hint("pass {args.mutual_authentication:optional}"),
            "pass mutual_authentication='optional'",
            "pass --mutual-authentication optional",
        ),
        (Hint("pass {args.channel_bindings:None}"), "pass channel_bindings=None", "pass --channel-bindings none"),
        (
            Hint("or pass {args.keytab} as well; {args.ccache:{ccache}} may hold", ccache="/a/b"),
            "or pass keytab= as well; ccache='/a/b' may hold",
            "or pass --keytab as well; --ccache /a/b may hold",
        ),
        (Hint("{args.ccache:{ccache}}", ccache="/a b/c"), "ccache='/a b/c'", "--ccache '/a b/c'"),
        (Hint("see {args.service}; it"), "see service=; it", "see --service; it"),
        (
            Hint("if {args.idempotent} says so and {args.retries} allows it"),
            "if idempotent= says so and retries= allows it",
            "if --idempotent says so and --retries allows it",
        ),
        (Hint("pass {args.idempotent:True}"), "pass idempotent=True", "pass --idempotent"),
        (Hint("pass {args.preemptive:False}"), "pass preemptive=False", "pass --no-preemptive"),
        (
            Hint("check {name.login_path}, a timeout, the proxy"),
            "check login_path, a timeout, the proxy",
            "check --login-path, a timeout, the proxy",
        ),
        (Hint("{name.timeout} is 0; accepted"), "timeout is 0; accepted", "--timeout is 0; accepted"),
        (
            Hint("the proxy is away: its timeout is short"),
            "the proxy is away: its timeout is short",
            "the proxy is away: its timeout is short",
        ),
        (Hint("{name.headers} holds Cookie"), "headers holds Cookie", "--header holds Cookie"),
        (
            Hint("plain HTTP: {phrase.plain_http}"),
            "plain HTTP: KerberosTransport speaks TLS, and InsecureKerberosTransport plain HTTP, whatever the URL says",
            "plain HTTP: https:// in the URL asks for TLS, http:// and --insecure-http ask for plain HTTP",
        ),
        (Hint("check {args.proxy}, or https_proxy"), "check proxy=, or https_proxy", "check --proxy, or https_proxy"),
        (Hint("a name, or {phrase.left_out}"), "a name, or None", "a name, or to leave it out"),
        (Hint("a number, or {phrase.none}"), "a number, or None", "a number, or 'none'"),
        (Hint("see {args.use_datetime}"), "see use_datetime=", "see use_datetime="),
    ],
)
def test_arguments_in_messages_are_told_as_options(hint, python, terminal):
    assert hint == python
    assert told(hint, TERMS) == terminal


def test_what_is_missing(capsys):
    with pytest.raises(SystemExit):
        cli.main(["call"])
    assert capsys.readouterr().err.endswith(" error: the following arguments are required: URL\n")


@pytest.mark.parametrize("words", [[], ["--list"]])
def test_usage(capsys, words):
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "usage: krbxmlrpc" in capsys.readouterr().err


def test_each_argument_of_the_transport_has_an_option():
    parameters = set(KerberosTransport.__init__.__kwdefaults__)
    # How values are held before they are printed; a context, which cannot be typed; and the command shows its progress.
    ours = {"use_datetime", "use_builtin_types", "context", "progress"}
    assert OPTIONS.keys() == parameters - ours


def test_without_options_the_transport_has_its_defaults():
    options = build_parser()[1]["call"].parse_intermixed_args(["https://h", "m"])
    target = target_of(options)
    assert target.arguments == {} and (target.netloc, target.handler) == ("h", "/RPC2")


@pytest.mark.parametrize("command", [None, "call", "list", "check", "hubs"])
def test_help(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        cli.main([*([command] if command else []), "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(len(line) < 80 for line in text.splitlines())
    assert text.isascii()  # for terminals that know no more
    assert "examples:\n" in text
    assert ("exit status: 0 " in text) is (command is not None)
    parser, subparsers = build_parser()
    for action in (subparsers[command] if command else parser)._actions:
        assert action.help
        for flag in action.option_strings:
            assert flag in text


def test_help_does_not_wait_for_what_it_does_not_need():
    """What is loaded beside the package itself, which imports all that a transport needs."""
    script = (
        "import sys, krbxmlrpc; before = set(sys.modules)\n"
        "from krbxmlrpc._cli import main, options; options.build_parser()\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) <= {
        *("argparse", "gettext", "json", "json.decoder", "json.encoder", "json.scanner", "_json", "signal"),
        *("krbxmlrpc._cli", "krbxmlrpc._cli.console", "krbxmlrpc._cli.main", "krbxmlrpc._cli.options"),
        *("krbxmlrpc._cli.values", "krbxmlrpc._cli.waiting"),
    }
