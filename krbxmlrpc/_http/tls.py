"""TLS: the context of a connection, the CAs that it trusts, and the reasons why TLS fails."""

from __future__ import annotations

import enum
import os
import shlex
import socket
import ssl
from collections.abc import Collection, Iterator
from typing import Union

from .._hints import Hint
from .time_limits import waiting_hint

# OpenSSL's codes from x509_vfy.h, for a certificate whose issuer is not trusted.
_NO_ROOT = 2  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: the issuer is known, but the issuer's own issuer is not
_SELF_SIGNED = 18  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
# X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, _UNABLE_TO_GET_ISSUER_CERT_LOCALLY, _UNABLE_TO_VERIFY_LEAF_SIGNATURE,
# _CERT_UNTRUSTED
_UNKNOWN_ISSUER = (_NO_ROOT, 19, 20, 21, 27)

_NEW = "the server's operator has to install a new certificate"
_SECURITY_LEVEL = "for the security level of this machine (SECLEVEL in openssl.cnf, or the system's crypto policy)"

_HINTS: tuple[tuple[Collection[int], str], ...] = (
    # X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED
    ((9, 10), "the server needs a new certificate, if this machine's clock is right"),
    # _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
    (
        (62, 64),
        Hint(
            "call the server by a name that is in its certificate; if the server has another name in Kerberos, pass "
            "that name with {args.service}"
        ),
    ),
    # _CERT_SIGNATURE_FAILURE
    (
        (7,),
        Hint(
            "a CA that you trust has the name of the CA that signed the certificate, but another key: get the CA's "
            "current certificate, and pass {args.cafile} with it"
        ),
    ),
    # _CERT_REVOKED
    ((23,), f"the CA has revoked the certificate: {_NEW}"),
    # _UNABLE_TO_GET_CRL, _UNABLE_TO_GET_CRL_ISSUER, _DIFFERENT_CRL_SCOPE, _CRL_PATH_VALIDATION_ERROR
    (
        (3, 33, 44, 54),
        Hint(
            "{args.context} asks for a CRL, and has none of this CA: load the CA's current CRL with "
            "context.load_verify_locations(...), or take ssl.VERIFY_CRL_CHECK_LEAF out of context.verify_flags"
        ),
    ),
    # The CRL cannot be verified, is out of date, is malformed, or is signed by a key that may not sign CRLs.
    ((5, 8, 11, 12, 15, 16, 35, 36), "the CRL is out of date, or is not one of this CA: get the CA's current CRL"),
    # _INVALID_PURPOSE, _CERT_REJECTED
    (
        (26, 28),
        "the certificate, or a CA's above it, is for another purpose than a TLS server (its extended key usage lacks "
        f"serverAuth): {_NEW}",
    ),
    # _INVALID_CA of OpenSSL 1.1.1, _KEYUSAGE_NO_CERTSIGN, _INVALID_NON_CA, _INVALID_CA, and a key usage or a path
    # length that only a CA may have
    (
        (24, 32, 37, 79, 80, 81, 82),
        "the certificate that signed the server's is not one of a CA (a CA's has CA:TRUE in its basic constraints, and "
        f"keyCertSign in its key usage): {_NEW}, from a CA",
    ),
    # _CERT_CHAIN_TOO_LONG, _PATH_LENGTH_EXCEEDED, _PROXY_PATH_LENGTH_EXCEEDED
    ((22, 25, 38), f"there are more CAs between the server and the root than a CA allows: {_NEW}, from another CA"),
    # _PERMITTED_VIOLATION, _EXCLUDED_VIOLATION
    ((47, 48), f"a CA above the certificate may not sign for this name (name constraints): {_NEW}, from another CA"),
    # _EE_KEY_TOO_SMALL, _CA_KEY_TOO_SMALL
    ((66, 67), f"a key is too short {_SECURITY_LEVEL}: {_NEW}; an RSA key needs 2048 bits, and so does its CA's"),
    # _CA_MD_TOO_WEAK, _UNSUPPORTED_SIGNATURE_ALGORITHM
    ((68, 76), f"a signature is too weak {_SECURITY_LEVEL}: {_NEW}, signed with SHA-256, and so has to be its CA's"),
    # The rules that X509_V_FLAG_X509_STRICT enforces: _ISSUER_NAME_EMPTY up to _EC_KEY_EXPLICIT_PARAMS
    (
        range(83, 95),
        Hint(
            "the certificate, or a CA's above it, breaks a rule of RFC 5280 that Python enforces from 3.13 on: {new}, "
            "and perhaps its CA needs one, too; until then, {phrase.own_context} without these rules: "
            "context.verify_flags &= ~ssl.VERIFY_X509_STRICT",
            new=_NEW,
        ),
    ),
)
"""The advice for OpenSSL's codes."""

