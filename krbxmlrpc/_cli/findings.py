"""The outcome of a step of ``krbxmlrpc check``."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class State(str, enum.Enum):
    """The result of a step."""

    OK = "ok"
    WARNING = "warning"
    """The step does not fail, but shows something that the user should know."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """The step was not tried."""


@dataclass(frozen=True)
class Finding:
    """The outcome of a step."""

    state: State
    found: str
    """The outcome in words."""
    remedy: str | None = None
    """Advice for the user."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The outcome for programs, in JSON's types."""
    step: str = ""
    """The name of the step."""
    because: str = ""
    """The step that failed first, if this step was skipped because of it."""
