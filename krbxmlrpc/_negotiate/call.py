"""One call: how it authenticates, and when it is repeated.

An object stands for a way to authenticate: `SessionOrTicket`, `LoginPage` or `OutsideLogin`. A transport has one such
object for all its calls. An adapter that needs another object overrides `KerberosTransport.make_authentication`.
"""

from __future__ import annotations

import itertools
import time
from typing import Any, Callable, NamedTuple
from xmlrpc.client import Error, Fault, dumps

from .._hints import told
from .._http.pool import Pool
from .._http.progress import Reports
from .._kerberos.service_names import Renewed
from .._secrets import Secret, hidden
from .._xmlrpc.calls import method_name, with_carriage_returns
from ..errors import AuthenticationRejected, CallOutcomeUnknown, KerberosXMLRPCError
from .cookies import Cookies
from .exchange import Exchange, Memory, PassingAnswer
from .http_errors import failure, login_goes_on, login_without_session, session_refused
from .logins import Logins
from .policy import Allowance, Call, Expects, MutualAuthentication, Sent, Step
from .retries import Retries, is_answer
from .wire import BlockingWire, Hooks, TicketSource

MAX_SESSIONS = 2
"""The most sessions that a call tries before it carries a ticket. An exchange can take all requests that are left."""

LOGIN_PATIENCE = 300.0
"""Wait this many seconds for the login of another thread, if the transport has neither a deadline nor a timeout."""

SessionEnded = Callable[[Fault, "LoginSession"], object]


class Client(NamedTuple):
    """The objects that all calls of one transport share."""

    scheme: str
    mode: MutualAuthentication
    retries: Retries
    pool: Pool
    tickets: TicketSource
    memory: Memory
    logins: Logins
    timeout: float | None
    """Seconds that each send and receive may take, and the wait for another thread's login; None: no limit."""


class Authentication:
    """A way to authenticate calls. krbxmlrpc has three: `SessionOrTicket`, `LoginPage` and `OutsideLogin`."""

    def make(self, calling: Calling) -> Any:
        """Make a call, and return its values."""
        raise NotImplementedError


class SessionOrTicket(Authentication):
    """A call uses a session if there is one, else it carries a ticket. A transport without a login page uses this.

    Args:
        preemptive: whether to send the ticket before the server asks for one.
    """

    def __init__(self, preemptive: bool = True) -> None:
        self._preemptive = preemptive

    def make(self, calling: Calling) -> Any:
        """Make a call, and return its values."""
        cookies = calling.cookies()
        if not cookies.may_authenticate and not self._preemptive:
            return calling.authenticated(cookies, first=Sent.NOTHING)
        for _ in range(MAX_SESSIONS):
            if not cookies.may_authenticate:
                break
            step, result = calling.attempt(Sent.COOKIES, cookies)
            if step is Step.ACCEPT:
                return result
            calling.note_refused(cookies)
            cookies = calling.cookies()  # another thread may have begun a new session
        return calling.authenticated(cookies)


class LoginPage(Authentication):
    """A ticket begins a session at a login page, and calls carry the cookies of that session.

    The first call logs in. If the session has ended, a later call logs in again, once.

    Args:
        path: the path of the page, with a query if there is one.
        session_ended: a function for applications that report the end of a session by a Fault. The transport calls the
            function with the `xmlrpc.client.Fault` of a call and a `LoginSession`. If the function returns a true
            value, the transport logs in and makes the call once more. The function must return a true value only if the
            Fault proves that the method did not run. Default: no Fault means that the session has ended.
    """

    def __init__(self, path: str, session_ended: SessionEnded | None = None) -> None:
        self.path = hidden(path)
        self._session_ended = session_ended

    def make(self, calling: Calling) -> Any:
        """Make a call, and return its values."""
        seen = calling.logins()
        try:
            return self._on_session(calling)
        except Fault as fault:
            if not self._has_ended(fault, calling):
                raise
        calling.renew_allowance()
        self.log_in(calling, seen)  # does nothing if this very call has logged in
        calling.renew_allowance()
        return self._on_session(calling)

    def log_in(self, calling: Calling, seen: int) -> None:
        """Log in, unless a login has succeeded since the count of logins was `seen`."""
        calling.log_in(self._login(calling), seen)

    def log_in_now(self, calling: Calling, has_url: bool) -> None:
        """Log in, for `KerberosTransport.login`.

        Args:
            calling: a call that needs the cookies.
            has_url: whether the URL of the call is known. If it is known, the login has to set cookies for this URL.
        """
        self.log_in(calling, calling.logins())
        if has_url:
            self.cookies_of_login(calling)

    def cookies_of_login(self, calling: Calling) -> Cookies:
        """Return the cookies for a call after a login.

        Raises:
            NoSession: the login has set no cookies for the call.
        """
        cookies = calling.cookies()
        if not cookies.header:
            raise login_without_session(calling.call, self._login(calling), calling.cookie_paths())
        return cookies

    def _has_ended(self, fault: Fault, calling: Calling) -> bool:
        if self._session_ended is None:
            return False
        try:
            return bool(self._session_ended(fault, LoginSession(calling, self._on_session)))
        except Exception as error:
            # The answer to the call is the Fault. If the error left here, the call could be repeated because of it.
            raise fault from error

    def _on_session(self, calling: Calling) -> Any:
        seen = calling.logins()
        calling.login_page = self.path
        cookies = calling.cookies()
        if not cookies.header or cookies.is_over:
            self.log_in(calling, seen)
            cookies = self.cookies_of_login(calling)
            seen = calling.logins()
        step, result = calling.attempt(Sent.COOKIES, cookies)
        if step is not Step.ACCEPT and calling.has_room_for_login():
            self.log_in(calling, seen)
            step, result = calling.attempt(Sent.COOKIES, self.cookies_of_login(calling))
        if step is not Step.ACCEPT:
            raise session_refused(calling.call, result, self.path)
        return result

    def _login(self, calling: Calling) -> Call:
        """Return the request that logs in for a call."""
        return calling.call._replace(method="GET", handler=self.path, body=b"", expects=Expects.WELCOME)


