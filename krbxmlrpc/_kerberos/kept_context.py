"""Keeps one GSSAPI context alive.

While a context of the process lives, libkrb5 shares the parsed krb5.conf between contexts. Without one, it parses the
files again for each ticket. It notices a change of the main file, but not of an included file. So the context has to go
when `krb5_conf` notices a change.
"""

from __future__ import annotations

from typing import Any

from .krb5_conf import Configuration

_kept: list[tuple[Configuration, Any]] = []


def release_if_changed(configuration: Configuration) -> None:
    """Let go of the context if it was made with another configuration than the present one."""
    if _kept and _kept[0][0] is not configuration:
        _kept.clear()


def keep(configuration: Configuration, handle: Any) -> None:
    """Keep a context, if none is kept.

    Args:
        handle: the object of the GSSAPI library. It must refer to no credentials.
    """
    if not _kept:
        _kept[:] = [(configuration, handle)]
