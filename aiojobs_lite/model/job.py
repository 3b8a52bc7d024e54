"""A job and its states. Pure data: no I/O, no clock.

    pending                     enqueue
    ├── processing              claim
    │   ├── completed           succeeded
    │   ├── pending             retry, snooze, interrupt, rescue, hold
    │   ├── dead                attempts used up, Abandon, crashed
    │   │   └── pending         redrive
    │   └── cancelled           cancel
    │       └── pending         redrive
    └── cancelled               cancel, expiry

`TRANSITIONS` is the one table of what may follow what, and why. This drawing, the guard of each store and the diagram
of the documentation agree with it, which tests hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.json_form import JsonForm
from aiojobs_lite.model.payloads import arguments_of, redacted, version_of
from aiojobs_lite.model.unique import UniqueScope

Priority = Literal["high", "medium", "low"]
StatusName = Literal["pending", "processing", "completed", "dead", "cancelled"]
ReasonName = Literal["payload", "after", "event", "listener"]
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
    SUSPENDED = "suspended"


class Held(StrEnum):
    """Why a pending job is not claimed although it is due. A feature that holds jobs back adds its reason here.

    A reason that this release does not know, as another program may have stored it, reads as `UNKNOWN`.
    """

    PAYLOAD = "payload"
    AFTER = "after"
    EVENT = "event"
    LISTENER = "listener"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Held:
        del value
        return cls.UNKNOWN


TRANSITIONS: Mapping[tuple[Status, Status], str] = {
    (Status.PENDING, Status.PROCESSING): "claim",
    (Status.PENDING, Status.CANCELLED): "cancel, expiry",
    (Status.PROCESSING, Status.COMPLETED): "succeeded",
    (Status.PROCESSING, Status.PENDING): "retry, snooze, interrupt, rescue, hold",
    (Status.PROCESSING, Status.DEAD): "attempts used up, Abandon, crashed",
    (Status.PROCESSING, Status.CANCELLED): "cancel",
    (Status.DEAD, Status.PENDING): "redrive",
    (Status.CANCELLED, Status.PENDING): "redrive",
}


@dataclass(frozen=True, slots=True)
class Attempt(JsonForm):
    """One attempt that did not succeed, as it was recorded. As JSON it has `details`.

    Attributes:
        attempt: Its number, from 1; a redrive begins at 1 again.
        outcome: How it ended.
        started_at: When the handler was claimed, UTC.
        ended_at: When the end was recorded, UTC.
        owner: The runner instance that ran it.
        error_type: Name of the exception's class, or None.
        message: Its text, shortened to 2,000 characters, or None.
        traceback: Its traceback without local variables, shortened to 20,000 characters, or None.
        details_json: What `Retry(details=...)` or `Abandon(details=...)` gave, as a JSON object, or None.
    """

    attempt: int
    outcome: Outcome
    started_at: datetime | None
    ended_at: datetime
    owner: str
    error_type: str | None
    message: str | None
    traceback: str | None
    details_json: str | None = None

    @property
    def details(self) -> dict[str, Any] | None:
        """What `Retry(details=...)` or `Abandon(details=...)` gave, as plain JSON values, or None."""
        return None if self.details_json is None else json.loads(self.details_json)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a handler said it is, by `ctx.progress`.

    Attributes:
        fraction: From 0 to 1; None: it is not known.
        text: What it does, or None.
        attempt: The attempt that said so.
        at: When, UTC.
    """

    fraction: float | None
    text: str | None
    attempt: int
    at: datetime


