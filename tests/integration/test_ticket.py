"""KerberosTicket without HTTP: two real sides of the exchange in one process."""

import os
import subprocess
import sys
import threading

import kerberos
import pytest
from helpers import TESTS
from internals import decode_token, gss_failure, let_no_step_complete, read_offer
from servers import software
from servers.scripted import accept

from krbxmlrpc import GSSStatus, KerberosTicket, MutualAuthenticationError, www_auth

SERVICE = "HTTP@localhost"
pytestmark = pytest.mark.usefixtures("user", "library")


@pytest.fixture(params=["spnego", "krb5"])
def mechanism(request):
    return request.param


@pytest.fixture
def ticket(mechanism):
    return KerberosTicket(SERVICE, mechanism=mechanism)


def answer(ticket):
    """Return what an honest server answers."""
    scheme, token = ticket.auth_header.split(" ")
    assert scheme == "Negotiate"
    return f"Negotiate {accept(token)}"


@pytest.mark.parametrize("form", ["{}", 'Basic realm="a, b", {}', "{}, Basic", "Negotiate, {}"])
def test_an_honest_answer_verifies(ticket, user, form):
    assert ticket.principal is None
    assert ticket.verify_response(form.format(answer(ticket))) is None
    assert ticket.principal == user


def test_several_header_values(ticket, user):
    ticket.verify_response(["Basic realm=x", answer(ticket)])
    assert ticket.principal == user


@pytest.mark.parametrize("service", ["HTTP@localhost", "HTTP/localhost@EXAMPLE.TEST"])
@pytest.mark.parametrize("options", [{}, {"principal": "user@EXAMPLE.TEST"}, {"delegate": True}])
def test_services_and_options(service, options, user):
    ticket = KerberosTicket(service, **options)
    ticket.verify_response(answer(ticket))
    assert ticket.principal == user


def test_the_mechanisms_differ():
    offers = {}
    for mechanism in ("spnego", "krb5"):
        token = KerberosTicket(SERVICE, mechanism=mechanism).auth_header.partition(" ")[2]
        offers[mechanism] = read_offer(decode_token(token))
    assert bytes.fromhex("2a864886f712010202") in offers["spnego"].mechanisms
    assert offers["krb5"].mechanisms == ()
    assert offers["krb5"].enctype == offers["spnego"].enctype


def test_delegation_makes_a_larger_ticket():
    assert len(KerberosTicket(SERVICE, delegate=True).auth_header) > len(KerberosTicket(SERVICE).auth_header) + 500


def test_a_ticket_is_used_once(ticket, user):
    assert repr(ticket) == "<KerberosTicket for HTTP@localhost>"
    header = answer(ticket)
    ticket.verify_response(header)
    assert repr(ticket) == "<KerberosTicket for HTTP@localhost, used>"
    for use in (ticket.verify_response, ticket.answer_challenge):
        with pytest.raises(RuntimeError, match="has been used"):
            use(header)
    assert ticket.principal == user


@pytest.mark.parametrize(
    "header, problem",
    [
        ("", "no Negotiate challenge"),
        ([], "no Negotiate challenge"),
        ("Basic realm=Negotiate", "no Negotiate challenge"),
        ("Negotiate", "has no token"),
        ("Negotiate ,", "has no token"),
        ("Negotiate !", "not base64"),
        ("Negotiate YQ", "not base64"),
        ("Negotiate YR==", "not base64"),
        ("Negotiate YQ==YQ==", "not base64"),
        ("Negotiate Y-_=", "not base64"),
        ("Negotiate two words", "not base64"),
        ("Negotiate =", "not base64"),
        ("Negotiate \u00e9", "not base64"),
    ],
)
def test_a_malformed_token_raises_value_error_and_spends_ticket(ticket, header, problem):
    with pytest.raises(ValueError, match=problem):
        ticket.verify_response(header)
    with pytest.raises(RuntimeError):
        ticket.verify_response(answer(ticket))


def test_the_token_of_another_exchange_proves_nothing(ticket, mechanism):
    other = KerberosTicket(SERVICE, mechanism=mechanism)
    with pytest.raises(
        MutualAuthenticationError, match="HTTP/localhost@EXAMPLE.TEST has not proved its identity"
    ) as caught:
        ticket.verify_response(answer(other))
    assert caught.value.service == ticket.service_principal
    assert caught.value.major.code
    assert "use no part of the reply" in caught.value.hint and "the reply to another request" in caught.value.hint
    assert ticket.principal is None
    with pytest.raises(RuntimeError):
        ticket.verify_response(answer(ticket))


def test_gssapis_words_and_codes_are_kept():
    ticket, other = (KerberosTicket(SERVICE, mechanism="krb5") for _ in range(2))
    with pytest.raises(MutualAuthenticationError) as caught:
        ticket.verify_response(answer(other))
    assert caught.value.major.code == 13 << 16  # GSS_S_FAILURE
    assert caught.value.minor == GSSStatus("Mutual authentication failed", -1765328226)  # KRB5_MUTUAL_FAILED
    assert caught.value.minor.text in str(caught.value)


