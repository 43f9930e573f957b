"""The hooks of `xmlrpc.client.Transport`, as subclasses in the wild override them, with real servers."""

import copy
import http.client
import http.cookiejar
import io
import pickle
from contextlib import closing
from urllib.request import Request
from xmlrpc.client import Fault, ResponseError, ServerProxy, Transport, dumps

import pytest
from servers import scripted

from krbxmlrpc import CallOutcomeUnknown, InsecureKerberosTransport, KerberosTransport

# -- each hook can be overridden --------------------------------------------------------------------------------------


class Noting(KerberosTransport):
    """Its methods note that they are called, and in which hook."""

    def __init__(self, **arguments):
        self.called = []
        super().__init__(**arguments)

    def request(self, host, handler, request_body, verbose=False):
        self.called.append("request")
        return super().request(host, handler, request_body, verbose)

    def single_request(self, host, handler, request_body, verbose=False):
        self.called.append("single_request")
        return super().single_request(host, handler, request_body, verbose)

    def make_connection(self, host):
        self.called.append("make_connection")
        connection = super().make_connection(host)
        connection.timeout = 30.0
        return connection

    def send_request(self, host, handler, request_body, debug):
        self.called.append("send_request")
        connection = super().send_request(host, handler, request_body, debug)
        assert (connection.host, connection.port) == ("localhost", int(host.partition(":")[2]))
        assert connection.timeout == connection.sock.gettimeout() == 30.0
        return connection

    def get_host_info(self, host):
        self.called.append("get_host_info")
        host, extra_headers, x509 = super().get_host_info(host)
        return host, [*extra_headers, ("X-Info", "yes")], x509

    def send_headers(self, connection, headers):
        self.called.append("send_headers")
        super().send_headers(connection, [*headers, ("X-Headers", "yes")])

    def send_content(self, connection, request_body):
        self.called.append("send_content")
        connection.putheader("X-Content", "yes")
        super().send_content(connection, request_body)

    def parse_response(self, response):
        self.called.append("parse_response")
        return super().parse_response(response)

    def getparser(self):
        self.called.append("getparser")
        return super().getparser()

    def close(self):
        self.called.append("close")
        super().close()


SENDING = ["send_request", "get_host_info", "send_headers", "send_content"]


def test_each_hook_is_called_with_the_standard_arguments(call_hub, user):
    proxy = call_hub(transport=Noting)
    noting = proxy("transport")
    assert proxy.whoami() == user
    assert noting.called == [*("request", "single_request", "make_connection"), *SENDING, "parse_response", "getparser"]
    assert [proxy.header(f"X-{name}") for name in ("Info", "Headers", "Content")] == ["yes"] * 3
    noting.called.clear()
    proxy("close")()
    assert noting.called == ["close"]


def test_hooks_of_the_standard_class_can_be_called_by_its_name(call_hub, user):
    """As clients that also ran with Python 2 do."""

    class Old(KerberosTransport):
        accept_gzip_encoding = False

        def get_host_info(self, host):
            host, headers, x509 = Transport.get_host_info(self, host)
            return host, {**dict(headers), "X-Old": "yes"}, x509

        def send_headers(self, connection, headers):
            Transport.send_headers(self, connection, headers)

        def send_content(self, connection, request_body):
            connection.putheader("Content-Type", "text/xml")
            connection.putheader("Content-Length", str(len(request_body)))
            connection.endheaders()
            connection.send(request_body)

        def parse_response(self, response):
            return Transport.parse_response(self, response)

    proxy = call_hub(transport=Old)
    assert proxy.whoami() == user
    assert (proxy.header("X-Old"), proxy.header("Accept-Encoding")) == ("yes", "identity")
    with pytest.raises(Fault, match="seven"):
        proxy.fail(7, "seven")


def test_hooks_run_at_logins_and_in_exchanges(call_hub, user):
    on_session = call_hub("/member", transport=Noting, login_path="/login")
    assert on_session.whoami() == user
    assert on_session("transport").called.count("send_request") == 2
    asked = call_hub(transport=Noting, preemptive=False)
    assert asked.whoami() == user
    assert asked("transport").called.count("send_content") == 2


