"""What expires, in plain Python."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from aiojobs_lite.model.expiries import EXPIRED, Expired
from aiojobs_lite.model.job import Held, Status
from aiojobs_lite.model.writes import CancelJob

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


def expire(phases: MemoryPhases, ids: Collection[int] | None = None) -> None:
    """Cancels the pending jobs (of these) whose expiry has come."""
    rows = phases.rows
    for expires_at, job_id in pending(rows):
        if expires_at <= phases.now and (ids is None or job_id in ids):
            phases.cancel_job(CancelJob(job_id, EXPIRED))
            del rows.expiries[job_id]
            phases.expired.append(Expired(job_id, rows.jobs[job_id].type))


def pending(rows: Rows) -> list[tuple[int, int]]:
    """When each of the pending jobs expires that do, the first one first."""
    found = ((at, rows.jobs[job_id]) for job_id, at in rows.expiries.items())
    return sorted((at, job.id) for at, job in found if job.status is Status.PENDING and job.held is not Held.AFTER)
