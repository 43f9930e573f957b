"""Methods of the stand-in for Koji hubs, and the users, tags, hosts, tasks and uploads that they work on.

This module follows kojihub/kojihub.py, and the logins of kojihub/auth.py. See `standin_koji` for the releases.

There is a user ``user`` with the permissions ``admin`` and ``tag``. Each other principal becomes a user without
permissions when it logs in. A ticket is needed at ``…/ssllogin`` only, because Apache asks for one there.
"""

import fnmatch
import hashlib
import inspect
import os
import threading
import time
import zlib
from urllib.parse import parse_qs
from xmlrpc.client import Fault, dumps

from standin_koji_sessions import AUTH, GENERIC, GSSAPI, LOCKED, NOT_ALLOWED, Sessions

METHODS = {}


def method(name):
    """Register a function of a hub and a request as a method."""

    def register(function):
        METHODS[name] = function
        return function

    return register


class Hub:
    """A hub: its release, its sessions and its data."""

    def __init__(self, version, folder):
        self.version = version
        self.version_text = ".".join(map(str, version))
        self.lock = threading.Lock()
        self.sessions = Sessions(version)
        self.uploads = Uploads(version, folder)
        self.permissions = ["admin", "tag", "build"]
        self.users = [new_user(1, "user"), new_user(2, "builder.example.test", usertype=1)]
        self.granted = {1: ["admin", "tag"], 2: []}
        self.tags = []
        for name, arches in (("f42", "x86_64"), ("f42-build", "x86_64 aarch64"), ("f42-updates", None)):
            self.tags.append(new_tag(len(self.tags) + 1, name, arches))
        self.channels = [
            {"id": number, "name": name, "description": None, "enabled": True, "comment": None}
            for number, name in enumerate(("default", "createrepo"), 1)
        ]
        self.hosts = [
            {
                "id": 1,
                "user_id": 2,
                "name": "builder.example.test",
                "update_ts": 1700000000.5,
                "ready": True,
                "task_load": 0.5,
                "arches": "x86_64",
                "capacity": 2.0,
                "description": "A builder\nin two lines",
                "comment": None,
                "enabled": True,
            }
        ]
        self.tasks = []

    def user(self, info, strict=False):
        """Return a user by id, name or principal."""
        for user in self.users:
            if info in (user["id"], user["name"], *user["krb_principals"]):
                return user
        if strict:
            raise Fault(GENERIC, f"No such user: {info!r}")
        return None

    def user_of_principal(self, principal):
        """Return the user that a principal logs in as. If there is no such user, the login creates one."""
        user = self.user(principal) or self.user(principal.partition("@")[0])
        if user is None:
            user = new_user(len(self.users) + 1, principal.partition("@")[0])
            self.users.append(user)
            self.granted[user["id"]] = []
        if principal not in user["krb_principals"]:
            user["krb_principals"].append(principal)
        return user

    def has_permission(self, request, name):
        """Say whether the user of a session has a permission."""
        return request.session is not None and name in self.granted[request.session.user_id]

    def need_permission(self, request, name):
        """Refuse a call if its user has neither this permission nor ``admin``."""
        if self.has_permission(request, name) or self.has_permission(request, "admin"):
            return
        caller = "user not logged in"
        if request.session is not None:
            caller = f"logged in as {self.user(request.session.user_id)['name']}"
        raise Fault(NOT_ALLOWED, f"{name} permission required ({caller})")


def new_user(number, name, usertype=0):
    return {"id": number, "name": name, "status": 0, "usertype": usertype, "krb_principals": []}


def new_tag(number, name, arches=None, locked=False):
    return {
        "id": number,
        "name": name,
        "arches": arches,
        "locked": locked,
        "maven_support": False,
        "maven_include_all": False,
        "perm_id": None,
        "perm": None,
    }


# -- logins ------------------------------------------------------------------------------------------------------------


@method("login")
def login(hub, request, *arguments, **named):
    """Refuse passwords: there are none."""
    raise Fault(AUTH, "invalid username or password")


@method("sslLogin")
def ssl_login(hub, request, *arguments, **named):
    """Begin or renew a session. As on a real hub, wrong arguments are a TypeError here, and no ParameterError."""
    log_in = log_in_or_renew if hub.version >= (1, 32) else log_in_before_1_32
    return log_in(hub, request, *arguments, **named)


