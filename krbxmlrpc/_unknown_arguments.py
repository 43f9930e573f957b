"""The error for an argument that a transport does not have.

Other libraries have arguments for the same purposes: requests, requests-gssapi, requests-kerberos, `xmlrpc.client`,
kobo, pykerberos' wrappers. Their users try these names first, so the error says which argument takes their place.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from ._hints import Hint

_CAS = Hint("pass {args.cafile}, a file or folder of CAs")
_VERIFIED = Hint(
    "certificates are verified: pass {args.cafile}, a file or folder of CAs to trust, or {args.context} for a context "
    "of your own"
)
_CONTEXT = Hint("pass {args.context}, an ssl.SSLContext")
_CLIENT_CERTIFICATE = Hint("load the client certificate with context.load_cert_chain(...), and pass {args.context}")
_TICKET = Hint("a Kerberos ticket authenticates: {args.principal}, {args.ccache} and {args.keytab} choose the ticket")
_KERBEROS = "leave it out: the transport always uses Kerberos"
_SERVICE = Hint("pass {args.service:HTTP@host}, or 'HTTP/host@REALM'")
_PREEMPTIVE = Hint("pass {args.preemptive}, which is True by default")
_MUTUAL = Hint("pass {args.mutual_authentication}")
_UNPROVED = Hint("leave it out: no part of a reply is used without the proof that {args.mutual_authentication} demands")
_DELEGATE = Hint("pass {args.delegate}")
_BINDINGS = Hint("pass {args.channel_bindings:tls-server-end-point}")
_PROXY = Hint("pass {args.proxy}, the URL of a proxy, or leave it out: the transport follows https_proxy and no_proxy")
_JAR = Hint("pass {args.cookiejar}")
_RETRIES = Hint("pass {args.retries}, and {args.idempotent} for the methods that may run twice")
_WAIT = Hint("pass {args.retry_interval}")
_TIMEOUT = Hint("pass {args.timeout}, {args.connect_timeout} or {args.deadline}")
_LOGIN = Hint("pass {args.login_path}")
_LIMIT = Hint("pass {args.max_response_bytes}")
_PROXY_OBJECT = "pass it to ServerProxy"

_ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        ("ca_bundle", "ca_cert", "ca_certs", "ca_file", "ca_path", "cacert", "cadata", "capath", "verify"), _CAS
    ),
    **dict.fromkeys(
        ("cert_reqs", "check_hostname", "insecure", "no_verify", "ssl_verify", "tls_verify", "verify_ssl"), _VERIFIED
    ),
    **dict.fromkeys(("ssl_context", "sslcontext", "ssl", "tls_context"), _CONTEXT),
    **dict.fromkeys(
        ("cert", "cert_file", "certfile", "client_cert", "key_file", "keyfile", "x509"), _CLIENT_CERTIFICATE
    ),
    **dict.fromkeys(("auth", "creds", "credentials", "password", "user", "username"), _TICKET),
    **dict.fromkeys(("gssapi", "kerberos", "krbv", "negotiate", "use_kerberos"), _KERBEROS),
    **dict.fromkeys(
        (
            "hostname_override",
            "krb_realm",
            "krb_service",
            "realm",
            "server_principal",
            "service_name",
            "spn",
            "target_name",
        ),
        _SERVICE,
    ),  # fmt: skip
    **dict.fromkeys(("client_principal", "krb_principal"), Hint("pass {args.principal}")),
    **dict.fromkeys(("ccache_file", "krb_ccache"), Hint("pass {args.ccache}")),
    **dict.fromkeys(("client_keytab", "krb_keytab"), Hint("pass {args.keytab}")),
    **dict.fromkeys(("force_preemptive", "opportunistic_auth"), _PREEMPTIVE),
    **dict.fromkeys(("mutual", "mutual_auth"), _MUTUAL),
    "sanitize_mutual_error_response": _UNPROVED,
    **dict.fromkeys(("delegation", "deleg", "forward", "gssflags"), _DELEGATE),
    **dict.fromkeys(("cbt", "channel_binding", "send_cbt"), _BINDINGS),
    **dict.fromkeys(("mech", "mech_oid"), Hint("pass {args.mechanism}")),
    **dict.fromkeys(("http_proxy", "https_proxy", "proxies", "proxy_url", "trust_env"), _PROXY),
    **dict.fromkeys(("cookie_file", "cookie_jar", "cookiefile", "cookies", "session"), _JAR),
    **dict.fromkeys(("max_retries", "retry", "retry_count"), _RETRIES),
    **dict.fromkeys(("backoff_factor", "retry_delay", "retry_timeout"), _WAIT),
    **dict.fromkeys(("read_timeout", "socket_timeout"), _TIMEOUT),
    **dict.fromkeys(("login_page", "login_uri", "login_url"), _LOGIN),
    **dict.fromkeys(("max_bytes", "max_size"), _LIMIT),
    **dict.fromkeys(("allow_none", "encoding", "uri", "url", "verbose"), _PROXY_OBJECT),
    "user_agent": Hint("pass {args.headers}, with a pair ('User-Agent', '...')"),
}
"""The arguments of other libraries, and the advice for each."""


def unknown_argument(owner: str, name: str, known: Collection[str]) -> Hint:
    """Return the message for an argument that does not exist.

    Args:
        owner: the name of the class that was called.
        name: the name of the argument. (Its value may be a secret.)
        known: the names of the arguments that exist.
    """
    advice = _ELSEWHERE.get(name.lower())
    if advice is None:
        similar = difflib.get_close_matches(name.lower(), known, 1)
        advice = f"did you mean {similar[0]}=?" if similar else f"help({owner}) lists the arguments"
    return Hint("{owner} has no argument {given}: {advice}", owner=owner, given=repr(name), advice=advice)


def unnamed_arguments(owner: str) -> Hint:
    """Return the message for arguments that are passed without their names."""
    return Hint("{owner} takes arguments by their names only: {owner}(timeout=60), for example", owner=owner)
