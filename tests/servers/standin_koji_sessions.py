"""Sessions of the stand-in for Koji hubs: how a request names its session, and the numbers of calls.

This module follows kojihub/auth.py. See `standin_koji` for the releases.

A hub keeps the number of a call only if the call has changed something. It refuses each later call with a lower number
(SequenceError), and a call with the same number (RetryError).
"""

import itertools
import secrets
import time
from urllib.parse import parse_qs
from xmlrpc.client import Fault

GENERIC, AUTH, NOT_ALLOWED, LOCKED, EXPIRED, SEQUENCE = 1000, 1002, 1004, 1006, 1007, 1008
RETRY, OFFLINE, PARAMETER = 1009, 1014, 1019
GSSAPI = 3
LOGINS = ("login", "sslLogin")


class Session:
    """A session, or a subsession of the session `master`."""

    def __init__(self, number, user_id, master=None):
        self.id = number
        self.user_id = user_id
        self.master = master
        self.callnum = None
        self.exclusive = self.expired = False
        self.start_ts = self.update_ts = time.time()
        self.renew_ts = None
        self.make_key()

    def make_key(self):
        """Give the session a new key."""
        self.key = f"{self.user_id}-{secrets.token_hex(10)}"

    def described(self):
        """Return the struct that ``getSessionInfo`` returns."""
        names = ("user_id", "expired", "master", "callnum", "exclusive", "start_ts", "update_ts", "renew_ts")
        return {**{name: getattr(self, name) for name in names}, "authtype": GSSAPI}


class Sessions:
    """The sessions of one hub."""

    def __init__(self, version):
        self.version = version
        self.numbers = itertools.count(1)
        self.open = {}

    def expire_all(self):
        """Let all sessions expire."""
        for session in self.open.values():
            session.expired = True

    def drop_all(self):
        """Forget all sessions."""
        self.open.clear()

    def begin(self, user_id, master=None):
        """Begin a session; return the struct that a login returns."""
        session = Session(next(self.numbers), user_id, master)
        self.open[session.id] = session
        return self.described(session)

    def renew(self, session):
        """Give an expired session a new key. The number of its last call stays."""
        session.make_key()
        session.expired = False
        session.renew_ts = time.time()
        return self.described(session)

    def described(self, session):
        """Return the struct that a login returns."""
        reply = {"session-id": session.id, "session-key": session.key}
        return {**reply, "header-auth": True} if self.version >= (1, 31) else reply

    def close(self, number):
        """Close a session and its subsessions."""
        for session in list(self.open.values()):
            if number in (session.id, session.master):
                self.close_one(session)

    def close_child(self, number, master):
        """Close a subsession of the session `master`."""
        session = self.open.get(number)
        if session is not None and session.master == master:
            self.close_one(session)

    def close_one(self, session):
        """Close a session. Before 1.32, a closed session is the same as an expired one."""
        session.expired, session.exclusive = True, False
        if self.version >= (1, 32):
            del self.open[session.id]

    def exclusive_of(self, user_id):
        """Return the exclusive session of a user, or None."""
        return next((one for one in self.open.values() if one.user_id == user_id and one.exclusive), None)


class Request:
    """A request and its session.

    Attributes:
        session: the session that the request belongs to, or None if it belongs to none.
        expired_session: the expired session that the request names, if the request is a login.
        number: the number of the call, or None if the request has none.
        has_changed: whether the call has changed something.
    """

    def __init__(self, sessions, environ):
        self.sessions = sessions
        self.environ = environ
        self.session = self.expired_session = self.number = None
        self.has_changed = False
        self.was_found = False

    def keep_number(self):
        """Note the number of this call. The hub refuses this number from now on."""
        if self.session is not None and self.number is not None:
            self.session.callnum = self.number

    def find_session(self, method):
        """Find the session that the request names, and check the number of the call."""
        if self.was_found:
            return  # the call is part of a multicall
        self.was_found = True
        named = self._from_headers() if self.sessions.version >= (1, 31) else self._from_query()
        if named is None:
            return
        number, key, callnum = named
        session = self.sessions.open.get(number)
        if session is None or session.key != key:
            raise Fault(AUTH, "Invalid session or bad credentials")
        if session.expired and (method not in LOGINS or self.sessions.version < (1, 32)):
            raise Fault(EXPIRED, f'session "{session.id}" has expired')
        self._check_number(session, callnum, method)
        if session.expired:
            self.expired_session = session
            return
        self._check_lock(session, method)
        session.update_ts = time.time()
        self.session = session

    def _from_headers(self):
        """Return the session's id, its key, and the number of the call, as the headers give them."""
        if "HTTP_KOJI_SESSION_ID" not in self.environ:
            return None
        callnum = self.environ.get("HTTP_KOJI_CALLNUM")
        if self.sessions.version >= (1, 36):
            callnum = self.environ.get("HTTP_KOJI_SESSION_CALLNUM", callnum)
        key = self.environ["HTTP_KOJI_SESSION_KEY"]
        return int(self.environ["HTTP_KOJI_SESSION_ID"]), key, None if callnum is None else int(callnum)

    def _from_query(self):
        """Return the session's id, its key, and the number of the call, as the query of the URL gives them."""
        if not self.environ["QUERY_STRING"]:
            return None
        said = parse_qs(self.environ["QUERY_STRING"], strict_parsing=True)
        for field in ("session-id", "session-key"):
            if field not in said:
                raise Fault(AUTH, f"'{field}' not specified in session args")
        callnum = said.get("callnum", [None])[0]
        try:
            return int(said["session-id"][0]), said["session-key"][0], None if callnum is None else int(callnum)
        except ValueError as error:
            raise Fault(AUTH, f"Invalid callnum: {callnum!r}") from error

    def _check_number(self, session, callnum, method):
        """Refuse a call whose number is not higher than the number that the hub has kept."""
        last = session.callnum
        if callnum is not None and last is not None:
            if last > callnum:
                raise Fault(SEQUENCE, f"{last} > {callnum} (session {session.id})")
            if last == callnum:
                raise Fault(RETRY, f"unable to retry call {callnum} (method {method}) for session {session.id}")
        self.number = callnum

    def _check_lock(self, session, method):
        """Refuse a call if another session of the user is exclusive."""
        holder = self.sessions.exclusive_of(session.user_id)
        if holder is None or holder.id in (session.id, session.master):
            return
        if method not in ("exclusiveSession", "login", "logout"):
            raise Fault(LOCKED, "User locked by another session")
