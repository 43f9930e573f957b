"""The methods of the stand-in for Koji hubs.

This module follows kojihub/kojihub.py, and the logins of kojihub/auth.py. See `standin_koji` for the releases. A method
is a function of the hub, the request, and the arguments of the call. The names of the arguments are Koji's, because
callers can name them.
"""

import fnmatch
import inspect
from xmlrpc.client import Fault

from standin_koji_hub import new_tag
from standin_koji_sessions import AUTH, GENERIC, GSSAPI, LOCKED, NOT_ALLOWED

METHODS = {}


def method(name):
    """Register a function of a hub and a request as a method."""

    def register(function):
        METHODS[name] = function
        return function

    return register


# -- logins ------------------------------------------------------------------------------------------------------------


@method("login")
def login(hub, request, *arguments, **named):
    """Refuse passwords: there are none."""
    raise Fault(AUTH, "invalid username or password")


@method("sslLogin")
def ssl_login(hub, request, *arguments, **named):
    """Begin or renew a session. Wrong arguments are a TypeError here, as on a real hub, and not a ParameterError."""
    return log_in_or_renew(hub, request, *arguments, **named)


def ssl_login_before_1_32(hub, request, *arguments, **named):
    """Begin a session."""

    def log_in(proxyuser=None, proxyauthtype=None):
        return log_in_or_renew(hub, request, proxyuser, proxyauthtype)

    return log_in(*arguments, **named)


def log_in_or_renew(hub, request, proxyuser=None, proxyauthtype=None, renew=False, exclusive=None):
    """Begin a session, or renew the expired session that the request names.

    `exclusive` has an effect on a renewed session only.
    """
    if request.session is not None:
        raise Fault(AUTH, "Already logged in")
    principal = request.environ.get("REMOTE_USER")
    if not principal:
        raise Fault(AUTH, "could not verify client: None")
    if proxyuser:
        raise Fault(AUTH, f"{principal} is not authorized to login other users")
    user = hub.user_of_principal(principal)
    if not renew or request.expired_session is None:
        return hub.sessions.begin(user["id"])
    if exclusive:
        request.expired_session.exclusive = True
    return hub.sessions.renew(request.expired_session)


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
def logout(hub, request, session_id=None):
    """Close this session, or another one of the same user."""
    session = logged_in(request)
    if session_id and not hub.has_permission(request, "admin"):
        other = hub.sessions.open.get(session_id)
        if other is None or other.user_id != session.user_id:
            raise Fault(NOT_ALLOWED, "only admins or owner may logout other session")
    request.keep_number()
    hub.sessions.close(session_id or session.id)
    if not session_id:
        request.session = None


def logout_before_1_31(hub, request):
    """Close this session."""
    logout(hub, request)


@method("logoutChild")
def logout_child(hub, request, session_id):
    session = logged_in(request)
    request.keep_number()
    hub.sessions.close_child(session_id, session.id)


@method("exclusiveSession")
def exclusive_session(hub, request, force=False):
    session = request.session
    if session is None:
        return  # a hub does not complain
    if session.master is not None:
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
    """Describe the methods."""
    return [described(name, function) for name, function in hub.methods.items()]


def described(name, function):
    """Return the description of a method, with its arguments."""
    parameters = list(inspect.signature(function).parameters.values())[2:]  # without the hub and the request
    return {
        "name": name,
        "doc": function.__doc__,
        "argdesc": f"({', '.join(map(str, parameters))})",
        "args": [[one.name, one.default] if one.default is not one.empty else one.name for one in parameters],
    }


@method("system.listMethods")
def list_methods(hub, request):
    return list(hub.methods)


# -- users -------------------------------------------------------------------------------------------------------------


@method("getUser")
def get_user(hub, request, userInfo=None, strict=False, krb_princs=True):
    if userInfo is None:
        if request.session is None:
            raise Fault(GENERIC, "No user provided")
        userInfo = request.session.user_id
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
def get_user_perms(hub, request, userID=None, with_groups=True):
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
def list_tags(hub, request, build=None, package=None, perms=True, queryOpts=None, pattern=None):
    if build is not None and package is not None:
        raise Fault(GENERIC, "only one of build and package may be specified")
    return [tag for tag in hub.tags if pattern is None or fnmatch.fnmatch(tag["name"].lower(), pattern.lower())]


@method("getTag")
def get_tag(hub, request, tagInfo, strict=False):
    found = next((tag for tag in hub.tags if tagInfo in (tag["id"], tag["name"])), None)
    if found is None and strict:
        raise Fault(GENERIC, f"No such tagInfo: {tagInfo!r}")
    return found


@method("getHost")
def get_host(hub, request, hostInfo, strict=False, event=None):
    found = next((host for host in hub.hosts if hostInfo in (host["id"], host["name"])), None)
    if found is None and strict:
        raise Fault(GENERIC, f"Invalid hostInfo: {hostInfo}")
    return found


@method("listHosts")
def list_hosts(hub, request):
    return hub.hosts


@method("listChannels")
def list_channels(hub, request, hostID=None, event=None, enabled=None):
    return hub.channels


@method("listBuildroots")
def list_buildroots(hub, request, hostID=None, tagID=None, state=None):
    return []


@method("makeTask")
def make_task(hub, request, *arguments, **named):
    """Create a task. As on a real hub, wrong arguments are a TypeError, and no ParameterError."""
    hub.need_permission(request, "admin")
    if "owner" in named:
        raise Fault(NOT_ALLOWED, "The owner option is not allowed here")
    task = hub.new_task(request.session.user_id, *arguments, **named)
    request.has_changed = True
    return task


@method("build")
def build(hub, request, src, target, opts=None, priority=None, channel=None):
    """Create a task that builds a package."""
    if request.session is None:
        raise Fault(NOT_ALLOWED, "you must be logged in for this operation")
    request.has_changed = True
    return hub.new_task(request.session.user_id, "build", [src, target, opts or {}])


@method("getTaskInfo")
def get_task_info(hub, _, task_id, request=False, strict=False):
    found = next((task for task in hub.tasks if task["id"] == task_id), None)
    if found is None and strict:
        raise Fault(GENERIC, f"No such task: {task_id}")
    return found


@method("listTasks")
def list_tasks(hub, request, opts=None, queryOpts=None):
    """List tasks, by ``method`` and ``owner``. With ``countOnly``, return their number."""
    filters = {name: value for name, value in (opts or {}).items() if name in ("method", "owner")}
    found = [task for task in hub.tasks if all(task[name] == value for name, value in filters.items())]
    return len(found) if (queryOpts or {}).get("countOnly") else found


# -- uploads -----------------------------------------------------------------------------------------------------------


@method("checkUpload")
def check_upload(hub, request, path, name, verify=None, tail=None, volume=None):
    """Tell the size of an uploaded file, and its checksum."""
    return hub.uploads.described(hub.uploads.path(path, name), verify, tail)


def methods_of(version):
    """Return the methods of a release, by their names."""
    methods = dict(METHODS)
    if version < (1, 32):
        methods["sslLogin"] = ssl_login_before_1_32
    if version < (1, 31):
        methods["logout"] = logout_before_1_31
    return methods