def test_headers_of_get_host_info_go_with_each_request(server, server_context):
    """FreeIPA's client names its language and its page so, and others keep their connections so."""

    class Speaking(KerberosTransport):
        def get_host_info(self, host):
            host, extra_headers, x509 = super().get_host_info(host)
            extra_headers += [
                ("Accept-Language", "de"),
                ("Referer", f"https://{host}/ipa"),
                ("Connection", "keep-alive"),
            ]
            return host, extra_headers, x509

    with closing(Speaking(context=server_context)) as transport:
        for _ in range(2):
            transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")
        transport.fetch("GET", f"localhost:{server.port}", "/")
    for request in server.requests:
        assert request.headers.get_all("Accept-Language") == ["de"]
        assert request.headers.get_all("Referer") == [f"https://localhost:{server.port}/ipa"]
        assert request.headers.get_all("Connection") == ["keep-alive"]


def test_the_extra_headers_of_the_standard_class_are_sent(call_hub):
    proxy = call_hub()
    proxy("transport")._extra_headers = [("X-Extra", "yes")]
    assert proxy.header("X-Extra") == "yes"


@pytest.mark.parametrize(
    "found, kind, words",
    [
        (None, TypeError, "^get_host_info has to return three values"),
        (("localhost:{port}", []), TypeError, "^get_host_info has to return three values"),
        (("other", [], {}), ValueError, "^get_host_info returned another host"),
        (("localhost:{port}", [], {"cert_file": "x"}), TypeError, "^get_host_info returned a client cert.* context="),
        (("localhost:{port}", "X-A: 1", {}), TypeError, "^get_host_info is of type str; accepted is a list"),
        (("localhost:{port}", [("X-A", "1\r\nB: 2")], {}), ValueError, "^get_host_info holds a value of X-A that HTTP"),
        (
            ("localhost:{port}", [("Authorization", "negotiate YII")], {}),
            ValueError,
            "^get_host_info holds Authorization",
        ),
        (("localhost:{port}", [("Content-Length", "5")], None), ValueError, "^get_host_info holds Content-Length"),
        (
            ("localhost:{port}", [("Referer", "1"), ("Referer", "2")], {}),
            ValueError,
            "^get_host_info holds Referer twice",
        ),
    ],
)
def test_a_wrong_get_host_info_is_explained(server, server_context, found, kind, words):
    class Wrong(KerberosTransport):
        def get_host_info(self, host):
            return found and (found[0].format(port=server.port), *found[1:])

    with closing(Wrong(context=server_context)) as transport:
        with pytest.raises(kind, match=words) as caught:
            transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")
    assert "YII" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("kind", [KerberosTransport, InsecureKerberosTransport])
def test_a_foreign_connection_is_refused_with_an_explanation(kind, server):
    class Foreign(kind):
        def make_connection(self, host):
            return http.client.HTTPSConnection(host)

    with closing(Foreign()) as transport:
        for call in (
            lambda: transport.request(f"localhost:{server.port}", "/", b""),
            lambda: transport.send_request(f"localhost:{server.port}", "/", b"", False),
        ):
            with pytest.raises(TypeError, match=r"of type http\.client\.HTTPSConnection; .*super.*timeout=, proxy="):
                call()
    assert server.connections == 0


class Keeping(KerberosTransport):
    """It keeps a connection for each host, as the standard transport does."""

    def make_connection(self, host):
        if self._connection[0] != host:
            self._connection = host, super().make_connection(host)
        return self._connection[1]


def test_a_connection_in_use_is_refused_with_an_explanation(call_hub, hub, user):
    class Nested(Keeping):
        def parse_response(self, response):
            return self.request(f"localhost:{hub.ports['https']}", "/xmlrpc", b"<another call>")

    proxy = call_hub(transport=Keeping)
    assert proxy.whoami() == proxy.whoami() == user  # the transport reuses the connection without the hook
    with pytest.raises(CallOutcomeUnknown) as caught:
        call_hub(transport=Nested).whoami()
    assert "is in use; accepted is a new connection each time" in str(caught.value.__cause__)


