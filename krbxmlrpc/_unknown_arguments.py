"""The error for an argument that a transport does not have.

Other libraries have arguments for the same purposes: requests, requests-gssapi, requests-kerberos, `xmlrpc.client`,
kobo, pykerberos' wrappers. Their users try these names first, so the error says which argument takes their place.
"""

from __future__ import annotations

from collections.abc import Collection

from ._hints import Hint

_ADVICE = (
    (
        Hint("pass {args.cafile}, a file or folder of CAs"),
        "ca_bundle ca_cert ca_certs ca_file ca_path cacert cadata capath verify",
    ),
    (
        Hint(
            "certificates are verified: pass {args.cafile}, a file or folder of CAs to trust, or {args.context} for a "
            "context of your own"
        ),
        "cert_reqs check_hostname insecure no_verify ssl_verify tls_verify verify_ssl",
    ),
    (
        Hint("pass {args.context}, an ssl.SSLContext"),
        "ssl ssl_context sslcontext tls_context",
    ),
    (
        Hint("load the client certificate with context.load_cert_chain(...), and pass {args.context}"),
        "cert cert_file certfile client_cert key_file keyfile x509",
    ),
    (
        Hint(
            "a Kerberos ticket authenticates: {args.principal}, {args.ccache} and {args.keytab} choose the ticket",
        ),
        "auth creds credentials password user username",
    ),
    (
        Hint("leave it out: the transport always uses Kerberos"),
        "gssapi kerberos krbv negotiate use_kerberos",
    ),
    (
        Hint("pass {args.service:HTTP@host}, or 'HTTP/host@REALM'"),
        "hostname_override krb_realm krb_service realm server_principal service_name spn target_name",
    ),
    (Hint("pass {args.principal}"), "client_principal krb_principal"),
    (Hint("pass {args.ccache}"), "ccache_file krb_ccache"),
    (Hint("pass {args.keytab}"), "client_keytab krb_keytab"),
    (Hint("pass {args.preemptive}, which is True by default"), "force_preemptive opportunistic_auth"),
    (Hint("pass {args.mutual_authentication}"), "mutual mutual_auth"),
    (
        Hint("leave it out: no part of a reply is used without the proof that {args.mutual_authentication} demands"),
        "sanitize_mutual_error_response",
    ),
    (Hint("pass {args.delegate}"), "deleg delegation forward gssflags"),
    (Hint("pass {args.channel_bindings:tls-server-end-point}"), "cbt channel_binding send_cbt"),
    (Hint("pass {args.mechanism}"), "mech mech_oid"),
    (
        Hint("pass {args.proxy}, the URL of a proxy, or leave it out: the transport follows https_proxy and no_proxy"),
        "http_proxy https_proxy proxies proxy_url trust_env",
    ),
    (Hint("pass {args.cookiejar}"), "cookie_file cookie_jar cookiefile cookies session"),
    (
        Hint("pass {args.retries}, and {args.idempotent} for the methods that may run twice"),
        "max_retries retry retry_count",
    ),
    (Hint("pass {args.retry_interval}"), "backoff_factor retry_delay retry_timeout"),
    (Hint("pass {args.timeout}, {args.connect_timeout} or {args.deadline}"), "read_timeout socket_timeout"),
    (Hint("pass {args.login_path}"), "login_page login_uri login_url"),
    (Hint("pass {args.max_response_bytes}"), "max_bytes max_size"),
    (Hint("pass it to ServerProxy"), "allow_none encoding uri url verbose"),
    (Hint("pass it to krbxmlrpc.ServerProxy"), "allow_i8"),
    (Hint("pass {args.headers}, with a pair ('User-Agent', '...')"), "user_agent"),
)
"""The advice for arguments of other libraries, and their names."""

_ELSEWHERE: dict[str, str] = {name: advice for advice, names in _ADVICE for name in names.split()}


def unknown_argument(owner: str, name: str, known: Collection[str]) -> Hint:
    """Return the message for an argument that does not exist.

    Args:
        owner: the name of the class that was called.
        name: the name of the argument. (Its value may be a secret.)
        known: the names of the arguments that exist.
    """
    advice = _ELSEWHERE.get(name.lower())
    if advice is None:
        import difflib  # only for this error

        similar = difflib.get_close_matches(name.lower(), known, 1)
        advice = f"did you mean {similar[0]}=?" if similar else f"help({owner}) lists the arguments"
    return Hint("{owner} has no argument {given}: {advice}", owner=owner, given=repr(name), advice=advice)


def unnamed_arguments(owner: str) -> Hint:
    """Return the message for arguments that are passed without their names."""
    return Hint("{owner} takes arguments by their names only: {owner}(timeout=60), for example", owner=owner)
