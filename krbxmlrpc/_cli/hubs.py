"""Reads the named hubs from ``hubs.ini``: a section for each hub, with its URL and options.

The keys are the names of the options, and the definitions of the transport's arguments check the values. The module has
a reader of its own, because `configparser` does not know the lines of keys, and each error names the line. A line is a
section, a key with its value, a comment, or empty. No secret is read from the file: such files get copied and shared.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .._hints import Renamed, message_of, told
from .._http.address import shown_path
from .._settings import Option, Settings
from .console import Wrong
from .options import OPTIONS, read_value

SYSTEM_FILE = "/etc/krbxmlrpc/hubs.ini"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_KEYS = {option.flag[2:].replace("-", "_"): name for name, option in OPTIONS.items()}
"""Maps the keys of a section to the names of the transport's arguments."""

_TERMS = Renamed({name: key for key, name in _KEYS.items()})

_REFUSED = {
    "header": "headers can hold secrets, and no secret is read from this file: pass --header",
    **dict.fromkeys(
        ("password", "passwd", "token", "cookie", "secret"),
        "no secret is read from this file; Kerberos needs none: run kinit, or name a keytab",
    ),
    **dict.fromkeys(
        ("insecure_http", "insecure_any_certificate"),
        "an option that gives TLS up has to stand on the command line",
    ),
}
_PATHS = ("cafile", "cookiejar", "keytab", "ccache")
_ACCEPTED = {"number": "a number", "whole number": "a whole number", "seconds": "a number of seconds, or none"}
_SWITCH = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


class Hub(NamedTuple):
    """A hub that a file defines."""

    name: str
    url: str
    arguments: dict[str, Any]
    """The arguments of the transport, as the options would give them."""
    path: str
    """The file."""
    line: int
    """The line of the section."""

    @property
    def shown_url(self) -> str:
        """The URL without the parts that can hold secrets."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}{shown_path(parts.path)}"

    @property
    def place(self) -> str:
        """The section that defines the hub, to put after an error."""
        return f" (@{self.name} in {self.path}, line {self.line})"


def files(config: str | None) -> list[str]:
    """Return the files that define hubs, the user's first. `config` is the file that takes their place, or None."""
    if config is not None:
        return [config]
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return [path for path in (f"{home}/krbxmlrpc/hubs.ini", SYSTEM_FILE) if os.path.lexists(path)]


def all_hubs(config: str | None) -> list[Hub]:
    """Return all hubs, in the order of their files. If two files define a hub, the user's file counts.

    Raises:
        Wrong: a file is wrong, or cannot be read.
    """
    found: dict[str, Hub] = {}
    for path in files(config):
        for hub in _read(path):
            found.setdefault(hub.name, hub)
    return list(found.values())


def find(name: str, config: str | None) -> Hub:
    """Return a hub by its name. Raise `Wrong` if there is no such hub, or if a file is wrong."""
    for path in files(config):  # if the first file defines the hub, an error in the second one does not matter
        for hub in _read(path):
            if hub.name == name:
                return hub
    import difflib

    known = [hub.name for hub in all_hubs(config)]
    where = config or "~/.config/krbxmlrpc/hubs.ini"
    if not known:
        raise Wrong(f"there is no hub @{name}: no hub is defined; to define it, write [{name}] and url = … to {where}")
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean @{close[0]}? " if close else ""
    raise Wrong(f"there is no hub @{name}; {meant}'krbxmlrpc hubs' lists the hubs: @{', @'.join(known)}")


# -- one file ---------------------------------------------------------------------------------------------------------