def test_a_request_that_goes_elsewhere_is_explained(call_hub, hub, case):
    class Elsewhere(KerberosTransport):
        def send_request(self, host, handler, request_body, debug):
            return self.make_connection(host)

    with pytest.raises(TypeError, match=r"call super\(\)\.send_request\(\)"):
        call_hub(transport=Elsewhere).whoami()
    assert hub.logged(case, 0) == []


@pytest.mark.parametrize("kind", [KerberosTransport, InsecureKerberosTransport, Noting])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_transport_is_not_copied(kind, copied):
    with pytest.raises(TypeError, match=f"^a {kind.__name__} cannot be pickled or copied, .* build a transport there$"):
        copied(kind())


# -- the objects that hooks get ---------------------------------------------------------------------------------------


@pytest.fixture
def respond(server, server_context):
    """Give the reply to a call to a function in place of `parse_response`: ``respond(function, headers=[…])``."""

    def call(look, **answer):
        class Looking(KerberosTransport):
            def parse_response(self, response):
                return look(response)

        server.play(scripted.honest(**answer))
        with closing(Looking(context=server_context)) as transport:
            return transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")

    return call


COOKIES = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")]


@pytest.mark.parametrize(
    "headers", [lambda response: response.msg, lambda response: response.headers, lambda response: response.info()]
)
def test_a_response_has_its_headers_by_each_name(respond, headers):
    """Clients of Kiwi TCMS, FreeIPA and Beaker read `msg`; `http.cookiejar` calls `info`."""

    def look(response):
        found = headers(response)
        return found.get_all("set-cookie"), found["content-type"], found.get("X-None"), repr(found.items())

    cookies, content_type, missing, shown = respond(look, headers=COOKIES)
    assert cookies == ["a=1; Path=/", "b=2; Path=/"] and content_type == "text/xml" and missing is None
    assert "a=1" not in shown


def test_a_cookie_jar_reads_a_response(respond, server):
    jar = http.cookiejar.CookieJar()
    respond(lambda response: jar.extract_cookies(response, Request(server.url())), headers=COOKIES)
    assert {cookie.name: cookie.value for cookie in jar} == {"a": "1", "b": "2"}


def test_a_response_has_the_members_of_the_standard_one(respond):
    def look(response):
        assert response.status == response.code == response.getcode() == 200
        assert (response.reason, response.version) == ("so the server says", 11)
        assert dict(response.getheaders())["Content-Type"] == response.getheader("content-type") == "text/xml"
        assert response.readable() and not response.writable() and not response.seekable()
        assert not response.chunked and not response.will_close
        assert response.length == 10 and not response.isclosed() and not response.closed
        assert response.read(4) == b"line\n"[:4] and response.length == 6
        assert response.read1() == b"\nlast\n"
        assert response.read() == b"" and response.isclosed() and response.length == 0
        assert not response.closed
        response.close()
        assert response.closed and response.read(5) == b""
        return "looked"

    assert respond(look, body=b"line\nlast\n") == "looked"


def test_all_members_of_the_standard_response_are_there(respond):
    """All that a caller may use: the rest is about the socket, or writes."""
    of_the_socket = {"fp", "url", "geturl", "begin", "peek"}
    standard = {name for name in dir(http.client.HTTPResponse) if not name.startswith("_")}
    assert respond(lambda response: standard - set(dir(response)) - of_the_socket) == set()


@pytest.mark.parametrize(
    "read",
    [
        lambda response: response.read(),
        lambda response: response.read(20_000),
        lambda response: response.read(int(response.getheader("Content-Length"))),
        lambda response: b"".join(iter(lambda: response.read(7), b"")),
        lambda response: b"".join(response),
        lambda response: b"".join(response.readlines()),
        lambda response: io.BufferedReader(response).read(),
        lambda response: io.TextIOWrapper(response, "ascii", newline="").read().encode(),
    ],
)
def test_a_body_is_read_in_each_way(respond, read):
    body = b"".join(b"%d some line\n" % number for number in range(2_000))[:20_000]
    assert respond(read, body=body) == body


