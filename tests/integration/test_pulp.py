"""Clients of Pulp 2, and other requests that are no XML-RPC calls: the same tickets, sessions and connections."""

from xmlrpc.client import ServerProxy

import pytest
from doc_fixtures.pulp import PulpConnection
from servers.scripted import hang_up, honest, message, say

from krbxmlrpc import (
    AuthenticationRejected,
    CallOutcomeUnknown,
    InsecureKerberosTransport,
    InvalidResponse,
    KerberosTransport,
    MutualAuthenticationError,
    NegotiateNotOffered,
    NoSession,
    ResponseTooLarge,
    UnexpectedStatus,
)
from krbxmlrpc.pulp import KerberosServerWrapper

JSON = {"content_type": "application/json"}


@pytest.fixture
def pulp(hub, hub_context, user, case):
    """Open a connection below a path of the hub: ``pulp("/session", timeout=5.0)``; logged as the case."""
    opened = []

    def open_connection(path="/xmlrpc", *, host=None, **arguments):
        transport = KerberosTransport(context=hub_context, **arguments)
        opened.append(KerberosServerWrapper(host or f"localhost:{hub.ports['https']}", transport))
        connection = PulpConnection(host, opened[-1], f"{path}/pulp/api")
        ask = connection.request
        connection.request = lambda method, path, *body: ask(method, f"{path}?case={case}", *body)
        connection.wrapper = opened[-1]
        return connection

    yield open_connection
    for wrapper in opened:
        wrapper.close()


@pytest.fixture
def wrapper(server, server_context):
    """Open a wrapper for the scripted server."""
    opened = []

    def open_wrapper(**arguments):
        opened.append(KerberosTransport(context=server_context, timeout=60.0, **arguments))
        return KerberosServerWrapper(f"localhost:{server.port}", opened[-1])

    yield open_wrapper
    for transport in opened:
        transport.close()


# -- against Apache ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/xmlrpc", "/session"])
def test_what_the_bindings_do(pulp, hub, case, user, path):
    pulp = pulp(path)
    name = f"repo-{case}"
    made = {"id": name, "notes": {"\u00fcml\u00e4ut": None}, "made_by": user}
    status, value = pulp.request("POST", "/v2/repositories/", {"id": name, "notes": made["notes"]})
    assert (status, value.pop("_href")) == (201, "/v2/repositories/")
    assert value == made
    assert pulp.request("GET", f"/v2/repositories/{name}/")[1]["made_by"] == user
    status, names = pulp.request("GET", "/v2/repositories/")
    assert status == 200 and name in names
    assert pulp.request("PUT", f"/v2/repositories/{name}/", {"delta": {"notes": 1}})[1]["notes"] == 1
    assert pulp.request("HEAD", f"/v2/repositories/{name}/") == (200, None)
    status, report = pulp.request("DELETE", f"/v2/repositories/{name}/")
    assert (status, [task["task_id"] for task in report["spawned_tasks"]]) == (202, ["1"])
    status, error = pulp.request("GET", f"/v2/repositories/{name}/")
    assert (status, error["error_message"]) == (404, f"Missing: {name}")
    assert pulp.request("DELETE", f"/v2/repositories/{name}/")[0] == 404
    lines = hub.logged(case, 8)
    assert [line.earlier for line in lines] == list(range(8))  # one connection
    assert {line.user for line in lines} == {user}
    assert [line.ticket for line in lines] == ([True] * 8 if path == "/xmlrpc" else [True] + [False] * 7)


def test_rest_beside_xml_rpc_shares_session_and_connection(hub, hub_context, user, case):
    host = f"localhost:{hub.ports['https']}"
    transport = KerberosTransport(context=hub_context)
    wrapper = KerberosServerWrapper(host, transport)
    assert wrapper.request("GET", f"/session/pulp/api/v2/repositories/?case={case}", None)[0] == 200
    with ServerProxy(f"https://{host}/session?case={case}", transport=transport) as proxy:
        assert proxy.whoami() == user
    assert [(line.earlier, line.ticket) for line in hub.logged(case, 2)] == [(0, True), (1, False)]


