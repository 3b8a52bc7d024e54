"""The attempt whose handler runs: a context variable, set in the context of each attempt."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Protocol


class AttemptOfJob(Protocol):
    """What names an attempt."""

    @property
    def id(self) -> int:
        """The job."""

    @property
    def type(self) -> str:
        """Its job type."""

    @property
    def attempt(self) -> int:
        """The number of the attempt."""


CURRENT: ContextVar[tuple[AttemptOfJob, Mapping[Any, Any], threading.Event | None, str, Any] | None] = ContextVar(
    "aiojobs_lite job", default=None
)
"""In a handler its context, or what was claimed, as most handlers take none; its resources; what says that it stops;
the id of the database; what takes its reports.
"""
