"""Hints: they are data, so each audience is told them in its own terms."""

import ast
import copy
import pickle
import string
from pathlib import Path

import pytest

import krbxmlrpc
from krbxmlrpc import CallOutcomeUnknown, KerberosTransport
from krbxmlrpc._cli.options import TERMS
from krbxmlrpc._hints import PHRASES, PYTHON, Hint, message_of, subject, told
from krbxmlrpc._settings import definitions

PACKAGE = Path(krbxmlrpc.__file__).parent


def names_of_kobo():
    """Return ``krbxmlrpc.kobo.ARGUMENT_NAMES``, from the source: the module can be imported only where kobo is."""
    wanted = ("LOGIN_PAGE", "TIMEOUT_VARIABLE", "ARGUMENT_NAMES")
    body = [
        node
        for node in ast.parse((PACKAGE / "kobo.py").read_text()).body
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and ast.unparse(node).startswith(wanted)
    ]
    found = {"Dict": dict, "KerberosTransport": KerberosTransport}
    exec(compile(ast.Module(body, []), "kobo.py", "exec"), found)
    return found["ARGUMENT_NAMES"]


KOBO = names_of_kobo()
AUDIENCES = {"Python": PYTHON, "command line": TERMS, "kobo": KOBO}
ARGUMENTS = {setting.name for setting in definitions()}
EVIL = "{args.service} {0} {x} { }} {name.nothing!r:{y}}"


def is_hint(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Hint"


def hints():
    """Return all hints of the package as calls, with where they are."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name == "_hints.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if is_hint(node):
                found.append(pytest.param(node, id=f"{path.relative_to(PACKAGE)}:{node.lineno}"))
    return found


def fields(template):
    """Return the names of a template's values, those that are values of arguments included."""
    found = set()
    for _, name, spec, _ in string.Formatter().parse(template):
        if name is not None:
            found |= {name.partition(".")[0]} | fields(spec)
    return found - {"args", "name", "phrase"}


def unknown_arguments(template):
    """Return the arguments that a template names and that no definition has."""
    found = set()
    for _, name, spec, _ in string.Formatter().parse(template):
        kind, _, argument = (name or "").partition(".")
        if kind in ("args", "name"):
            found |= {argument} - ARGUMENTS
        found |= unknown_arguments(spec or "")
    return found


@pytest.mark.parametrize("node", hints())
def test_each_hint_of_the_package_can_be_told_to_all(node):
    (template,) = node.args
    assert isinstance(template, ast.Constant), "a template is a constant: what differs are its values"
    assert {keyword.arg for keyword in node.keywords} == fields(template.value)
    assert unknown_arguments(template.value) == set()
    hint = Hint(template.value, **{name: EVIL for name in fields(template.value)})
    for names in AUDIENCES.values():
        text = told(hint, names)
        assert text.replace(EVIL, "").replace(repr(EVIL), "").count("{") == 0
        assert text.count(EVIL) == hint.count(EVIL)


def test_the_hints_of_the_package_are_found():
    assert len(hints()) > 40


# -- terms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "audience, sentence",
    [
        (
            "Python",
            "service is 'x': pass service=, mutual_authentication='optional', channel_bindings=None, ccache='FILE:/x' "
            "and cafile=",
        ),
        (
            "command line",
            "--service is 'x': pass --service, --mutual-authentication optional, --channel-bindings none, "
            "--ccache FILE:/x and --cafile",
        ),
        (
            "kobo",
            "KRB_SERVICE, KRB_REALM or transport_args['service'] is 'x': pass KRB_SERVICE, KRB_REALM or "
            "transport_args['service'], transport_args['mutual_authentication'] = 'optional', "
            "transport_args['channel_bindings'] = None, KRB_CCACHE = 'FILE:/x' and CA_CERT",
        ),
    ],
)
def test_each_audience_has_its_own_terms(audience, sentence):
    hint = Hint(
        "{name.service} is 'x': pass {args.service}, {args.mutual_authentication:optional}, "
        "{args.channel_bindings:None}, {args.ccache:{ccache}} and {args.cafile}",
        ccache="FILE:/x",
    )
    assert told(hint, AUDIENCES[audience]) == sentence
    assert (type(told(hint, AUDIENCES[audience])), str(hint) == sentence) == (str, audience == "Python")


