"""Reads the imports of a package from its source. `structure` and a test of the package's layers use this."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

NAME = "krbxmlrpc"


def part(name: str) -> str:
    """Return the part that a module of the package, ``krbxmlrpc.x.y``, belongs to."""
    return name.split(".")[1] if "." in name else "__init__"


def part_of(path: Path, package: Path) -> str:
    """Return the part that a file of the package belongs to: a module, or a folder of modules."""
    return part(".".join([NAME, *path.relative_to(package).with_suffix("").parts]))


def imported(path: Path, package: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports, by their full names.

    Args:
        path: the file.
        package: the folder of the package.
    """
    inside = [NAME, *path.relative_to(package).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == NAME)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            if whole == NAME:
                yield from (_module(package, alias.name) for alias in node.names)
            elif whole.startswith(f"{NAME}."):
                yield whole


def _module(package: Path, member: str) -> str:
    """Return the module for ``from package import member``: the member, if it is a module, else the package."""
    is_module = (package / member).is_dir() or (package / f"{member}.py").is_file()
    return f"{NAME}.{member}" if is_module else NAME


def imports_of_parts(package: Path) -> dict[str, set[str]]:
    """Return the other parts that each part of the package imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        own = part_of(path, package)
        others = {part(module) for module in imported(path, package)}
        found.setdefault(own, set()).update(others - {own})
    return found


def needed(imports: dict[str, set[str]]) -> list[tuple[str, str]]:
    """Return the imports without those that follow from others: of a to b, b to c and a to c, the last is left out."""
    reached: dict[str, set[str]] = {}

    def reach(name: str) -> set[str]:
        if name not in reached:
            reached[name] = imports[name].union(*map(reach, imports[name]))
        return reached[name]

    return sorted(
        (name, other)
        for name, others in imports.items()
        for other in others
        if not any(other in reach(third) for third in others - {other})
    )


def at_bottom(imports: dict[str, set[str]]) -> set[str]:
    """Return the parts that import no other part, or only such parts."""
    bottom = {name for name, others in imports.items() if not others}
    return bottom | {name for name, others in imports.items() if others <= bottom}
