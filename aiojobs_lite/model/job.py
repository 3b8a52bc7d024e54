"""A job, its states, and the writes that move it. Pure data: no I/O, no clock.

`TRANSITIONS` is the one table of what may follow what. The SQL trigger, the diagram of the README and
a test all agree with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from aiojobs_lite.clock import to_datetime

Priority = Literal["high", "medium", "low"]
PRIORITIES: Mapping[str, int] = {"high": 0, "medium": 1, "low": 2}
PRIORITY_NAMES: tuple[Priority, ...] = ("high", "medium", "low")


class Status(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    DEAD = "dead"
    CANCELLED = "cancelled"


FINISHED = frozenset({Status.COMPLETED, Status.DEAD, Status.CANCELLED})


class Outcome(StrEnum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LOST = "lost"
    SNOOZED = "snoozed"


TRANSITIONS: Mapping[tuple[Status, Status], str] = {
    (Status.PENDING, Status.PROCESSING): "claim",
    (Status.PENDING, Status.CANCELLED): "cancel",
    (Status.PROCESSING, Status.COMPLETED): "succeeded",
    (Status.PROCESSING, Status.PENDING): "retry, snooze, interrupt, rescue, park",
    (Status.PROCESSING, Status.DEAD): "attempts used up, Abandon, crashed",
    (Status.PROCESSING, Status.CANCELLED): "cancel",
    (Status.DEAD, Status.PENDING): "redrive",
    (Status.CANCELLED, Status.PENDING): "redrive",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that did not succeed, as it was recorded.

    Attributes:
        attempt: Its number, from 1.
        outcome: How it ended.
        started_at: When the handler was claimed, UTC.
        ended_at: When the end was recorded, UTC.
        owner: The runner instance that ran it.
        error_type: Name of the exception's class, or None.
        message: Its text, shortened to 2,000 characters, or None.
        traceback: Its traceback without local variables, shortened to 20,000 characters, or None.
    """

    attempt: int
    outcome: Outcome
    started_at: datetime | None
    ended_at: datetime
    owner: str
    error_type: str | None
    message: str | None
    traceback: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """One persisted request to run something, as it stood when it was read.

    Attributes:
        id: Unique for ever in this database.
        type: The name of its job type.
        payload_json: The handler's arguments by name, as a JSON object.
        status: Where it stands.
        priority: `high`, `medium` or `low`.
        attempts: Attempts spent so far.
        max_attempts: All attempts it may have.
        scheduled_at: The earliest time that it may run, UTC.
        created_at: When it was enqueued, UTC.
        started_at: When the latest attempt was claimed, UTC, or None.
        completed_at: When it became completed, dead or cancelled, UTC, or None.
        owner: The runner instance that runs it, or None.
        idempotency_key: Unique per type, or None.
        error: Type and message of the latest failure, or None.
        reason: Why it is dead or cancelled, or why its result was not kept, or None.
        result_json: What the handler returned, as JSON, or None.
        interruptions: How often a drain stopped it.
        snoozes: How often it snoozed.
        crashes: How often its owner died.
        cancel_requested: A cancel was asked for and its owner has not yet stopped it.
        interrupted: A drain left it running; when its owner ends, the attempt is given back.
        parked: Why it cannot be claimed (its payload no longer fits the handler), or None.
        schedule: The cron schedule that made it, or None.
        tick: The instant of that schedule, UTC, or None.
        history: The attempts that did not succeed, oldest first; filled by `runner.jobs.get` only.
    """

    id: int
    type: str
    payload_json: str
    status: Status
    priority: Priority
    attempts: int
    max_attempts: int
    scheduled_at: datetime
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    owner: str | None
    idempotency_key: str | None
    error: str | None
    reason: str | None
    result_json: str | None
    interruptions: int
    snoozes: int
    crashes: int
    cancel_requested: bool
    interrupted: bool
    parked: str | None
    schedule: str | None
    tick: datetime | None
    history: tuple[Attempt, ...] = field(default=(), compare=False)

    @property
    def payload(self) -> dict[str, Any]:
        """The handler's arguments by name, as plain JSON values."""
        decoded: dict[str, Any] = json.loads(self.payload_json)
        return decoded

    @property
    def result(self) -> Any:
        """What the handler returned, as plain JSON values; None if nothing was returned or kept."""
        return None if self.result_json is None else json.loads(self.result_json)

    @property
    def finished(self) -> bool:
        """Whether it is completed, dead or cancelled."""
        return self.status in FINISHED


class Claimed(NamedTuple):
    """What an owner is given to run one attempt. `(id, attempt, owner)` is the fencing token."""

    id: int
    type: str
    payload: str
    priority: int
    scheduled_at: int
    attempt: int
    max_attempts: int
    created_at: int
    started_at: int
    interruptions: int
    snoozes: int
    crashes: int
    tick: int | None
    owner: str

    @property
    def tick_at(self) -> datetime | None:
        """The instant of the cron schedule that made the job, UTC, or None."""
        return None if self.tick is None else to_datetime(self.tick)


class Failure(NamedTuple):
    """What is recorded of an exception."""

    error_type: str
    message: str
    traceback: str | None

    @property
    def summary(self) -> str:
        """Type and message on one line."""
        message = " ".join(self.message.split())
        return f"{self.error_type}: {message}" if message else self.error_type