def test_a_body_is_read_into_a_buffer(respond):
    def look(response):
        buffer = bytearray(6)
        first = response.readinto(buffer), bytes(buffer)
        second = response.readinto(memoryview(buffer)[:3]), bytes(buffer)
        return first, second, response.readinto1(buffer), bytes(buffer), response.readinto(buffer)

    assert respond(look, body=b"0123456789") == ((6, b"012345"), (3, b"678345"), 1, b"978345", 0)


def test_a_response_is_a_context_manager(call_hub, hub, case, user):
    class Managing(KerberosTransport):
        def parse_response(self, response):
            with response as same:
                assert same is response
                values = super().parse_response(response)
            assert response.closed
            return values

    proxy = call_hub(transport=Managing)
    assert proxy.whoami() == proxy.whoami() == user
    assert [line.earlier for line in hub.logged(case, 2)] == [0, 1]  # the connection is kept


@pytest.mark.parametrize("wrap", [io.BytesIO, lambda data: io.BufferedReader(io.BytesIO(data))])
def test_a_hook_may_pass_a_file_on(call_hub, user, wrap):
    """The standard `parse_response` takes one, too."""

    class Reading(KerberosTransport):
        accept_gzip_encoding = False

        def parse_response(self, response):
            return super().parse_response(wrap(response.read()))

    assert call_hub(transport=Reading).whoami() == user


def test_a_hook_may_pass_on_a_stream_that_decodes(call_hub, user):
    class Decoding:
        def __init__(self, response):
            self._response = response

        def read(self, amount):
            return self._response.read(amount).replace(b"user@", b"decoded@")

        def __getattr__(self, name):
            return getattr(self._response, name)

    class Reading(KerberosTransport):
        def parse_response(self, response):
            return super().parse_response(Decoding(response))

    assert call_hub(transport=Reading).whoami() == user.replace("user@", "decoded@")


def test_a_request_of_a_hooks_own_is_a_call_again_after_fetch(hub, hub_context, user):
    """It goes over the connection that the request before has left."""
    host = f"localhost:{hub.ports['https']}"
    with closing(KerberosTransport(context=hub_context)) as transport:
        transport.fetch("GET", host, "/xmlrpc/pulp/api/v2/repositories/")
        connection = transport.send_request(host, "/open", dumps((), "whoami").encode(), False)
        assert connection.kept and connection.is_call
        assert transport.parse_response(connection.getresponse()) == ("nobody",)
        connection.close()


def test_the_cookies_of_a_hook_are_sent_beside_the_ticket(server, server_context):
    """This is how clients of Kiwi TCMS, Supervisor and others keep a session."""

    class Cookies(KerberosTransport):
        _cookies = ()

        def send_headers(self, connection, headers):
            if self._cookies:
                connection.putheader("Cookie", "; ".join(self._cookies))
            super().send_headers(connection, headers)

        def parse_response(self, response):
            self._cookies = [line.split(";", 1)[0] for line in response.msg.get_all("Set-Cookie", [])]
            return super().parse_response(response)

    server.play(scripted.honest(headers=[("Set-Cookie", "own=1; Path=/elsewhere")]))
    with ServerProxy(server.url(), transport=Cookies(context=server_context)) as proxy:
        assert proxy.method() == proxy.method() == "an honest answer"
    assert [request.headers.get_all("Cookie") for request in server.requests] == [None, ["own=1"]]
    assert all(request.token for request in server.requests)


@pytest.mark.parametrize("way", ["verbose", "set_debuglevel"])
def test_a_hook_may_ask_for_the_conversation(hub, hub_context, user, capsys, way):
    class Loud(KerberosTransport):
        def make_connection(self, host):
            connection = super().make_connection(host)
            if way == "set_debuglevel":
                connection.set_debuglevel(1)
            return connection

    call = dumps((), "whoami").encode()
    with closing(Loud(context=hub_context)) as transport:
        for _ in range(2):  # the second call goes over a kept connection
            transport.request(f"localhost:{hub.ports['https']}", "/xmlrpc", call, way == "verbose")
            printed = capsys.readouterr().out
            assert "send: POST /xmlrpc, body of" in printed and "reply: 200" in printed and "body: " in printed
            assert "YII" not in printed


