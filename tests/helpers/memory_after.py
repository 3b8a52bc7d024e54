"""The jobs of a store of plain Python that run after others; written from `model/after.py` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.admission import Admit, Refused
from aiojobs_lite.model.after import FAILED, After, AfterAnswer, Cancellation, InsertAfter, ListAfter
from aiojobs_lite.model.job import FINISHED, Held, Status
from aiojobs_lite.model.writes import CancelJob
from tests.helpers import memory_batches
from tests.helpers.memory_admission import admit

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows

Waits = dict[int, tuple[frozenset[int], After]]
"""By held job: what it still waits for."""


def insert_after(phases: MemoryPhases, write: InsertAfter) -> AfterAnswer:
    """See `InsertAfter`."""
    rows = phases.rows
    if write.batch is not None and not memory_batches.takes_jobs(rows.batches, write.batch, write.is_member):
        return AfterAnswer((), is_closed=True)
    for after in write.after:
        for job_id in after.jobs:
            if job_id not in rows.jobs:
                return AfterAnswer((), missing=job_id)
    standing = {job_id: rows.jobs[job_id].status for after in write.after for job_id in after.jobs}
    inserted = admit(phases, Admit(write.conditions)) if write.conditions else list(map(phases.insert, write.rows))
    if isinstance(inserted, Refused):
        return AfterAnswer((), refused=inserted)
    if write.batch is not None:
        memory_batches.add_jobs(phases, write.batch, inserted)
    for (job_id, is_new), after in zip(inserted, write.after, strict=True):
        if not is_new:
            continue
        failed = [one for one in after.jobs if standing[one] in FINISHED - {Status.COMPLETED}]
        left = frozenset(one for one in after.jobs if standing[one] not in FINISHED)
        if failed and not after.runs_anyway:
            _cancel(phases, job_id, min(failed), standing[min(failed)])
        elif left:
            rows.waits[job_id] = left, after
            job = rows.jobs[job_id]
            if job_id in rows.expiries:
                rows.expiries[job_id] += phases.now - to_micros(max(job.scheduled_at, job.created_at))
            phases.put(job, held=Held.AFTER, scheduled_at=to_datetime(phases.now))
    return AfterAnswer(tuple(inserted))


def settle(phases: MemoryPhases) -> None:
    """Releases or cancels what waited for the jobs that have ended, round by round."""
    waits = phases.rows.waits
    while phases.ended:
        ended, phases.ended = dict(phases.ended), []
        about = {job_id for job_id, (left, _) in waits.items() if left & ended.keys()}
        for job_id in ended.keys() & waits.keys():
            del waits[job_id]
        for job_id in sorted(about & waits.keys()):
            left, after = waits[job_id]
            failed = [one for one in left & ended.keys() if ended[one] is not Status.COMPLETED]
            left -= ended.keys()
            waits[job_id] = left, after
            if failed and not after.runs_anyway:
                _cancel(phases, job_id, min(failed), ended[min(failed)])
            elif not left:
                del waits[job_id]
                due = phases.now + after.delay if after.at is None else after.at
                job = phases.rows.jobs[job_id]
                if job_id in phases.rows.expiries:
                    phases.rows.expiries[job_id] += max(due, phases.now) - to_micros(job.scheduled_at)
                phases.put(job, held=None, scheduled_at=to_datetime(due))


def list_after(rows: Rows, query: ListAfter) -> tuple[int, ...]:
    """See `ListAfter`."""
    left, _ = rows.waits.get(query.job, (frozenset[int](), None))
    return tuple(sorted(left)[: query.limit])


def _cancel(phases: MemoryPhases, job_id: int, waited_for: int, status: Status | None) -> None:
    how = "was deleted" if status is None else f"is {status}"
    reason = FAILED.format(job=waited_for, status=how)
    job = phases.rows.jobs[job_id]
    phases.cancel_job(CancelJob(job_id, reason))
    phases.cancelled.append(Cancellation(job_id, job.type, reason))
