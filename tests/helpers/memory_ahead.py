"""By how much the clock was ahead that wrote a job of the store of plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US, AheadPage, ListAhead, ListEndedAhead, Place
from aiojobs_lite.model.job import PRIORITIES, Job, Status
from tests.helpers import memory_limits

if TYPE_CHECKING:
    from tests.helpers.memory_rows import Rows


def ahead(rows: Rows, query: ListAhead) -> AheadPage:
    """See `ListAhead`."""
    places = {Place(job.type, PRIORITIES[job.priority], micros_of(job), job.id): job for job in rows.claimable()}
    later = sorted(place for place in places if place.scheduled_at > query.now)
    page = [place for place in later if query.after is None or place > query.after][: query.limit]
    ids = tuple(place.id for place in page if ahead_by(places[place], query.now))
    if len(page) == query.limit:
        return AheadPage(ids, page[-1])
    return AheadPage(ids, None, memory_limits.has_starts_ahead(rows, query.now))


def ended_ahead(rows: Rows, query: ListEndedAhead) -> tuple[int, ...]:
    """See `ListEndedAhead`."""
    return tuple(job.id for job in rows.jobs.values() if job.is_finished and ahead_by(job, query.now))[: query.limit]


def micros_of(job: Job) -> int:
    """When a job is due."""
    return to_micros(job.scheduled_at)


def ahead_by(job: Job, now: int) -> int:
    """By how much the clock was ahead that wrote a job, if `MoveBack` moves it; else 0."""
    if job.is_finished:
        ahead = ended(job) - now
        return ahead if ahead > CLOCK_TOLERANCE_US else 0
    if job.status is Status.PROCESSING:
        return 0
    due, written = micros_of(job), to_micros(job.created_at)
    if job.started_at is not None:
        if job.attempts == job.snoozes == job.interruptions == job.crashes == 0:
            written = due
        elif job.history:
            written = to_micros(job.history[-1].ended_at)
    ahead = written - now
    return ahead if ahead > CLOCK_TOLERANCE_US and -CLOCK_TOLERANCE_US <= due - written <= ahead else 0


def ended(job: Job) -> int:
    """When a finished job ended."""
    assert job.completed_at is not None
    return to_micros(job.completed_at)
