"""Large replies like those of real hubs. They are the same in each run, and each process encodes them only once.

The hub (`hub.py`) answers the call ``sample(kind, length)`` with them. The benchmark also decodes them without a hub.
Apache runs this module with the system's Python, so it needs no other package.
"""

import functools
import gzip
import random
from typing import Any, Callable, NamedTuple, Optional
from xmlrpc.client import Binary, dumps, loads


class Encoded(NamedTuple):
    """A reply, ready to be sent."""

    plain: bytes
    zipped: Optional[bytes]
    """The same by gzip. Only text has it: Koji's hub compresses nothing, and packages are compressed already."""


def text(length: int) -> str:
    """Return so much text like that of a log."""
    return (_LOG * (length // len(_LOG) + 1))[:length]


def builds(count: int) -> list[dict[str, Any]]:
    """Return builds, with 16 members each, as Koji's ``listTagged`` returns them."""
    return [_build(number) for number in range(count)]


def owners(count: int) -> list[dict[str, Any]]:
    """Return small structs."""
    return [
        {"id": number, "name": f"maintainer-{number}", "enabled": number % 7 != 0, "packages": number * 31 % 200}
        for number in range(count)
    ]


def trees(count: int) -> list[dict[str, Any]]:
    """Return structs that hold structs, 20 deep."""
    return [functools.reduce(_parent, range(19), {"id": number, "name": f"leaf-{number}"}) for number in range(count)]


def rows(count: int) -> list[list[Any]]:
    """Return arrays of small values, 20 in each."""
    return [[number, f"row {number}", number % 3 == 0, number / 8] * 5 for number in range(count)]


def package(length: int) -> Binary:
    """Return so many bytes that cannot be compressed, like those of a package."""
    return Binary(random.Random(length).randbytes(length))


KINDS: dict[str, Callable[[int], Any]] = {
    "text": text,
    "builds": builds,
    "owners": owners,
    "trees": trees,
    "rows": rows,
    "package": package,
}
"""The kinds of samples. The length of a text or a package is in characters or bytes; the others have so many items."""


def length_of(value: Any) -> int:
    """Return the length of a decoded sample."""
    return len(value.data) if isinstance(value, Binary) else len(value)


@functools.cache
def encoded(kind: str, length: int) -> Encoded:
    """Return a sample as a reply, as Python encodes it."""
    plain = dumps((KINDS[kind](length),), methodresponse=True, allow_none=True).encode()
    return Encoded(plain, gzip.compress(plain, 1) if kind == "text" else None)


def reply_to(call: bytes) -> Optional[Encoded]:
    """Return the reply to a call of ``sample``, or None if it is another call."""
    if b"<methodName>sample</methodName>" not in call[:200]:
        return None
    return encoded(*loads(call)[0])


def _parent(child: dict[str, Any], level: int) -> dict[str, Any]:
    return {"id": level, "name": f"level-{level}", "child": child}


def _build(number: int) -> dict[str, Any]:
    package_id = number * 7919 % 25000
    name = f"{_WORDS[number % len(_WORDS)]}-{_WORDS[package_id % len(_WORDS)]}"
    version, release = f"{number % 9}.{number % 31}.{number % 5}", f"{number % 12 + 1}.el9"
    return {
        "id": 2400000 + number,
        "build_id": 2400000 + number,
        "nvr": f"{name}-{version}-{release}",
        "name": name,
        "package_id": package_id,
        "package_name": name,
        "version": version,
        "release": release,
        "epoch": None if number % 4 else number % 3,
        "state": 1,
        "completion_time": f"2024-{number % 12 + 1:02}-{number % 28 + 1:02} {number % 24:02}:07:17.482913",
        "task_id": 110000000 + number * 13,
        "tag_id": 70000 + number % 5,
        "tag_name": "dist-9-candidate",
        "owner_name": f"user-{number % 400}",
        "draft": number % 97 == 0,
    }


_WORDS = ("python", "libreoffice", "kernel", "perl", "texlive", "golang-github", "rubygem", "gnome", "rust", "ghc")

# Lines of 80 columns; more of them than gzip looks back, so that repeating them does not compress to nothing.
_LOG = "".join(
    f"2024-02-29 12:{n // 60:02}:{n % 60:02} build-{n:04} <done> & unpacked {n * 2654435761**3 % 16**31:031x}\n"
    for n in range(1000)
)