_NOT_VALID = (
    f"the certificate, or a CA's above it, is not valid: {_NEW}; 'openssl s_client -showcerts -connect HOST:PORT' "
    "shows the certificates"
)
"""The advice for all other codes."""

_CLIENT_CERTIFICATE_ALERTS = {
    # RFC 8446, section 6.2; RFC 5246, section 7.2.2. A server sends them only about the client's certificate.
    "BAD_CERTIFICATE",
    "UNSUPPORTED_CERTIFICATE",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "ACCESS_DENIED",
    "CERTIFICATE_REQUIRED",
}

_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""OpenSSL's reasons for a handshake with a server that does not speak TLS: up to OpenSSL 3.1, and later."""

_CERTIFICATE = Hint("{phrase.own_context} that holds your certificate (context.load_cert_chain)")

Path = Union[str, os.PathLike[str]]


class Trust(enum.Enum):
    """The origin of the CAs that a connection trusts."""

    SYSTEM = enum.auto()
    CAFILE = enum.auto()
    """The argument ``cafile``."""
    CONTEXT = enum.auto()
    """A context of the caller's."""


# -- the context ------------------------------------------------------------------------------------------------------


def new_context(cafile: Path | None = None) -> ssl.SSLContext:
    """Return a context like the one that `http.client.HTTPSConnection` makes if it gets none.

    ``ssl._create_default_https_context`` has no effect on it: if a program turns off the verification of certificates
    there, for some other connection, it must not lose the verification of this package, too.

    Args:
        cafile: a file or folder with the certificates of the CAs to trust, in PEM; None: those of the system.

    Raises:
        OSError: the file or folder cannot be read.
        ValueError: it holds no certificate in PEM.
    """
    context = ssl.create_default_context() if cafile is None else _trusting(os.fspath(cafile))
    context.set_alpn_protocols(["http/1.1"])
    # A server may ask for a client certificate after the handshake, for a path that needs one. If a client does not
    # announce that it can answer (RFC 8446, section 4.2.6), Apache refuses even a request that needs no certificate.
    context.post_handshake_auth = True
    return context


def unverified_context() -> ssl.SSLContext:
    """Return a context that accepts any certificate. Then TLS proves nothing."""
    context = new_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(path: str) -> ssl.SSLContext:
    try:
        return _trusting_folder(path) if os.path.isdir(path) else _trusting_file(path)
    except ssl.SSLError as error:  # before OSError, its base
        raise ValueError(_unusable(path, _fault_of_file(path, error))) from error
    except OSError as error:  # OpenSSL's error does not name the file
        named = type(error)(_unusable(path, error.strerror or str(error)))
        named.errno = error.errno
        raise named from error


def _trusting_file(path: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=path)