@pytest.mark.parametrize("argument", sorted(ARGUMENTS))
def test_each_argument_can_be_told_to_all(argument):
    for names in AUDIENCES.values():
        assert told(Hint(f"{{args.{argument}}}"), names) and told(Hint(f"{{name.{argument}}}"), names)


@pytest.mark.parametrize("phrase", sorted(PHRASES))
def test_each_phrase_can_be_told_to_all(phrase):
    for names in AUDIENCES.values():
        assert told(Hint(f"{{phrase.{phrase}}}"), names)


def test_the_arguments_are_those_of_the_transport():
    assert set(KOBO) <= ARGUMENTS | set(PHRASES)


def test_the_outcome_of_a_call_is_told_truly_to_all():
    python, terminal, hub = (told(CallOutcomeUnknown.default_hint, names) for names in AUDIENCES.values())
    says = "says that the method may run twice and"
    assert python.endswith(f"krbxmlrpc repeats a call for you if idempotent= {says} retries= allows a repetition")
    assert terminal.endswith(f"repeats a call for you if --idempotent {says} --retries allows a repetition")
    assert hub.endswith(f"if transport_args['idempotent'] {says} transport_args['retries'] allows a repetition")


def test_a_subject_that_is_no_argument_stays():
    assert {told(subject("host"), names) for names in AUDIENCES.values()} == {"host"}
    assert told(subject("login_path"), TERMS) == "--login-path"


# -- templates and values ---------------------------------------------------------------------------------------------


def test_values_are_no_templates():
    hint = Hint("{value}, {args.ccache:{value}}", value=EVIL)
    assert hint == f"{EVIL}, ccache={EVIL!r}"
    assert told(hint, {"ccache": "{CCACHE}"}) == f"{EVIL}, {{CCACHE}} = {EVIL!r}"
    assert told(hint, TERMS) == f"{EVIL}, --ccache '{EVIL}'"


def test_a_hint_in_a_hint_is_told_in_the_same_terms():
    inner = Hint("{args.proxy} or {host}", host="{args.service}")
    assert told(Hint("check {what}", what=inner), TERMS) == "check --proxy or {args.service}"


def test_what_is_no_hint_stays():
    for text in (None, "", "service= and {args.service}"):
        assert told(text, TERMS) is text


def test_without_names_a_hint_can_still_be_told_later():
    assert told(told(Hint("{args.service}"), {}), TERMS) == "--service"


@pytest.mark.parametrize(
    "template, error",
    [
        ("{phrase.sevrice}", AttributeError),
        ("{service}", KeyError),
        ("{}", IndexError),
        ("{", ValueError),
    ],
)
def test_a_wrong_template_fails_at_once(template, error):
    with pytest.raises(error):
        Hint(template)


@pytest.mark.parametrize("template", ["{args.sevrice}", "{name.sevrice}", "{args.ca_file}", "{args._known}"])
def test_a_template_with_an_unknown_argument_is_found(template):
    assert len(unknown_arguments(f"text {template}")) == 1


def test_values_have_no_names_of_fields():
    with pytest.raises(TypeError):
        Hint("{name}", name="x")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hint_survives_pickling(protocol):
    hint = Hint("{evil} {inner}", evil=EVIL, inner=Hint("{args.service}"))
    again = pickle.loads(pickle.dumps(hint, protocol))
    assert (again, type(again), told(again, TERMS)) == (hint, Hint, f"{EVIL} --service")


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_hint_survives_copying(copied):
    hint = Hint("{evil} {args.service}", evil=EVIL)
    assert (copied(hint), told(copied(hint), TERMS)) == (hint, f"{EVIL} --service")


def test_an_error_that_was_pickled_can_be_told():
    error = pickle.loads(pickle.dumps(CallOutcomeUnknown("it failed")))
    assert "--idempotent says that the method may run twice" in told(error.hint, TERMS)


@pytest.mark.parametrize(
    "error, message",
    [
        (ValueError(Hint("{name.proxy} is wrong")), "--proxy is wrong"),
        (ImportError(Hint("{args.ccache} needs it")), "--ccache needs it"),
        (ValueError("proxy is wrong"), "proxy is wrong"),
        (OSError(2, "none", "/proxy"), "[Errno 2] none: '/proxy'"),
        (ValueError(), ""),
    ],
)
def test_the_message_of_an_error(error, message):
    assert told(message_of(error), TERMS) == message