class OutsideLogin(Authentication):
    """Calls carry the cookies of a session that the caller began, for example by a call with a password.

    There is no ticket and no Kerberos: TLS alone proves the server's identity. The transport sends cookies to the
    server, and keeps the server's cookies, without a Kerberos proof.
    """

    def make(self, calling: Calling) -> Any:
        """Make a call, and return its values."""
        calling.accept_unproved_server()
        step, result = calling.attempt(Sent.COOKIES, calling.cookies())
        if step is not Step.ACCEPT:
            raise failure(Step.UNEXPECTED, calling.call, result)
        return result


class LoginSession:
    """The session of a call that ended in a Fault: an argument of the function ``session_ended`` of `LoginPage`."""

    def __init__(self, calling: Calling, make: Callable[[Calling], Any]) -> None:
        self._calling = calling
        self._make = make
        self._seen = calling.logins()

    @property
    def is_renewed(self) -> bool:
        """Whether the transport has logged in since the call ended."""
        return self._calling.logins() != self._seen

    def call(self, method: str, *arguments: Any) -> Any:
        """Call another method on the session; return its value.

        Raises:
            xmlrpc.client.Fault, KerberosXMLRPCError: as from any call.
        """
        (value,) = self._calling.another(with_carriage_returns(dumps(arguments, method).encode())).made(self._make)
        return value