# -- exceptions of hooks ----------------------------------------------------------------------------------------------


class Failing(KerberosTransport):
    """A transport with a hook that fails: in `place`, with `error`, while the attribute `fails` is set."""

    place = "parse_response"
    error: BaseException
    fails = True
    sent = 0

    def _fail(self, place):
        if self.fails and self.place == place:
            raise self.error

    def get_host_info(self, host):
        self._fail("get_host_info")
        return super().get_host_info(host)

    def send_content(self, connection, request_body):
        self.sent += 1
        self._fail("before send_content")
        super().send_content(connection, request_body)
        self._fail("send_content")

    def send_request(self, host, handler, request_body, debug):
        connection = super().send_request(host, handler, request_body, debug)
        self._fail("send_request")
        return connection

    def parse_response(self, response):
        self._fail("parse_response")
        values = super().parse_response(response)
        self._fail("after parse_response")
        return values

    def read_resource(self, response):
        self._fail("read_resource")
        return super().read_resource(response)

    def getparser(self):
        self._fail("getparser")
        return super().getparser()


class Own(Exception):
    """An exception of a subclass's own."""


class OwnFault(Fault):
    """A Fault of a subclass's own."""


@pytest.fixture
def failing(call_hub):
    """Open a proxy with a transport whose hook fails: ``failing("parse_response", KeyError("x"))``."""

    def open_proxy(where, what, path="/xmlrpc", **arguments):
        class Chosen(Failing):
            place, error = where, what

        return call_hub(path, transport=Chosen, retry_interval=0, **arguments)

    return open_proxy


SENT = ["send_content", "send_request"]
ANSWERED = ["parse_response", "after parse_response", "getparser"]


@pytest.mark.parametrize("kind", [AttributeError, KeyError, TypeError, AssertionError, Own])
@pytest.mark.parametrize("place", SENT + ANSWERED)
def test_a_hook_that_fails_does_not_hide_the_call(failing, hub, case, user, place, kind):
    error = kind("sid=secret")
    proxy = failing(place, error, retries=3, idempotent=True)
    with pytest.raises(CallOutcomeUnknown) as caught:
        proxy.execute(case)
    assert caught.value.__cause__ is error
    hook = place.rpartition(" ")[2]
    assert f": the hook {hook} failed with {kind.__name__} after the " in str(caught.value)
    assert caught.value.hook == hook
    assert "secret" not in str(caught.value)  # it could be of a cookie, or of a reply that nobody has verified
    assert f"the call {'has run' if place in ANSWERED else 'may have run'}: " in caught.value.hint
    # It was not repeated, although it is idempotent: the hook would fail again.
    assert proxy("transport").sent == 1
    executed = hub.executed(case)
    assert executed == 1 or (executed == 0 and place in SENT)
    proxy("transport").fails = False
    assert proxy.whoami() == user


@pytest.mark.parametrize("place", ["get_host_info", "before send_content"])
@pytest.mark.parametrize("error", [AttributeError("x"), Own("x")])
def test_a_hook_that_fails_before_the_call_raises_its_own(failing, hub, case, place, error):
    with pytest.raises(type(error)) as caught:
        failing(place, error, retries=3, idempotent=True).execute(case)
    assert caught.value is error
    assert hub.executed(case) == 0


