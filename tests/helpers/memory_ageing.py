"""Which priorities rise, of a store of plain Python; written from `model/ageing.py` alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.ageing import RaisePriorities
from aiojobs_lite.model.job import PRIORITIES, PRIORITY_NAMES, Job, Priority

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases


def raised(jobs: Iterable[Job], limited: Collection[str], write: RaisePriorities) -> dict[int, Priority]:
    """Those of the claimable jobs whose priority rises, and to which; `limited` are the types with limits by key."""
    found: dict[int, Priority] = {}
    by_age = [job for job in jobs if job.type not in limited]
    of_priority = {priority: [job for job in by_age if PRIORITIES[job.priority] == priority] for priority in (1, 2)}
    for before, after, due_before in write.steps:
        old = [job for job in of_priority[before] if to_micros(job.scheduled_at) < due_before and job.id not in found]
        old.sort(key=lambda job: (job.type, job.scheduled_at, job.id))
        for job in old[: write.limit - len(found)]:
            found[job.id] = PRIORITY_NAMES[after]
    return found


def raise_priorities(phases: MemoryPhases, write: RaisePriorities) -> int:
    """See `RaisePriorities`."""
    rising = raised(phases.rows.claimable(), phases.rows.limited, write)
    for job_id, priority in rising.items():
        phases.put(phases.rows.jobs[job_id], priority=priority)
    return len(rising)