def log_in_before_1_32(hub, request, proxyuser=None, proxyauthtype=None):
    return log_in_or_renew(hub, request, proxyuser, proxyauthtype)


def log_in_or_renew(hub, request, proxyuser=None, proxyauthtype=None, renew=False, exclusive=None):
    """Begin a session, or renew the expired session that the request names."""
    if request.session is not None:
        raise Fault(AUTH, "Already logged in")
    principal = request.environ.get("REMOTE_USER")
    if not principal:
        raise Fault(AUTH, "could not verify client: None")
    if proxyuser:
        raise Fault(AUTH, f"{principal} is not authorized to login other users")
    user = hub.user_of_principal(principal)
    if renew and request.expired_session is not None:
        return hub.sessions.renew(request.expired_session)
    return hub.sessions.begin(user["id"])


def logged_in(request):
    """Return the session of a request that needs one."""
    if request.session is None:
        raise Fault(AUTH, "Not logged in")
    return request.session


@method("subsession")
def subsession(hub, request):
    session = logged_in(request)
    request.keep_number()
    return hub.sessions.begin(session.user_id, session.master or session.id)


@method("logout")
def logout(hub, request, *arguments, **named):
    if hub.version >= (1, 31):
        return log_out(hub, request, *arguments, **named)
    if arguments or named:
        raise Fault(1019, "logout() takes 0 positional arguments")
    return log_out(hub, request)


def log_out(hub, request, session_id=None):
    session = logged_in(request)
    if session_id and not hub.has_permission(request, "admin"):
        other = hub.sessions.open.get(session_id)
        if other is None or other.user_id != session.user_id:
            raise Fault(NOT_ALLOWED, "only admins or owner may logout other session")
    request.keep_number()
    hub.sessions.close(session_id or session.id)


@method("logoutChild")
def logout_child(hub, request, session_id):
    session = logged_in(request)
    request.keep_number()
    hub.sessions.close(session_id, master=session.id)


@method("exclusiveSession")
def exclusive_session(hub, request, force=False):
    session = request.session
    if session is None or session.master is not None:
        raise Fault(GENERIC, "subsessions cannot become exclusive")
    if session.exclusive:
        raise Fault(GENERIC, "session is already exclusive")
    holder = hub.sessions.exclusive_of(session.user_id)
    if holder is not None:
        if not force:
            raise Fault(LOCKED, "Cannot get exclusive session")
        hub.sessions.close_one(holder)
    session.exclusive = True
    request.keep_number()


@method("sharedSession")
def shared_session(hub, request):
    if request.session is not None:
        request.session.exclusive = False
        request.keep_number()


@method("showSession")
def show_session(hub, request):
    return "session: not logged in" if request.session is None else f"session {request.session.id}"


@method("getSessionInfo")
def get_session_info(hub, request, details=False, user_id=None):
    if request.session is None:
        return None
    found = request.session.described()
    return {**found, "hostip": "-", "id": request.session.id} if details else found


# -- the hub itself ----------------------------------------------------------------------------------------------------


@method("echo")
def echo(hub, request, *arguments):
    return list(arguments)


@method("error")
def error(hub, request):
    raise Fault(GENERIC, "test error")


@method("fault")
def fault(hub, request):
    raise Exception("test exception")


@method("getAPIVersion")
def get_api_version(hub, request):
    return 1


@method("getKojiVersion")
def get_koji_version(hub, request):
    return hub.version_text


@method("_listapi")
def list_api(hub, request):
    found = []
    for name, function in METHODS.items():
        parameters = list(inspect.signature(function).parameters.values())[2:]
        found.append({"name": name, "doc": function.__doc__, "argdesc": f"({', '.join(map(str, parameters))})"})
        arguments = [[one.name, one.default] if one.default is not one.empty else one.name for one in parameters]
        found[-1]["args"] = arguments
    return found


@method("system.listMethods")
def list_methods(hub, request):
    return list(METHODS)


# -- users -------------------------------------------------------------------------------------------------------------


@method("getUser")
def get_user(hub, request, userInfo=None, strict=False, krb_princs=True):  # noqa: N803
    if userInfo is None:
        if request.session is None:
            raise Fault(GENERIC, "No user provided")
        userInfo = request.session.user_id  # noqa: N806
    return hub.user(userInfo, strict)


