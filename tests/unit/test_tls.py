"""TLS contexts, files of CAs, and the advice for failures of TLS."""

import errno
import http.client
import os
import socket
import ssl

import pytest

from krbxmlrpc import InsecureKerberosTransport, KerberosTransport
from krbxmlrpc._cli.options import TERMS
from krbxmlrpc._hints import message_of, told
from krbxmlrpc._http import tls
from krbxmlrpc._http.tls import Trust, certificate_hint, handshake_hint, new_context, refuses_client_certificate

CA = """\
-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUMHp694YdtZXv+YZuUx+3Uor6lTUwCgYIKoZIzj0EAwIw
DzENMAsGA1UECgwEQ0EgMDAgFw0yNjExMjYwNTAxNThaGA85OTY2MTEwMTA1MDE1
OFowDzENMAsGA1UECgwEQ0EgMDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOIb
1BPblP9vhLy5fCIoT/jTX664FsxHMnfsEuqdQ5FYlsy93seXduHva+BPeBw/6cXC
aAx77dLel+0DqGdZ0+KjUzBRMB0GA1UdDgQWBBShfStJf6OxhPH952mknSZDlFGx
CDAfBgNVHSMEGDAWgBShfStJf6OxhPH952mknSZDlFGxCDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIBdWBqpxFL+OCndMlqadFRiVvF5fsM9RC4e1
35hKfrevAiEAk247YtHYBQVvr6hpTsPM1xiq6NdPe0sEqoRjakQCQow=
-----END CERTIFICATE-----
"""
OTHER_CA = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIURTOooKRz+E7bcoQ5TD7Osyf/pKYwCgYIKoZIzj0EAwIw
DzENMAsGA1UECgwEQ0EgMTAgFw0yNjExMjYwNTAxNThaGA85OTY2MTEwMTA1MDE1
OFowDzENMAsGA1UECgwEQ0EgMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABAAN
6Mn/v8fRwBj/2sTMjNUJTCDKKdBEmyrGvvnEpfcq1A+daSUVTmtbtArG4BpralUM
Px1X0XtJ/vOGN3ShIZajUzBRMB0GA1UdDgQWBBSbNgw53Yf76TcQFt7AjcIF5tTI
jzAfBgNVHSMEGDAWgBSbNgw53Yf76TcQFt7AjcIF5tTIjzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQDq82bmQJ8UXx9OHLXGrIPRC8gymiQCbJYc
r92XDmK8rQIhAOTJbf+uAptkjcTXnh90kkmx4vaYx2Batxyjg+XWH+mG
-----END CERTIFICATE-----
"""


@pytest.fixture
def cafile(tmp_path):
    (tmp_path / "ca.pem").write_text(CA)
    return tmp_path / "ca.pem"


def names(context):
    """Return the names of the CAs that a context trusts."""
    return [dict(pair for part in ca["subject"] for pair in part)["organizationName"] for ca in context.get_ca_certs()]


# -- the context ------------------------------------------------------------------------------------------------------


def test_the_default_context_is_the_one_of_http_client():
    theirs = http.client.HTTPSConnection("hub")._context
    ours = KerberosTransport()._tls()
    for fact in (
        *("check_hostname", "keylog_filename", "maximum_version", "minimum_version", "options", "post_handshake_auth"),
        *("protocol", "security_level", "sni_callback", "verify_flags", "verify_mode"),
    ):
        assert getattr(ours, fact, None) == getattr(theirs, fact, None), fact
    assert ours.get_ciphers() == theirs.get_ciphers()
    assert ours.cert_store_stats() == theirs.cert_store_stats()
    assert ours.post_handshake_auth


def test_the_context_of_a_cafile_differs_only_in_the_cas(cafile):
    default, ours = new_context(), KerberosTransport(cafile=str(cafile)).context
    for fact in ("check_hostname", "options", "post_handshake_auth", "verify_flags", "verify_mode"):
        assert getattr(ours, fact) == getattr(default, fact)
    assert len(names(ours)) == 1


@pytest.mark.parametrize("context", [new_context, tls.unverified_context])
def test_the_protocol_is_announced_as_http_client_does(context):
    sent = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="hub").do_handshake()
    assert b"\x08http/1.1" in sent.read()  # a list of one name (RFC 7301, section 3.1)


def test_a_monkeypatch_of_ssl_does_not_turn_off_verification(monkeypatch):
    monkeypatch.setattr(ssl, "_create_default_https_context", ssl._create_unverified_context)
    assert KerberosTransport()._tls().verify_mode is ssl.CERT_REQUIRED


def test_a_context_of_the_caller_is_used_unchanged():
    context = ssl.create_default_context()
    transport = KerberosTransport(context=context)
    assert transport._tls() is transport.context is context and not context.post_handshake_auth


def test_the_context_can_be_replaced(cafile):
    transport, context = KerberosTransport(cafile=cafile), ssl.create_default_context()
    transport.context = context
    connection = transport.make_connection("hub")
    assert connection._context is context and connection.trust is Trust.CONTEXT


@pytest.mark.parametrize(
    "arguments, trust",
    [
        (lambda cafile: {}, Trust.SYSTEM),
        (lambda cafile: {"cafile": cafile}, Trust.CAFILE),
        (lambda cafile: {"context": ssl.create_default_context()}, Trust.CONTEXT),
    ],
)
def test_a_connection_knows_whose_cas_it_trusts(arguments, trust, cafile):
    transport = KerberosTransport(**arguments(cafile))
    assert [transport.make_connection("hub").trust for _ in range(2)] == [trust] * 2


def test_plain_http_has_no_context():
    assert InsecureKerberosTransport()._tls() is None
    assert InsecureKerberosTransport()._settings.tls_context() is None


# -- cafile -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_cafile_is_a_path(cafile, kind):
    assert len(names(KerberosTransport(cafile=kind(cafile)).context)) == 1


def test_all_files_of_a_folder_are_trusted(tmp_path):
    for number, ca in enumerate([CA, OTHER_CA]):
        (tmp_path / f"{number}.crt").write_text(ca)
    (tmp_path / "README").write_text("Certificates of our CAs")
    (tmp_path / "der.cer").write_bytes(ssl.PEM_cert_to_DER_cert(CA))
    (tmp_path / "link.0").symlink_to(tmp_path / "1.crt")
    (tmp_path / "more").mkdir()
    (tmp_path / "gone.0").symlink_to(tmp_path / "gone.crt")
    context = KerberosTransport(cafile=tmp_path).context
    assert sorted(names(context)) == ["CA 0", "CA 1"]


def rejected(path, kind=ValueError):
    """Return the message for a cafile, in Python's terms; it names the argument, the path and what is accepted."""
    with pytest.raises(kind) as caught:
        KerberosTransport(cafile=path)
    message = str(caught.value)
    assert message.startswith(f"cafile is {str(path)!r}, which cannot be used: ")
    assert message.endswith("; accepted is a file or folder of certificates in PEM")
    assert told(message_of(caught.value), TERMS).startswith("--cafile is ")
    return message, caught.value


