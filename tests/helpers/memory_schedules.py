"""The schedules of a store of plain Python; written from `model/schedules.py` and `model/schedule_rows.py` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.schedule_rows import (
    DueSchedules,
    FindLeft,
    GetSchedule,
    ListMovedAhead,
    ListSchedules,
    ListTicks,
    LookAtTicks,
    ScheduleRow,
    TickOutlook,
    TickRow,
)
from aiojobs_lite.model.schedules import (
    ABANDONED_AFTER_US,
    RESTARTED_WITHIN_US,
    DeleteSchedule,
    FireTick,
    MoveTickBack,
    PauseSchedule,
    PlacedSchedule,
    PutSchedule,
    RunSchedule,
    ScheduleAnswer,
    SetSchedule,
    StopSchedules,
    TickAnswer,
)
from aiojobs_lite.model.writes import Inserted
from tests.helpers.memory_admission import admit

if TYPE_CHECKING:
    from tests.helpers.memory_rows import MemoryPhases, Rows


def set_schedule(phases: MemoryPhases, write: SetSchedule) -> ScheduleAnswer:
    """See `SetSchedule`."""
    schedules = phases.rows.schedules
    stored = schedules.get(write.name)
    if stored is None:
        schedules[write.name] = ScheduleRow(*write)
        return ScheduleAnswer(write.next_tick)
    if stored.revision is not None:
        return ScheduleAnswer(stored.next_tick, is_taken=True)
    if stored.updated_at is not None and phases.now - stored.updated_at > RESTARTED_WITHIN_US:
        schedules[write.name] = stored._replace(**write._asdict(), updated_at=None)
        return ScheduleAnswer(write.next_tick)
    schedules[write.name] = stored = stored._replace(updated_at=None)
    if stored[1:3] == write[1:3]:
        return ScheduleAnswer(stored.next_tick)
    schedules[write.name] = stored._replace(expression=write.expression, tz=write.tz, next_tick=write.next_tick)
    return ScheduleAnswer(write.next_tick, (stored.expression, stored.tz, stored.next_tick))


def stop_schedules(phases: MemoryPhases, write: StopSchedules) -> tuple[str, ...]:
    """See `StopSchedules`."""
    others = [one for one in phases.rows.runners.values() if one.ended_at is None and one.id not in write.dead]
    registered = {name for one in others if one.id != write.owner for name in one.types}
    stopped = []
    for name in sorted(set(write.names) - registered):
        stored = phases.rows.schedules.get(name)
        if stored is not None and stored.revision is None and stored.updated_at is None:
            phases.rows.schedules[name] = stored._replace(updated_at=phases.now)
            stopped.append(name)
    return tuple(stopped)


def put_schedule(phases: MemoryPhases, write: PutSchedule) -> PlacedSchedule:
    """See `PutSchedule`."""
    before = phases.rows.schedules.get(write.name)
    if before is not None and before.revision is None:
        return PlacedSchedule(before.next_tick, is_taken=True)
    made = ScheduleRow(*write[:-1], created_at=phases.now, updated_at=phases.now)._replace(
        moved_at=max(phases.now, write.worked_out_at)
    )
    if before is not None:
        made = made._replace(
            created_at=before.created_at, latest_job=before.latest_job, last_tick=before.last_tick,
            paused_since=before.paused_since, paused_by=before.paused_by,
        )  # fmt: skip
        if before[1:3] == made[1:3]:
            made = made._replace(next_tick=before.next_tick, moved_at=before.moved_at)
    phases.rows.schedules[write.name] = made
    return PlacedSchedule(made.next_tick, is_new=before is None)


def delete_schedule(phases: MemoryPhases, write: DeleteSchedule) -> bool:
    """See `DeleteSchedule`."""
    return phases.rows.schedules.pop(write.name, None) is not None


def pause_schedule(phases: MemoryPhases, write: PauseSchedule) -> bool:
    """See `PauseSchedule`."""
    stored = phases.rows.schedules.get(write.name)
    if stored is None:
        return False
    if not write.paused:
        phases.rows.schedules[write.name] = stored._replace(paused_since=None, paused_by=None)
    elif stored.paused_since is None:
        phases.rows.schedules[write.name] = stored._replace(paused_since=phases.now, paused_by=write.by)
    return True


def fire_tick(phases: MemoryPhases, write: FireTick) -> TickAnswer:
    """See `FireTick`."""
    schedules = phases.rows.schedules
    if write.schedule not in schedules and write.revision is None:
        schedules[write.schedule] = ScheduleRow(write.schedule, write.expression, write.tz, write.next_tick)
    schedule = schedules.get(write.schedule)
    if schedule is None or schedule.revision != write.revision:
        return TickAnswer("changed")
    if schedule.paused_since is not None:
        return TickAnswer("paused")
    is_its_rule = (schedule.expression, schedule.tz) == (write.expression, write.tz)
    if is_its_rule or schedule.next_tick < phases.now - ABANDONED_AFTER_US:
        if write.revision is not None and schedule.next_tick < write.next_tick:
            schedule = schedule._replace(moved_at=max(phases.now, write.worked_out_at))
        next_tick = max(schedule.next_tick, write.next_tick) if is_its_rule else write.next_tick
        schedule = schedule._replace(expression=write.expression, tz=write.tz, next_tick=next_tick)
        if write.revision is None:
            schedule = schedule._replace(updated_at=None)
    schedules[write.schedule] = schedule
    if (write.schedule, write.tick) in phases.rows.ticks:
        return TickAnswer("duplicate")
    phases.rows.ticks[write.schedule, write.tick] = None
    if write.job is None:
        return TickAnswer("skipped")
    latest = phases.rows.jobs.get(schedule.latest_job or 0)
    if write.skip_overlap and latest is not None and not latest.is_finished:
        return TickAnswer("overlap")
    made = _made(phases, write.job)
    if isinstance(made, Refused) or not made.is_new:
        return TickAnswer("refused")
    phases.rows.ticks[write.schedule, write.tick] = made.id
    schedules[write.schedule] = schedule._replace(latest_job=made.id, last_tick=write.tick)
    return TickAnswer("fired", made.id)


def run_schedule(phases: MemoryPhases, write: RunSchedule) -> Inserted | Refused | None:
    """See `RunSchedule`."""
    schedule = phases.rows.schedules.get(write.schedule)
    if schedule is None:
        return None
    made = _made(phases, write.job)
    if isinstance(made, Inserted) and made.is_new:
        phases.rows.schedules[write.schedule] = schedule._replace(latest_job=made.id)
    return made


def move_tick_back(phases: MemoryPhases, write: MoveTickBack) -> bool:
    """See `MoveTickBack`."""
    stored = phases.rows.schedules.get(write.schedule)
    rule = write.expression, write.tz
    is_later = write.next_tick > phases.now or (stored is not None and stored.revision is not None)
    if stored is None or stored[1:3] != rule or stored.next_tick <= write.next_tick or not is_later:
        return False
    moved_at = None if stored.revision is None else max(phases.now, write.worked_out_at)
    phases.rows.schedules[write.schedule] = stored._replace(next_tick=write.next_tick, moved_at=moved_at)
    return True


def _made(phases: MemoryPhases, job: Candidate) -> Inserted | Refused:
    made = admit(phases, Admit((job,)))
    return made if isinstance(made, Refused) else made[0]


WRITES: Final[Mapping[type, Callable[[MemoryPhases, Any], Any]]] = {
    DeleteSchedule: delete_schedule,
    FireTick: fire_tick,
    MoveTickBack: move_tick_back,
    PauseSchedule: pause_schedule,
    PutSchedule: put_schedule,
    RunSchedule: run_schedule,
    SetSchedule: set_schedule,
    StopSchedules: stop_schedules,
}
"""The writes about schedules."""


def list_schedules(rows: Rows, query: ListSchedules) -> list[ScheduleRow]:
    """See `ListSchedules`."""
    names = sorted(name for name in rows.schedules if name.startswith(query.prefix) and name > (query.after or ""))
    return [rows.schedules[name] for name in names[: query.limit]]


def find_left(rows: Rows, query: FindLeft) -> list[str]:
    """See `FindLeft`."""
    declared = [row.name for row in rows.schedules.values() if row.revision is None and row.updated_at is None]
    return sorted({*declared} - {*query.known})


def due_schedules(rows: Rows, query: DueSchedules) -> list[ScheduleRow]:
    """See `DueSchedules`."""
    found = [row for row in _firing(rows, query.types) if row.next_tick <= query.now and row.name not in query.without]
    return sorted(found, key=lambda row: (row.next_tick, row.name))[: query.limit]


def look_at_ticks(rows: Rows, query: LookAtTicks) -> TickOutlook:
    """See `LookAtTicks`."""
    coming = [row.next_tick for row in _firing(rows, query.types) if row.next_tick > query.after]
    paused = [name for name, row in rows.schedules.items() if row.paused_since is not None]
    return TickOutlook(min(coming, default=None), frozenset(paused) & frozenset(query.declared))


def list_moved_ahead(rows: Rows, query: ListMovedAhead) -> list[ScheduleRow]:
    """See `ListMovedAhead`."""
    moved = sorted((row.moved_at, row.name) for row in rows.schedules.values() if row.moved_at is not None)
    return [rows.schedules[name] for at, name in moved if (at, name) > query.after][: query.limit]


def list_ticks(rows: Rows, query: ListTicks) -> list[TickRow]:
    """See `ListTicks`."""
    found = sorted((tick for name, tick in rows.ticks if name == query.schedule), reverse=True)
    jobs = [(tick, rows.ticks[query.schedule, tick]) for tick in found[: query.limit]]
    return [TickRow(tick, made, rows.jobs[made].status if made in rows.jobs else None) for tick, made in jobs]


def _firing(rows: Rows, types: tuple[str, ...]) -> list[ScheduleRow]:
    return [row for row in rows.schedules.values() if row.job_type in types and row.paused_since is None]


READS: Final[Mapping[type, Callable[[Rows, Any], Any]]] = {
    DueSchedules: due_schedules,
    FindLeft: find_left,
    GetSchedule: lambda rows, query: rows.schedules.get(query.name),
    ListMovedAhead: list_moved_ahead,
    ListSchedules: list_schedules,
    ListTicks: list_ticks,
    LookAtTicks: look_at_ticks,
}
"""The queries about schedules."""