@pytest.mark.parametrize("error", [OwnFault(5, "five"), Fault(5, "five"), ResponseError("no"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ANSWERED)
def test_the_answer_of_a_hook_stays_as_it_is(failing, hub, case, place, error):
    """An `xmlrpc.client.Error` is an answer. Ctrl-C is not a failure of the hook."""
    with pytest.raises(type(error)) as caught:
        failing(place, error, retries=3, idempotent=True).execute(case)
    assert caught.value is error
    assert hub.executed(case) == 1


def test_faults_can_be_turned_into_exceptions_of_ones_own(call_hub):
    class Turning(KerberosTransport):
        def single_request(self, host, handler, request_body, verbose=False):
            try:
                return super().single_request(host, handler, request_body, verbose)
            except Fault as fault:
                raise Own(fault.faultString) from fault

    with pytest.raises(Own, match="seven"):
        call_hub(transport=Turning).fail(7, "seven")


def test_a_hook_that_fails_at_a_login_leaves_no_doubt(failing, hub, case):
    """No call has run."""
    error = Own("x")
    with pytest.raises(Own) as caught:
        failing("send_request", error, "/member", login_path=f"/login?case={case}", retries=3).whoami()
    assert caught.value is error


def test_a_hook_that_fails_for_fetch_leaves_a_doubt(server, server_context):
    class Chosen(Failing):
        place, error = "read_resource", Own("x")

    with closing(Chosen(context=server_context, retries=3, idempotent=True, retry_interval=0)) as transport:
        with pytest.raises(CallOutcomeUnknown, match="the hook read_resource failed with Own") as caught:
            transport.fetch("PUT", f"localhost:{server.port}", "/file", b"content")
    assert caught.value.hook == "read_resource" and len(server.requests) == 1


@pytest.mark.parametrize("error", [Own("x"), ValueError("x")])
def test_content_that_fails_is_no_hook(server, server_context, error):
    """The content is the caller's, so the caller gets its exception. The server does not get all of the content."""

    class Content:
        def __len__(self):
            return 100

        def __iter__(self):
            yield b"some"
            raise error

    with closing(KerberosTransport(context=server_context, retries=3, idempotent=True)) as transport:
        with pytest.raises(type(error)) as caught:
            transport.fetch("PUT", f"localhost:{server.port}", "/file", Content())
    assert caught.value is error


def test_a_hook_that_fails_before_a_repetition_leaves_a_doubt(server, server_context):
    """The connection breaks after the call, and the hook fails before the call is sent again."""

    class Once(KerberosTransport):
        made = 0

        def make_connection(self, host):
            self.made += 1
            if self.made > 1:
                raise Own("x")
            return super().make_connection(host)

    server.play(scripted.hang_up)
    with closing(Once(context=server_context, retries=3, idempotent=True, retry_interval=0)) as transport:
        with pytest.raises(CallOutcomeUnknown) as caught:
            transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")
    assert isinstance(caught.value.__cause__, Own) and caught.value.hook is None
    assert len(server.requests) == 1


def test_an_idempotent_that_fails_leaves_a_doubt(server, server_context):
    """The function is asked when the call may have run."""
    error = KeyError("x")

    def idempotent(name):
        raise error

    server.play(scripted.hang_up)
    with closing(KerberosTransport(context=server_context, retries=3, idempotent=idempotent)) as transport:
        with pytest.raises(CallOutcomeUnknown) as caught:
            transport.request(f"localhost:{server.port}", "/xmlrpc", dumps((), "method").encode())
    assert caught.value.__cause__ is error
    assert len(server.requests) == 1


def test_a_cookie_jar_that_fails_leaves_a_doubt(server, server_context):
    """Its policy is asked when the reply has come."""

    class Policy(http.cookiejar.DefaultCookiePolicy):
        def set_ok(self, cookie, request):
            raise Own("session=secret")

    server.play(scripted.honest(headers=COOKIES))
    jar = http.cookiejar.CookieJar(Policy())
    with closing(KerberosTransport(context=server_context, cookiejar=jar, retries=3, idempotent=True)) as transport:
        with pytest.raises(
            CallOutcomeUnknown, match="the hook set_ok failed with Own after the call was sent"
        ) as caught:
            transport.request(f"localhost:{server.port}", "/xmlrpc", b"<a call>")
    assert isinstance(caught.value.__cause__, Own) and "secret" not in str(caught.value)
    assert len(server.requests) == 1
