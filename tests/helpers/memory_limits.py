"""Limits by key in plain Python: every job is looked at, and every attempt is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from aiojobs_lite.clock import to_datetime, to_micros
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.limits import (
    ChangeLimit,
    LaneState,
    LimitedLane,
    LimitRow,
    LookAtLane,
    LookAtMeters,
    MeterState,
    MeterUse,
    PauseLimit,
    RestartRate,
    StoredLimit,
    lane_of,
    limit_of,
    meter_key,
)
from aiojobs_lite.model.pauses import Pause, in_force

if TYPE_CHECKING:
    from tests.helpers.memory_rows import Rows


def set_limits(rows: Rows, limits: tuple[StoredLimit, ...]) -> tuple[StoredLimit, ...]:
    """See `SetLimits`."""
    before = []
    for limit in limits:
        place = (limit.name, limit.key)
        row = rows.limits.get(place)
        values = (limit.most, limit.per)
        if limit.key is not None:
            counts = counting(rows, limit.name, limit.key)
            if counts is not None and (counts.most, counts.per) == values:
                continue
            if counts is None:
                place, row = (limit.name, None), None
        if row is None:
            rows.limits[place] = LimitRow(limit.name, place[1], *values)
        elif not row.is_pinned and (row.most, row.per) != values:
            if row.most is not None:
                before.append(StoredLimit(limit.name, row.most, row.per, limit.key))
            rows.limits[place] = row._replace(most=limit.most, per=limit.per)
    return tuple(before)


def noted(rows: Rows, job: Job, lane: str | None) -> Job:
    """A job with a new lane; stores the limits that this brings."""
    if lane is not None:
        rows.limited.add(job.type)
    if isinstance(lane, LimitedLane):
        set_limits(rows, lane.limits)
    return job


def change(rows: Rows, write: ChangeLimit) -> bool:
    """See `ChangeLimit`."""
    of_all = rows.limits.get((write.name, None))
    if of_all is None:
        return False
    place = (write.name, write.key)
    row = rows.limits.get(place, LimitRow(write.name, write.key, None, None))
    if write.most is not None:
        per = None if of_all.per is None else write.per or row.per or of_all.per
        rows.limits[place] = row._replace(most=write.most, per=per, is_pinned=write.is_pinned)
    elif write.key is None:
        rows.limits[place] = of_all._replace(is_pinned=write.is_pinned)
    else:
        _keep(rows, place, row._replace(most=None, per=None, is_pinned=False))
    return True


def pause(rows: Rows, write: PauseLimit, now: int) -> bool:
    """See `PauseLimit`."""
    if (write.name, None) not in rows.limits:
        return False
    place = (write.name, write.key)
    row = rows.limits.get(place, LimitRow(write.name, write.key, None, None))
    if not write.paused:
        _keep(rows, place, row._replace(pause=None))
        return True
    pause = Pause(to_datetime(now), write.by, None if write.until is None else to_datetime(write.until))
    if row.pause is not None and pause.lasts_longer(row.pause) and not row.pause.has_ended(to_datetime(now)):
        pause = replace(pause, since=row.pause.since)
    if row.pause is None or pause.lasts_longer(row.pause):
        rows.limits[place] = row._replace(pause=pause)
    return True


def end_pauses(rows: Rows, now: int) -> None:
    """Forgets the pauses that are over, once a type counts by any limit."""
    for place, row in list(rows.limits.items()) if rows.limited else ():
        if row.pause is not None and row.pause.has_ended(to_datetime(now)):
            _keep(rows, place, row._replace(pause=None))


def _keep(rows: Rows, place: tuple[str, str | None], row: LimitRow) -> None:
    """Keeps a row that says anything."""
    rows.limits.pop(place, None)
    if row.most is not None or row.pause is not None:
        rows.limits[place] = row


def listed(rows: Rows) -> list[LimitRow]:
    """See `ListLimits`."""
    return sorted(rows.limits.values(), key=lambda row: (row.name, row.key or ""))


def counting(rows: Rows, name: str, key: str, now: int = 0) -> LimitRow | None:
    """What counts for a key, with its pause or that of all keys, if it is not over; None: it is not limited."""
    of_all = rows.limits.get((name, None))
    if of_all is None:
        return None
    own = rows.limits.get((name, key), of_all)
    counts = of_all if own.most is None else own
    return counts._replace(key=key, pause=in_force(own.pause, of_all.pause, to_datetime(now)))


def restart(rows: Rows, write: RestartRate) -> bool:
    """See `RestartRate`."""
    rows.starts.pop(f"{write.name}\n{write.key}", None)
    return (write.name, None) in rows.limits


def look_at_meters(rows: Rows, query: LookAtMeters) -> list[MeterUse] | None:
    """See `LookAtMeters`."""
    found = [_use(rows, query.name, key, query.now) for key in query.keys]
    uses = [use for use in found if use is not None]
    return uses if len(uses) == len(found) else None


def _use(rows: Rows, name: str, key: str, now: int) -> MeterUse | None:
    row, meter = counting(rows, name, key, now), f"{name}\n{key}"
    if row is None:
        return None
    counted = [job for job in rows.claimable() if job.lane is not None and meter in lane_of(job.lane).meters]
    due = [job for job in counted if to_micros(job.scheduled_at) <= now]
    per = row.per
    starts = [] if per is None else [at for at in sorted(rows.starts.get(meter, ())) if at > now - per]
    return MeterUse(_meter_state(rows, meter, row, now), min(starts, default=None), len(due), len(counted))


def look_at_lane(rows: Rows, query: LookAtLane) -> LaneState:
    """See `LookAtLane`."""
    lane, states = lane_of(query.lane), []
    for meter in lane.meters:
        row = counting(rows, limit_of(meter), meter_key(meter), query.now)
        if row is not None:
            states.append(_meter_state(rows, meter, row, query.now))
    before = [
        job.id
        for job in rows.jobs.values()
        if job.lane == query.lane and job.id < query.id and job.status is Status.PENDING and job.held is None
    ]
    return LaneState(tuple(states), min(before, default=None) if lane.is_ordered else None)


def _meter_state(rows: Rows, meter: str, row: LimitRow, now: int) -> MeterState:
    taken, most, starts = taken_of(rows, meter, row.per, now), row.most or 0, sorted(rows.starts.get(meter, ()))
    is_full = row.per is not None and taken >= most
    return MeterState(row, taken, starts[len(starts) - most] + (row.per or 0) if is_full else None)


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
        limit = counting(rows, limit_of(meter), meter_key(meter), now)
        if capacity(rows, meter, now) > 0 or limit is None:
            continue
        if limit.pause is not None and limit.pause.until is not None:
            due = max(due, to_micros(limit.pause.until))
            continue
        if limit.per is None or limit.most is None or limit.pause is not None:
            return None
        starts = sorted(rows.starts[meter])
        due = max(due, starts[len(starts) - limit.most] + limit.per)
    return due


def is_free(rows: Rows, job: Job) -> bool:
    """Whether no limit by key holds a job back, whatever the time is."""
    meters = lane_of(job.lane).meters if job.lane else ()
    return may_start(rows, job, 0) and not any(rows.starts.get(meter) for meter in meters)


def is_in_lane(rows: Rows, job: Job) -> bool:
    """Whether a job waits in its lane; a store says so of fewer ones, until the claim has found them over a limit."""
    return job.status is Status.PENDING and job.held is None and job.lane is not None and not is_free(rows, job)


def set_free(before: Rows, after: Rows, now: int, known: Mapping[str, int]) -> list[int]:
    """When those due jobs may start that a limit by key kept from it before a transaction, and not after. Of one that
    is not due yet it was said before when it will be.
    """
    waiting = [job for job in after.jobs.values() if job.status is Status.PENDING and job.held is None and job.lane]
    waiting = [job for job in waiting if to_micros(job.scheduled_at) <= now and job.type not in after.paused]
    found = []
    for job in waiting:
        earlier, at = before.jobs.get(job.id), next_start(after, job, now)
        is_free = at is not None and earlier is not None and next_start(before, earlier, now) is None
        if at is not None and is_free and known.get(job.type, at + 1) > at:
            found.append(at)
    return found


def start(rows: Rows, job: Job, now: int) -> None:
    """Notes that an attempt of a job starts, and forgets those that are long out of the period."""
    for meter in () if job.lane is None else lane_of(job.lane).meters:
        limit = counting(rows, limit_of(meter), meter_key(meter))
        if limit is None or limit.per is None:
            continue  # only those of rates are noted
        first = now - limit.per - min(limit.per, CLOCK_TOLERANCE_US)
        rows.starts[meter] = (*[at for at in rows.starts.get(meter, ()) if at > first], now)


def has_starts_ahead(rows: Rows, now: int) -> bool:
    """Whether `move_back` would move a start."""
    pauses = [row.pause for row in rows.limits.values() if row.pause is not None]
    began = [to_micros(pause.since) for pause in pauses if pause.since is not None and pause.until is not None]
    return any(at > now + CLOCK_TOLERANCE_US for starts in (began, *rows.starts.values()) for at in starts)


def move_back(rows: Rows, now: int) -> None:
    """See `MoveBack`."""
    for meter, starts in rows.starts.items():
        rows.starts[meter] = tuple(now if at > now + CLOCK_TOLERANCE_US else at for at in starts)
    right = to_datetime(now)
    for place, row in rows.limits.items():
        pause = row.pause
        if pause is None or pause.until is None or pause.since is None:
            continue
        if to_micros(pause.since) > now + CLOCK_TOLERANCE_US:
            until = max(pause.until - (pause.since - right), right)
            rows.limits[place] = row._replace(pause=replace(pause, since=right, until=until))


def capacity(rows: Rows, meter: str, now: int) -> int:
    """How many more attempts a meter allows."""
    limit = counting(rows, limit_of(meter), meter_key(meter), now)
    if limit is None or limit.most is None:
        return 1
    return 0 if limit.pause is not None else limit.most - taken_of(rows, meter, limit.per, now)


def taken_of(rows: Rows, meter: str, per: int | None, now: int) -> int:
    """How many attempts run that a meter counts, or started within its period."""
    if per is not None:
        return sum(at > now - per for at in rows.starts.get(meter, ()))
    running = [job.lane for job in rows.jobs.values() if job.status is Status.PROCESSING and job.lane is not None]
    return sum(meter in lane_of(lane).meters for lane in running)


def first_start(rows: Rows, jobs: list[Job], now: int) -> int | None:
    """When the first of these jobs may start."""
    return min([at for job in jobs if (at := next_start(rows, job, now)) is not None], default=None)


def due(before: Rows, after: Rows, now: int, made: list[int], known: Mapping[str, int]) -> int | None:
    """See `Applied.due`, of a transaction without a claim: when the first job is due that it has made claimable.

    Args:
        before: All before the transaction.
        after: All after it.
        now: Its instant.
        made: The ids of the jobs that became claimable.
        known: From when on a job of a type may be due, as it was said before: that need not be said again.
    """
    jobs = [job for job_id in made if (job := after.jobs.get(job_id)) is not None]
    pending = [job for job in jobs if job.status is Status.PENDING and job.held is None]
    first = first_start(after, pending, now)
    return min([*set_free(before, after, now, known), *([] if first is None else [first])], default=None)