def _read(path: str) -> list[Hub]:
    try:
        with open(path, "rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
                # The file chooses the servers that get tickets.
                raise Wrong(f"{path} is a file that others may write: run chmod go-w on it")
            text = file.read().decode("utf-8-sig")
    except OSError as error:
        raise Wrong(f"the hubs cannot be read from {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Wrong(f"{path} is not encoded in UTF-8") from error
    return list(_sections(path, text))


def _sections(path: str, text: str) -> Iterator[Hub]:
    """Yield the hubs that a text defines."""
    hub: Hub | None = None
    seen: dict[str, int] = {}  # maps sections, and keys of this section, to their lines
    for number, line in enumerate(map(str.strip, text.split("\n")), 1):
        place = f"{path}, line {number}"
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if hub is not None:
                yield _complete(hub)
            hub = Hub(_name(line, place), "", {}, path, number)
            seen = {key: at for key, at in seen.items() if key[0] == "["}
            _note(seen, f"[{hub.name}]", number, place)
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals:  # do not show the line: it could be a secret
            raise Wrong(f"{place}: accepted is [NAME], or a key with a value (url = https://…), or a # comment")
        if hub is None:
            raise Wrong(f"{place}: a section has to begin first: [NAME]")
        key = key.replace("-", "_").lower()
        _note(seen, key, number, place)
        if not value:
            raise Wrong(f"{place}: {key} has no value")
        if key == "url":
            hub = hub._replace(url=_url(value, place))
        else:
            hub.arguments.update(_argument(key, value, path, place))
    if hub is not None:
        yield _complete(hub)


def _note(seen: dict[str, int], name: str, number: int, place: str) -> None:
    if name in seen:
        raise Wrong(f"{place}: {name} is there already, in line {seen[name]}")
    seen[name] = number


def _name(line: str, place: str) -> str:
    name = line[1:-1].strip()
    if not line.endswith("]") or not _NAME.fullmatch(name):
        raise Wrong(f"{place}: a section is [NAME]; accepted in a name are letters, digits and . _ -")
    if name == "DEFAULT":
        raise Wrong(f"{place}: there are no defaults for all hubs; each hub has a section with its own name")
    return name


def _complete(hub: Hub) -> Hub:
    if not hub.url:
        raise Wrong(f"{hub.path}, line {hub.line}: [{hub.name}] has no url")
    return hub


def _url(value: str, place: str) -> str:
    if not re.match(r"https?://[^/]", value):
        raise Wrong(f"{place}: url is not valid; accepted is https://host[:port]/path")
    if "@" in value.split("/")[2]:
        raise Wrong(f"{place}: url holds credentials (user:password@): take them out, the ticket authenticates")
    return value


def _argument(key: str, value: str, path: str, place: str) -> dict[str, Any]:
    """Return the transport's argument for a key, by its name. Return nothing for a switch that is off."""
    if key in _REFUSED:
        raise Wrong(f"{place}: {key} is not accepted here: {_REFUSED[key]}")
    name = _KEYS.get(key)
    if name is None:
        import difflib

        close = difflib.get_close_matches(key, ["url", *_KEYS], 1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        keys = ", ".join(sorted({"url", *_KEYS} - _REFUSED.keys()))
        raise Wrong(f"{place}: there is no key {key!r}{meant}; accepted are {keys}")
    option = OPTIONS[name]
    if key == "proxy" and "@" in value:
        raise Wrong(f"{place}: proxy holds a password, and no secret is read from this file: put it into https_proxy")
    if option.kind == "constant":
        if value.lower() not in _SWITCH:
            raise Wrong(f"{place}: {key} is {value!r}; accepted is yes or no")
        return {name: option.value} if _SWITCH[value.lower()] else {}
    return {name: _located(value, path) if key in _PATHS else _checked(name, option, key, value, place)}


def _located(value: str, path: str) -> str:
    """Return a path of the file: ``~`` is the home, and a relative path starts at the folder of the file."""
    if re.match(r"[A-Za-z]+:", value):  # a type of credential cache or keytab, DIR:/path
        return value
    return os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(value))


def _checked(name: str, option: Option, key: str, value: str, place: str) -> Any:
    try:
        read = read_value(option, value)
    except ValueError:
        accepted = f"one of {', '.join(option.value)}" if option.kind == "choice" else _ACCEPTED[option.kind]
        raise Wrong(f"{place}: {key} is {value!r}; accepted is {accepted}") from None
    try:
        Settings("https", {name: read})
    except ImportError:
        pass  # the transport says so
    except (TypeError, ValueError) as error:
        raise Wrong(f"{place}: {told(message_of(error), _TERMS)}") from error
    return read
