"""What the argument ``progress`` hears of large requests and replies."""

import gzip
import threading
import weakref
from xmlrpc.client import dumps

import pytest
from servers import scripted

from krbxmlrpc import CallOutcomeUnknown, KerberosTransport, UnexpectedStatus

SIZE = 1_000_000


class Heard:
    """A function for ``progress`` that notes what it hears."""

    def __init__(self):
        self.messages = []
        self.threads = set()

    def __call__(self, done, total):
        if done == 0:
            self.messages.append([])
        self.messages[-1].append((done, total))
        self.threads.add(threading.get_ident())

    def check(self, *sizes):
        """Check the totals and the last reports: ``check((total, end), …)``."""
        assert [(message[-1][1], message[-1][0]) for message in self.messages] == list(sizes)
        for message in self.messages:
            assert (
                message == sorted(message, key=lambda report: report[0]) and len({total for _, total in message}) == 1
            )
        assert self.threads == {threading.get_ident()}


def chunked(body):
    """Accept the ticket, and answer in chunks."""

    def answer(request, send):
        head = f"HTTP/1.1 200 OK\r\nWWW-Authenticate: Negotiate {scripted.accept(request.token)}\r\n"
        head += "Content-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
        send(
            head.encode()
            + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:]))
            + b"0\r\n\r\n"
        )

    return answer


def test_a_large_call_and_its_large_reply(call_server, server):
    argument, body = "a" * SIZE, scripted.values("r" * SIZE)
    size = len(dumps((argument,), "method").encode())
    heard, sent, received = Heard(), Heard(), Heard()
    server.play(*[scripted.honest(body=body)] * 3)
    assert len(call_server(progress=heard).method(argument)) == SIZE
    heard.check((size, size), (len(body), len(body)))
    assert all(len(message) > 10 for message in heard.messages)
    call_server(progress=(sent, None)).method(argument)
    sent.check((size, size))
    call_server(progress=(None, received)).method(argument)
    received.check((len(body), len(body)))


def test_the_total_of_a_reply_may_be_unknown(call_server, server):
    body = scripted.values("r" * SIZE)
    server.play(chunked(body), scripted.to_the_end(body))
    heard = Heard()
    proxy = call_server(progress=(None, heard))
    proxy.method()
    proxy.method()
    heard.check((None, len(body)), (None, len(body)))


def test_of_a_compressed_reply_the_compressed_bytes_count(call_server, server):
    body = gzip.compress(scripted.values("r" * SIZE))
    server.play(scripted.honest(headers=[("Content-Encoding", "gzip")], body=body))
    heard = Heard()
    assert len(call_server(progress=(None, heard)).method()) == SIZE
    heard.check((len(body), len(body)))


def test_fetch_reports_too(call_server, server):
    heard, own = Heard(), Heard()
    transport = call_server(progress=heard)("transport")
    server.play(*[scripted.honest(body=b"r" * SIZE)] * 3)
    netloc = server.url().split("/")[2]
    transport.fetch("PUT", netloc, "/", b"c" * SIZE)
    heard.check((SIZE, SIZE), (SIZE, SIZE))
    transport.fetch("GET", netloc, "/", progress=own)
    own.check((SIZE, SIZE))
    transport.fetch("PUT", netloc, "/", Pieces(), progress=(own, None))
    own.check((SIZE, SIZE), (3000, 3000))
    heard.check((SIZE, SIZE), (SIZE, SIZE))
    with pytest.raises(TypeError, match="progress is 5; accepted is a function"):
        transport.fetch("GET", netloc, "/", progress=5)


class Pieces:
    """A body of three pieces, one of them empty."""

    def __len__(self):
        return 3000

    def __iter__(self):
        yield from (b"x" * 1000, b"", b"y" * 2000)


def test_a_body_that_is_sent_again_begins_again(call_hub):
    heard = Heard()
    assert call_hub(preemptive=False, progress=heard).size("x" * SIZE) == SIZE
    first, second, reply = heard.messages
    assert first[0] == second[0] and second[-1][0] == second[-1][1] > SIZE
    assert reply[-1][0] == reply[-1][1] < 1000


def test_nothing_is_heard_of_logins_and_refusals(call_hub, call_server, server):
    heard = Heard()
    call_hub("/member", login_path="/login", progress=heard).whoami()
    assert len(heard.messages) == 2
    server.play(scripted.honest(status=500, body=b"r" * SIZE))
    received = Heard()
    with pytest.raises(UnexpectedStatus):
        call_server(progress=(None, received)).method()
    assert received.messages == []


@pytest.mark.parametrize("error", [ValueError("no bar"), OSError("no bar")])
@pytest.mark.parametrize("which", [0, 1])
def test_an_exception_of_the_function_does_not_end_the_call(call_server, server, caplog, error, which):
    """The call may have run. If the error ended it, its result would be lost, and it might run again."""
    calls = []

    def fail(done, total):
        calls.append(done)
        if done:
            raise error

    pair = [None, None]
    pair[which] = fail
    server.play(scripted.honest(body=scripted.values("r" * SIZE)))
    proxy = call_server(progress=tuple(pair), retries=3, idempotent=True)
    assert len(proxy.method("a" * SIZE)) == SIZE
    assert len(calls) == 2 and len(server.requests) == 1
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.name == "krbxmlrpc"
    assert record.getMessage() == (
        f"the progress function raised {type(error).__name__}, and hears no more of this message: no bar"
    )


def test_an_interrupt_in_the_function_ends_the_call(call_server, server):
    def interrupt(done, total):
        if done == total:
            raise KeyboardInterrupt

    proxy = call_server(progress=(interrupt, None))
    with pytest.raises(KeyboardInterrupt):
        proxy.method("a" * SIZE)
    with pytest.raises(KeyboardInterrupt):
        proxy.method("a" * SIZE)
    assert len(server.requests) <= 2 and len({request.connection for request in server.requests}) == len(
        server.requests
    )


def test_a_call_that_breaks_off_has_said_how_far_it_came(call_server, server):
    def cut(request, send):
        send(scripted.message(body=b"x" * 10, length=SIZE, headers=[proof(request)]))
        raise scripted.Hangup

    server.play(cut)
    heard = Heard()
    with pytest.raises(CallOutcomeUnknown):
        call_server(progress=(None, heard)).method()
    heard.check((SIZE, 10))


def proof(request):
    """Return the header that accepts a ticket."""
    return "WWW-Authenticate", f"Negotiate {scripted.accept(request.token)}"


def test_the_function_is_not_kept_alive(server, server_context):
    heard = Heard()
    gone = weakref.ref(heard)
    transport = KerberosTransport(context=server_context)
    transport.fetch("PUT", server.url().split("/")[2], "/", b"c", progress=heard)
    assert len(heard.messages) == 2
    del heard
    assert gone() is None
    transport.close()
