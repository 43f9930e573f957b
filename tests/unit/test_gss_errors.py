"""The errors about failures of GSSAPI."""

from krbxmlrpc._kerberos import gss_errors, krb5_conf
from krbxmlrpc.errors import GSSStatus

KRB5 = -1765328384  # the base of the krb5 error table
NEW = "HTTP@new.example.test"  # a service for which there is no ticket in the cache yet: the KDC has to be asked


def test_no_krb5_conf_where_it_is_by_default(monkeypatch, tmp_path):
    """GSSAPI is not asked: how long it would look for KDCs in the DNS is the machine's to decide."""
    monkeypatch.setattr(krb5_conf, "DEFAULT", f"{tmp_path}/krb5.conf")
    monkeypatch.delenv("KRB5_CONFIG", raising=False)
    unknown = gss_errors.GSSFailure(GSSStatus("failed", 13 << 16), GSSStatus("no KDC", KRB5 + 154))
    source = gss_errors.Source("", "")
    error = gss_errors.no_ticket(unknown, NEW, None, source)
    assert error.message.endswith(f"; {tmp_path}/krb5.conf does not exist")
    (tmp_path / "krb5.conf").touch()
    error = gss_errors.no_ticket(unknown, NEW, None, source)
    assert "exist" not in error.message
    assert f"KRB5_CONFIG is not set, so it is usually {tmp_path}/krb5.conf" in error.hint