def _trusting_folder(path: str) -> ssl.SSLContext:
    """Trust the CAs in all files of a folder. OpenSSL itself finds only files with names that ``c_rehash`` made."""
    context = ssl.create_default_context(capath=path)
    faults = []
    for file in _files_in(path):
        try:
            context.load_verify_locations(cafile=file)
        except OSError as error:  # a folder may hold other files, too: keys that only root can read, for example
            faults.append(f"{file}: {_fault_of_file(file, error)}")
    if not context.cert_store_stats()["x509"]:
        why = f"the folder holds no file with a certificate in PEM{faults and f' ({faults[0]})' or ''}"
        raise ValueError(_unusable(path, why))
    return context


def _files_in(path: str) -> Iterator[str]:
    """Yield each file in a folder once. Folders made by ``c_rehash`` have a second name for each file."""
    seen = set()
    for name in sorted(os.listdir(path)):
        file = os.path.join(path, name)
        real = os.path.realpath(file)
        if real not in seen and os.path.isfile(file):
            seen.add(real)
            yield file


def _unusable(path: str, why: str) -> Hint:
    return Hint(
        "{name.cafile} is {path}, which cannot be used: {why}; accepted is a file or folder of certificates in PEM",
        path=repr(path),
        why=why,
    )


def _fault_of_file(path: str, error: OSError) -> str:
    """Return the reason why OpenSSL cannot use a file of CAs."""
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as unreadable:
        return unreadable.strerror or str(unreadable)
    if not content.strip():
        return "the file is empty"
    if b"-----BEGIN" in content:
        if b"CERTIFICATE-----" in content:
            return f"a certificate in the file is damaged ({error.reason or error})"
        return "the file holds no certificate" + (", only a private key" if b"PRIVATE KEY-----" in content else "")
    if _is_der_certificate(content):
        return (
            f"the file is in DER; convert it to PEM: openssl x509 -inform der -in {shlex.quote(path)} -out ca.pem, and "
            "pass ca.pem"
        )
    if content[:1] == b"\x30":
        return "the file is in a binary format, for example PKCS #12 or PKCS #7; export the CA's certificate as PEM"
    return "the file holds no certificate (-----BEGIN CERTIFICATE-----)"


def _is_der_certificate(content: bytes) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content)
    except (ssl.SSLError, ValueError):
        return False
    return True


# -- the reasons why TLS fails ----------------------------------------------------------------------------------------


def refuses_client_certificate(error: BaseException) -> bool:
    """Say whether an error is a TLS alert by which a server refuses the client's certificate, or the lack of one."""
    _, is_alert, name = _reason(error).rpartition("ALERT_")
    return bool(is_alert) and name in _CLIENT_CERTIFICATE_ALERTS


def _reason(error: BaseException) -> str:
    """Return OpenSSL's name for the reason of an error; "" if it has none."""
    return (isinstance(error, ssl.SSLError) and getattr(error, "reason", None)) or ""


def tls_failure(error: Exception) -> str:
    """Return the words for a TLS handshake that failed, but not because of the server's certificate."""
    if _speaks_no_tls(error):
        return f"it does not speak TLS: {error}"
    if not refuses_client_certificate(error):
        return str(error)
    if _reason(error).endswith("CERTIFICATE_REQUIRED"):
        return f"the server wants a client certificate: {error}"
    return f"the server does not accept the client's certificate, or wants one: {error}"


def _speaks_no_tls(error: Exception) -> bool:
    return _reason(error) in _NO_TLS


def may_want_client_certificate(error: Exception) -> bool:
    """Say whether an error can mean that a server refuses the client's certificate, or the lack of one.

    Up to TLS 1.2, the alert for the lack of a certificate has other meanings, too (RFC 5246, section 7.4.6).
    """
    return refuses_client_certificate(error) or _reason(error).endswith("ALERT_HANDSHAKE_FAILURE")


def client_certificate_hint() -> Hint:
    """Return the advice for a server that refuses the client's certificate, or the lack of one."""
    return Hint("no call has run; the server demands a certificate from a CA that it knows: {how}", how=_CERTIFICATE)