@method("getLoggedInUser")
def get_logged_in_user(hub, request):
    if request.session is None:
        return None
    user = hub.user(request.session.user_id)
    return {**user, "authtype": GSSAPI, "krb_principal": user["krb_principals"][0]}


@method("hasPerm")
def has_perm(hub, request, perm, strict=False):
    if strict and perm not in hub.permissions:
        raise Fault(GENERIC, f"No such permission {perm} defined")
    return hub.has_permission(request, perm)


@method("getPerms")
def get_perms(hub, request):
    return [] if request.session is None else hub.granted[request.session.user_id]


@method("getUserPerms")
def get_user_perms(hub, request, userID=None, with_groups=True):  # noqa: N803
    return hub.granted[get_user(hub, request, userID, True)["id"]]


@method("getAllPerms")
def get_all_perms(hub, request):
    return [{"id": number, "name": name, "description": None} for number, name in enumerate(hub.permissions, 1)]


@method("grantPermission")
def grant_permission(hub, request, userinfo, permission, create=False, description=None):
    hub.need_permission(request, "admin")
    user = hub.user(userinfo, strict=True)
    if permission not in hub.permissions:
        if not create:
            raise Fault(GENERIC, f"No such entry in table permissions: {permission}")
        hub.permissions.append(permission)
    if permission in hub.granted[user["id"]]:
        raise Fault(GENERIC, f"user {userinfo} already has permission: {permission}")
    hub.granted[user["id"]].append(permission)
    request.has_changed = True


# -- tags, hosts and tasks ---------------------------------------------------------------------------------------------


@method("createTag")
def create_tag(
    hub,
    request,
    name,
    parent=None,
    arches=None,
    perm=None,
    locked=False,
    maven_support=False,
    maven_include_all=False,
    extra=None,
):
    hub.need_permission(request, "tag")
    if not isinstance(name, str):
        raise Fault(GENERIC, "Name should be string")
    names = [tag["name"] for tag in hub.tags]
    if name in names:
        raise Fault(GENERIC, f"A tag with the name '{name}' already exists")
    if parent and parent not in names:
        raise Fault(GENERIC, f"Parent tag '{parent}' could not be found")
    hub.tags.append(new_tag(len(hub.tags) + 1, name, arches, locked))
    request.has_changed = True
    return len(hub.tags)


@method("listTags")
def list_tags(hub, request, build=None, package=None, perms=True, queryOpts=None, pattern=None):  # noqa: N803
    if build is not None and package is not None:
        raise Fault(GENERIC, "only one of build and package may be specified")
    return [tag for tag in hub.tags if pattern is None or fnmatch.fnmatch(tag["name"].lower(), pattern.lower())]


@method("getTag")
def get_tag(hub, request, tagInfo, strict=False):  # noqa: N803
    found = next((tag for tag in hub.tags if tagInfo in (tag["id"], tag["name"])), None)
    if found is None and strict:
        raise Fault(GENERIC, f"No such tagInfo: {tagInfo!r}")
    return found


@method("getHost")
def get_host(hub, request, hostInfo, strict=False, event=None):  # noqa: N803
    found = next((host for host in hub.hosts if hostInfo in (host["id"], host["name"])), None)
    if found is None and strict:
        raise Fault(GENERIC, f"Invalid hostInfo: {hostInfo}")
    return found


@method("listHosts")
def list_hosts(hub, request):
    return hub.hosts


@method("listChannels")
def list_channels(hub, request, hostID=None, event=None, enabled=None):  # noqa: N803
    return hub.channels


@method("listBuildroots")
def list_buildroots(hub, request, hostID=None, tagID=None, state=None):  # noqa: N803
    return []


@method("makeTask")
def make_task(hub, request, *arguments, **named):
    """Create a task. As on a real hub, wrong arguments are a TypeError, and no ParameterError."""
    hub.need_permission(request, "admin")
    if "owner" in named:
        raise Fault(NOT_ALLOWED, "The owner option is not allowed here")
    return new_task(hub, request, *arguments, **named)


@method("build")
def build(hub, request, src, target, opts=None, priority=None, channel=None):
    """Create a task that builds a package."""
    if request.session is None:
        raise Fault(NOT_ALLOWED, "you must be logged in for this operation")
    return new_task(hub, request, "build", [src, target, opts or {}])


