"""Uploads of the stand-in for Koji hubs. This module follows kojihub/kojihub.py; see `standin_koji`."""

import hashlib
import os
import zlib
from urllib.parse import parse_qs
from xmlrpc.client import Fault

from standin_koji_sessions import GENERIC, NOT_ALLOWED


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
        normal = os.path.normpath(folder)
        if normal.startswith("..") or os.path.isabs(normal):
            raise Fault(GENERIC, f"Invalid upload directory: {folder}")
        return os.path.join(self.folder, normal, name)

    def store(self, request, data):
        """Store a piece of a file, as the query of the URL says. Return the size and the checksum of the piece."""
        if request.session is None:
            raise Fault(NOT_ALLOWED, "you must be logged-in to upload a file")
        query = parse_qs(request.environ["QUERY_STRING"], strict_parsing=True)
        said = {name: values[0] for name, values in query.items()}
        path = self.path(said.get("filepath", ""), said["filename"])
        overwrite, verify = said.get("overwrite"), said.get("fileverify", "")
        offset = int(said.get("offset", "0"))
        if os.path.exists(path) and offset == 0 and not overwrite:
            raise Fault(GENERIC, f"upload path exists: {path}")
        hexdigest = checksum(verify, data)
        offset = self.write(path, data, offset, overwrite)
        return {"size": len(data), "fileverify": verify, "offset": offset, "hexdigest": hexdigest}

    def write(self, path, data, offset, overwrite):
        """Write data at an offset; -1 is the end of the file. Return the offset."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "r+b" if os.path.exists(path) else "w+b") as file:
            if offset == -1:
                offset = file.seek(0, os.SEEK_END)
            elif overwrite or self.version < (1, 36):
                file.truncate(offset)
            file.seek(offset)
            file.write(data)
            length = file.seek(0, os.SEEK_END)
        expected = offset + len(data)
        if length != expected and not overwrite:
            raise Fault(GENERIC, f"Incorrect upload length for {path} - Expected {expected}, actual {length}")
        return offset

    def described(self, path, verify, tail):
        """Return the size of a file, and its checksum if `verify` names one; None if there is no such file."""
        if not os.path.exists(path):
            return None
        found = {"size": os.path.getsize(path), "mtime": os.path.getmtime(path)}
        if verify:
            with open(path, "rb") as file:
                data = file.read()
            data = data if tail is None else data[max(len(data) - tail, 0) :]
            found.update(hexdigest=checksum(verify, data), sumlength=len(data))
        return found


def checksum(name, data):
    """Return a checksum of data. Without a name, this is a TypeError, as on a real hub."""
    if name and name not in CHECKSUMS:
        raise Fault(GENERIC, f"Unsupported verify type: {name}")
    found = CHECKSUMS.get(name)()
    found.update(data)
    return found.hexdigest()
