"""By how much the clock was ahead that wrote a job of the store of plain Python."""

from __future__ import annotations

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.model.job import Job, Status


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
