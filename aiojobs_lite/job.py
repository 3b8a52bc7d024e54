"""A job, its states, and the writes that move it. Pure data: no I/O, no clock.

`TRANSITIONS` is the one table of what may follow what. The SQL trigger, the diagram of the README and
a test all agree with it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
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


# The writes. Each is one fact to be made durable; a store applies many in one transaction.


class NewJob(NamedTuple):
    """One job to be inserted. Times in microseconds since 1970 UTC."""

    type: str
    payload: str
    priority: int
    scheduled_at: int
    max_attempts: int
    created_at: int
    idempotency_key: str | None = None
    schedule: str | None = None
    tick: int | None = None


class Inserted(NamedTuple):
    """The answer to one `NewJob`: its id, and whether this write made it."""

    id: int
    is_new: bool


class Insert(NamedTuple):
    """Adds jobs, all or none. Answer: a list of `Inserted`, in the order of `rows`."""

    rows: tuple[NewJob, ...]


class Claim(NamedTuple):
    """Marks due jobs `processing` for `owner`, one attempt each. Answer: `ClaimAnswer`.

    Only types in `slots` are claimed, at most that many of each and `limit` in all, by priority, then
    `scheduled_at`, then id. `concurrency` bounds the processing jobs of a type over all owners. `look_at` names
    the types that may have due jobs in the store; jobs inserted by the same transaction are claimed as well.
    """

    owner: str
    limit: int
    slots: Mapping[str, int]
    concurrency: Mapping[str, int]
    look_at: Collection[str]


class ClaimAnswer(NamedTuple):
    """Jobs claimed, and the types held back by their limit over all owners or by a pause."""

    jobs: list[Claimed]
    held_back: frozenset[str]


class Finish(NamedTuple):
    """Ends an attempt, if `(id, attempt, owner)` still holds it. Answer: whether it did."""

    id: int
    type: str
    attempt: int
    owner: str
    outcome: Outcome
    status: Status
    attempts: int
    scheduled_at: int
    started_at: int
    interruptions: int
    snoozes: int
    crashes: int
    result: str | None = None
    reason: str | None = None
    failure: Failure | None = None
    parked: str | None = None

    def cancelled(self) -> Finish:
        """The same end for a job that somebody asked to cancel: what would run again does not."""
        if self.status is not Status.PENDING:
            return self
        return self._replace(status=Status.CANCELLED, reason="cancel requested", parked=None)


class Cancel(NamedTuple):
    """Cancels a pending job, or asks the owner of a processing one to. Answer: its status after, or None."""

    id: int
    reason: str | None


class MarkInterrupted(NamedTuple):
    """Notes that a drain left this attempt running: its rescue gives the attempt back. Answer: whether it held."""

    id: int
    attempt: int
    owner: str


class Redrive(NamedTuple):
    """Sends dead or cancelled jobs back to pending with all their attempts: one by id, or the dead ones of a type
    (`id` None; `type` None: of every type). Answer: how many.
    """

    id: int | None
    type: str | None


class Delete(NamedTuple):
    """Deletes a job that is not processing. Answer: the status it had (unchanged if processing), or None."""

    id: int


class Pause(NamedTuple):
    """Stops (or lets go on) the claims of a type, for all owners, until changed. Answer: None."""

    type: str
    paused: bool


class Unpark(NamedTuple):
    """Makes the parked jobs of these types claimable again. Answer: how many."""

    types: tuple[str, ...]


class Prune(NamedTuple):
    """Deletes at most `limit` jobs that completed, or died or were cancelled, before these instants, and ticks
    before `ticks_before`. Answer: how many jobs.
    """

    completed_before: int
    dead_before: int
    ticks_before: int
    limit: int


class SetSchedule(NamedTuple):
    """Stores a schedule. An unchanged expression keeps the stored next tick. Answer: the next tick in force."""

    name: str
    expression: str
    tz: str
    next_tick: int


class Tick(NamedTuple):
    """Fires a schedule at one instant, once for all owners, and moves its next tick. Answer: `TickAnswer`."""

    schedule: str
    tick: int
    next_tick: int
    row: NewJob | None
    skip_overlap: bool


class TickAnswer(NamedTuple):
    """`fired`, `duplicate`, `overlap` or `skipped`, and the id of the job that was made."""

    what: Literal["fired", "duplicate", "overlap", "skipped"]
    job_id: int | None = None


Write = (
    Insert | Claim | Finish | Cancel | MarkInterrupted | Redrive | Delete | Pause | Unpark | Prune | SetSchedule | Tick
)