# To add a column, add a field: to `Job`, to `NewJob` if the enqueue gives the value, and to `Claimed` if the handler
# gets it. `model/columns.py` makes the columns of a store from these three classes.
@dataclass(frozen=True, slots=True, repr=False)
class Job(JsonForm):
    """One persisted request to run something, as it stood when it was read. As JSON it has `payload`, `version` and
    `result`.

    Attributes:
        id: Unique for ever in this database.
        type: The name of its job type.
        payload_json: The handler's arguments by name, as a JSON object, behind their version, if it is above 1, and the
            names of those that are secret: in place of their values it has `REDACTED`.
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
        reason: Why it is dead, cancelled or held, or why its result was not kept, or None.
        result_json: What the handler returned, as JSON, or None.
        interruptions: How often a drain stopped it.
        snoozes: How often it snoozed.
        crashes: How often its owner died; of a durable handler, since its latest operation ended.
        cancel_requested: A cancel was requested, and the owner has not yet stopped the job.
        interrupted: A drain left it running; when its owner ends, the attempt is given back.
        held: Why it is pending and not claimed, or None. `payload`: the payload no longer fits the handler;
            `after`: it runs after others, which have not all ended; `event`: it is suspended until an event comes or a
            job ends; `listener`: an event started it for a type that the sender did not know.
        schedule: The cron schedule that made it, or None.
        tick: The instant of that schedule, UTC, or None.
        label: What `using(label=...)` gave it, for people and for lists, or None.
        metadata_json: What `using(metadata=...)` gave it, as a JSON object, or None.
        unique_key: What its type's `Unique`, `Debounce` or `Batch` made of its payload, or None.
        unique_scope: Until when it has that key: `pending` (its first attempt begins), `unfinished`, or None.
        lane: What its limits count it by, a part a line: its type, its priority, then name and key of each limit; or
            None.
        history: The attempts that did not succeed, oldest first, of each outcome the newest 100, those before a
            redrive too; filled by `runner.jobs.get` only.
        progress: What its handler reported last, in whatever attempt, or None; filled by `runner.jobs.get` only.
    """

    _in_json = MappingProxyType({"version": "integer"})

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
    held: Held | None
    schedule: str | None
    tick: datetime | None
    label: str | None = None
    metadata_json: str | None = None
    unique_key: str | None = None
    unique_scope: UniqueScope | None = None
    lane: str | None = None
    history: tuple[Attempt, ...] = field(default=(), compare=False)
    progress: JobProgress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Has the payload show no secret, from whatever store it comes."""
        object.__setattr__(self, "payload_json", redacted(self.payload_json))

    @property
    def payload(self) -> dict[str, Any]:
        """The handler's arguments by name, as plain JSON values; `REDACTED` in place of those that are secret."""
        decoded: dict[str, Any] = json.loads(arguments_of(self.payload_json))
        return decoded

    @property
    def version(self) -> int:
        """The `version` that its job type had when it was enqueued."""
        return version_of(self.payload_json)

    @property
    def metadata(self) -> dict[str, Any]:
        """What `using(metadata=...)` gave it, as plain JSON values; empty if it gave nothing."""
        decoded: dict[str, Any] = json.loads(self.metadata_json) if self.metadata_json else {}
        return decoded

    @property
    def result(self) -> Any:
        """What the handler returned, as plain JSON values; None if nothing was returned or kept."""
        return None if self.result_json is None else json.loads(self.result_json)

    def __repr__(self) -> str:
        """On one line; `dataclasses.asdict` has all fields."""
        error = f": {self.error}" if self.error and self.status is Status.DEAD else ""
        attempts = f"attempts {self.attempts}/{self.max_attempts}"
        return f"<Job {self.type!r} job {self.id} {self.status}, {attempts}{error}>"

    @property
    def is_finished(self) -> bool:
        """Whether it is completed, dead or cancelled."""
        return self.status in FINISHED


class NewJob(NamedTuple):
    """One job to be inserted. Times in microseconds since 1970 UTC. What has no default is bound for every job, what
    has one is None for most.
    """

    type: str
    payload: str
    priority: int
    scheduled_at: int
    max_attempts: int
    created_at: int
    idempotency_key: str | None = None
    schedule: str | None = None
    tick: int | None = None
    label: str | None = None
    metadata: str | None = None
    unique_key: str | None = None
    unique_scope: str | None = None
    lane: str | None = None


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
    label: str | None = None
    metadata: str | None = None

    @property
    def tick_at(self) -> datetime | None:
        """The instant of the cron schedule that made the job, UTC, or None."""
        return None if self.tick is None else to_datetime(self.tick)


class Failure(NamedTuple):
    """What is recorded of an exception. `details`: a JSON object, or None."""

    error_type: str
    message: str
    traceback: str | None
    details: str | None = None

    @property
    def summary(self) -> str:
        """Type and message on one line."""
        message = " ".join(self.message.split())
        return f"{self.error_type}: {message}" if message else self.error_type
