"""Limits by key in plain Python: every job is looked at, and every attempt is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_of, limit_of

if TYPE_CHECKING:
    from tests.helpers.memory_rows import Rows


def set_limits(rows: Rows, write: SetLimits) -> tuple[StoredLimit, ...]:
    """See `SetLimits`."""
    before = [rows.limits.get(limit.name) for limit in write.limits]
    rows.limits |= {limit.name: limit for limit in write.limits}
    return tuple(old for old, new in zip(before, write.limits, strict=True) if old not in (None, new))


def may_start(rows: Rows, job: Job, now: int) -> bool:
    """Whether the limits of a job allow one more attempt now, and its lane that it is this one."""
    if job.lane is None:
        return True
    return is_next(rows, job, job.lane) and all(capacity(rows, meter, now) > 0 for meter in lane_of(job.lane).meters)


def is_next(rows: Rows, job: Job, lane: str) -> bool:
    """Whether no job of an ordered lane comes before this one."""
    return not lane_of(lane).is_ordered or all(
        other.id >= job.id or other.lane != lane or other.status is not Status.PENDING or other.held is not None
        for other in rows.jobs.values()
    )


def next_start(rows: Rows, job: Job, now: int) -> int | None:
    """When the limits of a job that is due allow one more attempt, as far as only time passes; else when it is due."""
    due = to_micros(job.scheduled_at)
    if job.lane is None:
        return due
    if not is_next(rows, job, job.lane):
        return None
    for meter in lane_of(job.lane).meters:
        limit = rows.limits.get(limit_of(meter))
        if capacity(rows, meter, now) > 0 or limit is None:
            continue
        if limit.per is None:
            return None
        starts = sorted(rows.starts[meter])
        due = max(due, starts[len(starts) - limit.most] + limit.per)
    return due


def is_free(rows: Rows, job: Job) -> bool:
    """Whether no limit by key holds a job back, whatever the time is."""
    meters = lane_of(job.lane).meters if job.lane else ()
    return may_start(rows, job, 0) and not any(rows.starts.get(meter) for meter in meters)


def set_free(before: Rows, after: Rows, now: int) -> list[int]:
    """When those jobs may start that a limit by key kept from it before a transaction, and no more after it."""
    waiting = [job for job in after.jobs.values() if job.status is Status.PENDING and job.held is None and job.lane]
    found = []
    for job in waiting:
        known, at = before.jobs.get(job.id), next_start(after, job, now)
        if at is not None and known is not None and next_start(before, known, now) is None:
            found.append(at)
    return found


def start(rows: Rows, job: Job, now: int) -> None:
    """Notes that an attempt of a job starts."""
    for meter in () if job.lane is None else lane_of(job.lane).meters:
        rows.starts[meter] = (*rows.starts.get(meter, ()), now)


def move_back(rows: Rows, now: int) -> None:
    """See `MoveBack`."""
    for meter, starts in rows.starts.items():
        rows.starts[meter] = tuple(now if at > now + CLOCK_TOLERANCE_US else at for at in starts)


def capacity(rows: Rows, meter: str, now: int) -> int:
    """How many more attempts a meter allows."""
    limit = rows.limits.get(limit_of(meter))
    if limit is None:
        return 1
    if limit.per is None:
        running = [job.lane for job in rows.jobs.values() if job.status is Status.PROCESSING and job.lane is not None]
        return limit.most - sum(meter in lane_of(lane).meters for lane in running)
    return limit.most - sum(at > now - limit.per for at in rows.starts.get(meter, ()))


def first_start(rows: Rows, jobs: list[Job], now: int) -> int | None:
    """When the first of these jobs may start."""
    return min([at for job in jobs if (at := next_start(rows, job, now)) is not None], default=None)


def due(before: Rows, after: Rows, now: int, made: list[int]) -> int | None:
    """See `Applied.due`, of a transaction without a claim: when the first job is due that it has made claimable.

    Args:
        before: All before the transaction.
        after: All after it.
        now: Its instant.
        made: The ids of the jobs that became claimable.
    """
    jobs = [job for job_id in made if (job := after.jobs.get(job_id)) is not None]
    pending = [job for job in jobs if job.status is Status.PENDING and job.held is None]
    first = first_start(after, pending, now)
    return min([*set_free(before, after, now), *([] if first is None else [first])], default=None)
