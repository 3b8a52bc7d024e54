"""The schedules of a store of plain Python; written from `model/schedules.py` alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiojobs_lite.model.schedules import (
    ABANDONED_AFTER_US,
    FireTick,
    MoveTickBack,
    ScheduleAnswer,
    SetSchedule,
    TickAnswer,
)

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases


class Schedule(NamedTuple):
    """A stored schedule."""

    expression: str
    tz: str
    next_tick: int
    latest_job: int | None = None


def set_schedule(phases: MemoryPhases, write: SetSchedule) -> ScheduleAnswer:
    """See `SetSchedule`."""
    stored, replaced = phases.rows.schedules.get(write.name), None
    if stored is None:
        stored = Schedule(write.expression, write.tz, write.next_tick)
    elif (stored.expression, stored.tz) != (write.expression, write.tz):
        replaced = (stored.expression, stored.tz, stored.next_tick)
        stored = stored._replace(expression=write.expression, tz=write.tz, next_tick=write.next_tick)
    phases.rows.schedules[write.name] = stored
    return ScheduleAnswer(stored.next_tick, replaced)


def fire_tick(phases: MemoryPhases, write: FireTick) -> TickAnswer:
    """See `FireTick`."""
    schedule = phases.rows.schedules[write.schedule]
    if (schedule.expression, schedule.tz) == (write.expression, write.tz):
        schedule = schedule._replace(next_tick=max(schedule.next_tick, write.next_tick))
    elif schedule.next_tick < phases.now - ABANDONED_AFTER_US:
        schedule = schedule._replace(expression=write.expression, tz=write.tz, next_tick=write.next_tick)
    phases.rows.schedules[write.schedule] = schedule
    if (write.schedule, write.tick) in phases.rows.ticks:
        return TickAnswer("duplicate")
    phases.rows.ticks.add((write.schedule, write.tick))
    if write.row is None:
        return TickAnswer("skipped")
    latest = phases.rows.jobs.get(schedule.latest_job or 0)
    if write.skip_overlap and latest is not None and not latest.is_finished:
        return TickAnswer("overlap")
    job_id = phases.new_job(write.row)
    phases.rows.schedules[write.schedule] = schedule._replace(latest_job=job_id)
    return TickAnswer("fired", job_id)


def move_tick_back(phases: MemoryPhases, write: MoveTickBack) -> bool:
    """See `MoveTickBack`."""
    stored = phases.rows.schedules.get(write.schedule)
    rule, is_later = (write.expression, write.tz), write.next_tick > phases.now
    if stored is None or stored[:2] != rule or stored.next_tick <= write.next_tick or not is_later:
        return False
    phases.rows.schedules[write.schedule] = stored._replace(next_tick=write.next_tick)
    return True