def test_a_ticket_without_mutual_flag_verifies_nothing():
    ticket = KerberosTicket(SERVICE, mutual=False)
    with pytest.raises(MutualAuthenticationError, match="mutual=False") as caught:
        ticket.verify_response(answer(ticket))
    assert "make the ticket with mutual=True" in caught.value.hint
    assert ticket.principal is None


def test_an_exchange_that_is_not_complete_proves_nothing(ticket, monkeypatch):
    """No real library says "continue" here, so the library's real answer is overruled."""
    header = answer(ticket)
    let_no_step_complete(monkeypatch, ticket)
    with pytest.raises(MutualAuthenticationError, match="does not complete") as caught:
        ticket.verify_response(header)
    assert "answer_challenge" in caught.value.hint and "use no part of the reply" in caught.value.hint


def test_the_token_that_ends_an_exchange_has_no_answer(ticket, user):
    header = answer(ticket)
    assert ticket.answer_challenge(header) is False
    assert ticket.principal == user
    with pytest.raises(RuntimeError):
        ticket.answer_challenge(header)


def test_what_is_no_header_value(ticket):
    with pytest.raises(ValueError, match="no Negotiate challenge"):
        ticket.verify_response(None)
    for wrong in ({"WWW-Authenticate": "Negotiate"}, b"Negotiate", [b"Negotiate"], 5):
        with pytest.raises(TypeError, match="WWW-Authenticate value"):
            www_auth(wrong)
        with pytest.raises(TypeError, match="WWW-Authenticate value"):
            KerberosTicket(SERVICE).verify_response(wrong)


def test_many_threads_get_one_verification():
    ticket = KerberosTicket(SERVICE)
    header = answer(ticket)
    outcomes = []
    start = threading.Barrier(8)

    def verify():
        start.wait()
        try:
            outcomes.append(ticket.verify_response(header))
        except RuntimeError:
            outcomes.append(RuntimeError)

    threads = [threading.Thread(target=verify) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == sorted(map(str, [None] + [RuntimeError] * 7))


def test_a_failure_without_words_is_reported_all_the_same():
    """As pykerberos raises it if GSSAPI's message is not UTF-8."""
    error = gss_failure(kerberos.GSSError())
    assert str(error) == "GSSAPI failed without a readable message"


NAMES = (None, "user@EXAMPLE.TEST", "nobody@EXAMPLE.TEST")
NTLM = f"""
NAMES = {NAMES}
import os, sys
if "pykerberos" in sys.argv:
    sys.modules["gssapi"] = None
from internals import decode_token, read_offer
from krbxmlrpc import KerberosTicket, NoCredentials, ServiceUnknown

def check(error):
    for words in ("argument", "Not a server name", "ntlm", "password"):
        assert words not in error.message, error

for principal in NAMES:
    for cache in (os.environ["KRB5CCNAME"], "FILE:/nowhere/none"):
        os.environ["KRB5CCNAME"] = cache
        for mechanism in ("spnego", "krb5"):
            try:
                KerberosTicket("HTTP@unknown.example.test", principal=principal, mechanism=mechanism)
            except (NoCredentials, ServiceUnknown) as error:
                is_known = principal != "nobody@EXAMPLE.TEST" and cache != "FILE:/nowhere/none"
                assert type(error) is (ServiceUnknown if is_known else NoCredentials), (principal, error)
                check(error)
            try:
                ticket = KerberosTicket("HTTP@localhost", principal=principal, mechanism=mechanism)
                offer = read_offer(decode_token(ticket.auth_header.partition(" ")[2]))
                others = [oid for oid in offer.mechanisms if oid != bytes.fromhex("2a864886f712010202")]
                print(principal, mechanism, "beside others" if others and not principal else "ticket")
            except NoCredentials as error:
                assert "kinit" in error.hint and error.principal == principal
                check(error)
                print(principal, mechanism, "none")
    os.environ["KRB5CCNAME"] = os.environ["CACHE"]
"""


@pytest.mark.parametrize("password", [True, False])
def test_no_other_mechanism_or_principal_is_used_instead(monkeypatch, tmp_path, password, library):
    """The library gss-ntlmssp adds NTLM to what SPNEGO offers, for those who have a password in a file.

    python-gssapi lets SPNEGO offer Kerberos alone.
    """
    software.require([software.NTLM])
    (tmp_path / "passwords").write_text("DOMAIN:user:password\nEXAMPLE.TEST:nobody:password\n")
    monkeypatch.setenv("CACHE", os.environ["KRB5CCNAME"])
    monkeypatch.delenv("GSS_MECH_CONFIG")
    if password:
        monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "passwords"))
    environment = {**os.environ, "PYTHONPATH": TESTS}
    done = subprocess.run([sys.executable, "-c", NTLM, library], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    none = [f"{principal} {mechanism} none" for principal in NAMES for mechanism in ("spnego", "krb5")]
    assert done.stdout.splitlines() == [
        f"None spnego {'beside others' if password and library == 'pykerberos' else 'ticket'}",
        "None krb5 ticket",
        *none[0:2],
        "user@EXAMPLE.TEST spnego ticket",
        "user@EXAMPLE.TEST krb5 ticket",
        *none[2:4],
        *none[4:6],
        *none[4:6],
    ]
