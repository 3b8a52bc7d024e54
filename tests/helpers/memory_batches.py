"""The batches of a store of plain Python; written from `model/batches.py` alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiojobs_lite.model.batches import (
    AbandonBatches,
    BatchRow,
    BatchStats,
    BatchStatus,
    Callback,
    CancelBatch,
    CancelledPage,
    CloseBatch,
    FindBatchOf,
    GetBatch,
    ListBatchOwners,
    OpenBatch,
    stats_of,
)
from aiojobs_lite.model.job import FINISHED, Status
from aiojobs_lite.model.writes import CancelJob, Inserted, Prune

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


@dataclass
class Batches:
    """All batches of a database.

    Attributes:
        rows: By id.
        callbacks: What each will still enqueue.
        of_job: The batch of each job that is in one.
        last_id: The highest id that was given.
    """

    rows: dict[int, BatchRow] = field(default_factory=dict)
    callbacks: dict[int, tuple[Callback, ...]] = field(default_factory=dict)
    of_job: dict[int, int] = field(default_factory=dict)
    last_id: int = 0

    def copy(self) -> Batches:
        """The same, to be changed by one transaction."""
        return Batches(dict(self.rows), dict(self.callbacks), dict(self.of_job), self.last_id)


class Moves:
    """What one transaction does to the counts: they move at its end.

    Args:
        batches: What is changed.
    """

    def __init__(self, batches: Batches) -> None:
        self._batches = batches
        self._moved: list[tuple[int, str, int]] = []

    def add(self, batch: int, **counts: int) -> None:
        """Moves counts of a batch."""
        self._moved += [(batch, name, by) for name, by in counts.items()]

    def job(self, job_id: int, before: Status, after: Status | None) -> None:
        """A job stands elsewhere; None: it was deleted."""
        was, now = (_counted(status) for status in (before, after))
        batch = self._batches.of_job.get(job_id)
        if batch is not None and was != now and not (before in FINISHED and after is None):
            self.add(batch, **{was: -1, now: 1})

    def copy(self) -> Moves:
        """The same, to be gone back to."""
        copied = Moves(self._batches)
        copied._moved = list(self._moved)
        return copied

    def carry_out(self) -> list[int]:
        """Moves all; returns the batches that it was about, by id."""
        moved, self._moved = self._moved, []
        rows = self._batches.rows
        for batch, name, by in moved:
            if batch in rows:
                rows[batch] = rows[batch]._replace(**{name: getattr(rows[batch], name) + by})
        return sorted({batch for batch, _, _ in moved if batch in rows})


def _counted(status: Status | None) -> str:
    if status is None:
        return "deleted"
    return str(status) if status in FINISHED else "unfinished"


def open_batch(phases: MemoryPhases, write: OpenBatch) -> int | None:
    """See `OpenBatch`."""
    batches = phases.rows.batches
    if write.parent is not None:
        if not takes_jobs(batches, write.parent, write.is_member):
            return None
        phases.moves.add(write.parent, batches=1, unfinished=1)
    batches.last_id += 1
    batches.rows[batches.last_id] = BatchRow(
        batches.last_id, write.parent, write.owner, False, 0, 1, 0, 0, 0, 0, 0, 0, 0, None, phases.now, None
    )
    return batches.last_id


def add_jobs(phases: MemoryPhases, batch: int, inserted: Sequence[Inserted]) -> None:
    """Adds jobs that were inserted to a batch. One that has ended since, as a claim may end it, counts as such."""
    for job_id in (job_id for job_id, is_new in inserted if is_new):
        phases.rows.batches.of_job[job_id] = batch
        phases.moves.add(batch, total=1, unfinished=1)


def close_batch(phases: MemoryPhases, write: CloseBatch) -> bool | None:
    """See `CloseBatch`."""
    row = phases.rows.batches.rows.get(write.batch)
    if row is None:
        return None
    if row.owner is not None:
        phases.rows.batches.callbacks[write.batch] = () if write.is_abandoned else write.callbacks
        row = _end_block(phases, row, write.is_abandoned)
    return not row.is_abandoned


def abandon_batches(phases: MemoryPhases, write: AbandonBatches) -> tuple[int, ...]:
    """See `AbandonBatches`."""
    found = [row for row in phases.rows.batches.rows.values() if row.owner in write.owners]
    return tuple(_end_block(phases, row, True).id for row in found)


def cancel_batch(phases: MemoryPhases, write: CancelBatch) -> CancelledPage:
    """See `CancelBatch`."""
    of_job = phases.rows.batches.of_job
    jobs = [job for job_id, job in sorted(phases.rows.jobs.items()) if of_job.get(job_id) == write.batch]
    page = [job for job in jobs if job.id > (write.after or 0)][: write.limit]
    pending = [job for job in page if job.status is Status.PENDING]
    for job in pending:
        phases.cancel_job(CancelJob(job.id, write.reason))
    is_full = len(page) == write.limit
    return CancelledPage(tuple((job.id, job.type) for job in pending), page[-1].id if is_full else None)


def prune_batches(batches: Batches, write: Prune, limit: int) -> int:
    """Deletes batches; returns how many."""
    old: list[tuple[int, int]] = []
    for row in batches.rows.values():
        before = write.completed_before if row.outcome == BatchStatus.SUCCEEDED else write.dead_before
        if row.completed_at is not None and row.completed_at < before and not row.unfinished:
            old.append((row.completed_at, row.id))
    gone = [batch for _, batch in sorted(old) if batch != batches.last_id][:limit]
    for batch in gone:
        del batches.rows[batch]
        batches.of_job = {job_id: of for job_id, of in batches.of_job.items() if of != batch}
    return len(gone)


def settle(phases: MemoryPhases) -> None:
    """See `Phases.settle`."""
    while moved := phases.moves.carry_out():
        for row in (phases.rows.batches.rows[batch] for batch in moved):
            if not row.unfinished and row.events:
                _complete(phases, row)


def get_batch(rows: Rows, query: GetBatch) -> BatchStats | None:
    """See `GetBatch`."""
    row = rows.batches.rows.get(query.batch)
    return None if row is None else stats_of(row)


def find_batch_of(rows: Rows, query: FindBatchOf) -> int | None:
    """See `FindBatchOf`."""
    return rows.batches.of_job.get(query.job)


def list_batch_owners(rows: Rows, _query: ListBatchOwners) -> set[str]:
    """See `ListBatchOwners`."""
    return {row.owner for row in rows.batches.rows.values() if row.owner is not None}


def of_batch(batches: Batches, batch: int | None, jobs: Collection[Any]) -> list[Any]:
    """Those of some jobs that are in a batch; None: all."""
    return [job for job in jobs if batch is None or batches.of_job.get(job.id) == batch]


def _complete(phases: MemoryPhases, row: BatchRow) -> None:
    batches, outcome = phases.rows.batches, row.outcome_now
    batches.rows[row.id] = row._replace(outcome=outcome, completed_at=row.completed_at or phases.now)
    enqueued = []
    for event in row.events:
        for callback in batches.callbacks.get(row.id, ()):
            if callback.event == event:
                delay = callback.row.scheduled_at - callback.row.created_at
                enqueued.append(callback.row._replace(created_at=phases.now, scheduled_at=phases.now + delay))
    inserted = [phases.insert(callback) for callback in enqueued]
    phases.enqueued += [(made.id, one) for made, one in zip(inserted, enqueued, strict=True) if made.is_new]
    if row.parent in batches.rows:
        add_jobs(phases, row.parent, inserted)
        phases.moves.add(
            row.parent,
            unfinished=-("complete" in row.events),
            batches_succeeded=outcome is BatchStatus.SUCCEEDED,
            batches_dead=(outcome is BatchStatus.DEAD) - (row.outcome == BatchStatus.DEAD),
        )


def _end_block(phases: MemoryPhases, row: BatchRow, is_abandoned: bool) -> BatchRow:
    ended = phases.rows.batches.rows[row.id] = row._replace(owner=None, is_abandoned=is_abandoned)
    phases.moves.add(row.id, unfinished=-1)
    return ended


def takes_jobs(batches: Batches, batch: int, is_member: bool) -> bool:
    """Whether a batch takes jobs now."""
    row = batches.rows.get(batch)
    return row is not None and row.takes_jobs(of_member=is_member)
