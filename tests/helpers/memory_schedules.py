"""Schedules, in plain Python."""

from __future__ import annotations

from typing import NamedTuple

from aiojobs_lite.model.schedules import MoveTickBack, ScheduleAnswer, SetSchedule


class Schedule(NamedTuple):
    """A stored schedule."""

    expression: str
    tz: str
    next_tick: int
    latest_job: int | None = None


def set_schedule(schedules: dict[str, Schedule], write: SetSchedule) -> ScheduleAnswer:
    """See `SetSchedule`."""
    stored, replaced = schedules.get(write.name), None
    if stored is None:
        stored = Schedule(write.expression, write.tz, write.next_tick)
    elif (stored.expression, stored.tz) != (write.expression, write.tz):
        replaced = (stored.expression, stored.tz, stored.next_tick)
        stored = stored._replace(expression=write.expression, tz=write.tz, next_tick=write.next_tick)
    schedules[write.name] = stored
    return ScheduleAnswer(stored.next_tick, replaced)


def move_tick_back(schedules: dict[str, Schedule], write: MoveTickBack, now: int) -> bool:
    """See `MoveTickBack`."""
    stored = schedules.get(write.schedule)
    rule, is_later = (write.expression, write.tz), write.next_tick > now
    if stored is None or stored[:2] != rule or stored.next_tick <= write.next_tick or not is_later:
        return False
    schedules[write.schedule] = stored._replace(next_tick=write.next_tick)
    return True
