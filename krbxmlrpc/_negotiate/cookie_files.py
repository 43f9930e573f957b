"""Reads and replaces the file of a cookie jar. Checks who owns the file, and keeps the principals of its sessions.

The formats of `http.cookiejar` have no field for the principal of a session. In Mozilla's format this module adds a
comment for each cookie that has one. LWP's format keeps it by itself, and other formats lose it.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import warnings
from contextlib import nullcontext
from http.cookiejar import Cookie, LoadError, MozillaCookieJar
from typing import Any
from urllib.parse import quote, unquote

from .._hints import Hint

MAX_LINKS = 40
"""The most links that lead to a file of cookies. Linux follows as many."""

_PRINCIPAL = "krbxmlrpc-principal"
_COMMENT = f"# {_PRINCIPAL}:"


def principal_of(cookie: Cookie) -> str | None:
    """Return the principal whose verified exchange set a cookie; None if it is unknown."""
    return cookie.get_nonstandard_attr(_PRINCIPAL)


def set_principal(cookie: Cookie, principal: str) -> None:
    """Record the principal of a cookie."""
    cookie.set_nonstandard_attr(_PRINCIPAL, principal)


def check_owner(path: str) -> None:
    """Refuse a file of cookies that others control: its cookies could make calls under their session.

    A link counts as its owner's choice of a file, because the store reads and replaces the file behind the link.

    Raises:
        ValueError: the file is not this user's alone.
    """
    for _ in range(MAX_LINKS):
        try:
            status = os.lstat(path)
        except OSError:  # there is no such file, or reading it says why not
            return
        is_link = stat.S_ISLNK(status.st_mode)
        if status.st_uid != os.geteuid() and not (is_link and status.st_uid == 0):
            raise ValueError(
                Hint(
                    "{name.cookiejar} has a {kind} of another user (uid {owner}): {path}; accepted is your own file",
                    kind="link" if is_link else "file",
                    owner=status.st_uid,
                    path=path,
                )
            )
        if stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(
                Hint("{name.cookiejar} has a file that others may write: {path}; run chmod go-w on it", path=path)
            )
        if not is_link:
            return
        path = os.path.join(os.path.dirname(path), os.readlink(path))


def load(jar: Any, path: str) -> None:
    """Load a file of cookies if it exists. An empty file holds no cookies.

    Raises:
        ValueError: the file is damaged.
        OSError: the file cannot be read.
    """
    if os.path.isdir(path):
        raise _not_readable(IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)), path)
    if not os.path.exists(path) or not os.path.getsize(path):
        return
    damaged = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # http.cookiejar warns, and then raises the error as well
        try:
            jar.load(path, ignore_discard=True)
            if isinstance(jar, MozillaCookieJar):
                _read_principals(jar, path)
        except OSError as error:
            if not isinstance(error, LoadError):
                raise _not_readable(error, path) from error
            damaged = True
        except ValueError:
            damaged = True
    if damaged:  # raised outside the except clause: the error must not refer to the first one, which quotes the file
        raise ValueError(
            Hint(
                "{name.cookiejar} has a file that is damaged, or that was not saved by a {kind}: {path}; accepted is a "
                "file that a {kind} saved, or no file: move the damaged file away",
                kind=type(jar).__name__,
                path=path,
            )
        )


def _not_readable(error: OSError, path: str) -> OSError:
    """Return an error of the same kind that names the argument."""
    why = Hint("{name.cookiejar} has a file that cannot be read: {why}", why=error.strerror or "")
    return OSError(error.errno, why, path)


def write(jar: Any, path: str) -> None:
    """Replace a file of cookies in one step; only the owner can read the new file.

    Raises:
        OSError: the file cannot be written, or its format cannot hold one of the cookies.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=".cookies-", dir=os.path.dirname(path))  # mode 0600
    os.close(descriptor)
    saved = False
    try:
        with jar._cookies_lock if hasattr(jar, "_cookies_lock") else nullcontext():
            jar.save(temporary, ignore_discard=True)
            if isinstance(jar, MozillaCookieJar):
                _add_principals(jar, temporary)
        os.replace(temporary, path)
        saved = True
    except ValueError:
        pass  # its message may quote the cookie
    finally:
        if not saved:
            os.unlink(temporary)
    if not saved:
        raise OSError(f"{path}: its format, or this locale's encoding, cannot hold one of the cookies")


def _add_principals(jar: MozillaCookieJar, path: str) -> None:
    lines = [
        f"{_COMMENT} {' '.join(quote(part) for part in (principal, *_key(cookie)))}\n"
        for cookie in jar
        for principal in [principal_of(cookie)]
        if principal is not None
    ]
    with open(path, "a", encoding="ascii") as file:
        file.writelines(lines)


def _read_principals(jar: MozillaCookieJar, path: str) -> None:
    with open(path, encoding="utf-8", errors="replace") as file:
        records = [line[len(_COMMENT) :].split() for line in file if line.startswith(_COMMENT)]
    principals = {tuple(map(unquote, key)): unquote(principal) for principal, *key in filter(None, records)}
    for cookie in jar:
        principal = principals.get(_key(cookie))
        if principal is not None:
            set_principal(cookie, principal)


def _key(cookie: Cookie) -> tuple[str, ...]:
    return cookie.domain, cookie.path, cookie.name
