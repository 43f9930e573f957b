"""The errors about failures of GSSAPI."""

from datetime import datetime, timedelta, timezone

import pytest
from scripted_credentials import ScriptedContext, ScriptedCredentials

from krbxmlrpc import (
    ClockSkew,
    KDCUnreachable,
    KerberosXMLRPCError,
    NoCredentials,
    ServiceUnknown,
    TicketExpired,
)
from krbxmlrpc._kerberos import gss_errors, krb5_conf
from krbxmlrpc._kerberos.keytabs import keytab_file, keytab_state
from krbxmlrpc._kerberos.sources import Source
from krbxmlrpc._kerberos.ticket import Ticket
from krbxmlrpc.errors import GSSStatus

KRB5 = -1765328384  # the base of the krb5 error table
NEW = "HTTP@new.example.test"  # a service for which there is no ticket in the cache yet: the KDC has to be asked


def test_no_krb5_conf_where_it_is_by_default(monkeypatch, tmp_path):
    """GSSAPI is not asked: how long it would look for KDCs in the DNS is the machine's to decide."""
    monkeypatch.setattr(krb5_conf, "DEFAULT", f"{tmp_path}/krb5.conf")
    monkeypatch.delenv("KRB5_CONFIG", raising=False)
    unknown = gss_errors.GSSFailure(GSSStatus("failed", 13 << 16), GSSStatus("no KDC", KRB5 + 154))
    source = Source("", "")
    error = gss_errors.no_ticket(unknown, NEW, None, source)
    assert error.message.endswith(f"; {tmp_path}/krb5.conf does not exist")
    (tmp_path / "krb5.conf").touch()
    error = gss_errors.no_ticket(unknown, NEW, None, source)
    assert "exist" not in error.message
    assert f"KRB5_CONFIG is not set, so it is usually {tmp_path}/krb5.conf" in error.hint


# -- codes of other KDCs and libraries than MIT's, as they were seen --------------------------------------------------

SOURCE = Source("", "run kinit", again="run kinit again")
FAILURE = 13 << 16  # GSS_S_FAILURE
NO_CRED = 7 << 16


def failed(code, text="it failed", major=FAILURE):
    return gss_errors.GSSFailure(GSSStatus("major", major), GSSStatus(text, code))


def asked(service, known, failure, **arguments):
    """Ask for a ticket from a KDC that knows some principals, and says of all others the same."""

    def begin(request):
        if request.target in known or request.mechanism in known:
            return ScriptedContext(), ""
        raise failure

    return Ticket(service, _credentials=ScriptedCredentials(begin, SOURCE), **arguments)


@pytest.mark.parametrize("mechanism", ["spnego", "krb5"])
@pytest.mark.parametrize(
    "service, known, kind",
    [
        ("HTTP/hub@NOWHERE.TEST", (), KDCUnreachable),
        ("HTTP/hub@OTHER.TEST", ("krbtgt/OTHER.TEST@OTHER.TEST",), ServiceUnknown),
        ("HTTP@hub.mapped.test", (), KDCUnreachable),
        ("HTTP@hub.mapped.test", ("krbtgt/MAPPED.TEST@MAPPED.TEST",), ServiceUnknown),
        ("HTTP@hub", (), ServiceUnknown),  # the KDC refers to other realms by itself
    ],
)
def test_an_unknown_realm_is_told_from_an_unknown_service(monkeypatch, tmp_path, service, known, kind, mechanism):
    """The KDCs of Heimdal and of Active Directory do not name the principal that they do not know."""
    (tmp_path / "krb5.conf").write_text("[domain_realm]\n .mapped.test = MAPPED.TEST\n")
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path / "krb5.conf"))
    with pytest.raises(kind) as caught:
        asked(service, known, failed(KRB5 + 7, "Server not found in Kerberos database"), mechanism=mechanism)
    assert type(caught.value) is kind
    if kind is KDCUnreachable:
        realm = "MAPPED.TEST" if "mapped" in service else "NOWHERE.TEST"
        assert caught.value.message.endswith(f"; the KDC knows no way to the realm {realm}")
        assert "[domain_realm]" in caught.value.hint
    else:
        assert "klist -k" in caught.value.hint


def test_a_kdc_that_is_down_says_nothing_of_a_realm(monkeypatch, tmp_path):
    monkeypatch.setenv("KRB5_CONFIG", str(tmp_path))
    with pytest.raises(KDCUnreachable) as caught:
        asked("HTTP/hub@REALM", (), failed(KRB5 + 156, "Cannot contact any KDC"))
    assert "no way to" not in caught.value.message


