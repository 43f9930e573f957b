"""Notices that a file has changed, without reading it."""

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
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
