"""The writes: each is one fact to be made durable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from aiojobs_lite.model.job import Claimed, Failure, Outcome, Status

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