def test_a_login_page_serves_it_too(pulp, hub, case, user):
    pulp = pulp("/member", login_path=f"/login?case={case}")
    assert pulp.request("POST", "/v2/repositories/", {"id": case})[1]["made_by"] == user
    pulp.wrapper.transport.cookiejar.clear()  # the session is lost
    assert pulp.request("GET", f"/v2/repositories/{case}/")[0] == 200
    steps = [f"{line.status} {line.path}" for line in hub.logged(case, 4)]
    assert steps == ["301 /login", "201 /member/pulp/api/v2/repositories/"] + [
        "301 /login",
        f"200 /member/pulp/api/v2/repositories/{case}/",
    ]


def test_a_login_that_sets_no_session_says_so(pulp):
    with pytest.raises(NoSession):
        pulp("/member", login_path="/login?path=/elsewhere").request("GET", "/v2/repositories/")


def test_uploads_are_bytes(pulp):
    data = bytes(range(256)) * 1000
    assert pulp().request("PUT", "/v2/uploads/1/0/", data) == (200, len(data))


def test_a_long_answer_is_compressed_on_its_way(pulp, case):
    pulp = pulp()
    value = {"id": case, "notes": "x" * 100_000}
    assert pulp.request("POST", "/v2/repositories/", value)[1]["notes"] == value["notes"]


@pytest.mark.parametrize("status", [403, 503])
def test_an_error_of_apache_is_text(pulp, status):
    assert pulp().request("GET", f"/v2/broken/{status}/") == (status, "<html>broken</html>")


@pytest.mark.parametrize("status", [200, 404])
def test_any_other_answer_that_is_not_json_is_an_error(pulp, status):
    with pytest.raises(InvalidResponse, match=f"answered {status}, and the body is not JSON") as caught:
        pulp().request("GET", f"/v2/broken/{status}/")
    assert "'text/html'" in caught.value.message and "login" in caught.value.hint
    assert "case=" not in str(caught.value)


@pytest.mark.parametrize(
    "path, error",
    [
        ("/stale-keytab", AuthenticationRejected),
        ("/others", AuthenticationRejected),
        ("/basic", NegotiateNotOffered),
        ("/open", MutualAuthenticationError),
    ],
)
def test_what_goes_wrong_is_what_goes_wrong_with_calls(pulp, path, error):
    with pytest.raises(error, match=f"localhost:.*{path}/pulp/api/v2/repositories/"):
        pulp(path).request("GET", "/v2/repositories/")


def test_an_error_of_an_open_page_is_not_believed(pulp):
    with pytest.raises(UnexpectedStatus, match="answered 404") as caught:
        pulp("/open").request("GET", "/v2/repositories/nothing/")
    assert "Missing" not in str(caught.value)
    optional = pulp("/open", mutual_authentication="optional")
    assert optional.request("GET", "/v2/repositories/nothing/")[0] == 404


def test_without_being_asked_for_no_ticket_goes_along(pulp, hub, case):
    assert pulp(preemptive=False).request("GET", "/v2/repositories/")[0] == 200
    assert [(line.status, line.ticket) for line in hub.logged(case, 2)] == [(401, False), (200, True)]


# -- servers that misbehave -------------------------------------------------------------------------------------------