def handshake_hint(error: Exception, port: int) -> str:
    """Return the advice for a TLS handshake that failed, but not because of the server's certificate."""
    if _speaks_no_tls(error):
        return Hint(
            "port {port} speaks another protocol, probably plain HTTP: check the port in the URL (443 if it has none); "
            "{phrase.plain_http}",
            port=port,
        )
    if refuses_client_certificate(error):
        return client_certificate_hint()
    check = f"check that port {port} speaks TLS, in a version and with the ciphers that this machine allows"
    if isinstance(error, socket.timeout):
        return Hint("{check} ({phrase.plain_http}); {waiting}", check=check, waiting=waiting_hint(error))
    if may_want_client_certificate(error):
        return Hint("{check}; or the server wants a client certificate: {how}", check=check, how=_CERTIFICATE)
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):  # and no alert, which only TLS has
        return Hint("{check}; {phrase.plain_http}", check=check)
    return check


def certificate_hint(code: int, trust: Trust) -> str:
    """Return the advice for a rejected certificate, by OpenSSL's code for the reason."""
    if code == _SELF_SIGNED:
        return _self_signed_hint(trust)
    if code in _UNKNOWN_ISSUER:
        return _system_hint() if trust is Trust.SYSTEM else _unknown_issuer_hint(code, trust)
    return next((hint for codes, hint in _HINTS if code in codes), _NOT_VALID)


def _self_signed_hint(trust: Trust) -> Hint:
    return Hint(
        "the server signed the certificate itself{other}: get this certificate from the server's operator, and pass "
        "{args.cafile} with it",
        other="" if trust is Trust.SYSTEM else Hint(", and it is not in {passed}", passed=_passed(trust)),
    )


def _passed(trust: Trust) -> Hint:
    return Hint("{args.cafile}") if trust is Trust.CAFILE else Hint("{args.context}")


def _unknown_issuer_hint(code: int, trust: Trust) -> Hint:
    """Return the advice for a certificate that no passed CA signed."""
    if code == _NO_ROOT:
        return Hint(
            "{passed} has a CA that another CA signed, and lacks that other one: add the root CA's certificate",
            passed=_passed(trust),
        )
    return Hint(
        "the CA in {passed} did not sign this certificate: if you trust the CA that did, pass {args.cafile} with that "
        "CA's certificate; a proxy that inspects TLS signs with a CA of its own; if you passed the right CA, the "
        "server may fail to send an intermediate certificate",
        passed=_passed(trust),
    )


def _system_hint() -> Hint:
    """Return the advice for a certificate that no CA of the system signed."""
    fault = _fault_of_system()
    return Hint(
        "{fault}if you trust the CA that signed the certificate, pass {args.cafile} with that CA's certificate; a "
        "proxy that inspects TLS signs with a CA of its own; if you trust the CA already, the server may fail to send "
        "an intermediate certificate",
        fault=fault and f"{fault}; or, ",
    )


def _fault_of_system() -> str:
    """Return the fault of the system's CAs, and its remedy; "" if there is none."""
    paths = ssl.get_default_verify_paths()
    file, folders = os.environ.get(paths.openssl_cafile_env), os.environ.get(paths.openssl_capath_env)
    fault = "" if file is None else _fault_of_system_file(file)
    if fault:
        return f"{paths.openssl_cafile_env} names {file!r}, which {fault}: correct or unset {paths.openssl_cafile_env}"
    if folders is not None and not any(map(os.path.isdir, folders.split(os.pathsep))):
        return f"{paths.openssl_capath_env} names {folders!r}, which is not a folder: correct or unset it"
    if paths.cafile is None and (paths.capath is None or not os.listdir(paths.capath)):
        return "this machine trusts no CAs at all: install the package ca-certificates"
    return ""


def _fault_of_system_file(path: str) -> str:
    if not os.path.exists(path):
        return "does not exist"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError as error:
        return f"cannot be used ({_fault_of_file(path, error)})"
    return ""
