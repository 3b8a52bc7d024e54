"""The attempt whose handler runs, and the dead job that `on_dead` is called with: each a context variable."""

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
DEAD: ContextVar[AttemptOfJob | None] = ContextVar("aiojobs_lite dead job", default=None)
"""In a function of `on_dead` the last attempt of the job that has died, which runs no more; elsewhere None."""
