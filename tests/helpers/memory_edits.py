"""Edits of jobs in plain Python."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.edits import Edited, EditJob, EditRow, ListEdits
from aiojobs_lite.model.job import PRIORITIES, Held, Job, Status
from aiojobs_lite.model.limits import lane_at
from aiojobs_lite.model.payloads import stored_payload
from aiojobs_lite.model.unique import UniqueScope
from tests.helpers import memory_limits

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows

Edits = dict[int, list[EditRow]]
"""By the id of the job."""


def edit_job(phases: MemoryPhases, write: EditJob) -> Edited:
    """See `EditJob`."""
    job = phases.rows.jobs.get(write.id)
    if job is None:
        return Edited(None)
    if not (answer := _obstacle(phases.rows, job, write)):
        return answer
    before = EditRow(to_datetime(phases.now), stored_payload(job.payload_json))
    phases.rows.edits.setdefault(job.id, []).append(before)
    lane = lane_at(write.lane, PRIORITIES[job.priority])
    key = None if job.unique_scope is None else write.unique_key
    scope = None if key is None else job.unique_scope
    is_released = job.held is Held.PAYLOAD
    due = min(job.scheduled_at, to_datetime(phases.now)) if is_released else job.scheduled_at
    held, reason = (None, None) if is_released else (job.held, job.reason)
    if job.status is not Status.PENDING:
        edited = replace(job, payload_json=write.payload, lane=lane, unique_key=key, unique_scope=scope)
        phases.rows.jobs[job.id] = edited
        return answer
    changed = phases.put(
        job, payload_json=write.payload, lane=lane, unique_key=key, unique_scope=scope, scheduled_at=due, held=held,
        reason=reason,
    )  # fmt: skip
    phases.make(memory_limits.noted(phases.rows, changed, lane))
    return answer


def _obstacle(rows: Rows, job: Job, write: EditJob) -> Edited:
    if job.status not in (Status.PENDING, Status.DEAD):
        return Edited(job.status, "status")
    if stored_payload(job.payload_json) != write.before:
        return Edited(job.status, "changed")
    if any(of == job.id for of, _ in rows.durable.steps):
        return Edited(job.status, "operations")
    if write.unique_key is not None and job.status is Status.PENDING and _holds(job):
        for other in rows.jobs.values():
            if other.id != job.id and (other.type, other.unique_key) == (job.type, write.unique_key) and _holds(other):
                return Edited(job.status, "key", write.unique_key)
    return Edited(job.status)


def _holds(job: Job) -> bool:
    """Whether it keeps others of its unique key away."""
    if job.unique_scope is UniqueScope.UNFINISHED:
        return not job.is_finished
    return job.unique_scope is UniqueScope.PENDING and job.status is Status.PENDING and job.started_at is None


def list_edits(rows: Rows, query: ListEdits) -> list[EditRow]:
    """See `ListEdits`."""
    return rows.edits.get(query.job_id, []) if query.job_id in rows.jobs else []  # no id is given again
