"""What a handler of `on_dead` is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["DeadJob", "OnDead"]


@dataclass(frozen=True, slots=True)
class DeadJob:
    """One job that has just died, as its last attempt left it.

    Attributes:
        id: The job's id.
        type: The name of its job type.
        attempt: The number of its last attempt.
        max_attempts: All attempts that it may have.
        payload: The handler's arguments by name, as plain JSON values.
        label: What `using(label=...)` gave it, or None.
        created_at: When it was enqueued, UTC.
        reason: Why it is dead: such as `all 5 attempts used up` or `crashed`.
        error: What the last attempt raised. If only the record of that is left (the attempt ran in another process, or
            its process died), a `RecordedError`.
        traceback: The traceback as it is stored: without local variables; empty if there is none.
    """

    id: int
    type: str
    attempt: int
    max_attempts: int
    payload: dict[str, Any]
    label: str | None
    created_at: datetime
    reason: str
    error: BaseException
    traceback: str


OnDead = Callable[[DeadJob], Any]
"""What is called with a job that has died: an `async def`, or a plain function, which runs in a thread."""
