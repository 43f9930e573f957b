"""The data of the stand-in for Koji hubs: users, permissions, tags, hosts, channels and tasks. See `standin_koji`.

There is a user ``user`` with the permissions ``admin`` and ``tag``. Each other principal becomes a user without
permissions when it logs in.
"""

import threading
import time
from xmlrpc.client import Fault, dumps

from standin_koji_sessions import GENERIC, NOT_ALLOWED, Sessions
from standin_koji_uploads import Uploads


class Hub:
    """A hub: its release, its methods, its sessions and its data."""

    def __init__(self, version, methods, folder):
        self.version = version
        self.methods = methods
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

    def new_task(self, owner, method, arglist, priority=20, arch="noarch", channel="default"):
        """Create a task; return its id."""
        if channel not in [known["name"] for known in self.channels]:
            raise Fault(GENERIC, f"No such channel: {channel}")
        task = {
            "id": len(self.tasks) + 1,
            "method": method,
            "request": dumps(tuple(arglist), method, allow_none=True),
            "state": 0,
            "owner": owner,
            "arch": arch,
            "priority": priority,
            "parent": None,
            "label": None,
            "channel_id": 1,
            "host_id": None,
            "create_ts": time.time(),
        }
        self.tasks.append(task)
        return task["id"]

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
    """Return a user. The type 1 is a host."""
    return {"id": number, "name": name, "status": 0, "usertype": usertype, "krb_principals": []}


def new_tag(number, name, arches=None, locked=False):
    """Return a tag."""
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
