"""The jobs of the store of plain Python that a clock wrote which was ahead, and by how much it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_lite.clock import FIRST_INSTANT, to_datetime, to_micros
from aiojobs_lite.model.ahead import (
    CLOCK_TOLERANCE_US,
    AheadPage,
    ListAhead,
    ListEndedAhead,
    MoveBack,
    MovedBack,
    Place,
)
from aiojobs_lite.model.job import PRIORITIES, Job, Outcome, Status
from tests.helpers import memory_limits, memory_steps

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


def ahead(rows: Rows, query: ListAhead) -> AheadPage:
    """See `ListAhead`."""
    places = {Place(job.type, PRIORITIES[job.priority], micros_of(job), job.id): job for job in rows.claimable()}
    later = sorted(place for place in places if place.scheduled_at > query.now)
    page = [place for place in later if query.after is None or place > query.after][: query.limit]
    ids = tuple(place.id for place in page if ahead_by(rows, places[place], query.now))
    if len(page) == query.limit:
        return AheadPage(ids, page[-1])
    return AheadPage(ids, None, memory_limits.has_starts_ahead(rows, query.now))


def ended_ahead(rows: Rows, query: ListEndedAhead) -> tuple[int, ...]:
    """See `ListEndedAhead`."""
    ended_later = (job.id for job in rows.jobs.values() if job.is_finished and ahead_by(rows, job, query.now))
    return tuple(ended_later)[: query.limit]


def micros_of(job: Job) -> int:
    """When a job is due."""
    return to_micros(job.scheduled_at)


def ahead_by(rows: Rows, job: Job, now: int) -> int:
    """By how much the clock was ahead that wrote a job, if `MoveBack` moves it; else 0."""
    if job.is_finished:
        ahead = ended(job) - now
        return ahead if ahead > CLOCK_TOLERANCE_US else 0
    if job.status is Status.PROCESSING:
        return 0
    due, written = micros_of(job), written_at(rows, job)
    ahead = written - now
    is_short = -CLOCK_TOLERANCE_US <= due - written < ahead - CLOCK_TOLERANCE_US
    return ahead if ahead > CLOCK_TOLERANCE_US and is_short else 0


def written_at(rows: Rows, job: Job) -> int:
    """When a pending job was written."""
    latest = job.history[-1] if job.history else None
    if job.started_at is None:
        return to_micros(job.created_at)
    if memory_steps.is_suspended(rows, job.id):
        return to_micros(job.started_at)
    may_snooze = rows.durable.has_steps(job.id) and (latest is None or latest.outcome is not Outcome.SNOOZED)
    if job.attempts == job.interruptions == job.crashes == 0 and job.snoozes <= may_snooze:
        return micros_of(job)
    return to_micros(job.created_at if latest is None else latest.ended_at)


def ended(job: Job) -> int:
    """When a finished job ended."""
    assert job.completed_at is not None
    return to_micros(job.completed_at)


def move_back(phases: MemoryPhases, write: MoveBack) -> MovedBack:
    """See `MoveBack`."""
    memory_limits.move_back(phases.rows, phases.now)
    jobs = [job for job_id in set(write.ids) if (job := phases.rows.jobs.get(job_id)) is not None]
    moved = [(job, by) for job in jobs if (by := ahead_by(phases.rows, job, phases.now))]
    now = to_datetime(phases.now)
    for job, by in moved:
        if not job.is_finished:
            memory_steps.move_back(phases, job.id, by, written_at(phases.rows, job))
            changed = phases.put(job, scheduled_at=to_datetime(to_micros(job.scheduled_at) - by))
            if job.id in phases.rows.expiries:
                phases.rows.expiries[job.id] -= by
            if changed.status is Status.PENDING and changed.held is None:
                phases.make(changed)
            continue
        started = job.started_at
        if started is not None and started > now:
            started = to_datetime(max(to_micros(started) - by, FIRST_INSTANT))
        phases.put(job, started_at=started, created_at=min(job.created_at, now))
    return MovedBack(len(moved), max([0, *(by for _, by in moved)]))
