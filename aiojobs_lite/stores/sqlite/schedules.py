"""Cron: the schedules and their ticks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from aiojobs_lite.model.admission import Admit, Candidate, Refused
from aiojobs_lite.model.job import Status
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
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import Transaction
from aiojobs_lite.stores.sqlite.unique import admit
from aiojobs_lite.text import end_of_prefix


def set_schedule(transaction: Transaction, write: SetSchedule) -> ScheduleAnswer:
    """See `SetSchedule`."""
    stored = transaction.one("stored_schedule", (write.name,))
    if stored is None:
        transaction.run("set_schedule", write._asdict())
        return ScheduleAnswer(write.next_tick)
    expression, tz, next_tick, revision, _, stopped_at = stored
    if revision is not None:
        return ScheduleAnswer(next_tick, is_taken=True)
    is_new = stopped_at is not None and stopped_at < transaction.now - RESTARTED_WITHIN_US
    if is_new or (expression, tz) != (write.expression, write.tz):
        transaction.run("set_schedule", write._asdict())
        return ScheduleAnswer(write.next_tick, None if is_new else (expression, tz, next_tick))
    if stopped_at is not None:
        transaction.run("go_on", (write.name,))
    return ScheduleAnswer(next_tick)


def stop_schedules(transaction: Transaction, write: StopSchedules) -> tuple[str, ...]:
    """See `StopSchedules`."""
    rows = transaction.run("types_of_runners", (write.owner,)).fetchall()
    others = [json.loads(types) for runner, types in rows if runner not in {write.owner, *write.dead}]
    left = sorted({*write.names}.difference(*others))
    return tuple([name for name in left if transaction.run("stop_schedule", (transaction.now, name)).rowcount])


def put_schedule(transaction: Transaction, write: PutSchedule) -> PlacedSchedule:
    """See `PutSchedule`."""
    before = transaction.one("stored_schedule", (write.name,))
    if before is not None and before[3] is None:
        return PlacedSchedule(before[2], is_taken=True)
    transaction.run("put_schedule", {**write._asdict(), "now": transaction.now})
    is_same = before is not None and tuple(before[:2]) == (write.expression, write.tz)
    return PlacedSchedule(before[2] if is_same else write.next_tick, is_new=before is None)


def delete_schedule(transaction: Transaction, write: DeleteSchedule) -> bool:
    """See `DeleteSchedule`."""
    return transaction.run("delete_schedule", write).rowcount == 1


def pause_schedule(transaction: Transaction, write: PauseSchedule) -> bool:
    """See `PauseSchedule`."""
    if transaction.one("stored_schedule", (write.name,)) is None:
        return False
    if write.paused:
        transaction.run("pause_schedule", {"name": write.name, "by": write.by, "now": transaction.now})
    else:
        transaction.run("resume_schedule", (write.name,))
    return True


def fire_tick(transaction: Transaction, write: FireTick) -> TickAnswer:
    """See `FireTick`."""
    stored = transaction.one("stored_schedule", (write.schedule,))
    if stored is None and write.revision is None:
        transaction.run(
            "set_schedule", SetSchedule(write.schedule, write.expression, write.tz, write.next_tick)._asdict()
        )
    elif stored is None or stored[3] != write.revision:
        return TickAnswer("changed")
    elif stored[4] is not None:
        return TickAnswer("paused")
    moved = {
        "name": write.schedule,
        "expression": write.expression,
        "tz": write.tz,
        "next_tick": write.next_tick,
        "abandoned_before": transaction.now - ABANDONED_AFTER_US,
        "worked_out_at": write.worked_out_at,
        "now": transaction.now,
    }
    transaction.run("move_schedule", moved)
    if transaction.run("insert_tick", (write.schedule, write.tick)).rowcount == 0:
        return TickAnswer("duplicate")
    if write.job is None:
        return TickAnswer("skipped")
    if write.skip_overlap and transaction.one("schedule_busy", (write.schedule,))[0]:
        return TickAnswer("overlap")
    made = _made(transaction, write.job)
    if isinstance(made, Refused) or not made.is_new:
        return TickAnswer("refused")
    fired = {"schedule": write.schedule, "tick": write.tick, "job": made.id}
    transaction.run("tick_job", fired)
    transaction.run("latest_job", fired)
    return TickAnswer("fired", made.id)


def run_schedule(transaction: Transaction, write: RunSchedule) -> Inserted | Refused | None:
    """See `RunSchedule`."""
    if transaction.one("stored_schedule", (write.schedule,)) is None:
        return None
    made = _made(transaction, write.job)
    if isinstance(made, Inserted) and made.is_new:
        transaction.run("latest_job", {"schedule": write.schedule, "tick": None, "job": made.id})
    return made


def move_tick_back(transaction: Transaction, write: MoveTickBack) -> bool:
    """See `MoveTickBack`."""
    return transaction.run("move_tick_back", {**write._asdict(), "now": transaction.now}).rowcount == 1


def _made(transaction: Transaction, job: Candidate) -> Inserted | Refused:
    """The job of a schedule, under its conditions."""
    made = admit(transaction, Admit((job,)))
    return made if isinstance(made, Refused) else made[0]


# Reading.


def get_schedule(connection: sqlite3.Connection, sql: Sql, query: GetSchedule) -> ScheduleRow | None:
    """See `GetSchedule`."""
    found = connection.execute(sql["schedule"], query).fetchall()
    return ScheduleRow._make(found[0]) if found else None


def list_schedules(connection: sqlite3.Connection, sql: Sql, query: ListSchedules) -> list[ScheduleRow]:
    """See `ListSchedules`."""
    page = {"first": query.prefix, "after": query.after or "", "end": end_of_prefix(query.prefix), "limit": query.limit}
    return _rows(connection.execute(sql["schedules_of_page"], page).fetchall())


def find_left(connection: sqlite3.Connection, sql: Sql, query: FindLeft) -> list[str]:
    """See `FindLeft`."""
    return [name for (name,) in connection.execute(sql["left_schedules"], (json.dumps(query.known),)).fetchall()]


def due_schedules(connection: sqlite3.Connection, sql: Sql, query: DueSchedules) -> list[ScheduleRow]:
    """See `DueSchedules`."""
    types, without = json.dumps(query.types), json.dumps(query.without)
    given = {"types": types, "now": query.now, "without": without, "limit": query.limit}
    return sorted(
        _rows(connection.execute(sql["due_schedules"], given).fetchall()), key=lambda row: (row.next_tick, row.name)
    )


def look_at_ticks(connection: sqlite3.Connection, sql: Sql, query: LookAtTicks) -> TickOutlook:
    """See `LookAtTicks`."""
    given = {"types": json.dumps(query.types), "after": query.after}
    ((next_tick,),) = connection.execute(sql["next_tick_of_types"], given).fetchall()
    paused = connection.execute(sql["paused_schedules"], {"names": json.dumps(query.declared)}).fetchall()
    return TickOutlook(next_tick, frozenset([name for (name,) in paused]))


def list_moved_ahead(connection: sqlite3.Connection, sql: Sql, query: ListMovedAhead) -> list[ScheduleRow]:
    """See `ListMovedAhead`."""
    return _rows(
        connection.execute(
            sql["moved_ahead"], {"moved_at": query.after[0], "name": query.after[1], "limit": query.limit}
        ).fetchall()
    )


def list_ticks(connection: sqlite3.Connection, sql: Sql, query: ListTicks) -> list[TickRow]:
    """See `ListTicks`."""
    found = connection.execute(sql["latest_ticks"], query).fetchall()
    return [TickRow(tick, job_id, None if status is None else Status(status)) for tick, job_id, status in found]


def _rows(found: Sequence[tuple[object, ...]]) -> list[ScheduleRow]:
    return [ScheduleRow._make(row) for row in found]