@pytest.mark.parametrize(
    "code, major, kind",
    [
        (2, FAILURE, NoCredentials),  # ENOENT: there is no cache
        (KRB5 + 212, FAILURE, NoCredentials),  # the cache is damaged
        (KRB5 + 141, FAILURE, NoCredentials),  # the cache has no ticket-granting ticket
        (KRB5 + 217, FAILURE, KDCUnreachable),  # there is no krb5.conf, or no realm
        (KRB5 + 32, FAILURE, TicketExpired),
        (KRB5 + 33, FAILURE, ClockSkew),
        (KRB5 + 37, FAILURE, ClockSkew),
        (KRB5 + 18, NO_CRED, NoCredentials),
        (KRB5 + 12, NO_CRED, NoCredentials),
        (KRB5 + 12, FAILURE, KerberosXMLRPCError),
        (KRB5 + 41, FAILURE, KerberosXMLRPCError),
    ],
)
def test_the_codes_of_heimdal_and_active_directory(code, major, kind):
    error = gss_errors.no_ticket(failed(code, major=major), NEW, None, SOURCE)
    assert type(error) is kind
    assert "KRB5_TRACE" not in error.hint


def test_heimdal_has_one_code_for_no_ticket_and_an_expired_one(tmp_path, monkeypatch):
    source = Source(str(tmp_path / "cache"), "run kinit")
    end = datetime.now(timezone.utc) - timedelta(days=1)
    for found, kind in ((end, TicketExpired), (None, NoCredentials)):
        monkeypatch.setattr(gss_errors, "ticket_end", lambda path, found=found: found)
        error = gss_errors.no_ticket(failed(KRB5 + 141), NEW, None, source)
        assert type(error) is kind


@pytest.mark.parametrize(
    "code, text, major, refused",
    [
        (KRB5 + 60, "KDC returned error string: PROCESS_TGS", FAILURE, True),
        (KRB5 + 60, "Generic error", FAILURE, False),
        (KRB5 + 31, "Decrypt integrity check failed", FAILURE, True),
        (KRB5 + 31, "Decrypt integrity check failed", NO_CRED, False),  # a keytab with a wrong key
        (KRB5 + 41, "Message stream modified", FAILURE, True),
        (KRB5 + 7, "Server not found", FAILURE, False),
    ],
)
def test_a_refused_ticket_granting_ticket(code, text, major, refused):
    failure = failed(code, text, major)
    assert gss_errors.is_refused_tgt(failure) is refused
    error = gss_errors.no_ticket(failure, NEW, None, SOURCE)
    assert gss_errors.is_refused_tgt(error) is refused
    if refused:
        assert error.hint.startswith("run kinit again: ") and "its key has changed" in error.hint
        own = gss_errors.no_ticket(failure, NEW, None, Source("", ""))
        assert "kinit" not in own.hint and "administrator" in own.hint


@pytest.mark.parametrize("code", [1, 12, 18, 21, 23])
def test_the_hint_for_a_refused_account_is_about_the_account(code):
    error = gss_errors.no_ticket(failed(KRB5 + code, major=NO_CRED), NEW, "user@REALM", SOURCE)
    assert "the account user@REALM is disabled, locked or expired" in error.hint
    assert ("a rule of the KDC" in error.hint) is (code == 12)


def test_words_of_another_mechanism_are_not_shown():
    with pytest.raises(KerberosXMLRPCError) as caught:
        asked("HTTP@hub", ("krb5",), failed(0x4E540003, "A required argument is missing"))
    assert caught.value.message == "no ticket for HTTP/hub: major"


# -- keytabs ----------------------------------------------------------------------------------------------------------


def test_the_file_of_a_keytab():
    assert keytab_file("/a:b") == keytab_file("FILE:/a:b") == keytab_file("WRFILE:/a:b") == "/a:b"
    assert keytab_file("keytab") == "keytab"
    assert keytab_file("") is keytab_file("MEMORY:a") is None
    assert keytab_state("MEMORY:a") is None


def test_the_defect_of_a_keytab(tmp_path):
    keytab = tmp_path / "keytab"
    assert keytab_state(str(keytab)) == f"{keytab} does not exist"
    assert keytab_state(f"FILE:{tmp_path}") == f"{tmp_path} is a directory"
    for content, words in ((b"", "is empty"), (b"junk", "is not a keytab, or is damaged"), (b"\5\2", None)):
        keytab.write_bytes(content)
        assert keytab_state(str(keytab)) == (words and f"{keytab} {words}")
    assert keytab_state("\0") is None