@pytest.mark.parametrize(
    "name, kind, number",
    [("none.pem", FileNotFoundError, errno.ENOENT), ("ca.pem/ca.pem", NotADirectoryError, errno.ENOTDIR)],
)
def test_a_cafile_that_cannot_be_read(tmp_path, cafile, name, kind, number):
    message, error = rejected(tmp_path / name, kind)
    assert os.strerror(number) in message and error.errno == number


def test_a_cafile_in_der_says_how_to_convert_it(tmp_path):
    path = tmp_path / "our ca.cer"
    path.write_bytes(ssl.PEM_cert_to_DER_cert(CA))
    message, _ = rejected(path)
    assert f"the file is in DER; convert it to PEM: openssl x509 -inform der -in '{path}' -out ca.pem" in message


@pytest.mark.parametrize(
    "content, why",
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"no certificate", "the file holds no certificate (-----BEGIN CERTIFICATE-----)"),
        (b"-----BEGIN PRIVATE KEY-----\n", "the file holds no certificate, only a private key"),
        (b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n", "the file holds no certificate"),
        (b"\x30\x82\x01\x00PKCS", "the file is in a binary format, for example PKCS #12 or PKCS #7"),
        (CA.replace("M", "!", 1).encode(), "a certificate in the file is damaged"),
        (CA[:300].encode(), "a certificate in the file is damaged"),
    ],
)
def test_a_cafile_without_a_certificate(tmp_path, content, why):
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    message, _ = rejected(path)
    assert why in message


@pytest.mark.parametrize("content, why", [(None, ""), (b"no certificate", "ca.pem: the file holds no certificate")])
def test_a_folder_without_certificates(tmp_path, content, why):
    if content:
        (tmp_path / "ca.pem").write_bytes(content)
    message, _ = rejected(tmp_path)
    assert "the folder holds no file with a certificate in PEM" in message and why in message


def test_an_empty_cafile_is_wrong():
    with pytest.raises(ValueError, match="^cafile is ''; accepted is a file or folder"):
        KerberosTransport(cafile="")


# -- the advice for a certificate -------------------------------------------------------------------------------------

CODES = {
    2: "if you trust the CA",
    3: "asks for a CRL",
    7: "but another key",
    9: "this machine's clock",
    10: "a new certificate",
    12: "the CRL is out of date",
    18: "get this certificate from the server's operator",
    19: "if you trust the CA",
    20: "if you trust the CA",
    21: "if you trust the CA",
    23: "has revoked the certificate",
    24: "not one of a CA",
    25: "more CAs between",
    26: "another purpose than a TLS server",
    32: "not one of a CA",
    48: "name constraints",
    62: "a name that is in its certificate",
    64: "a name that is in its certificate",
    66: "a key is too short",
    67: "a key is too short",
    68: "a signature is too weak",
    79: "not one of a CA",
    85: "context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
    86: "context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
    92: "context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
    50: "not valid",
}


