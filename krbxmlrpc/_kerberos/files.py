"""Tells whether a file has changed, and why it cannot be read."""

from __future__ import annotations

import os
from typing import Optional

Version = Optional[tuple[int, ...]]


def file_version(path: str) -> Version:
    """Return numbers that change when a file or folder changes; None if it cannot be looked at."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def is_forbidden(path: str) -> bool:
    """Say whether this user lacks the permission to read a file, or to look into its directory."""
    try:
        with open(path, "rb"):
            return False
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def why_unread(path: str, error: Exception) -> str | None:
    """Return why a file could not be read, for a message. Return None if the error does not tell."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist"
    if isinstance(error, PermissionError):
        return f"{path} may not be read by this user (uid {os.geteuid()})"
    return f"{path} is a directory" if isinstance(error, IsADirectoryError) else None