def test_the_request_is_what_pulp_expects(server, wrapper):
    server.play(*[honest(body=b"[]", **JSON)] * 4)
    pulp = wrapper(headers=[("Accept-Language", "en")])
    pulp.request("POST", "/pulp/api/v2/a/?b=c", "{}")
    pulp.request("PUT", "/pulp/api/v2/a/", "\u20ac")
    pulp.request("POST", "/pulp/api/v2/a/", None)
    pulp.request("GET", "/pulp/api/v2/a/")
    post, put, empty, get = server.requests
    assert post.line == "POST /pulp/api/v2/a/?b=c HTTP/1.1"
    assert (post.headers["Content-Type"], post.headers["Accept"]) == ("application/json", "application/json")
    assert (post.headers["Accept-Language"], post.body) == ("en", b"{}")
    assert put.body == "\u20ac".encode()
    assert (empty.headers["Content-Length"], empty.headers["Content-Type"]) == ("0", None)
    assert (get.headers["Content-Length"], get.headers["Content-Type"]) == (None, None)


def test_a_redirection_is_not_followed(server, wrapper):
    server.play(honest(status=302, headers=[("Location", "https://elsewhere.test/pulp")]))
    with pytest.raises(UnexpectedStatus, match="points to https://elsewhere.test/pulp"):
        wrapper().request("GET", "/pulp/api/v2/a/", None)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b"<a/>", b"1" * 5_000 + b"x"])
def test_a_body_that_is_not_json_is_an_error_without_a_quote(server, wrapper, body):
    server.play(honest(body=body, **JSON))
    with pytest.raises(InvalidResponse, match="is not JSON") as caught:
        wrapper().request("GET", "/pulp/api/v2/a/", None)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    "content_type, is_json",
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/problem+json", True),
        (None, True),
        ("text/html", False),
        ("application/jsonp", False),
        ("application/x-json-seq", False),
    ],
)
def test_it_is_json_where_it_says_so_or_nothing(server, wrapper, content_type, is_json):
    server.play(honest(body=b'{"a": 1}', content_type=content_type))
    if is_json:
        assert wrapper().request("GET", "/pulp/api/v2/a/", None) == (200, {"a": 1})
    else:
        with pytest.raises(InvalidResponse):
            wrapper().request("GET", "/pulp/api/v2/a/", None)


def test_an_answer_is_bounded(server, wrapper):
    server.play(honest(body=b" " * 1001, **JSON))
    with pytest.raises(ResponseTooLarge):
        wrapper(max_response_bytes=1000).request("GET", "/pulp/api/v2/a/", None)


def test_unproven_answers_are_not_read(server, wrapper):
    altered = honest(lambda token: token[:-8] + "AAAAAAA=", body=b"[]", **JSON)
    server.play(say(message(200, body=b"[]", **JSON)), altered)
    for _ in range(2):
        with pytest.raises(MutualAuthenticationError):
            wrapper().request("GET", "/pulp/api/v2/a/", None)


@pytest.mark.parametrize(
    "idempotent, method, repeated", [((), "GET", False), ({"GET"}, "GET", True), ({"GET"}, "PUT", False)]
)
def test_a_request_runs_twice_only_where_its_method_may(server, wrapper, idempotent, method, repeated):
    server.play(hang_up, honest(body=b"[]", **JSON))
    pulp = wrapper(idempotent=idempotent, retries=1, retry_interval=0)
    if repeated:
        assert pulp.request(method, "/pulp/api/v2/a/", None) == (200, [])
    else:
        with pytest.raises(CallOutcomeUnknown):
            pulp.request(method, "/pulp/api/v2/a/", None)
    assert len(server.requests) == 1 + repeated


def test_an_answer_to_head_has_no_body_whatever_its_head_says(server, wrapper):
    def head(request, send):
        honest(body=b"", length=1000, **JSON)(request, send)

    server.play(head, honest(body=b"[]", **JSON))
    pulp = wrapper()
    assert pulp.request("HEAD", "/pulp/api/v2/a/", None) == (200, None)
    assert pulp.request("GET", "/pulp/api/v2/a/", None) == (200, [])
    assert server.connections == 1


@pytest.mark.parametrize("status, value", [(204, None), (404, None), (403, ""), (500, "")])
def test_no_content_is_no_value_or_no_text(server, wrapper, status, value):
    server.play(honest(status=status, body=b"", content_type=None))
    assert wrapper().request("DELETE", "/pulp/api/v2/a/", None) == (status, value)