class Calling:
    """A call under way: makes the attempts, and answers the questions of an `Authentication`.

    Attributes:
        call: the call.
        login_page: the path of the page where sessions begin, or None. If the server redirects a call on a session to
            this page, the session has ended.
    """

    def __init__(self, call: Call, client: Client, hooks: Hooks) -> None:
        self.call = call
        self._client = client
        self.login_page: str | None = None
        self._hooks = hooks
        self._place = Secret(f"{client.scheme}://{call.url}")

    def made(self, make: Callable[[Calling], Any], retries: Retries | None = None) -> Any:
        """Make the call, and repeat it as often as the rule, the outcome and the deadline allow; return its values.

        Args:
            make: makes the call once.
            retries: the rule; default: the client's.
        """
        retries = retries or self._client.retries
        unknown: CallOutcomeUnknown | None = None
        failure: KerberosXMLRPCError | None = None
        try:
            for repetitions in itertools.count():
                try:
                    return make(self)
                except PassingAnswer as passing:
                    failure = passing.error
                    wait = self._wait(retries, failure, repetitions)
                    if wait is None:
                        return passing.answer
                except KerberosXMLRPCError as error:
                    failure = error
                    wait = self._wait(retries, failure, repetitions)
                    if wait is None:
                        if unknown is None or isinstance(error, CallOutcomeUnknown) or is_answer(error):
                            raise
                        raise unknown from error  # this attempt did not run the method, but an earlier one may have
                except Error:  # an answer
                    raise
                except Exception as error:  # a hook failed before it sent anything
                    if unknown is None:
                        raise
                    raise unknown from error
                unknown = failure if isinstance(failure, CallOutcomeUnknown) else unknown
                time.sleep(wait)
                self.renew_allowance()
        finally:
            unknown = failure = None  # the error's traceback holds this frame, and so the transport

    def _wait(self, retries: Retries, error: KerberosXMLRPCError, repetitions: int) -> float | None:
        """Do the same as `Retries.wait`, and put the hint into the caller's terms.

        If the caller's function ``idempotent`` fails, the error of the call is raised.
        """
        error.hint = told(error.hint, self._hooks.argument_names)
        try:
            return retries.wait(error, repetitions, _name(self.call), self.call.time_left)
        except Exception as failure:
            raise error from failure

    def renew_allowance(self) -> None:
        """Let the call take as many requests as a new call."""
        self.call = self.call._replace(allowance=Allowance())

    def another(self, body: bytes) -> Calling:
        """Return another call to the same URL."""
        call = self.call._replace(body=body, verbose=False, allowance=Allowance(), progress=Reports())
        return Calling(call, self._client, self._hooks)

    # -- attempts -----------------------------------------------------------------------------------------------------

    def attempt(self, sent: Sent, cookies: Cookies) -> tuple[Step, Any]:
        """Make one attempt; return ACCEPT and the values, or RENEW and the reply. Any other outcome is an error."""
        return self._exchange(self.call, sent, cookies).run()

    def authenticated(self, cookies: Cookies, call: Call | None = None, first: Sent = Sent.CONNECTION) -> Any:
        """Make the call, or another one, and return the values.

        The call carries a ticket, unless an earlier reply has shown that this connection does not need one. If the
        server refuses the ticket, and a new ticket may help, the call is made once more with a new one.

        Args:
            first: the authentication of the first attempt, CONNECTION or NOTHING. The connection can require another.
        """
        call = call or self.call
        names = self._client.tickets.names
        try:
            result = self._replacing_ticket(call, cookies, first)
        except AuthenticationRejected:
            names.forget(call.service)
            raise
        except Fault:
            names.accepted(call.service)
            raise
        names.accepted(call.service)
        return result

    def _replacing_ticket(self, call: Call, cookies: Cookies, first: Sent) -> Any:
        """Make the call. If its ticket is refused, make it once more with another one: after a 401, nothing has run."""
        names = self._client.tickets.names
        seen = names.renewals(call.service)
        try:
            step, result = self._exchange(call, first, cookies).run()
            if step is not Step.ACCEPT:
                result = self._exchange(call, Sent.TICKET, cookies).run()[1]
            return result
        except AuthenticationRejected as error:
            renewed = Renewed.NO
            if error.new_ticket_may_help and call.legs > 0:
                renewed = names.renew(call.service, error.service, seen)
            if renewed is Renewed.NO:
                raise
            cookies = Cookies() if call.is_login else self.cookies()
            call = call._replace(has_new_ticket=renewed is Renewed.YES)
            return self._exchange(call, Sent.TICKET, cookies).run()[1]

    def log_in(self, login: Call, seen: int) -> None:
        """Log in with a ticket, unless a login has succeeded since the count of logins was `seen`.

        A login carries no cookies: a server that looks at the cookies first would answer on the old session. The wait
        for the login of another thread is bounded, because a server can send its reply to that login without end.

        Raises:
            ServerUnreachable: the login of another thread has not ended in time.
        """
        patience = self._login_patience()
        try:
            if not self._client.logins.once(login.netloc, seen, lambda: self.authenticated(Cookies(), login), patience):
                raise login_goes_on(login, patience)
        except KerberosXMLRPCError as error:
            error.at_login = True
            raise

    def _login_patience(self) -> float:
        """Return the seconds to wait for the login of another thread."""
        if self.call.deadline is not None:
            return max(0.0, self.call.time_left)
        return LOGIN_PATIENCE if self._client.timeout is None else self._client.timeout

    def has_room_for_login(self) -> bool:
        """Say whether the allowance still covers a login and the call itself. A login can take two requests."""
        return self.call.allowance.left > 2

    def _exchange(self, call: Call, sent: Sent, cookies: Cookies) -> Exchange:
        client = self._client
        wire = BlockingWire(call, self._hooks, client.pool, client.tickets)
        place = self._place_of(call)
        return Exchange(call, sent, cookies, place, client.mode, client.memory, wire, self.login_page)

    def _place_of(self, call: Call) -> str:
        """Return the URL that selects the cookies of a call."""
        return self._place if call is self.call else Secret(f"{self._client.scheme}://{call.url}")

    # -- cookies ------------------------------------------------------------------------------------------------------

    def cookies(self) -> Cookies:
        """Return the cookies for the call."""
        return self._client.memory.cookies.cookies(self._place)

    def note_refused(self, cookies: Cookies) -> None:
        """Note that the server refused the call with these cookies."""
        self._client.memory.cookies.refused(self._place, cookies)

    def logins(self) -> int:
        """Return the count of logins at the server."""
        return self._client.logins.count(self.call.netloc)

    def cookie_paths(self) -> list[str]:
        """Return the paths of the server for which there are cookies."""
        return self._client.memory.cookies.paths(self.call.host)

    def accept_unproved_server(self) -> None:
        """Allow the transport to send cookies to the server without a proof of the server's identity."""
        self._client.memory.cookies.accept_unproved(self.call.netloc)


def _name(call: Call) -> str | None:
    """Return the name that identifies a call to `Retries`."""
    return method_name(call.body) if call.expects is Expects.VALUES else call.method
