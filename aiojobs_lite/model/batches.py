"""Batches: jobs that are counted together, and what is enqueued when the last of them has ended.

A job of a batch *has ended* when it is completed, dead or cancelled, or was deleted before. A batch is *open* while its
block runs, and *complete* when the block and all that the batch holds have ended: its jobs, and the batches in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.job import NewJob
from aiojobs_lite.model.json_form import JsonForm
from aiojobs_lite.model.writes import Insert, Inserted, unanswered


class BatchStatus(StrEnum):
    """Where a batch stands.

    - `open`: its block runs.
    - `closed`: its block has ended as it should; not all that it holds has ended.
    - `abandoned`: its block failed, or its runner ended before it: it enqueues nothing when it is complete.
    - `succeeded`, `dead`, `failed`: it is complete. All its jobs are completed; or one of them is dead; or neither.
    """

    OPEN = "open"
    CLOSED = "closed"
    ABANDONED = "abandoned"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BatchStats(JsonForm):
    """A batch as it stood when it was read.

    Attributes:
        id: Unique for ever in this database.
        status: Where it stands.
        is_abandoned: Whether its block failed, or its runner ended before it.
        parent: The batch that it is in, or None.
        total: Its jobs.
        unfinished: What has not ended: of its jobs, and of the batches in it.
        completed: Its jobs that are completed.
        dead: Its jobs that are dead.
        cancelled: Its jobs that are cancelled.
        deleted: Its jobs that were deleted before they had ended.
        batches: The batches in it.
        created_at: When it was opened, UTC.
        completed_at: When it became complete, UTC, or None.
    """

    id: int
    status: BatchStatus
    is_abandoned: bool
    parent: int | None
    total: int
    unfinished: int
    completed: int
    dead: int
    cancelled: int
    deleted: int
    batches: int
    created_at: datetime
    completed_at: datetime | None

    @property
    def is_complete(self) -> bool:
        """Whether its block and all that it holds have ended."""
        return self.completed_at is not None


BatchEvent = Literal["complete", "success", "dead"]
"""When a callback is enqueued: when the batch is complete; when all its jobs are completed, later by a redrive perhaps;
when it is complete and a job of it, or of a batch in it, is dead.
"""


class Callback(NamedTuple):
    """A job that a batch enqueues once.

    Attributes:
        event: When.
        row: The job. It is due as long after the event as its `scheduled_at` lies behind its `created_at`.
    """

    event: BatchEvent
    row: NewJob


class OpenBatch(NamedTuple):
    """Makes a batch, which is open. Answer: its id, which no other batch ever has; None if the batch that it was to be
    in takes nothing more.

    Attributes:
        owner: The runner whose block it is.
        parent: The batch that it is in, or None. It counts there until it is complete.
        is_member: See `InsertInBatch`.
    """

    owner: str
    parent: int | None
    is_member: bool

    def answer(self) -> int | None:
        """See `Write`."""
        unanswered()


class InsertInBatch(NamedTuple):
    """Adds jobs to a batch, as `Insert` does, with which it shares a phase. Answer: as that of `Insert`; None if the
    batch takes no more jobs, which is looked at when all writes before that phase are done. Then nothing was inserted.

    - A batch takes jobs while it is open; from a job of its own, also until it is complete, or is again. What the same
      transaction ends counts as not ended.
    - A row whose (type, idempotency key) is taken makes no job, and the one that has it is not added.

    Attributes:
        batch: The batch.
        is_member: Whether a running job of the batch adds them.
        rows: The jobs.
    """

    batch: int
    is_member: bool
    rows: tuple[NewJob, ...]

    def answer(self) -> list[Inserted] | None:
        """See `Write`."""
        unanswered()


INSERTS = frozenset({Insert, InsertInBatch})
"""The writes that add jobs in the phase of the claim."""


class CloseBatch(NamedTuple):
    """Ends the block of a batch, once. Answer: whether it is, or was, closed as it should; None without a batch.

    At the end of its transaction a batch that is complete then enqueues its callbacks, in the order of the events: each
    once, as jobs of the batch that it is in, if it is in one. A callback whose idempotency key is taken makes no job.

    Attributes:
        batch: The batch.
        callbacks: What it enqueues.
        is_abandoned: Whether the block failed; then it enqueues nothing.
    """

    batch: int
    callbacks: tuple[Callback, ...]
    is_abandoned: bool

    def answer(self) -> bool | None:
        """See `Write`."""
        unanswered()


class AbandonBatches(NamedTuple):
    """Ends the blocks of all batches that these owners have open, as ones that failed. Answer: the batches, by id."""

    owners: tuple[str, ...]

    def answer(self) -> tuple[int, ...]:
        """See `Write`."""
        unanswered()


class CancelledPage(NamedTuple):
    """Jobs that were cancelled, each with its type, and the job behind which a batch goes on; None at its end."""

    jobs: tuple[tuple[int, str], ...]
    next: int | None


class CancelBatch(NamedTuple):
    """Cancels the pending jobs of a batch among its next ones by id, of which at most `limit` are looked at. Answer: a
    `CancelledPage`.

    Attributes:
        batch: The batch.
        reason: Why, or None.
        limit: The size of a page.
        after: The `next` of the page before.
    """

    batch: int
    reason: str | None
    limit: int
    after: int | None = None

    def answer(self) -> CancelledPage:
        """See `Write`."""
        unanswered()


class GetBatch(NamedTuple):
    """One batch. Answer: its `BatchStats`, or None."""

    batch: int

    def answer(self) -> BatchStats | None:
        """See `Query`."""
        unanswered()


class FindBatchOf(NamedTuple):
    """The batch that a job is in. Answer: its id, or None."""

    job: int

    def answer(self) -> int | None:
        """See `Query`."""
        unanswered()


class ListBatchOwners(NamedTuple):
    """The owners of all batches that are open, those of living runners included. Answer: their ids."""

    def answer(self) -> set[str]:
        """See `Query`."""
        unanswered()


class BatchRow(NamedTuple):
    """A batch as a store keeps it. Instants in microseconds; `unfinished` has one more while it is open.

    Attributes:
        batches: The batches in it.
        batches_succeeded: Those of them that are complete, and all jobs of which are completed.
        batches_dead: Those that are complete with a dead job.
        outcome: How it was complete, or None.
    """

    id: int
    parent: int | None
    owner: str | None
    is_abandoned: bool
    total: int
    unfinished: int
    completed: int
    dead: int
    cancelled: int
    deleted: int
    batches: int
    batches_succeeded: int
    batches_dead: int
    outcome: str | None
    created_at: int
    completed_at: int | None

    @property
    def outcome_now(self) -> BatchStatus:
        """How it is complete, by its counts."""
        if self.completed == self.total and self.batches_succeeded == self.batches:
            return BatchStatus.SUCCEEDED
        return BatchStatus.DEAD if self.dead or self.batches_dead else BatchStatus.FAILED

    @property
    def events(self) -> tuple[BatchEvent, ...]:
        """What happens to a batch that nothing is unfinished of."""
        found: list[BatchEvent] = [] if self.outcome else ["complete"]
        outcome = self.outcome_now
        if outcome is BatchStatus.SUCCEEDED and self.outcome != outcome:
            found.append("success")
        elif outcome is BatchStatus.DEAD and self.outcome is None:
            found.append("dead")
        return tuple(found)

    def takes_jobs(self, *, of_member: bool) -> bool:
        """Whether jobs may be added to it."""
        return self.unfinished > 0 and (of_member or self.owner is not None)


def stats_of(row: BatchRow) -> BatchStats:
    """The stats of a batch as it is kept."""
    status = BatchStatus.CLOSED
    if row.outcome is not None:
        status = BatchStatus(row.outcome)
    elif row.owner is not None:
        status = BatchStatus.OPEN
    elif row.is_abandoned:
        status = BatchStatus.ABANDONED
    completed_at = None if row.completed_at is None else to_datetime(row.completed_at)
    return BatchStats(
        row.id, status, bool(row.is_abandoned), row.parent, row.total, row.unfinished - (row.owner is not None),
        row.completed, row.dead, row.cancelled, row.deleted, row.batches, to_datetime(row.created_at), completed_at,
    )  # fmt: skip