# -- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ((1,), TypeError, "host is 1"),
        (("",), ValueError, "accepted is host or host:port"),
        (("https://pulp/",), ValueError, "accepted is host or host:port"),
        (("user:secret@pulp",), ValueError, "the URL of 'pulp' holds credentials"),
        (("pulp", "transport"), TypeError, "a KerberosTransport"),
    ],
)
def test_wrong_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        KerberosServerWrapper(*arguments)


@pytest.mark.parametrize(
    "request_, error, words",
    [
        (("get", "/", None), ValueError, "method is 'get'"),
        (("CONNECT", "/", None), ValueError, "method is 'CONNECT'"),
        (("TRACE", "/", None), ValueError, "method is 'TRACE'"),
        (("GET /", "/", None), ValueError, "method is"),
        ((None, "/", None), TypeError, "method is None"),
        (("GET", "pulp", None), ValueError, "start with /"),
        (("POST", "/", {"password": "secret"}), TypeError, "body is of type dict; accepted is JSON as str"),
    ],
)
def test_wrong_requests(request_, error, words):
    with pytest.raises(error, match=words):
        KerberosServerWrapper("pulp").request(*request_)


def test_request_headers_are_checked_like_the_transports():
    with pytest.raises(ValueError, match="Authorization"):
        KerberosTransport().fetch("GET", "pulp", "/", headers=[("Authorization", "Basic")])
    for content in ("text", None, 1, iter([b"no length"]), [b"x"], {"a": 1}):
        with pytest.raises(TypeError, match="content is of type .*; accepted is bytes"):
            KerberosTransport().fetch("POST", "pulp", "/", content)


def test_a_large_body_may_come_in_pieces(server, wrapper):
    class Body:
        def __len__(self):
            return 300_000

        def __iter__(self):
            yield from [b"x" * 100_000] * 3

    server.play(hang_up, honest(body=b"[]", **JSON))
    transport = wrapper(idempotent={"PUT"}, retries=1, retry_interval=0).transport
    assert transport.fetch("PUT", f"localhost:{server.port}", "/", Body()).content == b"[]"
    assert [request.body for request in server.requests] == [b"x" * 300_000] * 2


@pytest.mark.parametrize(
    "announced, more, words",
    [
        (100_000, b"", None),
        (100_000, b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n", "more than its 100000 bytes"),
        (100_001, b"", "less than its 100001 bytes"),
        (100_001, OSError("broken disk"), "cannot be read: broken disk"),
    ],
)
def test_a_body_in_pieces_is_what_it_announces(server, server_context, announced, more, words):
    class Body:
        def __len__(self):
            return announced

        def __iter__(self):
            yield b"x" * 100_000
            if isinstance(more, OSError):
                raise more
            yield more

    server.otherwise = honest(body=b"[]", **JSON)
    transport = KerberosTransport(context=server_context, timeout=60.0)
    if words is None:
        assert transport.fetch("PUT", f"localhost:{server.port}", "/", Body()).status == 200
    else:
        with pytest.raises(ValueError, match=words):
            transport.fetch("PUT", f"localhost:{server.port}", "/", Body())
    assert transport.fetch("GET", f"localhost:{server.port}", "/").status == 200
    assert "GET /smuggled HTTP/1.1" not in [request.line for request in server.requests]


def test_plain_http_for_the_lab(hub, user):
    wrapper = KerberosServerWrapper(f"localhost:{hub.ports['http']}", InsecureKerberosTransport())
    assert wrapper.request("GET", "/xmlrpc/pulp/api/v2/repositories/", None)[0] == 200
    assert repr(wrapper).startswith(f"<KerberosServerWrapper localhost:{hub.ports['http']} by <InsecureKerberos")
    wrapper.close()