def new_task(hub, request, method, arglist, priority=20, arch="noarch", channel="default"):
    task = {
        "id": len(hub.tasks) + 1,
        "method": method,
        "request": dumps(tuple(arglist), method, allow_none=True),
        "state": 0,
        "owner": request.session.user_id,
        "arch": arch,
        "priority": priority,
        "parent": None,
        "label": None,
        "channel_id": 1,
        "host_id": None,
        "create_ts": time.time(),
    }
    hub.tasks.append(task)
    request.has_changed = True
    return task["id"]


@method("getTaskInfo")
def get_task_info(hub, request, task_id, request_too=False, strict=False):
    found = next((task for task in hub.tasks if task["id"] == task_id), None)
    if found is None and strict:
        raise Fault(GENERIC, f"No such task: {task_id}")
    return found


@method("listTasks")
def list_tasks(hub, request, opts=None, queryOpts=None):  # noqa: N803
    """List tasks, by ``method`` and ``owner``. With ``countOnly``, return their number."""
    filters = {name: value for name, value in (opts or {}).items() if name in ("method", "owner")}
    found = [task for task in hub.tasks if all(task[name] == value for name, value in filters.items())]
    return len(found) if (queryOpts or {}).get("countOnly") else found


# -- uploads -----------------------------------------------------------------------------------------------------------


class Adler32:
    """The checksum that Koji's clients use, in the manner of `hashlib`."""

    def __init__(self):
        self.value = 1

    def update(self, data):
        self.value = zlib.adler32(data, self.value)

    def hexdigest(self):
        return f"{self.value:08x}"


CHECKSUMS = {"adler32": Adler32, "md5": hashlib.md5, "sha256": hashlib.sha256}


class Uploads:
    """The uploaded files of a hub, in a folder."""

    def __init__(self, version, folder):
        self.version = version
        self.folder = folder

    def path(self, folder, name):
        """Return the path of a file."""
        if os.path.dirname(name) or name.startswith("."):
            raise Fault(GENERIC, f"Invalid upload filename: {name}")
        folder = os.path.normpath(folder)
        if folder.startswith("..") or os.path.isabs(folder):
            raise Fault(GENERIC, f"Invalid upload directory: {folder}")
        return os.path.join(self.folder, folder, name)

    def checksum(self, name, data):
        """Return the checksum of data."""
        if name not in CHECKSUMS:
            raise Fault(GENERIC, f"Unsupported verify type: {name}")
        checksum = CHECKSUMS[name]()
        checksum.update(data)
        return checksum.hexdigest()

    def store(self, request, data):
        """Store a piece of a file, as the query of the URL says; return the size and the checksum of the piece."""
        if request.session is None:
            raise Fault(NOT_ALLOWED, "you must be logged-in to upload a file")
        said = {name: values[0] for name, values in parse_qs(request.environ["QUERY_STRING"]).items()}
        path = self.path(said.get("filepath", ""), said["filename"])
        offset, overwrite, verify = int(said.get("offset", "0")), said.get("overwrite"), said.get("fileverify", "")
        if os.path.exists(path) and offset == 0 and not overwrite:
            raise Fault(GENERIC, f"upload path exists: {path}")
        hexdigest = self.checksum(verify, data)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "r+b" if os.path.exists(path) else "w+b") as file:
            if offset == -1:
                offset = file.seek(0, os.SEEK_END)
            elif overwrite or self.version < (1, 36):
                file.truncate(offset)
            file.seek(offset)
            file.write(data)
            length = file.seek(0, os.SEEK_END)
        if not overwrite and length != offset + len(data):
            expected = offset + len(data)
            raise Fault(GENERIC, f"Incorrect upload length for {path} - Expected {expected}, actual {length}")
        return {"size": len(data), "fileverify": verify, "offset": offset, "hexdigest": hexdigest}


@method("checkUpload")
def check_upload(hub, request, path, name, verify=None, tail=None, volume=None):
    """Tell the size of an uploaded file, and its checksum."""
    path = hub.uploads.path(path, name)
    if not os.path.exists(path):
        return None
    found = {"size": os.path.getsize(path), "mtime": os.path.getmtime(path)}
    if verify:
        with open(path, "rb") as file:
            data = file.read()
        found["hexdigest"] = hub.uploads.checksum(verify, data if tail is None else data[-tail:])
        found["sumlength"] = len(data) if tail is None else min(tail, len(data))
    return found