@pytest.mark.parametrize("code, advice", CODES.items())
def test_each_reason_has_advice_of_its_own(code, advice):
    assert advice in certificate_hint(code, Trust.SYSTEM)


def test_no_code_has_two_kinds_of_advice():
    codes = [code for codes, _ in tls._HINTS for code in codes]
    codes += [tls._SELF_SIGNED, *tls._UNKNOWN_ISSUER]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("trust, passed", [(Trust.CAFILE, "cafile="), (Trust.CONTEXT, "context=")])
def test_a_ca_that_was_passed_did_not_sign(trust, passed):
    for code in (19, 20, 21):
        assert f"the CA in {passed} did not sign this certificate" in certificate_hint(code, trust)
    assert f"it is not in {passed}" in certificate_hint(18, trust)
    assert f"{passed} has a CA that another CA signed" in certificate_hint(2, trust)


@pytest.fixture
def system(monkeypatch, cafile, tmp_path):
    """Have the system's CAs in a file and a folder of the test's own."""
    (tmp_path / "certs").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(cafile))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "certs"))
    return cafile


def advice():
    return certificate_hint(20, Trust.SYSTEM)


def test_without_a_fault_of_the_system_the_advice_has_none(system):
    assert advice().startswith("if you trust the CA that signed the certificate, pass cafile= with")


@pytest.mark.parametrize(
    "content, why",
    [(None, "does not exist"), (b"", "the file is empty"), (b"text", "the file holds no certificate")],
)
def test_an_ssl_cert_file_that_cannot_be_used_is_named(system, content, why):
    system.unlink()
    if content is not None:
        system.write_bytes(content)
    assert advice().startswith(f"SSL_CERT_FILE names {str(system)!r}, which ")
    assert why in advice() and "correct or unset SSL_CERT_FILE; or, if you trust the CA" in advice()


def test_an_ssl_cert_file_in_der_is_named(system):
    system.write_bytes(ssl.PEM_cert_to_DER_cert(CA))
    assert "SSL_CERT_FILE names" in advice() and "openssl x509 -inform der" in advice()


def test_an_ssl_cert_dir_that_does_not_exist_is_named(system, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/none:{tmp_path}/neither")
    assert advice().startswith(f"SSL_CERT_DIR names '{tmp_path}/none:{tmp_path}/neither', which is not a folder")


def test_a_system_without_cas_is_named(system, monkeypatch):
    paths = ssl.get_default_verify_paths()._replace(cafile=None, capath=os.environ["SSL_CERT_DIR"])
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert "this machine trusts no CAs at all: install the package ca-certificates" in advice()


# -- the advice for a handshake ---------------------------------------------------------------------------------------


def alert(reason):
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    "reason, refuses",
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", True),
        ("SSLV3_ALERT_BAD_CERTIFICATE", True),
        ("SSLV3_ALERT_UNSUPPORTED_CERTIFICATE", True),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", True),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", True),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", True),
        ("TLSV1_ALERT_UNKNOWN_CA", True),
        ("TLSV1_ALERT_ACCESS_DENIED", True),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", False),
        ("TLSV1_ALERT_INTERNAL_ERROR", False),
        ("TLSV1_ALERT_DECRYPT_ERROR", False),
        ("TLSV1_ALERT_PROTOCOL_VERSION", False),
        ("TLSV13_ALERT_MISSING_EXTENSION", False),
        ("TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE", False),
        ("CERTIFICATE_REQUIRED", False),
        ("WRONG_VERSION_NUMBER", False),
        (None, False),
    ],
)
def test_alerts_about_the_client_certificate(reason, refuses):
    assert refuses_client_certificate(alert(reason)) is refuses
    if refuses:
        assert "context.load_cert_chain" in handshake_hint(alert(reason), 443)


def test_other_errors_are_no_alerts():
    assert not refuses_client_certificate(ConnectionResetError("TLSV13_ALERT_CERTIFICATE_REQUIRED"))


@pytest.mark.parametrize(
    "error, words",
    [
        (alert("WRONG_VERSION_NUMBER"), "port 8080 speaks another protocol, probably plain HTTP"),
        (alert("RECORD_LAYER_FAILURE"), "port 8080 speaks another protocol, probably plain HTTP"),
        (alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), "or the server wants a client certificate"),
        (alert("TLSV1_ALERT_PROTOCOL_VERSION"), "in a version and with the ciphers that this machine allows"),
        (ssl.SSLEOFError(8, "EOF"), "InsecureKerberosTransport plain HTTP"),
        (ConnectionResetError(104, "reset"), "InsecureKerberosTransport plain HTTP"),
        (socket.timeout("timed out"), "connect_timeout= sets how long to wait"),
    ],
)
def test_each_failure_of_a_handshake_has_advice(error, words):
    assert words in handshake_hint(error, 8080)
